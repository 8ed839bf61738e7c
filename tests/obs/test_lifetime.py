"""The filter lives through what users do to scripts and collections, and OBS ends cleanly each time."""

from pathlib import Path

from filtered_camera import (
    CAMERA,
    COLOR_BGR,
    FILTER,
    FILTER_KIND,
    FILTER_SCRIPT,
    SETTINGS,
    add_filtered_camera,
    capture_then_enter,
    configure,
    is_flat,
    scripts,
    shows_figure,
    wait_for_figure,
)
from fixture_types import CloseCleanly, StartObs
from obsws_python.error import OBSSDKRequestError

from cleanplate.studio.config import COLLECTION, SCENE, Script
from cleanplate.studio.scene import Clip, raw_frames, read_frames, shows_marker
from cleanplate.studio.session import ObsSession, camera_settings
from cleanplate.studio.waiting import wait_for

SCRIPT_DRIVER = Path(__file__).parent / "scripts" / "script_driver.py"
RELOADS = 5
LIVES = 8


def test_saved_collection_comes_back_with_its_samples(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    close_cleanly(obs)

    again = start_obs(arguments=["--startrecording"])
    wait_for_figure(again)
    again.wait_until_recorded(again.recorded_seconds() + 1)  # recorded later than shown
    path = again.stop_recording()
    assert raw_frames(path) == []
    frames = list(read_frames(path))
    assert any(shows_figure(frame) for frame in frames)
    assert not shows_figure(frames[0]), "the recording has to begin before the first matte"

    with again.recording() as recording:
        again.client.create_scene_collection("other")
        wait_for(lambda: not again.workers(), "the worker to end with its filter")
        again.client.set_current_scene_collection(COLLECTION)
        wait_for_figure(again)
    assert raw_frames(recording.path) == []
    assert len(again.workers()) == 1
    close_cleanly(again)


def test_pasted_filter_keeps_its_own_samples(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room, name="first")
    wait_for(obs.workers, "the first worker")
    sample_set = obs.client.get_source_filter("first", FILTER).filter_settings["sample_set"]
    add_filtered_camera(obs, empty_room, sample_set=sample_set)  # as Copy and Paste Filters does
    wait_for(lambda: len(obs.workers()) == 2, "the second worker")
    obs.client.remove_input("first")  # which leaves one hotkey of the name
    wait_for(lambda: len(obs.workers()) == 1, "the first worker to end")
    capture_then_enter(obs, person)
    close_cleanly(obs)

    again = start_obs()
    wait_for_figure(again)
    close_cleanly(again)


def test_filter_in_a_collection_without_the_script_draws_nothing(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip
) -> None:
    """OBS still offers it there, but would not know it at the next start, and show the raw camera."""
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    wait_for(lambda: is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover")
    obs.client.create_scene_collection("other")
    wait_for(lambda: not obs.workers(), "the worker to end with its filter")
    obs.client.create_scene("elsewhere")
    obs.client.create_input("elsewhere", "second", "ffmpeg_source", camera_settings(empty_room.path), True)
    wait_for(lambda: _marked(obs, "second"), "the camera without a filter")
    obs.client.create_source_filter("second", FILTER, FILTER_KIND, SETTINGS)
    wait_for(lambda: not obs.screenshot("second")[..., :3].any(), "nothing")
    obs.wait_for_log("this scene collection does not list its script")
    assert obs.workers() == []

    obs.client.set_current_scene_collection(COLLECTION)
    wait_for(lambda: is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover of a filter that works")
    assert len(wait_for(obs.workers, "its worker")) == 1
    close_cleanly(obs)


def _marked(obs: ObsSession, source: str) -> bool:
    try:
        return shows_marker(obs.screenshot(source)[..., :3])
    except OBSSDKRequestError:  # no picture yet
        return False


def test_filter_comes_and_goes(start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip) -> None:
    """What one filter leaked, many would leak many times: more than OBS' own figure varies by."""
    obs = start_obs(scripts=scripts())
    obs.add_camera(CAMERA, empty_room.path)
    for _ in range(LIVES):
        obs.client.create_source_filter(CAMERA, FILTER, FILTER_KIND, SETTINGS)
        wait_for(lambda: is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover")
        configure(obs, background="blur")
        obs.client.remove_source_filter(CAMERA, FILTER)
        wait_for(lambda: shows_marker(obs.screenshot(SCENE)[..., :3]), "the camera")
    close_cleanly(obs)


def test_script_is_reloaded_and_removed_under_a_running_filter(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=[Script(SCRIPT_DRIVER, {"controlled": str(FILTER_SCRIPT)})])
    obs.press_and_wait("script_driver.add", "[script driver] add 1")
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    workers = [worker.pid for worker in obs.workers()]
    with obs.recording() as recording:
        for reload in range(1, RELOADS + 1):
            obs.press_and_wait("script_driver.reload", f"[script driver] reload {reload}")
        obs.press_and_wait("script_driver.remove", "[script driver] remove 1")
        wait_for_figure(obs)
        # Without its script the filter still does what its settings say.
        configure(obs, max_age_ms=1)
        wait_for(lambda: is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover")
    assert raw_frames(recording.path) == []
    assert [worker.pid for worker in obs.workers()] == workers
    close_cleanly(obs)
