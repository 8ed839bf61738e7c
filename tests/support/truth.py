"""Compares recorded frames with what they ought to show."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.studio.scene import Clip, Image, Matte

# A pixel is background for certain, or figure for certain, this far from the true edge.
EDGE_PIXELS = 5


class Match(NamedTuple):
    """Which frame of a clip a recorded frame comes from."""

    frame: int
    error: float  # mean absolute difference inside the figure, 8-bit levels


class FrameFinder:
    """Finds the frame of a clip whose figure a composite shows, by the figure's inside."""

    _scale = 0.25

    def __init__(self, clip: Clip) -> None:
        self._frames = [self._shrink(frame) for frame in clip.frames]
        self._insides = [self._shrink(matte) > 0.5 for matte in clip.mattes]

    def find(self, picture: Image) -> Match:
        """The best match of a recorded frame, uint8 H x W x 3, BGR."""
        small = self._shrink(picture)
        errors = [
            float(np.abs(small - frame)[inside].mean())
            for frame, inside in zip(self._frames, self._insides, strict=True)
        ]
        best = int(np.argmin(errors))
        return Match(best, errors[best])

    def _shrink(self, picture: NDArray[Any]) -> NDArray[np.float32]:
        small = cv2.resize(picture, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA)
        return small.astype(np.float32)


def near_figure(matte: Matte) -> NDArray[np.bool_]:
    """Certain background beside the figure, where a halo would be."""
    return certain_background(matte) & (cv2.dilate(matte, np.ones((31, 31), np.uint8)) > 0)


def certain_background(matte: Matte) -> NDArray[np.bool_]:
    """Where the true matte is 0, a few pixels away from the figure."""
    kernel = np.ones((2 * EDGE_PIXELS + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(matte, kernel) == 0)


def certain_figure(matte: Matte) -> NDArray[np.bool_]:
    """Where the true matte is 1, a few pixels inside the figure."""
    kernel = np.ones((2 * EDGE_PIXELS + 1,) * 2, np.uint8)
    return np.asarray(cv2.erode(matte, kernel) == 1)


def psnr(picture: Image, expected: Image, where: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures, over all pixels or those of ``where``."""
    square = (picture.astype(np.float64) - expected) ** 2
    mean = (square if where is None else square[where]).mean()
    return float(10 * np.log10(255**2 / mean)) if mean else np.inf


def blurred(picture: Image, sigma: float, weight: Matte | None = None) -> Image:
    """Gaussian blur in linear light, of the pixels that ``weight`` counts alone.

    Args:
        picture: uint8 H x W x 3, sRGB.
        sigma: standard deviation in pixels.
        weight: float32 H x W, 0 to 1; all 1 when left out.
    """
    weight = np.ones(picture.shape[:2], np.float32) if weight is None else weight
    total = cv2.GaussianBlur(_linear(picture) * weight[..., None], (0, 0), sigma)
    # Deep inside what does not count there is nothing to divide by.
    counted = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)
    return _encoded(total / counted[..., None])


def _linear(picture: Image) -> NDArray[np.float32]:
    value = picture.astype(np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _encoded(light: NDArray[Any]) -> Image:
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return (value * 255).round().clip(0, 255).astype(np.uint8)
