"""A service in this process, and what is sent to it."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import pytest
from clips import room, scene, write_clip
from fastapi.testclient import TestClient
from web_service import LIMIT_BYTES, Start

from cleanplate.web.app import Service, create_app
from cleanplate.web.conversion import Converter
from cleanplate.web.jobs import Convert, Jobs


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    """Starts a service whose files are in `tmp_path / "service"`."""
    folder = tmp_path / "service"
    folder.mkdir()

    @contextmanager
    def started(
        convert: Convert | None = None, *, places: int = 8, limit: int = LIMIT_BYTES
    ) -> Generator[TestClient]:
        with closing(Jobs(folder, convert or Converter("cpu", [], limit), places=places)) as jobs:
            app = create_app(Service(jobs, [], limit), ["localhost", "studio"])
            with TestClient(app, base_url="http://127.0.0.1:8765", headers={"X-Cleanplate": "1"}) as client:
                yield client

    yield started
    assert list(folder.iterdir()) == []  # whatever happened


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "talk.mp4", [scene(number) for number in range(20)], sound="aac")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "empty.png"), room())
    return tmp_path / "empty.png"
