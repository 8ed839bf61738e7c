"""Rewriting a trained network so that it runs faster and computes the same.

Convolutions are linear: norms and convolutions after them can be multiplied into their weights. ONNX Runtime
does so for simple chains, but not across sums and strides.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from cleanplate.nets.cleanplate import CleanPlateNet
from cleanplate.nets.decoder import DecoderStage, DetailHead, double


@torch.no_grad()
def folded(net: CleanPlateNet) -> CleanPlateNet:
    """Return a copy for inference that gives what the network gives, up to rounding."""
    net = deepcopy(net).eval()
    for module in net.modules():
        if isinstance(module, DecoderStage):
            _fold_norm(module)
    net.decoder.add_module("detail", FoldedDetailHead(net.decoder.detail))
    return net


class FoldedDetailHead(nn.Module):
    """What a `DetailHead` computes, in fewer and fuller convolutions.

    Its four alphas per place leave most lanes of a vector unit idle: here one place predicts the sixteen of
    four places.
    """

    def __init__(self, head: DetailHead) -> None:
        """Take the weights of a head whose norm is folded."""
        super().__init__()
        self.stage = head.stage
        self.pixels, self.differences = head.pixels, head.differences
        for convolution in (self.pixels, self.differences):
            _multiply(convolution, head.stage.match)
        self.alpha = _sixteen_alphas(head.alpha)

    def forward(self, below: Tensor, skip: Tensor, src: Tensor, differences: Tensor) -> Tensor:
        """Return alpha's logit [N, 1, H, W]; arguments as of `DetailHead`."""
        pixels = self.pixels(src) + self.differences(differences)
        joined = double(self.stage.below(below)) + (self.stage.skip(skip) + pixels)
        return F.pixel_shuffle(self.alpha(self.stage.mix(torch.relu(joined))), 4)


def _multiply(first: nn.Conv2d, second: nn.Conv2d) -> None:
    """Let a convolution do a 1x1 convolution after it, too."""
    first.weight.copy_(torch.einsum("om,mchw->ochw", second.weight[:, :, 0, 0], first.weight))


def _sixteen_alphas(four: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution of stride 2 that gives the four alphas of each of four places."""
    sixteen = nn.Conv2d(four.in_channels, 16, 4, stride=2, padding=1)
    nn.init.zeros_(sixteen.weight)
    assert sixteen.bias is not None
    assert four.bias is not None
    for down, right, row, column in product(range(2), repeat=4):
        alpha = 4 * (2 * down + row) + 2 * right + column  # as `pixel_shuffle` has them
        taps = sixteen.weight[alpha, :, down : down + 3, right : right + 3]
        taps.copy_(four.weight[2 * row + column])
        sixteen.bias[alpha] = four.bias[2 * row + column]
    return sixteen


def _fold_norm(stage: DecoderStage) -> None:
    norm = stage.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    for convolution in (stage.below, stage.skip, stage.match):
        convolution.weight.mul_(scale[:, None, None, None])
    stage.skip.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
    stage.add_module("norm", nn.Identity())
