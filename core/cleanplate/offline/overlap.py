"""Runs the stages of a conversion side by side."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")

POLL_SECONDS = 0.2
"""How often a waiting stage looks whether the other one has stopped."""


@contextmanager
def overlapped(items: Generator[Item], depth: int = 3) -> Generator[Iterator[Item]]:
    """Let a thread of its own work a generator, at most `depth` items ahead of who takes them.

    What the generator raises is raised where the items are taken. At the end of the `with` block the
    thread has ended and the generator is closed, however the block was left.
    """
    stopped = Event()
    queue: Queue[Item | _End] = Queue(depth)

    def put(item: Item | _End) -> None:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=POLL_SECONDS)
                break
            except Full:
                continue

    def work() -> None:
        end = _End()
        try:
            with closing(items):
                for item in items:
                    put(item)
                    if stopped.is_set():
                        break
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that takes the items
            end.error = error
        put(end)

    def take() -> Iterator[Item]:
        while True:
            try:
                # With a timeout, for Ctrl-C does not get through an endless wait on Windows.
                item = queue.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    thread = Thread(target=work, name="cleanplate-stage", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        stopped.set()
        thread.join()


class _End:
    """Marks the end of the items, with the reason where it was an error."""

    error: BaseException | None = None
