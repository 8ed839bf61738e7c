"""The splits: nobody and no house on both sides."""

import tarfile
from pathlib import Path

import pytest

from cleanplate.data.splits import (
    HELD_OUT_SIGNERS,
    KNOWN_TWICE,
    MEASURE_ONLY_SOURCES,
    PEOPLE_SOURCES,
    ROOM_SOURCES,
    Split,
    group_of,
    split_of,
)

ARCHIVES = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("source", [*PEOPLE_SOURCES, *ROOM_SOURCES])
def test_no_group_is_in_both_splits(source: str) -> None:
    path = ARCHIVES / f"{source}.tar"
    if not path.is_file():
        pytest.skip("the data archives are not beside the project")
    with tarfile.open(path) as archive:
        names = {member.name.removesuffix(".jpg") for member in archive if member.name.endswith(".jpg")}
    groups = {
        split: {group_of(source, name) for name in names if split_of(source, name) is split}
        for split in Split
    }
    assert not groups[Split.TRAIN] & groups[Split.HELD_OUT]
    assert groups[Split.TRAIN]
    if source != "people-upper":
        share = len(groups[Split.HELD_OUT]) / (len(groups[Split.TRAIN]) + len(groups[Split.HELD_OUT]))
        assert 0.03 < share < 0.25


@pytest.mark.parametrize("source", MEASURE_ONLY_SOURCES)
def test_evaluation_archives_never_train(source: str) -> None:
    assert {split_of(source, f"{index:04}") for index in range(300)} == {Split.HELD_OUT}


def test_people_known_from_both_sides_are_unused() -> None:
    unused = {name for name in KNOWN_TWICE if split_of(*name.split("/")) is Split.UNUSED}
    assert unused == KNOWN_TWICE
    assert (
        split_of("portraits-train", "00898") is Split.HELD_OUT
    )  # its other picture, 00878, would have trained
    assert split_of("people-full", "0223") is Split.HELD_OUT


def test_rooms_of_a_house_stay_together() -> None:
    for house in range(60):
        assert len({split_of("rooms", f"{house}_{room}") for room in ("bathroom", "bedroom", "kitchen")}) == 1


def test_a_signers_clips_stay_together() -> None:
    assert {"012", "013", "017"} <= HELD_OUT_SIGNERS  # one man in black
    assert not {"002", "003", "006", "008", "010"} & HELD_OUT_SIGNERS  # one woman with a headscarf
    assert split_of("signers", "012/07") is Split.HELD_OUT
    assert split_of("signers", "033/07") is Split.TRAIN


def test_webcam_people_stay_together() -> None:
    """Seen in the clips: a woman in orange, a man in grey, a man in a dark hooded jumper, a man in plaid."""
    woman = ("book", "learn", "school", "walk")
    men = ("bird", "milk", "please", "again", "brother", "help", "want", "hungry")
    assert {split_of("webcam", f"{clip}/000") for clip in woman} == {Split.HELD_OUT}
    assert {split_of("webcam", clip) for clip in men} == {Split.TRAIN}


def test_neighbouring_numbers_stay_together() -> None:
    assert len({split_of("people-full", f"{number:04}") for number in range(50, 75)}) == 1
