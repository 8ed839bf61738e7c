"""Measuring: every model on every set, with every number of samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.evaluation import metrics
from cleanplate.evaluation.matters import Matter
from cleanplate.evaluation.sets import Case, Truth

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]

TRIMAP_WIDTHS = (1, 2, 4, 8, 16, 32)  # px, of the curve as in paper 003's figure 7
SPEED_TURNS = 20
SPEED_FRAMES = 8  # of a turn; more than any engine lets pass between two of its rarer tasks but for drift
SMALLEST_PERSON = 0.002  # share of the picture; below, IoU says nothing and false foreground counts instead


class Score(NamedTuple):
    """How one frame came out.

    Attributes:
        case: `SET/CASE`.
        frame: Its number.
        values: Metric to value; `false` alone where the room is empty.
    """

    case: str
    frame: int
    values: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """One model on one set with one number of samples.

    Attributes:
        model: Its name.
        set_name: The set's.
        samples: How many were given.
        scores: Of every frame.
    """

    model: str
    set_name: str
    samples: int
    scores: tuple[Score, ...]

    def mean(self, metric: str) -> float:
        """Return the mean over the frames that have this metric; NaN if none has."""
        values = [score.values[metric] for score in self.scores if metric in score.values]
        return float(np.mean(values)) if values else float("nan")


def measure(matter: Matter, cases: Sequence[Case], samples: int) -> Measured:
    """Measure a model on a set, giving it up to `samples` background samples."""
    scores: list[Score] = []
    for case in cases:
        matter.start(case.samples(samples))
        truths = list(case.truths())
        scores += video_scores(case, truths, [matter.matte(truth.frame) for truth in truths])
    return Measured(matter.name, cases[0].name.split("/")[0], samples, tuple(scores))


def video_scores(case: Case, truths: Sequence[Truth], preds: Sequence[Float]) -> list[Score]:
    """Return every metric of every frame of one video; dtSSD stands with the last frame."""
    scores = [
        Score(case.name, index, frame_values(pred, truth.pha, truth.valid))
        for index, (truth, pred) in enumerate(zip(truths, preds, strict=True))
    ]
    known = [(pred, truth.pha) for truth, pred in zip(truths, preds, strict=True) if truth.valid is None]
    if len(known) > 1:
        found, true = (np.stack(part) for part in zip(*known, strict=True))
        scores[-1].values["dtssd"] = metrics.dtssd(found, true)
    return scores


def frame_values(pred: Float, true: Float, valid: NDArray[np.bool_] | None) -> dict[str, float]:
    """Return every metric of one frame."""
    if float((true > metrics.THRESHOLD).mean()) < SMALLEST_PERSON:
        return {"false": metrics.false_foreground(pred if valid is None else pred * valid)}
    values = {
        "iou": metrics.intersection_over_union(pred, true, valid),
        "mean_iou": metrics.mean_iou(pred, true, valid),
        "dice": metrics.dice(pred, true, valid),
        "mad": metrics.mad(pred, true, valid),
        "mse": metrics.mse(pred, true, valid),
    }
    if valid is None:  # edges that are known in part would be those of the known part
        values["boundary"] = metrics.boundary_iou(pred, true)
        values |= {"grad": metrics.grad(pred, true), "conn": metrics.conn(pred, true)}
        near = {f"trimap{width}": metrics.trimap_iou(pred, true, width) for width in TRIMAP_WIDTHS}
        values |= {name: value for name, value in near.items() if not np.isnan(value)}
    return values


def milliseconds_together(
    matters: Sequence[Matter],
    frame: UInt8,
    samples: Sequence[UInt8],
    clock: Callable[[], float] = time.process_time,
) -> list[float]:
    """Return each model's median time per frame, all taking turns, so that other load hits all alike.

    Args:
        matters: The models.
        frame: uint8 [H, W, 3] BGR.
        samples: Background samples.
        clock: Seconds. The default is the time of the CPU, which other programs hardly change; what a GPU
            computes takes `time.perf_counter`.
    """
    for matter in matters:
        matter.start(samples)
        matter.matte(frame)
    times: list[list[float]] = [[] for _ in matters]
    for _ in range(SPEED_TURNS):
        for matter, taken in zip(matters, times, strict=True):
            begin = clock()
            for _ in range(SPEED_FRAMES):
                matter.matte(frame)
            taken.append((clock() - begin) / SPEED_FRAMES)
    return [1000 * float(np.median(taken)) for taken in times]
