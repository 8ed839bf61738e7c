"""The tiny world that stands in for the packed pictures."""

from pathlib import Path

import pytest
from tiny_world import write_tiny_cache


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed stores of both splits."""
    return write_tiny_cache(tmp_path_factory.mktemp("cache"))
