"""Metrics of masks and mattes: pure functions of float arrays in 0..1, each with a hand-computed test.

`pred` and `true` are float32 [H, W]. `valid` is bool [H, W], True where the truth is known, or None for
everywhere.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

THRESHOLD = 0.5
BOUNDARY_SHARE = 0.02  # of the diagonal: the width of the band of boundary IoU
GRADIENT_SIGMA = 1.4  # px (Rhemann et al. 2009)
GRADIENT_REACH = 4  # px
CONNECTIVITY_STEPS = 10  # thresholds between 0 and 1 (Rhemann et al. 2009 use steps of 0.1)
CONNECTIVITY_SLACK = 0.15


def intersection_over_union(pred: Float, true: Float, valid: Bool | None = None) -> float:
    """Return the IoU of the masks at `THRESHOLD`; 1 where both are empty."""
    return _ratio(*_masks(pred, true, valid))


def mean_iou(pred: Float, true: Float, valid: Bool | None = None) -> float:
    """Return the mean of the IoUs of person and background, as paper 003 reports it."""
    return (intersection_over_union(pred, true, valid) + _ratio(*_masks(1 - pred, 1 - true, valid))) / 2


def dice(pred: Float, true: Float, valid: Bool | None = None) -> float:
    """Return the Dice coefficient of the masks at `THRESHOLD`; 1 where both are empty."""
    a, b = _masks(pred, true, valid)
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def boundary_iou(pred: Float, true: Float) -> float:
    """Return the boundary IoU (Cheng et al. 2021): the IoU of the masks' inner rims.

    The rim's width is `BOUNDARY_SHARE` of the picture's diagonal, at least one pixel.
    """
    a, b = _masks(pred, true, None)
    width = max(1, round(BOUNDARY_SHARE * float(np.hypot(*a.shape))))
    return _ratio(_rim(a, width), _rim(b, width))


def trimap_iou(pred: Float, true: Float, width: int) -> float:
    """Return the mean of the IoUs of person and background within `width` pixels of the true edge.

    Paper 003, section 5.1 and figure 7. NaN where the truth has no edge.
    """
    a, b = _masks(pred, true, None)
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    mask = b.astype(np.uint8)
    band = cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)
    if not band.any():
        return float("nan")
    return (_ratio(a & band, b & band) + _ratio(~a & band, ~b & band)) / 2


def mad(pred: Float, true: Float, valid: Bool | None = None) -> float:
    """Return the mean absolute difference."""
    return float(np.abs(pred - true)[_all(valid, pred)].mean())


def mse(pred: Float, true: Float, valid: Bool | None = None) -> float:
    """Return the mean squared difference."""
    return float(np.square(pred - true)[_all(valid, pred)].mean())


def grad(pred: Float, true: Float) -> float:
    """Return the gradient error in thousands (Rhemann et al. 2009): squared difference of magnitudes.

    As in the evaluation codes in use, the derivative's kernel has unit norm: it is no slope.
    """
    return float(np.square(_gradient(pred) - _gradient(true)).sum()) / 1000


def conn(pred: Float, true: Float) -> float:
    """Return the connectivity error in thousands (Rhemann et al. 2009).

    A pixel's degree of connectedness is the highest threshold at which it still belongs to the largest region
    that both mattes share.
    """
    levels = np.linspace(0, 1, CONNECTIVITY_STEPS + 1)
    lowest = np.ones_like(pred)
    undecided = np.ones(pred.shape, bool)
    for below, level in pairwise(levels):
        shared = _largest_region((pred >= level) & (true >= level))
        lost = undecided & ~shared
        lowest[lost] = below
        undecided &= shared
    distance_pred, distance_true = pred - lowest, true - lowest
    degree_pred = 1 - distance_pred * (distance_pred >= CONNECTIVITY_SLACK)
    degree_true = 1 - distance_true * (distance_true >= CONNECTIVITY_SLACK)
    return float(np.abs(degree_pred - degree_true).sum()) / 1000


def dtssd(preds: Float, trues: Float) -> float:
    """Return the temporal error (Erofeev et al. 2015): root mean squared difference of the changes over time.

    Args:
        preds: float32 [T, H, W], T >= 2.
        trues: Likewise.
    """
    change = np.diff(preds, axis=0) - np.diff(trues, axis=0)
    return float(np.sqrt(np.square(change).mean(axis=(1, 2))).mean())


def false_foreground(pred: Float) -> float:
    """Return the share of an empty room's pixels that are taken for a person."""
    return float((pred > THRESHOLD).mean())


def _masks(pred: Float, true: Float, valid: Bool | None) -> tuple[Bool, Bool]:
    known = _all(valid, pred)
    return (pred > THRESHOLD) & known, (true > THRESHOLD) & known


def _all(valid: Bool | None, like: Float) -> Bool:
    return np.ones(like.shape, bool) if valid is None else valid


def _ratio(a: Bool, b: Bool) -> float:
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def _rim(mask: Bool, width: int) -> Bool:
    # A border of background, so that the picture's edge counts as the mask's edge.
    padded = np.pad(mask.astype(np.uint8), 1)
    inside = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    rim: Bool = mask & np.equal(inside, 0)
    return rim


def _gradient(matte: Float) -> Float:
    """Return the magnitude of the response to derivatives of a Gaussian, the border repeated."""
    x = np.arange(-GRADIENT_REACH, GRADIENT_REACH + 1, dtype=np.float64)
    bell = np.exp(-(x**2) / (2 * GRADIENT_SIGMA**2))
    slope = x * bell
    bell, slope = bell / np.linalg.norm(bell), slope / np.linalg.norm(slope)
    across = cv2.sepFilter2D(matte, cv2.CV_64F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(matte, cv2.CV_64F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down).astype(np.float32)


def _largest_region(mask: Bool) -> Bool:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros(mask.shape, bool)
    largest: Bool = np.equal(labels, 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))
    return largest
