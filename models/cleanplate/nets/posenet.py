"""PoseNet, which finds a person's joints, and the maps in which paper 004 shows them to a network.

The network is PersonLab's (Papandreou et al. 2018, section 3.1) with MobileNetV1 at half width and stride 16,
for one person: its displacements between joints are left out. Its weights are read, none are trained here.

The maps are those of Nemchinov 2020, section 3.4.1 (paper 004), which takes them from Pose2Seg and OpenPose:
a heat map of each of COCO's 17 joints, and the part affinity fields (Cao et al. 2018) of its 19 limbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

STRIDE = 16  # pixels from one place of the heat maps to the next
CHANNELS = (16, 32, 64, 64, 128, 128, 256, 256, 256, 256, 256, 256, 256, 256)
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)

JOINTS = 17  # nose; eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, each left and right
LIMBS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
"""COCO's skeleton, from joint to joint."""

MAP_CHANNELS = JOINTS + 2 * len(LIMBS)
MIN_CONFIDENCE = 0.3  # of a joint, else it is not drawn
SPREAD = 7 / 368  # of a heat map, and the half width of a limb: OpenPose's 7 of 368 pixels


class Joints(NamedTuple):
    """The joints of one person in each of N pictures.

    Attributes:
        places: [N, 17, 2], x and y in pixels; 0 is the middle of the first pixel.
        confidence: [N, 17], 0..1.
    """

    places: Tensor
    confidence: Tensor


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, with the batch norms folded in."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, channels_out, H / stride, W / stride]."""
        return F.relu6(self.pointwise(F.relu6(self.depthwise(x))))


class Stem(nn.Module):
    """The first convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, CHANNELS[0], 3, STRIDES[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, 16, H / 2, W / 2]."""
        return F.relu6(self.conv(x))


class PoseNet(nn.Module):
    """Finds the joints of the most visible person: each where its heat map is highest."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", Stem())
        for index, stride in enumerate(STRIDES[1:], 1):
            self.features.add_module(f"conv{index}", Separable(CHANNELS[index - 1], CHANNELS[index], stride))
        self.heatmap = nn.Conv2d(CHANNELS[-1], JOINTS, 1)
        self.offset = nn.Conv2d(CHANNELS[-1], 2 * JOINTS, 1)

    def load(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Take published weights, under the names that the parameters have here.

        Raises:
            KeyError: An array is missing.
            RuntimeError: An array has the wrong shape.
        """
        self.load_state_dict({name: torch.from_numpy(arrays[name]) for name in self.state_dict()})

    def forward(self, src: Tensor) -> Joints:
        """Find the joints.

        Args:
            src: [N, 3, H, W], RGB, 0..1; H and W multiples of 16.
        """
        # One more row and column, so that all strides meet the middles of the places, as in training.
        x = self.features(F.pad(src * 2 - 1, (0, 1, 0, 1), mode="replicate"))
        heat = self.heatmap(x).sigmoid()
        confidence, best = heat.flatten(2).max(2)

        def at_best(values: Tensor) -> Tensor:
            """Pick from [N or 1, 17 or 1, h, w] what is at each joint's best place: [N, 17]."""
            spread = values.expand(heat.shape[0], JOINTS, -1, -1).flatten(2)
            return spread.gather(2, best[..., None])[..., 0]

        columns, rows = pixel_grid(heat)
        down, right = self.offset(x).chunk(2, 1)
        places = [at_best(columns) * STRIDE + at_best(right), at_best(rows) * STRIDE + at_best(down)]
        return Joints(torch.stack(places, 2), confidence)


def key_point_maps(joints: Joints, src: Tensor) -> Tensor:
    """Draw the joints of a picture.

    Args:
        joints: Of the person; those with less than `MIN_CONFIDENCE` are left out, with their limbs.
        src: [N, C, H, W], of whose size the maps are.

    Returns:
        [N, 55, H, W]: 17 heat maps, exp(-d^2 / s^2) at the distance d of the joint; then of each limb x and y
        of the unit vector along it, within s of the line between its joints, and 0 elsewhere. Here s is
        `SPREAD` of the square root of H times W. At a limb's border the vector goes to 0 within one pixel, so
        that the maps move steadily with the joints.
    """
    columns, rows = pixel_grid(src)
    grid = torch.stack([columns, rows], -1)  # [1, 1, H, W, 2]
    spread = SPREAD * ((columns.max() + 1) * (rows.max() + 1)).sqrt()
    is_seen = (joints.confidence > MIN_CONFIDENCE).to(src.dtype)
    squared = (grid - joints.places[:, :, None, None]).square().sum(-1)
    heat = torch.exp(-squared / spread.square()) * is_seen[..., None, None]

    begin, end = (list(ends) for ends in zip(*LIMBS, strict=True))
    along = joints.places[:, end] - joints.places[:, begin]
    length = along.square().sum(-1, keepdim=True).sqrt()  # [N, 19, 1]
    unit = along / length.clamp(min=1e-3)
    x, y = (unit[:, :, None, None, axis] for axis in (0, 1))
    from_begin = grid - joints.places[:, begin, None, None]
    on_line = from_begin[..., 0] * x + from_begin[..., 1] * y
    beside = (from_begin[..., 0] * y - from_begin[..., 1] * x).abs()
    inside = (spread - beside, on_line, length[..., None] - on_line)  # pixels from each border
    drawn = (is_seen[:, begin] * is_seen[:, end])[..., None, None]
    for distance in inside:
        drawn = drawn * (distance + 0.5).clamp(0, 1)
    fields = torch.stack([drawn * x, drawn * y], 2).flatten(1, 2)
    return torch.cat([heat, fields], 1)


def pixel_grid(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return column and row of every place of [N, C, H, W], each [1, 1, H, W].

    Made by sums, so that the size stays open in an exported graph.
    """
    ones = torch.ones_like(x[:1, :1])
    return ones.cumsum(3) - 1, ones.cumsum(2) - 1
