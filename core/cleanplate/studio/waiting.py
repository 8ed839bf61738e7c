"""Waiting by polling: the machine may be slow and busy, so nothing sleeps a guessed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


def wait_for(probe: Callable[[], T | None], what: str, timeout: float = 60.0) -> T:
    """Return the first true value of ``probe``.

    Args:
        probe: called again and again; a false value means "not yet".
        what: what is waited for, for the message.
        timeout: seconds until giving up.

    Raises:
        TimeoutError: ``probe`` never gave a true value.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(POLL_SECONDS)


def reach(measure: Callable[[], float], goal: float, timeout: float = 15.0) -> float:
    """Measure until ``goal`` is reached or the time is over.

    Returns:
        The last figure, for an assertion that shows it.
    """
    deadline = time.monotonic() + timeout
    while (value := measure()) < goal and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return value
