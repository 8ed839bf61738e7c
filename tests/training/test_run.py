"""A whole training, for three steps, and its resumption."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from few_steps import losses_of
from numpy.typing import NDArray

from cleanplate.data.batches import Batch, BatchOptions, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.training import run
from cleanplate.training.cleanplate_module import CleanPlateModule
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.module import learning_rate_factor
from cleanplate.training.run import load_module, make_module, settle_norms, train

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's hints about loaders and loggers


def small_config(**changes: object) -> Config:
    values: dict[str, object] = {
        "seed": 1,
        "steps": 2,
        "learning_rate": 1e-3,
        "last_learning_rate": 1e-4,
        "warm_up": 1,
        "validate_every": 2,
        "batches": BatchOptions(((48, 32),), (1.0,), 2, 2),
        "scenes": SceneOptions(),
        "network": {"channels": (8, 8, 8, 8, 8), "keys": 4, "channels_global": 4},
    }
    return Config(**{**values, **changes})  # type: ignore[arg-type]


def start_checkpoint(folder: Path, config: Config) -> Path:
    """A checkpoint to start from, so that no ImageNet file is needed."""
    path = folder / "start.ckpt"
    torch.save({"state_dict": CleanPlateModule(config).state_dict()}, path)
    return path


@pytest.mark.slow
def test_trains_validates_and_resumes(tiny_cache: Path, tmp_path: Path) -> None:
    config = small_config()
    start = str(start_checkpoint(tmp_path, config))
    folder = tmp_path / "run"
    last = train(small_config(start_from=start), folder, tiny_cache, Path("none"), resume=True, loaders=0)
    assert torch.load(last, weights_only=False)["global_step"] == 2
    assert (folder / "curve.png").is_file()
    assert (folder / "mattes.png").is_file()

    train(small_config(start_from=start, steps=3), folder, tiny_cache, Path("none"), resume=True, loaders=0)
    assert torch.load(last, weights_only=False)["global_step"] == 3

    again = small_config(start_from=start, steps=1)
    assert train(again, folder, tiny_cache, Path("none"), resume=False, loaders=0) == last
    assert torch.load(last, weights_only=False)["global_step"] == 1


class StoppedError(Exception):
    """As a user stops a training."""


class StoppedTrainer:
    """Remembers what it is to do, and does nothing of it."""

    asked: ClassVar[dict[str, object]] = {}

    def __init__(self, **asked: object) -> None:
        StoppedTrainer.asked = asked

    def fit(self, *_: object, **__: object) -> None:
        raise StoppedError


def test_one_device_trains(tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning.Trainer", StoppedTrainer)
    config = small_config(imagenet=False, validate_every=9)
    with pytest.raises(StoppedError):
        train(config, tmp_path, tiny_cache, Path("none"), resume=True, loaders=0)
    assert StoppedTrainer.asked["devices"] == 1


def test_a_run_that_starts_over_is_not_taken_for_the_former(
    tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightning.Trainer", StoppedTrainer)
    (tmp_path / "last.ckpt").write_bytes(b"of the former run")
    config = small_config(imagenet=False, validate_every=9)
    with pytest.raises(StoppedError):
        train(config, tmp_path, tiny_cache, Path("none"), resume=False, loaders=0)
    assert not (tmp_path / "last.ckpt").exists()
    assert (tmp_path / "earlier.ckpt").read_bytes() == b"of the former run"


@pytest.mark.slow
def test_the_last_steps_are_saved(tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHECKPOINT_STEPS", 2)
    start = str(start_checkpoint(tmp_path, small_config()))
    config = small_config(start_from=start, steps=3, validate_every=9)
    last = train(config, tmp_path / "run", tiny_cache, Path("none"), resume=True, loaders=0)
    assert torch.load(last, weights_only=False)["global_step"] == 3


@pytest.mark.slow
def test_a_running_mean_of_the_weights_stays(
    tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHECKPOINT_STEPS", 1)
    start = start_checkpoint(tmp_path, small_config())
    config = small_config(start_from=str(start), validate_every=9, mean_decay=0.5)
    last = train(config, tmp_path / "run", tiny_cache, Path("none"), resume=True, loaders=0)
    saved = torch.load(last, weights_only=False)
    name = "net.decoder.coarse.weight"
    begun = torch.load(start, weights_only=False)["state_dict"][name]
    mean, second = saved["state_dict"][name], saved["current_model_state"][name]
    first = 2 * mean - second  # if it is the mean of the weights after steps one and two
    # The first step of Adam is as long as the learning rate, for every weight with a gradient.
    assert (first - begun).abs().max() == pytest.approx(1e-3, rel=0.01)
    assert load_module(config, last).state_dict()[name].equal(mean)


@pytest.mark.slow
def test_the_picture_shows_the_mean_that_was_validated(
    tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[torch.Tensor] = []

    def strip(module: CleanPlateModule, _: Batch) -> NDArray[np.uint8]:
        drawn.append(module.net.decoder.coarse.weight.detach().clone())
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr("cleanplate.training.picture.matte_strip", strip)
    monkeypatch.setattr(run, "CHECKPOINT_STEPS", 1)  # what is saved at the end has the mean twice
    config = small_config(imagenet=False, mean_decay=0.5)
    last = train(config, tmp_path / "run", tiny_cache, Path("none"), resume=True, loaders=0)
    saved = torch.load(last, weights_only=False)
    name = "net.decoder.coarse.weight"
    assert drawn
    assert all(weight.equal(saved["state_dict"][name]) for weight in drawn)
    assert not drawn[0].equal(saved["current_model_state"][name])


def test_missing_start_is_named(tiny_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train the earlier stage first"):
        train(small_config(start_from="nowhere.ckpt"), tmp_path, tiny_cache, Path("none"), resume=True)
    with pytest.raises(ConfigError, match="--pretrained"):
        train(small_config(), tmp_path, tiny_cache, Path("none"), resume=True)
    make_module(small_config(imagenet=False), Path("none"))


def test_only_parts_that_are_named_may_start_untrained(tmp_path: Path) -> None:
    start = start_checkpoint(tmp_path, small_config())
    saved = torch.load(start, weights_only=False)
    new = "net.decoder.context.far.weight"
    del saved["state_dict"][new]
    torch.save(saved, start)
    with pytest.raises(ConfigError, match=rf"lacks \['{new}'\]; name in new_parts"):
        make_module(small_config(start_from=str(start)), Path("none"))
    # A start that was trained anew has all parts: naming them does no harm.
    make_module(small_config(start_from=str(start), new_parts=(new, "net.decoder.coarse.bias")), Path("none"))


def test_checkpoints_of_another_network_are_named(tmp_path: Path) -> None:
    start = start_checkpoint(tmp_path, small_config())
    wider = {"channels": (8, 8, 8, 8, 8), "keys": 8, "channels_global": 4}
    with pytest.raises(CheckpointError, match=r"start\.ckpt is of another network"):
        make_module(small_config(start_from=str(start), network=wider), Path("none"))
    with pytest.raises(CheckpointError, match=r"start\.ckpt is of another network"):
        load_module(small_config(network=wider), start)
    with pytest.raises(CheckpointError, match="another kind of network"):
        load_module(small_config(kind="background-cut"), start)


def test_a_run_of_another_network_is_not_gone_on_from(tiny_cache: Path, tmp_path: Path) -> None:
    states = torch.load(start_checkpoint(tmp_path, small_config()), weights_only=False)
    torch.save({**states, "global_step": 1, "optimizer_states": []}, tmp_path / "last.ckpt")
    wider = {"channels": (8, 8, 8, 8, 8), "keys": 8, "channels_global": 4}
    config = small_config(network=wider, imagenet=False, validate_every=9)
    with pytest.raises(CheckpointError, match=r"last\.ckpt is of another network"):
        train(config, tmp_path, tiny_cache, Path("none"), resume=True, loaders=0)


@pytest.mark.parametrize(
    "kind", ["cleanplate", "background-cut", "unet", "funet", "static-background", "context-motion"]
)
def test_unknown_parts_of_the_network_are_named(kind: str) -> None:
    with pytest.raises(ConfigError, match=f"does not fit {kind}: .*'chanels'"):
        make_module(small_config(kind=kind, imagenet=False, network={"chanels": 3}), Path("none"))


def test_learning_rate_warms_up_then_falls_linearly() -> None:
    config = small_config(steps=110, warm_up=10)
    assert learning_rate_factor(config, 0) == pytest.approx(0.1)
    assert learning_rate_factor(config, 9) == pytest.approx(1.0)
    assert learning_rate_factor(config, 60) == pytest.approx(0.55)
    assert learning_rate_factor(config, 110) == pytest.approx(0.1)


def test_paper_003_lets_it_fall_by_the_poly_policy() -> None:
    config = small_config(steps=100, warm_up=0, learning_rate=1.0, last_learning_rate=0.0, power=0.9)
    assert learning_rate_factor(config, 50) == pytest.approx(0.5**0.9)


def test_unknown_kinds_are_named(tiny_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose cleanplate, background-cut, unet"):
        train(small_config(kind="other"), tmp_path, tiny_cache, Path("none"), resume=True)


def test_frozen_blocks_neither_learn_nor_gather_statistics() -> None:
    module = CleanPlateModule(small_config(frozen_blocks=2)).train()
    assert not module.net.encoder.training
    assert module.net.decoder.training
    frozen = [name for name, value in module.net.encoder.named_parameters() if not value.requires_grad]
    assert {name.split(".")[0] for name in frozen} == {"stem", "blocks"}
    assert {int(name.split(".")[1]) for name in frozen if name.startswith("blocks")} == {0, 1}


def test_frozen_norms_keep_the_means_of_many_batches(tiny_cache: Path) -> None:
    config = small_config(frozen_norms=True)
    module = CleanPlateModule(config)
    norm = module.net.encoder.stem[1]
    assert isinstance(norm, torch.nn.BatchNorm2d)
    maker = open_maker(tiny_cache, Split.TRAIN, config.scenes)
    batches = [make_batch(maker, config.batches, np.random.default_rng(i)) for i in range(3)]
    means: list[torch.Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, inputs: means.append(inputs[0].mean((0, 2, 3))))
    settle_norms(module, batches)
    hook.remove()
    settled = norm.running_mean
    assert settled is not None
    assert torch.allclose(settled, torch.stack(means).mean(0), atol=1e-5)

    before = settled.clone()
    module.train().loss(batches[0])
    assert torch.equal(settled, before)


@pytest.mark.slow
def test_a_whole_run_leaves_frozen_norms_alone(
    tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beyond a validation. Of frozen blocks, only the decoder gathers statistics."""
    monkeypatch.setattr(run, "NORM_BATCHES", 3)

    def batches_seen(name: str, **changes: object) -> tuple[int, int]:
        config = small_config(steps=4, imagenet=False, **changes)
        last = train(config, tmp_path / name, tiny_cache, Path("none"), resume=True, loaders=0)
        state = torch.load(last, weights_only=False)["state_dict"]
        seen = {
            part: {int(value) for key, value in state.items() if part in key and key.endswith("tracked")}
            for part in ("encoder", "decoder")
        }
        assert all(len(counts) == 1 for counts in seen.values())
        return seen["encoder"].pop(), seen["decoder"].pop()

    assert batches_seen("norms", frozen_norms=True) == (6, 3)  # an encoder for both frames and samples
    encoder, decoder = batches_seen("blocks", frozen_blocks=2)
    assert encoder == 0
    assert decoder >= 4


def test_a_few_steps_lower_the_loss(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    config = small_config()
    module = CleanPlateModule(config).train()
    batch = make_batch(
        open_maker(tiny_cache, Split.TRAIN, config.scenes), config.batches, np.random.default_rng(3)
    )
    losses = losses_of(module, batch)
    assert losses[-1] < 0.7 * losses[0]
