"""Paper 000's network for a live filter: no samples; the brightness of the frame before is its state."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cleanplate.engine.card import PHA_SHAPE, State
from cleanplate.export.graphs import Graphs
from cleanplate.nets.checkpoint import CheckpointError, load_net, read_checkpoint
from cleanplate.nets.funet import MULTIPLE, FUNet


def load_funet(checkpoint: Path) -> FUNet:
    """Load the network of a training checkpoint, which knows its options.

    Raises:
        CheckpointError: It is missing, or of another network.
    """
    stored = read_checkpoint(checkpoint)
    if "funet" not in stored:
        raise CheckpointError(
            f"{checkpoint} is no checkpoint of a FUNet: correct `kind` in its card, or leave it out"
        )
    return load_net(FUNet(**stored["funet"]), stored["state_dict"], checkpoint)


def funet_graphs(net: FUNet) -> Graphs:
    """Return the one graph of a network; the optical flow is in it."""
    brightness = State("r1i", "r1o", PHA_SHAPE)
    # In 16 bits the flow would come out otherwise, and what is near the threshold change sides.
    return Graphs(FrameGraph(net.eval()), None, {}, (brightness,), MULTIPLE, halves=False)


class FrameGraph(nn.Module):
    """One frame of one video."""

    def __init__(self, net: FUNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, src: Tensor, r1i: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha [1, 1, H, W], 0..1, and the frame's brightness, likewise."""
        logit, now = self.net(src, r1i)
        return torch.sigmoid(logit), now
