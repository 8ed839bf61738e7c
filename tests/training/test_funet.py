"""Training paper 000's network: optimiser, loss, and that it looks at motion."""

from pathlib import Path

import numpy as np
import pytest
import torch
from few_steps import losses_of
from torch.nn import functional as F  # noqa: N812

from cleanplate.data.batches import Batch, BatchOptions, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.training import run
from cleanplate.training.config import Config, ConfigError, load_config
from cleanplate.training.funet_module import FUNetModule
from cleanplate.training.run import load_module, make_module, train

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's hints about loaders and loggers

NOWHERE = Path("none")
CONFIGS = Path(__file__).parents[2] / "models" / "cleanplate" / "training" / "configs"


def config(**changes: object) -> Config:
    values: dict[str, object] = {
        "kind": "funet",
        "seed": 1,
        "steps": 2,
        "learning_rate": 1e-4,
        "last_learning_rate": 1e-4,
        "warm_up": 0,
        "validate_every": 1,
        "batches": BatchOptions(((32, 32),), (1.0,), 2, 2, stills=0.5, no_sample=1),
        "scenes": SceneOptions(),
        "network": {"width": 4},
    }
    return Config(**{**values, **changes})  # type: ignore[arg-type]


def test_the_optimiser_is_the_papers() -> None:
    made = FUNetModule(load_config(CONFIGS / "funet.toml")).configure_optimizers()
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    assert isinstance(optimizer, torch.optim.RMSprop)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (1e-4, 1e-8, 0.9)
    assert [schedule.lr_lambdas[0](step) for step in (0, 3000, 6500)] == [1, 1, 1]
    assert FUNetModule.gradient_clip is None


def test_the_narrow_one_differs_in_its_width() -> None:
    assert FUNetModule(load_config(CONFIGS / "funet-narrow.toml")).net.unet.alpha.in_channels == 8


def test_the_loss_is_equation_10(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    settings = config()
    module = FUNetModule(settings).eval()
    maker = open_maker(tiny_cache, Split.TRAIN, settings.scenes)
    batch = make_batch(maker, settings.batches, np.random.default_rng(3))
    with torch.no_grad():
        logit, pha = module.predict(batch)
        found = float(module.loss(batch))
    chance = logit.sigmoid()
    assert logit.shape == pha.shape == (4, 1, 32, 32)
    assert found == pytest.approx(float(-(pha * chance.log() + (1 - pha) * (1 - chance).log()).mean()), 1e-4)


def test_loss_falls(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    settings = config()
    module = FUNetModule(settings).train()
    maker = open_maker(tiny_cache, Split.TRAIN, settings.scenes)
    losses = losses_of(module, make_batch(maker, settings.batches, np.random.default_rng(3)))
    assert losses[-1] < 0.9 * losses[0]


def noise_that_moves(moves: bool) -> Batch:
    """A soft square of noise on noise; it can be told from the wall by its motion alone."""
    random = torch.Generator().manual_seed(5)
    noise = F.interpolate(torch.rand(2, 3, 48, 48, generator=random), scale_factor=2.0, mode="bilinear")
    wall, square = noise[:1, :, :64, :64], noise[1:, :, :32, :32]
    frames, masks = [], []
    for step in range(3):
        left = 10 + 2 * step * moves
        frame, mask = wall.clone(), torch.zeros(1, 1, 64, 64)
        frame[..., 16:48, left : left + 32], mask[..., 16:48, left : left + 32] = square, 1
        frames.append(frame)
        masks.append(mask)
    src, pha = (torch.stack(each, 1).mul(255).byte() for each in (frames, masks))
    return Batch(src, pha, src[:, :1], torch.tensor([0]))


def test_after_a_few_steps_what_moves_changes_the_mask() -> None:
    torch.manual_seed(0)
    module = FUNetModule(config(network={"width": 8})).train()
    losses_of(module, noise_that_moves(True))
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
    with torch.no_grad():
        module.predict(noise_that_moves(True))
        module.eval()
        moving, still = (module.predict(noise_that_moves(moves))[0][2, 0] for moves in (True, False))
        frozen = (
            noise_that_moves(True).src[:, 2:].expand(1, 3, 3, 64, 64)
        )  # the same frame, with a still past
        stopped = module.net.over_time(frozen / 255)[2, 0]
    assert moving[20:44, 20:36].mean() > stopped[20:44, 20:36].mean() + 0.5
    assert moving[20:44, 20:36].mean() > still[20:44, 20:36].mean() + 0.5


@pytest.mark.slow
def test_a_whole_run_is_loaded_with_its_own_width(
    tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "VALIDATION_BATCHES", 1)
    last = train(config(), tmp_path, tiny_cache, NOWHERE, resume=True, loaders=0)
    assert last == tmp_path / "last.ckpt"
    loaded = load_module(config(network={}), last)
    assert isinstance(loaded, FUNetModule)
    assert loaded.config.network == {"width": 4}


def test_a_training_can_start_from_another(tmp_path: Path) -> None:
    start = tmp_path / "start.ckpt"
    trained = FUNetModule(config())
    torch.save({"state_dict": trained.state_dict()}, start)
    module = make_module(config(start_from=str(start)), NOWHERE)
    name = "net.unet.alpha.weight"
    assert torch.equal(module.state_dict()[name], trained.state_dict()[name])


def test_unfit_networks_are_named() -> None:
    with pytest.raises(ConfigError, match="width is 0"):
        make_module(config(network={"width": 0}), NOWHERE)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="lacks funet"):
        load_module(config(), path)
    torch.save({"state_dict": {}, "funet": {"share": 1.0}}, path)
    with pytest.raises(CheckpointError, match="is of another network"):
        load_module(config(), path)
