"""Smoothing, edge shift and guided filter on mattes that can be followed by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cleanplate.engine.imaging import as_plane
from cleanplate.engine.refine import STRONGEST, GuidedFilter, TemporalSmoother, shift_edge, upsample_matte

GREY = np.full((40, 60, 3), 100, np.uint8)


def disc(radius: float, height: int = 81, width: int = 81) -> NDArray[np.float32]:
    y, x = np.mgrid[:height, :width]
    return as_plane(np.clip(radius + 0.5 - np.hypot(y - height // 2, x - width // 2), 0, 1))


def test_flicker_is_damped_where_nothing_moves() -> None:
    smoother = TemporalSmoother()
    smoother.smooth(np.zeros((40, 60), np.float32), GREY, 0.5)
    smoothed = smoother.smooth(np.ones((40, 60), np.float32), GREY, 0.5)
    np.testing.assert_allclose(smoothed, 1 - 0.5 * STRONGEST, atol=1e-6)


def test_no_ghost_where_the_picture_moves() -> None:
    smoother = TemporalSmoother()
    hand = np.zeros((40, 60), np.float32)
    hand[:, :30] = 1
    frame = GREY.copy()
    frame[:, :30] = 220
    smoother.smooth(hand, frame, 1.0)
    smoothed = smoother.smooth(np.zeros((40, 60), np.float32), GREY, 1.0)
    assert smoothed[:, :30].max() < 0.01


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_first_matte_passes(strength: float) -> None:
    matte = disc(10, 40, 60)
    np.testing.assert_array_equal(TemporalSmoother().smooth(matte, GREY, strength), matte)


def test_strength_zero_passes_every_matte() -> None:
    smoother = TemporalSmoother()
    smoother.smooth(np.zeros((40, 60), np.float32), GREY, 0.0)
    matte = disc(10, 40, 60)
    np.testing.assert_array_equal(smoother.smooth(matte, GREY, 0.0), matte)


@pytest.mark.parametrize("pixels", [-4.0, -1.5, -0.5, 0.0, 0.25, 1.0, 2.5, 5.0])
def test_edge_is_shifted_by_so_many_pixels(pixels: float) -> None:
    shifted = shift_edge(disc(20), pixels)
    radius = np.sqrt(shifted.sum() / np.pi)
    assert radius == pytest.approx(20 + pixels, abs=0.4)


def test_shift_by_nothing_is_the_matte_itself() -> None:
    matte = disc(20)
    assert shift_edge(matte, 0.0) is matte


def test_guided_filter_follows_the_guides_edge() -> None:
    guide = np.zeros((40, 60), np.float32)
    guide[:, 30:] = 1
    blurred = as_plane(np.tile(np.clip((np.arange(60) - 24) / 12, 0, 1), (40, 1)))
    filtered = GuidedFilter(guide, 6, 1e-4).apply(blurred)
    assert filtered[:, 29].max() < 0.3
    assert filtered[:, 30].min() > 0.7


def test_guided_filter_of_a_flat_guide_is_the_mean() -> None:
    picture = np.random.default_rng(1).random((30, 30)).astype(np.float32)
    filtered = GuidedFilter(np.full((30, 30), 0.5, np.float32), 1, 1e-2).apply(picture)
    weights = np.array([1, 2, 3, 2, 1], np.float32) / 9  # a mean of means
    expected = (np.outer(weights, weights) * picture[8:13, 8:13]).sum()
    assert filtered[10, 10] == pytest.approx(expected, abs=1e-3)


def test_matte_is_upsampled_along_the_frames_edge() -> None:
    frame = np.full((80, 120, 3), 40, np.uint8)
    frame[:, 61:] = 200  # within a pixel of the small picture
    small = frame.reshape(40, 2, 60, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    matte = small[:, :, 0].astype(np.float32) / 160 - 0.25  # as soft as the small picture
    alpha = upsample_matte(matte, small, frame)
    assert alpha.shape == (80, 120)
    assert alpha[:, :61].max() < 0.01
    assert alpha[:, 61:].min() > 0.99


def test_matte_is_upsampled_along_an_edge_between_colours_of_one_brightness() -> None:
    frame = np.full((80, 120, 3), (40, 90, 140), np.uint8)
    frame[:, 61:] = (140, 90, 102)
    small = frame.reshape(40, 2, 60, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    matte = small[:, :, 0].astype(np.float32) / 100 - 0.4
    alpha = upsample_matte(matte, small, frame)
    assert alpha[:, :61].max() < 0.01
    assert alpha[:, 61:].min() > 0.99


@pytest.mark.parametrize(("value", "expected"), [(0.02, 0.0), (0.25, 0.225), (0.5, 0.5), (0.97, 1.0)])
def test_upsampled_mattes_are_stretched_about_one_half(value: float, expected: float) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8)
    small = np.ascontiguousarray(frame[::2, ::2])
    alpha = upsample_matte(np.full((40, 60), value, np.float32), small, frame)
    np.testing.assert_allclose(alpha, expected, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (17, 5)])
def test_matte_of_any_size_is_upsampled(size: tuple[int, int]) -> None:
    small, frame = np.zeros((*size, 3), np.uint8), np.zeros((40, 60, 3), np.uint8)
    alpha = upsample_matte(np.full(size, 0.5, np.float32), small, frame)
    np.testing.assert_allclose(alpha, 0.5, atol=1e-4)


def test_upsampled_matte_of_a_flat_frame_stays_within_its_range() -> None:
    frame = np.random.default_rng(0).integers(90, 110, (80, 120, 3)).astype(np.uint8)
    small = np.ascontiguousarray(frame[::2, ::2])
    alpha = upsample_matte(disc(10, 40, 60), small, frame)
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert alpha[40, 60] == pytest.approx(1, abs=0.01)
    assert alpha[:10].max() < 0.01
