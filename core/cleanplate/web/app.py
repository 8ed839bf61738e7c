"""The web service: what is asked over HTTP, and what is answered.

```
GET    /                  the page, with /page.css and /page.js
GET    /options           what can be chosen, and what is allowed
POST   /jobs              a form with films and settings; answers as GET /jobs/ID
GET    /jobs/ID           where a job stands
GET    /jobs/ID/result    what came of it
DELETE /jobs/ID           cancels it, and deletes its files
```

Nobody is asked who he is. A job's id is known to him alone who sent it.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response

from cleanplate.offline.background import BLUR, GREEN, TRANSPARENT
from cleanplate.offline.engines import engine_names
from cleanplate.offline.pictures import PICTURE_ENDINGS
from cleanplate.offline.video import ALPHA_VIDEO_ENDINGS, VIDEO_ENDINGS
from cleanplate.web.archives import ZIP
from cleanplate.web.conversion import MAX_FILMS
from cleanplate.web.errors import QueueFullError, TooLargeError, UploadError, WebError
from cleanplate.web.films import FILM_ENDINGS
from cleanplate.web.gate import Gate
from cleanplate.web.jobs import Job, Jobs, Settings, State
from cleanplate.web.uploads import Form, Kind, check_room, receive_form, too_large

COLOUR, PICTURE, MATTE = "colour", "picture", "matte"
BACKGROUNDS = (TRANSPARENT, BLUR, COLOUR, PICTURE, MATTE)

MAX_SAMPLES = 16

IDLE_SECONDS = 60.0
"""Without a byte of an upload, after which it is given up: its place in the queue is for others."""

SWEEP_SECONDS = 30.0
"""Between two looks for jobs whose time is over."""

_PAGES = {"": "text/html", "page.css": "text/css", "page.js": "text/javascript"}


@dataclass(frozen=True)
class Service:
    """What the answers are made from.

    Attributes:
        jobs: the queue.
        models: folders with networks.
        limit: bytes of one upload.
    """

    jobs: Jobs
    models: Sequence[Path]
    limit: int


def create_app(service: Service, names: Sequence[str]) -> FastAPI:
    """Make the application.

    Args:
        service: what it answers from; its jobs are the caller's to close.
        names: of the computer, as `Gate` takes them.
    """

    @asynccontextmanager
    async def sweep(_app: FastAPI) -> AsyncGenerator[None]:
        task = asyncio.create_task(_sweep(service.jobs))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        lifespan=sweep,
        openapi_url=None,  # the pages that show it load scripts from elsewhere
        # Newer releases send figures to whatever OTEL_* names in the environment, if it asks for that.
        telemetry={"auto_configure": False, "logs": False, "metrics": False, "tracing": False},
    )
    app.state.service = service
    app.include_router(_router)
    app.add_exception_handler(WebError, _explain)
    app.add_middleware(Gate, names=names)
    return app


async def _sweep(jobs: Jobs) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await asyncio.to_thread(jobs.sweep)


async def _explain(_request: Request, error: Exception) -> Response:
    status = 503 if isinstance(error, QueueFullError) else 413 if isinstance(error, TooLargeError) else 422
    return JSONResponse({"error": str(error)}, status)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


_router = APIRouter()
_Service = Annotated[Service, Depends(_service)]


@_router.get("/")
@_router.get("/page.css")
@_router.get("/page.js")
def page(request: Request) -> Response:
    """The page and what belongs to it."""
    name = request.url.path.removeprefix("/")
    return FileResponse(Path(__file__).with_name(name or "page.html"), media_type=_PAGES[name])


@_router.get("/options")
def options(service: _Service) -> dict[str, object]:
    """What the page offers, and what it may check before it sends anything."""
    return {
        "models": engine_names(service.models),
        "endings": sorted(VIDEO_ENDINGS),
        "transparent_endings": sorted(ALPHA_VIDEO_ENDINGS),
        "colour": GREEN,
        "accepted": {name: sorted(kind.endings) for name, kind in _KINDS.items()},
        "limit_bytes": service.limit,
        "keep_seconds": service.jobs.keep_seconds,
        "free_places": service.jobs.free_places(),
    }


_KINDS = {
    "films": Kind(FILM_ENDINGS | {ZIP}, MAX_FILMS),
    "samples": Kind(FILM_ENDINGS | PICTURE_ENDINGS, MAX_SAMPLES),
    "picture": Kind(PICTURE_ENDINGS, 1),
}


@_router.post("/jobs", status_code=201)
async def add_job(request: Request, service: _Service) -> Response:
    """Take a form, and queue what it asks for.

    Fields: `films` (one or more, or zip archives of films), `samples`, `picture`; `background` (one of
    `BACKGROUNDS`), `colour` (`#rrggbb`), `ending`, `model`, `smoothing` (0..1).
    """
    try:
        size = int(request.headers.get("content-length", "0"))
    except ValueError:
        size = 0
    if size > service.limit:
        raise too_large(service.limit)
    with service.jobs.place() as place:
        check_room(place.folder, size)
        try:
            form = await receive_form(
                request.headers.get("content-type", ""), _chunks(request), place.folder, _KINDS, service.limit
            )
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        place.job = job = _read_job(form, place.folder, service.models)
    return JSONResponse(_status(job, service.jobs), 201)


@_router.get("/jobs/{job_id}")
def job_status(job_id: str, service: _Service) -> Response:
    """Where a job stands."""
    job = service.jobs.get(job_id)
    return _unknown() if job is None else JSONResponse(_status(job, service.jobs))


@_router.get("/jobs/{job_id}/result")
def result(job_id: str, service: _Service) -> Response:
    """The film, or the archive of films."""
    job = service.jobs.get(job_id)
    if job is None or job.result is None or not job.result.path.exists():
        return _unknown()
    return FileResponse(job.result.path, filename=job.result.name, media_type="application/octet-stream")


@_router.delete("/jobs/{job_id}", status_code=204)
def delete_job(job_id: str, service: _Service) -> Response:
    """Cancel a job, and delete its files."""
    job = service.jobs.get(job_id)
    if job is None:
        return _unknown()
    service.jobs.forget(job)
    return Response(status_code=204)


def _unknown() -> Response:
    return JSONResponse({"error": "There is no such job, or no more: its files are deleted."}, 404)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield chunk
    except TimeoutError as error:
        raise UploadError(f"Nothing came in for {IDLE_SECONDS:.0f} s. Send it again.") from error


def _read_job(form: Form, folder: Path, models: Sequence[Path]) -> Job:
    """Make a job of a form.

    Raises:
        UploadError: a field is missing or has no sense.
    """
    values = form.values
    films, samples = form.files.get("films", []), form.files.get("samples", [])
    pictures = form.files.get("picture", [])
    if not films:
        raise UploadError("There is no film in the form. Choose one, or a zip with some.")
    names = engine_names(models)
    background = _choice(values, "background", BACKGROUNDS, TRANSPARENT)
    ending = _choice(values, "ending", sorted(VIDEO_ENDINGS), ".mov" if background == TRANSPARENT else ".mp4")
    if background == TRANSPARENT and ending not in ALPHA_VIDEO_ENDINGS:
        raise UploadError(
            f"{ending} cannot be transparent. Choose {' or '.join(sorted(ALPHA_VIDEO_ENDINGS))}."
        )
    colour = values.get("colour", GREEN)
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):  # anything else would be taken for a file's path
        raise UploadError(f"'{colour}' is no colour. Write one as {GREEN}.")
    if background == PICTURE and not pictures:
        raise UploadError("There is no picture for the background. Choose one, or another background.")
    return Job(
        settings=Settings(
            model=_choice(values, "model", names, names[0]),
            ending=ending,
            background={COLOUR: colour, PICTURE: None, MATTE: TRANSPARENT}.get(background, background),
            alpha_only=background == MATTE,
            smoothing=_share(values.get("smoothing", "0.3")),
        ),
        films=films,
        samples=samples,
        picture=pictures[0] if background == PICTURE else None,
        folder=folder,
    )


def _choice(values: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
    value = values.get(name) or default
    if value not in choices:
        raise UploadError(f"'{value}' cannot be chosen for '{name}'. Choose one of {', '.join(choices)}.")
    return value


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= 1:
            return value
    raise UploadError(f"'{text}' is no smoothing. Give a number from 0 to 1.")


def _status(job: Job, jobs: Jobs) -> dict[str, Any]:
    made = job.result
    return {
        "id": job.id,
        "title": ", ".join(film.name for film in job.films),
        "state": job.state,
        "ahead": jobs.ahead(job) if job.state == State.WAITING else 0,
        "film": job.film,
        "films": job.count,
        "name": job.name,
        "frame": job.frame,
        "frames": job.frames,
        "engine": job.engine,
        "notes": job.notes,
        "error": job.error,
        "result": {"name": made.name, "bytes": made.size} if made else None,
        "seconds_left": jobs.seconds_left(job),
    }
