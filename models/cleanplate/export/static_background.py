"""Paper 004's refinement for a live filter: joints, coarse mask and refinement are one frame graph."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from cleanplate.export.fold import folded
from cleanplate.export.graphs import Graphs, memory_states
from cleanplate.nets.checkpoint import CheckpointError, load_net, read_checkpoint
from cleanplate.nets.static_background import MULTIPLE, OPTIONS, StaticBackgroundNet

PLATE = "bgr_plate"


def load_static_background(checkpoint: Path) -> StaticBackgroundNet:
    """Load the network of a training checkpoint, which has the options and all weights.

    Raises:
        CheckpointError: It is missing, or of another network.
    """
    stored = read_checkpoint(checkpoint)
    if OPTIONS not in stored:
        raise CheckpointError(
            f"{checkpoint} is no checkpoint of static-background: correct `kind` in its card, or leave it out"
        )
    return load_net(StaticBackgroundNet(**stored[OPTIONS]), stored["state_dict"], checkpoint)


def static_background_graphs(net: StaticBackgroundNet) -> Graphs:
    """Return the graphs of a network: a capture encodes the plate, which is the mean of its samples."""
    samples = SampleGraph(net.eval())
    with torch.no_grad():
        (plate,) = samples(torch.zeros(1, 3, MULTIPLE, MULTIPLE))
    faster = deepcopy(net)
    faster.coarse = folded(net.coarse)
    return Graphs(
        FrameGraph(net),
        samples,
        {PLATE: (1, plate.shape[1], "H/4", "W/4")},
        memory_states(net.coarse),
        MULTIPLE,
        FrameGraph(faster),
    )


class FrameGraph(nn.Module):
    """One frame of one video; the states are those of the coarse network."""

    def __init__(self, net: StaticBackgroundNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, src: Tensor, bgr_plate: Tensor, bgr_count: Tensor, r1i: Tensor, r2i: Tensor
    ) -> tuple[Tensor, ...]:
        """Return alpha [1, 1, H, W], 0..1, and the next states."""
        logit, states = self.net(src, bgr_plate, bgr_count, (r1i, r2i))
        return torch.sigmoid(logit), *states


class SampleGraph(nn.Module):
    """The sample encoder: `bgr` [N, 3, H, W] to the features of their mean."""

    def __init__(self, net: StaticBackgroundNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, bgr: Tensor) -> tuple[Tensor]:
        """Return the plate's features [1, C, H / 4, W / 4]."""
        return (self.net.encode_plate(bgr.mean(0, keepdim=True)),)
