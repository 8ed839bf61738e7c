"""Refinement shared by all engines: guided filter, temporal smoothing, edge shift."""

import cv2
import numpy as np

from cleanplate.engine.imaging import Picture, Plane, as_plane, box_mean, change, resize_plane

MOTION = 8.0
"""Mean change of a pixel's surroundings (of 255) at which smoothing has dropped to a third."""

STRONGEST = 0.9
"""Share of the matte before that smoothing at its strongest keeps where nothing moves."""


UPSAMPLING_RADIUS = 1
"""Pixels at the matte's size: what bilinear upsampling blurs."""

UPSAMPLING_EPSILON = 1e-4
"""Variance of the picture (of 0..1) that noise makes."""


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
        slope, offset = self.fit(picture)
        return as_plane(slope * self._guide + offset)

    def fit(self, picture: Plane) -> tuple[Plane, Plane]:
        """Slope and offset, float32 [H, W], that make of the guide what `apply` gives."""
        mean = box_mean(picture, self._radius)
        covariance = box_mean(self._guide * picture, self._radius) - self._mean * mean
        slope = as_plane(covariance / self._variance)
        offset = as_plane(mean - slope * self._mean)
        return box_mean(slope, self._radius), box_mean(offset, self._radius)


def upsample_matte(matte: Plane, small: Picture, frame: Picture) -> Plane:
    """Bring a matte to its frame's size along the frame's edges (fast guided filter, He and Sun 2015).

    Args:
        matte: float32 [h, w], 0..1.
        small: the frame at the matte's size, uint8 [h, w, 3].
        frame: uint8 [H, W, 3].

    Returns:
        float32 [H, W], 0..1.
    """
    slope, offset = GuidedFilter(_grey(small), UPSAMPLING_RADIUS, UPSAMPLING_EPSILON).fit(matte)
    height, width = frame.shape[:2]
    # In place, because fresh planes of this size cost more than the arithmetic.
    alpha = resize_plane(slope, width, height)
    alpha *= _grey(frame)
    alpha += resize_plane(offset, width, height)
    return np.clip(alpha, 0, 1, out=alpha)


def _grey(picture: Picture) -> Plane:
    """float32 [H, W], 0..1."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return as_plane(np.multiply(grey, np.float32(1 / 255), dtype=np.float32))
