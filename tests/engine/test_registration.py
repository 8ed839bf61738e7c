"""Registration: the plate goes where the camera went."""

import cv2
import numpy as np
import pytest
from scenes import HEIGHT, WIDTH, Picture, draw_room, photograph

from cleanplate.engine.imaging import resize_picture
from cleanplate.engine.registration import REACH, Registration
from cleanplate.engine.samples import plate_of

EVERYWHERE = np.ones((HEIGHT // 2, WIDTH // 2), np.float32)


def shifted_frame(x: float, y: float) -> Picture:
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    scene = cv2.warpAffine(draw_room(), move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return resize_picture(photograph(np.asarray(scene, np.float32), 2), WIDTH // 2, HEIGHT // 2)


def followed(x: float, y: float) -> Registration:
    registration = Registration(plate_of([photograph(draw_room(), 1)]))
    for _ in range(10):
        registration.follow(shifted_frame(x, y), registration.placed.half, EVERYWHERE)
    return registration


@pytest.mark.parametrize(("x", "y"), [(0, 0), (2, 0), (-1, 3), (4, -4)])
def test_shift_is_followed(x: float, y: float) -> None:
    registration = followed(x, y)
    np.testing.assert_allclose(2 * registration.shift, (x, y), atol=0.25)
    difference = np.abs(registration.placed.half.astype(int) - shifted_frame(x, y))
    assert np.percentile(difference, 95) < 12


def test_a_camera_that_went_too_far_is_not_chased() -> None:
    assert np.abs(followed(30, 0).shift).max() <= REACH
