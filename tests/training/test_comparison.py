"""Measuring trained modules over whole videos."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from torch import Tensor

from cleanplate.data.batches import Batch, BatchOptions
from cleanplate.data.scenes import SceneOptions
from cleanplate.evaluation.sets import read_set
from cleanplate.training.background_cut_module import BackgroundCutModule
from cleanplate.training.commands import compare
from cleanplate.training.comparison import mattes, measure_module, variants
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.funet_module import FUNetModule
from cleanplate.training.module import MattingModule

CONFIG = Config(
    kind="background-cut",
    seed=1,
    steps=1,
    learning_rate=1e-3,
    last_learning_rate=1e-3,
    batches=BatchOptions(((64, 48), (32, 16)), (0.5, 0.5), 1),
    scenes=SceneOptions(),
    network={"share": 1 / 16},
)


class RedderThanTheSample(MattingModule):
    """Takes for the person what is redder than in the first sample."""

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        difference = batch.src[0, :, :1].float() - batch.bgr[0, :1, :1].float()
        return difference - 64, batch.pha[0]

    def loss(self, batch: Batch) -> Tensor:
        raise NotImplementedError

    def parameter_groups(self) -> list[dict[str, object]]:
        raise NotImplementedError


def test_colours_sizes_and_samples_reach_the_network(tmp_path: Path) -> None:
    lamp = np.zeros((96, 128, 3), np.uint8)
    lamp[:32, 96:] = (0, 0, 255)  # BGR
    frame = lamp.copy()
    frame[32:, 32:64] = (0, 0, 255)
    pha = np.zeros((96, 128), np.uint8)
    pha[32:, 32:64] = 255
    folder = tmp_path / "toy" / "a"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "sample0.png"), lamp)
    for index in range(2):
        cv2.imwrite(str(folder / f"frame{index:03}.png"), frame)
        cv2.imwrite(str(folder / f"frame{index:03}-pha.png"), pha)
    module, cases = RedderThanTheSample(CONFIG), read_set(tmp_path / "toy")
    with_sample, without = (measure_module("toy", module, CONFIG, cases, count) for count in (1, 0))
    assert with_sample.mean("iou") > 0.95  # all but the resized edges
    assert with_sample.mean("dtssd") == 0
    assert without.mean("iou") == pytest.approx(2048 / 3072, abs=0.03)


def test_a_missing_checkpoint_shows_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(_: Config, checkpoint: Path) -> MattingModule:
        if checkpoint.parent.name == "second":
            raise ConfigError("second is missing")
        return RedderThanTheSample(CONFIG)

    (tmp_path / "toy" / "a").mkdir(parents=True)
    monkeypatch.setattr("cleanplate.training.config.load_config", lambda _: CONFIG)
    monkeypatch.setattr("cleanplate.training.run.load_module", load)
    monkeypatch.setattr("cleanplate.training.comparison.measure_module", lambda *_: pytest.fail("measured"))
    with pytest.raises(typer.Exit):
        compare([Path("first.toml"), Path("second.toml")], tmp_path)
    assert "second is missing" in capsys.readouterr().err


def test_background_cut_is_also_measured_unrefined() -> None:
    torch.manual_seed(0)
    frames = [np.full((48, 64, 3), 50 * index, np.uint8) for index in range(3)]
    found = {
        name: mattes(module.eval(), frames, frames[:1], 64 * 48)
        for name, module in variants("toy", BackgroundCutModule(CONFIG))
    }
    assert list(found) == ["toy", "toy, unrefined"]
    module = BackgroundCutModule(CONFIG)  # which stays refined for the next set
    assert len(list(variants("toy", module))) == 2
    assert module.net.refine is not None
    assert not np.allclose(found["toy"], found["toy, unrefined"])
    assert np.stack(found["toy"]).shape == (3, 48, 64)


def test_funet_is_also_measured_without_motion() -> None:
    module = FUNetModule(replace(CONFIG, kind="funet", network={"width": 2}))
    _, (name, still) = variants("toy", module)
    assert name == "toy, no motion"
    assert isinstance(still, FUNetModule)
    video = torch.zeros(1, 2, 3, 32, 32)
    video[:, :, :, 8:] = torch.linspace(0, 1, 32)
    video[:, 1] = video[:, 1].roll(2, -1)
    assert module.net.motion(video).sum() > 0
    assert still.net.motion(video).sum() == 0
