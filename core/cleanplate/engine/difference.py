"""The engine without weights: a matte from the background samples alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.base import Engine, Matte, Stream
from cleanplate.engine.exposure import Exposure
from cleanplate.engine.refine import guided_filter
from cleanplate.engine.samples import BackgroundSamples


class DifferenceEngine(Engine):
    """Subtracts the clean plate; works everywhere, and is the floor under the networks."""

    name = "difference"
    needs_samples = True

    def stream(self) -> Stream:
        """A new stream."""
        return _DifferenceStream(self)


class _DifferenceStream(Stream):
    def _prepare(self, samples: BackgroundSamples, width: int, height: int) -> None:
        self._plate = samples.plate(width, height)
        self._exposure = Exposure(self._plate)

    def _matte(self, bgr: NDArray[np.uint8]) -> Matte:
        plate = self._plate
        gain = self._exposure.update(bgr)
        frame = bgr.astype(np.float32)
        distance = (np.abs(frame - plate.mean * np.array(gain, np.float32)) / plate.noise).max(axis=2)
        distance = cv2.medianBlur(distance.astype(np.float32), 5)
        alpha = np.clip((distance - 5) / 10, 0, 1).astype(np.float32)
        alpha = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)).astype(np.float32)
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
        alpha = np.clip(guided_filter(grey, alpha, 6, 1e-4), 0, 1).astype(np.float32)
        return Matte(alpha, gain)
