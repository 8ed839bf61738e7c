"""Pack the archives once into stores of small pictures, with the foreground colours estimated.

Three stores per split: `people` (cut-out person: estimated foreground BGR and alpha, cropped to the person),
`stills` (whole picture: BGR and alpha) and `rooms` (BGR).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pymatting import estimate_foreground_ml

from cleanplate.data.sources import Picture, read_archive
from cleanplate.data.splits import PEOPLE_SOURCES, ROOM_SOURCES, Split, split_of
from cleanplate.data.store import PictureStore, write_store

UInt8 = NDArray[np.uint8]

LONG_SIDE = 320  # px, of people and stills
ROOM_LONG_SIDE = 416  # px
STILL_SOURCES = (
    "portraits-train",
    "people-half",
    "people-full",
)  # the others' own backgrounds are plain walls
CLIP_SOURCE = "signers"
SMALLEST_PERSON = 0.04  # share of the picture; crowds and distant walkers are of no use at a webcam
EDGE_EROSION = 3  # px; a hand-made mask's rim still shows the old background


def pack(data: Path, cache: Path, split: Split, progress: Callable[[str], None]) -> None:
    """Build the three stores of one split.

    Args:
        data: The folder of the archives.
        cache: Where the stores go: `people-SPLIT.u8`, `stills-SPLIT.u8`, `rooms-SPLIT.u8`.
        split: Which pictures.
        progress: Told a line after each store.

    Raises:
        DataError: An archive is missing or damaged.
    """
    for kind, pictures in (
        ("rooms", _rooms(data, split)),
        ("stills", _stills(data, split)),
        ("people", _people(data, split)),
    ):
        count = write_store(store_path(cache, kind, split), pictures)
        progress(f"{kind} {split}: {count} pictures")


def store_path(cache: Path, kind: str, split: Split) -> Path:
    """Return where the store `people`, `stills` or `rooms` of a split lies."""
    return cache / f"{kind}-{split}.u8"


def open_store(cache: Path, kind: str, split: Split) -> PictureStore:
    """Open a packed store; see `store_path`."""
    return PictureStore(store_path(cache, kind, split))


def cut_out(picture: Picture) -> UInt8 | None:
    """Return the person alone, cropped to it, or None if it is too small.

    Returns:
        uint8 HxWx4: estimated foreground BGR, and alpha.

    The colours under a soft or careless edge belong partly to the old background. They are replaced by the
    foreground estimated with multi-level solving (Germer et al. 2020, as in pymatting), outwards from the
    mask's eroded inside.
    """
    assert picture.pha is not None
    bgr, pha = _shrink(picture.bgr, LONG_SIDE), _shrink(picture.pha, LONG_SIDE)
    if pha.mean() < SMALLEST_PERSON * 255:
        return None
    left, top, width, height = cv2.boundingRect((pha > 8).astype(np.uint8))
    region = np.s_[top : top + height, left : left + width]
    inside = cv2.erode(pha, np.ones((EDGE_EROSION, EDGE_EROSION), np.uint8))[region]
    bgr, pha = bgr[region], pha[region]
    colours = estimate_foreground_ml(bgr / 255.0, inside / 255.0)
    fgr = np.clip(colours * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.dstack([fgr, pha])


def _people(data: Path, split: Split) -> Iterator[tuple[str, UInt8]]:
    for name, picture in _with_split(data, PEOPLE_SOURCES, split):
        person = cut_out(picture)
        if person is not None:
            yield name, person


def _stills(data: Path, split: Split) -> Iterator[tuple[str, UInt8]]:
    for name, picture in _with_split(data, STILL_SOURCES, split):
        assert picture.pha is not None
        yield name, np.dstack([_shrink(picture.bgr, LONG_SIDE), _shrink(picture.pha, LONG_SIDE)])


def _rooms(data: Path, split: Split) -> Iterator[tuple[str, UInt8]]:
    for name, picture in _with_split(data, ROOM_SOURCES, split):
        yield name, _shrink(picture.bgr, ROOM_LONG_SIDE)


def _with_split(data: Path, sources: tuple[str, ...], split: Split) -> Iterator[tuple[str, Picture]]:
    for source in sources:
        for picture in read_archive(data / f"{source}.tar"):
            if split_of(source, picture.name) is split:
                yield f"{source}/{picture.name}", picture


def _shrink(picture: UInt8, long_side: int) -> UInt8:
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return picture
    size = (round(width * scale), round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
