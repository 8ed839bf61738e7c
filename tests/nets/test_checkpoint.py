"""Checkpoints that cannot be used are named."""

from pathlib import Path

import pytest
import torch

from cleanplate.nets.checkpoint import CheckpointError, read_checkpoint


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(2)}, "global_step": 3}, tmp_path / "last.ckpt")
    assert read_checkpoint(tmp_path / "last.ckpt", ("state_dict", "global_step"))["global_step"] == 3


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    with pytest.raises(CheckpointError, match="does not exist: name a checkpoint"):
        read_checkpoint(path)
    path.write_bytes(b"no checkpoint at all")
    with pytest.raises(CheckpointError, match="is no checkpoint, or damaged"):
        read_checkpoint(path)
    torch.save({"state_dict": {}}, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="is no checkpoint, or damaged"):
        read_checkpoint(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="lacks widths: it is of another kind of network"):
        read_checkpoint(path, ("state_dict", "widths"))
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="lacks state_dict"):
        read_checkpoint(path)
