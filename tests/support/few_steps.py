"""A few steps of a training, to see whether it learns."""

import torch

from cleanplate.data.batches import Batch
from cleanplate.training.module import MattingModule


def losses_of(module: MattingModule, batch: Batch) -> list[float]:
    """The losses of twelve steps of Adam on one batch, each before its step."""
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = module.loss(batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss))
    return losses
