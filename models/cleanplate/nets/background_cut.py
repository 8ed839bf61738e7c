"""Background Cut, as the paper has it (Shen et al. 2017, paper 003).

Two Light-ResNet paths see the frames and the background samples. The samples' features are pooled globally,
broadcast and concatenated with the frame's; a convolution gives the score map (section 3.1). The scores of 2n
+ 1 successive frames, with the frames themselves as guidance, go through the spatial-temporal refinement
(section 3.2).

Where the text leaves something open, the choice is named at its place; the paper's supplement is not at hand.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

RESNET18_CHANNELS = (64, 128, 256, 512)  # of its four groups
BLOCKS_PER_GROUP = 2
GROUP_STRIDES = (1, 2, 1, 1)  # after the stem's 4
GROUP_DILATIONS = (1, 1, 2, 4)
CLASSES = 2  # background, person
MULTIPLE = 8  # both sides of the input must be a multiple of it
PAST_AND_FUTURE = 2  # n of section 4.2: five frames


class BasicBlock(nn.Module):
    """ResNet's block of two 3x3 convolutions (He et al. 2016), with a free inner width.

    Pruning shortens `inner`; the outer width is shared by a whole group through its shortcuts.
    """

    def __init__(self, channels_in: int, inner: int, channels_out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, inner, 3, stride, dilation, dilation, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, channels_out, 3, 1, dilation, dilation, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut = (
            nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )
            if stride != 1 or channels_in != channels_out
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, channels_out, H / stride, W / stride]."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class GroupWidths(NamedTuple):
    """The channels of one group of blocks.

    Attributes:
        outer: Of every block's output; the shortcuts make them equal within a group.
        inner: Between the two convolutions of each block.
    """

    outer: int
    inner: tuple[int, ...]


Widths = tuple[GroupWidths, ...]
"""The channels of a Light-ResNet. The stem has as many as the first group, to which it is added."""


def scaled_widths(share: float) -> Widths:
    """Return ResNet-18's widths times a share, 0..1; at least one filter each."""
    outer = [max(1, round(channels * share)) for channels in RESNET18_CHANNELS]
    return tuple(GroupWidths(width, (width,) * BLOCKS_PER_GROUP) for width in outer)


class LightResNet(nn.Module):
    """ResNet-18 with prunable widths, without its classifier, at stride 8.

    The last two groups are dilated instead of strided, as PSPNet (the paper's reference [74]) has it; the
    paper does not name its stride.

    Attributes:
        widths: Of every convolution.
        channels: Of the output.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.widths = widths
        first = widths[0][0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 7, 2, 3, bias=False), nn.BatchNorm2d(first), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        groups: list[nn.Module] = []
        channels_in = first
        for (outer, inners), stride, dilation in zip(widths, GROUP_STRIDES, GROUP_DILATIONS, strict=True):
            blocks: list[nn.Module] = []
            for index, inner in enumerate(inners):
                blocks.append(BasicBlock(channels_in, inner, outer, stride if index == 0 else 1, dilation))
                channels_in = outer
            groups.append(nn.Sequential(*blocks))
        self.groups = nn.Sequential(*groups)
        self.channels = channels_in

    def group(self, index: int) -> list[BasicBlock]:
        """Return the blocks of a group, 0..3."""
        return [block for block in cast(nn.Sequential, self.groups[index]) if isinstance(block, BasicBlock)]

    def forward(self, picture: Tensor) -> Tensor:
        """Encode [N, 3, H, W] (RGB, 0..1) to [N, C, H / 8, W / 8]."""
        features: Tensor = self.groups(self.stem(picture))
        return features


class GlobalAttenuation(nn.Module):
    """Segmentation with global background attenuation (section 3.1).

    The paper has "one convolution layer" from the features to the score maps, and concatenates the global
    feature, the same at every place, with them. A linear layer over that would add one constant to each
    class, wherever in the picture: so a convolution with batch norm and ReLU, as in PSPNet (its reference
    [74]), joins them before the score maps.
    """

    def __init__(self, widths: Widths, *, attenuates: bool = True) -> None:
        """Build.

        Args:
            widths: Of both paths.
            attenuates: Whether the second path is used; without it this is the paper's "w/o Atten.".
        """
        super().__init__()
        self.frame_path = LightResNet(widths)
        self.sample_path = LightResNet(widths) if attenuates else None
        channels = self.frame_path.channels
        self.join = _joined(2 * channels, channels) if attenuates else None
        self.score = nn.Conv2d(channels, CLASSES, 1)

    def pool_samples(self, bgr: Tensor) -> Tensor:
        """Return the global feature [N, C] of N backgrounds from samples [N, S, 3, H, W].

        The paper trains with one random sample per frame and tests with "the provided background samples":
        several are averaged here. Without attenuation there is nothing to compute: zeros.
        """
        if self.sample_path is None:
            return bgr.new_zeros(bgr.shape[0], self.frame_path.channels)
        features: Tensor = self.sample_path(bgr.flatten(0, 1)).mean((-2, -1))
        return features.reshape(bgr.shape[0], bgr.shape[1], -1).mean(1)

    def forward(self, src: Tensor, pooled: Tensor) -> Tensor:
        """Return score maps.

        Args:
            src: [N, 3, H, W], RGB, 0..1; H and W multiples of 8.
            pooled: [N, C] of `pool_samples`; not looked at without attenuation.

        Returns:
            [N, 2, H, W]; the softmax over the classes gives the segmentation.
        """
        features = self.frame_path(src)
        if self.join is not None:
            spread = pooled[:, :, None, None].expand(-1, -1, features.shape[-2], features.shape[-1])
            features = self.join(torch.cat([features, spread], 1))
        scores = self.score(features)
        return F.interpolate(scores, size=src.shape[-2:], mode="bilinear", align_corners=False)


class SpatialTemporalRefinement(nn.Module):
    """Refinement of a frame's segmentation from its neighbours' (section 3.2).

    Three convolutions of stride 2, three deconvolutions, and sums of the features of equal size. The input is
    the score maps (as person probabilities) and the colour pictures of all frames of the window.
    """

    def __init__(self, window: int, channels: tuple[int, int, int] = (16, 32, 64)) -> None:
        """Build; the paper does not name the channels.

        Args:
            window: Frames of the input: 2n + 1, or n + 1 for the causal variant, which sees the past only.
            channels: Of the three convolutions.
        """
        super().__init__()
        one, two, three = channels
        self.down1 = _strided(window * (1 + 3), one)
        self.down2 = _strided(one, two)
        self.down3 = _strided(two, three)
        self.up3 = _deconvolution(three, two)
        self.up2 = _deconvolution(two, one)
        self.up1 = nn.ConvTranspose2d(one, 1, 4, 2, 1)

    def forward(self, probabilities: Tensor, frames: Tensor) -> Tensor:
        """Return alpha's logit [N, 1, H, W] of the window's target frame.

        Args:
            probabilities: [N, T, H, W], of a person, 0..1; H and W multiples of 8.
            frames: [N, T, 3, H, W], RGB, 0..1.
        """
        x1 = self.down1(torch.cat([probabilities, frames.flatten(1, 2)], 1))
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        y2 = torch.relu(self.up3(x3) + x2)
        y1 = torch.relu(self.up2(y2) + x1)
        logit: Tensor = self.up1(y1)
        return logit


class BackgroundCutNet(nn.Module):
    """The whole network of figure 3.

    Attributes:
        causal: Whether the refinement sees past frames only. The paper's window is centred, which a live
            filter could only use with a delay of n frames.
    """

    def __init__(
        self, widths: Widths, *, attenuates: bool = True, causal: bool = False, refines: bool = True
    ) -> None:
        super().__init__()
        self.causal = causal
        self.segment = GlobalAttenuation(widths, attenuates=attenuates)
        window = PAST_AND_FUTURE + 1 if causal else 2 * PAST_AND_FUTURE + 1
        self.refine = SpatialTemporalRefinement(window) if refines else None

    def forward(self, src: Tensor, bgr: Tensor) -> tuple[Tensor, Tensor]:
        """Segment and refine whole sequences.

        Args:
            src: [N, T, 3, H, W], RGB, 0..1; H and W multiples of 8.
            bgr: [N, S, 3, H, W], S >= 1.

        Returns:
            Scores [N, T, 2, H, W], and alpha's logit [N, T, 1, H, W]: refined, or without refinement the
            scores' difference. At the ends of the sequence the first and last frames stand in for those
            beyond.
        """
        sequences, moments = src.shape[:2]
        pooled = self.segment.pool_samples(bgr).repeat_interleave(moments, 0)
        scores = self.segment(src.flatten(0, 1), pooled).reshape(sequences, moments, CLASSES, *src.shape[-2:])
        if self.refine is None:
            return scores, scores[:, :, 1:] - scores[:, :, :1]
        person = scores.softmax(2)[:, :, 1]
        refined = [
            self.refine(person[:, indices], src[:, indices])
            for indices in window_indices(moments, causal=self.causal)
        ]
        return scores, torch.stack(refined, 1)


def window_indices(moments: int, *, causal: bool) -> list[list[int]]:
    """Return for every frame which frames its window holds, in order; ends are repeated."""
    last = 0 if causal else PAST_AND_FUTURE
    return [
        [min(max(moment + offset, 0), moments - 1) for offset in range(-PAST_AND_FUTURE, last + 1)]
        for moment in range(moments)
    ]


def _joined(channels_in: int, channels_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


def _strided(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, 2, 1), nn.ReLU())


def _deconvolution(channels_in: int, channels_out: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1)
