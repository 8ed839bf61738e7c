"""The filter on all kinds of sources, shown in all kinds of ways."""

from pathlib import Path

import cv2
from filtered_camera import (
    CAMERA,
    COLOR_BGR,
    FILTER,
    FILTER_KIND,
    SETTINGS,
    add_filtered_camera,
    capture_then_enter,
    is_flat,
    scripts,
    shows_figure,
    wait_for_figure,
)
from fixture_types import CloseCleanly, StartObs

from cleanplate.studio.config import SCENE
from cleanplate.studio.scene import Clip, raw_frames, room
from cleanplate.studio.waiting import wait_for


def test_two_cameras(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    sample_set = obs.client.get_source_filter(CAMERA, FILTER).filter_settings["sample_set"]
    # As a source that is duplicated in OBS: the copy starts with the samples of the first.
    add_filtered_camera(obs, person, name="second", sample_set=sample_set)
    wait_for(lambda: shows_figure(obs.screenshot("second")), "the figure of the second camera")
    assert shows_figure(obs.screenshot(CAMERA))
    assert len({worker.pid for worker in obs.workers()}) == 2

    path = obs.record(1)
    obs.client.remove_input("second")
    wait_for(lambda: len(obs.workers()) == 1, "the second worker to end")
    wait_for_figure(obs)
    assert raw_frames(path) == []
    close_cleanly(obs)


def test_hidden_nested_and_shown_twice(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    client = obs.client
    item = client.get_scene_item_id(SCENE, CAMERA).scene_item_id
    with obs.recording() as recording:
        for _ in range(2):
            client.set_scene_item_enabled(SCENE, item, False)
            wait_for(lambda: not obs.screenshot(SCENE).any(), "an empty scene")
            obs.wait_until_recorded(obs.recorded_seconds() + 1)
            client.set_scene_item_enabled(SCENE, item, True)
            wait_for_figure(obs)

        client.create_scene("outer")
        client.create_scene_item("outer", SCENE, True)
        client.create_scene_item("outer", CAMERA, True)
        client.set_current_program_scene("outer")
        wait_for(lambda: shows_figure(obs.screenshot("outer")), "the figure in the outer scene")
        obs.wait_until_recorded(obs.recorded_seconds() + 0.5)
        client.set_current_program_scene(SCENE)
    assert raw_frames(recording.path) == []
    close_cleanly(obs)


def test_pictures_scenes_and_sources_without_a_picture(
    start_obs: StartObs, close_cleanly: CloseCleanly, tmp_path: Path
) -> None:
    still = tmp_path / "room.png"
    cv2.imwrite(str(still), room())
    obs = start_obs(scripts=scripts())
    client = obs.client
    client.create_input(SCENE, "still", "image_source", {"file": str(still)}, True)
    client.create_source_filter("still", FILTER, FILTER_KIND, SETTINGS)
    wait_for(lambda: is_flat(obs.screenshot("still"), COLOR_BGR), "the cover of a picture")

    client.create_input(SCENE, "nothing", "ffmpeg_source", {}, True)
    client.create_source_filter("nothing", FILTER, FILTER_KIND, SETTINGS)
    client.create_source_filter(SCENE, FILTER, FILTER_KIND, SETTINGS)
    wait_for(lambda: is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover of a scene")
    assert raw_frames(obs.record(1)) == []

    client.open_input_filters_dialog("still")
    wait_for(lambda: [title for title in obs.windows() if "still" in title], "the filter's dialog")
    close_cleanly(obs)
