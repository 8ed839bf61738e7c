"""Registration: a clean plate that follows a camera which was nudged by a few pixels."""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.imaging import Picture, Plane, channel_mean, gradient, resize_plane
from cleanplate.engine.samples import Plate

REACH = 3.0
"""Largest shift that is followed, pixels at half size."""

SEARCH_FRAMES = 30
"""Every so many frames all shifts are tried: small steps lose their way in fine texture."""

OUTLIER = 40.0
"""Difference (of 255) beyond which a pixel shows something else."""

STEP = 0.15
"""Shifts smaller than this, in pixels at half size, are not worth moving the plate for."""

SLACK = 0.15
"""How far, in pixels at half size, colours may have moved besides: parallax, rotation, zoom."""

DAMPING = 0.3
"""Squared gradient per pixel that holds the shift where the scene has no texture."""


@dataclass(frozen=True)
class PlacedPlate:
    """The plate where the camera sees it now; `half` is half the frames' size.

    Attributes:
        full: uint8 [H, W, 3].
        half: uint8 [H/2, W/2, 3].
        low: darkest value that each pixel may have within the slack, uint8, half size.
        high: brightest.
        slope: gradient of the luma, float32 [H/2, W/2], per pixel.
    """

    full: Picture
    half: Picture
    low: Picture
    high: Picture
    slope: Plane


class Registration:
    """Follows the camera's shift over the frames of a stream."""

    def __init__(self, plate: Plate) -> None:
        height, width = plate.mean.shape[:2]
        self._full = _to_bytes(plate.mean)
        self._half = resize_plane(plate.mean, width // 2, height // 2)
        self.shift = np.zeros(2)
        self._frames = 0
        self._placed_shift = self.shift
        self.placed = self._place()

    def follow(self, frame: Picture, relit: Picture, background: Plane) -> bool:
        """Refine the shift by a frame: one Gauss-Newton step on the luma (Lucas, Kanade 1981), or a search.

        Args:
            frame: uint8 [H/2, W/2, 3].
            relit: the placed plate's `half` in the frame's light.
            background: float32 [H/2, W/2], 1 where the frame may show background.

        Returns:
            Whether the plate was placed anew.
        """
        seen, expected = channel_mean(frame.astype(np.float32)), channel_mean(relit.astype(np.float32))
        step = _step(seen, expected, background)
        if self._frames % SEARCH_FRAMES == 0:
            found = _search(seen, expected, background)
            step = found if found.any() else step
        self._frames += 1
        self.shift = np.clip(self.shift + step, -REACH, REACH)
        if np.abs(self.shift - self._placed_shift).max() < STEP:
            return False
        self._placed_shift = self.shift
        self.placed = self._place()
        return True

    def _place(self) -> PlacedPlate:
        half = _moved(self._half, self.shift)
        neighbours = np.ones((3, 3), np.uint8)
        darkest, brightest = cv2.erode(half, neighbours), cv2.dilate(half, neighbours)
        slope_x, slope_y = gradient(channel_mean(half))
        return PlacedPlate(
            full=_moved(self._full, 2 * self.shift) if self.shift.any() else self._full,
            half=_to_bytes(half),
            low=_to_bytes(half + np.float32(SLACK) * (darkest - half)),
            high=_to_bytes(half + np.float32(SLACK) * (brightest - half)),
            slope=np.sqrt(slope_x * slope_x + slope_y * slope_y),
        )


def _step(seen: Plane, expected: Plane, background: Plane) -> NDArray[np.float64]:
    """The shift that the difference and the gradient of the plate ask for."""
    slope_x, slope_y = gradient(expected)
    miss = seen - expected
    size = np.abs(miss)
    weight = background * (size < OUTLIER) / (1 + size / 8)
    xx, xy, yy = (
        float((weight * a * b).sum()) for a, b in ((slope_x, slope_x), (slope_x, slope_y), (slope_y, slope_y))
    )
    hold = DAMPING * weight.size
    normal = np.array([[xx + hold, xy], [xy, yy + hold]])
    right = np.array([float((weight * slope_x * miss).sum()), float((weight * slope_y * miss).sum())])
    # expected(x - step) = seen(x), so that step = -(J^T J)^-1 J^T miss.
    return -np.linalg.solve(normal, right)


def _search(seen: Plane, expected: Plane, background: Plane) -> NDArray[np.float64]:
    """The whole-pixel shift of the plate that leaves the least difference; none unless it is clearly less."""
    reach = int(REACH)
    height, width = seen.shape
    if min(height, width) <= 4 * reach:
        return np.zeros(2)
    inside = np.s_[reach : height - reach, reach : width - reach]
    misses = {}
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            moved = expected[reach - y : height - reach - y, reach - x : width - reach - x]
            miss = np.minimum(cv2.absdiff(seen[inside], moved), OUTLIER)
            misses[x, y] = float((miss * background[inside]).sum())
    best = min(misses, key=lambda shift: misses[shift])
    return np.array(best if misses[best] < 0.9 * misses[0, 0] else (0, 0), np.float64)


Values = TypeVar("Values", Picture, Plane)


def _moved(picture: Values, shift: NDArray[np.float64]) -> Values:
    height, width = picture.shape[:2]
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(picture.dtype, copy=False)


def _to_bytes(plane: Plane) -> Picture:
    return np.clip(np.round(plane), 0, 255).astype(np.uint8)
