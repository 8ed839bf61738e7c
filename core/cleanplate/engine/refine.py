"""Refinement shared by all engines: guided filter, temporal smoothing, edge shift."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.imaging import as_plane, box_mean


class TemporalSmoother:
    """Exponential smoothing of mattes that lets go where the picture moves."""

    MOTION = 12.0
    """Change of a pixel (0..255) at which smoothing has dropped to a third."""

    def __init__(self) -> None:
        self._alpha: NDArray[np.float32] | None = None
        self._grey: NDArray[np.uint8] | None = None

    def smooth(
        self, alpha: NDArray[np.float32], bgr: NDArray[np.uint8], strength: float
    ) -> NDArray[np.float32]:
        """Blend a matte with its predecessors.

        Args:
            alpha: float32 [H, W], 0..1.
            bgr: its frame, uint8 [H, W, 3].
            strength: 0 (none) .. 1.
        """
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        if self._alpha is not None and self._grey is not None and strength > 0:
            motion = cv2.blur(cv2.absdiff(grey, self._grey), (5, 5)).astype(np.float32)
            keep = np.float32(0.9 * strength) * np.exp(-np.square(motion / np.float32(self.MOTION)))
            alpha = (alpha + keep * (self._alpha - alpha)).astype(np.float32, copy=False)
        self._alpha, self._grey = alpha, grey
        return alpha


def shift_edge(alpha: NDArray[np.float32], pixels: float) -> NDArray[np.float32]:
    """Move the matte's edge outwards (+) or inwards (-) by a fraction of pixels."""
    if pixels == 0:
        return alpha
    grow = cv2.dilate if pixels > 0 else cv2.erode
    whole, part = divmod(abs(pixels), 1)
    shifted = alpha
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    if whole:
        shifted = grow(shifted, kernel, iterations=int(whole)).astype(np.float32, copy=False)
    if part:
        shifted = (shifted + np.float32(part) * (grow(shifted, kernel) - shifted)).astype(
            np.float32, copy=False
        )
    return shifted


class GuidedFilter:
    """Guided filter with a grey guide (He, Sun, Tang 2013, equations 5, 6 and 8), for several pictures.

    Args:
        guide: float32 [H, W], 0..1.
        radius: of the window, pixels.
        epsilon: variance of the guide below which it counts as flat.
    """

    def __init__(self, guide: NDArray[np.float32], radius: int, epsilon: float) -> None:
        self._guide, self._radius = guide, radius
        self._mean = box_mean(guide, radius)
        self._variance = box_mean(guide * guide, radius) - self._mean * self._mean + np.float32(epsilon)

    def apply(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Make a picture, float32 [H, W], follow the guide's edges."""
        mean = box_mean(picture, self._radius)
        slope = as_plane((box_mean(self._guide * picture, self._radius) - self._mean * mean) / self._variance)
        offset = as_plane(mean - slope * self._mean)
        return as_plane(box_mean(slope, self._radius) * self._guide + box_mean(offset, self._radius))
