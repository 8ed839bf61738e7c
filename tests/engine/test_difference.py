"""The weight-free engine on drawn scenes whose true matte is known."""

import time

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH, Picture, add_person, draw_room, iou, person_mask, photograph

from cleanplate.engine.base import Stream
from cleanplate.engine.difference import clear_islands_and_holes
from cleanplate.engine.errors import FrameError, SampleError, SamplesNeededError
from cleanplate.engine.imaging import as_plane, resize_picture
from cleanplate.engine.matting import create_engine


def stream_with(*samples: Picture) -> Stream:
    engine = create_engine("difference")
    engine.set_samples(samples)
    return engine.stream()


def relit(scene: NDArray[np.float32], factors: tuple[float, float, float]) -> NDArray[np.float32]:
    return (scene * np.array(factors, np.float32)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 4])
def test_person_is_found(count: int) -> None:
    stream = stream_with(*(photograph(draw_room(), seed) for seed in range(count)))
    mask = person_mask()
    alpha = stream.process(photograph(add_person(draw_room(), mask), 9)).alpha
    assert alpha.shape == (HEIGHT, WIDTH)
    assert alpha.dtype == np.float32
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert iou(alpha, mask) > 0.985


@pytest.mark.parametrize("factors", [(1, 1, 1), (0.7, 0.7, 0.7), (1.2, 1.1, 1.0)])
def test_empty_room_stays_empty_under_other_light(factors: tuple[float, float, float]) -> None:
    stream = stream_with(photograph(draw_room(), 1))
    for seed in range(2, 6):
        assert stream.process(photograph(relit(draw_room(), factors), seed)).alpha.max() == 0


@pytest.mark.parametrize("factors", [(0.65, 0.65, 0.65), (0.8, 0.9, 1.0), (1.15, 1.1, 1.0)])
def test_exposure_and_white_balance_are_compensated(factors: tuple[float, float, float]) -> None:
    stream = stream_with(photograph(draw_room(), 1))
    mask = person_mask()
    result = stream.process(photograph(relit(add_person(draw_room(), mask), factors), 2))
    assert iou(result.alpha, mask) > 0.97
    np.testing.assert_allclose(result.gain, factors, rtol=0.04)


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.0, -1.5), (2.0, 2.0), (-2.0, 1.0)])
def test_small_shift_of_the_camera_is_tolerated(shift: tuple[float, float]) -> None:
    stream = stream_with(photograph(draw_room(), 1))
    mask = person_mask()
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    room = as_plane(cv2.warpAffine(draw_room(), move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE))
    for seed in range(2, 5):
        result = stream.process(photograph(add_person(room, mask), seed))
    assert iou(result.alpha, mask) > 0.98


def test_soft_shadow_is_background() -> None:
    stream = stream_with(photograph(draw_room(), 1))
    mask = person_mask()
    shadow = cv2.GaussianBlur(np.roll(mask, 70, axis=1).astype(np.float32), (0, 0), 15)
    scene = add_person(draw_room() * (1 - 0.3 * shadow[:, :, np.newaxis]), mask)
    assert iou(stream.process(photograph(scene, 2)).alpha, mask) > 0.95


def test_dark_clothes_and_hair_are_no_shadow() -> None:
    stream = stream_with(photograph(draw_room(), 1))
    mask = person_mask()
    scene = draw_room()
    scene[mask] = 0.2 * scene[mask]  # the very colour of the wall, but far darker
    assert iou(stream.process(photograph(scene, 2)).alpha, mask) > 0.97


def test_person_is_followed_without_a_trail() -> None:
    stream = stream_with(photograph(draw_room(), 1))
    for step, x in enumerate(range(150, 350, 25)):
        mask = person_mask(x)
        alpha = stream.process(photograph(add_person(draw_room(), mask), 10 + step)).alpha
        assert iou(alpha, mask) > 0.97


def test_four_channels_give_the_same_matte() -> None:
    frame = photograph(add_person(draw_room(), person_mask()), 2)
    room = photograph(draw_room(), 1)
    padded = np.dstack([frame, np.zeros((HEIGHT, WIDTH), np.uint8)])
    np.testing.assert_array_equal(
        stream_with(room).process(padded).alpha, stream_with(room).process(frame).alpha
    )


def test_caller_may_reuse_the_frame_buffer() -> None:
    room, frame = photograph(draw_room(), 1), photograph(add_person(draw_room(), person_mask(150)), 2)
    later = photograph(add_person(draw_room(), person_mask(350)), 3)
    fresh, reused = stream_with(room), stream_with(room)
    fresh.smoothing = reused.smoothing = 0.9
    buffer = frame.copy()
    fresh.process(frame), reused.process(buffer)
    buffer[:] = later
    np.testing.assert_array_equal(fresh.process(later).alpha, reused.process(buffer).alpha)


@pytest.mark.parametrize("size", [(32, 32), (64, 32), (288, 512), (96, 1024)])
def test_any_frame_size_works(size: tuple[int, int]) -> None:
    width, height = size
    room = resize_picture(photograph(draw_room(), 1), width, height)
    frame = room.copy()
    frame[height // 4 :, width // 4 : width // 2] = (20, 30, 200)
    alpha = stream_with(room).process(frame).alpha
    assert alpha.shape == (height, width)
    assert alpha[height // 2 :, width // 4 + 2 : width // 2 - 2].mean() > 0.8
    assert alpha[:, 3 * width // 4 :].mean() < 0.1


def test_new_samples_are_used_from_the_next_frame() -> None:
    engine = create_engine("difference")
    room, other = photograph(draw_room(), 1), photograph(draw_room()[:, ::-1], 2)
    engine.set_samples([room])
    stream = engine.stream()
    assert stream.process(other).alpha.mean() > 0.05
    engine.set_samples([other])
    for _ in range(3):
        alpha = stream.process(other).alpha
    assert alpha.max() == 0


def test_without_samples_the_error_says_to_capture() -> None:
    stream = create_engine("difference").stream()
    with pytest.raises(SamplesNeededError, match="Capture the background"):
        stream.process(np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def test_samples_of_another_aspect_are_refused() -> None:
    stream = stream_with(np.zeros((480, 640, 3), np.uint8))
    with pytest.raises(SampleError, match=r"640x480 is 1\.33 times as wide as high, the video 0\.56 times"):
        stream.process(np.zeros((512, 288, 3), np.uint8))


@pytest.mark.parametrize(
    "frame", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)]
)
def test_other_frames_are_refused(frame: NDArray[np.uint8]) -> None:
    with pytest.raises(FrameError, match="8-bit BGR"):
        stream_with(np.zeros((8, 8, 3), np.uint8)).process(frame)


def test_islands_and_holes_are_cleared() -> None:
    support = np.full((144, 256), -2, np.float32)
    support[40:144, 80:160] = 2
    support[80:84, 100:104] = -2
    support[10:14, 10:14] = 2
    mask = clear_islands_and_holes(support)
    assert mask[82, 102] == 1
    assert mask[12, 12] == 0
    assert mask.sum() == 104 * 80


def test_frame_of_the_networks_size_takes_less_than_a_60th_of_a_second() -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        stream = stream_with(photograph(draw_room(), 1))
        frames = [photograph(add_person(draw_room(), person_mask(x)), x) for x in (200, 204, 208)]
        times = []
        for index in range(30):
            start = time.thread_time()
            stream.process(frames[index % 3])
            times.append(time.thread_time() - start)
    finally:
        cv2.setNumThreads(threads)
    # The best of many: other processes on the machine cost cache even where they cost no time.
    assert min(times) < 1 / 60


@pytest.mark.parametrize("plate", [0, 128, 255])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_pictures_of_nothing_give_a_sound_result(plate: int, value: int) -> None:
    stream = stream_with(np.full((HEIGHT, WIDTH, 3), plate, np.uint8))
    for _ in range(2):
        result = stream.process(np.full((HEIGHT, WIDTH, 3), value, np.uint8))
    assert np.isfinite(result.alpha).all()
    assert all(0.1 < gain < 10 for gain in result.gain)


def test_a_black_first_frame_does_no_lasting_harm() -> None:
    stream = stream_with(photograph(draw_room(), 1))
    for _ in range(3):
        stream.process(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    mask = person_mask()
    for seed in range(2, 5):
        result = stream.process(photograph(add_person(draw_room(), mask), seed))
    assert iou(result.alpha, mask) > 0.98
    np.testing.assert_allclose(result.gain, 1, rtol=0.03)
