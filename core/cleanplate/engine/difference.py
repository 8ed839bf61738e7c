"""The engine without weights: a matte from the background samples alone.

Each frame is compared with the clean plate at half size, after the plate has been put into the frame's
light (`exposure`) and under the camera's shift (`registration`). The support of the single pixels
(`evidence`), with that of the colours that person and background have in this stream, is averaged within the
outlines by guided filters (cost-volume filtering, Hosni et al. 2013), cut at zero, cleared of islands and
holes, and brought to full size by a guided filter whose guide is the difference from the plate: where the
background is known and the person's colour changes slowly, that difference is proportional to alpha, as the
filter assumes.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.base import Engine, Matte, Stream
from cleanplate.engine.evidence import compare
from cleanplate.engine.imaging import (
    Picture,
    Plane,
    as_plane,
    box_mean,
    change,
    channel_mean,
    resize_picture,
    resize_plane,
)
from cleanplate.engine.refine import GuidedFilter
from cleanplate.engine.registration import Registration

NEAR, FAR = (2, 0.01), (8, 0.009)
"""Radius (pixels at half size) and epsilon of the two filters that average support."""

FAR_WEIGHT = 0.45
"""Weight of the second against the first."""

COLOUR_SUPPORT = 0.55
"""Weight of the colours' support."""

COLOUR_LIMIT = 1.05
"""Largest support of a colour, before its weight."""

COLOUR_MEMORY = 0.8
"""Share of the colour counts that is kept from frame to frame."""

PERSISTENCE = 0.5
"""Support that a pixel keeps for what it was in the frame before, while nothing moves there."""

MOTION = 10.0
"""Change (of 255) between two frames that ends persistence."""

ISLAND = 0.004
"""Islands of person smaller than this share of the picture are cleared."""

ISLAND_RATIO = 0.08
"""Islands smaller than this share of the largest are cleared."""

WEAK = 0.35
"""Islands of less mean support are cleared."""

HOLE = 0.006
"""Holes in the person up to this share of the picture are filled, unless they look like a gap."""

GAP = -0.7
"""Mean support of a hole from which it is a gap, as between arm and body."""

TINY = 0.0005
"""Holes up to this share of the picture are filled however they look."""

OUTLINE = (5, 2e-4)
"""Radius (pixels) and epsilon of the filter that makes the matte."""

OUTLINE_RANGE = (0.12, 0.9)
"""What the filter gives for alpha 0 and 1: it never quite reaches them."""


class DifferenceEngine(Engine):
    """Compares with the clean plate; needs no weights and works everywhere: the floor under the networks."""

    name = "difference"
    needs_samples = True

    def stream(self) -> Stream:
        """A new stream."""
        return _DifferenceStream(self)


class _DifferenceStream(Stream):
    def _prepare(self, samples: Sequence[Picture], width: int, height: int) -> None:  # noqa: ARG002
        assert self._scene is not None  # the engine needs samples
        plate = self._scene.plate
        self._half_size = (width // 2, height // 2)
        self._noise = channel_mean(resize_plane(plate.noise, *self._half_size))
        self._registration = Registration(plate)
        self._forget()

    def reset(self) -> None:
        super().reset()
        self._forget()

    def _forget(self) -> None:
        self._before: tuple[Plane, Picture] | None = None  # matte and frame at half size
        self._colours = ColourModel()

    def _matte(self, bgr: Picture) -> Matte:
        light = self._light
        half = resize_picture(bgr, *self._half_size)
        background = None if self._before is None else 1 - self._before[0]
        registration = self._registration
        clear = np.ones(half.shape[:2], np.float32) if background is None else background
        for _ in range(3 if background is None else 1):
            if not registration.follow(half, light.relight(registration.placed.half), clear):
                break
        evidence = compare(half, registration.placed, self._noise, light)
        support = evidence.support + self._persistence(half)
        near, far = (GuidedFilter(evidence.difference, *values) for values in (NEAR, FAR))

        def average(plane: Plane) -> Plane:
            return as_plane((near.apply(plane) + FAR_WEIGHT * far.apply(plane)) / (1 + FAR_WEIGHT))

        first = average(support)
        support = average(support + COLOUR_SUPPORT * self._colours.support(half, first))
        mask = clear_islands_and_holes(support)
        soft = soften(mask, support)
        self._before = (soft, half)
        return Matte(self._outline(bgr, soft, light.relight(registration.placed.full)))

    def _persistence(self, half: Picture) -> Plane:
        if self._before is None:
            return np.zeros(half.shape[:2], np.float32)
        matte, frame = self._before
        motion = box_mean(change(half, frame).astype(np.float32), 2)
        return as_plane(PERSISTENCE * (2 * matte - 1) * np.exp(-np.square(motion / MOTION)))

    def _outline(self, bgr: Picture, soft: Plane, plate: Picture) -> Plane:
        guide = change(bgr, plate).astype(np.float32) * np.float32(1 / 255)
        matte = GuidedFilter(guide, *OUTLINE).apply(resize_plane(soft, bgr.shape[1], bgr.shape[0]))
        black, white = OUTLINE_RANGE
        return as_plane(np.clip((matte - black) / (white - black), 0, 1))


class ColourModel:
    """How often each colour was person or background of late (after Sun et al. 2006, Background Cut)."""

    LEVELS = 16

    def __init__(self) -> None:
        self._person = np.zeros((self.LEVELS,) * 3)
        self._background = np.zeros((self.LEVELS,) * 3)

    def support(self, picture: Picture, support: Plane) -> Plane:
        """Count a picture's colours by its support so far, and return what they say about it."""
        levels = (picture >> 4).astype(np.int32)
        codes = (levels[:, :, 0] * 256 + levels[:, :, 1] * 16 + levels[:, :, 2]).ravel()
        person = np.clip(support.ravel() + np.float32(0.5), 0, 1)
        self._person = COLOUR_MEMORY * self._person + self._counts(codes, person)
        self._background = COLOUR_MEMORY * self._background + self._counts(codes, 1 - person)
        if self._person.sum() < ISLAND * self._background.sum():
            return np.zeros(support.shape, np.float32)
        # The small term keeps a colour that was hardly ever seen neutral.
        odds = np.log(_share(self._person) + 1e-3) - np.log(_share(self._background) + 1e-3)
        table = as_plane(np.clip(odds, -COLOUR_LIMIT, COLOUR_LIMIT)).ravel()
        return as_plane(table[codes].reshape(support.shape))

    def _counts(self, codes: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
        counts = np.bincount(codes, weights, self.LEVELS**3).reshape((self.LEVELS,) * 3).astype(np.float64)
        for axis in range(3):  # neighbouring colours count by half
            padded = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)])
            before, after = (np.take(padded, range(s, s + self.LEVELS), axis) for s in (0, 2))
            counts = counts + 0.5 * (before + after)
        return counts


def clear_islands_and_holes(support: Plane) -> NDArray[np.uint8]:
    """The person as a mask of 0 and 1: positive support without small or weak islands, small holes filled."""
    mask = (support > 0).astype(np.uint8)
    labels, areas, strengths = _components(mask, support)
    keep = (areas > max(ISLAND_RATIO * areas[1:].max(initial=0), ISLAND * mask.size)) & (strengths > WEAK)
    keep[0] = False
    mask = np.asarray(keep[labels], np.uint8)
    labels, areas, strengths = _components(1 - mask, support)
    holes = (areas < TINY * mask.size) | ((areas < HOLE * mask.size) & (strengths > GAP))
    holes[0] = False
    mask[holes[labels]] = 1
    return mask


def _components(
    mask: NDArray[np.uint8], support: Plane
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Label of each pixel (0 where the mask is 0); area and mean support of each label."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
    sums = np.bincount(labels.ravel(), support.ravel(), count)
    return np.asarray(labels, np.int32), areas, np.asarray(sums / np.maximum(areas, 1))


def soften(mask: NDArray[np.uint8], support: Plane) -> Plane:
    """Alpha 0..1 at half size: certain inside the mask, by the support along its edge."""
    core = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return np.where(core > 0, 1, mask * np.clip(0.5 + 0.5 * support, 0.5, 1)).astype(np.float32)


def _share(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(counts / (counts.sum() / 8 + 1))
