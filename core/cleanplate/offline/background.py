"""What replaces the background: a colour, a picture, or the room itself, blurred."""

import re
from pathlib import Path
from typing import Protocol

import numpy as np

from cleanplate.engine.imaging import Picture, Plane, box_mean, resize_picture
from cleanplate.offline.errors import BackgroundError, InputError
from cleanplate.offline.pictures import read_picture

TRANSPARENT = "transparent"
BLUR = "blur"

GREEN = "#00b140"
"""The usual chroma-key green: what stands behind the person where a file cannot be transparent."""


class Background(Protocol):
    """Makes what stands behind the person."""

    def behind(self, small: Picture, matte: Plane, width: int, height: int) -> Picture:
        """The background of one frame; the picture may be shared between calls, and is not to be changed.

        Args:
            small: the frame at the matte's size, uint8 [h, w, 3] BGR.
            matte: float32 [h, w], 0..1.
            width: of the wanted picture.
            height: of the wanted picture.
        """
        ...


class Colour:
    """One colour.

    Attributes:
        bgr: blue, green and red, 0..255.
    """

    def __init__(self, bgr: tuple[int, int, int]) -> None:
        self.bgr = bgr
        self._plain: Picture = np.zeros((0, 0, 3), np.uint8)

    def behind(self, small: Picture, matte: Plane, width: int, height: int) -> Picture:  # noqa: ARG002
        """A plain picture."""
        if self._plain.shape[:2] != (height, width):
            self._plain = np.full((height, width, 3), self.bgr, np.uint8)
        return self._plain


class Image:
    """A picture, scaled to fill the frame; what stands over is cut off evenly on both sides."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._fitted = picture

    def behind(self, small: Picture, matte: Plane, width: int, height: int) -> Picture:  # noqa: ARG002
        """The picture at the frame's size."""
        if self._fitted.shape[:2] != (height, width):
            self._fitted = self._fit(width, height)
        return self._fitted

    def _fit(self, width: int, height: int) -> Picture:
        own_height, own_width = self._picture.shape[:2]
        scale = max(width / own_width, height / own_height)
        scaled = resize_picture(
            self._picture, max(width, round(own_width * scale)), max(height, round(own_height * scale))
        )
        top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
        return np.ascontiguousarray(scaled[top : top + height, left : left + width])


class Blur:
    """The room behind the person, blurred; the person does not bleed into it."""

    SHARE = 0.05
    """Radius of the blur in heights of the picture."""

    def behind(self, small: Picture, matte: Plane, width: int, height: int) -> Picture:
        """Mean of the room's pixels alone, over a window that grows where the person covers all."""
        weight = (1 - matte) ** 2
        total = weight
        values = small.astype(np.float32) * weight[..., np.newaxis]
        radius = max(1, round(self.SHARE * small.shape[0]))
        for _ in range(3):  # three box filters are near a Gaussian
            values, total = box_mean(values, radius), box_mean(total, radius)
        wide, wide_total = box_mean(values, 4 * radius), box_mean(total, 4 * radius)
        values += np.float32(1e-2) * wide + np.float32(1e-6) * small
        total = total + np.float32(1e-2) * wide_total + np.float32(1e-6)
        blurred: Picture = np.clip(values / total[..., np.newaxis] + 0.5, 0, 255).astype(np.uint8)
        return resize_picture(blurred, width, height)


def parse_background(text: str) -> Background | None:
    """Read what a user wrote.

    Args:
        text: `transparent`, `blur`, a colour as `#rrggbb`, or the path of a picture.

    Returns:
        The background, None for transparent.

    Raises:
        BackgroundError: it is none of these.
    """
    if text == TRANSPARENT:
        return None
    if text == BLUR:
        return Blur()
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        red, green, blue = bytes.fromhex(text[1:])
        return Colour((blue, green, red))
    if not Path(text).is_file():
        raise BackgroundError(
            f"The background '{text}' is no file. Write transparent, blur, a colour such as '{GREEN}' or the "
            "path of a picture."
        )
    try:
        return Image(read_picture(Path(text)))
    except InputError as error:
        raise BackgroundError(str(error)) from error
