"""Exposure and white balance of a frame relative to the clean plate."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.samples import Plate

Gain = tuple[float, float, float]


class Exposure:
    """Follows the gain by which the plate must be multiplied to look like the present frame."""

    def __init__(self, plate: Plate) -> None:
        height, width = plate.mean.shape[:2]
        self._size = (max(1, width // 4), max(1, height // 4))
        self._plate = cv2.resize(plate.mean, self._size, interpolation=cv2.INTER_AREA)

    def update(self, bgr: NDArray[np.uint8], background: NDArray[np.float32] | None = None) -> Gain:
        """Estimate the gain of a frame.

        Args:
            bgr: uint8 [H, W, 3].
            background: float32 [H, W], 0..1, where the background shows; None where that is unknown.

        Returns:
            The gain of b, g and r.
        """
        small = cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        usable = (self._plate > 8).all(axis=2) & (small < 250).all(axis=2) & (self._plate < 250).all(axis=2)
        if background is not None:
            usable &= cv2.resize(background, self._size, interpolation=cv2.INTER_AREA) > 0.95
        if usable.sum() < 50:
            return (1.0, 1.0, 1.0)
        b, g, r = np.median(small[usable] / self._plate[usable], axis=0)
        return (float(b), float(g), float(r))
