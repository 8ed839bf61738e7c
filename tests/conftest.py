"""For all tests, and the programs that they start."""

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

# Threads of OpenMP wait for each other by turning in circles. For the tests' tiny networks they gain nothing,
# and on a machine that is busy otherwise they make seconds into minutes. Numba, which pymatting loads, would
# set PyTorch's number of threads anew.
for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


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
