"""Optical flow by pyramid, warping and cost volume: a small PWC-Net (Sun et al. 2018), for paper 002.

A flow f of one picture to another says where each place of the first is found in the second: the place x at
x + f(x). Flows are in pixels of their own size, x before y.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from cleanplate.nets.decoder import double

MULTIPLE = 16  # both sides of the pictures must be a multiple of it
CHANNELS = (16, 24, 32, 48)  # of the pyramid at 1/2, 1/4, 1/8, 1/16
STRIDES = (16, 8, 4)  # of the flows, in the order in which they are made
RADIUS = 4  # of the cost volume's window
ESTIMATOR_CHANNELS = (64, 48, 32)
CONTEXT_CHANNELS = 32
DILATIONS = (1, 2, 4, 8, 16, 1)  # of the context network
SLOPE = 0.1  # of the leaky ReLUs


class PWCNet(nn.Module):
    """Estimates the flow of one picture to another, coarse to fine.

    Smaller than its paper's, as our pictures are: four scales instead of six, half or fewer of the channels
    and no dense connections. Every scale adds to the flow from below, which is enlarged bilinearly, and
    features are standardised before they are compared.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = nn.ModuleList(
            nn.Sequential(*_convolution(a, b, stride=2), *_convolution(b, b))
            for a, b in pairwise((3, *CHANNELS))
        )
        self.estimators = nn.ModuleList(
            _estimator(channels + (2 * RADIUS + 1) ** 2 + 2) for channels in CHANNELS[:0:-1]
        )
        widths = (CHANNELS[1] + 2, *(CONTEXT_CHANNELS for _ in DILATIONS))
        self.context = nn.Sequential(
            *(
                layer
                for (a, b), dilation in zip(pairwise(widths), DILATIONS, strict=True)
                for layer in _convolution(a, b, dilation=dilation)
            ),
            _flow_head(CONTEXT_CHANNELS),
        )

    def forward(self, now: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """Return the flow of `now` to `before` at each of `STRIDES`, [N, 2, H / stride, W / stride] each.

        Args:
            now: [N, 3, H, W], RGB, 0..1; H and W multiples of `MULTIPLE`.
            before: Likewise.
        """
        x = torch.cat([now, before]) * 2 - 1
        pyramid: list[tuple[Tensor, ...]] = []
        for level in self.pyramid:
            x = level(x)
            pyramid.append(x.chunk(2))
        flow = torch.zeros_like(pyramid[-1][0][:, :2], dtype=torch.float32)  # bf16 would be too coarse
        flows: list[Tensor] = []
        for estimator, (of_now, of_before) in zip(self.estimators, pyramid[:0:-1], strict=True):
            flow = 2 * double(flow) if flows else flow
            costs = correlation(standardised(of_now), standardised(backwarp(of_before, flow)), RADIUS)
            costs = F.leaky_relu(costs, SLOPE)
            flow = flow + estimator(torch.cat([costs, of_now, flow], 1))
            flows.append(flow)
        flows[-1] = flow + self.context(torch.cat([of_now, flow], 1))
        return tuple(flows)


def backwarp(x: Tensor, flow: Tensor) -> Tensor:
    """Return x read where a flow points to, bilinearly; beyond the border, the border is repeated.

    With the flow of this moment's picture to the last one's, and x of the last one, it is what the last one
    knows of each place of this one (paper 002, equation 4).

    Args:
        x: [N, C, H, W].
        flow: [N, 2, H, W], in pixels.
    """
    height, width = flow.shape[-2:]
    columns = torch.arange(width, device=flow.device) + flow[:, 0].float()
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 1].float()
    # In `grid_sample` -1 and 1 are the outer borders of the first and last pixels.
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    return F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False)


def correlation(now: Tensor, before: Tensor, radius: int) -> Tensor:
    """Return the cost volume [N, (2 radius + 1)^2, H, W]: mean products with shifted features.

    Channel (dy + radius) (2 radius + 1) + dx + radius compares the place (x, y) of `now` with the place
    (x + dx, y + dy) of `before`; beyond the border are zeros (Sun et al. 2018, equation 2).

    Args:
        now: [N, C, H, W].
        before: Likewise.
        radius: Of the window.
    """
    height, width = now.shape[-2:]
    padded = F.pad(before, (radius,) * 4)
    shifts = range(2 * radius + 1)
    return torch.stack(
        [(now * padded[..., y : y + height, x : x + width]).mean(1) for y in shifts for x in shifts], 1
    )


def standardised(x: Tensor) -> Tensor:
    """Return features [N, C, H, W] of mean 0 each, and of variance 1 all together.

    Otherwise what all places have in common hides, in their products, what tells them apart: sixty steps on
    mere translations taught nothing (Jonschkowski et al. 2020, "What Matters in Unsupervised Optical Flow").
    """
    x = x - x.mean((-2, -1), keepdim=True)
    return x / torch.sqrt(x.square().mean((1, 2, 3), keepdim=True) + 1e-6)


def _convolution(a: int, b: int, stride: int = 1, dilation: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(a, b, 3, stride, dilation, dilation), nn.LeakyReLU(SLOPE)


def _estimator(channels: int) -> nn.Sequential:
    widths = pairwise((channels, *ESTIMATOR_CHANNELS))
    return nn.Sequential(
        *(layer for a, b in widths for layer in _convolution(a, b)), _flow_head(ESTIMATOR_CHANNELS[-1])
    )


def _flow_head(channels: int) -> nn.Conv2d:
    """Return a convolution that at first finds no motion."""
    head = nn.Conv2d(channels, 2, 3, padding=1)
    nn.init.zeros_(head.weight)
    assert head.bias is not None
    nn.init.zeros_(head.bias)
    return head
