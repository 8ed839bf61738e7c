"""The worker's main loop: from the frame ring through the engine to the matte ring.

One thread does everything in turn, so that a heartbeat means that mattes can be made: look for new settings,
make the engine and its samples ready, take the newest frame, publish its matte, write the status.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.base import Engine, Result, Stream
from cleanplate.engine.errors import EngineError, FrameError, SampleError
from cleanplate.engine.matting import available_models, create_engine
from cleanplate.wire.protocol import FRAME_PIXEL_BYTES, HEARTBEAT_SECONDS, MATTE_PIXEL_BYTES, MAX_GAIN
from cleanplate.wire.ring import Channel, Picture, SlotInfo
from cleanplate.worker.control import Control
from cleanplate.worker.sample_files import SampleReport, read_samples
from cleanplate.worker.status import State, Status
from cleanplate.worker.wakeup import Wakeup

IDLE_SECONDS = 0.8 * HEARTBEAT_SECONDS
"""Longest sleep without a wake-up."""

STATUS_SECONDS = 0.25
"""Shortest time between two status reports of the same state."""

RETRY_SECONDS = 1.0
"""Pause after a failure; it doubles while loading fails again and again, up to `LONGEST_RETRY_SECONDS`."""

LONGEST_RETRY_SECONDS = 30.0

MOST_FAILURES = 5
"""Frames in a row that may fail after others went well; then a lost GPU is more likely than a bad frame."""

_LARGEST_COUNT = 2**64 - 1

_log = logging.getLogger(__name__)


class MatteError(Exception):
    """The engine gave something that is no matte."""


class EngineLostError(Exception):
    """An engine that worked fails for good: only a new process gets at the GPU again."""


class EngineFactory(Protocol):
    """The signature of `create_engine`."""

    def __call__(self, name: str, *, provider: str, models: Sequence[Path], threads: int | None) -> Engine:
        """Make an engine."""


class Worker:
    """Serves one filter.

    Args:
        channel: the segment.
        memory: the segment's bytes, writable.
        status: what is reported; the worker keeps it up to date.
        model_folders: where the installation keeps its models.
        threads: CPU threads of the network.
        create: makes engines.
        clock: seconds, for pauses and statistics.
    """

    def __init__(
        self,
        channel: Channel,
        memory: memoryview,
        status: Status,
        *,
        model_folders: Sequence[Path] = (),
        threads: int | None = None,
        create: EngineFactory = create_engine,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._channel = channel
        self._memory = memory
        self._status = status
        self._model_folders = tuple(model_folders)
        self._threads = threads
        self._create = create
        self._clock = clock

        self._control: Control | None = None
        self._control_sequence = 0
        self._engine: Engine | None = None
        self._stream: Stream | None = None
        self._samples_ready = False
        self._engine_works = False
        self._failures = 0  # frames in a row

        self._frame_sequence = 0
        self._frames_dropped = 0
        self._mattes_made = 0
        self._generation: int | None = None  # of the stream's last matte; None: the next one is the first

        self._retry_at = 0.0
        self._retry_after = RETRY_SECONDS
        self._logged_error = ""
        self._report_at = 0.0

    def run(self, wakeup: Wakeup) -> None:
        """Serve until the filter is gone.

        Raises:
            EngineLostError: the filter shall start a new process.
        """
        while not wakeup.gone:
            if not self.turn():
                wakeup.wait(IDLE_SECONDS)

    def turn(self) -> bool:
        """Do what there is to do, with at most one frame.

        Returns:
            Whether a frame was found; there may be another one already.
        """
        self._beat()
        self._read_control()
        found = False
        if self._control is not None and self._clock() >= self._retry_at:
            try:
                found = self._serve(self._control)
            except Exception as error:  # noqa: BLE001 - whatever a model does, the next frame may work
                self._fail(error)
        if self._clock() >= self._report_at:
            self._report()
        return found

    def _serve(self, control: Control) -> bool:
        if self._engine is None or self._stream is None:
            self._engine, self._stream = self._load_engine(control)
        if not self._samples_ready:
            self._load_samples(self._engine, control)
        if self._engine.needs_samples and not self._status.samples.used:
            return False
        self._stream.smoothing, self._stream.shift = control.smoothing, control.shift
        return self._serve_frame(self._stream)

    # Settings, engine, samples

    def _read_control(self) -> None:
        update = self._channel.control.read(self._control_sequence)
        if update is None:
            return
        self._control_sequence = update[0]
        former, control = self._control, Control.parse(update[1])
        if former is None or not control.same_engine(former):
            self._engine = self._stream = None
        if former is None or not (control.same_engine(former) and control.same_samples(former)):
            self._samples_ready = False
            self._status.problem = None  # not while the same is tried again: its reason stays to be read
        self._control = control
        self._failures = 0
        self._retry_at = 0.0
        self._retry_after = RETRY_SECONDS

    def _load_engine(self, control: Control) -> tuple[Engine, Stream]:
        status = self._status
        folders = [folder for folder in self._model_folders if folder.is_dir()]
        status.model, status.provider, status.fallbacks, status.drift = control.model, "", (), None
        status.models = available_models(folders)
        status.timings.clear()
        self._enter("loading")
        self._engine_works = False
        engine = self._create(control.model, provider=control.provider, models=folders, threads=self._threads)
        status.model, status.provider, status.fallbacks = engine.name, engine.provider, engine.fallbacks
        _log.info("Model %s runs on %s.", engine.name, engine.provider)
        for provider, reason in engine.fallbacks:
            _log.warning("%s is not in use: %s", provider, reason)
        return engine, engine.stream()

    def _load_samples(self, engine: Engine, control: Control) -> None:
        status = self._status
        self._enter("loading")
        images, status.samples = read_samples(control.samples)
        status.drift = None
        engine.set_samples(images)
        _log.info("%d background samples in use.", len(images))
        for file, reason in status.samples.refused:
            _log.warning("%s is not in use: %s", file, reason)
        self._samples_ready = True
        self._generation = None
        self._retry_after = RETRY_SECONDS
        if engine.needs_samples and not images:
            status.problem = _no_samples(status.samples)
            self._enter("error")
        else:
            self._enter("running")

    # Frames and mattes

    def _serve_frame(self, stream: Stream) -> bool:
        started = self._clock()
        picture = self._channel.frames.newest(self._frame_sequence)
        if picture is None:
            return self._follow_restarted_ring()
        frame = self._copy_frame(picture)
        if not self._channel.frames.still(picture):
            return True  # a newer one is coming into that very slot
        self._count_frame(picture)
        if picture.info.generation != self._generation:
            # The first frame after a change may take long: the engine aligns and encodes the samples.
            self._enter("loading")
            stream.reset()
        result = stream.process(frame)
        self._publish_matte(picture.info, result)
        self._generation = picture.info.generation
        self._status.drift = result.drift
        self._status.timings.add(self._clock() - started, self._clock())
        self._logged_error = ""
        self._engine_works, self._failures = True, 0
        self._enter("running")
        return True

    def _copy_frame(self, picture: Picture) -> NDArray[np.uint8]:
        """The frame as BGRA, uint8 [H, W, 4]."""
        info = picture.info
        rows = np.frombuffer(self._memory, np.uint8, picture.size, picture.offset)
        pixels = rows.reshape(info.height, info.stride)[:, : info.width * FRAME_PIXEL_BYTES]
        return pixels.copy().reshape(info.height, info.width, FRAME_PIXEL_BYTES)

    def _count_frame(self, picture: Picture) -> None:
        if self._frame_sequence:
            self._frames_dropped += picture.sequence - self._frame_sequence - 1
        self._frame_sequence = picture.sequence
        self._channel.frames_dropped = min(self._frames_dropped, _LARGEST_COUNT)
        self._channel.frame_taken = picture.info.frame_id

    def _follow_restarted_ring(self) -> bool:
        """Start over if the filter's sequence numbers do, so that garbage in one stops nothing for ever.

        Returns:
            Whether they do: then there is a frame.
        """
        newest = self._channel.frames.newest(after=0)
        if newest is None or newest.sequence >= self._frame_sequence:
            return False
        self._frame_sequence = 0
        return True

    def _publish_matte(self, frame: SlotInfo, result: Result) -> None:
        alpha, gain = result.alpha, result.gain
        if alpha.shape != (frame.height, frame.width):
            raise MatteError(
                f"The model made a matte of shape {alpha.shape} for {frame.width}x{frame.height}."
            )
        if not np.isfinite(alpha).all() or not np.isfinite(gain).all():
            raise MatteError("The model made a matte that is not a number.")
        blue, green, red = (min(max(factor, 1 / MAX_GAIN), MAX_GAIN) for factor in gain)
        matte = np.clip(alpha * 255 + 0.5, 0, 255).astype(np.uint8).tobytes()
        offset = self._channel.mattes.begin()
        self._memory[offset : offset + len(matte)] = matte
        self._channel.mattes.publish(
            frame._replace(stride=frame.width * MATTE_PIXEL_BYTES, flags=0, gain=(blue, green, red)), matte
        )
        self._mattes_made += 1
        self._channel.mattes_made = self._mattes_made

    # What the filter hears

    def _enter(self, state: State) -> None:
        if state == "running":
            self._status.problem = None
        if state != self._status.state:
            self._status.state = state
            self._report()

    def _fail(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text != self._logged_error:
            _log.error("%s", text, exc_info=error)
            self._logged_error = text
        # What does not fit, as a camera that was turned, is no failure of the engine: another process would
        # not help.
        if self._samples_ready and not isinstance(error, FrameError | SampleError):
            self._failures += 1
        if self._engine_works and self._failures >= MOST_FAILURES:
            raise EngineLostError(f"The method failed {MOST_FAILURES} times in a row: {text}") from error
        self._retry_at = self._clock() + self._retry_after
        if not self._samples_ready:
            self._retry_after = min(2 * self._retry_after, LONGEST_RETRY_SECONDS)
        self._generation = None
        self._status.problem = _explain(error)
        self._enter("error")

    def _report(self) -> None:
        # The sign of life comes first: "running" beside the old one from before a long load would look hung.
        self._beat()
        now = self._clock()
        self._status.write(self._channel.status, now)
        self._report_at = now + STATUS_SECONDS

    def _beat(self) -> None:
        self._channel.heartbeat_ns = time.monotonic_ns()


def _explain(error: Exception) -> str:
    """What is wrong and what to do about it."""
    if isinstance(error, EngineError):
        return str(error)
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{what.rstrip('.')}. Look into the log, or choose another method."


def _no_samples(samples: SampleReport) -> str:
    if not samples.refused:
        return "No background has been captured yet. Capture the background."
    _, reason = samples.refused[-1]
    return f"No background sample can be used. {reason}"
