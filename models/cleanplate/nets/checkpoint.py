"""Reading a training run's checkpoint, with errors that name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


class CheckpointError(Exception):
    """The checkpoint is missing, damaged or of another network; the message names it."""


def read_checkpoint(path: Path, keys: Sequence[str] = ("state_dict",)) -> dict[str, Any]:
    """Return what a training run saved.

    Args:
        path: `last.ckpt` of a run, or a file of `models/checkpoints`.
        keys: What it must have.

    Raises:
        CheckpointError: It is missing, cannot be read, or lacks a key.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: name a checkpoint (`last.ckpt`) of a training run")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(f"{path} is no checkpoint, or damaged ({error}): train anew") from error
    lacking = [key for key in keys if not isinstance(stored, dict) or key not in stored]
    if lacking:
        raise CheckpointError(
            f"{path} lacks {', '.join(lacking)}: it is of another kind of network, or of none: name another"
        )
    return dict(stored)


def load_strictly(module: nn.Module, states: Mapping[str, Any], path: Path) -> None:
    """Give a module all its weights.

    Args:
        module: Takes them.
        states: Of every parameter and buffer, and of nothing else.
        path: Where they come from.

    Raises:
        CheckpointError: They are of another network.
    """
    try:
        module.load_state_dict(states)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{path} is of another network: name another ({error})") from error


def load_net(net: Net, states: Mapping[str, Any], path: Path) -> Net:
    """Give a network the weights that a training saved of it, and return it, for evaluation.

    Args:
        net: Takes them.
        states: As `load_strictly` has them, but each begins with `net.`.
        path: Where they come from.

    Raises:
        CheckpointError: They are of another network.
    """
    load_strictly(net, {name.removeprefix("net."): value for name, value in states.items()}, path)
    return net.eval()
