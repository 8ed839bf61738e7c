"""The filter's background thread: order, ticks, failures and its end."""

import threading
from collections.abc import Callable

import pytest

from cleanplate.obs import background_thread
from cleanplate.obs.background_thread import BackgroundThread

PATIENCE = 10.0  # seconds; only a failing test waits so long


class Journal:
    """A background thread and what it did."""

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        self.done: list[object] = []
        self.failures: list[BaseException] = []
        self.thread = BackgroundThread(
            "test-background", tick, lambda: self.done.append("last"), self.failures.append
        )

    def submit(self, entry: object) -> None:
        self.thread.submit(lambda: self.done.append(entry))


def test_tasks_run_in_order_and_the_last_act_is_last() -> None:
    journal = Journal()
    for number in range(50):
        journal.submit(number)
    journal.thread.stop()
    assert journal.done == [*range(50), "last"]
    assert journal.failures == []
    assert "test-background" not in {thread.name for thread in threading.enumerate()}


def test_tasks_run_on_one_daemon_thread() -> None:
    journal = Journal()
    seen: list[threading.Thread] = []
    journal.thread.submit(lambda: seen.append(threading.current_thread()))
    journal.thread.submit(lambda: seen.append(threading.current_thread()))
    journal.thread.stop()
    assert seen[0] is seen[1] is not threading.current_thread()
    assert seen[0].daemon


def test_it_ticks_and_survives_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_thread, "TICK_SECONDS", 0.001)
    ticked = threading.Semaphore(0)

    def tick() -> None:
        ticked.release()
        raise ValueError("tick")

    journal = Journal(tick)
    for _ in range(3):
        assert ticked.acquire(timeout=PATIENCE)

    def leave() -> None:
        raise SystemExit(3)

    journal.thread.submit(leave)
    journal.submit("after")
    journal.thread.stop()
    assert journal.done == ["after", "last"]
    kinds = {type(failure) for failure in journal.failures}
    assert kinds == {ValueError, SystemExit}
    assert len(journal.failures) >= 4


def test_it_ticks_however_many_tasks_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_thread, "TICK_SECONDS", 0.001)
    ticked = threading.Event()
    journal = Journal(ticked.set)

    def again() -> None:
        if not ticked.is_set():
            journal.thread.submit(again)  # the queue is never empty

    journal.thread.submit(again)
    assert ticked.wait(PATIENCE)
    journal.thread.stop()


def test_a_failing_last_act_is_reported() -> None:
    failures: list[BaseException] = []

    def last() -> None:
        raise OSError("no end")

    BackgroundThread("test-background", lambda: None, last, failures.append).stop()
    assert [str(failure) for failure in failures] == ["no end"]


def test_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_thread, "JOIN_SECONDS", 0.02)
    journal = Journal()
    release, ended = threading.Event(), threading.Event()
    journal.thread.submit(lambda: ended.set() if release.wait(PATIENCE) else None)
    journal.thread.stop()
    assert journal.done == []  # the task is still at work
    release.set()
    assert ended.wait(PATIENCE)
    journal.thread.stop()
    assert journal.done == ["last"]
