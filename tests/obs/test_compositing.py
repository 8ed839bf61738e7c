"""What the filter shows, compared pixel by pixel with what it ought to show."""

import numpy as np
from conftest import CloseCleanly, StartObs
from filtered_camera import (
    CAMERA,
    COLOR_BGR,
    FILTER,
    add_filtered_camera,
    capture_then_enter,
    is_flat,
    scripts,
)
from media import Clip, composite, raw_frames, read_frames
from obs_config import SCENE
from truth import certain_background, certain_figure, find_frame, psnr


def test_figure_stands_before_the_colour(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    assert is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover must show while there are no samples"
    capture_then_enter(obs, person)
    path = obs.record(3)
    obs.client.remove_source_filter(CAMERA, FILTER)
    without = obs.record(0.5)
    close_cleanly(obs)

    assert raw_frames(path) == []
    qualities = []
    for picture in list(read_frames(path))[::4]:
        match = find_frame(picture, person)
        matte = person.mattes[match.index]
        replaced = np.full_like(picture, COLOR_BGR)
        expected = composite(matte, person.frames[match.index], replaced)
        qualities.append(
            (
                match.error,
                psnr(picture, expected),
                psnr(picture, expected, certain_background(matte)),
                psnr(picture, expected, certain_figure(matte)),
            )
        )
    print("ERROR, PSNR all, background, figure", np.round(qualities, 2))
    assert list(read_frames(without)), "removing the filter must not stop the source"
    assert raw_frames(without)[-1:], "without the filter, OBS shows the camera again"
