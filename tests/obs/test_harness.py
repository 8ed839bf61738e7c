"""The harness itself, proved with nothing but stock OBS: what it measures can be believed."""

from pathlib import Path

import numpy as np
import pytest
from fixture_types import StartObs

from cleanplate.studio.config import CANVAS_HEIGHT, CANVAS_WIDTH, SCENE, Script
from cleanplate.studio.scene import (
    Clip,
    Image,
    composite,
    marker_correlation,
    raw_frames,
    read_frames,
    room,
    shows_marker,
)
from cleanplate.studio.waiting import wait_for

SCRIPTS = Path(__file__).parent / "scripts"


def test_recording_is_exact(start_obs: StartObs, person: Clip) -> None:
    obs = start_obs()
    obs.add_camera("camera", person.path)
    path = obs.record(1)
    shot = obs.screenshot("camera")
    report = obs.close()

    shown = {frame.tobytes() for frame in person.frames}
    recorded = list(read_frames(path))
    assert len(recorded) >= 25
    assert all(frame.tobytes() in shown for frame in recorded)
    assert raw_frames(path) == list(range(len(recorded)))
    assert shot[..., :3].tobytes() in shown

    assert report.clean
    assert report.orphans == []
    assert report.profile["render_video"] > 0


def test_stock_filter(start_obs: StartObs, person: Clip) -> None:
    obs = start_obs()
    obs.add_camera("camera", person.path)
    obs.client.create_source_filter("camera", "red only", "color_filter_v2", {"color_multiply": 0xFF0000FF})
    path = obs.record(0.5)
    filtered = list(read_frames(path))
    assert filtered
    assert all(frame[..., :2].max() == 0 for frame in filtered)
    assert max(frame[..., 2].max() for frame in filtered) > 200

    obs.client.remove_source_filter("camera", "red only")
    wait_for(lambda: shows_marker(obs.screenshot(SCENE)[..., :3]), "the camera")
    obs.client.remove_input("camera")
    wait_for(lambda: not obs.screenshot(SCENE).any(), "an empty scene")
    assert obs.screenshot(SCENE).shape == (CANVAS_HEIGHT, CANVAS_WIDTH, 4)
    assert obs.close().clean


def test_collection_comes_back(start_obs: StartObs, person: Clip) -> None:
    obs = start_obs()
    obs.add_camera("camera", person.path)
    assert obs.close().clean

    again = start_obs(arguments=["--startrecording"])
    assert again.wait_for_size("camera") == (640, 360)
    again.wait_until_recorded(0.5)
    path = again.stop_recording()
    assert again.close().clean
    assert shows_marker(list(read_frames(path))[-1])


def test_scripts_are_added_reloaded_and_removed(start_obs: StartObs) -> None:
    driver = Script(SCRIPTS / "script_driver.py", {"controlled": str(SCRIPTS / "trivial_script.py")})
    obs = start_obs(scripts=[driver])
    obs.press_and_wait("script_driver.add", "[script driver] add 1")
    obs.press_and_wait("script_driver.reload", "[script driver] reload 1")
    obs.press_and_wait("script_driver.remove", "[script driver] remove 1")
    report = obs.close()
    assert report.clean
    assert report.log.count("[trivial] loaded") == 2
    assert report.log.count("[trivial] unloaded") == 2


def test_killed_obs_is_no_clean_exit(start_obs: StartObs) -> None:
    report = start_obs().kill()
    assert not report.clean
    assert report.leaks is None


def test_obs_that_cannot_start_is_reported(start_obs: StartObs) -> None:
    with pytest.raises(RuntimeError, match="ended with status"):
        start_obs(environment={"QT_QPA_PLATFORM": "no-such-platform"})


@pytest.mark.parametrize("let_through", [1.0, 0.3, 0.1])
def test_marker_is_found_even_when_faint(let_through: float) -> None:
    replacement = np.full_like(room(), (40, 160, 200))
    leak = np.full(replacement.shape[:2], let_through, np.float32)
    assert shows_marker(composite(leak, room(), replacement))


def test_marker_is_found_in_one_small_place() -> None:
    picture = np.full_like(room(), (40, 160, 200))
    picture[20:80, 20:80] = room()[20:80, 20:80]
    assert shows_marker(picture)


def test_marker_is_found_at_another_scale() -> None:
    assert shows_marker(room(320, 180), scale=0.5)
    assert not shows_marker(_without_markers(room(320, 180), 0.5), scale=0.5)


@pytest.mark.slow
def test_marker_is_not_found_elsewhere(person: Clip) -> None:
    noise = np.random.default_rng(1).integers(0, 256, room().shape).astype(np.uint8)
    replaced = composite(person.mattes[0], person.frames[0], np.full_like(room(), (0, 255, 0)))
    for picture in (noise, replaced, np.zeros_like(noise)):
        assert marker_correlation(picture) < 0.5


def _without_markers(picture: Image, scale: float) -> Image:
    clean = picture.copy()
    clean[: round(300 * scale)] = (150, 160, 170)
    return clean
