"""The two graphs of a shipped network: what the frame path runs, and what a capture runs once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cleanplate.nets.cleanplate import CleanPlateNet, SampleFeatures

STATE_NAMES = (("r1i", "r1o"), ("r2i", "r2o"))
FRAME_INPUTS = ("src", *SampleFeatures._fields, "bgr_count", *(given for given, _ in STATE_NAMES))
FRAME_OUTPUTS = ("pha", *(made for _, made in STATE_NAMES))


class FrameGraph(nn.Module):
    """One frame of one video: `FRAME_INPUTS` to `FRAME_OUTPUTS`."""

    def __init__(self, net: CleanPlateNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        src: Tensor,
        bgr_4: Tensor,
        bgr_8: Tensor,
        bgr_16: Tensor,
        bgr_global: Tensor,
        bgr_count: Tensor,
        r1i: Tensor,
        r2i: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return alpha [1, 1, H, W], 0..1, and the next states."""
        samples = SampleFeatures(bgr_4, bgr_8, bgr_16, bgr_global)
        prediction = self.net(src, samples, bgr_count, (r1i, r2i))
        return torch.sigmoid(prediction.pha_logit), *prediction.states


class SampleGraph(nn.Module):
    """The sample encoder: `bgr` [N, 3, H, W] to the fields of `SampleFeatures`."""

    def __init__(self, net: CleanPlateNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, bgr: Tensor) -> tuple[Tensor, ...]:
        """Return the samples' features."""
        return tuple(self.net.encode_samples(bgr))


def example_inputs(net: CleanPlateNet, width: int, height: int, samples: int) -> dict[str, Tensor]:
    """Return random inputs of the frame graph, the features by way of the sample encoder.

    Args:
        net: The network.
        width: Of frames and samples, a multiple of 16.
        height: Likewise.
        samples: How many, at least 1.
    """
    generator = torch.Generator().manual_seed(width * height + samples)
    bgr = torch.rand(samples, 3, height, width, generator=generator)
    with torch.no_grad():
        features = net.encode_samples(bgr)._asdict()
    channels = [memory.channels for memory in net.memories()]
    states = {
        name: torch.rand(1, count, height // stride, width // stride, generator=generator) - 0.5
        for (name, _), count, stride in zip(STATE_NAMES, channels, (16, 8), strict=True)
    }
    src = torch.rand(1, 3, height, width, generator=generator)
    return {"src": src, **features, "bgr_count": torch.tensor([float(samples)]), **states}
