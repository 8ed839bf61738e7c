"""Films in zip archives: unpacked without believing a word of them, and packed for the way back."""

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from threading import Event

from cleanplate.offline.frames import Report
from cleanplate.web.errors import ArchiveError
from cleanplate.web.films import FILM_ENDINGS, shown_name
from cleanplate.web.uploads import Upload

ZIP = ".zip"

MAX_ENTRIES = 1000
"""Files and folders in an archive, films or not."""

_MAX_DIRECTORY_BYTES = 1 << 20
"""The archive's table of contents, which is read at once; zipfile takes whatever length it claims to have."""

_CHUNK_BYTES = 1 << 18
_ENCRYPTED = 1


def unpack(
    archive: Upload, folder: Path, *, limit: int, max_films: int, report: Report, stop: Event
) -> list[Upload]:
    """Unpack the films of an archive.

    Names in the archive are shown, and never used as paths. What is no film is left out.

    Args:
        archive: a zip file.
        folder: where the films go, named after the archive's own file: `films-0-0.mp4`.
        limit: bytes of all films, as they really are, not as the archive says.
        max_films: how many there may be.
        report: is told of each file that is left out.
        stop: ends it early when set.

    Raises:
        ArchiveError: it is damaged, encrypted, too large, without films, or names places outside itself.
    """
    films: list[Upload] = []
    left = limit
    try:
        with _Wary(io.FileIO(archive.path)) as file, zipfile.ZipFile(file) as opened:
            for entry in _film_entries(opened, archive.name, report):
                if len(films) >= max_films:
                    raise ArchiveError(
                        f"{archive.name} holds more than {max_films} films. Send some at a time."
                    )
                name = shown_name(entry.filename)
                path = folder / f"{archive.path.stem}-{len(films)}{Path(name).suffix.lower()}"
                left -= _extract(opened, entry, path, left, stop)
                if left < 0:
                    raise ArchiveError(
                        f"{archive.name} has more than {limit / 1e9:.3g} GB when unpacked. Send less."
                    )
                films.append(Upload(name, path))
                if stop.is_set():
                    break
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise ArchiveError(f"{archive.name} is damaged, or no zip ({error}). Pack it anew.") from error
    except OSError as error:
        raise ArchiveError(
            f"{archive.name} cannot be unpacked ({error.strerror}). Look at the disk."
        ) from error
    if not films:
        raise ArchiveError(f"There is no film in {archive.name}. Choose an archive with films.")
    return films


def pack(path: Path, files: Sequence[tuple[str, Path]]) -> None:
    """Pack files into a zip, and remove each one that is in it.

    Args:
        path: of the archive.
        files: name in the archive and path; of two with one name the second gets a number.

    Raises:
        ArchiveError: the disk is full.
    """
    given: set[str] = set()
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # films are compressed already
            for name, file in files:
                wanted, number = PurePosixPath(name), 1
                while name.casefold() in given:
                    number += 1
                    name = f"{wanted.stem} {number}{wanted.suffix}"  # noqa: PLW2901
                given.add(name.casefold())
                archive.write(file, name)
                file.unlink()
    except OSError as error:
        raise ArchiveError(
            f"The results cannot be packed ({error.strerror}). Make room on the disk, or send less at a time."
        ) from error


class _Wary(io.BufferedReader):
    """A file of which nobody reads more at once than is good."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its table of contents is too long")
        return super().read(size)


def _film_entries(opened: zipfile.ZipFile, name: str, report: Report) -> list[zipfile.ZipInfo]:
    """The entries that are films by their names.

    Raises:
        ArchiveError: there are too many entries, or one is not what a user packs.
    """
    entries = opened.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ArchiveError(f"{name} has more than {MAX_ENTRIES} entries. Pack the films alone.")
    films = []
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or PureWindowsPath(str(path)).is_absolute():
            raise ArchiveError(
                f"{name} names a place outside itself, {shown_name(entry.filename)}. Pack it anew."
            )
        # What macOS and Windows add of themselves is not worth a word.
        if entry.is_dir() or path.name.startswith(".") or path.name in {"Thumbs.db", "desktop.ini"}:
            continue
        if path.suffix.lower() not in FILM_ENDINGS or stat.S_ISLNK(entry.external_attr >> 16):
            report(f"{shown_name(entry.filename)} is no film; it is left out.")
        elif entry.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"{name} is encrypted. Pack the films without a password.")
        else:
            films.append(entry)
    return films


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, limit: int, stop: Event) -> int:
    """Write one entry; return its bytes, a few more than `limit` where it is longer."""
    written = 0
    with opened.open(entry) as source, path.open("xb") as target:
        while written <= limit and not stop.is_set() and (chunk := source.read(_CHUNK_BYTES)):
            target.write(chunk)
            written += len(chunk)
    return written
