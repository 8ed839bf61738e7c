"""Which pictures train and which only measure: written down here once, by person and by room.

- `portraits-test`, `captured` and `office` only ever measure.
- Rooms of one house stay together: the house is the number before the underscore.
- Signers were grouped by looking at every clip; a person's clips stay together.
- `people-full` and `people-half` hold few people twice, and then mostly next to each other: they are split in
  runs of consecutive numbers.
- Of pictures of one person on both sides, the training one is of no use (`KNOWN_TWICE`).
- The webcam clips show four people in one office: a woman's clips are held out, the others train. The room is
  the same in both.
- `people-upper` shows a few hired models again and again and the archive does not say who is who, so all of
  it trains and none of it measures.
"""

from __future__ import annotations

import zlib
from enum import StrEnum

HELD_OUT_SHARE = 10  # per cent

# Clips of one person each; the remaining clips train. 000 bearded man; 009, 015, 022 three women; 012, 013,
# 017 one man in black; 021 man in grey; 029 woman with long curls.
HELD_OUT_SIGNERS = frozenset({"000", "009", "012", "013", "015", "017", "021", "022", "029"})

# The woman in orange; the other clips show three men.
HELD_OUT_WEBCAM = frozenset({"book", "learn", "school", "walk"})

# The first four are the very photographs of portraits-test 00971, 01023, 01175 and 01179; 00345 and 00416
# show the people of its 00320 and 00523, 00878 and 0616 those of pictures that are held out. Found by
# comparing all.
KNOWN_TWICE = frozenset(
    {
        *(
            f"portraits-train/{name}"
            for name in ("00990", "01016", "00203", "01182", "00345", "00416", "00878")
        ),
        "people-full/0616",
    }
)

PEOPLE_SOURCES = ("portraits-train", "people-half", "people-full", "people-upper", "signers")
ROOM_SOURCES = ("rooms", "rooms-small")
MEASURE_ONLY_SOURCES = ("portraits-test", "captured", "office")

RUN_LENGTH = 25  # consecutive numbers that are split together


class Split(StrEnum):
    """What a picture may be used for."""

    TRAIN = "train"
    HELD_OUT = "held-out"
    UNUSED = "unused"


def group_of(source: str, name: str) -> str:
    """Return what must stay together: a person, a house, or a run of consecutive pictures.

    Args:
        source: The archive's name without `.tar`.
        name: The picture's name in it, without suffix.
    """
    if source in ("signers", "webcam"):
        return name.split("/", maxsplit=1)[0]
    if source == "rooms":
        return name.split("_", maxsplit=1)[0]
    if source in ("people-full", "people-half"):
        return str(int(name) // RUN_LENGTH)
    return name


def split_of(source: str, name: str) -> Split:
    """Return the split of a picture.

    The split depends on nothing but the group's name, so it never changes when pictures are added.
    """
    if source in MEASURE_ONLY_SOURCES:
        return Split.HELD_OUT
    if source == "people-upper":
        return Split.TRAIN
    if f"{source}/{name}" in KNOWN_TWICE:
        return Split.UNUSED
    group = group_of(source, name)
    if source == "signers":
        return Split.HELD_OUT if group in HELD_OUT_SIGNERS else Split.TRAIN
    if source == "webcam":
        return Split.HELD_OUT if group in HELD_OUT_WEBCAM else Split.TRAIN
    held_out = zlib.crc32(f"{source}/{group}".encode()) % 100 < HELD_OUT_SHARE
    return Split.HELD_OUT if held_out else Split.TRAIN
