"""The filter's own time is told apart from libobs'."""

import json
import time
from types import SimpleNamespace

import pytest

from cleanplate.obs.profiling import Profile, TimedLibrary

MS = 1_000_000


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 0

    def spend(self, ms: int) -> int:
        self.now += ms * MS
        return ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: clock.now)
    return clock


def test_own_time_and_libobs_time(clock: Clock) -> None:
    lib = TimedLibrary(SimpleNamespace(gs_draw=clock.spend, other=clock.spend), ["gs_draw"])
    profile = Profile(lib)

    def render(own: int, inside: int) -> int:
        clock.spend(own)
        return int(lib.gs_draw(inside))  # type: ignore[attr-defined]

    tick = profile.measured(clock.spend, first=True)
    video_render = profile.measured(render, first=False)
    for frame in range(1, 5):
        assert tick(1) == 1
        clock.spend(1000)  # what OBS does between the callbacks is nobody's
        assert video_render(frame, 10 * frame) == 10 * frame
    tick(0)  # closes the fourth frame

    assert lib.spent_ns == 100 * MS
    assert json.loads(profile.report()) == {
        "frames": 4,
        "own_ms": [3.0, 4.0],  # of 2, 3, 4, 5: the ranks floor(share * 3)
        "libobs_ms": [20.0, 30.0],
    }


def test_nothing_measured() -> None:
    profile = Profile(TimedLibrary(SimpleNamespace(), []))
    assert json.loads(profile.report()) == {"frames": 0, "own_ms": [], "libobs_ms": []}
