"""Alignment: samples go where the camera went, and stay where nothing tells."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH, Picture, add_person, furnished_room, person_mask, photograph

from cleanplate.engine.alignment import SampleAlignment


def seen_by_moved_camera(
    scene: NDArray[np.float32], shift: tuple[float, float], turn: float, zoom: float
) -> NDArray[np.float32]:
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, zoom)
    matrix[:, 2] += np.array(shift)
    return np.asarray(
        cv2.warpAffine(scene, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.float32
    )


def misses(aligned: Picture, true: NDArray[np.float32]) -> float:
    """Share of the pixels, away from the border, that differ by more than noise."""
    inner = np.s_[40:-40, 60:-60]
    return float((np.abs(aligned[inner] - true[inner]).max(axis=2) > 20).mean())


@pytest.mark.parametrize(
    ("shift", "turn", "zoom"),
    [
        ((12, -7), 0.0, 1.0),
        ((2.5, 0), 0.0, 1.0),
        ((0, 0), 3.0, 1.0),
        ((-40, 15), -2.0, 1.06),
        ((5, 5), 0.5, 0.93),
    ],
)
@pytest.mark.parametrize("size", [WIDTH, 1280])
def test_sample_goes_where_the_camera_went(
    shift: tuple[float, float], turn: float, zoom: float, size: int
) -> None:
    room = seen_by_moved_camera(furnished_room(), shift, turn, zoom)
    frame = photograph(add_person(room, person_mask()), 2)

    def large(picture: Picture) -> Picture:
        return np.asarray(cv2.resize(picture, (size, size * HEIGHT // WIDTH)), np.uint8)

    alignment = SampleAlignment([large(photograph(furnished_room(), 1))])
    assert alignment.follow(large(frame))
    aligned = cv2.resize(alignment.pictures[0], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    assert misses(photograph(furnished_room(), 1), room) > 0.05
    assert misses(np.asarray(aligned, np.uint8), room) < 0.01
    assert not alignment.follow(large(frame))  # it is there already
    assert alignment.shift >= 2


def test_camera_that_stands_still_moves_nothing() -> None:
    sample = photograph(furnished_room(), 1)
    alignment = SampleAlignment([sample])
    assert not alignment.follow(photograph(add_person(furnished_room(), person_mask()), 2))
    assert alignment.pictures[0] is sample
    assert alignment.shift == 0


def test_sample_returns_with_the_camera() -> None:
    sample = photograph(furnished_room(), 1)
    alignment = SampleAlignment([sample])
    assert alignment.follow(photograph(seen_by_moved_camera(furnished_room(), (20, 9), 1, 1), 2))
    assert alignment.follow(photograph(furnished_room(), 3))
    assert misses(alignment.pictures[0], furnished_room()) < 0.01


def test_each_sample_is_moved_by_itself() -> None:
    room = furnished_room()
    views = [seen_by_moved_camera(room, shift, 0, 1) for shift in ((0, 0), (15, 0), (0, -12))]
    alignment = SampleAlignment([photograph(view, seed) for seed, view in enumerate(views)])
    assert alignment.follow(photograph(add_person(room, person_mask()), 9))
    for picture in alignment.pictures:
        assert misses(picture, room) < 0.01


def test_a_sample_in_which_nothing_is_found_follows_the_others_of_its_capture() -> None:
    room = furnished_room()
    frame = photograph(seen_by_moved_camera(room, (15, 6), 1, 1), 9)
    poor = photograph(np.asarray(cv2.GaussianBlur(room, (0, 0), 6), np.float32), 1)  # out of focus
    good = photograph(room, 2)
    assert not SampleAlignment([poor]).follow(frame)
    alignment = SampleAlignment([good, poor])
    assert alignment.follow(frame)
    assert all((a != b).any() for a, b in zip(alignment.pictures, (good, poor), strict=True))
    assert alignment.shift > 10


def test_shift_is_told_for_a_picture_512_wide() -> None:
    def half(picture: Picture) -> Picture:
        return np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)

    alignment = SampleAlignment([half(photograph(furnished_room(), 1))])
    assert alignment.follow(half(photograph(seen_by_moved_camera(furnished_room(), (20, 0), 0, 1), 2)))
    assert alignment.shift == pytest.approx(20, abs=1)


def test_what_the_camera_had_not_seen_stays_as_it_was() -> None:
    sample = photograph(furnished_room(), 1)
    alignment = SampleAlignment([sample])
    assert alignment.follow(photograph(seen_by_moved_camera(furnished_room(), (30, 0), 0, 1), 2))
    np.testing.assert_array_equal(alignment.pictures[0][:, :25], sample[:, :25])


def other_room() -> NDArray[np.float32]:
    return np.ascontiguousarray(furnished_room()[::-1, ::-1])


def room_with_a_moved_thing() -> NDArray[np.float32]:
    room = furnished_room()
    room[150:230, 320:400] = furnished_room()[150:230, 335:415]
    return room


@pytest.mark.parametrize(
    "scene", [other_room(), room_with_a_moved_thing(), np.full((HEIGHT, WIDTH, 3), 128, np.float32)]
)
def test_nothing_is_moved_where_nothing_tells(
    scene: NDArray[np.float32],
) -> None:
    alignment = SampleAlignment([photograph(furnished_room(), 1)])
    assert not alignment.follow(photograph(scene, 2))


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (2000, 20)])
def test_tiny_pictures_are_left_alone(size: tuple[int, int]) -> None:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    assert not SampleAlignment([picture]).follow(picture)
