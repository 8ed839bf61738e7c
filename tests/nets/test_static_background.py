"""Paper 004's refinement: what it looks at, and what stays as it is."""

import pytest
import torch
from torch import Tensor

from cleanplate.nets.posenet import MAP_CHANNELS
from cleanplate.nets.static_background import StaticBackgroundNet

SIZE = (32, 48)


def network(**options: bool) -> StaticBackgroundNet:
    torch.manual_seed(0)
    net = StaticBackgroundNet(4, (1, 1), **options).train()
    for part in net.refine.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # one pass, so that the batch norms know their inputs
    with torch.no_grad():
        net.over_time(torch.rand(2, 1, 3, *SIZE), torch.rand(2, 1, 3, *SIZE), torch.ones(2))
    return net.eval()


@pytest.fixture(scope="module")
def net() -> StaticBackgroundNet:
    return network()


def inputs() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "src": torch.rand(1, 3, *SIZE),
        "plate": torch.rand(1, 16, SIZE[0] // 4, SIZE[1] // 4),
        "mask": torch.rand(1, 1, *SIZE),
        "maps": torch.rand(1, MAP_CHANNELS, *SIZE),
    }


@torch.no_grad()
@pytest.mark.parametrize("name", ["src", "plate", "mask", "maps"])
def test_every_input_counts(net: StaticBackgroundNet, name: str) -> None:
    usual = net.refine(**inputs())
    without = net.refine(**{**inputs(), name: torch.zeros_like(inputs()[name])})
    assert usual.shape == (1, 1, *SIZE)
    assert float((usual - without).abs().max()) > 1e-3


@torch.no_grad()
def test_key_points_can_be_left_out() -> None:
    net = network(key_points=False)
    assert torch.equal(net.refine(**inputs()), net.refine(**{**inputs(), "maps": torch.zeros(1)}))


@torch.no_grad()
def test_without_a_sample_the_coarse_mask_is_the_matte(net: StaticBackgroundNet) -> None:
    src, bgr = torch.rand(2, 3, 3, *SIZE), torch.rand(2, 1, 3, *SIZE)
    refined = net.over_time(src, bgr, torch.tensor([0, 1]))
    assert refined.pha_logit.shape == (6, 1, *SIZE)
    assert refined.fgr.shape == (6, 3, *SIZE)
    alpha = refined.pha_logit.sigmoid()
    assert torch.equal(alpha[:3], refined.coarse[:3])
    assert not torch.allclose(alpha[3:], refined.coarse[3:], atol=1e-2)


@torch.no_grad()
def test_frame_after_frame_is_the_whole_video(net: StaticBackgroundNet) -> None:
    src, bgr = torch.rand(1, 3, 3, *SIZE), torch.rand(1, 2, 3, *SIZE)
    states: tuple[Tensor, ...] = (torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    plate, found = net.encode_plate(bgr.mean(1)), []
    for frame in src.unbind(1):
        logit, states = net(frame, plate, torch.tensor([2.0]), states)
        found.append(logit)
    expected = net.over_time(src, bgr, torch.tensor([2])).pha_logit
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-3, atol=1e-4)


def test_the_widths_are_background_mattings() -> None:
    refine = StaticBackgroundNet().refine
    joins = [module[0] for module in (*refine.selectors, refine.combinator)]
    assert [(join.in_channels, join.out_channels) for join in joins] == 3 * [(512, 64)] + [(448, 256)]
    assert len(refine.blocks) == 7


def test_only_the_refinement_learns(net: StaticBackgroundNet) -> None:
    learning = {name.partition(".")[0] for name, each in net.named_parameters() if each.requires_grad}
    assert learning == {"refine"}
    assert not network().train().coarse.training
