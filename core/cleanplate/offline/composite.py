"""Putting the person before another background, at full size from a matte at the network's size.

Pictures are uint8 [H, W, 3] BGR; the network's matte is float32 [h, w], 0 (background) .. 1 (person).

All that is not plain copying happens at the edge: the pixels where the matte is neither all background nor
all person within reach of the filters. They are a few percent of a picture, and are handled as a list.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.imaging import Picture, Plane, as_plane, box_mean

EDGE_RADIUS = 2
"""Pixels of the small picture over which the matte follows the picture's edges."""

EDGE_EPSILON = 30.0
"""Variance of the grey values (0..255) below which a window counts as flat."""

COLOUR_RADIUS = 6
"""Pixels of the small picture over which the colours on both sides of the edge are averaged."""

ALMOST = 3 / 255
"""Matte values closer than this to 0 or 1 are taken for these."""

_LUMA = np.array([0.114, 0.587, 0.299], np.float32)
_PIXEL = np.dtype((np.void, 3))
_ROW = 1024
"""OpenCV's remap takes pictures, of limited width: lists of pixels are folded to this."""


@dataclass(frozen=True)
class Cutout:
    """The person, cut out of one picture.

    Attributes:
        picture: uint8 [H, W, 3] BGR.
        alpha: uint8 [H, W], 0..255.
        edge: the N pixels of the edge, counted row by row; the matte of all others is 0 or 255.
        edge_colour: float32 [N, 3] BGR 0..255: the person's own colour there, free of the old background's.
    """

    picture: Picture
    alpha: Picture
    edge: NDArray[np.intp]
    edge_colour: Plane

    def transparent(self) -> Picture:
        """uint8 [H, W, 4] BGRA with straight alpha; what is wholly transparent holds nothing of the room."""
        masked = cv2.bitwise_and(self.picture, self.picture, mask=self.alpha)
        colour = masked.astype(np.uint8, copy=False)
        seen = np.take(self.alpha, self.edge) > 0
        _put(colour, self.edge[seen], _rounded(self.edge_colour[seen]))
        return cv2.merge((colour, self.alpha)).astype(np.uint8, copy=False)

    def before(self, background: Picture) -> Picture:
        """The person before another picture of the same size."""
        result = background.copy()
        cv2.copyTo(self.picture, (self.alpha == 255).view(np.uint8), result)
        share = np.take(self.alpha, self.edge).astype(np.float32)[:, np.newaxis] * np.float32(1 / 255)
        mixed = share * self.edge_colour + (1 - share) * _take(background, self.edge)
        _put(result, self.edge, _rounded(mixed))
        return result


def cut_out(picture: Picture, small: Picture, matte: Plane, small_colour: Plane | None = None) -> Cutout:
    """Bring a matte to full size along the picture's edges, and take the old background out of the edge.

    The matte is taken as a linear function of the grey values around each pixel, fitted at the small size, as
    in the fast guided filter (He and Sun 2015, algorithm 2). But only what the full picture adds to the small
    one goes through that function: the matte itself is kept, so that an edge between two colours of one
    brightness, which the fit cannot see, is not washed out.

    The person's own colour follows Forte 2021, "Approximate fast foreground colour estimation": means of
    person and background near the edge, weighted by the matte, made at the small size; the correction by the
    picture's own value (equation 4) is made at the full one.

    Args:
        picture: at full size.
        small: the same at the matte's size.
        matte: of `small`.
        small_colour: the person's colour, float32 [h, w, 3] BGR 0..255, if the network estimates it.
    """
    alpha, edge = _spread(matte, picture.shape[1], picture.shape[0])
    values = small.astype(np.float32)
    person = _weighted_mean(values, matte) if small_colour is None else small_colour
    background = _weighted_mean(values, 1 - matte)
    guide = cv2.transform(values, _LUMA[np.newaxis]).astype(np.float32, copy=False)
    fit = cv2.merge((guide, _slope(guide, matte), matte)).astype(np.float32, copy=False)
    if not edge.size:
        return Cutout(picture, alpha, edge, np.empty((0, 3), np.float32))

    fit, person, background = _sample((fit, person, background), edge, picture.shape[:2])
    seen = _take(picture, edge).astype(np.float32)
    share = fit[:, 2] + fit[:, 1] * (seen @ _LUMA - fit[:, 0])
    np.clip(share, 0, 1, out=share)
    np.put(alpha, edge, _rounded(share * 255))
    share = share[:, np.newaxis]
    colour = person + share * (seen - share * person - (1 - share) * background)
    return Cutout(picture, alpha, edge, np.clip(colour, 0, 255, out=colour))


def _spread(matte: Plane, width: int, height: int) -> tuple[Picture, NDArray[np.intp]]:
    """The matte at full size, 0 or 255, and the pixels where that is too coarse."""
    reach = np.ones((2 * EDGE_RADIUS + 1, 2 * EDGE_RADIUS + 1), np.uint8)
    touched = (cv2.dilate(matte, reach) > ALMOST) & (cv2.erode(matte, reach) < 1 - ALMOST)
    size = (width, height)
    solid = np.where(matte > 0.5, np.uint8(255), np.uint8(0))
    alpha = cv2.resize(solid, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    edge = cv2.resize(touched.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return alpha, np.flatnonzero(edge.view(np.bool_))


def _slope(guide: Plane, matte: Plane) -> Plane:
    """Change of the matte per grey level around each pixel (He and Sun 2015, equation 4)."""
    guide_mean, matte_mean = box_mean(guide, EDGE_RADIUS), box_mean(matte, EDGE_RADIUS)
    variance = box_mean(guide * guide, EDGE_RADIUS) - guide_mean * guide_mean
    covariance = box_mean(guide * matte, EDGE_RADIUS) - guide_mean * matte_mean
    slope = (covariance / (variance + np.float32(EDGE_EPSILON))).astype(np.float32, copy=False)
    return box_mean(slope, EDGE_RADIUS)


def _weighted_mean(values: Plane, weight: Plane) -> Plane:
    """Mean of [H, W, 3] values around each pixel, weighted by [H, W]; its own value where nothing weighs."""
    total = box_mean(weight, COLOUR_RADIUS) + np.float32(1e-3)
    weighted = box_mean(values * weight[..., np.newaxis], COLOUR_RADIUS) + np.float32(1e-3) * values
    return as_plane(weighted / total[..., np.newaxis])


def _sample(layers: tuple[Plane, ...], pixels: NDArray[np.intp], size: tuple[int, ...]) -> tuple[Plane, ...]:
    """Values of small layers, [h, w, C] each, at N pixels of a picture of a size; [N, C] each, bilinear."""
    rows, columns = np.divmod(pixels, size[1])
    count = len(rows)
    padded = -(-count // _ROW) * _ROW
    height, width = layers[0].shape[:2]
    x, y = np.zeros(padded, np.float32), np.zeros(padded, np.float32)
    x[:count] = (columns + 0.5) * (width / size[1]) - 0.5
    y[:count] = (rows + 0.5) * (height / size[0]) - 0.5
    maps = x.reshape(-1, _ROW), y.reshape(-1, _ROW)
    return tuple(
        cv2.remap(layer, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        .reshape(padded, -1)[:count]
        .astype(np.float32, copy=False)
        for layer in layers
    )


def _take(picture: Picture, pixels: NDArray[np.intp]) -> Picture:
    """Colours of N pixels, [N, 3]; ten times as fast as an index of rows and columns."""
    return np.take(picture.reshape(-1, 3), pixels, axis=0)


def _put(picture: Picture, pixels: NDArray[np.intp], colours: Picture) -> None:
    """Set the colours of N pixels, [N, 3]; a pixel is one value of three bytes here, which is faster, too."""
    np.put(picture.reshape(-1, 3).view(_PIXEL), pixels, colours.view(_PIXEL))


def _rounded(values: Plane) -> Picture:
    return (values + np.float32(0.5)).astype(np.uint8)
