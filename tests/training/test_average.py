"""The mean of checkpoints."""

from pathlib import Path

import pytest
import torch

from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.training.average import average


def test_fractions_are_averaged_and_counts_are_the_last(tmp_path: Path) -> None:
    for name, value, count in (("a", 1.0, 3), ("b", 4.0, 5)):
        states = {"net.weight": torch.full((2,), value), "net.tracked": torch.tensor(count)}
        torch.save({"state_dict": states, "widths": (1, 2), "loops": {}}, tmp_path / f"{name}.ckpt")
    output = tmp_path / "new" / "mean.ckpt"
    average([tmp_path / "a.ckpt", tmp_path / "b.ckpt"], output)
    stored = torch.load(output, weights_only=False)
    assert stored.keys() == {"state_dict", "widths"}
    assert stored["state_dict"]["net.weight"].tolist() == [2.5, 2.5]
    assert stored["state_dict"]["net.tracked"] == 5
    assert [path.name for path in output.parent.iterdir()] == ["mean.ckpt"]


def test_different_networks_are_refused(tmp_path: Path) -> None:
    for name, size in (("a", 2), ("b", 3)):
        torch.save({"state_dict": {"net.weight": torch.zeros(size)}}, tmp_path / f"{name}.ckpt")
    with pytest.raises(CheckpointError, match="only like can be averaged"):
        average([tmp_path / "a.ckpt", tmp_path / "b.ckpt"], tmp_path / "mean.ckpt")
