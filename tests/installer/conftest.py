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
