"""What tests of the filter share: a camera with the filter on it, capture by hotkey, what to look for."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.studio.config import SCENE, Script
from cleanplate.studio.scene import HEIGHT, WIDTH, Clip, figure_colours
from cleanplate.studio.session import Image, ObsSession
from cleanplate.studio.waiting import wait_for

FILTER_SCRIPT = Path(__file__).resolve().parents[2] / "obs_script" / "cleanplate_filter.py"
FILTER_KIND = "cleanplate_filter"
CAMERA = "camera"
FILTER = "clean plate"

# A background that has nothing in common with the room or the figure.
COLOR_BGR = (40, 160, 200)

# The engine without weights, so that the result does not depend on which networks lie here; no countdown.
SETTINGS: dict[str, Any] = {
    "model": "difference",
    "background": "color",
    "color": 0xFF000000 | COLOR_BGR[0] << 16 | COLOR_BGR[1] << 8 | COLOR_BGR[2],
    "cover": "background",
    "countdown": 0,
    # On a machine with more to do than it can, mattes come late; the cover has tests of its own.
    "max_age_ms": 2000,
}

# 8-bit levels by which a flat colour may be off after two passes through linear light.
FLAT_TOLERANCE = 2


def scripts() -> list[Script]:
    """The list of Tools > Scripts with the filter in it."""
    return [Script(FILTER_SCRIPT)]


def add_filtered_camera(obs: ObsSession, clip: Clip, name: str = CAMERA, **settings: Any) -> None:
    """Add a camera that shows ``clip``, and the filter on it."""
    obs.add_camera(name, clip.path)
    obs.client.create_source_filter(name, FILTER, FILTER_KIND, {**SETTINGS, **settings})


def configure(obs: ObsSession, **settings: Any) -> None:
    """Change settings of the filter, as the property dialog does."""
    obs.client.set_source_filter_settings(CAMERA, FILTER, settings, True)


def capture_room(obs: ObsSession) -> None:
    """Capture the background by hotkey and wait until its samples are kept."""
    before = obs.log().count("captured")
    obs.trigger_hotkey("cleanplate.capture")
    wait_for(lambda: obs.log().count("captured") > before, "the captured samples")


def capture_then_enter(obs: ObsSession, person: Clip) -> None:
    """Capture the empty room, then let the figure in and wait until it is cut out."""
    capture_room(obs)
    obs.show_clip(CAMERA, person.path)
    wait_for_figure(obs)


def wait_for_figure(obs: ObsSession) -> None:
    """Wait until the programme shows the figure on the replacement colour."""
    wait_for(lambda: shows_figure(obs.screenshot(SCENE)) or None, "the figure on its new background")


def shows_figure(picture: Image) -> bool:
    """Whether the figure stands before something else than its room."""
    return _is(_torso(picture), _torso(figure_colours()), 20) and not _is(
        corners(picture), corners(room_wall()), 20
    )


def corners(picture: Image) -> Image:
    """Pixels of the two upper corners, above all markers, where the figure never is."""
    return np.concatenate([picture[2:20, 2:20, :3], picture[2:20, -20:-2, :3]])


def is_flat(picture: Image, colour: tuple[int, int, int]) -> bool:
    """Whether all of a BGR(A) picture is of one colour."""
    return int(np.abs(picture[..., :3].astype(int) - colour).max()) <= FLAT_TOLERANCE


def room_wall() -> Image:
    """A picture of the wall's colour where ``corners`` looks."""
    return np.full((HEIGHT, WIDTH, 3), (149, 167, 175), np.uint8)


def _torso(picture: Image) -> Image:
    return picture[344:350, 316:324, :3]


def _is(pixels: Image, expected: Image, tolerance: float) -> bool:
    difference: NDArray[np.float64] = pixels.mean((0, 1)) - expected.mean((0, 1))
    return bool(np.abs(difference).max() < tolerance)
