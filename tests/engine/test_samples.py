"""Background samples: files, statistics, and the plate estimated from frames with people."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import add_person, draw_room, person_mask, photograph

from cleanplate.engine.errors import SampleError
from cleanplate.engine.samples import (
    NOISE_FLOOR,
    BackgroundSamples,
    distinct,
    estimate_plate,
    load_sample,
    plate_of,
)


def room(value: int = 120) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    y, x = np.mgrid[:48, :64]
    return (np.dstack([x, y, x + y]) // 2 + value // 2).astype(np.uint8)


def test_sample_file_is_read_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "Bild ä 1.png"
    path.write_bytes(cv2.imencode(".png", room())[1].tobytes())
    np.testing.assert_array_equal(load_sample(path), room())


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_unreadable_sample_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "sample.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SampleError, match=r"sample\.png .* Capture it again"):
        load_sample(path)


def test_plate_is_the_median_and_noise_the_deviation() -> None:
    random = np.random.default_rng(1)
    samples = [np.clip(room() + random.normal(0, 6, (48, 64, 3)), 0, 255).astype(np.uint8) for _ in range(9)]
    samples[4][10, 10] = 0  # somebody left too late
    plate = plate_of(samples)
    assert np.abs(plate.mean - room()).mean() < 3
    assert np.abs(plate.mean[10, 10] - room()[10, 10]).max() < 10
    assert plate.noise.mean() == pytest.approx(6, rel=0.15)
    assert plate.noise[10, 10].min() > 12


def test_noise_of_one_sample_is_the_floor() -> None:
    np.testing.assert_array_equal(plate_of([room()]).noise, np.float32(NOISE_FLOOR))


def test_samples_are_brought_to_the_newest_ones_exposure() -> None:
    bright = np.clip(room().astype(np.float32) * 1.3, 0, 255).astype(np.uint8)
    plate = plate_of([bright, bright, room()])
    np.testing.assert_allclose(plate.mean, room(), atol=4)


def test_samples_are_scaled_to_the_frame() -> None:
    (sample,) = BackgroundSamples([room()]).resized(32, 24)
    np.testing.assert_array_equal(sample, cv2.resize(room(), (32, 24), interpolation=cv2.INTER_AREA))


def test_samples_that_show_the_same_are_joined() -> None:
    noise = 6.0
    capture = [photograph(draw_room(), seed, noise) for seed in range(8)]
    (joined,) = distinct(capture)
    assert (joined - draw_room()).std() < 0.5 * noise


def test_samples_that_show_something_else_are_kept() -> None:
    room = draw_room()
    late = add_person(room, person_mask(20, 0.2))  # somebody at the edge, who left too late
    views = [room * np.float32(0.8), np.roll(room, 4, axis=1), late, room]
    pictures = [photograph(view, seed) for seed, view in enumerate(views)]
    kept = distinct([pictures[3], *pictures])
    assert len(kept) == 4
    for found, picture in zip(kept[:3], pictures, strict=False):
        np.testing.assert_array_equal(found, picture)
    assert np.abs(kept[3] - room).mean() < 2
    assert distinct([]) == []


def test_caller_may_change_its_pictures() -> None:
    image = room()
    samples = BackgroundSamples([image])
    image[:] = 0
    assert samples.resized(64, 48)[0].mean() > 50


@pytest.mark.parametrize(
    "images", [[room()] * 17, [room()[:, :, 0]], [room().astype(np.float32)], [room()[:0]]]
)
def test_other_pictures_are_refused(images: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> None:
    with pytest.raises(SampleError):
        BackgroundSamples(images)


def test_estimated_plate_is_the_median_of_what_is_free() -> None:
    frames, masks = [], []
    for index in range(5):
        frame, mask = room(), np.zeros((48, 64), np.uint8)
        place = np.s_[20:48, 8 + 9 * index : 20 + 9 * index]
        frame[place], mask[place] = (0, 0, 255), 1
        frames.append(frame)
        masks.append(mask)
    np.testing.assert_array_equal(estimate_plate(frames, masks), room())
    np.testing.assert_array_equal(estimate_plate(frames), room())


def test_what_was_never_seen_is_painted_in() -> None:
    frame, mask = room(), np.zeros((48, 64), np.uint8)
    frame[20:30, 30:40], mask[20:30, 30:40] = (0, 0, 255), 255
    plate = estimate_plate([frame, frame], [mask, mask])
    np.testing.assert_array_equal(plate[mask == 0], room()[mask == 0])
    np.testing.assert_allclose(plate[mask > 0].astype(int), room()[mask > 0].astype(int), atol=12)


def test_plate_of_nothing_is_refused() -> None:
    with pytest.raises(SampleError, match="Give at least one"):
        estimate_plate([])
    with pytest.raises(SampleError, match="Capture the empty scene"):
        estimate_plate([room()], [np.ones((48, 64), np.uint8)])
