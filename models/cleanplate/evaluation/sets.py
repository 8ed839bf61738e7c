"""Reading the evaluation sets that `cleanplate data held-out` wrote.

SetError
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.imaging import decode_picture

UInt8 = NDArray[np.uint8]


class SetError(Exception):
    """An evaluation set is missing or unreadable; the message says what to do."""


@dataclass(frozen=True)
class Truth:
    """One frame and its true matte.

    Attributes:
        frame: uint8 [H, W, 3] BGR.
        pha: float32 [H, W], 0..1.
        valid: bool [H, W], where `pha` is known; None for everywhere.
    """

    frame: UInt8
    pha: NDArray[np.float32]
    valid: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Case:
    """One video, often of a single frame, with its background samples.

    Attributes:
        name: `SET/CASE`.
        folder: Where its pictures are.
    """

    name: str
    folder: Path

    def samples(self, count: int) -> list[UInt8]:
        """Return the first `count` background samples, or fewer if the case has fewer."""
        return [_read(path, cv2.IMREAD_COLOR) for path in sorted(self.folder.glob("sample*.png"))[:count]]

    def sample_count(self) -> int:
        """Return how many samples there are."""
        return len(list(self.folder.glob("sample*.png")))

    def truths(self) -> Iterator[Truth]:
        """Yield the frames in order.

        Raises:
            SetError: There are none, or one cannot be read.
        """
        paths = sorted(self.folder.glob("frame???.png"))
        if not paths:
            raise SetError(f"{self.folder} holds no frame: delete its set's folder and write the sets again")
        for path in paths:
            pha = _read(path.with_name(f"{path.stem}-pha.png"), cv2.IMREAD_GRAYSCALE)
            mask = path.with_name(f"{path.stem}-valid.png")
            valid = _read(mask, cv2.IMREAD_GRAYSCALE) > 0 if mask.is_file() else None
            yield Truth(_read(path, cv2.IMREAD_COLOR), (pha / 255).astype(np.float32), valid)


def set_names(folder: Path) -> list[str]:
    """Return the names of all sets in a folder.

    Raises:
        SetError: There are none.
    """
    names = sorted(path.name for path in folder.glob("[!.]*") if path.is_dir())  # hidden: half-written
    if not names:
        raise SetError(f"{folder} holds no evaluation sets: run `cleanplate data held-out` first")
    return names


def read_set(folder: Path) -> list[Case]:
    """Return the cases of one set.

    Raises:
        SetError: There are none.
    """
    cases = [Case(f"{folder.name}/{path.name}", path) for path in sorted(folder.glob("*")) if path.is_dir()]
    if not cases:
        raise SetError(f"{folder} holds no evaluation set: run `cleanplate data held-out` first")
    return cases


def _read(path: Path, mode: int) -> UInt8:
    again = "delete its set's folder and write the sets again"
    try:
        picture = decode_picture(path, mode)
    except OSError as error:
        raise SetError(f"{path} cannot be read ({error}): {again}") from error
    if picture is None:
        raise SetError(f"{path} cannot be read: {again}")
    return picture
