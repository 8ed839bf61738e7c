"""Putting the person before another background, at full size from a matte at the network's size.

Pictures are uint8 [H, W, 3] BGR; mattes are float32 [H, W], 0 (background) .. 1 (person).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from cleanplate.engine.imaging import Picture, Plane, box_mean, resize_plane

EDGE_RADIUS = 2
"""Pixels of the small picture over which the matte follows the picture's edges."""

EDGE_EPSILON = 30.0
"""Variance of the grey values (0..255) below which a window counts as flat."""

COLOUR_RADIUS = 6
"""Pixels of the small picture over which the colours on both sides of the edge are averaged."""

ALMOST = 1 / 255
"""Matte values closer than this to 0 or 1 are not edge."""


@dataclass(frozen=True)
class Cutout:
    """The person, cut out of one picture.

    Attributes:
        alpha: float32 [H, W], 0..1.
        colour: uint8 [H, W, 3] BGR: the person's own colour wherever `alpha` is above 0, free of the old
            background's; elsewhere the picture.
    """

    alpha: Plane
    colour: Picture

    def transparent(self) -> Picture:
        """uint8 [H, W, 4] BGRA with straight alpha; what is wholly transparent holds nothing of the room."""
        alpha = self.grey()
        colour = cv2.bitwise_and(self.colour, self.colour, mask=alpha)
        return cv2.merge((colour, alpha)).astype(np.uint8, copy=False)

    def grey(self) -> Picture:
        """The matte as uint8 [H, W]."""
        return cv2.convertScaleAbs(self.alpha, alpha=255).astype(np.uint8, copy=False)

    def before(self, background: Picture) -> Picture:
        """The person before another picture of the same size."""
        return cv2.blendLinear(self.colour, background, self.alpha, 1 - self.alpha).astype(
            np.uint8, copy=False
        )


def cut_out(picture: Picture, small: Picture, matte: Plane, small_colour: Plane | None = None) -> Cutout:
    """Bring a matte to full size along the picture's edges, and take the old background out of the edge.

    Args:
        picture: at full size.
        small: the same at the matte's size.
        matte: of `small`.
        small_colour: the person's colour, float32 [h, w, 3] BGR 0..255, if the network estimates it.
    """
    alpha = upsample(matte, small, picture)
    return Cutout(alpha, decontaminate(picture, alpha, small, matte, small_colour))


def upsample(matte: Plane, small: Picture, picture: Picture) -> Plane:
    """Enlarge a matte along the edges of the full picture.

    As the fast guided filter (He and Sun 2015, algorithm 2): the matte is taken as a linear function of the
    grey values around each pixel, fitted at the small size. But only what the full picture adds to the
    small one goes through that function: the matte itself is kept, so that an edge between two colours of
    one brightness, which the fit cannot see, is not washed out.
    """
    height, width = picture.shape[:2]
    guide = _grey(small)
    guide_mean, matte_mean = box_mean(guide, EDGE_RADIUS), box_mean(matte, EDGE_RADIUS)
    variance = box_mean(guide * guide, EDGE_RADIUS) - guide_mean * guide_mean
    covariance = box_mean(guide * matte, EDGE_RADIUS) - guide_mean * matte_mean
    slope = (covariance / (variance + np.float32(EDGE_EPSILON))).astype(np.float32, copy=False)
    alpha = _grey(picture)
    alpha -= resize_plane(guide, width, height)
    alpha *= resize_plane(box_mean(slope, EDGE_RADIUS), width, height)
    alpha += resize_plane(matte, width, height)
    return np.clip(alpha, 0, 1, out=alpha)


def decontaminate(
    picture: Picture, alpha: Plane, small: Picture, matte: Plane, small_colour: Plane | None
) -> Picture:
    """The person's own colour along the edge (Forte 2021, "Approximate fast foreground colour estimation").

    Colours of person and background near the edge are means weighted by the matte, made at the small size;
    the correction by the picture's own value (equation 4) is made at the full one.
    """
    height, width = picture.shape[:2]
    rows, columns = np.nonzero((alpha > ALMOST) & (alpha < 1 - ALMOST))
    if not rows.size:
        return picture
    values = small.astype(np.float32)
    person = _weighted_mean(values, matte) if small_colour is None else small_colour
    background = _weighted_mean(values, 1 - matte)
    nearest = rows * small.shape[0] // height, columns * small.shape[1] // width
    share = alpha[rows, columns, np.newaxis]
    person, background = person[nearest], background[nearest]
    rest = picture[rows, columns] - share * person - (1 - share) * background
    cleaned = picture.copy()
    cleaned[rows, columns] = np.clip(person + share * rest + 0.5, 0, 255).astype(np.uint8)
    return cleaned


def _weighted_mean(values: Plane, weight: Plane) -> Plane:
    """Mean of [H, W, 3] values around each pixel, weighted by [H, W]; its own value where nothing weighs."""
    total = box_mean(weight, COLOUR_RADIUS)
    total = total + np.float32(1e-3)
    plain = np.float32(1e-3) * values
    return (
        (box_mean(values * weight[..., np.newaxis], COLOUR_RADIUS) + plain) / total[..., np.newaxis]
    ).astype(np.float32, copy=False)


def _grey(picture: Picture) -> Plane:
    """Luma, float32 [H, W], 0..255."""
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
