"""Shortening Background Cut's Light-ResNet step by step: `cleanplate prune`.

Each step keeps nine tenths of the filters and fine-tunes (paper 003, section 3.1), and reports accuracy and
time. Started again, it goes on after the last finished step.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from cleanplate.data.batches import Batch, BatchOptions, SceneBatches, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.nets.background_cut import LightResNet
from cleanplate.nets.pruning import SHARE_PER_STEP, prune
from cleanplate.training.background_cut_module import BackgroundCutModule, load_background_cut
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.module import unit
from cleanplate.training.run import VALIDATION_SEED, fit

RESPONSE_BATCHES = 8
STILL_BATCHES = 25  # of eight held-out stills, on which the accuracy is measured
TIMED_RUNS = 20
TABLE = "steps.csv"
ORIGIN = "origin.json"  # what the steps of the table come from


class PruningStep(NamedTuple):
    """What a step came to.

    Attributes:
        filters: All of the Light-ResNet's, as a share of those before the first step.
        iou: Mean IoU of the held-out stills after fine-tuning.
        milliseconds: Of the Light-ResNet for one picture of the first configured size.
        time: The same as a share of the start's, both measured in turns, so that other load hits both alike.
    """

    filters: float
    iou: float
    milliseconds: float
    time: float


def prune_stepwise(
    config: Config,
    start: Path,
    folder: Path,
    cache: Path,
    steps: int,
    report: Callable[[PruningStep], None],
    loaders: int = 0,
) -> Path:
    """Prune and fine-tune; return the last checkpoint.

    `steps.csv` in the folder lists the finished steps, the first row being the network before any pruning.
    They are not done again, but reported.

    Args:
        config: Of the fine-tuning after each step: segmentation without attenuation, on stills.
        start: The checkpoint of the segmentation at full width.
        folder: Each step gets a folder here.
        cache: The packed pictures.
        steps: How many.
        report: Told after each step, and first of the start.
        loaders: Loader processes; stills are quickly made, so that none pays.

    Raises:
        CheckpointError: The start is missing, damaged, or of another network.
        ConfigError: The folder's steps have another start or configuration.
        DataError: The packed pictures are missing.
    """
    module = load_background_cut(config, start)
    whole = module.net.segment.frame_path
    stills = held_out_stills(cache, config.batches.sizes[0])
    done = read_steps(folder / TABLE)
    _remember_origin(folder, start, config, is_begun=bool(done))
    for step in done:
        report(step)
    if not done:
        done.append(_measure(module, stills, whole))
        report(done[-1])
    last = start
    if len(done) > 1:
        last = _step_folder(folder, len(done) - 1) / "last.ckpt"
        module = load_background_cut(config, last)
    source = SceneBatches(cache, config.scenes, config.batches, config.seed)
    for number in range(len(done), steps + 1):
        pictures = (unit(batch.src).flatten(0, 1) for batch in islice(iter(source), RESPONSE_BATCHES))
        path = prune(module.net.segment.frame_path, pictures, SHARE_PER_STEP)
        module = BackgroundCutModule(config, path.widths)
        module.net.segment.frame_path.load_state_dict(path.state_dict())
        tuning = replace(config, seed=config.seed + number)
        last = fit(module, tuning, _step_folder(folder, number), cache, loaders)
        done.append(_measure(module, stills, whole))
        write_steps(folder / TABLE, done)
        report(done[-1])
    return last


def held_out_stills(cache: Path, size: tuple[int, int]) -> list[Batch]:
    """Return the fixed held-out stills on which the accuracy of every step is measured."""
    options = BatchOptions((size,), (1.0,), 8, stills=1)
    maker = open_maker(cache, Split.HELD_OUT, SceneOptions())
    rngs = (np.random.default_rng([VALIDATION_SEED, i]) for i in range(STILL_BATCHES))
    return [make_batch(maker, options, rng) for rng in rngs]


def read_steps(path: Path) -> list[PruningStep]:
    """Return the finished steps; none if there is no such table."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [PruningStep(*map(float, row)) for row in list(csv.reader(file))[1:]]


def write_steps(path: Path, steps: Sequence[PruningStep]) -> None:
    """Write the finished steps, all at once or not at all."""
    unfinished = path.with_suffix(".new")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([PruningStep._fields, *steps])
    os.replace(unfinished, path)  # noqa: PTH105  # the name says that it is atomic


def count_filters(net: LightResNet) -> int:
    """Return how many filters all convolutions have together."""
    return sum(module.out_channels for module in net.modules() if isinstance(module, torch.nn.Conv2d))


def milliseconds_in_turns(nets: Sequence[LightResNet], width: int, height: int) -> list[float]:
    """Return each network's shortest time for one picture, all taking turns."""
    picture = torch.rand(1, 3, height, width)
    taken: list[list[float]] = [[] for _ in nets]
    with torch.no_grad():
        for _ in range(TIMED_RUNS):
            for net, times in zip(nets, taken, strict=True):
                begin = time.perf_counter()
                net(picture)
                times.append(time.perf_counter() - begin)
    return [1000 * min(times) for times in taken]


def _measure(module: BackgroundCutModule, stills: Sequence[Batch], whole: LightResNet) -> PruningStep:
    module.eval()
    with torch.no_grad():
        for batch in stills:
            module.validation_step(batch, 0)
    path = module.net.segment.frame_path
    height, width = (int(side) for side in stills[0].src.shape[-2:])
    of_start, of_step = milliseconds_in_turns([whole.eval(), path], width, height)
    share = count_filters(path) / count_filters(whole)
    return PruningStep(share, module.take_iou(0), of_step, of_step / of_start)


def _remember_origin(folder: Path, start: Path, config: Config, *, is_begun: bool) -> None:
    """Write down from what the steps come, or compare with what stands there if there are steps.

    Raises:
        ConfigError: The steps come from something else, or nobody knows from what.
    """
    # By its content: a file of that name may have been trained anew.
    origin = {"START": hashlib.sha256(start.read_bytes()).hexdigest(), "CONFIG": repr(config)}
    path = folder / ORIGIN
    if not is_begun:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(origin, indent=2), encoding="utf-8")
        return
    former = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    others = [name for name, value in origin.items() if former.get(name) != value]
    if others:
        raise ConfigError(
            f"{folder} holds steps with another {' and '.join(others)}: name another folder with --output, "
            "or delete it to begin anew"
        )


def _step_folder(folder: Path, number: int) -> Path:
    return folder / f"step{number:02}"


if __name__ == "__main__":  # `cleanplate prune`, also from a copy that is not installed
    import typer

    from cleanplate.training.commands import prune as command

    typer.run(command)
