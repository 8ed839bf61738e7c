"""Starts, watches and restarts the inference worker of one filter. Lives on the filter's background thread.

The worker's standard input is its wake-up pipe and its leash: one byte says "look into the segment", end of
file says "OBS is gone". Our end of the pipe is not inherited by anything else that OBS starts, so it closes
with OBS even if OBS is killed.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, Optional

from cleanplate.wire.paths import log_folder, worker_python
from cleanplate.wire.protocol import WireError
from cleanplate.wire.ring import Channel

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0
HEALTHY_SECONDS = 20.0  # a worker that ran so long starts the back-off anew
STARTING_SECONDS = 300.0  # how long loading may take before the worker counts as hung: TensorRT takes minutes
HANG_SECONDS = 5.0  # the same for a running worker, which beats every quarter of a second
LONGEST_GAP_SECONDS = 1.0  # between two looks at the worker; more than that is not held against it
STOP_SECONDS = 1.5  # how long the worker may take to leave by itself
KILL_SECONDS = 1.0  # how long the system may take to end a killed worker; some drivers keep one for ever

_CREATE_NO_WINDOW = 0x08000000


def start_process(arguments: List[str], errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start the worker without a window, with a pipe to its standard input."""
    options: Dict[str, Any] = {"creationflags": _CREATE_NO_WINDOW} if sys.platform == "win32" else {}
    return subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, bufsize=0, **options
    )


def make_non_blocking(descriptor: int) -> None:
    """Make writes to a pipe fail rather than wait when the reader hangs."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - one of two ways, by system
        import msvcrt  # noqa: PLC0415

        no_wait = ctypes.c_ulong(1)  # PIPE_NOWAIT
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        ctypes.windll.kernel32.SetNamedPipeHandleState(handle, ctypes.byref(no_wait), None, None)
    else:
        os.set_blocking(descriptor, False)


class WorkerProcess:
    """The worker of one filter, kept alive.

    Args:
        channel: The filter's side of the segment.
        segment_name: What the worker opens.
        log_name: File name of the worker's log in the log folder.
        prepare: Makes the segment ready for a worker; called before each start, when there is none.
        say: Writes a line to OBS' log.
        start: Starts the process; tests put a fake here.

    Attributes:
        status: The newest status that the worker wrote; see the worker's own documentation for the keys.
        restarts: How often it had to be started again.
        failure: Why there is no worker at the moment, in words for the user; empty while there is one.
        last_loss: What became of the worker before, in words for the user; empty if there was none.
    """

    def __init__(
        self,
        channel: Channel,
        segment_name: str,
        log_name: str,
        prepare: Callable[[], None],
        say: Callable[[str], None],
        start: Callable[[List[str], IO[bytes]], "subprocess.Popen[bytes]"] = start_process,
    ) -> None:
        self.status: Dict[str, Any] = {}
        self.restarts = 0
        self.failure = ""
        self.last_loss = ""
        self.log_path = str(log_folder() / log_name)
        self._channel = channel
        self._segment_name = segment_name
        self._prepare = prepare
        self._say = say
        self._start_process = start
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._errors: Optional[IO[bytes]] = None
        self._pipe = -1
        self._pipe_lock = threading.Lock()
        self._status_sequence = 0
        self._started = 0.0
        self._heartbeat = 0
        self._heard = 0.0
        self._looked = 0.0
        self._retry_at = 0.0
        self._retry_after = FIRST_RETRY_SECONDS
        self._ever_tried = False
        self._logged_reason = ""
        self._killed_because = ""  # of a worker that was killed and is still there

    @property
    def state(self) -> str:
        """``stopped``, or what the worker says: ``starting``, ``loading``, ``running`` or ``error``."""
        if self._process is None or self._killed_because:
            return "stopped" if self._ever_tried else "starting"
        return str(self.status.get("state", "starting"))

    def wake(self) -> None:
        """Tell the worker to look into the segment. Never blocks; for any thread."""
        # Without the lock the descriptor could be closed, and be another file of OBS by the time of the
        # write. When it is taken, the pipe is being closed, or another thread is waking the worker just now.
        if self._pipe_lock.acquire(blocking=False):
            try:
                if self._pipe >= 0:
                    os.write(self._pipe, b"\1")
            except OSError:
                pass  # full: the worker has much to read already; broken: supervise() will see
            finally:
                self._pipe_lock.release()

    @property
    def awake(self) -> bool:
        """Whether there is a worker to send frames to."""
        return self._pipe >= 0

    def supervise(self) -> None:
        """Look after the worker: start it, read its status, restart it when it died or hangs."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._retry_at:
                self._start(now)
            return
        code = self._process.poll()
        if code is not None:
            self._lost(
                now,
                self._killed_because
                or f"The worker stopped unexpectedly ({_describe(code)}).{self._last_words()}",
            )
            return
        if self._killed_because:
            return  # no successor yet: the segment must not have two writers of mattes
        update = self._channel.status.read(self._status_sequence)
        if update is not None:
            self._status_sequence, self.status = update
        heartbeat = self._channel.heartbeat_ns
        if heartbeat != self._heartbeat:  # only that it changes: the worker's clock may be another than ours
            self._heartbeat, self._heard = heartbeat, now
        # While nobody looked, as when the computer slept, the worker may not have had the processor either.
        self._heard = min(now, self._heard + max(0.0, now - self._looked - LONGEST_GAP_SECONDS))
        self._looked = now
        silent = now - self._heard
        limit = HANG_SECONDS if self.state in ("running", "error") else STARTING_SECONDS
        if silent > limit:
            self._kill(now, f"The worker did not answer for {silent:.0f} seconds and was stopped.")
        elif self._started + HEALTHY_SECONDS < now:
            self._retry_after = FIRST_RETRY_SECONDS
            self._logged_reason = ""

    def stop(self) -> None:
        """End the worker; it has `STOP_SECONDS` to leave by itself."""
        process = self._process
        if process is None:
            return
        self._close_pipe()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(KILL_SECONDS)
        self._forget()

    def _start(self, now: float) -> None:
        self._ever_tried = True
        # The last words of the worker before, which would be taken for the new one's.
        leftover = self._channel.status.read(self._status_sequence)
        if leftover is not None:
            self._status_sequence = leftover[0]
        try:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _forget, with the process
            self._prepare()
            log = Path(self.log_path)
            log.parent.mkdir(parents=True, exist_ok=True)
            # -I: OBS may have set PYTHONHOME or PYTHONPATH for its own Python.
            command = [worker_python(), "-I", "-m", "cleanplate.worker"]
            self._process = self._start_process(
                [*command, "--segment", self._segment_name, "--log", str(log)], self._errors
            )
        except (OSError, WireError) as error:
            self._forget()
            self._back_off(now, f"The worker cannot be started: {error}")
            return
        if self._started:
            self.restarts += 1
        self._started = self._heard = self._looked = now
        self.status = {}
        self.failure = ""
        assert self._process.stdin is not None
        make_non_blocking(self._process.stdin.fileno())
        self._pipe = self._process.stdin.fileno()
        self._say(f"worker started, process {self._process.pid}, log {self.log_path}")
        self.wake()

    def _kill(self, now: float, reason: str) -> None:
        assert self._process is not None
        self._process.kill()
        try:
            self._process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self._close_pipe()
            self._killed_because = reason
            self.failure = (
                f"{reason} The system cannot end it, and another one is not started before that. "
                "Wait, or restart the computer."
            )
            self._say(self.failure)
        else:
            self._lost(now, reason)

    def _lost(self, now: float, reason: str) -> None:
        self._forget()
        self.last_loss = reason
        self._back_off(now, reason)

    def _back_off(self, now: float, reason: str) -> None:
        end = "" if reason.endswith((".", "!", "?")) else "."
        self.failure = f"{reason}{end} Trying again in {self._retry_after:.1f} s."
        if reason != self._logged_reason:
            self._say(self.failure)
            self._logged_reason = reason
        self._retry_at = now + self._retry_after
        self._retry_after = min(2.0 * self._retry_after, LONGEST_RETRY_SECONDS)

    def _last_words(self) -> str:
        """The last line that the worker wrote to its standard error, if any."""
        if self._errors is None:
            return ""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 2000))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f" {lines[-1].strip()}" if lines else ""

    def _close_pipe(self) -> None:
        with self._pipe_lock:
            self._pipe = -1
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def _forget(self) -> None:
        self._close_pipe()
        if self._errors is not None:
            self._errors.close()
        self._process = None
        self._errors = None
        self._killed_because = ""


def _describe(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
