"""MobileNetV3-Large (Howard et al. 2019) as an encoder, as far as paper 001 uses it."""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from cleanplate.nets.mobilenet import scaled_channels

STEM_CHANNELS = 16
SQUEEZE = 0.25  # the width of a squeeze-and-excite, as a share of what it weighs


class Bneck(NamedTuple):
    """A row of the paper's table 1.

    Attributes:
        kernel: Side of the depthwise convolution.
        expanded: Channels inside.
        out: Channels of the output.
        squeezes: Whether it has a squeeze-and-excite.
        activation: ReLU or h-swish.
        stride: 1 or 2.
    """

    kernel: int
    expanded: int
    out: int
    squeezes: bool
    activation: type[nn.Module]
    stride: int


RE, HS = nn.ReLU, nn.Hardswish
BNECKS = (
    Bneck(3, 16, 16, False, RE, 1),
    Bneck(3, 64, 24, False, RE, 2),
    Bneck(3, 72, 24, False, RE, 1),
    Bneck(5, 72, 40, True, RE, 2),
    Bneck(5, 120, 40, True, RE, 1),
    Bneck(5, 120, 40, True, RE, 1),
    Bneck(3, 240, 80, False, HS, 2),
    Bneck(3, 200, 80, False, HS, 1),
    Bneck(3, 184, 80, False, HS, 1),
    Bneck(3, 184, 80, False, HS, 1),
    Bneck(3, 480, 112, True, HS, 1),
    Bneck(3, 672, 112, True, HS, 1),
)
LAST_EXPANDED = 672  # of the next block, which is cut off after its expansion


class Features(NamedTuple):
    """Features of a picture at four scales, each [N, C, H / stride, W / stride].

    They are the activations that paper 001 names by their Keras numbers 16, 24, 38 and 193 (section 3.2).
    """

    f2: Tensor
    f4: Tensor
    f8: Tensor
    f16: Tensor


class Inside(NamedTuple):
    """What a block computes.

    Attributes:
        expanded: After the first convolution, at the input's scale.
        filtered: After the depthwise convolution, before the squeeze-and-excite.
        out: The block's output.
    """

    expanded: Tensor
    filtered: Tensor
    out: Tensor


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm with paper 001's "decay rate of 0.99" (section 4.3) and Keras' epsilon."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class SqueezeExcite(nn.Module):
    """Weighs channels by what the whole picture shows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = scaled_channels(channels, SQUEEZE)
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, channels, 1), nn.Hardsigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, H, W], like x."""
        weighed: Tensor = x * self.weigh(x.mean((-2, -1), keepdim=True))
        return weighed


class InvertedResidual(nn.Module):
    """A bneck: expand, filter each channel, weigh, project; with a shortcut where shapes allow it."""

    def __init__(self, channels_in: int, row: Bneck) -> None:
        super().__init__()
        self.expand = (
            nn.Identity()
            if row.expanded == channels_in
            else _convolution(channels_in, row.expanded, 1, row.activation)
        )
        self.filter = _convolution(
            row.expanded, row.expanded, row.kernel, row.activation, row.stride, groups=row.expanded
        )
        self.weigh = SqueezeExcite(row.expanded) if row.squeezes else nn.Identity()
        self.project = nn.Sequential(nn.Conv2d(row.expanded, row.out, 1, bias=False), batch_norm(row.out))
        self.has_shortcut = row.stride == 1 and channels_in == row.out

    def forward(self, x: Tensor) -> Inside:
        """Return the output [N, row.out, H / row.stride, W / row.stride] and what led to it."""
        expanded = self.expand(x)
        filtered = self.filter(expanded)
        y = self.project(self.weigh(filtered))
        return Inside(expanded, filtered, x + y if self.has_shortcut else y)


class MobileNetV3(nn.Module):
    """The encoder, which ends within the block that would leave 1/16.

    Strided convolutions pad all sides, as in `MobileNetV2`.

    Attributes:
        channels: Of the four `Features`.
    """

    channels = (64, 72, 72, LAST_EXPANDED)

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, STEM_CHANNELS, 3, HS, 2)
        widths = [STEM_CHANNELS, *(row.out for row in BNECKS)]
        self.blocks = nn.ModuleList(map(InvertedResidual, widths, BNECKS))
        self.last = _convolution(widths[-1], LAST_EXPANDED, 1, HS)

    def forward(self, picture: Tensor) -> Features:
        """Encode pictures.

        Args:
            picture: [N, 3, H, W], RGB, 0..1; H and W multiples of 16.
        """
        x = self.stem(picture * 2 - 1)
        insides: list[Inside] = []
        for block in self.blocks:
            insides.append(cast(Inside, block(x)))
            x = insides[-1].out
        return Features(insides[1].expanded, insides[2].expanded, insides[3].filtered, self.last(x))


def _convolution(
    channels_in: int,
    channels_out: int,
    kernel: int,
    activation: type[nn.Module],
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        batch_norm(channels_out),
        activation(),
    )
