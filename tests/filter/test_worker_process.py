"""The supervision of the worker, against a fake process and a clock that moves only when told to."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import pytest

from cleanplate.obs import worker_process
from cleanplate.obs.background_thread import JOIN_SECONDS
from cleanplate.obs.worker_process import (
    FIRST_RETRY_SECONDS,
    HANG_SECONDS,
    HEALTHY_SECONDS,
    KILL_SECONDS,
    LONGEST_GAP_SECONDS,
    LONGEST_RETRY_SECONDS,
    STARTING_SECONDS,
    STOP_SECONDS,
    WorkerProcess,
)
from cleanplate.wire import protocol
from cleanplate.wire.paths import PYTHON_VARIABLE
from cleanplate.wire.protocol import BlockError
from cleanplate.wire.ring import Channel


class FakeProcess:
    """What a Popen is to its supervisor; its standard input is a real pipe."""

    def __init__(self, number: int, errors: IO[bytes]) -> None:
        self.pid = 1000 + number
        self.errors = errors
        self.code: int | None = None
        self.deaf = False  # does not leave at the end of its input
        self.stuck = False  # in the kernel, where no signal reaches it
        self.calls: list[str] = []
        self._reader, writer = os.pipe()
        worker_process.make_non_blocking(self._reader)
        self.stdin = os.fdopen(writer, "wb", buffering=0)  # the supervisor closes it

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.calls.append("kill")
        if not self.stuck:
            self.code = -9

    def wait(self, timeout: float | None = None) -> int:
        self.calls.append(f"wait {timeout}")
        if self.code is None:
            told = self.stdin.closed or "kill" in self.calls
            assert told, "the worker is awaited before it is told to leave"
            if self.deaf or self.stuck:
                assert timeout is not None, "waits for ever"
                raise subprocess.TimeoutExpired("worker", timeout)
            self.code = 0
        return self.code

    def die(self, code: int, words: bytes = b"") -> None:
        self.errors.write(words)
        self.errors.flush()
        self.code = code

    def received(self) -> bytes | None:
        """What came through the pipe; None while nothing did, empty at its end."""
        try:
            return os.read(self._reader, 1 << 20)
        except BlockingIOError:
            return None

    def hang_up(self) -> None:
        if self._reader >= 0:
            os.close(self._reader)
        self._reader = -1


class Bench:
    """A supervisor, its clock, the processes it started and the worker's side of the segment."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.started: list[FakeProcess] = []
        self.commands: list[list[str]] = []
        self.said: list[str] = []
        self.refusal: OSError | None = None
        self.prepared = False
        self.unprepared: Exception | None = None
        buffer = bytearray(protocol.SEGMENT_BYTES)
        self.supervisor = WorkerProcess(
            Channel.format(buffer), "segment-7", "worker-7.log", self.prepare, self.said.append, self.start
        )
        self.theirs = Channel.attach(buffer)

    def prepare(self) -> None:
        if self.unprepared is not None:
            raise self.unprepared
        self.prepared = True

    def start(self, arguments: list[str], errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        if self.refusal is not None:
            raise self.refusal
        assert self.prepared, "a worker came upon a segment that was not prepared"
        self.prepared = False
        self.commands.append(arguments)
        self.started.append(FakeProcess(len(self.started), errors))
        return cast("subprocess.Popen[bytes]", self.started[-1])

    def after(self, seconds: float) -> WorkerProcess:
        """Let time pass, with a look every second as long as it does."""
        while seconds > LONGEST_GAP_SECONDS:
            self.after(LONGEST_GAP_SECONDS)
            seconds -= LONGEST_GAP_SECONDS
        return self.wake_up_after(seconds)

    def wake_up_after(self, seconds: float) -> WorkerProcess:
        """Let time pass without a look, as when the computer sleeps."""
        self.now += seconds
        self.supervisor.supervise()
        return self.supervisor

    def running(self, state: str = "running") -> FakeProcess:
        """Start a worker that says that it is in the state."""
        self.after(0)
        self.say(state)
        self.after(0)
        return self.started[-1]

    def say(self, state: str, **rest: Any) -> None:
        self.theirs.status.write({"state": state, **rest})
        self.beat()

    def beat(self) -> None:
        self.theirs.heartbeat_ns += 1


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "python"
    path.touch()
    monkeypatch.setenv(PYTHON_VARIABLE, str(path))
    monkeypatch.setattr(worker_process, "log_folder", lambda: tmp_path / "state" / "log")
    return path


@pytest.fixture
def bench(python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench()
    monkeypatch.setattr(time, "monotonic", lambda: bench.now)
    yield bench
    bench.supervisor.stop()
    for process in bench.started:
        process.hang_up()


def test_the_first_start(bench: Bench, python: Path, tmp_path: Path) -> None:
    assert bench.supervisor.state == "starting"
    assert not bench.supervisor.failure
    assert not bench.supervisor.awake
    supervisor = bench.after(0)
    log = tmp_path / "state" / "log" / "worker-7.log"
    assert bench.commands == [
        [str(python), "-I", "-m", "cleanplate.worker", "--segment", "segment-7", "--log", str(log)]
    ]
    assert log.parent.is_dir()
    assert (supervisor.state, supervisor.failure, supervisor.restarts) == ("starting", "", 0)
    assert supervisor.awake
    assert bench.said == [f"worker started, process 1000, log {log}"]
    assert bench.started[0].received() == b"\1"  # it looks into the segment at once
    bench.after(1)
    assert len(bench.started) == 1


def test_the_status_comes_from_the_block(bench: Bench) -> None:
    bench.running("loading")
    assert bench.supervisor.state == "loading"
    bench.say("running", model="fast", rate=30.0)
    supervisor = bench.after(0.1)
    assert supervisor.status == {"state": "running", "model": "fast", "rate": 30.0}
    bench.after(0.1)
    assert supervisor.status["model"] == "fast"  # unchanged, not forgotten


def test_death_is_told_with_the_last_words(bench: Bench) -> None:
    bench.running().die(3, b"Traceback\n" + 3000 * b"x" + b"\nImportError: no onnxruntime \n\n")
    supervisor = bench.after(0.1)
    assert supervisor.failure == (
        "The worker stopped unexpectedly (exit status 3). ImportError: no onnxruntime. Trying again in 0.2 s."
    )
    assert bench.said[-1] == supervisor.failure
    assert (
        supervisor.last_loss == "The worker stopped unexpectedly (exit status 3). ImportError: no onnxruntime"
    )
    assert supervisor.state == "stopped"
    assert not supervisor.awake
    assert bench.started[0].stdin.closed
    assert bench.started[0].errors.closed


def test_death_by_a_signal_without_words(bench: Bench) -> None:
    bench.running().die(-11)
    assert bench.after(0.1).failure == ("The worker stopped unexpectedly (signal 11). Trying again in 0.2 s.")


def test_restarts_back_off_and_a_healthy_worker_resets_that(bench: Bench) -> None:
    bench.running()
    waits = []
    for expected in (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
        bench.started[-1].die(1)
        bench.after(0.01)
        bench.after(expected - 0.01)
        waits.append(bench.supervisor.state)
        bench.after(0.02)
        waits.append(bench.supervisor.state)
        assert bench.supervisor.failure == ""
    assert waits == ["stopped", "starting"] * 7
    assert "exit status 1" in bench.supervisor.last_loss, "the reason is kept when all is well again"
    assert bench.supervisor.restarts == 7
    assert FIRST_RETRY_SECONDS == 0.2
    assert LONGEST_RETRY_SECONDS == 5.0

    bench.say("loading")
    bench.after(HEALTHY_SECONDS / 2)  # it may be silent for so long
    bench.beat()
    bench.after(HEALTHY_SECONDS / 2 + 0.1)
    assert len(bench.started) == 8
    bench.started[-1].die(1)
    assert "in 0.2 s" in bench.after(0.01).failure


@pytest.mark.parametrize(
    ("state", "limit"),
    [("running", HANG_SECONDS), ("error", HANG_SECONDS), ("loading", STARTING_SECONDS)],
)
def test_a_hanging_worker_is_killed(bench: Bench, state: str, limit: float) -> None:
    process = bench.running(state)
    for _ in range(3):  # it beats: any change will do
        bench.after(limit - 0.1)
        bench.beat()
        bench.after(0)
    bench.after(limit - 0.1)
    assert process.calls == []
    supervisor = bench.after(0.2)
    assert process.calls == ["kill", f"wait {KILL_SECONDS}"]
    assert supervisor.failure.startswith(
        f"The worker did not answer for {limit:.0f} seconds and was stopped."
    )
    assert supervisor.state == "stopped"
    bench.after(10)
    assert (len(bench.started), supervisor.restarts) == (2, 1)


@pytest.mark.parametrize("state", ["running", "loading"])
def test_a_worker_is_not_blamed_for_the_computers_sleep(bench: Bench, state: str) -> None:
    process = bench.running(state)
    bench.after(0.1)
    for _ in range(3):
        bench.wake_up_after(8 * 3600)
        bench.after(1)
        bench.beat()
    bench.wake_up_after(8 * 3600)
    assert process.calls == []
    bench.after(STARTING_SECONDS + 1)  # but for what comes after it
    assert process.calls == ["kill", f"wait {KILL_SECONDS}"]


def test_a_worker_that_never_speaks_is_killed(bench: Bench) -> None:
    bench.after(0)
    bench.after(STARTING_SECONDS - 0.1)
    assert bench.started[0].calls == []
    bench.after(0.2)
    assert bench.started[0].calls == ["kill", f"wait {KILL_SECONDS}"]


def test_a_worker_that_cannot_be_killed_is_awaited_without_waiting(bench: Bench) -> None:
    process = bench.running()
    process.stuck = True
    supervisor = bench.after(HANG_SECONDS + 1)
    assert supervisor.failure == (
        "The worker did not answer for 6 seconds and was stopped. "
        "The system cannot end it, and another one is not started before that. Wait, or restart the computer."
    )
    assert bench.said[-1] == supervisor.failure
    assert (supervisor.state, supervisor.awake) == ("stopped", False)

    lines = len(bench.said)
    bench.say("running")  # its last words change nothing
    for _ in range(100):
        bench.after(0.1)
    assert process.calls == ["kill", f"wait {KILL_SECONDS}"]
    assert (len(bench.started), len(bench.said), supervisor.state) == (1, lines, "stopped")

    process.code = -9
    assert bench.after(0.1).failure == (
        "The worker did not answer for 6 seconds and was stopped. Trying again in 0.2 s."
    )
    bench.after(1)
    assert (len(bench.started), supervisor.state, supervisor.failure) == (2, "starting", "")
    bench.started[-1].die(1)
    assert "exit status 1" in bench.after(0.1).failure


def test_the_status_of_the_dead_is_not_the_successors(bench: Bench) -> None:
    process = bench.running("loading")
    bench.say("running")  # and dies before anybody has read it
    process.die(1)
    bench.after(0.1)
    bench.after(1)
    assert len(bench.started) == 2
    supervisor = bench.after(HANG_SECONDS + 1)  # a start may take longer than a running worker's silence
    assert supervisor.state == "starting"
    assert bench.started[1].calls == []


def test_not_installed(bench: Bench, python: Path) -> None:
    python.unlink()
    supervisor = bench.after(0)
    assert supervisor.failure == (
        f"The worker cannot be started: The worker's Python, {python}, is missing. "
        "Run the installer: python3 installer/install.py. Trying again in 0.2 s."
    )
    assert supervisor.state == "stopped"
    assert bench.commands == []
    python.touch()  # the installer has run
    assert bench.after(FIRST_RETRY_SECONDS).state == "starting"
    assert supervisor.restarts == 0  # it is the first


def test_a_reason_is_logged_once(bench: Bench, python: Path) -> None:
    python.unlink()
    for _ in range(100):
        bench.after(0.5)
    assert len(bench.said) == 1
    assert (bench.supervisor.restarts, bench.supervisor.failure[-22:]) == (0, "Trying again in 5.0 s.")
    python.touch()
    bench.after(5)
    for code in (1, 1, 1, 2, 2, 1):
        bench.started[-1].die(code)
        bench.after(0.1)
        bench.after(LONGEST_RETRY_SECONDS)
    reasons = [line for line in bench.said if "unexpectedly" in line]
    assert ["status 1" in reason for reason in reasons] == [True, False, True]

    bench.say("loading")
    bench.after(HEALTHY_SECONDS / 2)
    bench.beat()
    bench.after(HEALTHY_SECONDS / 2 + 0.1)
    bench.started[-1].die(1)
    assert bench.after(0.1).failure == bench.said[-1]  # what happens after a long time is news
    assert bench.supervisor.restarts == 6


def test_a_segment_that_cannot_be_prepared(bench: Bench) -> None:
    bench.unprepared = BlockError("The settings are too long.")
    assert "cannot be started: The settings are too long." in bench.after(0).failure
    assert bench.commands == []


def test_a_start_that_the_system_refuses(bench: Bench) -> None:
    bench.refusal = PermissionError(13, "Permission denied")
    assert "cannot be started: [Errno 13] Permission denied" in bench.after(0).failure


def test_each_wake_is_a_byte(bench: Bench) -> None:
    bench.supervisor.wake()  # no worker yet: nobody to wake
    process = bench.running()
    process.received()
    bench.supervisor.wake()
    bench.supervisor.wake()
    assert process.received() == b"\1\1"


def test_a_full_pipe_does_not_hold_the_graphics_thread_up(bench: Bench) -> None:
    process = bench.running()
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(process.stdin.fileno(), bytes(65536))
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(process.stdin.fileno(), b"\0")
    bench.supervisor.wake()
    assert b"\1" not in (process.received() or b"")[1:]
    bench.supervisor.wake()
    assert process.received() == b"\1"  # there is room again


def test_a_broken_pipe_is_left_to_the_supervisor(bench: Bench) -> None:
    process = bench.running()
    process.hang_up()
    with pytest.raises(BrokenPipeError):
        os.write(process.stdin.fileno(), b"\1")
    bench.supervisor.wake()
    assert bench.supervisor.awake


def test_stop_ends_the_pipe_and_nothing_is_written_after(bench: Bench) -> None:
    process = bench.running()
    process.received()
    descriptor = process.stdin.fileno()
    bench.supervisor.stop()
    assert process.calls == [f"wait {STOP_SECONDS}"]
    assert process.received() == b""  # end of file
    assert not bench.supervisor.awake
    assert bench.supervisor.state == "stopped"
    # The descriptor's number now belongs to another file of OBS.
    reader, writer = os.pipe()
    worker_process.make_non_blocking(reader)
    if writer != descriptor:
        os.dup2(writer, descriptor)
    bench.supervisor.wake()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    for each in {reader, writer, descriptor}:
        os.close(each)
    bench.supervisor.stop()  # again: nothing to do
    assert process.calls == [f"wait {STOP_SECONDS}"]


def test_stop_kills_a_worker_that_does_not_leave(bench: Bench) -> None:
    process = bench.running()
    process.deaf = True
    bench.supervisor.stop()
    assert process.calls == [f"wait {STOP_SECONDS}", "kill", f"wait {KILL_SECONDS}"]
    assert bench.supervisor.state == "stopped"


def test_stop_gives_up_on_a_worker_that_cannot_be_killed(bench: Bench) -> None:
    process = bench.running()
    process.stuck = True
    bench.supervisor.stop()
    assert process.calls == [f"wait {STOP_SECONDS}", "kill", f"wait {KILL_SECONDS}"]
    assert STOP_SECONDS + KILL_SECONDS < JOIN_SECONDS  # or the filter would go while its thread is at work
