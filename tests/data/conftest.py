"""A tiny world: a few drawn people and rooms, packed as the real ones are."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.data.pack import store_path
from cleanplate.data.splits import Split
from cleanplate.data.store import write_store


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed stores of both splits."""
    folder = tmp_path_factory.mktemp("cache")
    rng = np.random.default_rng(0)
    for split in Split:
        rooms = [(f"rooms/{i}_kitchen", rng.integers(0, 256, (60, 90, 3), np.uint8)) for i in range(3)]
        people = []
        for name in ("portraits-train/1", "portraits-train/2", "signers/000/00", "signers/000/01"):
            person = rng.integers(100, 256, (50, 40, 4), np.uint8)
            person[..., 3] = 0
            cv2.ellipse(person, (20, 50), (18, 45), 0, 0, 360, (200, 120, 80, 255), -1)
            people.append((name, person))
        write_store(store_path(folder, "rooms", split), rooms)
        write_store(store_path(folder, "people", split), people)
        write_store(store_path(folder, "stills", split), people[:2])
    return folder
