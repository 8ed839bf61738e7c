"""The worker as a process: fed, starved, stopped, orphaned."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from cleanplate.wire import protocol
from cleanplate.wire.ring import Channel, SlotInfo
from cleanplate.wire.segment import Segment

WIDTH, HEIGHT = 256, 144
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

HUNG = """
import sys, threading
from cleanplate.engine import matting
from cleanplate.worker.__main__ import main

def hang(name: str, **options):
    threading.Event().wait()

matting.create_engine = hang
sys.exit(main())
"""


T = TypeVar("T")
Matte = tuple[SlotInfo, NDArray[np.uint8]]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home)}


class Filter:
    """What the filter does, over a real segment and a real process."""

    def __init__(self, folder: Path, program: Sequence[str] = ("-m", "cleanplate.worker")) -> None:
        self.folder = folder
        self.log = folder / "logs" / "worker.log"
        self.errors = folder / "errors"
        self.segment = Segment.create()
        self.channel = Channel.format(self.segment.buffer)
        self.program = program
        self.plate = np.random.default_rng(1).integers(60, 90, (HEIGHT, WIDTH, 3), np.uint8)
        self.frame_id = 0
        self.sequence = 0
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, *self.program, "--segment", self.segment.name, "--log", str(self.log)]
        with self.errors.open("wb") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=errors, env=environment(self.folder), bufsize=0
            )
        assert process.stdin is not None
        self.pipe = process.stdin
        return process

    def hang_up(self) -> int:
        """Closes the pipe; returns the worker's exit status."""
        self.pipe.close()
        return self.process.wait(5)

    def capture(self) -> None:
        path = self.folder / "plate.png"
        assert cv2.imwrite(str(path), self.plate)
        self.channel.control.write({"model": "difference", "samples": [str(path)], "samples_generation": 1})
        self.wake()

    def wake(self) -> None:
        self.pipe.write(b"\1")

    def send(self, person: bool = True) -> None:
        frame = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
        frame[:, :, :3] = self.plate
        if person:
            frame[40:, 90:160, :3] = 220
        self.frame_id += 1
        offset = self.channel.frames.begin()
        self.segment.buffer[offset : offset + frame.nbytes] = frame.tobytes()
        self.channel.frames.publish(SlotInfo(self.frame_id, time.monotonic_ns(), 3, WIDTH, HEIGHT, WIDTH * 4))
        self.wake()

    def matte(self) -> Matte | None:
        picture = self.channel.mattes.newest(self.sequence)
        if picture is None:
            return None
        data = bytes(self.segment.buffer[picture.offset : picture.offset + picture.size])
        assert self.channel.mattes.intact(picture, data)
        self.sequence = picture.sequence
        return picture.info, np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH)

    def next_matte(self) -> Matte:
        """Sends frames, as a camera does, until a matte comes."""

        def attempt() -> Matte | None:
            self.send()
            return self.matte()

        return self.wait_for(attempt, pause=0.03)

    def status(self) -> dict[str, Any]:
        update = self.channel.status.read(after=0)
        return update[1] if update else {}

    def wait_for_state(self, state: str) -> None:
        self.wait_for(lambda: self.status().get("state") == state)

    def wait_for(self, condition: Callable[[], T | None], pause: float = 0.01) -> T:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            assert self.process.poll() is None, self.errors.read_text()
            time.sleep(pause)
        raise AssertionError(f"in vain; status {self.status()}")

    def close(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.hang_up()
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self.segment.close()
        self.segment.unlink()


MakeFilter = Callable[..., Filter]


@pytest.fixture
def make_filter(tmp_path: Path) -> Iterator[MakeFilter]:
    made: list[Filter] = []

    def make(name: str = "one", **options: Any) -> Filter:
        folder = tmp_path / name
        folder.mkdir()
        made.append(Filter(folder, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def running(make_filter: MakeFilter) -> Filter:
    running = make_filter()
    running.capture()
    running.wait_for_state("running")
    return running


def test_frames_become_mattes(running: Filter) -> None:
    info, matte = running.next_matte()

    assert (info.generation, info.width, info.height, info.stride) == (3, WIDTH, HEIGHT, WIDTH)
    assert matte[60:130, 105:145].min() > 200
    assert matte[:, :60].max() < 50
    running.wait_for(lambda: running.status()["ms_median"] > 0)
    status = running.status()
    assert (status["model"], status["pid"], status["log"]) == (
        "difference",
        running.process.pid,
        str(running.log),
    )


def test_frames_that_are_waited_for_get_a_matte_each(running: Filter) -> None:
    def matte_of_last_frame() -> bool:
        matte = running.matte()
        return matte is not None and matte[0].frame_id == running.frame_id

    running.send()
    running.wait_for(matte_of_last_frame)
    dropped = running.channel.frames_dropped
    for _ in range(30):
        running.send()
        running.wait_for(matte_of_last_frame, pause=0.001)

    assert running.channel.frames_dropped == dropped


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_standard_input_is_left_to_libraries_as_the_null_device(running: Filter) -> None:
    assert str(Path(f"/proc/{running.process.pid}/fd/0").readlink()) == os.devnull


def test_end_of_file_ends_it(running: Filter) -> None:
    started = time.monotonic()

    assert running.hang_up() == 0
    assert time.monotonic() - started < 1
    assert "The filter is gone" in running.log.read_text()


def test_end_of_file_ends_it_even_inside_a_network_that_never_returns(make_filter: MakeFilter) -> None:
    hung = make_filter(program=("-c", HUNG))
    hung.channel.control.write({"model": "difference"})
    hung.wait_for_state("loading")
    started = time.monotonic()

    assert hung.hang_up() == 0
    assert time.monotonic() - started < 1


@posix_only
def test_a_killed_filter_leaves_no_orphan(make_filter: MakeFilter, tmp_path: Path) -> None:
    served = make_filter()
    script = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'cleanplate.worker', '--segment', sys.argv[1]],"
        " stdin=subprocess.PIPE)\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    served.hang_up()
    with subprocess.Popen(
        [sys.executable, "-c", script, served.segment.name], stdout=subprocess.PIPE, env=environment(tmp_path)
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        deadline = time.monotonic() + 30
        while served.status().get("pid") != pid:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        parent.kill()
        parent.wait()
        started = time.monotonic()
        while is_running(pid):
            assert time.monotonic() - started < 1
            time.sleep(0.01)


@posix_only
def test_the_frames_of_a_killed_filter_go_with_it(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "from cleanplate.wire.ring import Channel\n"
        "from cleanplate.wire.segment import Segment\n"
        "segment = Segment.create()\n"
        "channel = Channel.format(segment.buffer)\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'cleanplate.worker', '--segment', segment.name],"
        " stdin=subprocess.PIPE)\n"
        "while channel.status.read(after=0) is None: time.sleep(0.01)\n"
        "print(segment.name, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment(tmp_path), text=True
    ) as parent:
        assert parent.stdout is not None
        segment = Path(parent.stdout.readline().strip())
        assert segment.is_file()
        parent.kill()
        parent.wait()
    started = time.monotonic()
    while segment.exists():
        assert time.monotonic() - started < 5
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie, whose reaping is up to whoever inherited it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_stopped_worker_goes_on_when_it_is_continued(running: Filter) -> None:
    running.next_matte()
    psutil.Process(running.process.pid).suspend()
    time.sleep(0.1)
    running.matte()
    heartbeat = running.channel.heartbeat_ns
    for _ in range(20):
        running.send()
    time.sleep(0.3)
    assert running.matte() is None
    assert running.channel.heartbeat_ns == heartbeat

    psutil.Process(running.process.pid).resume()
    running.wait_for(lambda: (matte := running.matte()) and matte[0].frame_id == running.frame_id)
    assert running.channel.frames_dropped >= 18


@posix_only
def test_an_interrupt_from_the_terminal_is_ignored(running: Filter) -> None:
    running.process.send_signal(signal.SIGINT)

    assert running.next_matte()


@pytest.mark.slow
def test_the_heart_beats_while_idle(running: Filter) -> None:
    beats = {running.channel.heartbeat_ns}
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        beats.add(running.channel.heartbeat_ns)
        time.sleep(0.01)
    gaps = np.diff(sorted(beats)) / 1e9

    assert len(beats) >= 5
    assert np.median(gaps) <= protocol.HEARTBEAT_SECONDS
    assert abs(time.monotonic_ns() - max(beats)) < 5e9  # it is the clock that all processes share


@pytest.mark.slow
def test_garbage_in_the_segment_does_not_kill_it(running: Filter) -> None:
    running.next_matte()
    rng = np.random.default_rng(2)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        running.segment.buffer[protocol.CONTROL_OFFSET : protocol.FRAMES_OFFSET] = rng.bytes(
            protocol.FRAMES_OFFSET - protocol.CONTROL_OFFSET
        )
        for slot in range(protocol.SLOTS):
            start = protocol.FRAMES_OFFSET + slot * protocol.FRAME_SLOT_BYTES
            running.segment.buffer[start : start + 64] = rng.bytes(64)
            start = protocol.MATTES_OFFSET + slot * protocol.MATTE_SLOT_BYTES
            running.segment.buffer[start : start + 64] = rng.bytes(64)
        running.wake()
        time.sleep(0.005)
    for _ in range(protocol.SLOTS):
        running.send()
    running.sequence = 0
    running.capture()

    def matte_of_a_frame() -> bool:
        running.send()
        newest = running.matte()
        running.sequence = 0
        return newest is not None and abs(newest[0].frame_id - running.frame_id) < 10

    running.wait_for(matte_of_a_frame, pause=0.05)


def test_two_workers_side_by_side(make_filter: MakeFilter) -> None:
    filters = [make_filter("one"), make_filter("two")]
    filters[1].plate = filters[1].plate + 100
    for each in filters:
        each.capture()
    for _ in range(5):
        for each in filters:
            info, matte = each.next_matte()
            assert info.frame_id <= each.frame_id
            assert matte[60:130, 105:145].min() > 200
    assert filters[0].hang_up() == 0
    assert filters[1].next_matte()


def test_no_samples_no_mattes(make_filter: MakeFilter) -> None:
    bare = make_filter()
    bare.channel.control.write({"model": "difference"})
    bare.send()
    bare.wait_for_state("error")

    assert bare.status()["error"]["message"].endswith("Capture the background.")
    assert bare.matte() is None
    bare.capture()
    assert bare.next_matte()


def test_a_killed_worker_is_followed_by_another_on_the_same_segment(running: Filter) -> None:
    running.next_matte()
    running.process.kill()
    running.process.wait()
    running.pipe.close()
    running.process = running.start()
    running.send()

    assert running.next_matte()
    assert running.status()["pid"] == running.process.pid


def test_a_wrong_segment_is_an_error_in_the_log_and_on_standard_error(tmp_path: Path) -> None:
    log, errors = tmp_path / "deep" / "worker.log", tmp_path / "errors"
    command = [
        sys.executable,
        "-m",
        "cleanplate.worker",
        "--segment",
        str(tmp_path / "none"),
        "--log",
        str(log),
    ]
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr, env=environment(tmp_path)) as process,
    ):
        assert process.wait(30) == 1

    assert "SegmentError: Cannot open the segment" in errors.read_text().splitlines()[-1]
    assert "Traceback" in log.read_text()
    assert "SegmentError" in log.read_text()


@posix_only
def test_the_stack_of_a_native_crash_is_in_the_log(running: Filter) -> None:
    running.process.send_signal(signal.SIGSEGV)
    running.process.wait(5)

    log = running.log.read_text()
    assert "Fatal Python error: Segmentation fault" in log
    assert "loop.py" in log


def test_a_flood_of_wake_ups_is_swallowed(running: Filter) -> None:
    thread = threading.Thread(target=lambda: [running.pipe.write(b"\1" * 100_000) for _ in range(5)])
    thread.start()
    thread.join(10)

    assert not thread.is_alive()
    assert running.next_matte()
