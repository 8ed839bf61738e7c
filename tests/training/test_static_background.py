"""Training paper 004's refinement: what learns, from what it starts, and what is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from few_steps import losses_of

from cleanplate.data.batches import BatchOptions, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.nets.cleanplate import CleanPlateNet
from cleanplate.nets.posenet import PoseNet
from cleanplate.nets.static_background import OPTIONS
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.run import load_module, make_module, train
from cleanplate.training.static_background_module import StaticBackgroundModule

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's hints about loaders and loggers

TINY = {"width": 4, "blocks": [1, 1]}


def config(**changes: object) -> Config:
    values: dict[str, object] = {
        "kind": "static-background",
        "seed": 1,
        "steps": 1,
        "learning_rate": 1e-3,
        "last_learning_rate": 1e-3,
        "divergence": 0.5,
        "validate_every": 9,
        "batches": BatchOptions(((48, 32),), (1.0,), 2, stills=0, no_sample=0, several=0),
        "scenes": SceneOptions(empty=0),
        "network": TINY,
    }
    return Config(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    """An untrained network for the coarse mask."""
    path = tmp_path / "coarse.ckpt"
    torch.manual_seed(1)
    states = CleanPlateNet().state_dict()
    torch.save({"state_dict": {f"net.{name}": value for name, value in states.items()}}, path)
    return path


@pytest.fixture
def posenet(tmp_path: Path) -> Path:
    """An untrained PoseNet, and what is not needed of it."""
    path = tmp_path / "posenet.npz"
    torch.manual_seed(2)
    arrays = {name: value.numpy() for name, value in PoseNet().state_dict().items()}
    arrays["displacement_fwd.bias"] = np.zeros(32, np.float32)
    np.savez(path, allow_pickle=False, **arrays)
    return path


def test_loss_falls(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    module = StaticBackgroundModule(config()).train()
    maker = open_maker(tiny_cache, Split.TRAIN, module.config.scenes)
    batch = make_batch(maker, module.config.batches, np.random.default_rng(3))
    losses = losses_of(module, batch)
    assert losses[-1] < 0.7 * losses[0]


def test_divergence_from_the_coarse_mask_costs(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    module = StaticBackgroundModule(config())
    maker = open_maker(tiny_cache, Split.TRAIN, module.config.scenes)
    batch = make_batch(maker, module.config.batches, np.random.default_rng(3))
    torch.nn.init.constant_(module.get_parameter("net.coarse.decoder.detail.alpha.bias"), -30.0)  # S is empty
    with_loss = float(module.loss(batch).detach())
    module.config = config(divergence=0.0)
    without = float(module.loss(batch).detach())
    pred = module.predict(batch)[0].sigmoid()
    assert with_loss - without == pytest.approx(0.5 * float(pred.mean()), rel=1e-3)


def test_a_whole_run_starts_from_both_networks_and_is_loaded(
    tiny_cache: Path, tmp_path: Path, coarse: Path, posenet: Path
) -> None:
    settings = config(start_from=str(coarse))
    before = make_module(settings, posenet).state_dict()
    last = train(settings, tmp_path / "run", tiny_cache, posenet, resume=True, loaders=0)
    assert torch.load(last, weights_only=False)[OPTIONS] == TINY
    loaded = load_module(config(network={}), last)  # the checkpoint knows better
    after = loaded.state_dict()
    changed = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"refine"}
    stored = torch.load(coarse, weights_only=False)["state_dict"]["net.encoder.stem.0.weight"]
    assert torch.equal(after["net.coarse.encoder.stem.0.weight"], stored)


def test_it_is_adam_with_the_papers_rate() -> None:
    module = StaticBackgroundModule(config(learning_rate=1e-4, last_learning_rate=1e-4, warm_up=0))
    chosen = module.configure_optimizers()
    (group,) = chosen["optimizer"].param_groups
    assert (group["lr"], group["weight_decay"]) == (1e-4, 0)
    assert module.gradient_clip is None


@pytest.mark.parametrize("network", [{"blocks": 3}, {"width": "wide"}, {"width": 0}])
def test_unfit_options_are_named(network: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="does not fit static-background"):
        make_module(config(network=network), Path("none"))


def test_what_is_missing_is_named(tmp_path: Path, coarse: Path, posenet: Path) -> None:
    with pytest.raises(ConfigError, match="start_from is missing"):
        make_module(config(), posenet)
    with pytest.raises(ConfigError, match="name PoseNet's weights with --pretrained"):
        make_module(config(start_from=str(coarse)), tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", nothing=np.zeros(1))
    with pytest.raises(ConfigError, match="holds no PoseNet"):
        make_module(config(start_from=str(coarse)), tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(ConfigError, match="holds no PoseNet"):
        make_module(config(start_from=str(coarse)), tmp_path / "text.npz")


def test_other_checkpoints_are_refused(tmp_path: Path, posenet: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="is of another network"):
        make_module(config(start_from=str(path)), posenet)
    with pytest.raises(CheckpointError, match=f"lacks {OPTIONS}"):
        load_module(config(), path)
