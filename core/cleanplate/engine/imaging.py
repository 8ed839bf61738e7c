"""Picture operations under types that say what goes in and comes out; OpenCV's own stubs do not."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""uint8 [H, W, 3] BGR."""

Plane = NDArray[np.float32]
"""float32 [H, W] or [H, W, C]."""


def resize_picture(picture: Picture, width: int, height: int) -> Picture:
    """Resize without aliasing: by area when shrinking, linearly when growing."""
    return cv2.resize(picture, (width, height), interpolation=_interpolation(picture, width)).astype(
        np.uint8, copy=False
    )


def resize_plane(plane: Plane, width: int, height: int) -> Plane:
    """As `resize_picture`, for float planes."""
    return cv2.resize(plane, (width, height), interpolation=_interpolation(plane, width)).astype(
        np.float32, copy=False
    )


def box_mean(plane: Plane, radius: int) -> Plane:
    """Mean over the window of 2 * radius + 1 pixels a side."""
    return cv2.blur(plane, (2 * radius + 1, 2 * radius + 1)).astype(np.float32, copy=False)


def to_grey(picture: Picture) -> Picture:
    """Luma, uint8 [H, W]."""
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)


def _interpolation(picture: Picture | Plane, width: int) -> int:
    return cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
