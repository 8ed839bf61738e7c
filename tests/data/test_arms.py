"""Arms that are drawn onto people."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.data import arms as arms_module
from cleanplate.data.arms import UInt8, with_arms
from cleanplate.data.batches import open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split

SHIRT, FACE = (60, 120, 40), (110, 140, 200)


def figure() -> UInt8:
    """Somebody of whom head and trunk are seen."""
    picture = np.zeros((160, 90, 4), np.uint8)
    cv2.rectangle(picture, (10, 55), (80, 159), (*SHIRT, 255), -1)
    cv2.ellipse(picture, (45, 30), (18, 28), 0, 0, 360, (*FACE, 255), -1)
    return picture


def test_arms_are_added_and_the_person_stays() -> None:
    person = figure()
    wider = 0
    for seed in range(12):
        drawn = with_arms(np.random.default_rng(seed), person, frames=2)
        assert drawn is not None
        pictures, (side, top) = drawn
        for picture in pictures:
            assert picture.shape == (160 + top, 90 + 2 * side, 4)
            body = picture[top:, side : side + 90]
            assert (body[..., 3] >= person[..., 3]).all()
            added = (picture[..., 3] > 128).sum() - (person[..., 3] > 128).sum()
            wider += added > 300
    assert wider > 12  # a hand on the hip may hide before the body


def test_arms_wear_the_shirt_and_hands_the_face() -> None:
    sleeves, hands = [], []
    for seed in range(12):
        drawn = with_arms(np.random.default_rng(seed), figure(), frames=1)
        assert drawn is not None
        (picture,), (side, top) = drawn
        new = picture[..., 3] > 250
        new[top:, side : side + 90] &= figure()[..., 3] == 0
        colours = picture[new][:, :3].astype(int)
        # The shirt is the greener, the face the redder of the two, in any shade.
        sleeves.append((colours[:, 1] > 1.3 * colours[:, 2]).mean())
        hands.append((colours[:, 2] > 1.15 * colours[:, 1]).mean())
    assert np.mean(sleeves) > 0.2
    assert np.mean(hands) > 0.2
    assert np.mean(sleeves) + np.mean(hands) > 0.85


def test_arms_move(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(swing: float) -> int:
        monkeypatch.setattr(arms_module, "SWINGS", (swing,))
        drawn = with_arms(np.random.default_rng(2), figure(), frames=3)
        assert drawn is not None
        first, _, last = (picture[..., 3].astype(int) for picture in drawn[0])
        return int((np.abs(first - last) > 100).sum())

    assert changed(0) == 0
    assert changed(12) > 50


def test_the_same_numbers_draw_the_same_arms() -> None:
    first, second = (with_arms(np.random.default_rng(7), figure(), frames=2) for _ in range(2))
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first[0], second[0])


def test_nobody_gets_no_arms() -> None:
    assert with_arms(np.random.default_rng(0), np.zeros((50, 40, 4), np.uint8), frames=1) is None
    assert with_arms(np.random.default_rng(0), figure()[::8, ::8].copy(), frames=1) is None


def test_room_for_arms_does_not_move_the_person(tiny_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = open_maker(tiny_cache, Split.TRAIN, SceneOptions(arms=1, clips=0))

    def layers(enlarged: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        def enlarge(_: object, picture: UInt8, frames: int) -> tuple[list[UInt8], tuple[int, int]] | None:
            larger = np.pad(picture, ((9, 0), (14, 14), (0, 0)))
            return ([larger] * frames, (14, 9)) if enlarged else None

        monkeypatch.setattr("cleanplate.data.scenes.with_arms", enlarge)
        return np.stack([make._person(np.random.default_rng(seed), (64, 48), 2) for seed in range(6)])

    apart = np.abs(layers(enlarged=True) - layers(enlarged=False))
    assert apart.mean() < 1  # of 255: shrinking rounds another size
