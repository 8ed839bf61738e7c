"""Drives a real OBS Studio, for the demo, the benchmark and the tests: private home and screen, recordings.

    with ObsSession(folder, scripts=[Script(path)]) as obs:
        obs.add_camera("camera", clip)
        with obs.recording() as recording:
            time.sleep(2)
        report = obs.close()
    frames = read_frames(recording.path)

By default the OBS on PATH is started. With OBS_ROOT_VARIABLE set to the root of another Linux system, the OBS
of that system runs in a chroot; folders then have to have the same path inside and outside (bind mounts).
"""

import base64
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import obsws_python
import psutil
import websocket
from numpy.typing import NDArray
from obsws_python.error import OBSSDKError, OBSSDKRequestError

from cleanplate.studio.config import (
    COLLECTION,
    PROFILE,
    RECORDINGS,
    SCENE,
    SDR,
    SDR_PIXEL_BYTES,
    SPARE_PROFILE,
    Script,
    Video,
    write_config,
    write_install_record,
)
from cleanplate.studio.display import PresentDisplay, VirtualDisplay
from cleanplate.studio.exit_report import ExitReport, parse_leaks, parse_profile
from cleanplate.studio.waiting import POLL_SECONDS, wait_for

OBS_ROOT_VARIABLE = "CLEANPLATE_TEST_OBS_ROOT"
# Every process of a session inherits it, so that orphans are found whatever they are.
_SESSION_VARIABLE = "CLEANPLATE_TEST_SESSION"

NEEDED_PROGRAMS = ("obs", "Xvfb", "openbox", "wmctrl")
START_SECONDS = 120.0
CLOSE_ATTEMPTS = 4
CLOSE_ATTEMPT_SECONDS = 30.0
ORPHAN_SECONDS = 10.0
REQUEST_SECONDS = 60
START_ATTEMPTS = 6
START_ATTEMPT_SECONDS = 10.0

_RECORDING_ENDED = "==== Recording Stop ===="
_NO_RECORDING = ("Failed to start recording", "Recording error")
_MAIN_WINDOW = re.compile(r"^OBS (Studio )?\d")

Image = NDArray[np.uint8]

SESSION_ERRORS = (
    OBSSDKError, OSError, RuntimeError, ValueError,
    psutil.Error, subprocess.SubprocessError, websocket.WebSocketException,
)  # fmt: skip
"""What a session can end with when OBS refuses a request, hangs or dies."""


def _obs_command() -> list[str]:
    root = os.environ.get(OBS_ROOT_VARIABLE)
    return ["chroot", root, "obs"] if root else ["obs"]


def missing_programs() -> list[str]:
    """Names of the programs without which no OBS can be driven here."""
    root = os.environ.get(OBS_ROOT_VARIABLE)
    inside = {"obs"} if root else set()
    missing = [name for name in NEEDED_PROGRAMS if name not in inside and not shutil.which(name)]
    if root and not Path(root, "usr/bin/obs").exists():
        missing.append(f"obs in {root}")
    return missing


@dataclass
class Recording:
    """A recording; ``path`` is the finished file once its block has been left."""

    path: Path = field(default_factory=Path)


class ObsSession:
    """One run of OBS; a context manager that never leaves a process behind.

    Args:
        folder: for everything the run writes; a second session with the same folder is the same user starting
            OBS again.
        scripts: what Tools > Scripts holds when the folder is new.
        environment: more variables for OBS and its children.
        arguments: more command-line arguments for OBS.
        models: folders with networks for the filter.
        display: where OBS appears, a private screen if not given.
        video: colours of the canvas.

    Raises:
        TimeoutError: OBS did not answer; the message names the log.
    """

    def __init__(
        self,
        folder: Path,
        scripts: list[Script] | None = None,
        environment: dict[str, str] | None = None,
        arguments: list[str] | None = None,
        models: Sequence[Path] = (),
        display: PresentDisplay | None = None,
        video: Video = SDR,
    ) -> None:
        self.home = folder / "home"
        self.log_path = folder / f"obs-{time.time_ns()}.log"
        self.client: obsws_python.ReqClient
        self._scripts = scripts or []
        self._more_environment = environment or {}
        self._arguments = arguments or []
        self._models = models
        self._video = video
        self._token = uuid.uuid4().hex
        self._password = secrets.token_urlsafe()
        self._display = display or VirtualDisplay(folder / "display.log")
        self._process: subprocess.Popen[bytes]
        self._report: ExitReport | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "ObsSession":
        port = _free_port()
        write_config(self.home, port, self._password, self._scripts, self._video)
        write_install_record(self.home, self._models)
        self._display.__enter__()
        try:
            self._start()
            self.client = wait_for(
                lambda: self._connect(port), f"OBS to start; see {self.log_path}", START_SECONDS
            )
            wait_for(self._ready, f"OBS to take requests; see {self.log_path}", START_SECONDS)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._report is None:
                self.kill()
        finally:
            self._display.__exit__(kind, error, trace)

    # How a run ends

    def close(self) -> ExitReport:
        """Close the main window as a user does and wait for the end of OBS."""
        self.client.disconnect()
        for _ in range(CLOSE_ATTEMPTS):  # on a busy machine a click may get lost
            for window in self._main_windows():
                self._display.close_window(window)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_ATTEMPT_SECONDS)
                break
        else:
            self._process.kill()
        return self._finish()

    def kill(self) -> ExitReport:
        """End OBS by SIGKILL: it cannot tidy up."""
        if hasattr(self, "client"):
            self.client.disconnect()
        if hasattr(self, "_process"):
            self._process.kill()
        return self._finish()

    def _finish(self) -> ExitReport:
        if not hasattr(self, "_process"):
            return ExitReport(status=-1, leaks=None, profile={}, log="", orphans=[])
        status = self._process.wait()
        orphans = self._end_orphans()
        log = self.log()
        self._report = ExitReport(status, parse_leaks(log), parse_profile(log), log, orphans)
        return self._report

    def _end_orphans(self) -> list[str]:
        """Give the children time to end by themselves, then name and kill the rest."""
        deadline = time.monotonic() + ORPHAN_SECONDS
        while (orphans := self._descendants()) and time.monotonic() < deadline:
            time.sleep(0.1)
        names = []
        for orphan in orphans:
            try:
                names.append(f"{orphan.pid} {' '.join(orphan.cmdline())}")
                orphan.kill()
            except psutil.NoSuchProcess:
                continue
        return names

    # What OBS is doing

    def log(self) -> str:
        """All that OBS has logged so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, text: str, timeout: float = 60.0) -> None:
        """Wait until the log holds ``text``."""
        wait_for(lambda: text in self.log(), f"{text!r} in {self.log_path}", timeout)

    def workers(self) -> list[psutil.Process]:
        """The inference workers of this run that are alive."""
        workers = []
        for process in self._descendants():
            try:
                if "cleanplate.worker" in process.cmdline():
                    workers.append(process)
            except psutil.NoSuchProcess:
                continue
        return workers

    def running(self) -> bool:
        """Whether OBS has not ended."""
        return self._process.poll() is None

    def windows(self) -> list[str]:
        """Titles of OBS' windows."""
        return list(self._windows().values())

    def screenshot(self, source: str, width: int | None = None, height: int | None = None) -> Image:
        """Render a source or scene by itself.

        Returns:
            uint8 H x W x 4, BGRA, at the source's size unless another is given.
        """
        answer = self.client.get_source_screenshot(source, "png", width, height, -1)
        encoded = base64.b64decode(answer.image_data.partition(",")[2])
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ValueError(f"OBS gave no readable picture of {source!r}")
        if image.shape[2] == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
        return image.astype(np.uint8, copy=False)

    # What a user would do

    def add_camera(self, name: str, clip: Path, scene: str = SCENE) -> None:
        """Add a looping clip as an asynchronous source, which is what a webcam is to OBS."""
        self.client.create_input(scene, name, "ffmpeg_source", camera_settings(clip), True)
        self.wait_for_size(name)

    def wait_for_size(self, source: str) -> tuple[int, int]:
        """Wait until a source of the scene shows a picture; its width and height in pixels."""

        def size() -> tuple[int, int] | None:
            for item in self.client.get_scene_item_list(SCENE).scene_items:
                transform = item["sceneItemTransform"]
                if item["sourceName"] == source and transform["sourceWidth"] and transform["sourceHeight"]:
                    return int(transform["sourceWidth"]), int(transform["sourceHeight"])
            return None

        return wait_for(size, f"a picture of {source}")

    def show_clip(self, name: str, clip: Path) -> None:
        """Let a camera of ``add_camera`` show another clip from its first frame on."""
        self.client.set_input_settings(name, camera_settings(clip), True)

    def trigger_hotkey(self, name: str) -> None:
        """Press a hotkey by its internal name, as soon as there is one."""
        wait_for(lambda: name in self.client.get_hot_key_list().hotkeys, f"the hotkey {name}")
        self.client.send("TriggerHotkeyByName", {"hotkeyName": name})

    def press_and_wait(self, hotkey: str, log_line: str) -> None:
        """Press a hotkey and wait until OBS logs what comes of it."""
        self.trigger_hotkey(hotkey)
        self.wait_for_log(log_line)

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Record while the block runs; the file is complete afterwards."""
        recording = Recording()
        self._start_recording()
        yield recording
        recording.path = self.stop_recording()

    def _start_recording(self) -> None:
        # Shortly after another recording has ended, OBS may ignore the request: then it is made again.
        for _ in range(START_ATTEMPTS):
            if not self.client.get_record_status().output_active:
                self.client.start_record()
            with suppress(TimeoutError):
                wait_for(
                    lambda: self.recorded_seconds() or self._complaints(), "a start", START_ATTEMPT_SECONDS
                )
                if not self._complaints():
                    return
                self._renew_output()
        raise TimeoutError(f"OBS does not start to record; see {self.log_path}")

    def _complaints(self) -> list[str]:
        """OBS' dialogs that say that there is no recording."""
        return [window for window, title in self._windows().items() if title in _NO_RECORDING]

    def _renew_output(self) -> None:
        """Make OBS able to record again.

        When the thread that opens the file is quicker than the one that has started it, the output believes
        for ever that it is about to start (`ffmpeg_output_start`, in OBS 28 to 32), and each recording
        "failed to start". A change of profile makes the output anew.
        """
        while windows := self._complaints():
            self._display.close_window(windows[-1])  # the others wait for it
            time.sleep(POLL_SECONDS)
        present = self.client.get_profile_list().current_profile_name
        self.client.set_current_profile(SPARE_PROFILE if present == PROFILE else PROFILE)

    def record(self, seconds: float) -> Path:
        """Record for a while, counted in the recording's own time."""
        with self.recording() as recording:
            self.wait_until_recorded(seconds)
            if self._video == SDR:
                self._wait_until_written(seconds)
        return recording.path

    def _wait_until_written(self, seconds: float) -> None:
        """Wait for the file: OBS counts frames that it has yet to write, and drops them when it stops."""
        video = self.client.get_video_settings()
        rate: float = video.fps_numerator / video.fps_denominator
        size: float = seconds * rate * video.output_width * video.output_height * SDR_PIXEL_BYTES

        def written() -> bool:
            files = (path.stat() for path in (self.home / RECORDINGS).iterdir())
            return max(files, key=lambda file: file.st_mtime_ns).st_size >= size

        wait_for(written, f"{seconds} s of recording in the file", 60 + 4 * seconds)

    def wait_until_recorded(self, seconds: float) -> None:
        """Wait until the running recording is at least so long."""
        wait_for(
            lambda: self.recorded_seconds() >= seconds,
            f"{seconds} s of recording",
            60 + 4 * seconds,
        )

    def recorded_seconds(self) -> float:
        """Length of the running recording, 0 where none runs."""
        status = self.client.get_record_status()
        return status.output_duration / 1000 if status.output_active else 0.0

    def stop_recording(self) -> Path:
        """End a recording; the finished file."""
        # The output ends before the user interface knows, which until then ignores a new start.
        ended = self.log().count(_RECORDING_ENDED)
        path = Path(self.client.stop_record().output_path)
        wait_for(lambda: self.log().count(_RECORDING_ENDED) > ended, "the recording to end")
        # Even then its last bytes, without which it cannot be read, may be missing.
        wait_for(lambda: not self._has_open(path), "the recording to be closed")
        wait_for(lambda: not self.client.get_record_status().output_active, "the recording to be over")
        return path

    # Inside

    def _start(self) -> None:
        runtime = self.home / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        # Neither the tests' Python settings nor the user's folders may reach OBS, nor the path of the Qt
        # plugins that OpenCV brings and names in the environment when it is imported.
        inherited = {
            name: value
            for name, value in self._display.environment().items()
            if not name.startswith(("PYTHON", "XDG_", "VIRTUAL_ENV", "DBUS_", "QT_"))
        }
        environment = {
            **inherited,
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(runtime),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",  # or libdbus would start a bus that outlives OBS
            _SESSION_VARIABLE: self._token,
            **self._more_environment,
        }
        command = [
            *_obs_command(), "--multi", "--disable-missing-files-check",
            "--profile", PROFILE, "--collection", COLLECTION, *self._arguments,
        ]  # fmt: skip
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _connect(self, port: int) -> obsws_python.ReqClient | None:
        if not self.running():
            raise RuntimeError(
                f"OBS ended with status {self._process.returncode} at start; see {self.log_path}"
            )
        # The server answers before the main window is up; closing it then would be lost.
        if not self._main_windows() or not _accepts_sessions(port):
            return None
        return obsws_python.ReqClient(
            host="127.0.0.1", port=port, password=self._password, timeout=REQUEST_SECONDS
        )

    def _ready(self) -> bool:
        try:
            self.client.get_scene_list()
        except OBSSDKRequestError:  # "OBS is not ready to perform the request"
            return False
        return True

    def _main_windows(self) -> list[str]:
        return [window for window, title in self._windows().items() if _MAIN_WINDOW.match(title)]

    def _windows(self) -> dict[str, str]:
        # chroot replaces itself by OBS: both have the number of the process that was started.
        return self._display.windows(self._process.pid)

    def _has_open(self, path: Path) -> bool:
        # By name: the OBS in a chroot has the same folder under another path.
        opened = psutil.Process(self._process.pid).open_files()
        return path.name in {Path(file.path).name for file in opened}

    def _descendants(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.pid != self._process.pid
                    and process.environ().get(_SESSION_VARIABLE) == self._token
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def camera_settings(clip: Path) -> dict[str, Any]:
    """Settings of an ``ffmpeg_source`` that plays ``clip`` for ever, decoded on the CPU."""
    return {
        "local_file": str(clip),
        "is_local_file": True,
        "looping": True,
        "hw_decode": False,
        "restart_on_activate": False,
        "close_when_inactive": False,
    }


def _accepts_sessions(port: int) -> bool:
    """Whether obs-websocket says hello: until OBS has finished loading, it throws out whoever comes."""
    # Asked like this because a ReqClient that is thrown out leaves its socket open.
    try:
        with closing(websocket.create_connection(f"ws://127.0.0.1:{port}", timeout=REQUEST_SECONDS)) as probe:
            return bool(probe.recv())
    except (OSError, websocket.WebSocketException):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
