"""The worker's loop turn by turn, over a bytearray, with an engine that does what the test says."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cleanplate.engine import providers
from cleanplate.engine.base import Engine, Result
from cleanplate.engine.drift import Drift
from cleanplate.engine.errors import FrameError, ProviderError, SampleError, UnknownModelError
from cleanplate.engine.matting import create_engine
from cleanplate.wire import protocol
from cleanplate.wire.ring import Channel, Picture, SlotInfo
from cleanplate.worker.loop import MOST_FAILURES, EngineLostError, Worker
from cleanplate.worker.status import Status
from cleanplate.worker.wakeup import Wakeup

Frame = NDArray[np.uint8]

WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "weights"


class FakeStream:
    """Returns `engine.answer(frame)`; by default a matte of the frame's blue channel."""

    def __init__(self, engine: "FakeEngine") -> None:
        self.engine = engine
        self.smoothing = self.shift = 0.0
        self.resets = 0
        self.frames: list[Frame] = []

    def process(self, frame: Frame) -> Result:
        self.frames.append(frame)
        return self.engine.answer(frame)

    def reset(self) -> None:
        self.resets += 1


class FakeEngine:
    provider = "cpu"
    fallbacks = (("CUDA", "no device"),)

    def __init__(self, name: str, needs_samples: bool = False) -> None:
        self.name = name
        self.needs_samples = needs_samples
        self.samples: list[Frame] = []
        self.answer: Callable[[Frame], Result] = lambda frame: Result(
            (frame[:, :, 0] / 255).astype(np.float32), (0.5, 1.0, 2.0)
        )

    def set_samples(self, samples: list[Frame]) -> None:
        self.samples = list(samples)

    def stream(self) -> FakeStream:
        self.only_stream = FakeStream(self)
        return self.only_stream


class SentMatte(NamedTuple):
    info: SlotInfo
    pixels: NDArray[np.uint8]


class Bench:
    """A filter's side, a worker, and a clock that the test moves."""

    def __init__(self, needs_samples: bool = False) -> None:
        self.buffer = bytearray(protocol.SEGMENT_BYTES)
        self.filter = Channel.format(self.buffer)
        self.now = 100.0
        self.engines: list[FakeEngine] = []
        self.requests: list[tuple[str, Any]] = []
        self.load_error: Exception | None = None
        self.needs_samples = needs_samples
        self.sequence = 0
        self.frame_id = 0
        self.worker = self.start()

    def start(self) -> Worker:
        return Worker(
            Channel.attach(self.buffer),
            memoryview(self.buffer),
            Status(log="/log", pid=1, version="0"),
            create=self.create,
            clock=lambda: self.now,
        )

    def create(self, name: str, **options: Any) -> Engine:
        self.requests.append((name, options))
        if self.load_error:
            raise self.load_error
        self.engines.append(FakeEngine(name, self.needs_samples))
        return cast(Engine, self.engines[-1])

    @property
    def engine(self) -> FakeEngine:
        return self.engines[-1]

    def control(self, **control: Any) -> None:
        self.filter.control.write({"model": "fake", **control})

    def send(
        self,
        value: int = 200,
        *,
        generation: int = 1,
        width: int = 64,
        height: int = 32,
        stride: int | None = None,
    ) -> None:
        self.frame_id += 1
        stride = stride or width * 4
        offset = self.filter.frames.begin()
        self.buffer[offset : offset + stride * height] = bytes([value]) * (stride * height)
        self.filter.frames.publish(
            SlotInfo(self.frame_id, 1000 + self.frame_id, generation, width, height, stride)
        )

    def has_matte(self) -> bool:
        return self.filter.mattes.newest(self.sequence) is not None

    def matte(self) -> SentMatte:
        picture = self.filter.mattes.newest(self.sequence)
        assert picture is not None
        self.sequence = picture.sequence
        pixels = np.frombuffer(self.buffer, np.uint8, picture.size, picture.offset)
        assert self.filter.mattes.intact(picture, pixels)
        return SentMatte(picture.info, pixels.reshape(picture.info.height, -1).copy())

    def status(self, at_once: bool = False) -> dict[str, Any]:
        """The newest status; the loop is given a turn to write it, unless it must be there at once."""
        if not at_once:
            self.now += 0.3
            self.worker.turn()
        update = self.filter.status.read(after=0)
        assert update is not None
        return update[1]


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.control()
    bench.worker.turn()
    return bench


def test_it_waits_for_the_control_block() -> None:
    bench = Bench()
    bench.send()

    assert bench.worker.turn() is False
    assert bench.status()["state"] == "starting"
    assert bench.engines == []
    assert bench.filter.heartbeat_ns > 0


def test_a_frame_becomes_its_matte(bench: Bench) -> None:
    bench.send(200, generation=7, width=96, height=32)
    assert bench.worker.turn() is True

    matte = bench.matte()
    assert matte.info == SlotInfo(1, 1001, 7, 96, 32, 96, 0, (0.5, 1.0, 2.0))
    assert matte.pixels.shape == (32, 96)
    assert (matte.pixels == 200).all()
    assert bench.filter.frame_taken == 1
    assert bench.filter.mattes_made == 1
    assert bench.status()["state"] == "running"


def test_padding_after_each_row_is_left_out(bench: Bench) -> None:
    bench.send(width=60, height=20, stride=256)
    bench.worker.turn()

    assert bench.engine.only_stream.frames[0].shape == (20, 60, 4)
    assert bench.matte().pixels.shape == (20, 60)


def test_the_engine_keeps_its_frame_when_the_slot_is_used_again(bench: Bench) -> None:
    bench.send(200)
    bench.worker.turn()
    for _ in range(protocol.SLOTS):
        bench.send(10)

    assert (bench.engine.only_stream.frames[0] == 200).all()


def test_alpha_is_rounded_to_nearest_and_kept_in_range(bench: Bench) -> None:
    values = [0.0, 0.4 / 255, 0.6 / 255, 0.5, 254.6 / 255, 1.0, 1.2, -0.3]
    bench.engine.answer = lambda frame: Result(np.array([values], np.float32))
    bench.send(width=8, height=1)
    bench.worker.turn()

    assert bench.matte().pixels.tolist() == [[0, 0, 1, 128, 255, 255, 255, 0]]


def test_the_newest_frame_wins_and_the_others_are_counted(bench: Bench) -> None:
    for value in (10, 20, 30):
        bench.send(value)
    bench.worker.turn()
    assert (bench.matte().pixels == 30).all()
    assert bench.filter.frames_dropped == 0  # those before the first one taken do not count

    for value in (40, 50, 60):
        bench.send(value)
    bench.worker.turn()
    assert (bench.matte().pixels == 60).all()
    assert bench.filter.frames_dropped == 2
    assert bench.worker.turn() is False


def test_a_torn_frame_is_not_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.send(10)
    copy_frame = bench.worker._copy_frame

    def copy_while_the_filter_writes(picture: Picture) -> Frame:
        monkeypatch.setattr(bench.worker, "_copy_frame", copy_frame)
        for value in (20, 30, 40, 50):
            bench.send(value)
        return copy_frame(picture)

    monkeypatch.setattr(bench.worker, "_copy_frame", copy_while_the_filter_writes)

    assert bench.worker.turn() is True
    assert not bench.has_matte()
    bench.worker.turn()
    assert (bench.matte().pixels == 50).all()


def test_a_new_generation_resets_the_stream(bench: Bench) -> None:
    for generation in (1, 1, 2, 2):
        bench.send(generation=generation)
        bench.worker.turn()

    assert bench.engine.only_stream.resets == 2  # at the first frame, and at the change


def test_loading_is_announced_before_it_begins() -> None:
    bench = Bench()
    bench.control(model="slow")
    states = []
    create = bench.create

    def slow_create(name: str, **options: Any) -> Engine:
        states.append(bench.status(at_once=True))
        return create(name, **options)

    bench.worker._create = slow_create
    bench.worker.turn()

    assert [(status["state"], status["model"]) for status in states] == [("loading", "slow")]
    assert bench.status(at_once=True)["state"] == "running"


def test_the_first_frame_of_a_generation_is_announced_as_loading(bench: Bench) -> None:
    states = []

    def answer(frame: Frame) -> Result:
        states.append(bench.status(at_once=True)["state"])
        return Result(np.zeros(frame.shape[:2], np.float32))

    bench.engine.answer = answer
    for generation in (1, 1, 2):
        bench.send(generation=generation)
        bench.worker.turn()

    assert states == ["loading", "running", "loading"]
    assert bench.status(at_once=True)["state"] == "running"


def test_no_state_is_reported_with_an_old_heartbeat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = []
    write = bench.worker._status.write

    def write_and_look(*args: Any) -> None:
        beats.append(bench.filter.heartbeat_ns)
        write(*args)

    monkeypatch.setattr(bench.worker._status, "write", write_and_look)
    bench.filter.heartbeat_ns = 0
    bench.worker._report()

    assert beats[0] > 0


def test_the_engine_is_made_anew_only_for_another_model_or_provider(bench: Bench) -> None:
    bench.control(smoothing=0.5, shift=-3)
    bench.send()
    bench.worker.turn()
    stream = bench.engine.only_stream
    assert (stream.smoothing, stream.shift) == (0.5, -3.0)
    assert len(bench.engines) == 1

    bench.control(provider="cpu")
    bench.worker.turn()
    bench.control(provider="cpu", model="other")
    bench.worker.turn()

    assert [(name, options["provider"]) for name, options in bench.requests] == [
        ("fake", "auto"),
        ("fake", "cpu"),
        ("other", "cpu"),
    ]


def test_the_status_tells_the_model_and_why_no_faster_provider(bench: Bench) -> None:
    status = bench.status()

    assert (status["model"], status["provider"]) == ("fake", "cpu")
    assert status["fallbacks"] == [["CUDA", "no device"]]
    assert status["models"] == ["difference"]
    assert (status["log"], status["pid"], status["version"]) == ("/log", 1, "0")
    assert status["error"] is None


def test_the_statistics(bench: Bench) -> None:
    def answer(frame: Frame) -> Result:
        bench.now += 0.010
        return Result(np.zeros(frame.shape[:2], np.float32))

    bench.engine.answer = answer
    for _ in range(30):
        bench.send()
        bench.worker.turn()
        bench.now += 0.020

    status = bench.status()
    assert (status["ms_median"], status["ms_p95"]) == (10.0, 10.0)
    assert status["rate"] == 15.0  # 30 in the last two seconds
    bench.now += 5
    assert bench.status()["rate"] == 0.0


def test_drift_is_passed_on(bench: Bench) -> None:
    drift = Drift("light", "It got darker. Capture the background again.")
    bench.engine.answer = lambda frame: Result(np.zeros(frame.shape[:2], np.float32), drift=drift)
    bench.send()
    bench.worker.turn()

    assert bench.status()["drift"] == {"kind": "light", "message": drift.message}


def write_png(path: Path, value: int = 100, width: int = 64, height: int = 36) -> str:
    assert cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))
    return str(path)


def test_samples_are_read_when_their_list_or_generation_changes(bench: Bench, tmp_path: Path) -> None:
    first = write_png(tmp_path / "a.png", 50)
    second = write_png(tmp_path / "b.png", 150)
    bench.control(samples=[first, second], samples_generation=1)
    bench.worker.turn()
    assert [int(sample.mean()) for sample in bench.engine.samples] == [50, 150]
    assert bench.status()["samples"] == [
        {"file": first, "luma": 50.0, "width": 64, "height": 36},
        {"file": second, "luma": 150.0, "width": 64, "height": 36},
    ]

    write_png(tmp_path / "b.png", 200)
    bench.control(samples=[first, second], samples_generation=1, smoothing=0.1)
    bench.worker.turn()
    assert int(bench.engine.samples[1].mean()) == 150

    bench.control(samples=[first, second], samples_generation=2)
    bench.worker.turn()
    assert int(bench.engine.samples[1].mean()) == 200
    assert len(bench.engines) == 1

    bench.control(samples=[first], samples_generation=2, provider="cpu")
    bench.worker.turn()
    assert len(bench.engine.samples) == 1
    assert len(bench.engines) == 2


def test_new_samples_reset_the_stream(bench: Bench, tmp_path: Path) -> None:
    bench.send()
    bench.worker.turn()
    bench.control(samples=[write_png(tmp_path / "a.png")])
    bench.send()
    bench.worker.turn()

    assert bench.engine.only_stream.resets == 2


def test_an_engine_without_the_samples_that_it_needs_asks_for_them(tmp_path: Path) -> None:
    bench = Bench(needs_samples=True)
    bench.control()
    bench.send()
    bench.worker.turn()

    assert not bench.has_matte()
    status = bench.status(at_once=True)
    assert status["state"] == "error"
    assert status["error"] == {"message": "No background has been captured yet. Capture the background."}

    bench.control(samples=[write_png(tmp_path / "a.png")])
    bench.worker.turn()
    assert bench.has_matte()
    assert bench.status()["error"] is None


def test_only_damaged_samples_are_an_error_that_names_the_reason(tmp_path: Path) -> None:
    bench = Bench(needs_samples=True)
    bench.control(samples=[str(tmp_path / "gone.png")])
    bench.worker.turn()

    error = bench.status()["error"]
    assert "gone.png" in error["message"]
    assert error["message"].endswith("Capture it again.")


def test_a_missing_model_is_reported_and_tried_again_ever_more_slowly() -> None:
    bench = Bench()
    bench.load_error = UnknownModelError("There is no model named fake.")
    bench.control()
    bench.worker.turn()
    status = bench.status(at_once=True)
    assert status["state"] == "error"
    assert status["error"] == {"message": "There is no model named fake."}

    tries = []
    for tenth in range(1000):
        bench.now = 100 + tenth / 10
        known = len(bench.requests)
        bench.worker.turn()
        if len(bench.requests) > known:
            tries.append(round(bench.now - 100))
    assert tries == [1, 3, 7, 15, 31, 61, 91]

    bench.load_error = None
    bench.control(model="present")
    bench.worker.turn()
    assert bench.status()["error"] is None


def test_an_onnx_runtime_that_cannot_be_loaded_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ImportError("DLL load failed: The specified module could not be found.")

    monkeypatch.setattr(providers, "load_onnxruntime", fail)
    bench = Bench()
    bench.worker = Worker(
        Channel.attach(bench.buffer),
        memoryview(bench.buffer),
        Status(log="/log", pid=1, version="0"),
        model_folders=[WEIGHTS],
        clock=lambda: bench.now,
    )
    bench.control(model="cleanplate-fast")
    message = bench.status()["error"]["message"]
    assert message.startswith("ONNX Runtime cannot be loaded (DLL load failed: ")
    assert message.endswith("install the Microsoft Visual C++ Redistributable first.")


def test_a_problem_is_told_while_the_same_is_tried_again_but_not_of_what_is_chosen_instead() -> None:
    bench = Bench()
    told: list[tuple[str, Any]] = []

    def slow_create(name: str, **options: Any) -> Engine:
        status = bench.status(at_once=True)
        told.append((status["state"], status["error"]))
        return Bench.create(bench, name, **options)

    bench.worker._create = slow_create
    bench.load_error = UnknownModelError("There is no model named old.")
    bench.control(model="old")
    bench.worker.turn()
    bench.control(model="old", smoothing=0.5)
    bench.worker.turn()
    bench.control(model="new")
    bench.worker.turn()
    problem = {"message": "There is no model named old."}
    assert told == [("loading", None), ("loading", problem), ("loading", None)]


def test_a_model_that_comes_back_is_used_without_a_new_control_block() -> None:
    bench = Bench()
    bench.load_error = ProviderError("No provider could run it.")
    bench.control()
    bench.worker.turn()
    assert bench.status()["error"]["message"] == "No provider could run it."
    bench.load_error = None
    bench.now += 1.1
    bench.worker.turn()

    assert bench.status()["state"] == "running"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SampleError("They do not fit."), "They do not fit."),
        (ValueError("surprise"), "ValueError: surprise. Look into the log, or choose another method."),
        (ValueError("Surprise."), "ValueError: Surprise. Look into the log, or choose another method."),
        (MemoryError(), "MemoryError. Look into the log, or choose another method."),
        (cv2.error("bad"), "error: bad. Look into the log, or choose another method."),
    ],
)
def test_a_frame_that_fails_is_reported_and_the_next_one_tried_after_a_pause(
    bench: Bench, error: Exception, message: str
) -> None:
    good = bench.engine.answer

    def fail(frame: Frame) -> Result:
        raise error

    bench.engine.answer = fail
    bench.send()
    bench.worker.turn()
    status = bench.status(at_once=True)
    assert (status["state"], status["error"]["message"]) == ("error", message)
    resets = bench.engine.only_stream.resets

    bench.engine.answer = good
    bench.send()
    bench.now += 0.9
    bench.worker.turn()
    assert not bench.has_matte()
    bench.now += 0.2
    bench.worker.turn()
    assert bench.has_matte()
    assert bench.engine.only_stream.resets == resets + 1
    assert len(bench.engines) == 1
    status = bench.status(at_once=True)
    assert (status["state"], status["error"]) == ("running", None)


def test_an_engine_that_worked_and_fails_for_good_ends_the_worker(bench: Bench) -> None:
    """As when the GPU is gone after a sleep: the filter starts a new process, which finds it again."""

    def fail(frame: Frame) -> Result:
        raise ValueError("device removed")

    good, bench.engine.answer = bench.engine.answer, fail
    for _ in range(2 * MOST_FAILURES):  # it never worked: another start would not help
        bench.send()
        bench.now += 1.1
        bench.worker.turn()
    bench.engine.answer = good
    bench.send()
    bench.now += 1.1
    bench.worker.turn()
    assert bench.has_matte()

    bench.engine.answer = fail
    for _ in range(MOST_FAILURES - 1):
        bench.send()
        bench.worker.turn()
        bench.now += 1.1
    bench.send()
    with pytest.raises(EngineLostError, match="5 times in a row: ValueError: device removed"):
        bench.worker.turn()


@pytest.mark.parametrize("error", [SampleError("They do not fit."), FrameError("It is no picture.")])
def test_what_the_engine_is_given_is_not_its_failure(bench: Bench, error: Exception) -> None:
    """As when the camera is turned: another process would fail as well."""

    def fail(frame: Frame) -> Result:
        raise error

    bench.send()
    bench.worker.turn()
    good, bench.engine.answer = bench.engine.answer, fail
    for _ in range(2 * MOST_FAILURES):
        bench.send()
        bench.worker.turn()
        bench.now += 1.1
    status = bench.status(at_once=True)
    assert (status["state"], status["error"]) == ("error", {"message": str(error)})

    bench.engine.answer = good
    bench.send()
    bench.worker.turn()
    assert bench.status()["state"] == "running"


def test_a_camera_that_is_turned_and_turned_back(tmp_path: Path) -> None:
    bench = Bench()
    bench.worker._create = create_engine
    bench.control(model="difference", samples=[write_png(tmp_path / "a.png", width=64, height=32)])
    for generation, (width, height) in enumerate([(64, 32), (32, 64), (64, 32)], 1):
        for _ in range(2 * MOST_FAILURES):
            bench.send(generation=generation, width=width, height=height)
            bench.worker.turn()
            bench.now += 1.1
        error = bench.status(at_once=True)["error"]
        if width < height:
            assert "2.00 times as wide as high, the video 0.50 times" in error["message"]
        else:
            assert error is None
            assert bench.matte().info.generation == generation


@pytest.mark.parametrize(
    "result",
    [
        Result(np.zeros((32, 63), np.float32)),
        Result(np.zeros((32, 64, 1), np.float32)),
        Result(np.full((32, 64), math.nan, np.float32)),
        Result(np.zeros((32, 64), np.float32), (1.0, math.inf, 1.0)),
    ],
)
def test_what_is_no_matte_is_not_published(bench: Bench, result: Result) -> None:
    bench.engine.answer = lambda frame: result
    bench.send()
    bench.worker.turn()

    assert not bench.has_matte()
    assert "matte" in bench.status(at_once=True)["error"]["message"]


def test_a_gain_beyond_the_protocol_is_limited(bench: Bench) -> None:
    bench.engine.answer = lambda frame: Result(np.zeros(frame.shape[:2], np.float32), (0.0, 100.0, 1.0))
    bench.send()
    bench.worker.turn()

    assert bench.matte().info.gain == (1 / 16, 16.0, 1.0)


def test_a_new_worker_on_the_same_segment_goes_on(bench: Bench) -> None:
    for _ in range(6):
        bench.send()
        bench.worker.turn()
    bench.matte()
    bench.worker = bench.start()
    bench.send(99)
    bench.worker.turn()

    assert (bench.matte().pixels == 99).all()
    assert bench.filter.mattes_made == 1
    assert bench.filter.frames_dropped == 0


def test_a_garbled_sequence_does_not_stop_a_camera_that_runs(bench: Bench) -> None:
    class Camera:
        """Wakes the worker with a frame before it has waited for long."""

        gone = False
        frames = 0

        def wait(self, seconds: float) -> bool:
            self.frames += 1
            self.gone = self.frames == 10
            bench.now += 0.033
            bench.send()
            return True

    bench.send()
    words = memoryview(bench.buffer).cast("Q")
    words[protocol.FRAMES_OFFSET // 8] = 2**50
    bench.worker.run(cast(Wakeup, Camera()))
    assert bench.filter.mattes_made >= 10 - protocol.SLOTS


def test_garbage_in_the_segment_does_no_lasting_harm(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    words = memoryview(bench.buffer).cast("Q")
    kept = bytes(bench.buffer[: protocol.CONTROL_OFFSET])
    for _ in range(200):
        garbage = rng.integers(0, 2**63, 8256 // 8, dtype=np.uint64).tobytes()
        bench.buffer[protocol.CONTROL_OFFSET : protocol.STATUS_OFFSET] = garbage
        for slot in range(protocol.SLOTS):
            start = protocol.FRAMES_OFFSET + slot * protocol.FRAME_SLOT_BYTES
            bench.buffer[start : start + 64] = rng.bytes(64)
            sizes = np.array(rng.choice([1, 8, 64, 4096, 2**31], 3), "<u4").tobytes()
            bench.buffer[start + 28 : start + 40] = sizes
            bench.buffer[start + 44 : start + 56] = np.ones(3, "<f4").tobytes()
            words[start // 8] = int(rng.integers(0, 2**63))
        bench.worker.turn()
        bench.now += 2
    assert bench.filter.mattes_made > 0  # some of the garbage was a valid frame
    bench.buffer[: protocol.CONTROL_OFFSET] = kept

    for _ in range(protocol.SLOTS):
        bench.send(77)
    bench.control()
    while bench.worker.turn():
        pass
    newest = bench.filter.mattes.newest(0)
    assert newest is not None
    assert newest.info.frame_id == bench.frame_id


def test_control_blocks_of_wrong_types_mean_the_defaults(bench: Bench) -> None:
    values: tuple[Any, ...] = (
        None,
        True,
        5,
        "x",
        [],
        [None],
        {},
        [{"a": 1}],
        1e300,
        "\0",
        ["\0"],
        -(10**400),
    )
    for value in values:
        keys = ("model", "provider", "samples", "samples_generation", "smoothing", "shift")
        bench.filter.control.write(dict.fromkeys(keys, value))
        bench.send()
        bench.worker.turn()
        bench.now += 40

        assert bench.status()["state"] in ("running", "error")
    assert bench.filter.mattes_made > 5
