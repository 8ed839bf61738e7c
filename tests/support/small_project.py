"""A project in which what models/README.md shows takes seconds: small archives, shortened trainings."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from archives import write_archive
from clips import write_clip
from numpy.typing import NDArray

from cleanplate.data.splits import PEOPLE_SOURCES, ROOM_SOURCES, Split, split_of

Picture = NDArray[np.uint8]

PICTURES_EACH = 2
"""Of each split, from each source."""


def make_small_project(root: Path, folder: Path) -> Path:
    """Make it, with its data beside it; return its folder.

    Args:
        root: The real project; its data folder lies beside it.
        folder: An empty one.
    """
    project, shared = folder / "project", folder / "shared"
    for part in ("weights", "checkpoints", "cleanplate/export/cards"):
        shutil.copytree(root / "models" / part, project / "models" / part)
    configs = project / "models/cleanplate/training/configs"
    configs.mkdir(parents=True)
    for path in (root / "models/cleanplate/training/configs").glob("*.toml"):
        (configs / path.name).write_text(shortened(path.read_text(encoding="utf-8")), encoding="utf-8")
    # What comes out of the stages that models/README.md leaves to the reader, to be averaged.
    page = (root / "models/README.md").read_text(encoding="utf-8")
    for last in re.findall(r"^cleanplate average (.+) --output", page, re.MULTILINE)[0].split():
        (project / last).parent.mkdir(parents=True)
        shutil.copy(root / "models/checkpoints/cleanplate-fast.ckpt", project / last)
    write_archives(shared / "data")
    for name in ("peers", "pretrained"):
        (shared / name).symlink_to((root.parent / "shared" / name).resolve())
    return project


def shortened(config: str) -> str:
    """The configuration of a training, cut down to two steps on small pictures."""
    table = tomllib.loads(config)
    table |= {"steps": 2, "validate_every": 2, "warm_up": 1}
    small = {"sizes": [[64, 32]], "size_weights": [1.0], "sequences": 2, "several": 0.0}
    table["batches"] = {**table.get("batches", {}), **small}
    return _toml(table)


def _toml(table: dict[str, Any]) -> str:
    """Values look alike in TOML and JSON, but for tables."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    sections = [f"[{key}]\n{_toml(value)}" for key, value in table.items() if isinstance(value, dict)]
    return "\n".join([*plain, *sections])


def write_archives(data: Path) -> None:
    """Archives of every source, with pictures for both splits, and a webcam's clips."""
    data.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for source in PEOPLE_SOURCES:
        pattern = "{}/00" if source == "signers" else "{}"
        write_archive(data / f"{source}.tar", dict(_people(source, pattern)))
    for source in ROOM_SOURCES:
        names = _names_of_both_splits(source, "{}_kitchen")
        write_archive(
            data / f"{source}.tar",
            {f"{name}.jpg": rng.integers(0, 256, (60, 90, 3), np.uint8) for name in names},
        )
    room, (frame, mask) = np.full((96, 128, 3), 90, np.uint8), _person()
    truth = np.where(mask > 0, np.uint8(255), np.uint8(0))
    write_archive(data / "portraits-test.tar", {"1.jpg": frame, "1.png": mask})
    write_archive(data / "captured.tar", {"s1/sample0.jpg": room, "s1/0.jpg": frame, "s1/0.png": mask})
    empties = {f"empty/{index}.jpg": room for index in range(3)}
    write_archive(data / "office.tar", {**empties, "frames/1.jpg": frame, "frames/1.png": truth})

    office = cv2.GaussianBlur(rng.integers(0, 256, (480, 640, 3), np.uint8), (0, 0), 3)
    for name in ("book", "talk"):
        pictures = []
        for step in range(4):
            picture = office.astype(np.uint8).copy()
            cv2.ellipse(picture, (300 + 10 * step, 480), (120, 300), 0, 0, 360, (90, 120, 220), -1)
            pictures.append(picture)
        (data / "videos/webcam").mkdir(parents=True, exist_ok=True)
        write_clip(data / f"videos/webcam/{name}.mkv", pictures)


def _people(source: str, pattern: str) -> Iterator[tuple[str, Picture]]:
    for name in _names_of_both_splits(source, pattern):
        frame, mask = _person()
        yield f"{name}.jpg", frame
        yield f"{name}.png", mask


def _person() -> tuple[Picture, Picture]:
    frame, mask = np.full((96, 128, 3), 90, np.uint8), np.zeros((96, 128), np.uint8)
    for picture, colour in ((frame, (200, 120, 80)), (mask, (255,))):
        cv2.ellipse(picture, (64, 96), (30, 70), 0, 0, 360, colour, -1)
    return frame, mask


def _names_of_both_splits(source: str, pattern: str) -> list[str]:
    names = [pattern.format(f"{number:03}") for number in range(500)]
    return [
        name
        for split in Split
        for name in islice((name for name in names if split_of(source, name) is split), PICTURES_EACH)
    ]
