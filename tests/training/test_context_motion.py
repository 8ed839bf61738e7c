"""Training paper 002's network: its two phases, what is frozen when, and mistakes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from few_steps import losses_of

from cleanplate.data.batches import Batch, BatchOptions, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.training import run
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.context_motion_module import ContextMotionModule, FlowModule
from cleanplate.training.module import take_weights
from cleanplate.training.run import load_module, make_module, train

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's hints about loaders and loggers

NOWHERE = Path("none")


def config(**changes: object) -> Config:
    values: dict[str, object] = {
        "kind": "context-motion",
        "seed": 1,
        "steps": 4,
        "learning_rate": 1e-4,
        "last_learning_rate": 1e-6,
        "validate_every": 4,
        "batches": BatchOptions(((32, 32),), (1.0,), 2, 3, stills=0, no_sample=1, foreground=True),
        "scenes": SceneOptions(empty=0),
        "imagenet": False,
        "network": {},
    }
    return Config(**{**values, **changes})  # type: ignore[arg-type]


def batch_of(cache: Path, settings: Config) -> Batch:
    maker = open_maker(cache, Split.TRAIN, settings.scenes)
    return make_batch(maker, settings.batches, np.random.default_rng(3))


def test_loss_falls(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    settings = config(batches=BatchOptions(((32, 32),), (1.0,), 1, 2, stills=0, no_sample=1, foreground=True))
    losses = losses_of(ContextMotionModule(settings).train(), batch_of(tiny_cache, settings))
    assert losses[-1] < 0.85 * losses[0]


def test_flow_is_trained_alone(tiny_cache: Path) -> None:
    settings = config(network={"phase": "flow"})
    module = make_module(settings, NOWHERE).train()
    assert isinstance(module, FlowModule)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    losses_of(module, batch_of(tiny_cache, settings))  # what it learns is shown with the network itself
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[1] for name in changed} == {"flow"}
    assert module.parameter_groups()[0]["params"] == list(module.net.flow.parameters())


def test_own_colours_are_learned(tiny_cache: Path) -> None:
    settings = config()
    module, batch = ContextMotionModule(settings), batch_of(tiny_cache, settings)
    assert batch.fgr is not None
    with torch.no_grad():
        usual, other = module.loss(batch), module.loss(batch._replace(fgr=255 - batch.fgr))
    assert float(usual) != float(other)


def test_the_encoders_batch_norms_never_learn(tiny_cache: Path) -> None:
    settings = config()
    module = ContextMotionModule(settings).train()
    norms = [part for part in module.net.encoder.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    before = [value.clone() for norm in norms for value in norm.state_dict().values()]
    losses_of(module, batch_of(tiny_cache, settings))
    after = [value for norm in norms for value in norm.state_dict().values()]
    assert norms
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


class Watched(ContextMotionModule):
    """A training that notes at every step whether the optical flow can learn."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.flow_learns: list[bool] = []

    def loss(self, batch: Batch) -> torch.Tensor:
        self.flow_learns.append(all(value.requires_grad for value in self.net.flow.parameters()))
        return super().loss(batch)


@pytest.mark.parametrize("last", [1e-6, 0.0])
def test_the_learning_rate_rises_and_falls_once(last: float) -> None:
    settings = config(steps=100, last_learning_rate=last, network={"phase": "flow"})
    chosen = make_module(settings, NOWHERE).configure_optimizers()
    rates = []
    for _ in range(100):
        rates.append(chosen["optimizer"].param_groups[0]["lr"])
        chosen["optimizer"].step()
        chosen["lr_scheduler"]["scheduler"].step()
    assert rates[0] == pytest.approx(1e-4 / 25)
    assert max(rates) == pytest.approx(1e-4)
    assert rates == sorted(rates[:30]) + sorted(rates[30:], reverse=True)
    assert rates[-1] == pytest.approx(last, abs=1e-9)


@pytest.mark.slow
def test_a_whole_run(tiny_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "VALIDATION_BATCHES", 1)
    flow = config(network={"phase": "flow"}, steps=2, validate_every=2)
    first = train(flow, tmp_path / "1", tiny_cache, NOWHERE, resume=True, loaders=0)
    settings = config(start_from=str(first))
    module = Watched(settings)
    take_weights(module, first, ())
    last = run.fit(module, settings, tmp_path / "2", tiny_cache, 0)
    assert module.flow_learns == [False, False, True, True]
    start, end = (torch.load(path, weights_only=False)["state_dict"] for path in (first, last))
    assert any(not torch.equal(start[name], end[name]) for name in start if name.startswith("net.flow"))
    assert isinstance(load_module(settings, last), ContextMotionModule)
    with pytest.raises(ConfigError, match="the run was begun for 4"):
        train(
            config(start_from=str(first), steps=6),
            tmp_path / "2",
            tiny_cache,
            NOWHERE,
            resume=True,
            loaders=0,
        )


def test_gradients_are_clipped_one_by_one() -> None:
    assert (ContextMotionModule.gradient_clip, ContextMotionModule.clips) == (1.0, "value")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"network": {"phase": "sound"}}, "choose flow or matting"),
        ({"batches": BatchOptions(((32, 32),), (1.0,), 2, 3)}, "foreground is false"),
        ({"imagenet": True}, "name the ImageNet weights"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        make_module(config(**changes), NOWHERE)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="of another network"):
        load_module(config(), path)
