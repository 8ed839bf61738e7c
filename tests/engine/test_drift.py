"""Drift through the whole engine: it must speak up when it should, and be silent else."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH, add_person, furnished_room, iou, person_mask, photograph

from cleanplate.engine.base import Stream
from cleanplate.engine.drift import CHECK_FRAMES, CONFIRMATIONS, FOLLOWED, MESSAGES, Drift
from cleanplate.engine.matting import create_engine

pytestmark = pytest.mark.slow  # films of many frames

SETTLED = CHECK_FRAMES * (CONFIRMATIONS + 1)


def new_stream() -> Stream:
    engine = create_engine("difference")
    engine.set_samples([photograph(furnished_room(), 1)])
    return engine.stream()


def moved(scene: NDArray[np.float32], x: float, y: float) -> NDArray[np.float32]:
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return np.asarray(
        cv2.warpAffine(scene, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def play(stream: Stream, scene: NDArray[np.float32], frames: int) -> Drift | None:
    pictures = [photograph(scene, seed) for seed in (2, 3)]
    for index in range(frames):
        drift = stream.process(pictures[index % 2]).drift
    return drift


def test_nothing_is_said_while_the_scene_stays() -> None:
    stream = new_stream()
    assert play(stream, furnished_room(), SETTLED) is None
    assert play(stream, add_person(furnished_room() * 0.9, person_mask()), SETTLED) is None


def test_moved_camera_is_followed() -> None:
    stream = new_stream()
    assert play(stream, add_person(furnished_room(), person_mask()), CHECK_FRAMES) is None
    # The room moves in the picture; the person does not.
    scene = add_person(moved(furnished_room(), 18, 10), person_mask())
    before = iou(stream.process(photograph(scene, 4)).alpha, person_mask())
    assert play(stream, scene, SETTLED) is FOLLOWED
    after = iou(stream.process(photograph(scene, 4)).alpha, person_mask())
    assert before < 0.8
    assert after > 0.9
    assert play(stream, add_person(furnished_room(), person_mask()), SETTLED) is None


def test_camera_that_moved_before_the_first_frame_is_followed() -> None:
    scene = add_person(moved(furnished_room(), -25, 6), person_mask())
    result = new_stream().process(photograph(scene, 4))
    assert iou(result.alpha, person_mask()) > 0.9
    assert result.drift is FOLLOWED


def test_each_picture_after_a_reset_is_followed_anew() -> None:
    stream = new_stream()
    for x, y in ((18, 10), (0, 0), (-20, 5)):
        stream.reset()
        scene = add_person(moved(furnished_room(), x, y), person_mask())
        assert iou(stream.process(photograph(scene, 4)).alpha, person_mask()) > 0.9


def test_another_light_is_reported_where_the_camera_is_followed_too() -> None:
    drift = play(new_stream(), moved(furnished_room(), 18, 10) * np.float32(0.35), SETTLED)
    assert drift is not None
    assert drift.message == MESSAGES["light"]
    assert drift.kind == "camera"  # the captured picture does not fit


def test_a_failure_while_the_camera_is_followed_is_met_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = new_stream()
    stream.process(photograph(furnished_room(), 2))
    scene = photograph(add_person(moved(furnished_room(), 18, 10), person_mask()), 4)

    def fail(*_: object) -> None:
        raise MemoryError

    def play_on() -> None:
        for _ in range(SETTLED):
            stream.process(scene)

    with monkeypatch.context() as patch:
        patch.setattr(stream, "_prepare", fail)
        with pytest.raises(MemoryError):
            play_on()
    assert iou(stream.process(scene).alpha, person_mask()) > 0.9


def test_moved_camera_is_reported_and_withdrawn_in_a_bare_room() -> None:
    room = np.full((HEIGHT, WIDTH, 3), (190, 200, 205), np.float32)
    room[:, 400:] = (170, 110, 60)
    room[230:] = (70, 80, 90)
    engine = create_engine("difference")
    engine.set_samples([photograph(room, 1)])
    stream = engine.stream()
    scene = add_person(room, person_mask())
    assert play(stream, scene, SETTLED) is None
    drift = play(stream, moved(scene, 14, -9), SETTLED)
    assert drift is not None
    assert drift.kind == "camera"
    assert "Capture it again" in drift.message
    assert play(stream, scene, SETTLED) is None


def test_an_empty_wall_tells_nothing() -> None:
    wall = np.full((HEIGHT, WIDTH, 3), (190, 200, 205), np.float32)
    engine = create_engine("difference")
    engine.set_samples([photograph(wall, 1)])
    assert play(engine.stream(), add_person(wall, person_mask()), SETTLED) is None


def test_changed_lamp_is_reported() -> None:
    drift = play(new_stream(), furnished_room() * np.array([0.6, 0.9, 1.1], np.float32), SETTLED)
    assert drift is not None
    assert drift.kind == "light"


def test_darkness_is_reported() -> None:
    drift = play(new_stream(), furnished_room() * np.float32(0.3), SETTLED)
    assert drift is not None
    assert drift.kind == "light"


def lit(side: float, colour: tuple[float, float, float]) -> NDArray[np.float32]:
    """The room with its left part, up to a share of the width, under another light (factors of B, G, R)."""
    room = furnished_room()
    room[:, : round(side * WIDTH)] *= np.array(colour, np.float32)
    return np.clip(room, 0, 255)


def test_a_lamp_that_lights_a_part_of_the_room_is_reported_and_withdrawn() -> None:
    stream = new_stream()
    drift = play(stream, add_person(lit(0.5, (1.6, 1.6, 1.6)), person_mask()), SETTLED)
    assert drift is not None
    assert drift.kind == "light"
    assert play(stream, add_person(furnished_room(), person_mask()), SETTLED) is None


def test_a_lamp_of_another_colour_is_reported() -> None:
    drift = play(new_stream(), lit(0.35, (0.6, 1.0, 1.4)), SETTLED)
    assert drift is not None
    assert drift.kind == "light"


def test_shadows_of_the_person_are_no_drift() -> None:
    scene = lit(0.15, (0.6, 0.6, 0.6))
    assert play(new_stream(), add_person(scene, person_mask()), SETTLED) is None


def test_a_hand_before_the_lens_for_half_a_second_is_no_drift() -> None:
    stream = new_stream()
    play(stream, furnished_room(), CHECK_FRAMES)
    assert play(stream, np.full((HEIGHT, WIDTH, 3), (90, 110, 160), np.float32), CHECK_FRAMES // 2) is None
    assert play(stream, furnished_room(), SETTLED) is None
