"""Packed pictures: one flat memory-mapped file and an index, so that a training step never decodes a JPEG."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.data.errors import SourceDamagedError, SourceMissingError

UInt8 = NDArray[np.uint8]


class Entry(NamedTuple):
    """Where a picture lies in the flat file.

    Attributes:
        name: `SOURCE/NAME`.
        offset: Bytes from the start.
        shape: Height, width, channels.
    """

    name: str
    offset: int
    shape: tuple[int, int, int]


class PictureStore:
    """Read-only, random access to the pictures of one packed file."""

    def __init__(self, path: Path) -> None:
        """Open `path` (`*.u8`) and the index beside it (`*.json`).

        Raises:
            SourceMissingError: Either file is missing.
            SourceDamagedError: The index does not fit the file.
        """
        index = path.with_suffix(".json")
        if not path.is_file() or not index.is_file():
            raise SourceMissingError(f"{path} is not packed yet: run `cleanplate data pack` first")
        self.entries = [
            Entry(name, offset, (shape[0], shape[1], shape[2]))
            for name, offset, shape in json.loads(index.read_text(encoding="utf-8"))
        ]
        self._bytes = np.memmap(path, np.uint8, "r")
        last = self.entries[-1] if self.entries else Entry("", 0, (0, 0, 0))
        if last.offset + int(np.prod(last.shape)) != self._bytes.size:
            raise SourceDamagedError(f"{path} does not fit its index: delete both and pack again")

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, position: int) -> UInt8:
        entry = self.entries[position]
        size = int(np.prod(entry.shape))
        return self._bytes[entry.offset : entry.offset + size].reshape(entry.shape)


def write_store(path: Path, pictures: Iterable[tuple[str, UInt8]]) -> int:
    """Write pictures (uint8 HxWxC) to `path` and their index beside it; return how many.

    The index is written last: a store without one is unfinished.
    """
    entries: list[Entry] = []
    offset = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)
    with path.open("wb") as file:
        for name, picture in pictures:
            height, width, channels = picture.shape
            entries.append(Entry(name, offset, (height, width, channels)))
            offset += file.write(np.ascontiguousarray(picture).tobytes())
    path.with_suffix(".json").write_text(json.dumps(entries), encoding="utf-8")
    return len(entries)
