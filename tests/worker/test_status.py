"""The status block: statistics, and what is left out when it is full."""

from pathlib import Path
from typing import Any

import pytest

from cleanplate.wire import protocol
from cleanplate.wire.ring import Channel
from cleanplate.worker.sample_files import Sample, SampleReport
from cleanplate.worker.status import Status, Timings


@pytest.fixture
def channel() -> Channel:
    return Channel.format(bytearray(protocol.SEGMENT_BYTES))


def written(channel: Channel, status: Status) -> dict[str, Any]:
    status.write(channel.status, now=0.0)
    update = channel.status.read(after=0)
    assert update is not None
    return update[1]


def test_median_and_95th_percentile() -> None:
    timings = Timings()
    for milliseconds in range(1, 101):
        timings.add(milliseconds / 1000, now=milliseconds)

    assert timings.median_ms == pytest.approx(50.5)
    assert timings.p95_ms == pytest.approx(95)


def test_only_the_last_120_count() -> None:
    timings = Timings()
    for _ in range(200):
        timings.add(1.0, now=0.0)
    for _ in range(120):
        timings.add(0.002, now=0.0)

    assert timings.median_ms == timings.p95_ms == pytest.approx(2)


def test_no_mattes_no_figures() -> None:
    timings = Timings()
    assert (timings.median_ms, timings.p95_ms, timings.rate(5.0)) == (0, 0, 0)
    timings.add(0.5, now=1.0)
    assert (timings.median_ms, timings.p95_ms) == (500, 500)
    timings.clear()
    assert timings.median_ms == 0


@pytest.mark.parametrize("rate", [10, 30, 59, 200])
def test_rate(rate: int) -> None:
    timings = Timings()
    for frame in range(10 * rate):
        timings.add(0.001, now=frame / rate)

    assert timings.rate(10.0) == pytest.approx(rate, rel=0.06)


def test_all_fields(channel: Channel) -> None:
    report = SampleReport([Sample(Path("/a.png"), 12.34, 3, 2)], [(Path("/b.png"), "It is gone.")])
    status = Status(log="", pid=9, version="1", samples=report, problem="Why. Do")

    assert written(channel, status) == {
        "state": "starting",
        "model": "",
        "models": [],
        "provider": "",
        "fallbacks": [],
        "error": {"message": "Why. Do"},
        "samples": [{"file": "/a.png", "luma": 12.3, "width": 3, "height": 2}],
        "sample_errors": [{"file": "/b.png", "message": "It is gone."}],
        "drift": None,
        "ms_median": 0.0,
        "ms_p95": 0.0,
        "rate": 0.0,
        "log": "",
        "pid": 9,
        "version": "1",
    }


def test_long_messages_are_cut(channel: Channel) -> None:
    status = Status(log="", pid=9, version="1", problem="x" * 100_000 + " Do")

    message = written(channel, status)["error"]["message"]
    assert len(message) == 400
    assert message.endswith(" Do")


def test_long_paths_are_reduced_to_names(channel: Channel) -> None:
    folder = Path("/", "long" * 60, "path" * 60)
    report = SampleReport([Sample(folder / f"{n}.png", 0, 1, 1) for n in range(16)])
    status = Status(log="", pid=9, version="1", samples=report)

    assert [sample["file"] for sample in written(channel, status)["samples"]][:2] == ["0.png", "1.png"]


def test_what_cannot_fit_leaves_the_state(channel: Channel) -> None:
    report = SampleReport(refused=[(Path(f"{n}.png"), "y" * 400) for n in range(99)])
    status = Status(log="", pid=9, version="1", samples=report, problem="Why. Do")
    assert written(channel, status)["error"]["message"] == "Why. Do"

    status.models = ["m" * 10_000]
    assert written(channel, status) == {"state": "starting", "pid": 9, "version": "1"}
