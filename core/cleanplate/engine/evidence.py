"""Evidence: how strongly each pixel of a frame speaks for a person before the clean plate.

Brightness and colour are judged apart, because light does: a shadow or a reflection changes how bright the
background is, but hardly its colour nor its texture. Support is positive for person, negative for background.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from cleanplate.engine.exposure import LIFT, OPPONENT, Light
from cleanplate.engine.imaging import Picture, Plane, as_plane, box_mean, gradient, resize_plane
from cleanplate.engine.registration import PlacedPlate

COLOUR_NOISE = 2.5
"""Standard deviation (of 255) of the colour differences at half size: sensor noise and chroma subsampling."""

SATURATION_NOISE = 0.06
"""Relative error of strong colours."""

EDGE_NOISE = 0.2
"""Noise for each unit of the plate's gradient: what registration leaves."""

GLARE = (215.0, 250.0)
"""Brightness from which a camera begins to clip, and from which it does."""

GLARE_NOISE = 30.0
"""Standard deviation of what is clipped in frame and plate: there, both are only known to be bright."""

LIGHT_NOISE = 0.04
"""Relative error of the estimated brightness."""

SHADOW_TRUST = 0.2
"""What darkening alone, without new colour or texture, counts for."""

SHADOW_DEPTH = (0.75, 0.55)
"""Brightness factor under which darkening is more than a shadow makes: begins, ends."""

TEXTURE_NOISE = 2.8
"""Gradient per pixel beyond the plate's own that noise makes."""

TEXTURE_FULL = 1.8
"""Mean new gradient per pixel that is a full proof of an object."""

TEXTURE_SUPPORT = 0.45
"""Support that new texture gives by itself."""

SAME_RADIUS = 4
"""Pixels at half size."""

SAME_CORRELATION = (0.75, 0.95)
"""Correlation with the plate's texture that begins to show background, and that proves it."""

SAME_DEVIATION = (4.0, 8.0)
"""Standard deviation (of 255) of the plate in the window that begins to be texture, and that is."""

DIFFERENCE = 2.75
"""Difference, in standard deviations, at which person and background are equally likely."""

SOFTNESS = 1.1
"""Standard deviations for one unit of support."""

MAX_SUPPORT = 1.3
"""No pixel may outvote its neighbourhood by more."""


@dataclass(frozen=True)
class Evidence:
    """What the comparison of a frame with the plate gave; both float32 [H/2, W/2].

    Attributes:
        support: -MAX_SUPPORT (background) .. MAX_SUPPORT + TEXTURE_SUPPORT (person).
        difference: root of the distance from the plate, 0..1, which steps at the person's outline but not at
            the edges within the background.
    """

    support: Plane
    difference: Plane


def compare(frame: Picture, plate: PlacedPlate, noise: Plane, light: Light) -> Evidence:
    """Compare a frame with the plate.

    Args:
        frame: uint8 [H/2, W/2, 3] BGR.
        plate: placed where the camera sees it.
        noise: standard deviation of the samples, float32 [H/2, W/2].
        light: of the frame.
    """
    seen = as_plane(cv2.transform(frame.astype(np.float32), OPPONENT))
    expected = as_plane(cv2.transform(_nearest_expected(frame, plate, light), OPPONENT))
    brightness, expected_brightness = seen[:, :, 0], expected[:, :, 0]
    darkening = (brightness + LIFT) / (expected_brightness + LIFT)
    # A shadowed colour is the same colour, scaled.
    scale = np.clip(darkening, 0.3, 1.3)
    glare = _ramp(np.minimum(brightness, expected_brightness), GLARE)
    variance = np.square(noise) + np.square(EDGE_NOISE * plate.slope) + np.square(GLARE_NOISE * glare)
    (blue_blue, blue_red), (red_blue, red_red) = light.saturation.tolist()
    expected_blue = scale * (blue_blue * expected[:, :, 1] + blue_red * expected[:, :, 2])
    expected_red = scale * (red_blue * expected[:, :, 1] + red_red * expected[:, :, 2])
    colour_variance = COLOUR_NOISE**2 + 0.25 * variance
    colour_variance += SATURATION_NOISE**2 * (np.square(expected_blue) + np.square(expected_red))
    colour = np.square(seen[:, :, 1] - expected_blue) + np.square(seen[:, :, 2] - expected_red)
    bright_variance = variance + np.square(LIGHT_NOISE * expected_brightness)
    bright = np.square(brightness - expected_brightness) / bright_variance
    same = _same_texture(brightness, as_plane(expected_brightness))
    texture = _new_texture(brightness, plate.slope, as_plane(scale * light.gain[1]))
    trust = _trust_in_brightness(darkening, texture)
    distance = np.sqrt(colour / (2 * colour_variance) + bright * trust * trust)
    support = np.clip((distance - DIFFERENCE) / SOFTNESS, -MAX_SUPPORT, MAX_SUPPORT)
    support += TEXTURE_SUPPORT * texture
    return Evidence(
        support=as_plane(np.where(support > 0, support * (1 - same), support)),
        difference=as_plane(np.minimum(np.sqrt(distance) / 10, 1)),
    )


def _nearest_expected(frame: Picture, plate: PlacedPlate, light: Light) -> Plane:
    """Of the values that the background may have within the slack, the one nearest to the frame's."""
    low, high = light.relight(plate.low), light.relight(plate.high)
    field = resize_plane(light.field, frame.shape[1], frame.shape[0])[:, :, np.newaxis]
    # The frame is moved instead of both bounds; the field is near 1.
    evened = (frame.astype(np.float32) + LIFT) / field - LIFT
    nearest = np.minimum(np.maximum(evened, low), high)
    return as_plane((nearest + LIFT) * field - LIFT)


def _new_texture(brightness: Plane, plate_slope: Plane, contrast: Plane) -> Plane:
    """Where the frame is rougher than the plate under the same light, 0..1: folds, hair, features."""
    right, down = gradient(brightness)
    slack = np.ones((3, 3), np.uint8)
    known = cv2.dilate(plate_slope, slack) * (1.2 * np.maximum(contrast, 0.6))
    rough = np.maximum(np.sqrt(right * right + down * down) - known - TEXTURE_NOISE, 0)
    # The outline itself is rough on both sides: the erosion takes back what the mean spread outwards.
    inside = cv2.erode(box_mean(rough.astype(np.float32, copy=False), 3), np.ones((5, 5), np.uint8))
    return as_plane(np.minimum(inside / TEXTURE_FULL, 1))


def _same_texture(brightness: Plane, expected: Plane) -> Plane:
    """Where the frame has the plate's own texture, 0..1, whatever the light: correlation in a window."""
    mean, expected_mean = box_mean(brightness, SAME_RADIUS), box_mean(expected, SAME_RADIUS)
    variance = box_mean(as_plane(brightness * brightness), SAME_RADIUS) - mean * mean
    known = box_mean(as_plane(expected * expected), SAME_RADIUS) - expected_mean * expected_mean
    covariance = box_mean(as_plane(brightness * expected), SAME_RADIUS) - mean * expected_mean
    deviation, known_deviation = (np.sqrt(np.maximum(values, 1)) for values in (variance, known))
    correlation = covariance / (deviation * known_deviation)
    return as_plane(_ramp(correlation, SAME_CORRELATION) * _ramp(known_deviation, SAME_DEVIATION))


def _ramp(values: Plane, ends: tuple[float, float]) -> Plane:
    """0 up to the first end, 1 from the second on."""
    begins, full = ends
    return as_plane(np.clip((values - begins) / (full - begins), 0, 1))


def _trust_in_brightness(darkening: Plane, texture: Plane) -> Plane:
    """How much of a change of brightness is no shadow: all of it where it is brighter, deep or rough."""
    depth = _ramp(darkening, SHADOW_DEPTH)
    trust = np.maximum(depth, SHADOW_TRUST + (1 - SHADOW_TRUST) * texture)
    return np.where(darkening < 1, trust, 1).astype(np.float32, copy=False)
