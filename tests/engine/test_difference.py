"""The weight-free engine on drawn scenes whose true matte is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cleanplate.engine.errors import SamplesNeededError
from cleanplate.engine.matting import create_engine


def draw_room(random: np.random.Generator, height: int = 288, width: int = 512) -> NDArray[np.uint8]:
    room = np.full((height, width, 3), (150, 170, 165), np.float32)
    room += np.linspace(-30, 30, width)[None, :, None]
    room[40:160, 60:140] = (60, 90, 140)
    room[180:, 300:420] = (190, 200, 210)
    return np.clip(room + random.normal(0, 1.5, room.shape), 0, 255).astype(np.uint8)


def person_mask(height: int = 288, width: int = 512) -> NDArray[np.bool_]:
    y, x = np.mgrid[:height, :width]
    head = (x - 256) ** 2 + ((y - 100) * 0.8) ** 2 < 40**2
    body = (np.abs(x - 256) < 90) & (y > 150)
    return head | body


def test_person_is_found_and_the_room_is_not() -> None:
    random = np.random.default_rng(1)
    engine = create_engine("difference")
    engine.set_samples([draw_room(random)])
    frame, mask = draw_room(random), person_mask()
    frame[mask] = (40, 50, 90)
    alpha = engine.stream().process(frame).alpha
    assert alpha.shape == (288, 512)
    assert alpha.dtype == np.float32
    found = alpha > 0.5
    assert (found & mask).sum() / (found | mask).sum() > 0.97


def test_without_samples_the_error_says_to_capture() -> None:
    stream = create_engine("difference").stream()
    with pytest.raises(SamplesNeededError, match="Capture the background"):
        stream.process(np.zeros((288, 512, 3), np.uint8))
