"""Shared memory on Linux and macOS: a mapped file that only its user can open.

Linux keeps it in memory. macOS has no such folder, so there it is a file in the user's private temporary
folder, which the system may write to disk from time to time until it is removed.
"""

import contextlib
import mmap
import os
import stat
import sys
import tempfile
from pathlib import Path

from cleanplate.wire.protocol import SegmentError

assert sys.platform != "win32"

_SHM_FOLDER = Path("/dev/shm")  # noqa: S108 - files there get unguessable names and O_EXCL
_CHUNK = bytes(1024 * 1024)


def place(name: str) -> str:
    """Returns the full path for a new segment of this name."""
    return str(_folder() / name)


def create(name: str, size: int) -> mmap.mmap:
    """Creates the file, with `size` bytes of zeros that really exist, and maps it.

    Raises:
        SegmentError: The file exists, or there is no room.
    """
    try:
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SegmentError(
            f"Cannot create shared memory: {error}. Check the folder's permissions."
        ) from error
    try:
        # A file that is only made longer has no room reserved: on a full disk the first access to the mapping
        # would kill OBS with a bus error. Writing fails here instead.
        for start in range(0, size, len(_CHUNK)):
            _write_all(file, _CHUNK[: size - start])
        return mmap.mmap(file, size)
    except OSError as error:
        unlink(name)
        raise SegmentError(
            f"No room for {size >> 20} MiB of shared memory at {name}: {error}. Free some space there."
        ) from error
    finally:
        os.close(file)


def open(name: str, size: int) -> mmap.mmap:  # noqa: A001 - reads as segment_posix.open
    """Maps an existing file.

    Raises:
        SegmentError: It does not exist, is not a file of this user, or is too small.
    """
    try:
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise SegmentError(f"Cannot open the segment: {error}. Start the worker from the filter.") from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_size < size:
            raise SegmentError(
                f"{name} is no segment of this user and version. Start the worker from the filter."
            )
        return mmap.mmap(file, size)
    except OSError as error:
        raise SegmentError(f"Cannot map {name}: {error}. Free some memory.") from error
    finally:
        os.close(file)


def unlink(name: str) -> None:
    """Removes the file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        Path(name).unlink()


def sweep(prefix: str) -> None:
    """Removes the files of this user whose name says that a dead process made them."""
    for file in _folder().glob(prefix + "*"):
        pid = file.name[len(prefix) :].partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and not _alive(int(pid)) and file.lstat().st_uid == os.getuid():
                file.unlink()


def _folder() -> Path:
    return _SHM_FOLDER if os.access(_SHM_FOLDER, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
