"""Background samples on disk: one folder a filter, lossless pictures and a list of them.

A sample is a PNG (captured here) or a copy of a picture that the user chose. ``samples.json`` lists them in
order, oldest first, with their time and size. Every file is written beside its place and moved there, so a
crash leaves the old state or the new one. A damaged file is renamed to ``NAME.damaged``, reported, and kept
until the user deletes all; one that cannot be read just now, as while another program holds it, is reported
and left alone.
"""

import contextlib
import json
import os
import shutil
import struct
import time
import zlib
from pathlib import Path
from typing import Iterable, List, NamedTuple, Optional, Set

SAMPLE_KINDS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")  # of pictures that both libobs and the worker read

_LIST = "samples.json"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_RGBA = struct.pack(">BBBBB", 8, 6, 0, 0, 0)  # depth, colour type, compression, filter, interlace
_COMPRESSION = 1  # zlib's fastest: a 1080p sample takes a tenth of a second


class SampleError(Exception):
    """A background sample could not be kept; the message says what to do."""


class Sample(NamedTuple):
    """One background sample: file name in the folder, UTC time of capture (ISO 8601), size in pixels."""

    file: str
    captured: str
    width: int
    height: int


class SampleStore:
    """The samples in one folder. Not for the graphics thread: every method may touch the disk.

    Args:
        folder: Where they are.
        repair: Whether damaged files are set aside and the list made anew. Not in the folder of another
            filter, which may be changing it just now.

    Attributes:
        problems: What could not be used when the folder was read, in words for the user; the owner clears it
            when the user has done what it says.

    Raises:
        SampleError: The list of samples cannot be read just now.
    """

    def __init__(self, folder: Path, *, repair: bool = True) -> None:
        self.folder = folder
        self._repair = repair
        self.problems: List[str] = []
        self._listed: List[Sample] = []
        self._unread: Set[str] = set()  # files in the list that could not be read
        self._read()

    @property
    def samples(self) -> List[Sample]:
        """The samples at hand, oldest first."""
        return [sample for sample in self._listed if sample.file not in self._unread]

    def paths(self) -> List[str]:
        """Absolute paths of the samples, oldest first."""
        return [str(self.folder / sample.file) for sample in self.samples]

    def add_pixels(self, rgba: bytes, width: int, height: int) -> Sample:
        """Keep a captured picture.

        Args:
            rgba: Pixels, four bytes each (red, green, blue, alpha), rows from the top without padding.
            width: In pixels.
            height: In pixels.

        Returns:
            The sample, as for `drop`.

        Raises:
            SampleError: The picture could not be written.
        """
        return self._add(_encode_png(rgba, width, height), ".png", width, height)

    def add_file(self, path: Path, width: int, height: int, captured: Optional[str] = None) -> None:
        """Keep a copy of a picture file, bit for bit.

        Args:
            path: A picture that libobs has already decoded.
            width: Its size, in pixels.
            height: Its size, in pixels.
            captured: The time of its capture, as in `Sample`; None for now.

        Raises:
            SampleError: The picture could not be read or the copy not be written.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SampleError(f"Cannot read {path}: {error.strerror}. Choose another picture.") from error
        self._add([content], path.suffix.lower(), width, height, captured)

    def keep_newest(self, count: int) -> None:
        """Forget and delete all but the newest `count` samples; with 0 also what was set aside.

        Raises:
            SampleError: The list could not be written, and nothing is deleted; or a file cannot be deleted.
        """
        set_aside = self.folder.glob("*.damaged") if count == 0 else ()
        self.drop(self._listed[: max(0, len(self._listed) - count)], set_aside)

    def drop(self, samples: Iterable[Sample], files: Iterable[Path] = ()) -> None:
        """Forget and delete some samples, and delete other files besides.

        Raises:
            SampleError: As for `keep_newest`.
        """
        gone = set(samples) & set(self._listed)
        if gone:
            self._write_list([sample for sample in self._listed if sample not in gone])
        _delete([*(self.folder / sample.file for sample in gone), *files])

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._listed = []

    def _add(
        self, content: List[bytes], suffix: str, width: int, height: int, captured: Optional[str] = None
    ) -> Sample:
        now = time.time_ns()
        while True:
            added = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now // 10**9))
            path = self.folder / f"{added.replace(':', '')}-{now % 10**9:09d}{suffix}"
            if not path.exists():
                break
            now += 1  # Windows' clock stands still for 16 ms at a time
        sample = Sample(path.name, captured or added, width, height)
        _write_atomically(path, content)
        try:
            self._write_list([*self._listed, sample])
        except SampleError:
            with contextlib.suppress(OSError):  # or it would come back when the list is lost
                path.unlink()
            raise
        return sample

    def _write_list(self, samples: List[Sample]) -> None:
        content = {"version": 1, "samples": [sample._asdict() for sample in samples]}
        _write_atomically(self.folder / _LIST, [json.dumps(content, indent=1).encode()])
        self._listed = samples

    def _read(self) -> None:
        path = self.folder / _LIST
        try:
            listed = _parse_list(path.read_bytes())
        except FileNotFoundError:
            return
        except OSError as error:
            raise SampleError(
                f"Cannot read {path}: {error.strerror}. Close what holds it and restart OBS."
            ) from error
        except ValueError as error:
            self._set_aside(path, str(error))
            listed = self._found_pictures()
        for sample in listed:
            picture = self.folder / sample.file
            try:
                _check_picture(picture)
            except FileNotFoundError:
                self.problems.append(f"{sample.file} is missing. Capture the background again.")
                continue
            except ValueError as error:
                self._set_aside(picture, str(error))
                continue
            except OSError as error:
                self._unread.add(sample.file)
                self.problems.append(
                    f"{picture} cannot be read ({error.strerror}): it is not used until OBS restarts."
                )
            self._listed.append(sample)
        # What was found is found the next time too, and what is gone is reported once.
        if self.problems and self._repair:
            with contextlib.suppress(SampleError):
                self._write_list(self._listed)

    def _found_pictures(self) -> List[Sample]:
        """The captured pictures in the folder, for when their list is lost."""
        found = []
        for picture in sorted(self.folder.glob("*.png")):
            try:
                with picture.open("rb") as file:
                    head = file.read(24)
            except OSError:
                continue
            if head[:8] == _PNG_SIGNATURE and len(head) == 24:
                width, height = struct.unpack(">II", head[16:24])
                found.append(Sample(picture.name, picture.name[:17] + "Z", width, height))
        return found

    def _set_aside(self, path: Path, reason: str) -> None:
        self.problems.append(
            f"{path.name} is damaged ({reason}) and was set aside. Capture the background again."
        )
        if self._repair:
            with contextlib.suppress(OSError):  # it is read-only: it is not used all the same
                path.replace(path.with_name(path.name + ".damaged"))


def _parse_list(content: bytes) -> List[Sample]:
    try:
        entries = json.loads(content)["samples"]
        samples = [
            Sample(str(entry["file"]), str(entry["captured"]), int(entry["width"]), int(entry["height"]))
            for entry in entries
        ]
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError("not a list of samples") from error
    for sample in samples:
        if sample.file in ("", "..") or Path(sample.file).name != sample.file or "\0" in sample.file:
            raise ValueError("a sample lies outside its folder")
    return samples


def _check_picture(path: Path) -> None:
    """Raise ValueError or OSError unless the file is whole, as far as that shows without decoding it."""
    content = path.read_bytes()
    if not content:
        raise ValueError("empty")
    if path.suffix != ".png":
        return
    if not content.startswith(_PNG_SIGNATURE):
        raise ValueError("not a PNG")
    place, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        if place + 12 > len(content):
            raise ValueError("cut short")
        (length,) = struct.unpack_from(">I", content, place)
        kind = content[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(content):
            raise ValueError("cut short")
        if struct.unpack_from(">I", content, end)[0] != zlib.crc32(memoryview(content)[place + 4 : end]):
            raise ValueError("its checksum is wrong")
        place = end + 4


def _encode_png(rgba: bytes, width: int, height: int) -> List[bytes]:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(_COMPRESSION)
    rows = memoryview(rgba)
    stride = 4 * width
    packed = [
        packer.compress(part)
        for y in range(height)
        for part in (b"\0", rows[y * stride : (y + 1) * stride])  # filter type 0 begins each row
    ]
    packed.append(packer.flush())
    header = struct.pack(">II", width, height) + _PNG_RGBA
    return [_PNG_SIGNATURE, chunk(b"IHDR", header), chunk(b"IDAT", b"".join(packed)), chunk(b"IEND", b"")]


def _write_atomically(path: Path, content: List[bytes]) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # the folder may be what is wrong
            partial.unlink()
        raise SampleError(
            f"Cannot write {path}: {error.strerror}. Free some space or give OBS the right to write there."
        ) from error


def _delete(paths: List[Path]) -> None:
    failure = ""
    for path in paths:
        try:
            path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            failure = f"Cannot delete {path}: {error.strerror}. Delete it by hand."
    if failure:
        raise SampleError(failure)
