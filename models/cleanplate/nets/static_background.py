"""The mask refinement of paper 004 (Nemchinov 2020, section 3.4): Background Matting with key points.

A network that knows no background says roughly where the person is (the coarse mask S), PoseNet where the
joints are. With the picture of the empty scene, the plate, they refine the matte by the generator of
Background Matting (Sengupta et al. 2020): an encoder of the frame and one "prior encoder" of each other
input; of each prior a "selector" over the frame's and its features; a "combinator" that joins all; residual
blocks; and a decoder each of alpha and foreground. What paper 004 adds are the key points as one more prior.

The widths, which the text of paper 004 does not give, are Background Matting's.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from cleanplate.nets import cleanplate
from cleanplate.nets.cleanplate import CleanPlateNet
from cleanplate.nets.posenet import MAP_CHANNELS, PoseNet, key_point_maps

MULTIPLE = cleanplate.MULTIPLE  # both sides of the input must be a multiple of it
WIDTH = 64  # channels at full size, and of a selector; twice as many at 1/2, four times at 1/4
BLOCKS = 7, 3  # residual blocks that alpha and foreground share, and of each alone
OPTIONS = "static_background"  # the key of a checkpoint that holds the arguments of `StaticBackgroundNet`

States = tuple[Tensor, ...]


class Refined(NamedTuple):
    """What is made of N frames in training.

    Attributes:
        pha_logit: [N, 1, H, W]; its sigmoid is alpha.
        fgr: [N, 3, H, W], RGB about 0..1: the person's colours, wherever there is anything of them.
        coarse: [N, 1, H, W], 0..1: the coarse mask S.
    """

    pha_logit: Tensor
    fgr: Tensor
    coarse: Tensor


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, channels, H, W]."""
        y: Tensor = x + self.body(x)
        return y


class Generator(nn.Module):
    """Background Matting's generator, without its adjacent frames, with key points.

    The last layers differ in their scale alone: alpha is a sigmoid where that has a hyperbolic tangent, and
    colours are 0..1 where they are -1..1.
    """

    def __init__(self, width: int, blocks: tuple[int, int], *, key_points: bool) -> None:
        super().__init__()
        shared, own = blocks
        features = 4 * width
        self.frame = nn.ModuleList([_halve_once(3, width), _normed(2 * width, features, 3, stride=2)])
        self.plate = _prior(3, width)
        self.mask = _prior(1, width)
        self.pose = _prior(MAP_CHANNELS, width) if key_points else None
        priors = 3 if key_points else 2
        self.selectors = nn.ModuleList(_normed(2 * features, width, 1) for _ in range(priors))
        self.combinator = _normed(features + priors * width, features, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(features) for _ in range(shared)))
        self.alpha = nn.Sequential(
            *(ResidualBlock(features) for _ in range(own)),
            *_double(features, 2 * width),
            *_double(2 * width, width),
            _wide(width, 1),
        )
        self.colours = nn.ModuleList(
            [
                nn.Sequential(*(ResidualBlock(features) for _ in range(own)), *_double(features, 2 * width)),
                nn.Sequential(*_double(4 * width, width), _wide(width, 3)),
            ]
        )

    def forward(self, src: Tensor, plate: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Return alpha's logit [N, 1, H, W].

        Args:
            src: [N, 3, H, W], RGB, 0..1.
            plate: [N, 4 width, H / 4, W / 4], what `self.plate` makes of the empty scene.
            mask: [N, 1, H, W], 0..1: S.
            maps: [N, 55, H, W], of the key points.
        """
        _, x = self._join(src, plate, mask, maps)
        logit: Tensor = self.alpha(x)
        return logit

    def with_colours(self, src: Tensor, plate: Tensor, mask: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha's logit, and the foreground [N, 3, H, W], RGB; arguments as of `forward`."""
        skip, x = self._join(src, plate, mask, maps)
        return self.alpha(x), self.colours[1](torch.cat([self.colours[0](x), skip], 1))

    def _join(self, src: Tensor, plate: Tensor, mask: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the frame's features at 1/2, and what the shared blocks make of all inputs at 1/4."""
        skip = self.frame[0](src * 2 - 1)
        frame = self.frame[1](skip)
        priors = [plate, self.mask(mask * 2 - 1)]
        if self.pose is not None:
            priors.append(self.pose(maps))
        selected = [
            selector(torch.cat([frame, prior], 1))
            for selector, prior in zip(self.selectors, priors, strict=True)
        ]
        return skip, self.blocks(self.combinator(torch.cat([frame, *selected], 1)))


class StaticBackgroundNet(nn.Module):
    """Coarse mask, key points and refinement; only the refinement learns.

    Without a plate the coarse mask is the matte.

    Attributes:
        coarse: A trained network, used without samples. The paper has Pose2Seg.
        joints: PoseNet. The paper has AlphaPose, for any number of people.
        refine: What learns.
    """

    def __init__(
        self, width: int = WIDTH, blocks: tuple[int, int] = BLOCKS, *, key_points: bool = True
    ) -> None:
        """Build.

        Args:
            width: Of the generator; 64 is the paper's.
            blocks: Residual blocks that alpha and foreground share, and of each alone.
            key_points: Whether the generator sees them; without them it is Background Matting's.

        Raises:
            TypeError, ValueError: `width` is no positive number, or `blocks` are not two.
        """
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}: it must be at least 1")
        self.coarse = CleanPlateNet().requires_grad_(False).eval()
        self.joints = PoseNet().requires_grad_(False).eval()
        self.refine = Generator(width, blocks, key_points=key_points)

    def train(self, mode: bool = True) -> Self:
        """Switch to training, but leave what does not learn alone."""
        super().train(mode)
        self.coarse.eval()
        return self

    def encode_plate(self, plate: Tensor) -> Tensor:
        """Return the features [N, 4 width, H / 4, W / 4] of empty scenes [N, 3, H, W] (RGB, 0..1)."""
        features: Tensor = self.refine.plate(plate * 2 - 1)
        return features

    def forward(self, src: Tensor, plate: Tensor, count: Tensor, states: States) -> tuple[Tensor, States]:
        """Return alpha's logit [1, 1, H, W] of the next frame of a video, and the next states.

        Args:
            src: [1, 3, H, W], RGB, 0..1; H and W multiples of 16.
            plate: From `encode_plate`.
            count: [1], how many samples it is made of; with 0 it is not looked at and may be zero.
            states: Of the coarse network, as it gave them, or zeros of [1, 1, 1, 1].
        """
        coarse = self.coarse(src, self.coarse.no_samples(src), torch.zeros_like(count), states)
        logit = self.refine(src, plate, coarse.pha_logit.sigmoid(), self.maps(src))
        return torch.where(count[:, None, None, None] > 0, logit, coarse.pha_logit), coarse.states

    def over_time(self, src: Tensor, bgr: Tensor, count: Tensor) -> Refined:
        """Refine whole sequences, each with its own samples.

        Args:
            src: [N, T, 3, H, W], RGB, 0..1.
            bgr: [N, S, 3, H, W], zero where a sequence has fewer samples; their mean is the plate.
            count: [N], how many of the S are real; where there are none the coarse logit is alpha's.

        Returns:
            Of N * T frames.
        """
        frames = src.shape[1]
        with torch.no_grad():
            coarse_logit, _ = self.coarse.train_step(src, bgr, torch.zeros_like(count))
            coarse = coarse_logit.sigmoid()
            pictures = src.flatten(0, 1)
            maps = self.maps(pictures)
        plate = self.encode_plate(bgr.sum(1) / count.clamp(min=1)[:, None, None, None])
        logit, fgr = self.refine.with_colours(pictures, plate.repeat_interleave(frames, 0), coarse, maps)
        has_plate = (count > 0).repeat_interleave(frames)[:, None, None, None]
        return Refined(torch.where(has_plate, logit, coarse_logit), fgr, coarse)

    def maps(self, src: Tensor) -> Tensor:
        """Return the key points of frames [N, 3, H, W] as maps [N, 55, H, W]."""
        return key_point_maps(self.joints(src), src)


def _normed(channels_in: int, channels_out: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            channels_in, channels_out, side, stride, side // 2,
            padding_mode="reflect" if side == 7 else "zeros", bias=False,
        ),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )  # fmt: skip


def _halve_once(channels_in: int, width: int) -> nn.Sequential:
    """[N, channels_in, H, W] to [N, 2 width, H / 2, W / 2]."""
    return nn.Sequential(_normed(channels_in, width, 7), _normed(width, 2 * width, 3, stride=2))


def _prior(channels_in: int, width: int) -> nn.Sequential:
    """[N, channels_in, H, W] to [N, 4 width, H / 4, W / 4]."""
    return nn.Sequential(_halve_once(channels_in, width), _normed(2 * width, 4 * width, 3, stride=2))


def _double(channels_in: int, channels_out: int) -> tuple[nn.Module, nn.Module]:
    enlarge = nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False)
    return enlarge, _normed(channels_in, channels_out, 3)


def _wide(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 7, padding=3, padding_mode="reflect")
