"""What the filter shows, compared pixel by pixel with what it ought to show.

Limits are peak signal-to-noise ratios in dB of 8-bit pictures: 40 dB is a mean error of about two levels.
They leave 5 to 10 dB for the matte, which is the engine's business and measured there.
"""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from filtered_camera import (
    CAMERA,
    COLOR_BGR,
    FILTER,
    add_filtered_camera,
    capture_then_enter,
    configure,
    is_flat,
    scripts,
)
from fixture_types import CloseCleanly, StartObs
from numpy.typing import NDArray
from truth import FrameFinder, blurred, certain_background, certain_figure, near_figure, psnr

from cleanplate.studio.config import CANVAS_HEIGHT, SCENE
from cleanplate.studio.scene import Clip, Image, composite, raw_frames, read_frames, room, shows_marker
from cleanplate.studio.session import ObsSession
from cleanplate.studio.waiting import reach, wait_for

WHOLE_DB = 30.0
BACKGROUND_DB = 35.0
FIGURE_DB = 35.0

# Lines to which the filter's settings in pixels refer.
REFERENCE_LINES = 1080


@pytest.mark.parametrize(("mode", "whole_db"), [("matched", WHOLE_DB), ("latency", 18.0)])
def test_figure_moves_before_a_colour(
    start_obs: StartObs,
    close_cleanly: CloseCleanly,
    empty_room: Clip,
    person: Clip,
    mode: str,
    whole_db: float,
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room, mode=mode)
    capture_then_enter(obs, person)
    path = obs.record(3)
    obs.client.remove_source_filter(CAMERA, FILTER)
    unfiltered = obs.screenshot(SCENE)
    close_cleanly(obs)

    assert raw_frames(path) == []
    finder = FrameFinder(person)
    shown = set()
    for picture in list(read_frames(path))[::3]:
        match = finder.find(picture)
        shown.add(match.frame)
        matte, frame = person.mattes[match.frame], person.frames[match.frame]
        expected = composite(matte, frame, np.full_like(frame, COLOR_BGR))
        assert psnr(picture, expected) > whole_db
        if mode == "matched":
            assert psnr(picture, expected, certain_background(matte)) > BACKGROUND_DB
            assert psnr(picture, expected, certain_figure(matte)) > FIGURE_DB
    assert len(shown) > 5, "the picture must move"
    assert shows_marker(unfiltered[..., :3]), "without the filter OBS shows the camera again"


def test_backgrounds_and_views(
    start_obs: StartObs,
    close_cleanly: CloseCleanly,
    empty_room: Clip,
    standing_person: Clip,
    tmp_path: Path,
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room, shift=0.0, decontaminate=True)
    capture_then_enter(obs, standing_person)

    _check_transparent(obs, standing_person)
    _check_images(obs, standing_person, tmp_path)
    _check_blurs(obs, standing_person)
    _check_views(obs, standing_person)
    _check_edges(obs)
    close_cleanly(obs)


def _check_transparent(obs: ObsSession, clip: Clip) -> None:
    matte, frame = clip.mattes[0], clip.frames[0]
    configure(obs, background="transparent")
    wait_for(lambda: not obs.screenshot(CAMERA)[:20, :20, 3].any(), "a transparent background")
    picture = obs.screenshot(CAMERA)
    alpha = picture[..., 3] / np.float32(255)
    assert np.abs(alpha - matte).mean() < 0.01
    assert np.percentile(alpha[certain_background(matte)], 99) < 0.02
    assert np.percentile(alpha[certain_figure(matte)], 1) > 0.98
    assert psnr(picture[..., :3], frame, certain_figure(matte)) > FIGURE_DB


def _check_images(obs: ObsSession, clip: Clip, folder: Path) -> None:
    matte = clip.mattes[0]
    height, width = matte.shape
    tall = _test_picture(width // 2, height)
    path = folder / "background.png"
    cv2.imwrite(str(path), tall)
    enlarged = cv2.resize(tall, (width, 2 * height), interpolation=cv2.INTER_LINEAR)
    beside = (width - tall.shape[1]) // 2
    expected = {
        "stretch": cv2.resize(tall, (width, height), interpolation=cv2.INTER_LINEAR),
        "fill": enlarged[height // 2 : height // 2 + height],
        "fit": cv2.copyMakeBorder(
            tall, 0, 0, beside, beside, cv2.BORDER_CONSTANT
        ),  # nothing, so the black canvas
    }
    for how, background in expected.items():
        configure(obs, background="image", image_path=str(path), image_fit=how)
        assert _quality(obs, background.astype(np.uint8), certain_background(matte)) > BACKGROUND_DB, how


def _check_blurs(obs: ObsSession, clip: Clip) -> None:
    matte, frame = clip.mattes[0], clip.frames[0]
    for radius in (24.0, 60.0):
        sigma = radius * CANVAS_HEIGHT / REFERENCE_LINES
        plate = blurred(room(), sigma)
        configure(obs, background="plate_blur", blur_radius=radius)
        assert _quality(obs, plate, certain_background(matte)) > BACKGROUND_DB
        assert not shows_marker(obs.screenshot(SCENE)[..., :3])

        without_figure = blurred(room(), sigma, 1 - matte)
        configure(obs, background="blur")
        assert _quality(obs, without_figure, certain_background(matte)) > BACKGROUND_DB
        halo_free = _quality(obs, without_figure, near_figure(matte))
        assert halo_free > BACKGROUND_DB
        with_halo = blurred(frame, sigma)
        assert _quality(obs, with_halo, near_figure(matte), wait=0) < halo_free - 6
        assert not shows_marker(obs.screenshot(SCENE)[..., :3])


def _check_views(obs: ObsSession, clip: Clip) -> None:
    matte = clip.mattes[0]
    everywhere = np.ones(matte.shape, bool)
    configure(obs, background="color", view="matte")
    grey = np.repeat((matte * 255).round().astype(np.uint8)[..., None], 3, axis=2)
    assert _quality(obs, grey, everywhere) > WHOLE_DB
    configure(obs, view="sample")
    assert _quality(obs, room(), everywhere) > BACKGROUND_DB
    configure(obs, view="difference")
    figure, background = certain_figure(matte), certain_background(matte)

    def contrast() -> float:
        picture = obs.screenshot(SCENE)[..., :3]
        return float(picture[figure].mean() / picture[background].mean())

    assert reach(contrast, 4) > 4, "the figure differs from the clean plate, the room does not"
    configure(obs, view="composite")


def _check_edges(obs: ObsSession) -> None:
    def figure_pixels() -> float:
        different = np.abs(obs.screenshot(SCENE)[..., :3].astype(int) - COLOR_BGR).max(axis=2) > 40
        return float(different.sum())

    usual = reach(lambda: -figure_pixels(), -60_000)
    configure(obs, shift=8.0)
    assert reach(figure_pixels, -usual * 1.1) > -usual * 1.1, "a positive shift expands the figure"
    configure(obs, shift=-8.0)
    assert reach(lambda: -figure_pixels(), usual * 0.9) > usual * 0.9, "a negative shift contracts it"
    configure(obs, shift=0.0)


def test_hotkeys_and_countdown(start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room, countdown=3)
    assert is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover shows while there are no samples"

    obs.trigger_hotkey("cleanplate.toggle")
    wait_for(lambda: shows_marker(obs.screenshot(SCENE)[..., :3]), "the camera, as the user wished")
    obs.trigger_hotkey("cleanplate.toggle")
    wait_for(lambda: is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover")

    begin = time.monotonic()
    obs.trigger_hotkey("cleanplate.capture")
    wait_for(lambda: not is_flat(obs.screenshot(SCENE), COLOR_BGR), "the countdown over the picture")
    digits = obs.screenshot(SCENE)[..., :3]
    assert (digits[:, :200] == COLOR_BGR).all(), "the cover stays beside the digits"
    assert not shows_marker(digits)
    obs.wait_for_log("captured")
    assert time.monotonic() - begin > 3
    close_cleanly(obs)


def _quality(obs: ObsSession, expected: Image, where: NDArray[np.bool_], wait: float = 15.0) -> float:
    """PSNR of the programme against a picture, as soon as it is good, or after ``wait`` seconds."""
    return reach(lambda: psnr(obs.screenshot(SCENE)[..., :3], expected, where), BACKGROUND_DB, wait)


def _test_picture(width: int, height: int) -> Image:
    """Smooth colours, so that the way of scaling matters little."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = [127 + 120 * np.sin(7 * x), 255 * y, 127 + 120 * np.cos(9 * (x + y))]
    return np.stack(channels, axis=2).round().astype(np.uint8)
