"""What a job does: each film cut out as `cleanplate matte` does it, and the results gathered."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cleanplate.offline.background import Background, parse_background
from cleanplate.offline.convert import Look, convert
from cleanplate.offline.engines import fallback_reasons, load_engine
from cleanplate.offline.errors import EXPLAINED, InputError
from cleanplate.offline.files import open_sink, open_source
from cleanplate.offline.pictures import is_picture
from cleanplate.offline.samples import give_samples
from cleanplate.web.archives import ZIP, pack, unpack
from cleanplate.web.errors import JobError
from cleanplate.web.films import check_film, result_name
from cleanplate.web.jobs import Job, Result
from cleanplate.web.uploads import Upload

MAX_FILMS = 100
"""Films of one job, unpacked."""

RESULTS = f"cleanplate{ZIP}"
"""Name of what is fetched where several films were sent."""


class Converter:
    """Does jobs; a `jobs.Convert`.

    Args:
        provider: for the networks, as `load_engine` takes it.
        models: folders with networks.
        limit: bytes of an archive's films.
    """

    def __init__(self, provider: str, models: Sequence[Path], limit: int) -> None:
        self._provider = provider
        self._models = models
        self._limit = limit

    def __call__(self, job: Job) -> Result:
        """Convert a job's films; what came in is deleted as soon as it is not needed any more.

        Raises:
            JobError: no film could be converted, or the job was stopped.
        """
        films = self._films(job)
        job.count = len(films)
        try:
            cutter = _Cutter(job, self._provider, self._models)
        except EXPLAINED as error:
            raise JobError(for_users(str(error), job.uploads)) from error
        made: list[tuple[str, Path]] = []
        failures: list[str] = []
        for number, film in enumerate(films, 1):
            job.film, job.name, job.frame, job.frames = number, film.name, 0, None
            name = result_name(film.name, job.settings.ending)
            target = job.folder / f"made-{number}{job.settings.ending}"
            try:
                cutter.cut_out(film, target)
                made.append((name, target))
            except EXPLAINED as error:
                failures.append(for_users(str(error), [film, *job.uploads, Upload(name, target)]))
            film.path.unlink(missing_ok=True)
            if job.stop.is_set():
                raise JobError("It was cancelled.")
        if not made:
            raise JobError("\n".join(dict.fromkeys(failures)))
        for failure in failures:
            job.note(failure)
        for upload in job.uploads:
            upload.path.unlink(missing_ok=True)
        name, path = made[0]
        if len(made) > 1:
            name, path = RESULTS, job.folder / RESULTS
            pack(path, made)
        return Result(name, path, path.stat().st_size)

    def _films(self, job: Job) -> list[Upload]:
        """What is to be converted, archives unpacked."""
        films: list[Upload] = []
        left = self._limit
        for upload in job.films:
            if upload.path.suffix != ZIP:
                films.append(upload)
                continue
            unpacked = unpack(
                upload, job.folder, limit=left, max_films=MAX_FILMS, report=job.note, stop=job.stop
            )
            left -= sum(film.path.stat().st_size for film in unpacked)
            films += unpacked
            upload.path.unlink()
        if len(films) > MAX_FILMS:
            raise JobError(f"There are more than {MAX_FILMS} films. Send some at a time.")
        return films


class _Cutter:
    """What the films of a job have in common.

    Raises:
        OfflineError: a sample or the background picture cannot be read.
        EngineError: the network cannot be used.
    """

    def __init__(self, job: Job, provider: str, models: Sequence[Path]) -> None:
        self._job = job
        self._provider = provider
        for sample in job.samples:
            if not is_picture(sample.path):
                check_film(sample.path)
        self._samples = [sample.path for sample in job.samples]
        self._look = Look(_background(job), job.settings.alpha_only)
        self._engine = load_engine(job.settings.model, provider, models)

    def cut_out(self, film: Upload, target: Path) -> None:
        """Convert one film.

        Raises:
            OfflineError: the film or a sample cannot be read, or the result cannot be written.
            EngineError: the samples do not fit, or the network fails.
        """
        job, engine = self._job, self._engine

        def report(line: str) -> None:
            job.note(for_users(line, [film, *job.samples]))

        def count() -> None:
            job.frame += 1

        check_film(film.path)
        source = open_source([film.path])
        job.frames = source.count
        with open_sink(str(target), source, report) as sink:
            engine.set_samples([])  # without any, the empty scene is estimated from the film itself
            give_samples(engine, self._samples, source, report)
            number = len(engine.samples)
            samples = "1 background sample" if number == 1 else f"{number} background samples"
            job.engine = f"{engine.name} on {engine.provider}, {samples}"
            for reason in fallback_reasons(engine, self._provider):
                report(reason)
            convert(
                source, sink, engine, self._look,
                smoothing=job.settings.smoothing, report=report, on_frame=count, stop=job.stop,
            )  # fmt: skip
        if not target.exists() and not job.stop.is_set():
            raise InputError(f"{film.name} has no frame that can be decoded. Look whether a player shows it.")


def for_users(text: str, files: Iterable[Upload]) -> str:
    """A message with the names that the user knows, and without what only the command line has.

    Args:
        text: ends with what to do; the command line's options stand in brackets there.
        files: that it may speak of.
    """
    for file in files:
        text = text.replace(str(file.path), file.name).replace(file.path.name, file.name)
    return re.sub(r" \(--[^)]*\)", "", text)


def _background(job: Job) -> Background | None:
    if job.settings.alpha_only:
        return None
    return parse_background(job.settings.background or str(job.picture.path if job.picture else ""))
