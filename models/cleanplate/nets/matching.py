"""Local background attenuation: look each place of the frame up in the background samples, nearby.

Paper 003 (Background Cut, section 3.1) pools the samples' features over the whole picture, so it forgets
where things are. Here every place of the frame is compared with a window around the same place of every
sample: what is found there is background, even if it is a poster of a face. The window allows for a camera
that was moved a little.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

NEVER = 1e4  # logarithm of how unlikely a candidate is that must not be looked at


class LocalMatching(nn.Module):
    """Cosine matching of frame features with sample features in a square window.

    Places next to each other in a row share most of their windows: a block of B of them is compared with the
    union of their windows in one product of matrices, and what a place does not see is masked.

    Shapes: N frames, S samples (padded to the largest count), keys of K channels, B places in a block,
    D = (2 radius + 1) (B + 2 radius) places in the union of a block's windows.

    Attributes:
        channels: Of the output of `forward`: one plus the best cosine, and the difference to what was found.
    """

    def __init__(self, channels_in: int, keys: int, radius: int, block: int = 1) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels_in, keys, 1)
        self.radius, self.block = radius, block
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        self.channels = 1 + keys

    def keys(self, features: Tensor) -> Tensor:
        """Return unit keys [N, K, H, W] of features [N, C, H, W]."""
        return F.normalize(self.key(features), dim=1, eps=1e-4)

    def candidates(self, features: Tensor) -> Tensor:
        """Return, for every block of samples, the keys in the windows around it.

        Args:
            features: [M, C, H, W] of M sample pictures; W a multiple of B.

        Returns:
            [M, H, W / B, D, K]; beyond the border, the border is repeated.
        """
        keys = self.keys(features)
        height, width = keys.shape[-2:]
        padded = F.pad(keys, (self.radius,) * 4, mode="replicate").permute(0, 2, 3, 1)
        rows, columns = 2 * self.radius + 1, self.block + 2 * self.radius
        return torch.stack(
            [
                padded[:, y : y + height, x : x + width : self.block]
                for y in range(rows)
                for x in range(columns)
            ],
            dim=3,
        )

    def window(self) -> tuple[int, int]:
        """Return D and K: the candidates of a block, and the channels of a key."""
        return (2 * self.radius + 1) * (self.block + 2 * self.radius), self.key.out_channels

    def forward(self, features: Tensor, candidates: Tensor, present: Tensor) -> Tensor:
        """Compare frames with their samples.

        Args:
            features: [N, C, H, W] of the frames.
            candidates: [N, H, W / B, S, D, K]: as `candidates` gives them, samples next to each other, so
                that a block's comparisons are one product of matrices.
            present: [N, S], 1 where there is a sample, 0 where the tensor is only padded.

        Returns:
            [N, 1 + K, H, W]: one plus the best cosine in any sample, and the absolute difference between the
            frame's key and the softly best match; all 0 without samples.
        """
        query = self.keys(features).permute(0, 2, 3, 1)
        query = query.reshape(*query.shape[:2], -1, self.block, query.shape[3])
        hidden = 1 - (present[:, None, :, None] * self._visible().to(present)[:, None]).flatten(2)
        candidates = candidates.flatten(3, 4)
        # Cosines are bounded, so this softmax needs no maximum subtracted: the most likely is 1.
        likely = (self.sharpness * query) @ candidates.transpose(-1, -2)  # [N, H, W / B, B, S D]
        likely = likely - (self.sharpness + NEVER * hidden)[:, None, None]
        best = likely.amax(-1, keepdim=True) / self.sharpness + 2
        likely = torch.exp(likely)
        found = (likely @ candidates) / (likely.sum(-1, keepdim=True) + 1e-6)
        is_known = present.amax(1)[:, None, None, None, None]
        match = torch.cat([best, (query - found).abs()], -1) * is_known
        return match.flatten(2, 3).permute(0, 3, 1, 2)

    def _visible(self) -> Tensor:
        """Return which of its block's candidates each place sees, [B, D], 1 or 0."""
        columns = torch.arange(self.block + 2 * self.radius) - torch.arange(self.block)[:, None]
        is_near = (columns >= 0) & (columns <= 2 * self.radius)
        return is_near.float().repeat(1, 2 * self.radius + 1)
