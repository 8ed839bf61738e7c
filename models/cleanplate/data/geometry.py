"""Placing pictures: views of a room, paths of a person, smooth local warps."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def similarity(angle: float, scale: float, centre: tuple[float, float], shift: tuple[float, float]) -> Float:
    """Return the 2x3 matrix that turns (degrees) and scales about a centre, then shifts (pixels)."""
    matrix = cv2.getRotationMatrix2D(centre, angle, scale)
    matrix[:, 2] += np.array(shift)
    return matrix.astype(np.float32)


def after(second: Float, first: Float) -> Float:
    """Return the 2x3 matrix that applies `first`, then `second`."""
    last_row = np.array([[0, 0, 1]], np.float32)
    return (np.vstack([second, last_row]) @ np.vstack([first, last_row]))[:2].astype(np.float32)


def smooth_path(rng: np.random.Generator, moments: int, size: float) -> Float:
    """Return a smooth random path from 0, float32 [moments], of steps of about `size`."""
    velocity = rng.normal(0, size, moments)
    for moment in range(1, moments):
        velocity[moment] = 0.8 * velocity[moment - 1] + 0.6 * velocity[moment]
    path: Float = (np.cumsum(velocity) - velocity[0]).astype(np.float32)
    return path


def smooth_field(rng: np.random.Generator, height: int, width: int, amount: float, knots: int = 4) -> Float:
    """Return a smooth random displacement of about `amount` pixels, float32 [height, width, 2]."""
    coarse = rng.normal(0, amount, (knots, knots, 2)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32, copy=False)


def displace(picture: Float, field: Float) -> Float:
    """Return a picture read at displaced places; the border is repeated."""
    height, width = field.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        picture, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved.astype(np.float32, copy=False)
