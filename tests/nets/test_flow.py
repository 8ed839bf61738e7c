"""Optical flow of drawn pictures whose motion is known."""

import pytest
import torch
from torch import Tensor

from cleanplate.nets import flow
from cleanplate.nets.flow import SMOOTHNESS, grey, horn_schunck, motion_mask, warp

HEIGHT, WIDTH = 64, 96
INSIDE = (..., slice(12, -12), slice(12, -12))


def texture(right: float = 0.0, down: float = 0.0) -> Tensor:
    """Smooth waves of all directions, moved so far."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) - down, torch.arange(WIDTH) - right, indexing="ij")
    waves = ((0.4, 0.1), (-0.15, 0.35), (0.05, -0.2), (0.22, 0.24), (-0.1, 0.03))
    return sum(0.08 * torch.sin(a * x + b * y + 7 * a) for a, b in waves)[None, None] + 0.5  # type: ignore[index]


def test_grey_is_how_bright_colours_look() -> None:
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])[..., None, None]
    assert grey(colours).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114, 1.0])


def test_warping_moves_by_whole_and_half_pixels() -> None:
    row = torch.tensor([0.0, 10, 20, 40]).expand(1, 1, 4, 4)
    whole, half = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    whole[:, 0], half[:, 0] = 1, 0.5
    torch.testing.assert_close(warp(row, torch.zeros(1, 2, 4, 4)), row)
    assert warp(row, whole)[0, 0, 0].tolist() == pytest.approx([0, 0, 10, 20])
    assert warp(row, half)[0, 0, 2].tolist() == pytest.approx([0, 5, 15, 30])
    down = torch.zeros(1, 2, 4, 4)
    down[:, 1] = -2
    assert warp(row.mT, down)[0, 0, :, 1].tolist() == pytest.approx([20, 40, 40, 40])


@pytest.mark.parametrize(("iterations", "left"), [(1, 0.2), (2, 0.04), (3, 0.008)])
def test_a_ramps_motion_is_approached_as_horn_and_schunck_have_it(
    iterations: int, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With slope g an iteration leaves alpha^2 / (alpha^2 + g^2) of what is missing: a fifth of g = 2 alpha.
    monkeypatch.setattr(flow, "LEVELS", 1)
    monkeypatch.setattr(flow, "ITERATIONS", iterations)
    slope = 2 * SMOOTHNESS
    before = (slope * torch.arange(16.0)).expand(1, 1, 16, 16)
    found = horn_schunck(before, before - slope * 0.3)[0, :, 8, 8]
    assert found.tolist() == pytest.approx([0.3 * (1 - left), 0], abs=1e-5)


@pytest.mark.parametrize("motion", [(0.5, 0.0), (0.0, -1.0), (1.0, 0.5), (-3.0, 2.0), (6.0, 0.0)])
def test_a_moved_texture_is_as_far_away_as_it_was_moved(motion: tuple[float, float]) -> None:
    found = horn_schunck(texture(), texture(*motion))[INSIDE]
    assert [float(each.median()) for each in found[0]] == pytest.approx(motion, abs=0.12)
    length = float(found.square().sum(1).sqrt().median())
    assert length == pytest.approx((motion[0] ** 2 + motion[1] ** 2) ** 0.5, rel=0.1)


def test_what_does_not_move_has_no_flow() -> None:
    assert horn_schunck(texture(), texture()).abs().max() < 1e-5
    assert motion_mask(texture(), texture(), 0.4).sum() == 0


def test_a_cameras_noise_is_no_motion() -> None:
    torch.manual_seed(0)
    before, now = (texture() + 2 / 255 * torch.randn(1, 1, HEIGHT, WIDTH) for _ in range(2))
    assert motion_mask(before, now, 0.4).mean() < 0.001


def test_the_mask_is_where_the_flow_is_long_enough() -> None:
    before, now = texture(), texture(1.0)
    length = horn_schunck(before, now).square().sum(1, keepdim=True).sqrt()
    for threshold in (0.4, 1.0, 2.0):
        assert torch.equal(motion_mask(before, now, threshold), (length >= threshold).float())
    assert motion_mask(before, now, 0.4)[INSIDE].mean() > 0.99
    assert motion_mask(before, now, 2.0)[INSIDE].mean() < 0.05


def test_a_square_that_moves_before_a_still_wall_is_marked() -> None:
    before, now = texture(), texture()
    pattern = 1 - texture(40, 17)[..., 20:44, 20:44]
    before[..., 20:44, 30:54] = pattern
    now[..., 20:44, 32:56] = pattern
    mask = motion_mask(before, now, 0.4)[0, 0]
    assert mask[20:44, 32:56].min() == 1
    beyond = mask.clone()
    beyond[12:52, 22:66] = 0  # the flow is smooth, and so goes a little beyond what moves
    assert beyond.sum() == 0


def test_no_frame_before_is_no_motion() -> None:
    nothing = torch.zeros(1, 1, HEIGHT, WIDTH)
    assert motion_mask(nothing, texture(), 0.4).sum() == 0
    both = motion_mask(torch.cat([nothing, texture()]), torch.cat([texture(1.0)] * 2), 0.4)
    assert both.sum((1, 2, 3)).gt(0).tolist() == [False, True]  # each video by itself


def test_mixed_precision_leaves_the_mask_as_it_is() -> None:
    expected = motion_mask(texture(), texture(0.4), 0.4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(motion_mask(texture(), texture(0.4), 0.4), expected)
