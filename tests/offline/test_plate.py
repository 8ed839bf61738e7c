import weakref
from collections.abc import Iterator

import numpy as np
from clips import Picture, RedEngine, room, scene

from cleanplate.offline.plate import plate_of_video

WIDTH, HEIGHT = 512, 288


class BlindEngine(RedEngine):
    """Cannot tell where the person is without samples."""

    needs_samples = True


def walking(count: int) -> list[Picture]:
    return [scene(4 * number, WIDTH, HEIGHT) for number in range(count)]


def standing(count: int) -> list[Picture]:
    return count * [scene(0, WIDTH, HEIGHT)]


def detailed_room() -> Picture:
    noise = np.random.default_rng(0).integers(0, 60, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    return room(WIDTH, HEIGHT) + np.kron(noise, np.ones((8, 8, 1), np.uint8))


def test_the_room_behind_a_walker_is_found() -> None:
    for engine in (RedEngine(), BlindEngine()):
        plate = plate_of_video([*walking(32), *8 * [room(WIDTH, HEIGHT)]], engine)
        assert plate is not None
        assert np.abs(plate.astype(int) - room(WIDTH, HEIGHT)).mean() < 0.5


def test_a_network_sees_the_room_that_is_seldom_empty() -> None:
    pictures = standing(24) + 3 * [room(WIDTH, HEIGHT)]
    plate = plate_of_video(pictures, RedEngine())
    assert plate is not None
    assert np.abs(plate.astype(int) - room(WIDTH, HEIGHT)).mean() < 0.5


def test_large_pictures_are_not_kept() -> None:
    kept: list[weakref.ref[Picture]] = []

    def large() -> Iterator[Picture]:
        for number in range(16):
            picture = scene(32 * number, 4 * WIDTH, 4 * HEIGHT)
            kept.append(weakref.ref(picture))
            yield picture
            del picture
            assert sum(reference() is not None for reference in kept) <= 1

    assert plate_of_video(large(), RedEngine()) is not None


def test_a_person_who_stands_still_leaves_no_estimate() -> None:
    assert plate_of_video(standing(24), RedEngine()) is None


def test_a_moving_camera_leaves_no_estimate() -> None:
    pictures = [np.roll(detailed_room(), 5 * number, axis=1) for number in range(24)]
    assert plate_of_video(pictures, RedEngine()) is None
    assert plate_of_video(24 * [detailed_room()], RedEngine()) is not None


def test_a_few_pictures_leave_no_estimate() -> None:
    assert plate_of_video(walking(4), RedEngine()) is None
