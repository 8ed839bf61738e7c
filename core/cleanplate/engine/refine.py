"""Refinement shared by all engines: guided filter, temporal smoothing, edge shift."""

import cv2
import numpy as np

from cleanplate.engine.imaging import Picture, Plane, as_plane, box_mean, change, resize_plane

MOTION = 8.0
"""Mean change of a pixel's surroundings (of 255) at which smoothing has dropped to a third."""

STRONGEST = 0.9
"""Share of the matte before that smoothing at its strongest keeps where nothing moves."""


UPSAMPLING_RADIUS = 1
"""Of the windows in which a matte is fitted to the colours: pixels at half the matte's size."""

UPSAMPLING_EPSILON = 1e-4
"""Variance of the picture (of 0..1) that noise makes."""

STRETCH = 1.1
"""Contrast that networks' mattes, which shy away from 0 and 1, are given about one half."""


class TemporalSmoother:
    """Exponential smoothing of mattes that lets go where the picture moves, so that hands leave no ghosts."""

    def __init__(self) -> None:
        self._before: tuple[Plane, Picture] | None = None  # matte and frame

    def smooth(self, alpha: Plane, bgr: Picture, strength: float) -> Plane:
        """Blend a matte with its predecessors.

        Args:
            alpha: float32 [H, W], 0..1.
            bgr: its frame, uint8 [H, W, 3], of the same size as the frames before.
            strength: 0 (none) .. 1 (strongest).
        """
        if self._before is not None and strength > 0:
            before, frame = self._before
            motion = box_mean(change(bgr, frame).astype(np.float32), 2)
            keep = np.float32(STRONGEST * strength) * np.exp(-np.square(motion * np.float32(1 / MOTION)))
            alpha = as_plane(alpha + keep * (before - alpha))
        self._before = (alpha, bgr)
        return alpha


def shift_edge(alpha: Plane, pixels: float) -> Plane:
    """Move a matte's edge outwards (+) or inwards (-), by fractions of a pixel too.

    Args:
        alpha: float32 [H, W], 0..1.
        pixels: how far; 0 gives the matte itself.
    """
    whole, part = divmod(abs(pixels), 1)
    shifted = _grow(alpha, int(whole), outwards=pixels > 0)
    if part == 0:
        return shifted
    further = _grow(alpha, int(whole) + 1, outwards=pixels > 0)
    return as_plane(shifted + np.float32(part) * (further - shifted))


def _grow(alpha: Plane, radius: int, *, outwards: bool) -> Plane:
    if radius == 0:
        return alpha
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return as_plane(cv2.dilate(alpha, disc) if outwards else cv2.erode(alpha, disc))


class GuidedFilter:
    """Guided filter with a grey guide (He, Sun, Tang 2013, equations 5, 6 and 8), for several pictures.

    Args:
        guide: float32 [H, W], 0..1.
        radius: of the window, pixels.
        epsilon: variance of the guide below which it counts as flat.
    """

    def __init__(self, guide: Plane, radius: int, epsilon: float) -> None:
        self._guide, self._radius = guide, radius
        self._mean = box_mean(guide, radius)
        self._variance = box_mean(guide * guide, radius) - self._mean * self._mean + np.float32(epsilon)

    def apply(self, picture: Plane) -> Plane:
        """Make a picture, float32 [H, W], follow the guide's edges."""
        mean = box_mean(picture, self._radius)
        covariance = box_mean(self._guide * picture, self._radius) - self._mean * mean
        slope = as_plane(covariance / self._variance)
        offset = as_plane(mean - slope * self._mean)
        return as_plane(box_mean(slope, self._radius) * self._guide + box_mean(offset, self._radius))


def upsample_matte(matte: Plane, small: Picture, frame: Picture) -> Plane:
    """Bring a network's matte to its frame's size along the frame's edges, and stretch it.

    A fast guided filter (He and Sun 2015), fitted at half the matte's size, with two channels of the frame as
    its guide, after equations 14 and 15 of He, Sun and Tang 2013: blue and red. Green adds next to nothing to
    them and takes time.

    Args:
        matte: float32 [h, w], 0..1.
        small: the frame at the matte's size, uint8 [h, w, 3].
        frame: uint8 [H, W, 3].

    Returns:
        float32 [H, W], 0..1.
    """
    *slopes, offset = _fit(matte, *_blue_and_red(small))
    height, width = frame.shape[:2]
    alpha = resize_plane(offset, width, height)
    for slope, channel in zip(slopes, _blue_and_red(frame), strict=True):
        cv2.accumulateProduct(resize_plane(slope, width, height), channel, alpha)
    return np.clip(alpha, 0, 1, out=alpha)


def _fit(matte: Plane, blue: Plane, red: Plane) -> tuple[Plane, Plane, Plane]:
    """Slopes and offset that make the stretched matte of blue and red, as well as they can in each window."""
    height, width = (max(1, side // 2) for side in matte.shape)

    def mean_of(plane: Plane) -> Plane:
        return box_mean(resize_plane(plane, width, height), UPSAMPLING_RADIUS)

    mean, mean_blue, mean_red = mean_of(matte), mean_of(blue), mean_of(red)
    variance_blue = mean_of(blue * blue) - mean_blue * mean_blue + np.float32(UPSAMPLING_EPSILON)
    variance_red = mean_of(red * red) - mean_red * mean_red + np.float32(UPSAMPLING_EPSILON)
    common = mean_of(blue * red) - mean_blue * mean_red
    with_blue = mean_of(blue * matte) - mean_blue * mean
    with_red = mean_of(red * matte) - mean_red * mean
    scale = np.float32(STRETCH) / (variance_blue * variance_red - common * common)
    slope_blue = (with_blue * variance_red - with_red * common) * scale
    slope_red = (with_red * variance_blue - with_blue * common) * scale
    stretched = mean * np.float32(STRETCH) - np.float32((STRETCH - 1) / 2)
    return slope_blue, slope_red, stretched - slope_blue * mean_blue - slope_red * mean_red


def _blue_and_red(picture: Picture) -> tuple[Plane, Plane]:
    """float32 [H, W] each, 0..1."""
    blue, _, red = cv2.split(picture)
    unit = np.float32(1 / 255)
    return np.multiply(blue, unit, dtype=np.float32), np.multiply(red, unit, dtype=np.float32)
