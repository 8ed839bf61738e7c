"""Optical flow: what it points at, by hand, and that it is learned."""

import numpy as np
import pytest
import torch

from cleanplate.data.geometry import displace
from cleanplate.nets.pwc import CHANNELS, STRIDES, PWCNet, backwarp, correlation, standardised


def constant(x: float, y: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([x, y])[None, :, None, None].expand(1, 2, height, width)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (0, 0, [[1, 2, 3], [4, 5, 6]]),
        (1, 0, [[2, 3, 3], [5, 6, 6]]),  # what was one to the right is now here; the border is repeated
        (-1, 0, [[1, 1, 2], [4, 4, 5]]),
        (0, 1, [[4, 5, 6], [4, 5, 6]]),
        (0.5, 0, [[1.5, 2.5, 3], [4.5, 5.5, 6]]),
    ],
)
def test_a_constant_flow_shifts_the_picture(x: float, y: float, expected: list[list[float]]) -> None:
    picture = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[None, None]
    torch.testing.assert_close(backwarp(picture, constant(x, y, 2, 3))[0, 0], torch.tensor(expected).float())


def test_it_reads_where_the_pictures_of_the_training_are_read() -> None:
    rng = np.random.default_rng(0)
    picture = rng.normal(size=(20, 30, 3)).astype(np.float32)
    field = rng.normal(0, 3, (20, 30, 2)).astype(np.float32)
    planes, flow = (torch.from_numpy(each).permute(2, 0, 1)[None] for each in (picture, field))
    found = backwarp(planes, flow)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - displace(picture, field)).max() < 0.1  # OpenCV reads at 32nds of a pixel


def test_correlation_compares_with_shifted_places() -> None:
    now, before = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4)
    now[0, :, 1, 1] = torch.tensor([2.0, 3.0])
    before[0, :, 0, 2] = torch.tensor([5.0, 1.0])  # one to the right, one up
    costs = correlation(now, before, 1)
    assert costs.shape == (1, 9, 3, 4)
    right_up = 0 * 3 + 2
    assert float(costs[0, right_up, 1, 1]) == (2 * 5 + 3 * 1) / 2
    assert torch.count_nonzero(costs) == 1


def test_correlation_has_nothing_beyond_the_border() -> None:
    ones = torch.ones(1, 1, 2, 2)
    assert correlation(ones, ones, 1)[0, :, 0, 0].tolist() == [0, 0, 0, 0, 1, 1, 0, 1, 1]


def test_standardised_features_by_hand() -> None:
    x = torch.tensor([[[1.0, 3.0]], [[5.0, 5.0]]])[None]  # two channels of two places
    expected = torch.tensor([[[-1.0, 1.0]], [[0.0, 0.0]]])[None] * 2**0.5
    torch.testing.assert_close(standardised(x), expected)


def test_flows_of_three_scales_that_start_without_motion() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        flows = PWCNet()(torch.rand(2, 3, 48, 80), torch.rand(2, 3, 48, 80))
    assert [flow.shape for flow in flows] == [(2, 2, 48 // stride, 80 // stride) for stride in STRIDES]
    assert all(torch.count_nonzero(flow) == 0 for flow in flows)
    assert len(CHANNELS) == len(STRIDES) + 1


def test_coarse_flows_are_enlarged_and_their_pixels_with_them() -> None:
    """A coarse flow of (1, 0) that no finer scale adds to is one of (4, 0) at the finest."""
    net = PWCNet()
    with torch.no_grad():
        net.estimators[0][-1].bias.copy_(torch.tensor([1.0, 0.0]))  # type: ignore[index]
        flows = net(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert [float(flow[0, 0].mean()) for flow in flows] == pytest.approx([1, 2, 4])
    assert all(torch.count_nonzero(flow[:, 1]) == 0 for flow in flows)


def test_translations_are_learned() -> None:
    torch.manual_seed(0)
    net = PWCNet()
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    shifts = torch.tensor([[4.0, 0], [-4, 0], [0, 4], [0, -4]])[:, :, None, None]
    true = shifts.expand(4, 2, 32, 32)
    errors = []
    for _ in range(25):
        coarse = torch.nn.functional.interpolate(torch.rand(4, 3, 8, 8), (32, 32), mode="bicubic")
        now = backwarp(coarse, true)
        flows = net(now, coarse)
        loss = sum(
            torch.linalg.vector_norm(flow * stride - shifts, dim=1).mean()
            for flow, stride in zip(flows, STRIDES, strict=True)
        )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        errors.append(
            float(torch.linalg.vector_norm(flows[-1].detach() * STRIDES[-1] - shifts, dim=1).mean())
        )
    assert errors[0] == pytest.approx(4)
    assert errors[-1] < 2.5
