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


class LocalMatching(nn.Module):
    """Cosine matching of frame features with sample features in a square window.

    Shapes: N frames, S samples (padded to the largest count), keys of K channels, D = (2 radius + 1)^2
    places.

    Attributes:
        channels: Of the output of `forward`: one plus the best cosine, and the difference to what was found.
    """

    def __init__(self, channels_in: int, keys: int, radius: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels_in, keys, 1)
        self.radius = radius
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        self.channels = 1 + keys

    def keys(self, features: Tensor) -> Tensor:
        """Return unit keys [N, K, H, W] of features [N, C, H, W]."""
        return F.normalize(self.key(features), dim=1, eps=1e-4)

    def candidates(self, features: Tensor) -> Tensor:
        """Return, for every place of samples, the keys in the window around it.

        Args:
            features: [M, C, H, W] of M sample pictures.

        Returns:
            [M, H, W, D, K]; beyond the border, the border is repeated.
        """
        keys = self.keys(features)
        height, width = keys.shape[-2:]
        side = 2 * self.radius + 1
        padded = F.pad(keys, (self.radius,) * 4, mode="replicate").permute(0, 2, 3, 1)
        return torch.stack(
            [padded[:, y : y + height, x : x + width] for y in range(side) for x in range(side)], dim=3
        )

    def forward(self, features: Tensor, candidates: Tensor, present: Tensor) -> Tensor:
        """Compare frames with their samples.

        Args:
            features: [N, C, H, W] of the frames.
            candidates: [N, H, W, S, D, K]: as `candidates` gives them, samples next to each other, so that a
                place's
                comparisons are one product of matrices.
            present: [N, S], 1 where there is a sample, 0 where the tensor is only padded.

        Returns:
            [N, 1 + K, H, W]: one plus the best cosine in any sample, and the absolute difference between the
            frame's key and the softly best match; all 0 without samples.
        """
        query = self.keys(features).permute(0, 2, 3, 1)
        places = candidates.shape[4]
        mask = present[:, None, None, :, None].expand(-1, -1, -1, -1, places).flatten(3)
        candidates = candidates.flatten(3, 4)
        cosine = (candidates @ query[..., None])[..., 0]
        # Cosines are bounded, so this softmax needs no maximum subtracted.
        likely = torch.exp((cosine - 1) * self.sharpness) * mask
        found = (likely[..., None, :] @ candidates)[..., 0, :] / (likely.sum(-1, keepdim=True) + 1e-6)
        best = ((cosine + 1) * mask).amax(-1, keepdim=True)
        is_known = present.amax(1)[:, None, None, None]
        return torch.cat([best, (query - found).abs() * is_known], -1).permute(0, 3, 1, 2)
