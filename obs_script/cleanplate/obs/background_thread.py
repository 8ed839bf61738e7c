"""One daemon thread a filter, for everything that may block: files, processes, picture decoding.

It is a daemon because a normal thread would keep Python's shutdown, and so OBS' exit, waiting.
"""

import queue
import threading
import time
from typing import Callable

TICK_SECONDS = 0.1
JOIN_SECONDS = 5.0  # the longest that destroying a filter waits for work in progress


class BackgroundThread:
    """Runs tasks in order, and `tick` every `TICK_SECONDS` in between, however many tasks come.

    Args:
        name: Shown by debuggers.
        tick: Called regularly.
        last: Called once, as the thread's last act.
        report: Called with the exception of a task or tick that failed; the thread goes on.
    """

    def __init__(
        self,
        name: str,
        tick: Callable[[], None],
        last: Callable[[], None],
        report: Callable[[BaseException], None],
    ) -> None:
        self._tick = tick
        self._last = last
        self._report = report
        self._tasks: "queue.SimpleQueue[Callable[[], None]]" = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, task: Callable[[], None]) -> None:
        """Run a task soon. Never blocks, so the graphics thread may call it."""
        self._tasks.put(task)

    def stop(self) -> None:
        """Finish the tasks that wait, then end; waits for that, but not for ever."""
        self._stopping.set()
        self._tasks.put(lambda: None)
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        next_tick = time.monotonic() + TICK_SECONDS
        while not (self._stopping.is_set() and self._tasks.empty()):
            try:
                task = self._tasks.get(timeout=max(0.0, next_tick - time.monotonic()))
            except queue.Empty:
                pass
            else:
                self._guarded(task)
            if time.monotonic() >= next_tick:
                self._guarded(self._tick)
                next_tick = time.monotonic() + TICK_SECONDS
        self._guarded(self._last)

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - the supervisor of the worker must live on
            self._report(error)
