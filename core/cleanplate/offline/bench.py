"""How fast the engine is here: milliseconds per frame by model and provider."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cleanplate.engine.base import Engine
from cleanplate.engine.providers import load_onnxruntime
from cleanplate.offline.errors import InputError

WARM_UP_FRAMES = 3


@dataclass(frozen=True)
class Timing:
    """Times of one engine at one size.

    Attributes:
        name: of the model.
        provider: what computed it.
        median: milliseconds per frame.
        p95: milliseconds that 95 of 100 frames stay under.
    """

    name: str
    provider: str
    median: float
    p95: float


def time_engine(engine: Engine, width: int, height: int, seconds: float) -> Timing:
    """Time an engine on a moving picture with background samples of the scene.

    Args:
        engine: gets samples of a made-up room.
        width: of the frames.
        height: of the frames.
        seconds: to measure for, after the warm-up.
    """
    rng = np.random.default_rng(0)
    room = rng.integers(0, 255, (height, width, 3), np.uint8)
    engine.set_samples([room])
    stream = engine.stream()
    frames = []
    for step in range(8):
        frame = room.copy()
        left = step * width // 16
        frame[height // 4 :, left : left + width // 4] = (90, 120, 200)
        frames.append(frame)
    number = 0

    def one() -> None:
        nonlocal number
        stream.process(frames[number % len(frames)])
        number += 1

    return _timing(engine.name, engine.provider, one, seconds)


def time_rival(path: Path, seconds: float) -> Timing:
    """Time the bare graph of another project's ONNX network on the CPU, at the size it was exported for.

    Raises:
        InputError: ONNX Runtime cannot load it.
    """
    try:
        session = load_onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no public base
        raise InputError(
            f"{path} cannot be loaded by ONNX Runtime ({error}). Give an ONNX network."
        ) from error
    tensors = {
        tensor.name: np.zeros([side if isinstance(side, int) else 1 for side in tensor.shape], np.float32)
        for tensor in session.get_inputs()
    }
    return _timing(path.stem, "cpu", lambda: session.run(None, tensors), seconds)


def _timing(name: str, provider: str, run: Callable[[], object], seconds: float) -> Timing:
    for _ in range(WARM_UP_FRAMES):
        run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1000)
    return Timing(name, provider, float(np.median(times)), float(np.percentile(times, 95)))
