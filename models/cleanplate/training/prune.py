"""`python -m cleanplate.training.prune CONFIG`: shorten Background Cut's Light-ResNet step by step.

Each step keeps nine tenths of the filters and fine-tunes (paper 003, section 3.1), and reports accuracy and
time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer

from cleanplate.data.batches import SceneBatches
from cleanplate.data.errors import DataError
from cleanplate.nets.background_cut import LightResNet
from cleanplate.nets.pruning import SHARE_PER_STEP, prune, step_count
from cleanplate.training.background_cut_module import BackgroundCutModule, load_background_cut
from cleanplate.training.config import Config, ConfigError, load_config
from cleanplate.training.module import unit
from cleanplate.training.run import fit, validation_batches

RESPONSE_BATCHES = 8
TIMED_RUNS = 10


class PruningStep(NamedTuple):
    """What a step came to.

    Attributes:
        filters: All of the Light-ResNet's, as a share of those before the first step.
        iou: Mean IoU of the held-out stills after fine-tuning.
        milliseconds: Of the Light-ResNet for one picture of the configured size.
    """

    filters: float
    iou: float
    milliseconds: float


def prune_stepwise(
    config: Config,
    start: Path,
    folder: Path,
    cache: Path,
    steps: int,
    report: Callable[[PruningStep], None],
    loaders: int = 1,
) -> Path:
    """Prune and fine-tune; return the last checkpoint.

    Args:
        config: Of the fine-tuning after each step: segmentation without attenuation, on stills.
        start: The checkpoint of the segmentation at full width, or of the last step done.
        folder: Each step gets a folder here.
        cache: The packed pictures.
        steps: How many.
        report: Told after each step.
        loaders: Loader processes.

    Raises:
        ConfigError: The start is missing.
        DataError: The packed pictures are missing.
    """
    if not start.is_file():
        raise ConfigError(f"{start} does not exist: train the segmentation first, or name its checkpoint")
    module = load_background_cut(config, start)
    whole = count_filters(module.net.segment.frame_path)
    source = SceneBatches(cache, config.scenes, config.batches, config.seed)
    stills = validation_batches(cache, config.batches.sizes[0], config.batches.frames)[-1]
    last = start
    for step in range(steps):
        pictures = (unit(batch.src).flatten(0, 1) for batch in islice(iter(source), RESPONSE_BATCHES))
        path = prune(module.net.segment.frame_path, pictures, SHARE_PER_STEP)
        module = BackgroundCutModule(config, path.widths)
        module.net.segment.frame_path.load_state_dict(path.state_dict())
        last = fit(
            module, replace(config, seed=config.seed + step), folder / f"step{step + 1:02}", cache, loaders
        )
        module.eval()
        with torch.no_grad():
            for batch in stills:
                module.validation_step(batch, 0)
        width, height = config.batches.sizes[0]
        report(
            PruningStep(
                count_filters(path) / whole,
                module.take_iou(0),
                milliseconds(module.net.segment.frame_path, width, height),
            )
        )
    return last


def count_filters(net: LightResNet) -> int:
    """Return how many filters all convolutions have together."""
    return sum(module.out_channels for module in net.modules() if isinstance(module, torch.nn.Conv2d))


def milliseconds(net: LightResNet, width: int, height: int) -> float:
    """Return the median time for one picture."""
    picture = torch.rand(1, 3, height, width)
    taken = []
    with torch.no_grad():
        for _ in range(TIMED_RUNS):
            begin = time.perf_counter()
            net(picture)
            taken.append(time.perf_counter() - begin)
    return 1000 * float(np.median(taken))


def main(
    config: Annotated[Path, typer.Argument(help="The fine-tuning's TOML file.")],
    start: Annotated[Path, typer.Argument(help="The segmentation's checkpoint.")],
    cache: Annotated[Path, typer.Option(help="The packed pictures.")],
    output: Annotated[Path, typer.Option(help="Where the steps go.")] = Path("runs/pruning"),
    steps: Annotated[int, typer.Option(help="How many; 16 leave a fifth of the filters.")] = step_count(),
) -> None:
    """Prune the Light-ResNet by its filters' responses and print a table of accuracy and time per step."""
    typer.echo("| filters | IoU, stills | ms |\n| --- | --- | --- |")
    try:
        last = prune_stepwise(
            load_config(config),
            start,
            output,
            cache,
            steps,
            lambda step: typer.echo(f"| {step.filters:.2f} | {step.iou:.4f} | {step.milliseconds:.1f} |"),
        )
    except (ConfigError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"pruned: {last}")


if __name__ == "__main__":
    typer.run(main)
