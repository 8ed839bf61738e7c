import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        result = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    if result.returncode:
        pytest.skip(f"no small disk can be mounted here: {result.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
