"""The three networks of paper 001 (Shahi and Li 2023, "Background Replacement in Video Conferencing").

A U-Net; a U-Net whose encoder is MobileNetV3-Large (section 3.2); and that with ConvLSTMs behind its skips
(section 3.3). They know nothing of background samples.

The text and its figures leave widths open. They are those that give the parameters of table 2: 31,055,297,
1,033,545 and 2,094,281, with the running means and variances of the batch norms, as Keras counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from cleanplate.nets.convlstm import ConvLSTM
from cleanplate.nets.decoder import double
from cleanplate.nets.mobilenetv3 import MobileNetV3, batch_norm

MULTIPLE = 16  # both sides of the input must be a multiple of it
WIDTH = 64  # channels of the U-Net (Ronneberger et al. 2015) at full size, twice as many at each next scale
SCALES = 5  # 1/1 to 1/16
DECODER_CHANNELS = (72, 72, 64, 16)  # with MobileNetV3: after the residual blocks at 1/16, 1/8, 1/4, 1/2
MEMORY_STRIDES = (8, 4, 2, 1)

States = tuple[Tensor, ...]


class UNet(nn.Module):
    """The baseline (section 3.1), with padded convolutions, so that the matte has the picture's size.

    Paper 000 has it, too, with a fourth channel (`cleanplate.nets.funet`).
    """

    def __init__(self, channels_in: int = 3, width: int = WIDTH) -> None:
        super().__init__()
        channels = [width * 2**scale for scale in range(SCALES)]
        self.down = nn.ModuleList(_two_convolutions(a, b) for a, b in pairwise((channels_in, *channels)))
        upwards = list(pairwise(reversed(channels)))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in upwards)
        self.up = nn.ModuleList(_two_convolutions(a, b) for a, b in upwards)  # of twice b: the skip, too
        self.alpha = nn.Conv2d(width, 1, 1)

    def forward(self, src: Tensor, states: States = ()) -> tuple[Tensor, States]:
        """Return alpha's logit [N, 1, H, W].

        Args:
            src: [N, channels_in, H, W]: RGB, 0..1, and what else there is; H and W multiples of 16.
            states: None; there for the sake of `UNetMobileNet`.
        """
        x, skips = src, []
        for index, convolve in enumerate(self.down):
            x = convolve(x if index == 0 else torch.max_pool2d(x, 2))
            skips.append(x)
        for enlarge, convolve, skip in zip(self.enlarge, self.up, skips[-2::-1], strict=True):
            x = convolve(torch.cat([skip, enlarge(x)], 1))
        return self.alpha(x), states

    def over_time(self, src: Tensor) -> Tensor:
        """Return alpha's logit [N * T, 1, H, W] of sequences [N, T, 3, H, W]: every frame by itself."""
        return self(src.flatten(0, 1))[0]  # type: ignore[no-any-return]

    def memories(self) -> list[ConvLSTM]:
        """Return none."""
        return []


class ResidualBlock(nn.Module):
    """The decoder's block: two depthwise-separable convolutions beside a 1x1 convolution (section 3.2)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_depthwise(channels_in),
            nn.Conv2d(channels_in, channels_out, 1),
            batch_norm(channels_out),
            nn.ReLU(),
            *_depthwise(channels_out),
            nn.Conv2d(channels_out, channels_out, 1),
            batch_norm(channels_out),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1), batch_norm(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, channels_out, H, W]."""
        return torch.relu(self.body(x) + self.shortcut(x))


class UNetMobileNet(nn.Module):
    """U-Net MobileNet, and with memories U-Net MobileNet & ConvLSTM.

    After each residual block the features are doubled and the encoder's of that scale added, as far as there
    are any. A memory follows each of these sums, and the last doubling.

    Attributes:
        remembers: Whether states go on from frame to frame. The paper's data are stills, its memories see one
            frame each ("one-to-one recurrent convolution", section 5) and so remember nothing.
    """

    def __init__(self, *, memories: bool = False, remembers: bool = True) -> None:
        super().__init__()
        self.remembers = remembers
        self.encoder = MobileNetV3()
        widths = (self.encoder.channels[-1], *DECODER_CHANNELS)
        self.stages = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise(widths))
        self.lstms = nn.ModuleList(ConvLSTM(width) for width in DECODER_CHANNELS if memories)
        self.alpha = nn.Conv2d(DECODER_CHANNELS[-1], 1, 1)

    def forward(self, src: Tensor, states: States = ()) -> tuple[Tensor, States]:
        """Return alpha's logit [N, 1, H, W] of one frame each of N videos, and the next states.

        Args:
            src: [N, 3, H, W], RGB, 0..1; H and W multiples of 16.
            states: Of each memory [N, C, H / stride, W / stride], zeros at the start; none if it remembers
                nothing.
        """
        next_states: list[Tensor] = []

        def step(index: int, memory: ConvLSTM, x: Tensor) -> Tensor:
            if not self.remembers:
                return memory.over_time(x, 1)
            x, state = memory(x, states[index])
            next_states.append(state)
            return x

        return self._decode(src, step), tuple(next_states)

    def over_time(self, src: Tensor) -> Tensor:
        """Return alpha's logit [N * T, 1, H, W] of sequences [N, T, 3, H, W], from empty memories."""
        frames = src.shape[1] if self.remembers else 1
        return self._decode(src.flatten(0, 1), lambda _, memory, x: memory.over_time(x, frames))

    def memories(self) -> list[ConvLSTM]:
        """Return those that remember, at `MEMORY_STRIDES`."""
        return [cast(ConvLSTM, lstm) for lstm in self.lstms if self.remembers]

    def _decode(self, src: Tensor, remember: Callable[[int, ConvLSTM, Tensor], Tensor]) -> Tensor:
        f2, f4, f8, x = self.encoder(src)
        for index, (stage, skip) in enumerate(zip(self.stages, (f8, f4, f2, None), strict=True)):
            x = double(stage(x))
            x = x if skip is None else x + skip
            if len(self.lstms):
                x = remember(index, cast(ConvLSTM, self.lstms[index]), x)
        logit: Tensor = self.alpha(x)
        return logit


AnyUNet = UNet | UNetMobileNet


def make_unet(variant: str, *, remembers: bool = True) -> AnyUNet:
    """Return one of the three networks.

    Args:
        variant: `plain`, `mobilenet` or `convlstm`.
        remembers: Of `convlstm`: whether states go on from frame to frame.

    Raises:
        ValueError: There is no such variant.
    """
    if variant == "plain":
        return UNet()
    if variant not in ("mobilenet", "convlstm"):
        raise ValueError(f"variant is {variant!r}: choose plain, mobilenet or convlstm")
    return UNetMobileNet(memories=variant == "convlstm", remembers=remembers)


def _two_convolutions(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        batch_norm(channels_out),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        batch_norm(channels_out),
        nn.ReLU(),
    )


def _depthwise(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels), batch_norm(channels), nn.ReLU()
