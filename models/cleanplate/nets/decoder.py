"""The decoder: coarse to fine, each scale joined with its matching, and a detail head."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from cleanplate.nets.memory import ConvGRU

Remember = Callable[[int, ConvGRU, Tensor], Tensor]
"""How a memory is stepped: its index, the memory, its input; returns its output."""


def conv_block(channels_in: int, channels_out: int, kernel: int = 3) -> nn.Sequential:
    """Return convolution, batch norm and ReLU at stride 1."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """Return x at the size of another tensor, bilinearly."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def double(x: Tensor) -> Tensor:
    """Return x at twice its size, bilinearly: ONNX Runtime does this far faster than `upsample`."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class DecoderStage(nn.Module):
    """Join what comes from below with the features and the matching of this scale, then convolve.

    The parts are projected and summed instead of concatenated, so that only few channels are upsampled.

    Attributes:
        doubles: Whether `skip` is exactly twice as large as `below`; 1/32 of a size may be rounded up.
    """

    def __init__(
        self,
        channels_below: int,
        channels_skip: int,
        channels_match: int,
        channels_out: int,
        *,
        doubles: bool = True,
    ) -> None:
        super().__init__()
        self.doubles = doubles
        self.below = nn.Conv2d(channels_below, channels_out, 1, bias=False)
        self.skip = nn.Conv2d(channels_skip, channels_out, 1, bias=False)
        self.match = nn.Conv2d(channels_match, channels_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)
        self.mix = conv_block(channels_out, channels_out)

    def forward(self, below: Tensor, skip: Tensor, match: Tensor) -> Tensor:
        """Return [N, channels_out, H, W] at the scale of `skip`."""
        below = self.below(below)
        upsampled = double(below) if self.doubles else upsample(below, skip)
        joined = upsampled + self.skip(skip) + self.match(match)
        out: Tensor = self.mix(torch.relu(self.norm(joined)))
        return out


class Context(nn.Module):
    """Lets every place of 1/32 know what the whole frame shows, which larger frames need most.

    Two convolutions, the second dilated, and the mean over the frame; what they find is added to the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(channels, channels, 3, padding=1)
        self.far = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)
        self.around = nn.Conv2d(channels, channels, 1, bias=False)
        self.overall = nn.Conv2d(channels, channels, 1)
        for module in (self.around, self.overall):
            nn.init.zeros_(module.weight)  # training starts without them
        nn.init.zeros_(self.overall.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, H, W], like x."""
        around = torch.relu(self.far(torch.relu(self.near(x))))
        return x + self.around(around) + self.overall(x.mean((-2, -1), keepdim=True))  # type: ignore[no-any-return]


class DetailHead(nn.Module):
    """The last two octaves: joins the frame's pixels and their differences at half size.

    Working at half size and predicting four alphas per place keeps the cost of a full-size convolution away.
    """

    def __init__(
        self, channels_below: int, channels_skip: int, channels_differences: int, channels: int
    ) -> None:
        super().__init__()
        self.pixels = nn.Conv2d(3, channels, 4, stride=2, padding=1, bias=False)
        self.differences = nn.Conv2d(channels_differences, channels, 3, padding=1, bias=False)
        nn.init.zeros_(self.differences.weight)  # training starts without them
        self.stage = DecoderStage(channels_below, channels_skip, channels, channels)
        self.alpha = nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, below: Tensor, skip: Tensor, src: Tensor, differences: Tensor) -> Tensor:
        """Return alpha's logit [N, 1, H, W].

        Args:
            below: [N, C, H / 4, W / 4].
            skip: The encoder's features [N, E, H / 2, W / 2].
            src: The frame [N, 3, H, W].
            differences: To the samples' pixels, [N, D, H / 2, W / 2].
        """
        pixels = self.pixels(src) + self.differences(differences)
        logit: Tensor = F.pixel_shuffle(self.alpha(self.stage(below, skip, pixels)), 2)
        return logit


class Decoder(nn.Module):
    """From the pyramid of features and matches to alpha's logit.

    Attributes:
        memories: Temporal memories at 1/16 and 1/8.
    """

    def __init__(
        self,
        channels_encoder: Sequence[int],
        channels_match: Sequence[int],
        channels_differences: int,
        channels_global: int,
        channels: Sequence[int],
    ) -> None:
        """Build.

        Args:
            channels_encoder: Of the encoder's features at 1/2, 1/4, 1/8, 1/16, 1/32.
            channels_match: Of the matching at 1/4, 1/8, 1/16.
            channels_differences: Of the differences of pixels at 1/2.
            channels_global: Of the global description of the samples, broadcast at 1/32.
            channels: Of the decoder at 1/2, 1/4, 1/8, 1/16, 1/32.
        """
        super().__init__()
        e2, e4, e8, e16, e32 = channels_encoder
        m4, m8, m16 = channels_match
        d2, d4, d8, d16, d32 = channels
        self.bottom = conv_block(e32 + channels_global, d32, 1)
        self.context = Context(d32)
        self.stage16 = DecoderStage(d32, e16, m16, d16, doubles=False)
        self.stage8 = DecoderStage(d16, e8, m8, d8)
        self.stage4 = DecoderStage(d8, e4, m4, d4)
        self.memories = nn.ModuleList([ConvGRU(d16), ConvGRU(d8)])
        self.coarse = nn.Conv2d(d8, 1, 1)
        self.detail = DetailHead(d4, e2, channels_differences, d2)

    def forward(
        self,
        src: Tensor,
        features: Sequence[Tensor],
        matches: Sequence[Tensor],
        differences: Tensor,
        description: Tensor,
        remember: Remember,
    ) -> tuple[Tensor, Tensor]:
        """Decode.

        Args:
            src: [N, 3, H, W], RGB, 0..1.
            features: Of the encoder at 1/2 to 1/32.
            matches: At 1/4, 1/8, 1/16.
            differences: To the samples' pixels, at 1/2.
            description: [N, G, 1, 1], the samples' global features.
            remember: Steps a memory.

        Returns:
            Alpha's logit [N, 1, H, W], and a coarse one [N, 1, H / 8, W / 8] for training.
        """
        f2, f4, f8, f16, f32 = features
        m4, m8, m16 = matches
        spread = description.expand(-1, -1, f32.shape[-2], f32.shape[-1])
        x = self.context(self.bottom(torch.cat([f32, spread], 1)))
        gru16, gru8 = self.memories
        assert isinstance(gru16, ConvGRU)
        assert isinstance(gru8, ConvGRU)
        x = remember(0, gru16, self.stage16(x, f16, m16))
        x = remember(1, gru8, self.stage8(x, f8, m8))
        coarse = self.coarse(x)
        x = self.stage4(x, f4, m4)
        return self.detail(x, f2, src, differences), coarse
