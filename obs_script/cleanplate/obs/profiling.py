"""Measures the filter's own time on the graphics thread, on demand: set `VARIABLE` before OBS starts.

Time inside libobs is kept apart, because most of it is the graphics driver's. The clock is the wall's:
reading a thread's CPU clock is a system call, and two of them a libobs call cost more than what is to be
measured. So compare medians; the 95th percentile tells of other programs too.
"""

import json
import time
from typing import Any, Callable, List

VARIABLE = "CLEANPLATE_PROFILE"


class TimedLibrary:
    """libobs, with the time inside its functions added up.

    Attributes:
        spent_ns: Nanoseconds inside libobs so far.
    """

    def __init__(self, lib: Any, functions: List[str]) -> None:
        self.spent_ns = 0
        for name in functions:
            setattr(self, name, self._timed(getattr(lib, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            begin = time.perf_counter_ns()
            result = function(*arguments)
            self.spent_ns += time.perf_counter_ns() - begin
            return result

        return call


class Profile:
    """Time per frame, from a filter's tick to its next.

    Args:
        lib: What the filters call.
    """

    def __init__(self, lib: TimedLibrary) -> None:
        self._lib = lib
        self._own_ns = 0
        self._libobs_ns = 0
        self._frames_own_ns: List[int] = []
        self._frames_libobs_ns: List[int] = []

    def measured(self, function: Callable[..., Any], *, first: bool) -> Callable[..., Any]:
        """Measure a callback; the one that is `first` in a frame closes the last frame's account."""

        def call(*arguments: Any) -> Any:
            if first and self._own_ns:
                self._frames_own_ns.append(self._own_ns)
                self._frames_libobs_ns.append(self._libobs_ns)
                self._own_ns = self._libobs_ns = 0
            spent, begin = self._lib.spent_ns, time.perf_counter_ns()
            result = function(*arguments)
            total = time.perf_counter_ns() - begin
            inside = self._lib.spent_ns - spent
            self._own_ns += total - inside
            self._libobs_ns += inside
            return result

        return call

    def report(self) -> str:
        """Milliseconds per frame as a JSON object: own and libobs, each median and 95th percentile."""
        return json.dumps(
            {
                "frames": len(self._frames_own_ns),
                "own_ms": _spread(self._frames_own_ns),
                "libobs_ms": _spread(self._frames_libobs_ns),
            }
        )


def _spread(values: List[int]) -> List[float]:
    ordered = sorted(values)
    return (
        [round(ordered[int(share * (len(ordered) - 1))] / 1e6, 4) for share in (0.5, 0.95)] if ordered else []
    )
