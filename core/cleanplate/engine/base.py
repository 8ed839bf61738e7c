"""What every engine is: `Engine` holds model and samples, `Stream` holds the state of one video."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.alignment import SampleAlignment
from cleanplate.engine.drift import CHECK_FRAMES, FOLLOWED, Drift, DriftWatch
from cleanplate.engine.errors import FrameError, SamplesNeededError
from cleanplate.engine.exposure import UNCHANGED, Gain, LightTracker
from cleanplate.engine.imaging import Picture, Plane
from cleanplate.engine.refine import TemporalSmoother, shift_edge
from cleanplate.engine.samples import BackgroundSamples, Plate, plate_of

DEFAULT_AREA = 512 * 288
"""Pixels of the engine's input for engines that work at any size."""

DEFAULT_MULTIPLE = 32
"""Both sides of the input are a multiple of this, so that every model can take the same frames."""

REGISTERED = 2.0
"""Up to this shift, pixels of a picture 512 wide, the captured picture itself still fits the camera's."""

LONGEST_PATIENCE = 32
"""Checks for drift between two attempts to follow a camera that cannot be followed."""


@dataclass(frozen=True)
class Result:
    """What one frame gave.

    Attributes:
        alpha: the matte, float32 [H, W], 0 (background) .. 1 (person), at the frame's size.
        gain: of b, g and r: the clean plate times this has the frame's exposure; 1 without samples.
        drift: set while the samples, as they were captured, no longer fit the scene.
        foreground_colour: float32 [H, W, 3] BGR, 0..255, where the model estimates it, else None.
    """

    alpha: Plane
    gain: Gain = (1.0, 1.0, 1.0)
    drift: Drift | None = None
    foreground_colour: Plane | None = None


@dataclass(frozen=True)
class Matte:
    """An engine's own matte of a frame, before what all engines share; fields as in `Result`."""

    alpha: Plane
    foreground_colour: Plane | None = None


class Scene:
    """What a stream with samples knows and follows of its scene."""

    def __init__(self, plate: Plate) -> None:
        self.plate = plate
        self.tracker = LightTracker(plate.mean)
        self.drift = DriftWatch(plate.mean)


class Stream(ABC):
    """The state of one video: previous mattes, exposure, recurrent states.

    Attributes:
        smoothing: temporal smoothing of the matte, 0 (none) .. 1 (strongest).
        shift: pixels at 512 wide by which the matte's edge is moved, + outwards.
        light_interval: every so many frames the light is measured.
    """

    light_interval = 1

    def __init__(self, engine: "Engine") -> None:
        self.smoothing = 0.0
        self.shift = 0.0
        self._engine = engine
        self._samples: BackgroundSamples | None = None
        self._scene: Scene | None = None
        self._light = UNCHANGED
        self._last_alpha: Plane | None = None  # matte of the frame before
        self._alignment = SampleAlignment(())
        self._size = (0, 0)
        self._patience = 1  # in checks, until it is tried again to follow the camera
        self.reset()

    def process(self, frame: NDArray[np.uint8]) -> Result:
        """Make the matte of the next frame.

        Args:
            frame: uint8 [H, W, 3] BGR or [H, W, 4] BGRA; another size than before resets the stream.

        Raises:
            FrameError: the frame is not of that form.
            SamplesNeededError: the engine works by samples and has none.
            SampleError: the samples do not fit the frame.
        """
        bgr = _own_bgr(frame)
        self._take_up(bgr)
        scene = self._scene
        if scene and self._frames % self.light_interval == 0:
            self._light = scene.tracker.update(
                bgr, None if self._last_alpha is None else 1 - self._last_alpha
            )
        self._frames += 1
        matte = self._matte(bgr)
        self._last_alpha = matte.alpha
        alpha = self._smoother.smooth(matte.alpha, bgr, self.smoothing)
        alpha = shift_edge(alpha, self.shift * bgr.shape[1] / 512)
        if scene is None:
            return Result(alpha, foreground_colour=matte.foreground_colour)
        drift = scene.drift.observe(bgr, matte.alpha, self._light)
        if self._follow(bgr, drift):
            drift = None
        if self._alignment.shift > REGISTERED:
            # Whatever is said, its kind tells that the captured picture itself is out of register.
            drift = FOLLOWED if drift is None else replace(drift, kind="camera")
        return Result(alpha, self._light.gain, drift, matte.foreground_colour)

    def reset(self) -> None:
        """Forget the past: the next frame is the first."""
        self._is_fresh = True
        self._smoother = TemporalSmoother()
        self._last_alpha = None
        self._frames = 0  # since the start, or since the scene was taken up
        if self._scene:
            self._scene.tracker.reset()

    def _take_up(self, bgr: Picture) -> None:
        """Take up new samples or a new frame size."""
        samples = self._engine.samples
        if self._engine.needs_samples and not len(samples):
            raise SamplesNeededError("There is no background sample. Capture the background first.")
        size = (bgr.shape[1], bgr.shape[0])
        if size != self._size:
            self.reset()
        if size != self._size or samples is not self._samples:
            self._samples = None  # so that a failure is met again with the next frame
            self._alignment = SampleAlignment(samples.resized(*size))
            self._alignment.follow(bgr)
            self._size, self._samples = size, samples
            self._enter_scene()
        elif self._is_fresh and self._alignment.follow(bgr):
            self._enter_scene()
        self._is_fresh = False

    def _enter_scene(self) -> None:
        """Begin with the samples as they are aligned now."""
        samples, self._samples = self._samples, None  # as above
        pictures = self._alignment.pictures
        self._scene = Scene(plate_of(pictures)) if pictures else None
        self._frames, self._patience = 0, 1
        self._prepare(pictures, *self._size)
        self._samples = samples

    def _follow(self, bgr: Picture, drift: Drift | None) -> bool:
        """Align the samples anew where that is due; return whether any was moved."""
        if drift is None or drift.kind != "camera":
            self._patience = 1
            # Once more a second after the start: a camera's first frames may be black.
            is_due = self._frames == CHECK_FRAMES
        else:
            is_due = self._frames % (CHECK_FRAMES * self._patience) == 0
        if not is_due:
            return False
        if self._alignment.follow(bgr):
            self._enter_scene()
            return True
        self._patience = min(2 * self._patience, LONGEST_PATIENCE)  # it takes as long as several frames
        return False

    @abstractmethod
    def _prepare(self, samples: Sequence[Picture], width: int, height: int) -> None:
        """Compute what depends on the samples and the frame size alone; `self._scene` is ready."""

    @abstractmethod
    def _matte(self, bgr: Picture) -> Matte:
        """The engine's own matte, before smoothing and shift; `self._light` is the frame's."""


class Engine(ABC):
    """A model with its background samples.

    Attributes:
        name: the model's name.
        provider: what computes it: `cpu`, `cuda`, ...
        fallbacks: faster providers that were tried first, with the reason why each is not in use.
        needs_samples: whether it cannot work without a background sample.
    """

    name: str
    provider: str = "cpu"
    fallbacks: tuple[tuple[str, str], ...] = ()
    needs_samples: bool = False
    area: int = DEFAULT_AREA
    multiple: int = DEFAULT_MULTIPLE

    def __init__(self) -> None:
        self.samples = BackgroundSamples()

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """The size (width, height) to which a video should be scaled: about `area`, aspect kept."""
        scale = sqrt(self.area / (width * height))
        return (
            max(1, round(width * scale / self.multiple)) * self.multiple,
            max(1, round(height * scale / self.multiple)) * self.multiple,
        )

    def set_samples(self, samples: Sequence[NDArray[np.uint8]]) -> None:
        """Replace the background samples; running streams use the new ones from their next frame.

        Args:
            samples: uint8 [H, W, 3] BGR each, 0 to 16 of them, newest last.

        Raises:
            SampleError: too many, or not of that form; the former samples stay in use.
        """
        self.samples = BackgroundSamples(samples)

    @abstractmethod
    def stream(self) -> Stream:
        """A new stream; an engine may serve several."""


def _own_bgr(frame: NDArray[np.uint8]) -> Picture:
    """A copy, because a stream compares frames and callers use their buffers again."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (3, 4) or frame.size == 0:
        raise FrameError(
            f"A frame has shape {frame.shape} and type {frame.dtype}; give 8-bit BGR or BGRA frames."
        )
    if frame.shape[2] == 4:
        return cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR).astype(np.uint8, copy=False)
    return frame.copy()
