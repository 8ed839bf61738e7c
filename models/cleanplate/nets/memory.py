"""Recurrent temporal memory, as Robust Video Matting has it (Lin et al. 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def over_time(
    memory: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], x: Tensor, frames: int, state: Tensor
) -> Tensor:
    """Return a memory's outputs [N * frames, C, H, W] of sequences.

    Args:
        memory: Takes a step: of [N, C, H, W] and a state it makes the output and the next state.
        x: [N * frames, C, H, W], the frames of a sequence next to each other.
        frames: Length of each sequence.
        state: At the start.
    """
    outputs = []
    for moment in x.reshape(-1, frames, *x.shape[1:]).unbind(1):
        output, state = memory(moment, state)
        outputs.append(output)
    return torch.stack(outputs, 1).flatten(0, 1)


class ConvGRU(nn.Module):
    """A convolutional gated recurrent unit over half of the channels; the other half passes by.

    Attributes:
        channels: Of the state: half of the input's.
    """

    def __init__(self, channels: int) -> None:
        """Build for an input of `channels` (even)."""
        super().__init__()
        self.channels = channels // 2
        self.gates = nn.Conv2d(2 * self.channels, 2 * self.channels, 3, padding=1)
        self.candidate = nn.Conv2d(2 * self.channels, self.channels, 3, padding=1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            x: [N, C, H, W].
            state: [N, C / 2, H, W], or [1, 1, 1, 1] of zero at the start.

        Returns:
            The output [N, C, H, W] and the next state [N, C / 2, H, W].
        """
        passing, now = x.chunk(2, dim=1)
        state = state + torch.zeros_like(now)
        reset, update = torch.sigmoid(self.gates(torch.cat([now, state], 1))).chunk(2, dim=1)
        candidate = torch.tanh(self.candidate(torch.cat([now, reset * state], 1)))
        state = (1 - update) * state + update * candidate
        return torch.cat([passing, state], 1), state

    def over_time(self, x: Tensor, frames: int) -> Tensor:
        """Run over sequences from a zero state.

        Args:
            x: [N * frames, C, H, W], the frames of a sequence next to each other.
            frames: Length of each sequence.
        """
        return over_time(self, x, frames, x.new_zeros(1, 1, 1, 1))
