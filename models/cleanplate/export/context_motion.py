"""Paper 002's network for a live filter: no samples; the last frame and what it left behind as states."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cleanplate.engine.card import State
from cleanplate.export.graphs import Graphs
from cleanplate.nets.checkpoint import load_net, read_checkpoint
from cleanplate.nets.context_motion import HIDDEN, MULTIPLE, STRIDE, ContextMotionNet, States


def load_context_motion(checkpoint: Path) -> ContextMotionNet:
    """Load the network of a training checkpoint.

    Raises:
        CheckpointError: It is missing, or of another network.
    """
    return load_net(ContextMotionNet(), read_checkpoint(checkpoint)["state_dict"], checkpoint)


def context_motion_graphs(net: ContextMotionNet) -> Graphs:
    """Return the one graph of a network; it gives the foreground's colours, too."""
    height, width = f"H/{STRIDE}", f"W/{STRIDE}"
    states = (
        State("r1i", "r1o", (1, 3, "H", "W")),
        State("r2i", "r2o", (1, net.context_channels, height, width)),
        State("r3i", "r3o", (1, HIDDEN, height, width)),
        State("r4i", "r4o", (1, 1, 1, 1)),
    )
    return Graphs(FrameGraph(net.eval()), None, {}, states, MULTIPLE, foreground=True)


class FrameGraph(nn.Module):
    """One frame of one video."""

    def __init__(self, net: ContextMotionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, src: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return alpha [1, 1, H, W] and the foreground [1, 3, H, W], RGB, both 0..1, and the next states."""
        (logit, fgr), next_states = self.net(src, States(*states))
        return torch.sigmoid(logit), fgr.clamp(0, 1), *next_states
