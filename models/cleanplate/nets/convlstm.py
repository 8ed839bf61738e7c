"""The convolutional long short-term memory of paper 001's third network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cleanplate.nets.memory import over_time


class ConvLSTM(nn.Module):
    """A ConvLSTM (Shi et al. 2015, equation 3) with a 3x3 kernel, as wide as its input.

    Without that paper's peepholes: paper 001's parameter counts leave no room for them.

    Attributes:
        channels: Of the state: hidden state and cell, one after the other.
    """

    def __init__(self, channels: int) -> None:
        """Build for an input of `channels`."""
        super().__init__()
        self.channels = 2 * channels
        self.gates = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)  # input, forget, output, candidate
        assert self.gates.bias is not None
        with torch.no_grad():  # as Keras starts: what is known is kept until training finds better
            self.gates.bias.zero_()[channels : 2 * channels] = 1

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            x: [N, C, H, W].
            state: [N, 2 C, H, W], zeros at the start.

        Returns:
            The output [N, C, H, W], -1..1, and the next state.
        """
        hidden, cell = state.chunk(2, dim=1)
        admit, keep, give, candidate = self.gates(torch.cat([x, hidden], 1)).chunk(4, dim=1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(admit) * torch.tanh(candidate)
        hidden = torch.sigmoid(give) * torch.tanh(cell)
        return hidden, torch.cat([hidden, cell], 1)

    def over_time(self, x: Tensor, frames: int) -> Tensor:
        """Run over sequences from a zero state.

        Args:
            x: [N * frames, C, H, W], the frames of a sequence next to each other.
            frames: Length of each sequence.
        """
        state = x.new_zeros(x.shape[0] // frames, self.channels, *x.shape[-2:])
        return over_time(self, x, frames, state)
