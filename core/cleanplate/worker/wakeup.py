"""The worker's standard input: its wake-up pipe and its leash.

A thread waits in the read, because on Windows a pipe cannot be polled with a timeout, and because end of file
must end the process even while the main loop is inside a network that never returns.
"""

import os
import threading
import time
from collections.abc import Callable

GRACE_SECONDS = 0.3
"""How long the main loop may take to leave by itself at end of file."""


def take_standard_input() -> int:
    """Move the pipe from standard input to a descriptor of its own, and leave the null device in its place.

    Windows lets nobody ask about a pipe while a thread waits in a read of it, and libraries do ask about
    standard input when they are loaded: https://github.com/numpy/numpy/issues/24290.

    Returns:
        The pipe's descriptor.

    Raises:
        OSError: standard input is closed.
    """
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


class Wakeup:
    """Turns bytes on a pipe into wake-ups, and end of file into the end of the process (status 0).

    Args:
        descriptor: the pipe's reading end.
        last: called before the end of a process whose main loop does not leave by itself.
    """

    def __init__(self, descriptor: int, last: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._last = last
        self._event = threading.Event()
        self._gone = False

    def start(self) -> None:
        """Start listening; from now on end of file ends the process."""
        threading.Thread(target=self._listen, name="wake-up pipe", daemon=True).start()

    @property
    def gone(self) -> bool:
        """Whether the filter has closed the pipe."""
        return self._gone

    def wait(self, seconds: float) -> bool:
        """Sleep until there is something to do.

        Returns:
            True if woken, False after `seconds`.
        """
        woken = self._event.wait(seconds)
        self._event.clear()
        return woken

    def _listen(self) -> None:
        while self._read():
            self._event.set()
        self._gone = True
        self._event.set()
        time.sleep(GRACE_SECONDS)
        try:
            self._last()
        finally:
            os._exit(0)

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, 4096)
        except OSError:  # a pipe that cannot be read is no leash
            return b""
