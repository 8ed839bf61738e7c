"""Reading the archives of pictures and masks.

Each archive is a plain tar of `NAME.jpg` and, where there is a mask, `NAME.png` of the same size. The
archives live beside the project (`../shared/data`) and are never part of it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.data.errors import SourceDamagedError, SourceMissingError

UInt8 = NDArray[np.uint8]


class Picture(NamedTuple):
    """One picture of an archive.

    Attributes:
        name: Its path in the archive without the suffix, as `012/05` or `37_kitchen`.
        bgr: uint8 HxWx3.
        pha: uint8 HxW, 0 background to 255 person, or None where the archive has no mask for it.
    """

    name: str
    bgr: UInt8
    pha: UInt8 | None

    def mask(self) -> UInt8:
        """Return the mask of a picture from an archive that has one for each."""
        assert self.pha is not None
        return self.pha


def read_archive(path: Path) -> Iterator[Picture]:
    """Yield the pictures of an archive in the order of their names.

    Args:
        path: A tar of `NAME.jpg` and `NAME.png` files.

    Yields:
        One `Picture` per JPEG; the mask is None where there is no PNG of that name.

    Raises:
        SourceMissingError: There is no such archive.
        SourceDamagedError: It is no tar, or a picture in it cannot be decoded or differs in size from its
            mask.
    """
    if not path.is_file():
        raise SourceMissingError(f"{path} does not exist: put the data archives there, or name their folder")
    try:
        with tarfile.open(path) as archive:
            members = {member.name: member for member in archive.getmembers() if member.isfile()}
            for name in sorted(member for member in members if member.endswith(".jpg")):
                stem = name.removesuffix(".jpg")
                bgr = _decode(archive, members[name], cv2.IMREAD_COLOR)
                mask = members.get(stem + ".png")
                pha = None if mask is None else _decode(archive, mask, cv2.IMREAD_GRAYSCALE)
                if pha is not None and pha.shape != bgr.shape[:2]:
                    raise SourceDamagedError(f"{path}: {stem}.png differs in size from {name}")
                yield Picture(stem, bgr, pha)
    except tarfile.TarError as error:
        raise SourceDamagedError(
            f"{path} cannot be read as a tar archive ({error}): fetch it again"
        ) from error


def _decode(archive: tarfile.TarFile, member: tarfile.TarInfo, mode: int) -> UInt8:
    file = archive.extractfile(member)
    encoded = np.frombuffer(file.read() if file else b"", np.uint8)
    picture = cv2.imdecode(encoded, mode) if encoded.size else None
    if picture is None:
        raise SourceDamagedError(f"{member.name} of the archive cannot be decoded: fetch the archive again")
    return picture.astype(np.uint8, copy=False)
