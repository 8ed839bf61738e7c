"""The shipped networks load, and know the room that they were shown."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cleanplate.engine.matting import create_engine

WEIGHTS = Path(__file__).parents[2] / "models" / "weights"
NAMES = sorted(path.stem for path in WEIGHTS.glob("*.json"))
OURS = [name for name in NAMES if name.startswith("cleanplate")]
"""Those that know places of their samples; the paper's network pools them."""


def room(seed: int) -> NDArray[np.uint8]:
    """A room of soft shapes with some noise."""
    rng = np.random.default_rng(seed)
    picture = cv2.resize(
        rng.integers(40, 220, (6, 9, 3), np.uint8), (512, 288), interpolation=cv2.INTER_CUBIC
    )
    noisy: NDArray[np.uint8] = np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    return noisy


def test_there_is_a_fast_one() -> None:
    assert "cleanplate-fast" in NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(512, 288), (384, 384), (288, 512)])
def test_any_aspect_works_with_and_without_samples(name: str, size: tuple[int, int]) -> None:
    engine = create_engine(name, provider="cpu", models=[WEIGHTS], threads=1)
    frame = cv2.resize(room(0), size).astype(np.uint8)
    for samples in ([], [frame], [frame] * 3):
        engine.set_samples(samples)
        alpha = engine.stream().process(frame).alpha
        assert alpha.shape == (size[1], size[0])
        assert np.isfinite(alpha).all()


@pytest.mark.parametrize("name", OURS)
def test_the_room_of_the_sample_is_empty_even_if_the_camera_moved(name: str) -> None:
    engine = create_engine(name, provider="cpu", models=[WEIGHTS], threads=1)
    sample = room(1)
    engine.set_samples([sample])
    moved = cv2.warpAffine(
        sample, np.array([[1, 0, 6], [0, 1, -4]], np.float32), (512, 288), borderMode=cv2.BORDER_REPLICATE
    )
    brighter = cv2.convertScaleAbs(moved, alpha=1.1).astype(np.uint8)
    stream = engine.stream()
    for _ in range(3):
        alpha = stream.process(brighter).alpha
    assert float((alpha > 0.5).mean()) < 0.01
