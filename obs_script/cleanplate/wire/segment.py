"""Shared memory of one segment, from the operating system.

    segment = Segment.create()                  # in the filter
    channel = Channel.format(segment.buffer)
    ... start the worker with segment.name ...
    segment = Segment.open(name)                # in the worker
    channel = Channel.attach(segment.buffer)

`multiprocessing.shared_memory` is no choice: its resource tracker starts `sys.executable`, which inside OBS
is OBS or a wrong binary.

The creator's process id is part of the name, so that `sweep` can remove what dead processes left behind.
"""

import contextlib
import ctypes
import mmap
import os
import secrets
import sys
from typing import Optional

from cleanplate.wire import protocol

if sys.platform == "win32":
    from cleanplate.wire import segment_windows as system
else:
    from cleanplate.wire import segment_posix as system

NAME_PREFIX = "cleanplate-"


class Segment:
    """One mapping of `protocol.SEGMENT_BYTES` bytes.

    Attributes:
        name: What `open` takes in another process of the same user.
        buffer: The whole mapping, writable.
        address: Where the mapping begins, for `ctypes.memmove`; of no use after `close`.
    """

    def __init__(self, name: str, mapping: mmap.mmap) -> None:
        """Use `create` or `open`."""
        self.name = name
        self._mapping = mapping
        self.buffer = memoryview(mapping)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))

    @classmethod
    def create(cls, path: Optional[str] = None) -> "Segment":
        """Makes a zero-filled segment that only this user can open, and sweeps those of dead processes.

        Args:
            path: Its name; by default a new one in the system's place for shared memory.

        Raises:
            SegmentError: There is no memory or no place for it, or the name is taken.
        """
        cls.sweep()
        name = path or system.place(f"{NAME_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")
        return cls(name, system.create(name, protocol.SEGMENT_BYTES))

    @classmethod
    def open(cls, name: str) -> "Segment":
        """Opens a segment that another process of this user created.

        Raises:
            SegmentError: There is none of this name, or it is not one of ours.
        """
        return cls(name, system.open(name, protocol.SEGMENT_BYTES))

    @staticmethod
    def sweep() -> None:
        """Removes the segments of dead processes of this user."""
        system.sweep(NAME_PREFIX)

    def close(self) -> None:
        """Unmaps the segment here; views that are still held elsewhere keep the memory until they go."""
        self.buffer.release()
        with contextlib.suppress(BufferError):
            self._mapping.close()

    def unlink(self) -> None:
        """Removes the name, so that nobody can open the segment any more; does nothing where that is done."""
        system.unlink(self.name)
