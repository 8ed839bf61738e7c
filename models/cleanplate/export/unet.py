"""Paper 001's networks for a live filter: no samples, and the memories of the third as recurrent states."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cleanplate.engine.card import State
from cleanplate.export.graphs import Graphs
from cleanplate.nets.checkpoint import CheckpointError, load_net, read_checkpoint
from cleanplate.nets.unet import MEMORY_STRIDES, MULTIPLE, AnyUNet, make_unet


def load_unet(checkpoint: Path) -> AnyUNet:
    """Load the network of a training checkpoint, which knows which of the three it is.

    Raises:
        CheckpointError: It is missing, or is none of them.
    """
    stored = read_checkpoint(checkpoint)
    if "variant" not in stored.get("network", {}):
        raise CheckpointError(
            f"{checkpoint} is no checkpoint of a U-Net: correct `kind` in its card, or leave it out"
        )
    return load_net(make_unet(**stored["network"]), stored["state_dict"], checkpoint)


def unet_graphs(net: AnyUNet) -> Graphs:
    """Return the one graph of a network, with a state for each of its memories."""
    states = tuple(
        State(f"r{number}i", f"r{number}o", (1, memory.channels, *_sides(stride)))
        for number, (memory, stride) in enumerate(zip(net.memories(), MEMORY_STRIDES, strict=False), 1)
    )
    return Graphs(FrameGraph(net.eval()), None, {}, states, MULTIPLE)


class FrameGraph(nn.Module):
    """One frame of one video."""

    def __init__(self, net: AnyUNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, src: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return alpha [1, 1, H, W], 0..1, and the next states."""
        logit, next_states = self.net(src, states)
        return torch.sigmoid(logit), *next_states


def _sides(stride: int) -> tuple[str, str]:
    return ("H", "W") if stride == 1 else (f"H/{stride}", f"W/{stride}")
