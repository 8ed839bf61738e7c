"""A canvas with transparency, for drawing scenes; twice as fine as the result, which smooths all edges."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""B, G, R, 0..255."""

Point = tuple[float, float]
"""x to the right, y downwards, in pixels of the result."""

FINER = 2
_SHIFT = 4
"""OpenCV takes positions in sixteenths of a pixel."""


class Canvas:
    """Shapes in the order of drawing.

    Args:
        width: of the result.
        height: of the result.
    """

    def __init__(self, width: int, height: int) -> None:
        self.colour: NDArray[np.uint8] = np.zeros((height * FINER, width * FINER, 3), np.uint8)
        self.cover: NDArray[np.uint8] = np.zeros((height * FINER, width * FINER), np.uint8)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        corners = [np.array([_fixed(point) for point in points], np.int32)]
        cv2.fillPoly(self.colour, corners, colour, cv2.LINE_8, _SHIFT)
        cv2.fillPoly(self.cover, corners, (255,), cv2.LINE_8, _SHIFT)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, centre: Point, radii: Point, colour: Colour, angle: float = 0) -> None:
        """A filled ellipse, turned clockwise by degrees."""
        axes = _fixed(radii)
        cv2.ellipse(self.colour, _fixed(centre), axes, angle, 0, 360, colour, -1, cv2.LINE_8, _SHIFT)
        cv2.ellipse(self.cover, _fixed(centre), axes, angle, 0, 360, (255,), -1, cv2.LINE_8, _SHIFT)

    def stroke(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A line with round ends and corners."""
        corners = [np.array([_fixed(point) for point in points], np.int32)]
        thickness = max(1, round(width * FINER))
        cv2.polylines(self.colour, corners, False, colour, thickness, cv2.LINE_8, _SHIFT)
        cv2.polylines(self.cover, corners, False, (255,), thickness, cv2.LINE_8, _SHIFT)

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What was drawn.

        Returns:
            Colours, float32 [H, W, 3] BGR 0..255, and coverage, float32 [H, W] 0..1; colours are right
            wherever coverage is above 0.
        """
        height, width = self.cover.shape[0] // FINER, self.cover.shape[1] // FINER
        # Nothing is drawn outside the coverage: the colours there are black and only need to be scaled up.
        coverage = cv2.resize(self.cover, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        coverage *= np.float32(1 / 255)
        colour = cv2.resize(self.colour, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        colour /= np.maximum(coverage, 1 / 255)[..., np.newaxis]
        return colour, coverage


def curve(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """A closed smooth line through points (Catmull-Rom)."""
    corners = np.array(points, np.float64)
    parts = np.linspace(0, 1, steps, endpoint=False)[:, np.newaxis]
    smooth = []
    for index in range(len(corners)):
        before, begin, end, after = (corners[(index + offset) % len(corners)] for offset in (-1, 0, 1, 2))
        smooth.append(
            begin
            + 0.5 * parts * (end - before)
            + parts**2 * (before - 2.5 * begin + 2 * end - 0.5 * after)
            + parts**3 * (1.5 * (begin - end) + 0.5 * (after - before))
        )
    return [(float(x), float(y)) for x, y in np.concatenate(smooth)]


def _fixed(point: Point) -> tuple[int, int]:
    return round(point[0] * FINER * (1 << _SHIFT)), round(point[1] * FINER * (1 << _SHIFT))
