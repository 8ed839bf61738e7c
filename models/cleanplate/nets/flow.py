"""Optical flow after Horn and Schunck (1981), the motion of paper 000 (Kuang and Tie 2021, "FUNet").

Coarse to fine over a pyramid, each scale warped by the flow of the one below (paper 000, section 3.1), with a
fixed number of Jacobi iterations at each: tensor operations alone, so that all of it is part of an exported
graph, for any size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from cleanplate.nets.decoder import double

LEVELS = 4  # of the pyramid: sides are multiples of 8
ITERATIONS = 20  # at each level
SMOOTHNESS = 0.05  # Horn and Schunck's alpha, for brightness 0..1: 13 of 255 levels a pixel
LUMA = (0.299, 0.587, 0.114)  # of RGB: ITU-R BT.601


def grey(src: Tensor) -> Tensor:
    """Return the brightness [N, 1, H, W], 0..1, of pictures [N, 3, H, W], RGB, 0..1."""
    return LUMA[0] * src[:, :1] + LUMA[1] * src[:, 1:2] + LUMA[2] * src[:, 2:]


def motion_mask(before: Tensor, now: Tensor, threshold: float) -> Tensor:
    """Return where a frame has moved (paper 000, equation 9): [N, 1, H, W], 0 or 1.

    Args:
        before: [N, 1, H, W], 0..1, brightness of the frames before; nothing can have come out of a black one,
            so that it stands for none at all, and gives zeros.
        now: [N, 1, H, W], 0..1, brightness of the frames.
        threshold: The least length of the flow that counts, in pixels of these pictures.
    """
    with torch.no_grad(), torch.autocast(now.device.type, enabled=False):  # a threshold needs all 24 bits
        length = horn_schunck(before.float(), now.float()).square().sum(1, keepdim=True).sqrt()
        is_known = before.amax((1, 2, 3), keepdim=True) > 0
        return ((length >= threshold) & is_known).to(now.dtype)


def horn_schunck(before: Tensor, now: Tensor) -> Tensor:
    """Return how far what each pixel of `now` shows has come: [N, 2, H, W], pixels to the right and down.

    Args:
        before: [N, 1, H, W], brightness 0..1; H and W multiples of 2^(LEVELS - 1).
        now: Likewise.
    """
    pyramid = [(_smooth(before), _smooth(now))]  # noise would look like motion
    for _ in range(LEVELS - 1):
        coarsest = pyramid[-1]
        pyramid.append((F.avg_pool2d(coarsest[0], 2), F.avg_pool2d(coarsest[1], 2)))
    smallest = pyramid.pop()
    flow = _refine(*smallest, torch.cat([torch.zeros_like(smallest[1])] * 2, 1))
    for finer in reversed(pyramid):
        flow = _refine(*finer, 2 * double(flow))  # pixels are half as large
    return flow


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Return a picture [N, C, H, W] moved along a flow [N, 2, H, W] in pixels; its edge goes on for ever."""
    rows = torch.ones_like(flow[:, :1]).cumsum(2)  # 1..H
    columns = torch.ones_like(flow[:, :1]).cumsum(3)
    # From pixel centres to -1..1 between the picture's outer edges.
    x = (2 * (columns - flow[:, :1]) - 1) / columns[:, :, :, -1:] - 1
    y = (2 * (rows - flow[:, 1:]) - 1) / rows[:, :, -1:] - 1
    grid = torch.cat([x, y], 1).permute(0, 2, 3, 1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _refine(before: Tensor, now: Tensor, flow: Tensor) -> Tensor:
    """Solve for the flow about a guess, around which brightness is linear, as Horn and Schunck have it."""
    warped = warp(before, flow)
    padded = F.pad((warped + now) / 2, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    along_y = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    slope = torch.cat([along_x, along_y], 1)
    gain = slope / (SMOOTHNESS**2 + slope.square().sum(1, keepdim=True))
    rest = now - warped - (slope * flow).sum(1, keepdim=True)
    for _ in range(ITERATIONS):
        mean = (4 * _smooth(flow) - flow) / 3  # a sixth of each neighbour, a twelfth of the diagonal ones
        flow = mean - gain * ((slope * mean).sum(1, keepdim=True) + rest)
    return flow


def _smooth(x: Tensor) -> Tensor:
    """Return the binomial mean of 3x3 pixels; sums take PyTorch's CPU a tenth of a pooling's time."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    pairs = padded[..., 1:] + padded[..., :-1]
    rows = pairs[..., 1:] + pairs[..., :-1]
    pairs = rows[..., 1:, :] + rows[..., :-1, :]
    return (pairs[..., 1:, :] + pairs[..., :-1, :]) / 16
