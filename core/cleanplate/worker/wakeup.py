"""The worker's standard input: its wake-up pipe and its leash.

A thread waits in the read, because on Windows a pipe cannot be polled with a timeout, and because end of file
must end the process even while the main loop is inside a network that never returns.
"""

import os
import threading
import time

GRACE_SECONDS = 0.3
"""How long the main loop may take to leave by itself at end of file."""


class Wakeup:
    """Turns bytes on a pipe into wake-ups, and end of file into the end of the process (status 0).

    Args:
        descriptor: the pipe's reading end.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
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
        os._exit(0)

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, 4096)
        except OSError:  # started without a standard input: nobody holds the leash
            return b""
