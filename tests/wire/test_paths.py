"""Where things are, on each operating system."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cleanplate.wire import paths
from cleanplate.wire.paths import InstallRecord
from cleanplate.wire.protocol import NotInstalledError

VARIABLES = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "APPDATA", "LOCALAPPDATA", "CLEANPLATE_PYTHON")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def install(record: Any) -> None:
    path = paths.install_record_path()
    path.parent.mkdir(parents=True)
    path.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")


def test_linux_defaults(home: Path) -> None:
    assert paths.install_record_path() == home / ".config/cleanplate/install.json"
    assert paths.log_folder() == home / ".local/state/cleanplate"


def test_linux_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "conf"))
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")

    assert paths.config_folder() == home / "conf/cleanplate"
    assert paths.log_folder() == home / ".local/state/cleanplate"


def test_windows(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(home / "Roaming"))
    monkeypatch.setenv("LOCALAPPDATA", str(home / "Local"))

    assert paths.install_record_path() == home / "Roaming/cleanplate/install.json"
    assert paths.log_folder() == home / "Local/cleanplate"


def test_macos(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert paths.config_folder() == home / "Library/Application Support/cleanplate"
    assert paths.log_folder() == home / "Library/Logs/cleanplate"


def test_the_record_is_read() -> None:
    install({"version": "0.1.0", "python": sys.executable, "models": ["/weights"], "more": 1})

    assert paths.read_install_record() == InstallRecord(sys.executable, ["/weights"], "0.1.0")
    assert paths.worker_python() == sys.executable


def test_the_variable_overrides_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_PYTHON", sys.executable)

    assert paths.worker_python() == sys.executable


def test_no_record_asks_for_the_installer() -> None:
    with pytest.raises(NotInstalledError, match=r"missing.*installer/install\.py"):
        paths.worker_python()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        {},
        {"version": "1", "python": 3, "models": []},
        {"version": "1", "python": "/p", "models": "/weights"},
        {"version": "1", "python": "/p", "models": [1]},
        {"version": None, "python": "/p", "models": []},
    ],
)
def test_a_damaged_record_asks_for_the_installer(record: Any) -> None:
    install(record)
    with pytest.raises(NotInstalledError, match="installer"):
        paths.read_install_record()


def test_an_undecodable_record_asks_for_the_installer() -> None:
    install("")
    paths.install_record_path().write_bytes(b"\xff\xfe{")
    with pytest.raises(NotInstalledError, match="installer"):
        paths.read_install_record()


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ("win32", r"py installer\install.py"),
        ("linux", "python3 installer/install.py"),
        ("darwin", "python3 installer/install.py"),
    ],
)
def test_the_installer_is_named_as_it_is_run_there(
    monkeypatch: pytest.MonkeyPatch, system: str, command: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(NotInstalledError) as caught:
        paths.worker_python()
    assert str(caught.value).endswith(f"Run the installer: {command}")


def test_a_python_that_is_gone_asks_for_the_installer(home: Path) -> None:
    install({"version": "0.1.0", "python": str(home / "gone"), "models": []})
    with pytest.raises(NotInstalledError, match="gone, is missing"):
        paths.worker_python()
