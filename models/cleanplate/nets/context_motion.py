"""The Context Motion Network of paper 002 (2022), in its MobileNetV2 variant (tables 2 to 4).

It segments without any background sample, and estimates the person's own colours, too. What the frame shows
(context) is joined with what the optical flow to the last frame tells (motion), and goes on from frame to
frame in a recurrent state. The text leaves two widths open, `HIDDEN` and `HEAD`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from cleanplate.nets import pwc
from cleanplate.nets.decoder import double
from cleanplate.nets.memory import over_time
from cleanplate.nets.mobilenet import MobileNetV2
from cleanplate.nets.pwc import PWCNet, backwarp

STRIDE = 16  # of the context features
MULTIPLE = STRIDE  # both sides of the input must be a multiple of it
CHANNELS = 32  # of intermediate features, correlation, flow features and the decoders
MOTION = 62  # channels of the motion features: with the flow, 64
HIDDEN = 96  # channels of the recurrent state
HEAD = 16  # channels between the last two convolutions of a decoder


class States(NamedTuple):
    """What goes on to the next frame of N videos; all zeros at the start.

    Attributes:
        frame: The last frame, [N, 3, H, W].
        context: Its features, [N, C, H / 16, W / 16].
        hidden: [N, `HIDDEN`, H / 16, W / 16], -1..1.
        has_past: [N, 1, 1, 1], 1 once there was a frame.
    """

    frame: Tensor
    context: Tensor
    hidden: Tensor
    has_past: Tensor


class Prediction(NamedTuple):
    """Alpha's logit [N, 1, H, W] and the foreground colours [N, 3, H, W], RGB, about 0..1."""

    pha_logit: Tensor
    fgr: Tensor


class GatedUnit(nn.Module):
    """A ConvGRU whose gates look along one direction (equations 9 to 12)."""

    def __init__(self, hidden: int, channels_in: int, kernel: tuple[int, int]) -> None:
        """Build for a state of `hidden` and an input of `channels_in` channels; kernel: height and width."""
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.gates = nn.Conv2d(hidden + channels_in, 2 * hidden, kernel, padding=padding)  # z, r
        self.candidate = nn.Conv2d(hidden + channels_in, hidden, kernel, padding=padding)

    def forward(self, fused: Tensor, hidden: Tensor) -> Tensor:
        """Return the next state [N, hidden, H, W]."""
        update, reset = torch.sigmoid(self.gates(torch.cat([hidden, fused], 1))).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([reset * hidden, fused], 1)))
        return (1 - update) * hidden + update * candidate


class Updater(nn.Module):
    """The context-motion updating operator (section 3), all of it at 1/16."""

    def __init__(self, channels: int) -> None:
        """Build for context features of `channels`."""
        super().__init__()
        self.correlation = nn.Sequential(
            *_convolution(2 * channels, CHANNELS), *_convolution(CHANNELS, CHANNELS)
        )
        self.flow = nn.Sequential(*_convolution(2, CHANNELS, 7), *_convolution(CHANNELS, CHANNELS, 7))
        self.motion = nn.Sequential(*_convolution(2 * CHANNELS, MOTION))
        self.along = GatedUnit(HIDDEN, channels + MOTION + 2, (1, 5))
        self.across = GatedUnit(HIDDEN, channels + MOTION + 2, (5, 1))

    def fuse(self, context: Tensor, before: Tensor, motion: Tensor) -> Tensor:
        """Return what a frame gives to the recurrent state (equations 4 to 8).

        Args:
            context: Features of the frames, [N, C, H, W].
            before: Those of the frames before.
            motion: The flow of the frames to those before, [N, 2, H, W], in pixels of this size.
        """
        correlated = self.correlation(torch.cat([context, backwarp(before, motion)], 1))
        features = self.motion(torch.cat([correlated, self.flow(motion)], 1))
        return torch.cat([context, features, motion], 1)

    def forward(self, fused: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: return the next state twice, as `over_time` wants it."""
        hidden = self.across(fused, self.along(fused, hidden))
        return hidden, hidden


class Upsampler(nn.Module):
    """A decoder: from the state at 1/16 to the frame's size, joined with the features of each scale.

    The paper names no batch norms in it. Without any, the first steps push alpha to 0 everywhere, where the
    sigmoid passes no gradient back.
    """

    def __init__(self, channels_out: int, scales: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                *_convolution(below + CHANNELS, CHANNELS),
                nn.BatchNorm2d(CHANNELS),
                *_convolution(CHANNELS, CHANNELS),
                nn.BatchNorm2d(CHANNELS),
            )
            for below in (HIDDEN, *[CHANNELS] * (scales - 1))
        )
        self.head = nn.Sequential(*_convolution(CHANNELS, HEAD), nn.Conv2d(HEAD, channels_out, 3, padding=1))

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Return [N, channels_out, H, W], without an activation; `skips` from 1/8 to 1/1."""
        for stage, skip in zip(self.stages, skips, strict=True):
            x = stage(torch.cat([double(x), skip], 1))
        out: Tensor = self.head(x)
        return out


class ContextMotionNet(nn.Module):
    """The network.

    Attributes:
        context_channels: C of `States.context`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileNetV2()
        self.encoder.keep_sixteenth()
        f2, f4, f8, _, self.context_channels = self.encoder.channels
        # At full size the encoder has no features: there it is the frame itself.
        self.skips = nn.ModuleList(nn.Conv2d(each, CHANNELS, 3, padding=1) for each in (f8, f4, f2, 3))
        self.flow = PWCNet()
        self.update = Updater(self.context_channels)
        self.alpha = Upsampler(1, len(self.skips))
        self.foreground = Upsampler(3, len(self.skips))

    def forward(self, src: Tensor, states: States) -> tuple[Prediction, States]:
        """Return what is seen in one frame each of N videos, and the next states.

        A first frame is its own past, as in training.

        Args:
            src: [N, 3, H, W], RGB, 0..1; H and W multiples of 16.
            states: Of the frame before.
        """
        context, skips = self._encode(src)
        has_past = states.has_past > 0
        frame = torch.where(has_past, states.frame, src)
        before = torch.where(has_past, states.context, context)
        fused = self.update.fuse(context, before, self._motion(src, frame))
        hidden, _ = self.update(fused, states.hidden)
        return self._decode(hidden, skips), States(src, context, hidden, torch.ones_like(states.has_past))

    def over_time(self, src: Tensor) -> Prediction:
        """Return what is seen in every frame of sequences [N, T, 3, H, W], from empty states."""
        frames = src.shape[1]
        context, skips = self._encode(src.flatten(0, 1))
        before = _before(context.reshape(-1, frames, *context.shape[1:]))
        fused = self.update.fuse(context, before, self._motion(src.flatten(0, 1), _before(src)))
        start = fused.new_zeros(src.shape[0], HIDDEN, *fused.shape[-2:])
        return self._decode(over_time(self.update, fused, frames, start), skips)

    def _encode(self, src: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the context features, and the intermediate ones from 1/8 to 1/1."""
        f2, f4, f8, _, context = self.encoder(src)
        return context, [convolve(x) for convolve, x in zip(self.skips, (f8, f4, f2, src), strict=True)]

    def _motion(self, src: Tensor, before: Tensor) -> Tensor:
        """Return the flow to the frames before, in pixels of 1/16."""
        fine, stride = self.flow(src, before)[-1], pwc.STRIDES[-1]
        small = F.interpolate(fine, scale_factor=stride / STRIDE, mode="bilinear", align_corners=False)
        return small * (stride / STRIDE)

    def _decode(self, hidden: Tensor, skips: list[Tensor]) -> Prediction:
        return Prediction(self.alpha(hidden, skips), self.foreground(hidden, skips))


def _before(x: Tensor) -> Tensor:
    """Return of sequences [N, T, C, H, W] the frame before each, [N * T, C, H, W]; the first is its own."""
    return torch.cat([x[:, :1], x[:, :-1]], 1).flatten(0, 1)


def _convolution(channels_in: int, channels_out: int, kernel: int = 3) -> tuple[nn.Module, nn.Module]:
    """Return a convolution and its ReLU, which keep the variance: there are no norms to put it right."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution, nn.ReLU()
