"""The screen for one OBS: the user's, or Xvfb with openbox, so that windows can be closed as a user does."""

import os
import subprocess
from pathlib import Path
from types import TracebackType

from cleanplate.studio.waiting import wait_for

SCREEN = "1280x800x24"
STOP_SECONDS = 10


class PresentDisplay:
    """The screen that this program was started on."""

    def __enter__(self) -> "PresentDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def environment(self) -> dict[str, str]:
        """Variables for a program that is to appear on this display."""
        return dict(os.environ)

    def windows(self, process: int) -> dict[str, str]:
        """Titles of a process' open windows by window id; the others may be the user's."""
        listing = self._wmctrl("-l", "-p").stdout.decode(errors="replace")
        # Window, desktop, process, host and title, which may be empty.
        rows = [line.split(maxsplit=4) for line in listing.splitlines()]
        return {row[0]: "".join(row[4:]) for row in rows if row[2] == str(process)}

    def close_window(self, window: str) -> None:
        """Ask a window to close, as a click on its cross does."""
        self._wmctrl("-i", "-c", window)

    def _wmctrl(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["wmctrl", *arguments], env=self.environment(), capture_output=True, check=False, timeout=30
        )


class VirtualDisplay(PresentDisplay):
    """An X server on a free display number, with a window manager; use it as a context manager."""

    name: str

    def __init__(self, log: Path) -> None:
        self._log = log
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "VirtualDisplay":
        try:
            self.name = self._start_server()
            self._start(["openbox"])
            wait_for(self._has_window_manager, f"openbox to manage the display; see {self._log}")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start_server(self) -> str:
        """Start Xvfb; the name of its display."""
        # Xvfb picks a free number itself and tells it through the pipe: two runs cannot collide. Unless told
        # not to, it starts anew when its last client goes, and throws out whoever is just coming.
        read_end, write_end = os.pipe()
        options = ["-displayfd", str(write_end), "-noreset", "-screen", "0", SCREEN]
        try:
            self._start(["Xvfb", *options], pass_fds=(write_end,))
        finally:
            os.close(write_end)
        with os.fdopen(read_end) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb did not start; see {self._log}")
        return f":{number}"

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def environment(self) -> dict[str, str]:
        """Variables for a program that is to appear on this display."""
        return {**os.environ, "DISPLAY": self.name, "LIBGL_ALWAYS_SOFTWARE": "1"}

    def _has_window_manager(self) -> bool:
        return self._wmctrl("-m").returncode == 0

    def _start(self, command: list[str], pass_fds: tuple[int, ...] = ()) -> None:
        environment = self.environment() if hasattr(self, "name") else None
        with self._log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command, env=environment, stdout=log, stderr=subprocess.STDOUT, pass_fds=pass_fds
                )
            )
