"""Reading and writing pictures, one file each."""

import re
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.imaging import decode_picture
from cleanplate.offline.errors import InputError, OutputError
from cleanplate.offline.folders import make_folders, remove_empty
from cleanplate.offline.frames import Frame, Report

PICTURE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

ALPHA_ENDINGS = frozenset({".png", ".tif", ".tiff", ".webp"})
"""Those of them that can hold transparency."""

PNG_LEVEL = 1
"""zlib level of the PNGs: higher ones take several times as long to save a tenth."""


def is_picture(path: Path) -> bool:
    """Whether a file's ending is that of a picture."""
    return path.suffix.lower() in PICTURE_ENDINGS


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, by `counting_order`; sub-folders and other files are left out."""
    pictures = (path for path in folder.iterdir() if path.is_file() and is_picture(path))
    return sorted(pictures, key=counting_order)


def counting_order(path: Path) -> list[tuple[str, int]]:
    """Sorts names as people count: frame2 before frame10."""
    parts = re.findall("([^0-9]*)([0-9]*)", str(path.with_suffix("")))
    return [(text, int(digits or -1)) for text, digits in parts]


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture, turned upright as its EXIF data says.

    Returns:
        uint8 [H, W, 3] BGR.

    Raises:
        InputError: the file is missing or no picture.
    """
    try:
        picture = decode_picture(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}). Check the path.") from error
    if picture is None:
        raise InputError(f"{path} is damaged or no picture. Leave it out or convert it to PNG.")
    return picture


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture in the format of its ending, all or nothing.

    Args:
        path: ending in one of `PICTURE_ENDINGS`.
        picture: uint8 [H, W], [H, W, 3] BGR or [H, W, 4] BGRA.

    Raises:
        OutputError: the ending is unknown, or the folder cannot be written.
    """
    try:
        options = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL] if path.suffix.lower() == ".png" else []
        good, data = cv2.imencode(path.suffix, picture, options)
    except cv2.error as error:
        raise OutputError(f"{path} cannot be written ({error.err}). Let its name end in .png.") from error
    if not good:  # WebP holds up to 16383 pixels a side, JPEG up to 65500
        height, width = picture.shape[:2]
        raise OutputError(
            f"{path} cannot be written: {width}x{height} is too large for {path.suffix}. "
            "Let its name end in .png."
        )
    write_file(path, data.tobytes())


def write_file(path: Path, content: bytes) -> None:
    """Write a file, all or nothing.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written ({error}). Check the folder and the disk.") from error


class PictureSource:
    """Pictures from files: unrelated ones, or the frames of a film.

    Args:
        paths: the files; of a sequence in any order: they are counted through.
        sequence: they are frames of one film by a fixed camera, `rate` per second.
        rate: frames per second.

    Raises:
        InputError: there are none, or two of them would have the same name in the output.
    """

    def __init__(self, paths: list[Path], *, sequence: bool = False, rate: Fraction = Fraction(30)) -> None:
        if not paths:
            raise InputError("There is no picture in the input. Give PNG or JPEG files or a folder of them.")
        by_stem: dict[str, Path] = {}
        for path in paths:
            if path.stem in by_stem:
                raise InputError(f"{by_stem[path.stem]} and {path} have the same name. Rename one of them.")
            by_stem[path.stem] = path
        self.paths: Sequence[Path] = sorted(paths, key=counting_order) if sequence else paths
        self._sequence = sequence
        self.count: int | None = len(paths)
        self.rate = rate
        self.time_base = 1 / rate
        self.fixed_camera = sequence
        height, width = self._first_readable().shape[:2]
        self.size = (width, height)

    @classmethod
    def of_folder(
        cls, folder: Path, *, sequence: bool = False, rate: Fraction = Fraction(30)
    ) -> "PictureSource":
        """All pictures in a folder, by `counting_order`."""
        paths = pictures_in(folder)
        if not paths:
            raise InputError(f"There is no picture in {folder}. Give a folder with PNG or JPEG files.")
        return cls(paths, sequence=sequence, rate=rate)

    def _first_readable(self) -> NDArray[np.uint8]:
        for path in self.paths[:-1]:
            try:
                return read_picture(path)
            except InputError:
                continue
        return read_picture(self.paths[-1])

    def frames(self, report: Report) -> Generator[Frame]:
        """All pictures in order; one that cannot be read is reported and left out."""
        first = True
        for number, path in enumerate(self.paths):
            try:
                picture = read_picture(path)
            except InputError as error:
                report(str(error))
                continue
            yield Frame(picture, path.stem, number * self.time_base, fresh=first or not self._sequence)
            first = False

    def spread(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """About `count` of the readable pictures, from first to last."""
        step = max(1, len(self.paths) // count)
        for path in self.paths[::step]:
            try:
                yield read_picture(path)
            except InputError:
                continue


TIMES = "frames.ffconcat"
"""Beside the pictures of a film: their times, for FFmpeg's concat demuxer (`ffmpeg -safe 0 -i ...`)."""

TICKS = 90_000
"""A second; FFmpeg takes pictures as 1/25 s long and their times as multiples of that, unless told a rate."""


class PictureSink:
    """Writes each frame to a file of its own; the folder is made with the first one.

    Args:
        folder: where to.
        ending: of the files.
        name: of the one file, without ending, where there is only one frame; else each has its frame's name.
        last_seconds: for the frames of a film, how long the last one is shown: the times of all are written
            beside them, for a folder of pictures has none. None for pictures that are no film.

    Attributes:
        alpha: whether the files can hold transparency.

    Raises:
        OutputError: the ending is no picture's.
    """

    def __init__(
        self,
        folder: Path,
        ending: str = ".png",
        name: str | None = None,
        last_seconds: Fraction | None = None,
    ) -> None:
        if ending.lower() not in PICTURE_ENDINGS:
            raise OutputError(f"Pictures cannot be written as '{ending}'. Let the output's name end in .png.")
        self.alpha = ending.lower() in ALPHA_ENDINGS
        self._folder = folder
        self._ending = ending
        self._name = name
        self._last_seconds = last_seconds
        self._made: list[Path] | None = None
        self._written: list[tuple[str, Fraction]] = []

    def write(self, frame: Frame, picture: NDArray[np.uint8]) -> None:
        """Write one picture.

        Raises:
            OutputError: the folder cannot be made, or the disk is full.
        """
        if self._made is None:
            self._made = make_folders(self._folder)
        name = f"{self._name or frame.name}{self._ending}"
        write_picture(self._folder / name, picture)
        if self._last_seconds is not None:
            self._written.append((name, frame.time))

    def close(self) -> None:
        """Write the times, if these are the frames of a film.

        Raises:
            OutputError: the disk is full.
        """
        if self._last_seconds is None or not self._written:
            return
        ends = [time for _, time in self._written[1:]] + [self._written[-1][1] + self._last_seconds]
        lines = ["ffconcat version 1.0", f"# ffmpeg -safe 0 -i {TIMES}"]
        for (name, time), end in zip(self._written, ends, strict=True):
            quoted = name.replace("'", r"'\''")
            lines += [f"file '{quoted}'", f"option framerate {TICKS}", f"duration {float(end - time):.6f}"]
        write_file(self._folder / TIMES, "\n".join([*lines, ""]).encode())

    def abandon(self) -> None:
        """Leave no folder without pictures; every picture is complete."""
        remove_empty(self._made or ())
