"""Pack the archives once into stores of small pictures, with the foreground colours estimated.

Four stores per split: `people` (cut-out person: estimated foreground BGR and alpha, cropped to the person, or
to all places where a clip's person is), `stills` (whole picture: BGR and alpha), `rooms` (BGR) and `webcam`
(the empty office first, then whole frames: BGR and alpha).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pymatting import estimate_foreground_ml

from cleanplate.data.sources import Picture, read_archive
from cleanplate.data.splits import PEOPLE_SOURCES, ROOM_SOURCES, Split, split_of
from cleanplate.data.store import PictureStore, write_store
from cleanplate.data.webcam import Webcam

UInt8 = NDArray[np.uint8]

LONG_SIDE = 320  # px, of people and stills
ROOM_LONG_SIDE = 416  # px
STILL_SOURCES = (
    "portraits-train",
    "people-half",
    "people-full",
)  # the others' own backgrounds are plain walls
CLIP_SOURCES = ("signers", "webcam")  # of successive frames, SOURCE/CLIP/FRAME
PLATE = "webcam/plate"
SMALLEST_PERSON = 0.04  # share of the picture; crowds and distant walkers are of no use at a webcam
EDGE_EROSION = 3  # px; a hand-made mask's rim still shows the old background


def pack(data: Path, cache: Path, split: Split, progress: Callable[[str], None]) -> None:
    """Build the four stores of one split.

    Args:
        data: The folder of the archives.
        cache: Where the stores go: `people-SPLIT.u8`, `stills-SPLIT.u8` and so on.
        split: Which pictures.
        progress: Told a line after each store.

    Raises:
        DataError: An archive is missing or damaged.
    """
    office, *clips = read_webcam(data, split)
    for kind, pictures in (
        ("rooms", _rooms(data, split)),
        ("stills", _stills(data, split)),
        ("webcam", _whole([office, *clips])),
        ("people", _people(data, clips, split)),
    ):
        count = write_store(store_path(cache, kind, split), pictures)
        progress(f"{kind} {split}: {count} pictures")


def store_path(cache: Path, kind: str, split: Split) -> Path:
    """Return where the store `people`, `stills`, `rooms` or `webcam` of a split lies."""
    return cache / f"{kind}-{split}.u8"


def open_store(cache: Path, kind: str, split: Split) -> PictureStore:
    """Open a packed store; see `store_path`."""
    return PictureStore(store_path(cache, kind, split))


def read_webcam(data: Path, split: Split) -> Iterator[Picture]:
    """Yield the empty office (`PLATE`, with an empty mask), then the frames of a split's webcam clips."""
    webcam = Webcam(data)
    plate = webcam.plate()
    yield Picture(PLATE, plate, np.zeros(plate.shape[:2], np.uint8))
    for clip in webcam.clips:
        if split_of("webcam", clip.name) is split:
            mattes = webcam.mattes(clip, plate)
            for index, (frame, pha) in enumerate(zip(clip.frames, mattes, strict=True)):
                yield Picture(f"webcam/{clip.name}/{index:03}", frame, pha)


def cut_out(pictures: Sequence[Picture]) -> list[UInt8]:
    """Return the person alone, cropped to all places where the pictures show it; nothing if it is too small.

    Args:
        pictures: Frames of one clip, or one picture, with masks.

    Returns:
        uint8 HxWx4 each: estimated foreground BGR, and alpha. A clip's have one size, so that the person
        moves in them as in the clip.

    The colours under a soft or careless edge belong partly to the old background. They are replaced by the
    foreground estimated with multi-level solving (Germer et al. 2020, as in pymatting), outwards from the
    mask's eroded inside.
    """
    small = [(_shrink(picture.bgr, LONG_SIDE), _shrink(picture.mask(), LONG_SIDE)) for picture in pictures]
    if np.mean([pha.mean() for _, pha in small]) < SMALLEST_PERSON * 255:
        return []
    anywhere = np.max([pha for _, pha in small], axis=0) > 8
    left, top, width, height = cv2.boundingRect(anywhere.astype(np.uint8))
    region = np.s_[top : top + height, left : left + width]
    people = []
    for bgr, pha in small:
        inside = cv2.erode(pha, np.ones((EDGE_EROSION, EDGE_EROSION), np.uint8))[region]
        colours = estimate_foreground_ml(bgr[region] / 255.0, inside / 255.0)
        people.append(np.dstack([np.clip(colours * 255 + 0.5, 0, 255).astype(np.uint8), pha[region]]))
    return people


def _people(data: Path, webcam: Sequence[Picture], split: Split) -> Iterator[tuple[str, UInt8]]:
    pictures = chain(_with_split(data, PEOPLE_SOURCES, split), webcam)
    for _, group in groupby(pictures, key=lambda picture: clip_of(picture.name) or picture.name):
        same = list(group)
        yield from zip((picture.name for picture in same), cut_out(same), strict=False)


def clip_of(name: str) -> str | None:
    """Return the clip to which a packed picture belongs, as `signers/000`, or None for a single picture."""
    source, _, rest = name.partition("/")
    return f"{source}/{rest.split('/')[0]}" if source in CLIP_SOURCES else None


def _stills(data: Path, split: Split) -> Iterator[tuple[str, UInt8]]:
    return _whole(_with_split(data, STILL_SOURCES, split))


def _whole(pictures: Iterable[Picture]) -> Iterator[tuple[str, UInt8]]:
    for picture in pictures:
        yield (
            picture.name,
            np.dstack([_shrink(picture.bgr, LONG_SIDE), _shrink(picture.mask(), LONG_SIDE)]),
        )


def _rooms(data: Path, split: Split) -> Iterator[tuple[str, UInt8]]:
    for picture in _with_split(data, ROOM_SOURCES, split):
        yield picture.name, _shrink(picture.bgr, ROOM_LONG_SIDE)


def _with_split(data: Path, sources: tuple[str, ...], split: Split) -> Iterator[Picture]:
    """Yield the pictures of a split, named `SOURCE/NAME`."""
    for source in sources:
        for picture in read_archive(data / f"{source}.tar"):
            if split_of(source, picture.name) is split:
                yield picture._replace(name=f"{source}/{picture.name}")


def _shrink(picture: UInt8, long_side: int) -> UInt8:
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return picture
    size = (round(width * scale), round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
