"""Light: how a frame's exposure, white balance and tone differ from the clean plate's.

Cameras regulate: when a person enters, exposure, white balance and contrast of the whole picture change. The
change is estimated from the pixels that look like background, as a tone curve for each channel and a smooth
field of brightness, by iteratively reweighted least squares in the logarithm.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.imaging import Picture, Plane, as_plane, box_mean, channel_mean, resize_plane

Gain = tuple[float, float, float]

OPPONENT = np.array([[0.25, 0.5, 0.25], [1, -1, 0], [0, -1, 1]], np.float32)
"""B, G, R -> brightness, blue - green, red - green."""

LIFT = 16.0
"""Added (of 255) before logarithms, so that noise in the dark does not count as a change of light."""

SIZE_DIVISOR = 8
"""The light is measured on a picture this much smaller than the frame."""

KNOTS = np.array([0, 32, 64, 96, 128, 160, 192, 224, 255], np.float32)
"""Plate values between which the tone curve is interpolated."""

STIFFNESS = 0.13
"""What bending the tone curve costs, as a share of all pixels' weight."""

COLD_WIDTHS = (0.35, 0.25, 0.18, 0.12, 0.10)
"""Inlier widths (in the logarithm) of the rounds of fitting from nothing; two keep the curve straight."""

WARM_WIDTHS = (0.12, 0.10)
"""The same from the curves of the frame before."""

WELL_EXPLAINED = 0.5
"""Share of the weighted pixels from which a fit from the frame before needs no rival from nothing."""

STEADY = 0.02
"""Changes of the curve smaller than this (2 %) are mostly noise, and are followed at half speed."""

MAX_FIELD = 0.4
"""Largest local change of brightness (in the logarithm) that counts as light, not as an object."""

FIELD_ROUNDS = 2

TEXTURED_WIDTH = 0.5
"""Local change (in the logarithm) that is believed where frame and plate share their texture."""

COLOUR_WIDTHS = (0.5, 0.3, 0.2)
"""Inlier widths of the rounds of fitting the saturation, as shares of a colour's own strength."""

COLOUR_NOISE = 6.0
"""What is added to these widths (of 255)."""

COLOUR_STIFFNESS = 30.0
"""What a change of saturation costs, in squared colour difference per pixel."""

ALIKE = 0.6
"""Correlation from which texture counts as shared."""

MAX_GAIN = 8.0
"""Where nothing of the plate is left to compare, at least the gain stays within reason."""

CLIPPED = 250
"""Values above this say little about the light."""


@dataclass(frozen=True)
class Light:
    """The light of a frame relative to the plate's.

    Attributes:
        curves: uint8 [1, 256, 3], what each plate value becomes, for b, g and r.
        field: float32 [h, w], small: factor of brightness left after the curves.
        saturation: float32 [2, 2], what becomes of blue - green and red - green after the curves.
        gain: mean factor of b, g and r.
    """

    curves: Picture
    field: Plane
    saturation: Plane
    gain: Gain

    def relight(self, plate: Picture) -> Picture:
        """The plate, uint8 [H, W, 3], as it would look under the frame's light, but for the field."""
        return cv2.LUT(plate, self.curves).astype(np.uint8, copy=False)


UNCHANGED = Light(
    np.repeat(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2),
    np.ones((1, 1), np.float32),
    np.eye(2, dtype=np.float32),
    (1.0, 1.0, 1.0),
)
"""The plate's own light."""


class LightTracker:
    """Follows the light over the frames of a stream.

    Args:
        plate: the clean plate, float32 [H, W, 3], 0..255, at the frames' size.
    """

    def __init__(self, plate: Plane) -> None:
        height, width = plate.shape[:2]
        self.size = (max(16, width // SIZE_DIVISOR), max(9, height // SIZE_DIVISOR))
        small = resize_plane(plate, *self.size)
        self._log = np.log(small + np.float32(LIFT))
        self._plate = small.reshape(-1, 3)
        self._basis = _basis(small)
        self._grey = channel_mean(small)
        self._deviation = _deviation(self._grey)
        self._prior = _border_prior(*self.size) * (small.max(axis=2) < CLIPPED)
        self._heights: NDArray[np.float64] | None = None

    def reset(self) -> None:
        """Forget the frames so far."""
        self._heights = None

    def update(self, frame: Picture, background: Plane | None = None) -> Light:
        """Measure the light of the next frame.

        Args:
            frame: uint8 [H, W, 3] BGR.
            background: float32 [H, W], any size, 1 where the frame before showed background; None at first.
        """
        small = cv2.resize(frame, self.size, interpolation=cv2.INTER_AREA).astype(np.float32)
        ratio = np.log(small + np.float32(LIFT)) - self._log
        alike = self._alike(small)
        weight = as_plane(self._prior * (0.35 + alike) * (small.max(axis=2) < CLIPPED))
        if background is not None:
            # Never nothing: after a switch of the light everything may have been taken for a person.
            weight = weight * (np.float32(0.1) + resize_plane(background, *self.size))
        logs = ratio.reshape(-1, 3).T
        weights = weight.ravel()
        heights, inliers = self._fit(logs, weights)
        self._heights = heights
        # Of sums, not of logarithms: those are lifted.
        ratios = (inliers @ small.reshape(-1, 3) + 1e-3) / (inliers @ self._plate + 1e-3)
        b, g, r = np.clip(ratios, 1 / MAX_GAIN, MAX_GAIN)
        miss = (logs - self._model(heights)).mean(axis=0)
        field = self._field(miss, weights, weights * (alike.ravel() > ALIKE))
        saturation = self._saturation(small.reshape(-1, 3), heights, weights)
        return Light(_curves(heights), field, saturation, (float(b), float(g), float(r)))

    def _alike(self, small: Plane) -> Plane:
        """Texture that frame and plate share, 0..1: it shows background whatever the light."""
        grey = channel_mean(small)
        covariance = box_mean(as_plane(grey * self._grey), 1) - box_mean(grey, 1) * box_mean(self._grey, 1)
        # 9 is a variance that noise makes.
        return as_plane(np.clip(covariance / (_deviation(grey) * self._deviation + 9), 0, 1))

    def _fit(
        self, logs: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Curves [3, knots], and the weights of the pixels [pixels] that agree with them."""
        if self._heights is None:
            return self._fit_cold(logs, weights)
        heights, inliers = self._fit_warm(logs, weights, self._heights)
        if inliers.sum() < WELL_EXPLAINED * weights.sum():
            # The light has jumped, or a start had gone astray.
            cold_heights, cold_inliers = self._fit_cold(logs, weights)
            if cold_inliers.sum() > 1.1 * inliers.sum():  # clearly, so as not to swing between two
                return cold_heights, cold_inliers
        return heights, inliers

    def _fit_warm(
        self, logs: NDArray[np.float32], weights: NDArray[np.float32], before: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        heights, inliers = before, weights
        for width in WARM_WIDTHS:
            inliers = self._inliers(logs, weights, heights, width)
            heights = self._bend(logs, inliers)
        change = float(np.abs(heights - before).mean())
        return before + (1.0 if change > STEADY else 0.5) * (heights - before), inliers

    def _fit_cold(
        self, logs: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        heights = np.full((3, len(KNOTS)), _mode(logs.mean(axis=0), weights))
        inliers = weights
        for index, width in enumerate(COLD_WIDTHS):
            inliers = self._inliers(logs, weights, heights, width)
            if index < 2:
                means = (inliers * logs).sum(axis=1) / (inliers.sum() + 1e-6)
                heights = np.repeat(means[:, np.newaxis], len(KNOTS), axis=1).astype(np.float64)
            else:
                heights = self._bend(logs, inliers)
        return heights, inliers

    def _model(self, heights: NDArray[np.float64]) -> NDArray[np.float32]:
        """The logarithm of the change that the curves give each pixel, [3, pixels]."""
        return as_plane(np.matmul(self._basis, as_plane(heights)[:, :, np.newaxis])[:, :, 0])

    def _inliers(
        self,
        logs: NDArray[np.float32],
        weights: NDArray[np.float32],
        heights: NDArray[np.float64],
        width: float,
    ) -> NDArray[np.float32]:
        """The weights of the pixels whose worst channel fits."""
        distance = np.abs(logs - self._model(heights)).max(axis=0) / np.float32(width)
        return weights * _biweight(distance)

    def _bend(self, logs: NDArray[np.float32], inliers: NDArray[np.float32]) -> NDArray[np.float64]:
        """Curves [3, knots] of least squares, drawn towards straight ones."""
        total = float(inliers.sum()) + 1e-6
        bends = np.diff(np.eye(len(KNOTS)), axis=0)
        stiff = STIFFNESS * total * (bends.T @ bends + 0.05 * np.eye(len(KNOTS)))
        heights = np.empty((3, len(KNOTS)))
        for channel, basis in enumerate(self._basis):
            weighted = basis * inliers[:, np.newaxis]
            mean = float((inliers * logs[channel]).sum()) / total
            heights[channel] = mean + np.linalg.solve(
                basis.T @ weighted + stiff, weighted.T @ (logs[channel] - mean)
            )
        return heights

    def _field(
        self, miss: NDArray[np.float32], weights: NDArray[np.float32], textured: NDArray[np.float32]
    ) -> Plane:
        """Smooth brightness that the curves leave over, spread under the person, as a factor.

        Args:
            miss: logarithm that the curves leave over, [pixels].
            weights: of pixels that count where they miss by little, [pixels].
            textured: weights of pixels whose texture proves background, which count wherever.
        """
        width, height = self.size
        radius = max(1, width // 12)
        field = np.zeros((height, width), np.float32)
        for _ in range(FIELD_ROUNDS):  # each round reaches further from where the light is as expected
            left = miss - field.ravel()
            close = weights * _biweight(left / np.float32(WARM_WIDTHS[0]))
            weight = (close + textured * _biweight(left / np.float32(TEXTURED_WIDTH))).reshape(height, width)
            top = box_mean(box_mean(as_plane(left.reshape(height, width) * weight), radius), radius)
            bottom = box_mean(box_mean(as_plane(weight), radius), radius)
            field += top / (bottom + np.float32(0.1 * weight.mean() + 1e-6))
        return as_plane(np.exp(np.clip(field, -MAX_FIELD, MAX_FIELD)))

    def _saturation(
        self, small: Plane, heights: NDArray[np.float64], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The matrix [2, 2] that takes the relit plate's colour differences to the frame's.

        Cameras' saturation and colour matrices mix the channels, which tone curves cannot follow.
        """
        relit = np.exp(self._log.reshape(-1, 3) + self._model(heights).T) - np.float32(LIFT)
        expected = (relit @ OPPONENT[1:].T).astype(np.float64)
        seen = (small @ OPPONENT[1:].T).astype(np.float64)
        strength = np.hypot(*expected.T)
        stiff = COLOUR_STIFFNESS * (float(weights.sum()) + 1) * np.eye(2)
        matrix = np.eye(2)
        for width in COLOUR_WIDTHS:
            distance = np.hypot(*(seen - expected @ matrix.T).T) / (COLOUR_NOISE + width * strength)
            weighted = expected * (weights * _biweight(as_plane(distance)))[:, np.newaxis]
            matrix = np.linalg.solve(weighted.T @ expected + stiff, weighted.T @ seen + stiff).T
        return as_plane(matrix)


def _basis(plate: Plane) -> NDArray[np.float32]:
    """The weight of each knot for each channel and pixel, [3, pixels, knots]."""
    values = plate.reshape(-1, 3).T
    above = np.clip(np.searchsorted(KNOTS, values, side="right"), 1, len(KNOTS) - 1)
    part = (values - KNOTS[above - 1]) / (KNOTS[above] - KNOTS[above - 1])
    basis = np.zeros((*values.shape, len(KNOTS)), np.float32)
    np.put_along_axis(basis, above[..., np.newaxis], part[..., np.newaxis], axis=2)
    np.put_along_axis(basis, above[..., np.newaxis] - 1, 1 - part[..., np.newaxis], axis=2)
    return basis


def _curves(heights: NDArray[np.float64]) -> Picture:
    values = np.arange(256)
    curves = [(values + LIFT) * np.exp(np.interp(values, KNOTS, row)) - LIFT for row in heights]
    return np.clip(np.round(np.stack(curves, axis=1)[np.newaxis]), 0, 255).astype(np.uint8)


def _biweight(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tukey's: 1 at distance 0, 0 from distance 1 on."""
    return as_plane(np.square(np.maximum(1 - np.square(distance), 0)))


def _deviation(grey: Plane) -> Plane:
    """Local standard deviation over 3 x 3 pixels."""
    mean = box_mean(grey, 1)
    return as_plane(np.sqrt(np.maximum(box_mean(as_plane(grey * grey), 1) - mean * mean, 0)))


def _border_prior(width: int, height: int) -> Plane:
    """People stand in the middle and at the bottom: the other edges show background more often."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    distance = np.minimum(np.minimum(x, width - 1 - x) / width, y / height)
    return as_plane(0.5 + np.exp(-distance / 0.08))


def _mode(logs: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """The commonest change of brightness: background shares one, a person's colours scatter."""
    counts, edges = np.histogram(logs, bins=96, range=(-1.44, 1.44), weights=weights)
    smooth = np.convolve(counts, np.exp(-0.5 * (np.arange(-6, 7) / 2.5) ** 2), "same")
    best = int(smooth.argmax())
    return float(edges[best] + edges[best + 1]) / 2
