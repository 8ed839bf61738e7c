"""Pruning a Light-ResNet by its filters' responses (paper 003, section 3.1).

"Low-response filters" are the paper's own: Li et al. 2017, its [33], rank filters by the L1 norm of their
weights.

In each step the weakest filters go, the network is fine-tuned, and so on: `SHARE_PER_STEP` of the filters
stay in a step, until `FINAL_SHARE` of ResNet-18's are left.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, log

import torch
from torch import Tensor, nn

from cleanplate.nets.background_cut import GroupWidths, LightResNet

SHARE_PER_STEP = 0.9
FINAL_SHARE = 0.2


def step_count(share_per_step: float = SHARE_PER_STEP, final_share: float = FINAL_SHARE) -> int:
    """Return how many steps lead to at most the final share of the filters."""
    return ceil(log(final_share) / log(share_per_step))


def prune(net: LightResNet, pictures: Iterable[Tensor], share: float = SHARE_PER_STEP) -> LightResNet:
    """Return a network of the strongest filters, with their weights.

    A filter's response is the mean of its activation over pictures and places. The outer channels of a group
    are one choice, by the mean over its blocks, since the shortcuts add them up; the stem's belong to the
    first group.

    Args:
        net: Stays as it is.
        pictures: Batches [N, 3, H, W], RGB, 0..1, on which the responses are measured.
        share: Of every convolution's filters that stay; at least one does.
    """
    outer, inner = _responses(net, pictures)
    kept_outer = [_strongest(response, share) for response in outer]
    kept_inner = [[_strongest(response, share) for response in group] for group in inner]
    widths = tuple(
        GroupWidths(len(whole), tuple(len(part) for part in parts))
        for whole, parts in zip(kept_outer, kept_inner, strict=True)
    )
    pruned = LightResNet(widths)
    everything = torch.arange(3)
    _copy_pair(pruned.stem, net.stem, everything, kept_outer[0])
    incoming = kept_outer[0]
    for group, (whole, parts) in enumerate(zip(kept_outer, kept_inner, strict=True)):
        for target, source, part in zip(pruned.group(group), net.group(group), parts, strict=True):
            _copy(target.conv1, target.norm1, source.conv1, source.norm1, incoming, part)
            _copy(target.conv2, target.norm2, source.conv2, source.norm2, part, whole)
            if isinstance(source.shortcut, nn.Sequential):
                _copy_pair(target.shortcut, source.shortcut, incoming, whole)
            incoming = whole
    return pruned.train(net.training)


def _responses(net: LightResNet, pictures: Iterable[Tensor]) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Return the mean activation of every filter: outer ones by group, inner ones by group and block."""
    groups = range(len(net.widths))
    outer = [torch.zeros(widths.outer) for widths in net.widths]
    inner = [[torch.zeros(width) for width in widths.inner] for widths in net.widths]
    was_training = net.training
    net.eval()
    with torch.no_grad():
        for picture in pictures:
            x = net.stem(picture)
            for group in groups:
                for index, block in enumerate(net.group(group)):
                    inner[group][index] += torch.relu(block.norm1(block.conv1(x))).sum((0, 2, 3))
                    x = block(x)
                    outer[group] += x.sum((0, 2, 3))
    net.train(was_training)
    return outer, inner


def _strongest(response: Tensor, share: float) -> Tensor:
    count = max(1, round(len(response) * share))
    return response.topk(count).indices.sort().values


def _copy_pair(target: nn.Module, source: nn.Module, incoming: Tensor, outgoing: Tensor) -> None:
    assert isinstance(target, nn.Sequential)
    assert isinstance(source, nn.Sequential)
    convolution, norm = target[0], target[1]
    old_convolution, old_norm = source[0], source[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(old_convolution, nn.Conv2d)
    assert isinstance(old_norm, nn.BatchNorm2d)
    _copy(convolution, norm, old_convolution, old_norm, incoming, outgoing)


def _copy(
    convolution: nn.Conv2d,
    norm: nn.BatchNorm2d,
    old_convolution: nn.Conv2d,
    old_norm: nn.BatchNorm2d,
    incoming: Tensor,
    outgoing: Tensor,
) -> None:
    """Take over the chosen filters (`outgoing`) and what they read of the chosen channels (`incoming`)."""
    with torch.no_grad():
        convolution.weight.copy_(old_convolution.weight[outgoing][:, incoming])
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, name).copy_(getattr(old_norm, name)[outgoing])
