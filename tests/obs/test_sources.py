"""The filter on all kinds of sources, shown in all kinds of ways."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from filtered_camera import (
    CAMERA,
    COLOR_BGR,
    FILTER,
    FILTER_KIND,
    SETTINGS,
    add_filtered_camera,
    capture_room,
    capture_then_enter,
    is_flat,
    scripts,
    shows_figure,
    wait_for_figure,
)
from fixture_types import CloseCleanly, StartObs
from hdr import write_pq_clip
from numpy.typing import NDArray
from obsws_python.error import OBSSDKRequestError
from truth import certain_background, certain_figure, psnr

from cleanplate.studio.config import CANVAS_HEIGHT, CANVAS_WIDTH, HDR, SCENE, SDR, Script, Video, obs_folder
from cleanplate.studio.scene import Clip, Image, raw_frames, read_frames, room, shows_marker, write_clip
from cleanplate.studio.session import ObsSession
from cleanplate.studio.waiting import wait_for

GROUP_DRIVER = Path(__file__).parent / "scripts" / "group_driver.py"
GROUP = "group"  # the name that the driver gives it

# dB in the figure, against what OBS shows without the filter; beside it, against the replacement colour.
FIGURE_DB = 35.0
BACKGROUND_DB = 35.0

# A worker at rest takes a tenth of it for each frame of OBS, one that makes mattes several times as much.
IDLE_SECONDS = 0.001
SETTLING_SECONDS, WATCH_SECONDS = 1.0, 2.0

TRANSFORMS: dict[str, dict[str, float]] = {
    "turned right": {"rotation": 90, "scaleX": 0.5, "scaleY": 0.5, "positionX": 300, "positionY": 20},
    "turned askew": {"rotation": -20, "scaleX": 0.7, "scaleY": 0.7, "positionX": 30, "positionY": 180},
    "cropped": {"cropLeft": 200, "cropTop": 60, "cropRight": 80, "positionX": 50, "positionY": 30},
    "stretched": {"scaleX": 0.8, "scaleY": 0.4, "positionX": 10, "positionY": 100},
    "mirrored": {"scaleX": -1, "positionX": 640},
}
AS_IT_IS: dict[str, float] = {
    "rotation": 0, "scaleX": 1, "scaleY": 1, "positionX": 0, "positionY": 0,
    "cropLeft": 0, "cropTop": 0, "cropRight": 0, "cropBottom": 0,
}  # fmt: skip


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
    wait_for(lambda: shows_figure(obs.screenshot(CAMERA)), "the figure of the first camera")
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


@pytest.mark.parametrize(
    ("pauses", "mode"),
    [(True, "matched"), (False, "matched"), (False, "latency")],
    ids=["paused", "kept going", "kept going, least delay"],
)
def test_hidden_camera(
    start_obs: StartObs,
    close_cleanly: CloseCleanly,
    empty_room: Clip,
    person: Clip,
    *,
    pauses: bool,
    mode: str,
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room, pause_hidden=pauses, mode=mode)
    capture_then_enter(obs, person)
    obs.client.create_scene("elsewhere")
    obs.client.set_current_program_scene("elsewhere")
    wait_for(lambda: not obs.screenshot("elsewhere").any(), "the other scene")
    time.sleep(SETTLING_SECONDS)
    seconds = _worker_seconds_per_frame(obs)
    assert seconds < IDLE_SECONDS if pauses else seconds > IDLE_SECONDS

    with obs.recording() as recording:
        obs.client.set_current_program_scene(SCENE)
        wait_for_figure(obs)
        obs.wait_until_recorded(obs.recorded_seconds() + 0.5)
    assert raw_frames(recording.path) == []
    close_cleanly(obs)


@pytest.mark.parametrize("mode", ["matched", "latency"])
def test_capture_of_a_hidden_camera(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, mode: str
) -> None:
    """What is captured there is the camera, and not what the filter makes of it."""
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room, pause_hidden=False, mode=mode)
    obs.client.create_scene("elsewhere")
    obs.client.set_current_program_scene("elsewhere")
    wait_for(lambda: not obs.screenshot("elsewhere").any(), "the other scene")
    capture_room(obs)
    samples = list((obs_folder(obs.home) / "plugin_config/cleanplate/samples").glob("*/*.png"))
    assert samples
    for path in samples:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert shows_marker(picture.astype(np.uint8))
        assert psnr(picture.astype(np.uint8), room()) > BACKGROUND_DB
    close_cleanly(obs)


def _worker_seconds_per_frame(obs: ObsSession) -> float:
    """The worker's CPU time for each frame that OBS renders."""
    (worker,) = obs.workers()

    def reading() -> tuple[float, int]:
        times, stats = worker.cpu_times(), obs.client.get_stats()
        rendered = stats.render_total_frames - stats.render_skipped_frames  # which a busy machine leaves out
        return times.user + times.system, rendered

    seconds, frames = reading()
    time.sleep(WATCH_SECONDS)
    seconds_later, frames_later = reading()
    return (seconds_later - seconds) / (frames_later - frames)


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


def test_camera_in_a_group(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=[*scripts(), Script(GROUP_DRIVER, {"scene": SCENE})])
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    with obs.recording() as recording:
        obs.press_and_wait("group_driver.group", "[group driver] grouped 1")
        wait_for(lambda: GROUP in obs.client.get_group_list().groups, "the group")
        wait_for_figure(obs)
        obs.wait_until_recorded(obs.recorded_seconds() + 1)
        group = obs.client.get_scene_item_id(SCENE, GROUP).scene_item_id
        for shown in (False, True):
            obs.client.set_scene_item_enabled(SCENE, group, shown)
            obs.wait_until_recorded(obs.recorded_seconds() + 0.5)
        wait_for_figure(obs)
    assert raw_frames(recording.path) == []
    close_cleanly(obs)

    again = start_obs()
    wait_for_figure(again)
    assert again.client.get_group_list().groups == [GROUP]
    # And the filter on a group, which is a source as others are.
    again.client.remove_source_filter(CAMERA, FILTER)
    again.client.create_source_filter(GROUP, FILTER, FILTER_KIND, SETTINGS)
    wait_for(lambda: is_flat(again.screenshot(SCENE), COLOR_BGR), "the cover of a group")
    again.show_clip(CAMERA, empty_room.path)
    capture_then_enter(again, person)
    assert raw_frames(again.record(1)) == []
    close_cleanly(again)


def test_item_turned_cropped_and_stretched(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, standing_person: Clip
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room, shift=0.0)
    capture_then_enter(obs, standing_person)

    obs.client.set_source_filter_enabled(CAMERA, FILTER, False)
    stock = {name: _transformed(obs, transform) for name, transform in TRANSFORMS.items()}
    assert shows_marker(np.rot90(stock["turned right"]), 0.5)
    obs.client.set_source_filter_enabled(CAMERA, FILTER, True)
    wait_for(lambda: shows_figure(obs.screenshot(CAMERA)), "the figure")

    with obs.recording() as recording:
        for name, transform in TRANSFORMS.items():
            picture = _transformed(obs, transform)
            figure, background, outside = _regions(standing_person.mattes[0], transform)
            assert psnr(picture, stock[name], figure) > FIGURE_DB, name
            assert psnr(picture, np.full_like(picture, COLOR_BGR), background) > BACKGROUND_DB, name
            assert not picture[outside].any(), name
            obs.wait_until_recorded(obs.recorded_seconds() + 0.5)
    for frame in read_frames(recording.path):
        for upright in (frame, np.rot90(frame), frame[:, ::-1]):
            assert not any(shows_marker(np.ascontiguousarray(upright), scale) for scale in (0.5, 1.0))
    close_cleanly(obs)


def _transformed(obs: ObsSession, transform: dict[str, float]) -> Image:
    """The programme with the camera's item so transformed, uint8 H x W x 3, BGR."""
    item = obs.client.get_scene_item_id(SCENE, CAMERA).scene_item_id
    wanted = {**AS_IT_IS, **transform}
    obs.client.set_scene_item_transform(SCENE, item, wanted)

    def is_so() -> bool:
        found = obs.client.get_scene_item_transform(SCENE, item).scene_item_transform
        return all(abs(found[key] - value) < 1e-3 for key, value in wanted.items())

    wait_for(is_so, "the transform")
    return obs.screenshot(SCENE)[..., :3]


def _regions(
    matte: NDArray[np.float32], transform: dict[str, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the programme shows the figure for certain, its background, and nothing of the camera."""
    wanted = {**AS_IT_IS, **transform}
    left, top, right, bottom = (int(wanted[f"crop{side}"]) for side in ("Left", "Top", "Right", "Bottom"))
    cut = matte[top : matte.shape[0] - bottom, left : matte.shape[1] - right]
    angle = np.deg2rad(wanted["rotation"])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([wanted["scaleX"], wanted["scaleY"]])
    matrix = np.hstack([linear, [[wanted["positionX"]], [wanted["positionY"]]]])

    def place(plane: NDArray[np.float32], beyond: float) -> NDArray[np.float32]:
        placed = cv2.warpAffine(plane, matrix, (CANVAS_WIDTH, CANVAS_HEIGHT), borderValue=beyond)
        return np.asarray(placed, np.float32)

    covered = place(np.ones_like(cut), 0)
    figure = certain_figure(place(cut, 0))
    background = certain_background(place(cut, 1)) & certain_figure(covered)
    return figure, background, certain_background(covered)


def test_camera_is_turned_upright_while_recording(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip, tmp_path: Path
) -> None:
    """As a phone does: other samples are needed, and until they are there nothing of the room may show."""
    upright_empty = _turned(empty_room, tmp_path / "empty.avi")
    upright_person = _turned(person, tmp_path / "person.avi")
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    with obs.recording() as recording:
        obs.show_clip(CAMERA, upright_person)
        wait_for(lambda: obs.wait_for_size(CAMERA) == (360, 640), "the upright picture")
        _wait_for_cover(obs)
        obs.wait_until_recorded(obs.recorded_seconds() + 1)
        assert is_flat(obs.screenshot(CAMERA), COLOR_BGR)

        obs.show_clip(CAMERA, upright_empty)
        obs.wait_until_recorded(obs.recorded_seconds() + 1)
        capture_room(obs)
        obs.show_clip(CAMERA, upright_person)
        wait_for(lambda: _shows_upright_figure(obs), "the upright figure")
        obs.wait_until_recorded(obs.recorded_seconds() + 1)

        obs.show_clip(CAMERA, person.path)
        wait_for(lambda: obs.wait_for_size(CAMERA) == (640, 360), "the wide picture")
        _wait_for_cover(obs)
        obs.wait_until_recorded(obs.recorded_seconds() + 1)
    assert raw_frames(recording.path) == []
    for frame in read_frames(recording.path):
        assert not shows_marker(_turned_back(frame))
    close_cleanly(obs)


def _turned(clip: Clip, path: Path) -> Path:
    write_clip(path, [np.ascontiguousarray(np.rot90(frame)) for frame in clip.frames])
    return path


def _turned_back(picture: Image) -> Image:
    return np.ascontiguousarray(np.rot90(picture, -1))


def _shows_upright_figure(obs: ObsSession) -> bool:
    picture = _camera_picture(obs)
    return picture is not None and shows_figure(_turned_back(picture))


def _wait_for_cover(obs: ObsSession) -> None:
    wait_for(lambda: is_flat(obs.screenshot(CAMERA), COLOR_BGR), "the cover")


@pytest.mark.parametrize("canvas", [SDR, HDR], ids=["SDR canvas", "HDR canvas"])
def test_hdr_camera(
    start_obs: StartObs,
    close_cleanly: CloseCleanly,
    empty_room: Clip,
    standing_person: Clip,
    tmp_path: Path,
    canvas: Video,
) -> None:
    """A camera that gives Rec. 2100 PQ: the figure looks as without the filter, as far as SDR can."""
    clips = {}
    for name, clip in (("empty", empty_room), ("person", standing_person)):
        clips[name] = tmp_path / f"{name}.mkv"
        write_pq_clip(clips[name], clip.frames)
    obs = start_obs(scripts=scripts(), video=canvas)
    obs.add_camera(CAMERA, clips["person"])
    wait_for(lambda: shows_marker(obs.screenshot(SCENE)[..., :3]), "the camera")
    stock = obs.screenshot(SCENE)[..., :3]

    obs.client.create_source_filter(CAMERA, FILTER, FILTER_KIND, {**SETTINGS, "shift": 0.0})
    obs.show_clip(CAMERA, clips["empty"])
    capture_room(obs)
    obs.show_clip(CAMERA, clips["person"])
    wait_for(lambda: _is_cut_out(obs, standing_person), "the figure on its new background")
    filtered = obs.screenshot(SCENE)[..., :3]
    matte = standing_person.mattes[0]
    assert psnr(filtered, stock, certain_figure(matte)) > FIGURE_DB
    replaced = filtered[certain_background(matte)].astype(int)
    assert np.ptp(replaced, axis=0).max() <= 4, "one colour"
    assert not shows_marker(filtered)
    close_cleanly(obs)


def _is_cut_out(obs: ObsSession, clip: Clip) -> bool:
    """By the camera's own picture, which is SDR whatever the canvas is."""
    picture, matte = _camera_picture(obs), clip.mattes[0]
    if picture is None:
        return False
    away = np.abs(picture[..., :3].astype(int) - COLOR_BGR).max(axis=2)
    return bool(away[certain_background(matte)].max() <= 3 and np.median(away[certain_figure(matte)]) > 20)


def _camera_picture(obs: ObsSession) -> Image | None:
    """A screenshot of the camera; None between two clips, when there is nothing to make it of."""
    try:
        return obs.screenshot(CAMERA)
    except OBSSDKRequestError:
        return None
