"""Background Cut against the paper: layers, window, sums, pruning."""

import pytest
import torch
from torch import nn

from cleanplate.nets.background_cut import (
    BackgroundCutNet,
    GlobalAttenuation,
    LightResNet,
    SpatialTemporalRefinement,
    scaled_widths,
    window_indices,
)
from cleanplate.nets.pruning import prune, step_count

TINY = scaled_widths(1 / 16)  # 4, 8, 16, 32


def test_unpruned_light_resnet_is_resnet18() -> None:
    net = LightResNet(scaled_widths(1.0))
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 1 + 16 + 3  # stem, 8 blocks of two, 3 shortcuts
    assert sum(value.numel() for value in net.parameters()) == 11_176_512  # ResNet-18 without its classifier


def test_light_resnet_has_stride_8() -> None:
    assert LightResNet(TINY)(torch.rand(2, 3, 48, 64)).shape == (2, 32, 6, 8)


def test_refinement_has_three_strided_convolutions_and_three_deconvolutions() -> None:
    net = SpatialTemporalRefinement(5)
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert [module.stride for module in convolutions] == [(2, 2)] * 3
    assert convolutions[0].in_channels == 5 * (1 + 3)
    assert len([module for module in net.modules() if isinstance(module, nn.ConvTranspose2d)]) == 3
    assert net(torch.rand(1, 5, 32, 40), torch.rand(1, 5, 3, 32, 40)).shape == (1, 1, 32, 40)


def test_samples_are_pooled_globally_so_their_places_are_forgotten() -> None:
    torch.manual_seed(0)
    net = GlobalAttenuation(TINY).eval()
    bgr = torch.rand(1, 1, 3, 64, 64)
    with torch.no_grad():
        pooled = net.pool_samples(bgr)
        assert pooled.shape == (1, 32)
        twice = net.pool_samples(bgr.repeat(1, 3, 1, 1, 1))
    assert torch.allclose(pooled, twice, atol=1e-5)


def test_samples_change_the_scores_differently_from_place_to_place() -> None:
    """A threshold alone, which is all that a linear layer could make of them, would attenuate nothing."""
    torch.manual_seed(0)
    net = GlobalAttenuation(TINY).eval()
    src = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        change = net(src, torch.rand(1, 32)) - net(src, torch.rand(1, 32))
    inside = change[..., 16:-16, 16:-16]  # away from the borders
    assert inside.std() > 0.1 * inside.abs().mean() > 0


def test_without_attenuation_samples_do_not_matter() -> None:
    torch.manual_seed(0)
    net = GlobalAttenuation(TINY, attenuates=False).eval()
    src = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(net(src, torch.zeros(1, 32)), net(src, torch.ones(1, 32)))


def test_windows_of_five_frames_and_of_three_past_ones() -> None:
    assert window_indices(4, causal=False)[1] == [0, 0, 1, 2, 3]
    assert window_indices(4, causal=True)[3] == [1, 2, 3]
    assert window_indices(4, causal=True)[0] == [0, 0, 0]


@pytest.mark.parametrize("causal", [False, True])
def test_whole_network(causal: bool) -> None:
    torch.manual_seed(0)
    net = BackgroundCutNet(TINY, causal=causal).eval()
    src, bgr = torch.rand(2, 4, 3, 32, 48), torch.rand(2, 1, 3, 32, 48)
    with torch.no_grad():
        scores, logits = net(src, bgr)
        assert scores.shape == (2, 4, 2, 32, 48)
        assert logits.shape == (2, 4, 1, 32, 48)
        future = src.clone()
        future[:, 3] = 0
        changed = net(future, bgr)[1]
    # The second frame's window reaches the fourth frame only if it may look ahead.
    assert torch.equal(changed[:, 1], logits[:, 1]) is causal


def test_sixteen_steps_of_nine_tenths_reach_a_fifth() -> None:
    assert step_count() == 16
    assert 0.9**16 <= 0.2 < 0.9**15


def test_pruning_takes_the_dead_filters_first() -> None:
    torch.manual_seed(0)
    net = LightResNet(TINY).eval()
    block = net.group(2)[1]
    dead = [3, 7]
    with torch.no_grad():
        block.norm1.bias.fill_(1)  # every filter answers,
        block.norm1.weight[dead] = 0
        block.norm1.bias[dead] = -1  # but these: after ReLU always 0
    picture = torch.rand(2, 3, 32, 32)
    # A share of 1 keeps every filter.
    pruned = prune(net, [picture], share=1.0)
    assert torch.allclose(pruned(picture), net(picture), atol=1e-5)
    shorter = prune(net, [picture], share=14 / 16)
    assert shorter.widths[2].inner[1] == 14
    kept = shorter.group(2)[1].norm1.bias
    assert -1 not in kept.tolist()


def test_pruning_scales_every_width() -> None:
    net = prune(LightResNet(scaled_widths(0.25)), [torch.rand(1, 3, 32, 32)], share=0.5)
    assert [widths.outer for widths in net.widths] == [8, 16, 32, 64]
    assert [widths.inner for widths in net.widths] == [(8, 8), (16, 16), (32, 32), (64, 64)]
    assert net(torch.rand(1, 3, 32, 32)).shape == (1, 64, 4, 4)
