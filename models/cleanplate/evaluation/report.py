"""The Markdown table, and the contact sheet of the worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.evaluation.matters import Matter
from cleanplate.evaluation.measure import TRIMAP_WIDTHS, Measured, Score
from cleanplate.evaluation.sets import Case

UInt8 = NDArray[np.uint8]

COLUMNS = (
    ("iou", "IoU", 1, ".3f"),
    ("mean_iou", "mean IoU", 1, ".3f"),
    ("boundary", "boundary IoU", 1, ".3f"),
    ("dice", "Dice", 1, ".3f"),
    ("mad", "MAD x1000", 1000, ".1f"),
    ("mse", "MSE x1000", 1000, ".1f"),
    ("grad", "Grad", 1, ".2f"),
    ("conn", "Conn", 1, ".2f"),
    ("dtssd", "dtSSD x100", 100, ".2f"),
    ("false", "false %", 100, ".2f"),
)
TILE = (192, 128)  # px, width and height of each picture of the sheet


REFERENCE = "mediapipe-landscape"
"""The rival beside which times are given, too."""

Times = dict[tuple[str, int], float]
"""Milliseconds per frame by model and number of samples."""


def markdown_table(rows: Sequence[Measured], cpu: Times, gpu: Times | None = None) -> str:
    """Return one table: a row per set, model and number of samples.

    Args:
        rows: What was measured.
        cpu: As measured side by side on one thread; also given as multiples of `REFERENCE`.
        gpu: Where there is one.
    """
    once = cpu.get((REFERENCE, 0), float("nan"))
    header = ["set", "model", "samples", *(title for _, title, _, _ in COLUMNS), "ms", "x landscape"]
    lines = []
    for row in rows:
        cells = [row.set_name, row.model, str(row.samples)]
        cells += [_cell(row.mean(metric) * factor, form) for metric, _, factor, form in COLUMNS]
        taken = cpu.get((row.model, row.samples), float("nan"))
        cells += [_cell(taken, ".1f"), _cell(taken / once, ".1f")]
        if gpu:
            cells.append(_cell(gpu.get((row.model, row.samples), float("nan")), ".1f"))
        lines.append(cells)
    return _table([*header, "ms on GPU"] if gpu else header, lines)


def trimap_table(rows: Sequence[Measured]) -> str:
    """Return the curve of paper 003's figure 7 as a table: mean IoU within so many pixels of the edge."""
    header = ["set", "model", "samples", *(f"{width} px" for width in TRIMAP_WIDTHS)]
    lines = []
    for row in rows:
        values = [row.mean(f"trimap{width}") for width in TRIMAP_WIDTHS]
        if not np.isnan(values).all():
            lines.append([row.set_name, row.model, str(row.samples), *(_cell(v, ".3f") for v in values)])
    return _table(header, lines)


def worst_scores(rows: Sequence[Measured], count: int) -> list[tuple[Measured, Score]]:
    """Return the frames of lowest IoU (empty rooms: of most false foreground), worst first."""
    pairs = [(row, score) for row in rows for score in row.scores]
    return sorted(pairs, key=lambda pair: _goodness(pair[1]))[:count]


def contact_sheet(matter: Matter, worst: Sequence[tuple[Measured, Score]], cases: dict[str, Case]) -> UInt8:
    """Return the worst frames as rows of frame, first sample, true matte and matte; uint8 BGR."""
    tiles = []
    for row, score in worst:
        case = cases[score.case]
        samples = case.samples(row.samples)
        matter.start(samples)
        frame = np.zeros((1, 1, 3), np.uint8)
        true = pred = np.zeros((1, 1), np.float32)
        for index, truth in enumerate(case.truths()):
            frame, true, pred = truth.frame, truth.pha, matter.matte(truth.frame)
            if index == score.frame:
                break
        strip = np.hstack(
            [
                _tile(frame),
                _tile(samples[0] if samples else np.zeros_like(frame)),
                _tile(_grey(true)),
                _tile(_grey(pred)),
            ]
        )
        text = f"{score.case} {score.frame} n={row.samples} {_goodness(score):.2f}"
        cv2.putText(strip, text, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 255, 255), 1, cv2.LINE_AA)
        tiles.append(strip)
    if len(tiles) % 2:
        tiles.append(np.zeros_like(tiles[0]))
    return np.vstack([np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles), 2)]).astype(np.uint8)


def write_picture(path: Path, picture: UInt8) -> None:
    """Write a PNG.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # imwrite would only return False, and cannot write non-ASCII paths on Windows.
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def _cell(value: float, form: str) -> str:
    return "" if np.isnan(value) else format(value, form)


def _table(header: list[str], lines: Sequence[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *lines))


def _goodness(score: Score) -> float:
    return score.values["iou"] if "iou" in score.values else 1 - score.values["false"]


def _grey(matte: NDArray[np.floating]) -> UInt8:
    return np.repeat((matte * 255).astype(np.uint8)[..., None], 3, -1)


def _tile(picture: UInt8) -> UInt8:
    scale = min(TILE[0] / picture.shape[1], TILE[1] / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE[1], TILE[0], 3), np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small[: TILE[1], : TILE[0]]
    return tile
