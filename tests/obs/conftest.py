"""Fixtures of the tests that drive a real OBS; they are skipped, with the reason, where it cannot run."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fixture_types import CloseCleanly, StartObs

from cleanplate.studio.exit_report import ExitReport
from cleanplate.studio.scene import Clip, empty_clip, person_clip, standing_clip
from cleanplate.studio.session import ObsSession, missing_programs

LOG_TAIL_CHARACTERS = 6000
# With stock filters alone, OBS 29.0.2 leaks one block, and in one run of eight (of 25) another.
LEAK_JITTER = 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start OBS, and skip them where a program is missing."""
    missing = missing_programs()
    for item in items:
        if "start_obs" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.obs)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(missing)}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of OBS' log with a failure."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder:
        for log in sorted(folder.rglob("obs-*.log")):
            text, _, _ = log.read_text(encoding="utf-8", errors="replace").partition("== Profiler Results")
            report.sections.append((f"end of {log}", text[-LOG_TAIL_CHARACTERS:]))
    return report


@pytest.fixture
def start_obs(tmp_path: Path) -> Iterator[StartObs]:
    """Starts OBS with the given options of ``ObsSession``; a second start in a test has the same home."""
    with ExitStack() as sessions:
        yield lambda **options: sessions.enter_context(ObsSession(tmp_path, **options))


@pytest.fixture(scope="session")
def empty_room(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The room with nobody in it."""
    return empty_clip(tmp_path_factory.mktemp("clips") / "empty.avi")


@pytest.fixture(scope="session")
def person(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The same room with the figure moving in it."""
    return person_clip(tmp_path_factory.mktemp("clips") / "person.avi")


@pytest.fixture(scope="session")
def ordinary_leaks(tmp_path_factory: pytest.TempPathFactory, empty_room: Clip) -> int:
    """Memory blocks that OBS itself leaks in a run like those of the tests, but with a stock filter."""
    with ObsSession(tmp_path_factory.mktemp("stock")) as obs:
        obs.add_camera("camera", empty_room.path)
        obs.client.create_source_filter("camera", "stock", "color_filter_v2", {})
        obs.record(0.3)
        report = obs.close()
    assert report.leaks is not None
    return report.leaks


@pytest.fixture
def close_cleanly(ordinary_leaks: int) -> CloseCleanly:
    """Closes OBS and asserts all that a run with the filter owes at its end."""

    def close(obs: ObsSession) -> ExitReport:
        report = obs.close()
        assert report.clean, f"OBS ended with status {report.status} and {report.leaks} leaks"
        assert report.leaks is not None
        assert report.leaks <= ordinary_leaks + LEAK_JITTER
        assert report.orphans == []
        assert "internal error" not in report.log
        assert "Traceback" not in report.log
        return report

    return close


@pytest.fixture(scope="session")
def standing_person(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The figure standing still in the room."""
    return standing_clip(tmp_path_factory.mktemp("clips") / "standing.avi")
