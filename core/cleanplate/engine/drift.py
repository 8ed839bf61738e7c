"""Drift: when the scene has left the captured background so far that the user should capture it again.

Every frame is judged for its light, every `CHECK_FRAMES`th for the camera. A verdict is shown only once
`CONFIRMATIONS` checks in a row agree, and withdrawn likewise, so that a hand before the lens is no drift.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from cleanplate.engine.exposure import Light
from cleanplate.engine.imaging import Picture, Plane, channel_mean, resize_picture, resize_plane

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
"""Patches that must be found for a verdict."""

TOLERANCE = 1.6
"""Median shift of the patches, pixels at a quarter size, that registration no longer mends."""

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


class DriftWatch:
    """Watches one stream.

    Args:
        plate: the clean plate, float32 [H, W, 3], at the frames' size.
    """

    def __init__(self, plate: Plane) -> None:
        height, width = plate.shape[:2]
        self._size = (width // QUARTER, height // QUARTER)
        grey = channel_mean(resize_plane(plate, *self._size))
        self._patches = _distinct_patches(grey)
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
            self._confirm("camera" if self._camera_moved(bgr) else "light" if light_is_bad else None)
        return None if self._shown is None else Drift(self._shown, MESSAGES[self._shown])

    def _confirm(self, verdict: Kind | None) -> None:
        self._agreeing = self._agreeing + 1 if verdict == self._candidate else 1
        self._candidate = verdict
        if self._agreeing >= CONFIRMATIONS:
            self._shown = verdict

    def _camera_moved(self, bgr: Picture) -> bool:
        """Whether most of the plate's patches that are found in the frame are found elsewhere."""
        grey = channel_mean(resize_picture(bgr, *self._size).astype(np.float32))
        shifts = []
        for x, y, patch in self._patches:
            surroundings = _square(grey, x, y, PATCH + REACH)
            scores = cv2.matchTemplate(surroundings, patch, cv2.TM_CCOEFF_NORMED)
            _, best, _, (found_x, found_y) = cv2.minMaxLoc(scores)
            if best > FOUND:
                shifts.append(float(np.hypot(found_x - REACH, found_y - REACH)))
        return len(shifts) >= MIN_FOUND and float(np.median(shifts)) > TOLERANCE


def _is_far(light: Light) -> bool:
    largest, smallest = max(light.gain), min(light.gain)
    return largest > MAX_GAIN or smallest < 1 / MAX_GAIN or largest > MAX_TINT * smallest


def _distinct_patches(grey: Plane) -> list[tuple[int, int, Plane]]:
    """Places x, y of corners that look like nothing near them, with the picture around each."""
    margin = PATCH + REACH
    inside = np.zeros(grey.shape, np.uint8)
    inside[margin:-margin, margin:-margin] = 1
    corners = cv2.goodFeaturesToTrack(grey, maxCorners=48, qualityLevel=0.02, minDistance=PATCH, mask=inside)
    places = [] if corners is None else np.round(corners.reshape(-1, 2)).astype(int).tolist()
    patches = [(x, y, _square(grey, x, y, PATCH).copy()) for x, y in places]
    return [(x, y, patch) for x, y, patch in patches if _is_unique(patch, _square(grey, x, y, margin))]


def _is_unique(patch: Plane, surroundings: Plane) -> bool:
    scores = cv2.matchTemplate(surroundings, patch, cv2.TM_CCOEFF_NORMED)
    scores[REACH - 2 : REACH + 3, REACH - 2 : REACH + 3] = 0  # its own place
    return float(scores.max()) < FOUND


def _square(grey: Plane, x: int, y: int, reach: int) -> Plane:
    return grey[y - reach : y + reach + 1, x - reach : x + reach + 1]
