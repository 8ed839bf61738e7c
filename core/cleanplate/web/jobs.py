"""Jobs: films that came in, what is to be made of them, and the queue of which one runs at a time."""

import logging
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Condition, Event, Thread

from cleanplate.web.errors import QueueFullError, WebError
from cleanplate.web.uploads import Upload

KEEP_SECONDS = 3600.0
"""How long a result can be fetched."""

MAX_NOTES = 50
"""Lines about a job's films that are kept."""

_ENGINE_SECONDS = 30.0
"""In which a conversion that was told to stop does so: the empty scene's estimate is not interrupted."""

_log = logging.getLogger(__name__)


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Settings:
    """What is to be made of the films.

    Attributes:
        model: `auto` or an engine's name.
        ending: of the films to make.
        background: `transparent`, `blur` or a colour as `#rrggbb`; None for the uploaded picture.
        alpha_only: make the matte in grey instead.
        smoothing: of the matte over time, 0..1.
    """

    model: str
    ending: str
    background: str | None
    alpha_only: bool = False
    smoothing: float = 0.3


@dataclass(frozen=True)
class Result:
    """What can be fetched.

    Attributes:
        name: under which it is saved.
        path: where it is.
        size: bytes.
    """

    name: str
    path: Path
    size: int


@dataclass(eq=False)
class Job:
    """One form that was sent. Written by the thread that converts, read by others.

    Attributes:
        settings: what is to be made.
        films: what came in, archives too.
        samples: pictures and films of the empty scene.
        picture: what is put behind the person, if that was chosen.
        folder: holds all its files.
        id: cannot be guessed, for whoever knows it can fetch the result.
        state: where it stands.
        stop: ends the conversion when set.
        film: number of the film that is being converted, from 1.
        count: number of films.
        name: of the film that is being converted.
        frame: frames of it that are done.
        frames: frames that it has, None if unknown.
        engine: what makes the mattes, as a line.
        notes: lines about what went wrong without ending the job, and what a user should know.
        error: why it failed.
        result: what can be fetched.
        ended: the moment, by the clock of `Jobs`, when it was done or had failed.
    """

    settings: Settings
    films: Sequence[Upload]
    samples: Sequence[Upload]
    picture: Upload | None
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = State.WAITING
    stop: Event = field(default_factory=Event)
    film: int = 0
    count: int = 0
    name: str = ""
    frame: int = 0
    frames: int | None = None
    engine: str = ""
    notes: list[str] = field(default_factory=list)
    error: str = ""
    result: Result | None = None
    ended: float | None = None

    @property
    def uploads(self) -> list[Upload]:
        """All that came in."""
        return [*self.films, *self.samples, *([self.picture] if self.picture else [])]

    def note(self, line: str) -> None:
        """Keep a line for the user, once."""
        if line not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(line)


Convert = Callable[[Job], Result]
"""Does a job; where `Job.stop` is set, what it returns does not count.

Raises:
    JobError: nothing came of it.
"""


class Place:
    """A place in the queue, and a folder, for a job that is coming in.

    Attributes:
        folder: for its files; it goes if no job takes the place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: Job | None = None


class Jobs:
    """The queue, and what came of the jobs in it. A thread of its own converts, one job at a time.

    Args:
        folder: for all files.
        convert: does a job.
        places: jobs that may wait or be coming in, besides the running one.
        keep_seconds: after which an ended job is forgotten, with its files.
        clock: seconds.
    """

    def __init__(
        self,
        folder: Path,
        convert: Convert,
        *,
        places: int,
        keep_seconds: float = KEEP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.places = places
        self.keep_seconds = keep_seconds
        self._convert = convert
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._coming = 0
        self._closing = False
        self._running: Job | None = None
        self._leftover: set[Path] = set()
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="cleanplate-jobs", daemon=True)
        self._thread.start()

    def free_places(self) -> int:
        """How many jobs may still come in."""
        with self._changed:
            return max(0, self.places - self._coming - len(self._waiting))

    @contextmanager
    def place(self) -> Generator[Place]:
        """Keep a place while a job comes in; it is queued if `Place.job` was set in the `with` block.

        Raises:
            QueueFullError: there is none, or the service is ending.
        """
        with self._changed:
            if self._closing:
                raise QueueFullError("The service is ending. Start it again.")
            if self._coming + len(self._waiting) >= self.places:
                raise QueueFullError(
                    f"{self.places} uploads are waiting already, and no more may. Try again when one is done."
                )
            self._coming += 1
        place = Place(self.folder / secrets.token_hex(8))
        try:
            place.folder.mkdir(mode=0o700)
            yield place
        finally:
            with self._changed:
                self._coming -= 1
                job = None if self._closing else place.job
                if job is not None:
                    self._jobs[job.id] = job
                    self._waiting.append(job)
                    self._changed.notify_all()
            if job is None:
                self._remove(place.folder)

    def get(self, job_id: str) -> Job | None:
        """The job of an id; None where there is none, or no more."""
        return self._jobs.get(job_id)

    def ahead(self, job: Job) -> int:
        """How many jobs come before a waiting one, the running one too."""
        with self._changed:
            before = self._waiting.index(job) if job in self._waiting else 0
            return before + (self._running is not None)

    def seconds_left(self, job: Job) -> float | None:
        """Until an ended job is forgotten; None before."""
        return None if job.ended is None else max(0.0, job.ended + self.keep_seconds - self._clock())

    def forget(self, job: Job) -> None:
        """Cancel a job that has not ended, and delete its files."""
        job.stop.set()
        with self._changed:
            self._jobs.pop(job.id, None)
            if job in self._waiting:
                self._waiting.remove(job)
            if job is self._running:
                return  # its thread deletes the files, when it has let go of them
        self._remove(job.folder)

    def sweep(self) -> None:
        """Forget the jobs whose time is over."""
        for job in list(self._jobs.values()):
            if self.seconds_left(job) == 0:
                self.forget(job)
        for folder in list(self._leftover):
            self._remove(folder)

    def close(self) -> None:
        """Cancel everything, wait for the running job to stop, and delete all files."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for job in list(self._jobs.values()):
            self.forget(job)
        self._thread.join(_ENGINE_SECONDS)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                job = self._running = self._waiting.popleft()
                job.state = State.RUNNING
            self._do(job)
            with self._changed:
                self._running = None
            if job.stop.is_set():
                self._remove(job.folder)

    def _do(self, job: Job) -> None:
        try:
            job.result = self._convert(job)
        except WebError as error:
            job.error = str(error)
        except Exception as error:  # noqa: BLE001 - the next job may do better
            _log.exception("a conversion failed")
            job.error = (
                f"The conversion failed unexpectedly ({type(error).__name__}: {error}). Please report this."
            )
        if job.result is None:
            self._remove(job.folder)
        job.ended = self._clock()
        job.state = State.FAILED if job.result is None else State.DONE

    def _remove(self, folder: Path) -> None:
        """Delete a folder; where a file in it is being read, on Windows, try again with the next sweep."""
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            self._leftover.add(folder)
        else:
            self._leftover.discard(folder)
