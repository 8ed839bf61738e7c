"""Drift: when the scene has left the captured background so far that the user should capture it again.

Every frame is judged for its light as a whole, by what lies outside the matte. Every `CHECK_FRAMES`th is
judged in the places where the plate has a texture that is found again: found elsewhere, the camera has moved;
found there, but brighter or of another colour than the light of the whole explains, a lamp has changed a part
of the room. Where too few are found, as in a bare room, the contours of the whole picture tell whether the
camera has moved. The matte is not asked in this, because it is wrong just then: what the camera or a lamp has
changed looks like a person to it. Who stands before a texture hides it, and so is not judged.

A verdict is shown only once `CONFIRMATIONS` checks in a row agree, and withdrawn likewise, so that a hand
before the lens is no drift.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.exposure import LIFT, Light
from cleanplate.engine.imaging import Picture, Plane, channel_mean, contours, resize_picture, resize_plane

Kind = Literal["light", "camera"]

CHECK_FRAMES = 30
CONFIRMATIONS = 2

MAX_GAIN = 2.2
"""Exposure further from the plate's than this factor leaves little of its shadows or highlights."""

MAX_TINT = 1.35
"""Largest ratio between the gains of two channels: beyond it lamps have changed, not the white balance."""

MAX_MATTE = 0.85
"""A matte that covers more of the picture than this is no person."""

QUARTER = 4
"""The camera is judged at a quarter of the frame's size."""

PATCH = 8
"""Half the side of the patches that are looked for, in pixels at a quarter size."""

REACH = 8
"""How far around their place they are looked for."""

FOUND = 0.8
"""Correlation from which a patch counts as found."""

MIN_FOUND = 4
"""Patches that must be found for a verdict by them."""

TOLERANCE = 1.6
"""Median shift of the patches, pixels at a quarter size, that registration no longer mends."""

CONTOURS_FOUND = 0.45
"""Correlation from which contours count as found. With people in the picture it is 0.57 to 0.9."""

CONTOURS_BETTER = 0.05
"""By how much they must fit better elsewhere than in their place."""

MAX_LOCAL_GAIN = 1.3
"""A patch that is off the plate in the frame's light by more than this factor is under another light."""

MAX_LOCAL_SHARE = 0.15
"""Share of the found patches that may be: the person's shadow, a curtain."""

MESSAGES: dict[Kind, str] = {
    "light": "The light has changed since the background was captured. Capture it again for the best matte.",
    "camera": "The camera has moved since the background was captured. Capture it again for the best matte.",
}


@dataclass(frozen=True)
class Drift:
    """The scene no longer looks as it did when the background was captured.

    Attributes:
        kind: `light` or `camera`.
        message: what happened and what to do, for the user.
    """

    kind: Kind
    message: str


FOLLOWED = Drift(
    "camera",
    "The camera has moved since the background was captured. The samples were moved after it; capture the "
    "background again for the best matte.",
)
"""What is said while the samples follow a moved camera: the captured picture itself stays behind."""


class _Patch(NamedTuple):
    """A place of the plate that can be told from all around it, at a quarter of the frame's size."""

    x: int
    y: int
    grey: Plane
    colour: NDArray[np.uint8]  # mean BGR


class _Found(NamedTuple):
    """A patch in a frame."""

    patch: _Patch
    shift: float  # pixels at a quarter size
    colour: NDArray[np.float64]  # mean BGR


class DriftWatch:
    """Watches one stream.

    Args:
        plate: the clean plate, float32 [H, W, 3], at the frames' size.
    """

    def __init__(self, plate: Plane) -> None:
        height, width = plate.shape[:2]
        self._size = (width // QUARTER, height // QUARTER)
        small = resize_plane(plate, *self._size)
        self._patches = _distinct_patches(small)
        self._contours = _contours(small)[REACH:-REACH, REACH:-REACH]
        self._frame = 0
        self._shown: Kind | None = None
        self._candidate: Kind | None = None
        self._agreeing = 0
        self._bad_light = 0

    def observe(self, bgr: Picture, alpha: Plane, light: Light) -> Drift | None:
        """Judge the next frame.

        Args:
            bgr: uint8 [H, W, 3].
            alpha: its matte, float32 [H, W].
            light: its light relative to the plate.
        """
        self._frame += 1
        covered = float(alpha.mean()) > MAX_MATTE
        self._bad_light += covered or _is_far(light)
        if self._frame % CHECK_FRAMES == 0:
            light_is_bad = self._bad_light > CHECK_FRAMES // 2
            self._bad_light = 0
            small = resize_picture(bgr, *self._size)
            found = self._find_patches(small)
            light_is_bad |= _lamp_has_changed(found, light)
            moved = _are_elsewhere(found) if len(found) >= MIN_FOUND else self._contours_are_elsewhere(small)
            self._confirm("camera" if moved else "light" if light_is_bad else None)
        return None if self._shown is None else Drift(self._shown, MESSAGES[self._shown])

    def _confirm(self, verdict: Kind | None) -> None:
        self._agreeing = self._agreeing + 1 if verdict == self._candidate else 1
        self._candidate = verdict
        if self._agreeing >= CONFIRMATIONS:
            self._shown = verdict

    def _find_patches(self, small: Picture) -> list[_Found]:
        grey = channel_mean(small.astype(np.float32))
        found = []
        for patch in self._patches:
            scores = cv2.matchTemplate(
                _square(grey, patch.x, patch.y, PATCH + REACH), patch.grey, cv2.TM_CCOEFF_NORMED
            )
            _, best, _, (x, y) = cv2.minMaxLoc(scores)
            if best > FOUND:
                right, down = x - REACH, y - REACH
                colour = _square(small, patch.x + right, patch.y + down, PATCH).mean(axis=(0, 1))
                found.append(_Found(patch, float(np.hypot(right, down)), colour))
        return found

    def _contours_are_elsewhere(self, small: Picture) -> bool:
        if not self._contours.size:  # so small a picture
            return False
        scores = cv2.matchTemplate(_contours(small.astype(np.float32)), self._contours, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(scores)
        return (
            best > CONTOURS_FOUND
            and best > float(scores[REACH, REACH]) + CONTOURS_BETTER
            and float(np.hypot(x - REACH, y - REACH)) > TOLERANCE
        )


def _are_elsewhere(found: list[_Found]) -> bool:
    """Whether most of the patches are found elsewhere than in their place."""
    return float(np.median([each.shift for each in found])) > TOLERANCE


def _lamp_has_changed(found: list[_Found], light: Light) -> bool:
    """Whether many of the patches that are found in their place have another light than the whole frame."""
    in_place = [each for each in found if each.shift <= TOLERANCE]
    if len(in_place) < MIN_FOUND:
        return False
    expected = light.relight(np.stack([each.patch.colour for each in in_place])[:, np.newaxis])[:, 0]
    seen = np.stack([each.colour for each in in_place])
    ratio = np.log((seen + LIFT) / (expected + np.float64(LIFT)))
    return bool((np.abs(ratio).max(axis=1) > np.log(MAX_LOCAL_GAIN)).mean() > MAX_LOCAL_SHARE)


def _is_far(light: Light) -> bool:
    largest, smallest = max(light.gain), min(light.gain)
    return largest > MAX_GAIN or smallest < 1 / MAX_GAIN or largest > MAX_TINT * smallest


def _distinct_patches(plate: Plane) -> list[_Patch]:
    """Corners of the plate, float32 [h, w, 3], that look like nothing near them."""
    grey = channel_mean(plate)
    margin = PATCH + REACH
    inside = np.zeros(grey.shape, np.uint8)
    inside[margin:-margin, margin:-margin] = 1
    corners = cv2.goodFeaturesToTrack(grey, maxCorners=48, qualityLevel=0.02, minDistance=PATCH, mask=inside)
    places = [] if corners is None else np.round(corners.reshape(-1, 2)).astype(int).tolist()
    return [
        _Patch(
            x,
            y,
            _square(grey, x, y, PATCH).copy(),
            _square(plate, x, y, PATCH).mean(axis=(0, 1)).round().astype(np.uint8),
        )
        for x, y in places
        if _is_unique(_square(grey, x, y, PATCH), _square(grey, x, y, margin))
    ]


def _contours(picture: Plane) -> Plane:
    """Those of a picture, float32 [h, w, 3], at a quarter of the frame's size."""
    return contours(channel_mean(picture), 0.7)


def _is_unique(patch: Plane, surroundings: Plane) -> bool:
    scores = cv2.matchTemplate(surroundings, patch, cv2.TM_CCOEFF_NORMED)
    scores[REACH - 2 : REACH + 3, REACH - 2 : REACH + 3] = 0  # its own place
    return float(scores.max()) < FOUND


def _square(plane: NDArray[Any], x: int, y: int, reach: int) -> NDArray[Any]:
    return plane[y - reach : y + reach + 1, x - reach : x + reach + 1]
