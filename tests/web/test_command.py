"""`cleanplate web` as a user starts it, in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clips import scene, write_clip
from typer.testing import CliRunner

from cleanplate.offline import cli

CORE = Path(cli.__file__).parents[2]
LAST_WORDS = "Ended. The films and results are deleted."


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["web", *arguments], env={"COLUMNS": "300"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@contextmanager
def started(folder: Path, *arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A service and its address."""
    command = [
        sys.executable, "-W", "error", "-m", "cleanplate.offline.cli", "web", "--port", "0",
        "--folder", str(folder), *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CORE), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"http://\S+/", line)
            assert found, line + process.stderr.read()
            yield process, found[0]
        finally:
            process.kill()


def ask(address: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, object]:
    request = urllib.request.Request(address, body, {"X-Cleanplate": "1", **(headers or {})})
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, object] = json.load(answer)
        return told


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there, a process cannot be sent Ctrl-C alone")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_ends_cleanly_in_the_middle_of_a_job(tmp_path: Path, number: str) -> None:
    film = write_clip(tmp_path / "long.mp4", [scene(number) for number in range(900)])
    folder = tmp_path / "files"
    folder.mkdir()
    with started(folder) as (process, address):
        body = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ndifference\r\n'
        body += b'--x\r\nContent-Disposition: form-data; name="films"; filename="a.mp4"\r\n\r\n'
        body += film.read_bytes() + b"\r\n--x--\r\n"
        job = ask(f"{address}jobs", body, {"Content-Type": "multipart/form-data; boundary=x"})
        while not (told := ask(f"{address}jobs/{job['id']}"))["frame"]:
            assert told["state"] in ("waiting", "running"), told
            time.sleep(0.1)
        (made,) = folder.iterdir()
        assert made.stat().st_mode & 0o77 == 0
        process.send_signal(getattr(signal, number))
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (0, LAST_WORDS)
    assert list(folder.iterdir()) == []


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, said = run("--port", str(taken.getsockname()[1]), "--folder", str(tmp_path))
    assert (status, "Choose another --port" in said) == (1, True), said
    status, said = run("--host", "no.such.name.invalid")
    assert (status, "Choose another --port or --host" in said) == (1, True), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_address_that_others_reach_is_told(tmp_path: Path) -> None:
    with started(tmp_path, "--host", "0.0.0.0") as (process, address):
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Everybody who reaches this address can use it")
        port = address.rstrip("/").rpartition(":")[2]
        assert ask(f"http://127.0.0.1:{port}/options")["free_places"] == 8


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--limit", "0"],
        ["--waiting", "0"],
        ["--folder", "/no/such"],
        ["--no-such-option"],
    ],
)
def test_a_wrong_option_has_a_status_of_its_own(arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


def test_the_command_line_loads_no_server() -> None:
    program = (
        "import sys, cleanplate.offline.cli; print({'fastapi', 'starlette', 'uvicorn'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert loaded.strip() == "set()"
