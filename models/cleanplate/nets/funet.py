"""Paper 000's network (Kuang and Tie 2021, "Flow-based Video Segmentation for Human Head and Shoulders").

Where a frame moves against the one before is a fourth channel beside its colours, and a U-Net makes a mask of
both. It knows nothing of background samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cleanplate.nets import unet
from cleanplate.nets.flow import grey, motion_mask
from cleanplate.nets.unet import UNet

MULTIPLE = unet.MULTIPLE  # both sides of the input must be a multiple of it
THRESHOLD = 0.4  # "works best" (section 4.1); the paper does not say of what unit: here pixels of the input


class FUNet(nn.Module):
    """Motion and appearance, joined before a U-Net (figure 2).

    Attributes:
        threshold: From what length of the flow on, in pixels of the input, something moves (equation 9).
    """

    def __init__(self, *, width: int = unet.WIDTH, threshold: float = THRESHOLD) -> None:
        """Build.

        Args:
            width: Channels at full size; 64 are the U-Net's.
            threshold: See above; infinite for a network that sees no motion.

        Raises:
            ValueError: A number is not positive.
        """
        super().__init__()
        if width < 1 or threshold <= 0:
            raise ValueError(f"width is {width} and threshold {threshold}: both must be positive")
        self.threshold = threshold
        self.unet = UNet(4, width)

    def forward(self, src: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha's logit [N, 1, H, W] of one frame each of N videos, and what the next frame needs.

        Args:
            src: [N, 3, H, W], RGB, 0..1; H and W multiples of 16.
            before: [N, 1, H, W], as the frame before gave it; zeros for the first, which so has no motion.
        """
        now = grey(src)
        return self._segment(src, motion_mask(before, now, self.threshold)), now

    def over_time(self, src: Tensor) -> Tensor:
        """Return alpha's logit [N * T, 1, H, W] of sequences [N, T, 3, H, W].

        In training mode the first frame has the second's motion, as in section 4.1. A live stream knows no
        second frame yet: in evaluation mode the first has none.
        """
        motion = self.motion(src)
        if self.training and src.shape[1] > 1:
            motion = torch.cat([motion[:, 1:2], motion[:, 1:]], 1)
        return self._segment(src.flatten(0, 1), motion.flatten(0, 1))

    def motion(self, src: Tensor) -> Tensor:
        """Return where frames of sequences [N, T, 3, H, W] move: [N, T, 1, H, W], 0 or 1; no first does."""
        count, frames, _, height, width = src.shape
        now = grey(src.flatten(0, 1)).reshape(count, frames, 1, height, width)
        before = torch.cat([torch.zeros_like(now[:, :1]), now[:, :-1]], 1)
        return motion_mask(before.flatten(0, 1), now.flatten(0, 1), self.threshold).reshape(now.shape)

    def _segment(self, src: Tensor, motion: Tensor) -> Tensor:
        logit: Tensor = self.unet(torch.cat([src, motion], 1))[0]
        return logit
