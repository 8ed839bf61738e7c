"""`cleanplate web`: what a user types; the server's libraries are loaded when it runs."""

# ruff: noqa: PLC0415

from __future__ import annotations

import ipaddress
import signal
import socket
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from uvicorn import Server

LOOPBACK = "127.0.0.1"
PORT = 8765
GRACE_SECONDS = 3
"""That downloads get when the service ends."""

FAILED = 1


def web(
    host: Annotated[str, typer.Option(help="Address to be reached at; 0.0.0.0: at all of them.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = PORT,
    name: Annotated[list[str], typer.Option(help="One more name by which browsers find this computer.")] = [],  # noqa: B006 - Typer copies it
    limit: Annotated[float, typer.Option(min=0.001, help="Gigabytes of one upload, unpacked too.")] = 4,
    waiting: Annotated[int, typer.Option(min=1, help="Uploads that may wait for their turn.")] = 8,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where the films lie meanwhile; by default where temporary files do.",
            file_okay=False,
            exists=True,
            show_default=False,
        ),
    ] = None,
    provider: Annotated[
        str, typer.Option(help="auto, cpu, cuda, tensorrt, directml, coreml or openvino.")
    ] = "auto",
    models: Annotated[
        list[Path], typer.Option(help="One more folder with networks.", file_okay=False, exists=True)
    ] = [],  # noqa: B006 - Typer copies it
) -> None:
    """Serve a web page that cuts people out of uploaded films, on this computer. Ctrl-C ends it."""
    import uvicorn

    from cleanplate.offline.places import model_folders
    from cleanplate.web.app import Service, create_app
    from cleanplate.web.conversion import Converter
    from cleanplate.web.jobs import Jobs

    limit_bytes, folders = round(limit * 1e9), model_folders(tuple(models))
    with (
        _listening(host, port) as listener,
        _temporary_folder(folder) as place,
        closing(Jobs(place, Converter(provider, folders, limit_bytes), places=waiting)) as jobs,
    ):
        port = listener.getsockname()[1]
        names = {"localhost", host, *name, *_own_names()}
        config = uvicorn.Config(
            create_app(Service(jobs, folders, limit_bytes), sorted(names)),
            http="h11", ws="none", lifespan="on", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS,
        )  # fmt: skip
        server = uvicorn.Server(config)
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"Clean Plate is at http://{shown}:{port}/ until you press Ctrl-C here.", err=True)
        if not _is_loopback(host):
            typer.echo(
                "Everybody who reaches this address can use it: without a password, and not encrypted.",
                err=True,
            )
        # uvicorn raises Ctrl-C again when it has ended.
        with suppress(KeyboardInterrupt), _ended_by_signals(server):
            server.run([listener])
    typer.echo("Ended. The films and results are deleted.", err=True)


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        typer.echo(
            f"error: nothing can listen at {host}, port {port} ({error.strerror}). "
            "Choose another --port or --host.",
            err=True,
        )
        raise typer.Exit(FAILED) from error
    with listener:
        yield listener


@contextmanager
def _temporary_folder(parent: Path | None) -> Generator[Path]:
    """A folder that nobody else can look into, and that goes at the end."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="cleanplate-web-", dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        typer.echo(
            f"error: no folder can be made in {parent or tempfile.gettempdir()} ({error.strerror}). "
            "Choose another --folder.",
            err=True,
        )
        raise typer.Exit(FAILED) from error
    with folder as name:
        yield Path(name)


@contextmanager
def _ended_by_signals(server: Server) -> Generator[None]:
    """End as with Ctrl-C when the system shuts down or the terminal is closed: no film may stay behind."""

    def end(_signal: int, _frame: object) -> None:
        if server.should_exit:  # by uvicorn, which raises what it caught once more
            raise KeyboardInterrupt
        server.should_exit = True

    names = [name for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def _own_names() -> set[str]:
    name = socket.gethostname()
    return {name, f"{name}.local"} if name else set()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
