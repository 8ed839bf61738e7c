"""Training paper 001's networks: loss, plateaus, the end, and what is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from few_steps import losses_of
from torch import Tensor, nn

from cleanplate.data.batches import Batch, BatchOptions, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.training import run
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.kinds import KINDS
from cleanplate.training.run import fit, load_module, make_module, train
from cleanplate.training.unet_module import BEST, UNetModule

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's hints about loaders and loggers

NOWHERE = Path("none")


def config(**changes: object) -> Config:
    values: dict[str, object] = {
        "kind": "unet",
        "seed": 1,
        "steps": 2,
        "learning_rate": 1e-4,
        "last_learning_rate": 1e-7,
        "validate_every": 1,
        "batches": BatchOptions(((32, 32),), (1.0,), 2, 2, stills=0.5, no_sample=1),
        "scenes": SceneOptions(),
        "network": {"variant": "convlstm"},
    }
    return Config(**{**values, **changes})  # type: ignore[arg-type]


class Point(nn.Module):
    """A network of four numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Conv2d(3, 1, 1)

    def over_time(self, src: Tensor) -> Tensor:
        logit: Tensor = self.point(src.flatten(0, 1))
        return logit


class Prescribed(UNetModule):
    """A training whose held-out loss is known beforehand: 0.5, then 0.4, and never better."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.net = Point()
        self.validations = 0

    def validation_step(self, batch: Batch, _: int, dataloader_idx: int = 0) -> None:
        self.validations += dataloader_idx == 0
        self._held_out.append({1: 0.5, 2: 0.4}.get(self.validations, 0.45))


@pytest.mark.slow
@pytest.mark.parametrize(("lowest", "expected"), [(1e-7, 1e-6), (1e-5, 1e-5)])
def test_plateaus_lower_the_learning_rate_and_then_end_the_run(
    lowest: float, expected: float, tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "VALIDATION_BATCHES", 1)
    settings = config(steps=40, last_learning_rate=lowest)
    last = fit(Prescribed(settings), settings, tmp_path, tiny_cache, 0)
    stored = torch.load(last, weights_only=False)
    assert stored["global_step"] == 12  # ten validations after the best
    # The fourth and the eighth of these let it fall.
    assert stored["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(expected)
    assert torch.load(tmp_path / BEST, weights_only=False)["global_step"] == 2


@pytest.mark.slow
def test_a_whole_run_keeps_its_best_and_goes_on(
    tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "VALIDATION_BATCHES", 1)
    best = train(config(), tmp_path, tiny_cache, NOWHERE, resume=True, loaders=0)
    assert best == tmp_path / KINDS["unet"].kept
    train(config(steps=3), tmp_path, tiny_cache, NOWHERE, resume=True, loaders=0)
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["global_step"] == 3
    loaded = load_module(config(network={"variant": "plain"}), best)  # the checkpoint knows better
    assert isinstance(loaded, UNetModule)
    assert loaded.config.network == {"variant": "convlstm"}


def test_gradients_are_as_long_as_they_are() -> None:
    assert UNetModule(config()).gradient_clip is None
    assert KINDS["cleanplate"].kept == "last.ckpt"


def test_a_training_of_one_can_start_from_another(tmp_path: Path) -> None:
    start = tmp_path / "start.ckpt"
    trained = UNetModule(config(network={"variant": "mobilenet"}))
    torch.save({"state_dict": trained.state_dict()}, start)
    new = [name for name in UNetModule(config()).state_dict() if name.startswith("net.lstms")]
    module = make_module(config(start_from=str(start), new_parts=new), NOWHERE)
    assert torch.equal(module.state_dict()["net.alpha.weight"], trained.state_dict()["net.alpha.weight"])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"network": {"variant": "resnet"}}, "choose plain, mobilenet or convlstm"),
        ({"network": {}}, "variant"),
        ({"validate_every": 3}, "learns by its validations"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        make_module(config(**changes), NOWHERE)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="lacks network"):
        load_module(config(), path)
    torch.save({"state_dict": {}, "network": {"share": 1.0}}, path)
    with pytest.raises(CheckpointError, match="is of another network"):
        load_module(config(), path)


def test_loss_falls(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    settings = config()
    module = UNetModule(settings).train()
    maker = open_maker(tiny_cache, Split.TRAIN, settings.scenes)
    batch = make_batch(maker, settings.batches, np.random.default_rng(3))
    losses = losses_of(module, batch)
    assert losses[-1] < 0.7 * losses[0]
