"""Background Cut for a live filter: the causal variant, its window of frames kept as recurrent states."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cleanplate.engine.card import State
from cleanplate.export.graphs import Graphs
from cleanplate.nets.background_cut import MULTIPLE, PAST_AND_FUTURE, BackgroundCutNet
from cleanplate.nets.checkpoint import CheckpointError, load_net, read_checkpoint

NO_SAMPLE_SIZE = (96, 160)  # height, width: of the black picture for a missing sample, as in training


def load_background_cut(checkpoint: Path) -> BackgroundCutNet:
    """Load the network of a training checkpoint, which knows its options and widths.

    Raises:
        CheckpointError: It is missing, or is no Background Cut.
    """
    stored = read_checkpoint(checkpoint)
    if "widths" not in stored:
        raise CheckpointError(
            f"{checkpoint} is no checkpoint of Background Cut: correct `kind` in its card, or leave it out"
        )
    options = {name: value for name, value in stored["network"].items() if name != "share"}
    return load_net(BackgroundCutNet(stored["widths"], **options), stored["state_dict"], checkpoint)


def background_cut_graphs(net: BackgroundCutNet) -> Graphs:
    """Return the graphs of the causal variant.

    Raises:
        CheckpointError: The network looks into the future, or lacks the refinement or the second path.
    """
    if not net.causal or net.refine is None or net.segment.sample_path is None:
        raise CheckpointError(
            "a live filter needs the whole network without frames from the future: export a run that has "
            "`attenuates = true, causal = true`"
        )
    states = (
        State("r1i", "r1o", (1, PAST_AND_FUTURE, "H", "W")),
        State("r2i", "r2o", (1, 3 * PAST_AND_FUTURE, "H", "W")),
        State("r3i", "r3o", (1, 1, 1, 1)),
    )
    features = {"bgr_global": ("N", net.segment.sample_path.channels)}
    return Graphs(FrameGraph(net.eval()), SampleGraph(net), features, states, MULTIPLE)


class FrameGraph(nn.Module):
    """One frame of one video.

    The states are the past probabilities, the past frames, and whether there are any: before the first frame
    it stands for them itself, as in training.
    """

    without_sample: Tensor

    def __init__(self, net: BackgroundCutNet) -> None:
        super().__init__()
        assert net.refine is not None
        self.segment, self.refine = net.segment, net.refine
        with torch.no_grad():
            black = net.segment.pool_samples(torch.zeros(1, 1, 3, *NO_SAMPLE_SIZE))
        self.register_buffer("without_sample", black)

    def forward(
        self, src: Tensor, bgr_global: Tensor, bgr_count: Tensor, r1i: Tensor, r2i: Tensor, r3i: Tensor
    ) -> tuple[Tensor, ...]:
        """Return alpha [1, 1, H, W], 0..1, and the next states."""
        pooled = torch.where(bgr_count[:, None] > 0, bgr_global.mean(0, keepdim=True), self.without_sample)
        person = self.segment(src, pooled).softmax(1)[:, 1:]
        has_past = r3i > 0
        past_person = torch.where(has_past, r1i, person.repeat(1, PAST_AND_FUTURE, 1, 1))
        past_frames = torch.where(has_past, r2i, src.repeat(1, PAST_AND_FUTURE, 1, 1))
        window = torch.cat([past_person, person], 1)
        frames = torch.cat([past_frames, src], 1)
        pha = torch.sigmoid(self.refine(window, frames.reshape(1, -1, 3, *src.shape[-2:])))
        return pha, window[:, 1:], frames[:, 3:], torch.ones_like(r3i)


class SampleGraph(nn.Module):
    """The sample encoder: `bgr` [N, 3, H, W] to `bgr_global` [N, C]."""

    def __init__(self, net: BackgroundCutNet) -> None:
        super().__init__()
        self.segment = net.segment

    def forward(self, bgr: Tensor) -> tuple[Tensor]:
        """Return the samples' globally pooled features."""
        return (self.segment.pool_samples(bgr[:, None]),)
