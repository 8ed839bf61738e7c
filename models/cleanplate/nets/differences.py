"""The frame's own pixels against those of the samples, for the matte's edge.

`LocalMatching` knows what is background, at a quarter of the size and coarser. Where the edge runs is told
best by the pixels themselves (Sengupta et al. 2020 and Lin et al. 2021 give their networks the plate for
this), but only at the same exposure, and only where the plate is in register within a pixel or two. So the
frame is brought to the plate's exposure, by places that matching takes for background, and compared with the
range of colours in a small window. (The nearest colour of the window measures the same, and takes twice as
long.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

RADIUS = 1  # places of the window, at half size
SATURATION = 0.125  # a difference of colour that is surely none of noise, of 1
SURE_MATCH = 0.7  # cosine from which a place counts for the exposure


class PixelDifference(nn.Module):
    """Difference of colour between each place of the frame and a window of every sample, at half size.

    Shapes: N frames, S samples. Nothing is learned here.

    Attributes:
        channels: Of the output of `forward`: red, green, blue each on its own, and their mean.
    """

    channels = 4

    def candidates(self, bgr: Tensor) -> Tensor:
        """Return the colours of samples [M, 3, H, W]: [M, 3, 3, H / 2, W / 2].

        They are each place's own, and the least and the greatest in the window around it.
        """
        half = F.avg_pool2d(bgr, 2)
        padded = F.pad(half, (RADIUS,) * 4, mode="replicate")
        side = 2 * RADIUS + 1
        least, greatest = -F.max_pool2d(-padded, side, 1), F.max_pool2d(padded, side, 1)
        return torch.stack([half, least, greatest], dim=1)

    def forward(self, src: Tensor, candidates: Tensor, cosine: Tensor, present: Tensor) -> Tensor:
        """Compare frames with their samples.

        Args:
            src: The frames [N, 3, H, W], RGB, 0..1.
            candidates: [N, S, 3, 3, H / 2, W / 2], as `candidates` gives them.
            cosine: [N, 1, H / 8, W / 8], one plus the best match in any sample.
            present: [N, S], 1 where there is a sample, 0 where the tensor is only padded.

        Returns:
            [N, 4, H / 2, W / 2], 0 alike to 1 at least `SATURATION` apart; all 0 without samples.
        """
        half = F.avg_pool2d(src, 2)
        plates, least, greatest = candidates.unbind(2)
        gain = self._gain(half, plates, cosine)
        seen = half[:, None] / gain
        apart = torch.relu(torch.maximum(least - seen, seen - greatest)) * gain
        # A sample that is not there is far from every colour.
        absent = 2 * (1 - present)[:, :, None, None, None]
        apart = torch.cat([apart, apart.mean(2, keepdim=True)], 2) + absent
        # Transposed, because ONNX Runtime is slow to reduce the first dimension that is not 1.
        nearest = apart.transpose(1, 2).amin(2)
        is_known = present.amax(1)[:, None, None, None]
        return (nearest / SATURATION).clamp(max=1) * is_known

    def _gain(self, half: Tensor, plates: Tensor, cosine: Tensor) -> Tensor:
        """Return the factors [N, S, 3, 1, 1] that bring plates to the frames' exposure.

        They are the quotient of the mean colours where matching found the frame in a sample. One place that
        is white in both is added, so that without any such place the factors are 1.

        Args:
            half: The frames [N, 3, H / 2, W / 2].
            plates: [N, S, 3, H / 2, W / 2].
            cosine: [N, 1, H / 8, W / 8], one plus the best match.
        """
        weight = ((cosine.detach() - 1 - SURE_MATCH).clamp(min=0) / (1 - SURE_MATCH)).square()
        frames, samples = plates.shape[:2]
        pooled = F.avg_pool2d(plates.flatten(0, 1), 4)
        pooled = pooled.reshape(frames, samples, *pooled.shape[1:])
        of_frame = (F.avg_pool2d(half, 4) * weight).sum((-2, -1), keepdim=True)
        of_sample = (pooled * weight[:, None]).sum((-2, -1), keepdim=True)
        gain: Tensor = (of_frame[:, None] + 1) / (of_sample + 1)
        return gain
