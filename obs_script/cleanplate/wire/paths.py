"""Where the installer, the filter and the worker find one another.

                    Linux                                Windows           macOS
    config_folder   $XDG_CONFIG_HOME or ~/.config        %APPDATA%         ~/Library/Application Support
    log_folder      $XDG_STATE_HOME or ~/.local/state    %LOCALAPPDATA%    ~/Library/Logs

each with `cleanplate` below it. The install record is `install.json` in the config folder:

    {"version": "0.1.0", "python": "/path/to/python", "models": ["/path/to/weights"]}

and, on Windows and macOS, "obs_python", what the installer named in OBS' settings.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, List, NamedTuple

from cleanplate.wire.protocol import NotInstalledError

PYTHON_VARIABLE = "CLEANPLATE_PYTHON"


class InstallRecord(NamedTuple):
    """What the installer wrote.

    Attributes:
        python: The worker's Python, an absolute path.
        models: Folders that hold model weights.
        version: The installed version of Clean Plate.
    """

    python: str
    models: List[str]
    version: str


def config_folder() -> Path:
    """Returns the folder of the install record; it may not exist."""
    return _user_folder("APPDATA", "Library/Application Support", "XDG_CONFIG_HOME", ".config")


def log_folder() -> Path:
    """Returns the folder of the worker's log files; it may not exist."""
    return _user_folder("LOCALAPPDATA", "Library/Logs", "XDG_STATE_HOME", ".local/state")


def install_record_path() -> Path:
    """Returns where the installer writes its record."""
    return config_folder() / "install.json"


def read_install_record() -> InstallRecord:
    """Reads what the installer wrote.

    Raises:
        NotInstalledError: There is no record, or it is damaged.
    """
    path = install_record_path()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotInstalledError(f"The worker is not installed: {path} is missing. {_advice()}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise NotInstalledError(f"{path} cannot be read: {error}. {_advice()}") from error
    if not _is_record(record):
        raise NotInstalledError(f"{path} is damaged. {_advice()}")
    return InstallRecord(record["python"], record["models"], record["version"])


def worker_python() -> str:
    """Returns the Python that runs the worker: `CLEANPLATE_PYTHON` where it is set, else the installed one.

    Raises:
        NotInstalledError: There is no such file, or no install record.
    """
    python = os.environ.get(PYTHON_VARIABLE) or read_install_record().python
    if not Path(python).is_file():
        raise NotInstalledError(f"The worker's Python, {python}, is missing. {_advice()}")
    return python


def _advice() -> str:
    command = "py installer\\install.py" if sys.platform == "win32" else "python3 installer/install.py"
    return f"Run the installer: {command}"


def _user_folder(windows_variable: str, mac_folder: str, xdg_variable: str, xdg_default: str) -> Path:
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get(windows_variable) or home)
    elif sys.platform == "darwin":
        base = home / mac_folder
    else:
        base = Path(os.environ.get(xdg_variable) or "")
        if not base.is_absolute():  # the XDG specification says to ignore a relative path
            base = home / xdg_default
    return base / "cleanplate"


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("python"), str)
        and isinstance(record.get("version"), str)
        and isinstance(record.get("models"), list)
        and all(isinstance(folder, str) for folder in record["models"])
    )
