"""Light: what cameras do to a picture is found, whoever stands in it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH, Picture, add_person, draw_room, person_mask, photograph

from cleanplate.engine.exposure import LIFT, LightTracker
from cleanplate.engine.imaging import resize_plane


def relit_error(frame: Picture, scene: NDArray[np.float32], tracker: LightTracker) -> float:
    """Mean difference between the plate in the measured light and the scene in the frame's."""
    light = tracker.update(frame)
    plate = light.relight(photograph(draw_room(), 1, noise=0)).astype(np.float32) + LIFT
    plate = plate * resize_plane(light.field, WIDTH, HEIGHT)[:, :, np.newaxis] - LIFT
    return float(np.abs(plate - np.clip(scene, 0, 255)).mean())


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.0, 1.15])
@pytest.mark.parametrize("gamma", [0.85, 1.0, 1.15])
def test_exposure_and_tone_are_found_though_a_person_hides_half(gain: float, gamma: float) -> None:
    def camera(scene: NDArray[np.float32]) -> NDArray[np.float32]:
        return (255 * (np.clip(scene, 0, 255) / 255) ** gamma * gain).astype(np.float32)

    frame = photograph(camera(add_person(draw_room(), person_mask(scale=1.5))), 2)
    assert relit_error(frame, camera(draw_room()), LightTracker(draw_room())) < 4


def test_lamp_in_a_corner_is_found() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    lamp = 1 + 0.25 * np.exp(-(((x - 60) / 120) ** 2) - ((y - 60) / 120) ** 2)
    scene = (draw_room() * 0.8 * lamp[:, :, np.newaxis]).astype(np.float32)
    assert relit_error(photograph(scene, 2), scene, LightTracker(draw_room())) < 4


def test_switched_light_is_found_at_once() -> None:
    tracker = LightTracker(draw_room())
    for seed in range(3):
        tracker.update(photograph(draw_room(), seed))
    everything_is_person = np.zeros((HEIGHT, WIDTH), np.float32)
    light = tracker.update(photograph(draw_room() * np.float32(0.5), 4), everything_is_person)
    np.testing.assert_allclose(light.gain, 0.5, rtol=0.03)


def test_steady_light_gives_a_steady_gain() -> None:
    tracker = LightTracker(draw_room())
    gains = [tracker.update(photograph(draw_room(), seed)).gain for seed in range(10)]
    assert np.ptp(np.array(gains[2:]), axis=0).max() < 0.003
