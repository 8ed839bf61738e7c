"""MobileNetV2 (Sandler et al. 2018) as an encoder with features at five scales, startable from ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BATCH_NORM_EPSILON = 1e-3  # as the ImageNet weights were trained

# Of each stage: expansion, output channels at width 1.0, blocks, stride (table 2 of the paper, without the
# last two).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32


class Pyramid(NamedTuple):
    """Features of a picture at five scales, each [N, C, H / stride, W / stride].

    The first four are the expanded (six times wider) features inside the block that leaves the scale: they
    exist anyway and know more than the narrow ones between blocks.
    """

    f2: Tensor
    f4: Tensor
    f8: Tensor
    f16: Tensor
    f32: Tensor


def scaled_channels(channels: int, width: float) -> int:
    """Return the channel count at a width multiplier: a multiple of 8, at most 10 % too few."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; with a shortcut where shapes allow it (figure 3b)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        """Build the block.

        Args:
            channels_in: Input channels.
            channels_out: Output channels.
            stride: 1 or 2.
            expansion: How much wider the inside is; 1 leaves the expanding convolution out.
        """
        super().__init__()
        inside = channels_in * expansion
        self.expand = (
            None
            if expansion == 1
            else nn.Sequential(
                nn.Conv2d(channels_in, inside, 1, bias=False),
                nn.BatchNorm2d(inside, eps=BATCH_NORM_EPSILON),
                nn.ReLU6(inplace=True),
            )
        )
        self.filter = nn.Sequential(
            nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
            nn.BatchNorm2d(inside, eps=BATCH_NORM_EPSILON),
            nn.ReLU6(inplace=True),
        )
        self.project = nn.Sequential(
            nn.Conv2d(inside, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPSILON),
        )
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output and its expanded features at the input's scale."""
        expanded = x if self.expand is None else self.expand(x)
        y = self.project(self.filter(expanded))
        return (x + y if self.has_shortcut else y), expanded


class MobileNetV2(nn.Module):
    """The encoder.

    Strided convolutions pad all sides, so that odd sizes work and no padding operator is needed. The ImageNet
    weights were trained with padding right and below: their features come out shifted by one pixel, which
    does no harm.

    Attributes:
        channels: Channels of the five features of `Pyramid`.
    """

    def __init__(self, width: float = 0.35) -> None:
        super().__init__()
        stem = scaled_channels(STEM_CHANNELS, width)
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, 2, 1, bias=False),
            nn.BatchNorm2d(stem, eps=BATCH_NORM_EPSILON),
            nn.ReLU6(inplace=True),
        )
        self.blocks = nn.ModuleList()
        self._leaving: list[int] = []  # blocks that leave a scale, in order
        channels_in = stem
        channels: list[int] = []
        for expansion, full_channels, count, first_stride in STAGES:
            for index in range(count):
                stride = first_stride if index == 0 else 1
                channels_out = scaled_channels(full_channels, width)
                self.blocks.append(InvertedResidual(channels_in, channels_out, stride, expansion))
                if stride == 2:
                    self._leaving.append(len(self.blocks) - 1)
                    channels.append(channels_in * expansion)
                channels_in = channels_out
        self.channels = (*channels, channels_in)

    def forward(self, picture: Tensor) -> Pyramid:
        """Encode pictures.

        Args:
            picture: [N, 3, H, W], RGB, 0..1; H and W multiples of 16.
        """
        x = self.stem(picture * 2 - 1)
        leaving: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x, expanded = block(x)
            if index in self._leaving:
                leaving.append(expanded)
        f2, f4, f8, f16 = leaving
        return Pyramid(f2, f4, f8, f16, x)

    def keep_sixteenth(self) -> None:
        """Let what would be at 1/32 stay at 1/16, and see as far as before: dilated instead of strided.

        So `Pyramid.f32` is [N, C, H / 16, W / 16]. The weights are the same (Chen et al. 2017, section 3.1).
        """
        for module in self.blocks[self._leaving[-1] :]:
            convolution = cast(nn.Conv2d, cast(InvertedResidual, module).filter[0])
            if convolution.stride == (1, 1):
                convolution.dilation = convolution.padding = (2, 2)
            convolution.stride = (1, 1)

    def freeze(self, blocks: int) -> None:
        """Stop the stem and the first blocks from learning: at 1/2 and 1/4 a step costs the most time."""
        for module in (self.stem, *self.blocks[:blocks]):
            module.requires_grad_(False)

    def load_imagenet(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Start from ImageNet weights under their Keras names and layouts.

        Every array but the classifier's neck (`Conv_1`) must find its place.

        Raises:
            KeyError: An array is missing.
            ValueError: An array has the wrong shape.
        """
        self._load_pair(self.stem, arrays, "Conv1/kernel", "bn_Conv1")
        for index, module in enumerate(self.blocks):
            block = cast(InvertedResidual, module)
            prefix = "expanded_conv_" if index == 0 else f"block_{index}_"
            if block.expand is not None:
                self._load_pair(block.expand, arrays, f"{prefix}expand/kernel", f"{prefix}expand_BN")
            self._load_pair(
                block.filter, arrays, f"{prefix}depthwise/depthwise_kernel", f"{prefix}depthwise_BN"
            )
            self._load_pair(block.project, arrays, f"{prefix}project/kernel", f"{prefix}project_BN")

    @staticmethod
    def _load_pair(
        pair: nn.Module, arrays: Mapping[str, NDArray[np.float32]], kernel: str, norm: str
    ) -> None:
        convolution, batch_norm, *_ = cast(nn.Sequential, pair)
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(batch_norm, nn.BatchNorm2d)
        # Keras: height, width, in, out; of a depthwise kernel: height, width, channel, 1.
        order = (2, 3, 0, 1) if convolution.groups > 1 else (3, 2, 0, 1)
        _copy(convolution.weight, arrays[kernel].transpose(order))
        _copy(batch_norm.weight, arrays[f"{norm}/gamma"])
        _copy(batch_norm.bias, arrays[f"{norm}/beta"])
        _copy(batch_norm.running_mean, arrays[f"{norm}/moving_mean"])
        _copy(batch_norm.running_var, arrays[f"{norm}/moving_variance"])


def _copy(target: Tensor | None, source: NDArray[np.float32]) -> None:
    assert target is not None
    if tuple(target.shape) != source.shape:
        raise ValueError(f"shape {source.shape} does not fit {tuple(target.shape)}")
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(source)))
