"""The engine without weights: a matte from the background samples alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.base import Engine, Result, Stream
from cleanplate.engine.errors import SamplesNeededError
from cleanplate.engine.refine import guided_filter
from cleanplate.engine.samples import BackgroundSamples


class DifferenceEngine(Engine):
    """Subtracts the clean plate; works everywhere, and is the floor under the networks."""

    name = "difference"
    needs_samples = True

    def __init__(self) -> None:
        self.samples = BackgroundSamples()

    def _use_samples(self, samples: BackgroundSamples) -> None:
        self.samples = samples

    def stream(self) -> Stream:
        """A new stream."""
        return _DifferenceStream(self)


class _DifferenceStream(Stream):
    def __init__(self, engine: DifferenceEngine) -> None:
        super().__init__()
        self._engine = engine
        self._samples: BackgroundSamples | None = None

    def _matte(self, bgr: NDArray[np.uint8]) -> Result:
        samples = self._engine.samples
        if not len(samples):
            raise SamplesNeededError("There is no background sample. Capture the background first.")
        height, width = bgr.shape[:2]
        if samples is not self._samples or self._plate.mean.shape != bgr.shape:
            self._plate = samples.plate(width, height)
            self._samples = samples
        plate = self._plate
        frame = bgr.astype(np.float32)
        ratio = (frame + 8) / (plate.mean + 8)
        gain = np.median(ratio[::4, ::4], axis=(0, 1))
        distance = (np.abs(frame - plate.mean * gain) / plate.noise).max(axis=2)
        distance = cv2.medianBlur(distance.astype(np.float32), 5)
        alpha = np.clip((distance - 5) / 10, 0, 1).astype(np.float32)
        alpha = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)).astype(np.float32)
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
        alpha = np.clip(guided_filter(grey, alpha, 6, 1e-4), 0, 1).astype(np.float32)
        return Result(alpha, (float(gain[0]), float(gain[1]), float(gain[2])))
