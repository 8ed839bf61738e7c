"""Losses of the networks: pure functions of tensors, each with a hand-computed test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

DIVERGENCE_SIDE = 512  # pixels: of the pictures for which paper 004 gives its sizes
DIVERGENCE_SIGMA = 10.0
DICE_SMOOTHING = 1e-6  # pixels; so that two empty masks agree


def softmax_loss(logit: Tensor, pha: Tensor, edge_weight: float = 0.0, edge_radius: int = 2) -> Tensor:
    """Return the two-class softmax loss (paper 003, section 4.2), which is the binary cross-entropy.

    Args:
        logit: [N, 1, H, W]; the difference of the two classes' scores.
        pha: [N, 1, H, W], 0..1; may be soft.
        edge_weight: Places within `edge_radius` pixels of an edge count 1 + `edge_weight` times.
        edge_radius: In pixels.
    """
    loss = F.binary_cross_entropy_with_logits(logit, pha, reduction="none")
    if edge_weight == 0:
        return loss.mean()
    weight = 1 + edge_weight * edge_band(pha, edge_radius)
    return (loss * weight).sum() / weight.sum()


def edge_band(pha: Tensor, radius: int) -> Tensor:
    """Return how much alpha varies within `radius` pixels: [N, 1, H, W], 0..1."""
    return _highest(pha, radius) + _highest(-pha, radius)


def _highest(x: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1  # a row and then a column take a fraction of a square's time
    rows = F.max_pool2d(x, (1, side), 1, (0, radius))
    return F.max_pool2d(rows, (side, 1), 1, (radius, 0))


def l2_loss(pred: Tensor, true: Tensor) -> Tensor:
    """Return the mean squared difference (paper 003, section 4.2, for the refinement)."""
    return (pred - true).square().mean()


def dice_loss(pred: Tensor, true: Tensor) -> Tensor:
    """Return one minus the Dice coefficient (paper 001, section 4.2): 0 is agreement.

    All pictures of a batch count together: of an empty picture alone the coefficient would say nothing but
    whether a prediction is empty, too.

    Args:
        pred: [N, 1, H, W], 0..1.
        true: Likewise; of a soft edge not even the truth itself has quite no loss.
    """
    both = 2 * (pred * true).sum()
    return 1 - (both + DICE_SMOOTHING) / (pred.sum() + true.sum() + DICE_SMOOTHING)


def alpha_loss(pred: Tensor, true: Tensor) -> Tensor:
    """Return the mean difference of mattes and of their gradients (Sengupta et al. 2020, equation 2).

    Args:
        pred: [N, 1, H, W], 0..1.
        true: Likewise.
    """
    difference = pred - true
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    return difference.abs().mean() + edges


def opaque_colour_loss(fgr: Tensor, src: Tensor, pha: Tensor) -> Tensor:
    """Return the mean difference of colours where the frame shows the person alone, and so is the foreground.

    Args:
        fgr: [N, 3, H, W], RGB, about 0..1.
        src: Likewise: the frames.
        pha: [N, 1, H, W], the true alpha; where it is below 1 the foreground is not known.
    """
    is_known = (pha >= 1).to(src.dtype).expand_as(src)
    return ((fgr - src).abs() * is_known).sum() / is_known.sum().clamp(min=1)


def divergence_loss(pred: Tensor, mask: Tensor, steps: int) -> Tensor:
    """Return the mean of alpha (1 - D), which keeps mattes near a coarse mask (paper 004, section 3.4.3).

    D is the mask, dilated and then blurred. The paper's sizes, a square of 5 pixels and a deviation of 10,
    are for pictures of 512x512; others have them in proportion to the square root of their area.

    Args:
        pred: [N, 1, H, W], 0..1.
        mask: [N, 1, H, W], 0 or 1.
        steps: Dilations, "5 to 10".
    """
    scale = math.sqrt(mask.shape[-2] * mask.shape[-1]) / DIVERGENCE_SIDE
    dilated = _highest(mask, round(2 * steps * scale))  # each step reaches 2 pixels further
    return (pred * (1 - _blurred(dilated, DIVERGENCE_SIGMA * scale))).mean()


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """Return [N, 1, H, W] after a Gaussian of 3 sigma to each side; beyond the border it is repeated."""
    radius = max(1, math.ceil(3 * sigma))
    distances = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-distances.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    rows = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel[None, None, None])
    return F.conv2d(F.pad(rows, (0, 0, radius, radius), mode="replicate"), kernel[None, None, :, None])


def laplacian_loss(pred: Tensor, true: Tensor, levels: int = 4, weight: float = 2.0) -> Tensor:
    """Return the L1 difference of Laplacian pyramids, level s weighted 2^s (Lin et al. 2021, equation 2).

    The pyramid is built with 2x2 means instead of a 5x5 Gaussian, which is several times cheaper on a CPU.

    Args:
        pred: [N, 1, H, W], 0..1; sides multiples of 2^(levels - 1).
        true: Likewise.
        levels: Of the pyramid; the last is the remaining low-pass picture.
        weight: Of a level's mean difference, as a multiple of the next finer one's.
    """
    difference = pred - true  # the pyramid is linear
    loss = difference.new_zeros(())
    for level in range(levels - 1):
        smaller = F.avg_pool2d(difference, 2)
        band = difference - F.interpolate(smaller, scale_factor=2, mode="nearest")
        loss = loss + weight**level * band.abs().mean()
        difference = smaller
    total: Tensor = (loss + weight ** (levels - 1) * difference.abs().mean()) / levels
    return total


def temporal_loss(pred: Tensor, true: Tensor) -> Tensor:
    """Return the mean squared difference of the changes over time (Lin et al. 2021, equation 3).

    Args:
        pred: [N, T, 1, H, W], 0..1, T >= 2.
        true: Likewise.
    """
    return (pred.diff(dim=1) - true.diff(dim=1)).square().mean()


def matting_loss(logit: Tensor, coarse_logit: Tensor, pha: Tensor, frames: int) -> Tensor:
    """Return the loss of our network.

    Args:
        logit: [N * T, 1, H, W].
        coarse_logit: [N * T, 1, H / 8, W / 8].
        pha: [N * T, 1, H, W], 0..1.
        frames: T.
    """
    pred = torch.sigmoid(logit)
    coarse_pha = F.adaptive_avg_pool2d(pha, (coarse_logit.shape[-2], coarse_logit.shape[-1]))
    loss = softmax_loss(logit, pha, edge_weight=3.0) + laplacian_loss(pred, pha)
    loss = loss + 0.3 * softmax_loss(coarse_logit, coarse_pha)
    if frames > 1:
        loss = loss + 4.0 * temporal_loss(
            pred.reshape(-1, frames, *pred.shape[1:]), pha.reshape(-1, frames, *pha.shape[1:])
        )
    return loss


def foreground_loss(pred: Tensor, true: Tensor, pha: Tensor) -> Tensor:
    """Return the mean absolute difference of the colours where somebody is seen (paper 002, equation 15).

    Args:
        pred: [N, 3, H, W].
        true: Likewise, 0..1.
        pha: The true alpha, [N, 1, H, W]; where it is 0 nothing differs, but counts in the mean.
    """
    return ((pha > 0) * (pred - true)).abs().mean()


def context_motion_loss(pred_pha: Tensor, pred_fgr: Tensor, pha: Tensor, fgr: Tensor) -> Tensor:
    """Return the loss of paper 002 (equations 13 to 16), its norms divided by the number of pixels.

    A level of the pyramid weighs twice as much as the next finer one, and has a quarter of its pixels.

    Args:
        pred_pha: [N, 1, H, W], 0..1; sides multiples of 16.
        pred_fgr: [N, 3, H, W].
        pha: The true alpha.
        fgr: The true colours.
    """
    levels = 5
    pyramids = levels * laplacian_loss(pred_pha, pha, levels, 2 / 4)  # which is the mean of its levels
    return (pred_pha - pha).abs().mean() + pyramids + 0.1 * foreground_loss(pred_fgr, fgr, pha)


def end_point_error(pred: Tensor, true: Tensor) -> Tensor:
    """Return how far flows [N, 2, H, W] point beside the true ones: the mean distance, in their pixels."""
    error: Tensor = torch.linalg.vector_norm(pred - true, dim=1).mean()
    return error


def flow_loss(flows: Sequence[Tensor], true: Tensor) -> Tensor:
    """Return the end-point errors of flows at several scales, each half as heavy as the next finer one.

    Args:
        flows: Coarse to fine, [N, 2, H / stride, W / stride] each, in pixels of that size.
        true: [N, 2, H, W], in its pixels.

    Returns:
        In pixels of the true flow; the finest scale weighs 1.
    """
    loss = true.new_zeros(())
    for flow in flows:
        stride = true.shape[-1] // flow.shape[-1]
        loss = loss / 2 + end_point_error(stride * flow, F.avg_pool2d(true, stride))
    return loss
