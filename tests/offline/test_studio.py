"""What drives OBS, as far as it can be seen without one."""

import configparser
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obsws_python
import pytest

from cleanplate.studio import bench, session
from cleanplate.studio.config import obs_folder
from cleanplate.studio.display import PresentDisplay
from cleanplate.studio.exit_report import ExitReport
from cleanplate.studio.session import ObsSession


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Stands for OBS."""
    with subprocess.Popen(["sleep", "60"]) as started:
        yield started
        started.kill()


class FakeClient:
    """obs-websocket, once it is connected; notes with what."""

    connections: list[dict[str, Any]]

    def __init__(self, **options: Any) -> None:
        FakeClient.connections = [options]

    def get_scene_list(self) -> None:
        pass

    def disconnect(self) -> None:
        pass


@pytest.fixture
def screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]
) -> PresentDisplay:
    """A screen with the OBS of this session and one of the user; "closed" tells what was closed."""
    listing = (
        f"0x01  0 {process.pid:<6} laptop OBS 29.0.2 - Profile: test\n"
        f"0x02 -1 {process.pid:<6} laptop \n"
        "0x03  0 1      laptop OBS 29.0.2 - Profile: My stream\n"
        "0x04  0 0         N/A Failed to start recording\n"
    )
    (tmp_path / "windows").write_text(listing)
    wmctrl = tmp_path / "bin" / "wmctrl"
    wmctrl.parent.mkdir()
    wmctrl.write_text(
        f"#!/bin/sh\ncd '{tmp_path}'\n"
        f'case "$1" in -l) cat windows;; *) echo "$*" >> closed; kill {process.pid};; esac\n'
    )
    wmctrl.chmod(0o755)
    monkeypatch.setenv("PATH", str(wmctrl.parent), prepend=":")
    return PresentDisplay()


def test_only_the_windows_of_the_own_obs_are_seen_and_closed(
    tmp_path: Path, process: subprocess.Popen[bytes], screen: PresentDisplay
) -> None:
    obs = ObsSession(tmp_path, display=screen)
    obs._process = process
    obs.client = FakeClient()
    obs.log_path.touch()
    assert obs.windows() == ["OBS 29.0.2 - Profile: test", ""]
    assert obs._complaints() == []
    obs.close()
    assert (tmp_path / "closed").read_text().splitlines() == ["-i -c 0x01"]


def test_obs_takes_requests_with_the_password_of_the_session_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes], screen: PresentDisplay
) -> None:
    def start(obs: ObsSession) -> None:
        obs._process = process
        obs.log_path.touch()

    monkeypatch.setattr(ObsSession, "_start", start)
    monkeypatch.setattr(session, "_accepts_sessions", lambda _port: True)
    monkeypatch.setattr(obsws_python, "ReqClient", FakeClient)
    obs = ObsSession(tmp_path, display=screen)
    with obs:
        password = FakeClient.connections[0]["password"]
    assert len(password) >= 40
    config = obs_folder(obs.home)
    written = json.loads((config / "plugin_config" / "obs-websocket" / "config.json").read_text())
    assert (written["auth_required"], written["server_password"]) == (True, password)
    earlier = configparser.ConfigParser(interpolation=None)  # where OBS before 31 looks
    earlier.read(config / "global.ini")
    assert earlier["OBSWebSocket"]["AuthRequired"] == "true"
    assert earlier["OBSWebSocket"]["ServerPassword"] == password


class CrashedObs:
    """An OBS that ended before it wrote its profile."""

    def __enter__(self) -> "CrashedObs":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_camera(self, name: str, clip: Path) -> None:
        pass

    def record(self, seconds: float) -> None:
        pass

    def close(self) -> ExitReport:
        return ExitReport(status=-11, leaks=None, profile={}, log="", orphans=[])


def test_a_crash_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ObsSession", lambda *_arguments, **_options: CrashedObs())
    with pytest.raises(ValueError, match="ended with status -11"):
        bench.measure(tmp_path, tmp_path / "script.py", bench.Clips(tmp_path, tmp_path))
