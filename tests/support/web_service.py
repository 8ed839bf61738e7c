"""Talks to the web service as its page does."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

Start = Callable[..., AbstractContextManager[TestClient]]

LIMIT_BYTES = 20_000_000
PATIENCE_SECONDS = 120


def send(
    client: TestClient,
    films: Sequence[Path],
    *,
    samples: Sequence[Path] = (),
    picture: Path | None = None,
    status: int = 201,
    fields: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Send a form to be done by the method difference; return the answer."""
    named = [("films", path) for path in films] + [("samples", path) for path in samples]
    named += [("picture", picture)] if picture else []
    files = [(field, (path.name, path.read_bytes(), "application/octet-stream")) for field, path in named]
    answer = client.post("/jobs", files=files, data={"model": "difference", **(fields or {})})
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


def wait(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """Ask until a job has ended."""
    return wait_until(client, job, lambda told: told["state"] in ("done", "failed"))


def wait_until(
    client: TestClient, job: dict[str, Any], reached: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Ask until what is told is as wanted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        told: dict[str, Any] = client.get(f"/jobs/{job['id']}").raise_for_status().json()
        if reached(told):
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.02)


def wait_for(reached: Callable[[], bool]) -> None:
    """Look until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
