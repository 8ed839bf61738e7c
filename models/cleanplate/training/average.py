"""The mean of several stages' weights: `cleanplate average`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from cleanplate.nets.checkpoint import CheckpointError, read_checkpoint

ABOUT_THE_NETWORK = ("network", "widths", "funet", "static_background", "global_step")


def average(checkpoints: Sequence[Path], output: Path) -> None:
    """Write a checkpoint with the mean of the weights of others.

    Stages that trained on from one another lie in one valley, whose middle is better than its edges (Wortsman
    et al. 2022, "model soups"). The file can be exported or named as `start_from`, but not gone on from.

    Args:
        checkpoints: Of one network, the last stage last; it gives what is no number with a fraction.
        output: The file to write.

    Raises:
        CheckpointError: One is missing or damaged, or they are of different networks.
    """
    stored = [read_checkpoint(path) for path in checkpoints]
    states = [each["state_dict"] for each in stored]
    last = states[-1]
    for path, state in zip(checkpoints, states, strict=True):
        if {name: value.shape for name, value in state.items()} != {
            name: v.shape for name, v in last.items()
        }:
            raise CheckpointError(
                f"{path} is of another network than {checkpoints[-1]}: only like can be averaged"
            )
    mean = {
        name: sum(state[name] / len(states) for state in states) if value.is_floating_point() else value
        for name, value in last.items()
    }
    kept = {key: stored[-1][key] for key in ABOUT_THE_NETWORK if key in stored[-1]}
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_suffix(".part")
    torch.save({**kept, "state_dict": mean}, part)
    part.replace(output)
