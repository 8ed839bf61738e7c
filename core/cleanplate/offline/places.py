"""Where installed things lie, on each system; the same folders as the installer and the filter use."""

import sys
from pathlib import Path

from platformdirs import PlatformDirs

_FOLDERS = PlatformDirs("cleanplate", appauthor=False)
_ROAMING = PlatformDirs("cleanplate", appauthor=False, roaming=True)
_CHECKOUT = Path(__file__).parents[3]


def model_folders(extra: tuple[Path, ...] = ()) -> list[Path]:
    """Folders with models: the user's choice first, then the installed ones, then those of a checkout."""
    installed, checkout = _data_folder() / "models", _CHECKOUT / "models" / "weights"
    return [folder for folder in (*extra, installed, checkout) if folder.is_dir()]


def filter_script() -> Path:
    """The script that OBS loads: a checkout's, else the installed one."""
    checkout = _CHECKOUT / "obs_script" / "cleanplate_filter.py"
    return checkout if checkout.is_file() else _data_folder() / "obs_script" / checkout.name


def install_record_path() -> Path:
    """Where the installer tells the OBS filter which Python to run."""
    return (_mac_folder("Application Support") or _ROAMING.user_config_path) / "install.json"


def log_folder() -> Path:
    """Where the inference worker writes its logs."""
    return _mac_folder("Logs") or _FOLDERS.user_state_path


def _data_folder() -> Path:
    return _mac_folder("Application Support") or _FOLDERS.user_data_path


def _mac_folder(kind: str) -> Path | None:
    """None elsewhere: platformdirs obeys `XDG_*` on macOS, where the installer and the filter do not."""
    return Path.home() / "Library" / kind / "cleanplate" if sys.platform == "darwin" else None
