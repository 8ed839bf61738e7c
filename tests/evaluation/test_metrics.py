"""The metrics, by hand."""

import numpy as np
import pytest

from cleanplate.evaluation import metrics


def plane(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float32)


def square(size: int, low: int, high: int) -> np.ndarray:
    matte = np.zeros((size, size), np.float32)
    matte[low:high, low:high] = 1
    return matte


def test_iou_and_dice() -> None:
    pred, true = plane([[1, 1, 0, 0.4]]), plane([[0, 1, 1, 0]])
    assert metrics.intersection_over_union(pred, true) == pytest.approx(1 / 3)
    assert metrics.dice(pred, true) == pytest.approx(2 / 4)


def test_mean_iou_is_over_both_classes() -> None:
    pred, true = plane([[1, 1, 0, 0]]), plane([[0, 1, 0, 0]])
    assert metrics.mean_iou(pred, true) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_empty_masks_agree() -> None:
    nothing = np.zeros((4, 4), np.float32)
    assert metrics.intersection_over_union(nothing, nothing) == 1
    assert metrics.dice(nothing, nothing) == 1
    assert metrics.boundary_iou(nothing, nothing) == 1


def test_unknown_places_do_not_count() -> None:
    pred, true = plane([[1, 1]]), plane([[1, 0]])
    valid = np.array([[True, False]])
    assert metrics.intersection_over_union(pred, true, valid) == 1
    assert metrics.mad(pred, true, valid) == 0


def test_boundary_iou_compares_rims() -> None:
    # 40 x 40: the diagonal is 57 px, the rim 1 px wide. The rims of squares of 20 and 18 px share nothing.
    outer, inner = square(40, 10, 30), square(40, 11, 29)
    assert metrics.boundary_iou(outer, outer) == 1
    assert metrics.boundary_iou(inner, outer) == 0
    assert metrics.intersection_over_union(inner, outer) == pytest.approx(18**2 / 20**2)


def test_trimap_iou_looks_near_the_edge_only() -> None:
    true = square(40, 10, 30)
    pred = true.copy()
    pred[19:21, 19:21] = 0  # a hole far from the edge
    assert metrics.trimap_iou(pred, true, 2) == 1
    assert metrics.trimap_iou(pred, true, 12) < 1
    # Two rings of a square of 20 px, one of person and one of background, and nothing found.
    inner, outer = 20**2 - 18**2, 22**2 - 20**2
    nothing = np.zeros_like(true)
    assert metrics.trimap_iou(nothing, true, 1) == pytest.approx((0 + outer / (outer + inner)) / 2)
    assert np.isnan(metrics.trimap_iou(nothing, np.ones_like(true), 4))


def test_mad_and_mse() -> None:
    pred, true = plane([[0.5, 1.0]]), plane([[0.0, 1.0]])
    assert metrics.mad(pred, true) == pytest.approx(0.25)
    assert metrics.mse(pred, true) == pytest.approx(0.125)


def test_grad_of_a_ramp() -> None:
    """Every inner pixel of a ramp counts the square of its slope times the kernel's sum of x f(x)."""
    ramp = np.tile(np.arange(60) / 100, (40, 1)).astype(np.float32)
    flat = np.zeros_like(ramp)
    # In the continuum the sum is that of the unit kernel -x exp(-r^2 / 2 s^2) / N: N^2 = pi s^4 / 2.
    per_slope = 2 * np.pi * metrics.GRADIENT_SIGMA**4 / np.sqrt(np.pi * metrics.GRADIENT_SIGMA**4 / 2)
    inner = 40 * (60 - 2 * metrics.GRADIENT_REACH) * (0.01 * per_slope) ** 2 / 1000
    everywhere = 40 * 60 * (0.01 * per_slope) ** 2 / 1000
    assert 0.9 * inner < metrics.grad(ramp, flat) < everywhere
    assert metrics.grad(ramp, ramp) == 0


def test_conn_counts_what_hangs_loose() -> None:
    true = square(20, 2, 12)
    assert metrics.conn(true, true) == 0
    island = true.copy()
    island[15:17, 15:17] = 1  # four pixels that nothing connects: degree 1 - 1 = 0 against 1 - 0
    assert metrics.conn(island, true) == pytest.approx(4 / 1000)


def test_dtssd() -> None:
    true = np.zeros((3, 1, 2), np.float32)
    flicker = true.copy()
    flicker[1, 0, 0] = 1
    assert metrics.dtssd(true + 0.5, true) == 0
    assert metrics.dtssd(flicker, true) == pytest.approx(np.sqrt(0.5))


def test_false_foreground() -> None:
    assert metrics.false_foreground(plane([[0.9, 0.2], [0.5, 0]])) == 0.25
