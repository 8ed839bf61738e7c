import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from fake_user import FakeLinux, User


@pytest.fixture(params=["home", "a home with spaces", "Büro 部屋"])
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An empty home, with names that programs stumble over."""
    home: Path = tmp_path / request.param
    home.mkdir()
    return home


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A user of Linux."""
    home = tmp_path / "home"
    home.mkdir()
    return User(FakeLinux(home))


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        result = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    if result.returncode:
        pytest.skip(f"no small disk can be mounted here: {result.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
