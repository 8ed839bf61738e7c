"""Fixtures of the filter's fast tests: a fake libobs, and no worker unless a test starts one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_libobs import FakeLibObs
from filter_under_test import MakeFilter

from cleanplate.obs import capture


@pytest.fixture(autouse=True)
def _quick_and_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(capture, "SAMPLING_SECONDS", 0.1)
    monkeypatch.setenv("CLEANPLATE_PYTHON", str(tmp_path / "no-python"))
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def lib(tmp_path: Path) -> FakeLibObs:
    """A libobs that checks how it is used."""
    fake = FakeLibObs()
    fake.config_folder = str(tmp_path / "plugin_config")
    return fake


@pytest.fixture
def make_filter(lib: FakeLibObs) -> Iterator[MakeFilter]:
    """Makes filters; at the end all graphics objects must have been freed."""
    maker = MakeFilter(lib)
    yield maker
    maker.destroy_all()
    assert lib.graphics_objects() == []
