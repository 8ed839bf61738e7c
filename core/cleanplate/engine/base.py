"""What every engine is: `Engine` holds model and samples, `Stream` holds the state of one video."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cleanplate.engine import refine
from cleanplate.engine.errors import FrameError, SamplesNeededError
from cleanplate.engine.samples import BackgroundSamples

DEFAULT_AREA = 512 * 288
"""Pixels of the engine's input for engines that work at any size."""

DEFAULT_MULTIPLE = 32
"""Both sides of the input are a multiple of this, so that every model can take the same frames."""


@dataclass(frozen=True)
class Drift:
    """The scene no longer looks as it did when the background was captured.

    Attributes:
        kind: `light` or `camera`.
        message: what happened and what to do, for the user.
    """

    kind: Literal["light", "camera"]
    message: str


@dataclass(frozen=True)
class Result:
    """What one frame gave.

    Attributes:
        alpha: the matte, float32 [H, W], 0 (background) .. 1 (person), at the frame's size.
        gain: per channel (b, g, r): the clean plate times this has the frame's exposure.
        drift: set while the samples no longer fit the scene.
        foreground_colour: float32 [H, W, 3] BGR, 0..255, where the model estimates it, else None.
    """

    alpha: NDArray[np.float32]
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    drift: Drift | None = None
    foreground_colour: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Matte:
    """An engine's own matte of a frame, before what all engines share; fields as in `Result`."""

    alpha: NDArray[np.float32]
    gain: tuple[float, float, float]
    foreground_colour: NDArray[np.float32] | None = None


class Stream(ABC):
    """The state of one video: previous mattes, exposure, recurrent states.

    Attributes:
        smoothing: temporal smoothing of the matte, 0 (none) .. 1 (strongest).
        shift: pixels at 512 wide by which the matte's edge is moved, + outwards.
    """

    def __init__(self, engine: "Engine") -> None:
        self.smoothing = 0.0
        self.shift = 0.0
        self._engine = engine
        self._samples: BackgroundSamples | None = None
        self._size = (0, 0)
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
        bgr = _as_bgr(frame)
        self._follow(width=bgr.shape[1], height=bgr.shape[0])
        matte = self._matte(bgr)
        alpha = self._smoother.smooth(matte.alpha, bgr, self.smoothing)
        alpha = refine.shift_edge(alpha, self.shift * bgr.shape[1] / 512)
        return Result(alpha, matte.gain, None, matte.foreground_colour)

    def reset(self) -> None:
        """Forget the past: the next frame is the first."""
        self._smoother = refine.TemporalSmoother()

    def _follow(self, *, width: int, height: int) -> None:
        """Take up new samples or a new frame size."""
        samples = self._engine.samples
        if self._engine.needs_samples and not len(samples):
            raise SamplesNeededError("There is no background sample. Capture the background first.")
        if (width, height) != self._size:
            self.reset()
        if (width, height) != self._size or samples is not self._samples:
            self._samples = None  # so that a failure is met again with the next frame
            self._prepare(samples, width, height)
            self._size, self._samples = (width, height), samples

    @abstractmethod
    def _prepare(self, samples: BackgroundSamples, width: int, height: int) -> None:
        """Compute what depends on the samples and the frame size alone."""

    @abstractmethod
    def _matte(self, bgr: NDArray[np.uint8]) -> Matte:
        """The engine's own matte, before smoothing and shift."""


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


def _as_bgr(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (3, 4) or frame.size == 0:
        raise FrameError(
            f"A frame has shape {frame.shape} and type {frame.dtype}; give 8-bit BGR or BGRA frames."
        )
    return np.ascontiguousarray(frame[:, :, :3])
