"""A tiny world for training: a few drawn people, rooms and one recording, packed as the real ones are."""

from pathlib import Path

import cv2
import numpy as np

from cleanplate.data.pack import PLATE, store_path
from cleanplate.data.splits import Split
from cleanplate.data.store import write_store


def write_tiny_cache(folder: Path) -> Path:
    """Write packed stores of both splits; return the folder."""
    rng = np.random.default_rng(0)
    for split in Split:
        rooms = [(f"rooms/{i}_kitchen", rng.integers(0, 256, (60, 90, 3), np.uint8)) for i in range(3)]
        people = []
        for name in ("portraits-train/1", "portraits-train/2", "signers/000/00", "signers/000/01"):
            person = rng.integers(100, 256, (50, 40, 4), np.uint8)
            person[..., 3] = 0
            wide = 14 if name.endswith("/01") else 18  # the clip moves
            cv2.ellipse(person, (20, 50), (wide, 45), 0, 0, 360, (200, 120, 80, 255), -1)
            people.append((name, person))
        office = rng.integers(0, 256, (48, 64, 4), np.uint8)
        office[..., 3] = 0
        recording = [(PLATE, office)]
        for index in range(3):
            frame = office.copy()
            cv2.ellipse(frame, (30 + index, 48), (12, 30), 0, 0, 360, (90, 120, 220, 255), -1)
            recording.append((f"webcam/book/{index:03}", frame))
        write_store(store_path(folder, "rooms", split), rooms)
        write_store(store_path(folder, "people", split), people)
        write_store(store_path(folder, "stills", split), people[:2])
        write_store(store_path(folder, "webcam", split), recording)
    return folder
