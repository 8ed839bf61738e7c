"""Shared memory on Windows: a named mapping of page-file memory, which goes with its last process."""

import mmap
import sys

from cleanplate.wire.protocol import SegmentError

assert sys.platform == "win32"


def place(name: str) -> str:
    """Returns the full name for a new segment: in the namespace of this log-on session."""
    return "Local\\" + name


def create(name: str, size: int) -> mmap.mmap:
    """Creates the mapping; its bytes are zero.

    Raises:
        SegmentError: The name is taken, or there is no room in the page file.
    """
    mapping = _map(name, size)
    if any(mapping[:64]):
        raise SegmentError(f"The shared memory {name} exists already. Pass another name.")
    return mapping


def open(name: str, size: int) -> mmap.mmap:  # noqa: A001 - reads as segment_windows.open
    """Maps what has this name; where nothing has, Windows makes it, of zeros, which is no valid segment.

    Raises:
        SegmentError: It is smaller than `size`, or belongs to another user.
    """
    return _map(name, size)


def unlink(name: str) -> None:
    """Does nothing: the name goes with the last mapping."""


def sweep(prefix: str) -> None:
    """Does nothing: Windows removes the mappings of dead processes itself."""


def _map(name: str, size: int) -> mmap.mmap:
    try:
        return mmap.mmap(-1, size, tagname=name)
    except OSError as error:
        raise SegmentError(f"No shared memory {name}: {error}. Close other programs.") from error
