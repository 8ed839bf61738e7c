"""Measuring trained networks before any export: `cleanplate compare`.

For comparisons that no graph of the engine can make: Background Cut with frames from the future, or without
its refinement, FUNet without motion, and the variants of an ablation. Each network sees whole videos, at the
size it was trained with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from math import inf, sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from cleanplate.data.batches import Batch
from cleanplate.engine.imaging import resize_picture, resize_plane
from cleanplate.evaluation.measure import Measured, Score, video_scores
from cleanplate.evaluation.sets import Case
from cleanplate.nets.cleanplate import MULTIPLE  # a multiple of the others', too
from cleanplate.training.background_cut_module import BackgroundCutModule
from cleanplate.training.config import Config
from cleanplate.training.funet_module import FUNetModule
from cleanplate.training.module import MattingModule

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]


def variants(name: str, module: MattingModule) -> Iterator[tuple[str, MattingModule]]:
    """Yield a module and copies: of Background Cut without its refinement, of FUNet that sees no motion."""
    yield name, module
    if isinstance(module, BackgroundCutModule) and module.net.refine is not None:
        unrefined = deepcopy(module)
        unrefined.net.refine = None
        yield f"{name}, unrefined", unrefined
    if isinstance(module, FUNetModule):
        still = deepcopy(module)
        still.net.threshold = inf
        yield f"{name}, no motion", still


def measure_module(
    name: str, module: MattingModule, config: Config, cases: Sequence[Case], samples: int
) -> Measured:
    """Measure a trained module on a set, giving it up to `samples` background samples."""
    area = max(width * height for width, height in config.batches.sizes)
    scores: list[Score] = []
    module.eval()
    for case in cases:
        truths = list(case.truths())
        frames = [truth.frame for truth in truths]
        scores += video_scores(case, truths, mattes(module, frames, case.samples(samples), area))
    return Measured(name, cases[0].name.split("/")[0], samples, tuple(scores))


def mattes(
    module: MattingModule, frames: Sequence[UInt8], samples: Sequence[UInt8], area: int
) -> list[Float]:
    """Return alpha of every frame of one video, at the frames' size.

    Args:
        module: Trained, in evaluation mode.
        frames: uint8 [H, W, 3] BGR each.
        samples: Likewise, of any size.
        area: Width times height, in pixels, of the pictures that the network sees.
    """
    height, width = frames[0].shape[:2]
    scale = sqrt(area / (width * height)) / MULTIPLE
    size = (max(1, round(width * scale)) * MULTIPLE, max(1, round(height * scale)) * MULTIPLE)
    empty = np.zeros((size[1], size[0], 3), np.uint8)
    slots = [resize_picture(sample, *size) for sample in samples] or [empty]
    batch = Batch(
        _planes([resize_picture(frame, *size) for frame in frames]),
        torch.zeros(1, len(frames), 1, size[1], size[0], dtype=torch.uint8),
        _planes(slots),
        torch.tensor([len(samples)]),
    )
    with torch.no_grad():
        logit, _ = module.predict(batch)
    return [resize_plane(alpha, width, height) for alpha in logit[:, 0].sigmoid().numpy()]


def _planes(pictures: Sequence[UInt8]) -> torch.Tensor:
    """uint8 [H, W, 3] BGR each to one sequence [1, T, 3, H, W] RGB."""
    stacked = np.stack(pictures)[..., ::-1].transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stacked)[None])
