"""Background Cut's three steps: segmentation, pruning, the whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from few_steps import losses_of

from cleanplate.data.batches import BatchOptions, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.training.background_cut_module import (
    REFINEMENT_FACTOR,
    BackgroundCutModule,
    load_background_cut,
)
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.prune import TABLE, PruningStep, prune_stepwise, write_steps
from cleanplate.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's hints about loaders and loggers

STILLS = BatchOptions(((48, 32),), (1.0,), 2, stills=1)
VIDEOS = BatchOptions(((48, 32),), (1.0,), 2, 3, stills=0, no_sample=0, several=0)


def config(batches: BatchOptions, **changes: object) -> Config:
    values: dict[str, object] = {
        "kind": "background-cut",
        "seed": 1,
        "steps": 1,
        "learning_rate": 1e-3,
        "last_learning_rate": 1e-6,
        "warm_up": 0,
        "validate_every": 1,
        "batches": batches,
        "scenes": SceneOptions(),
        "network": {"share": 1 / 16, "attenuates": False, "refines": False},
    }
    return Config(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_three_steps(tiny_cache: Path, tmp_path: Path) -> None:
    first = train(config(STILLS), tmp_path / "one", tiny_cache, Path("none"), resume=False, loaders=0)

    reports: list[PruningStep] = []
    prune_stepwise(config(STILLS), first, tmp_path / "two", tiny_cache, 1, reports.append, loaders=0)
    assert reports[0].filters == 1
    assert reports[1].filters == pytest.approx(0.9, abs=0.05)
    assert all(0 <= step.iou <= 1 for step in reports)

    again: list[PruningStep] = []  # goes on after the first step, whose checkpoint stays as it was
    first_step = (tmp_path / "two" / "step01" / "last.ckpt").read_bytes()
    pruned = prune_stepwise(config(STILLS), first, tmp_path / "two", tiny_cache, 2, again.append, loaders=0)
    assert again[:2] == reports
    assert again[2].filters < again[1].filters
    assert (tmp_path / "two" / "step01" / "last.ckpt").read_bytes() == first_step

    whole = config(VIDEOS, start_from=str(pruned), network={"attenuates": True, "causal": True})
    last = train(whole, tmp_path / "three", tiny_cache, Path("none"), resume=False, loaders=0)
    module = load_background_cut(whole, last)
    assert module.net.causal
    assert (
        module.net.segment.frame_path.widths
        == load_background_cut(whole, pruned).net.segment.frame_path.widths
    )


def test_steps_of_another_start_or_configuration_are_refused(tiny_cache: Path, tmp_path: Path) -> None:
    def prune(settings: Config) -> None:
        prune_stepwise(settings, start, tmp_path / "two", tiny_cache, 0, lambda _: None)

    start = tmp_path / "start.ckpt"

    def save() -> None:
        module = BackgroundCutModule(config(STILLS))
        stored: dict[str, object] = {"state_dict": module.state_dict()}
        module.on_save_checkpoint(stored)
        torch.save(stored, start)

    save()
    prune(config(STILLS))
    write_steps(tmp_path / "two" / TABLE, [PruningStep(1, 0.5, 1, 1)])
    prune(config(STILLS))
    with pytest.raises(ConfigError, match="holds steps with another CONFIG: name another folder"):
        prune(config(STILLS, steps=2))
    save()  # other weights
    with pytest.raises(ConfigError, match="holds steps with another START: name another folder"):
        prune(config(STILLS))


def test_both_paths_start_from_the_segmentation() -> None:
    trained = BackgroundCutModule(config(STILLS))
    module = BackgroundCutModule(config(VIDEOS, network={"share": 1 / 16}))
    module.start_paths(trained.net)
    assert module.net.segment.sample_path is not None
    frame, sample = module.net.segment.frame_path.state_dict(), module.net.segment.sample_path.state_dict()
    expected = trained.net.segment.frame_path.state_dict()
    assert all(torch.equal(frame[name], expected[name]) for name in expected)
    assert all(torch.equal(sample[name], expected[name]) for name in expected)


def test_refinement_learns_ten_times_as_fast() -> None:
    module = BackgroundCutModule(config(VIDEOS, network={"share": 1 / 16}))
    segmentation, refinement = module.parameter_groups()
    assert refinement["lr"] == REFINEMENT_FACTOR * segmentation["lr"]


def test_loss_falls(tiny_cache: Path) -> None:
    torch.manual_seed(0)
    settings = config(VIDEOS, network={"share": 1 / 16})
    module = BackgroundCutModule(settings).train()
    batch = make_batch(open_maker(tiny_cache, Split.TRAIN, settings.scenes), VIDEOS, np.random.default_rng(3))
    losses = losses_of(module, batch)
    assert losses[-1] < 0.7 * losses[0]
