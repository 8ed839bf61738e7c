"""`cleanplate train`, `average`, `prune`, `compare`: what a user types; PyTorch is loaded when they run."""

# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(help="The run's TOML file.", show_default=False)]
Cache = Annotated[
    Path, typer.Option(help="The packed pictures, as `cleanplate data pack` made them.", show_default=False)
]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 for as many as there are cores.")]


def train(
    config: ConfigFile,
    cache: Cache,
    output: Annotated[
        Path, typer.Option(help="Where runs go; this one gets a folder of the config's name.")
    ] = Path("runs"),
    pretrained: Annotated[Path, typer.Option(help="ImageNet weights of the encoder.")] = Path(
        "../shared/pretrained/mobilenet-v2-0.35-224.npz"
    ),
    threads: Threads = 0,
    loaders: Annotated[
        int, typer.Option(min=0, help="Processes that make pictures; 0: the training's own makes them.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option(help="Go on from the run's last checkpoint; otherwise it is kept as earlier.ckpt.")
    ] = True,
) -> None:
    """Train a network on one device, a GPU if there is one; stop it at any time, start it again to go on."""
    import torch

    from cleanplate.data.errors import DataError
    from cleanplate.nets.checkpoint import CheckpointError
    from cleanplate.training.config import ConfigError, load_config
    from cleanplate.training.run import train as run

    if threads:
        torch.set_num_threads(threads)
    try:
        last = run(
            load_config(config), output / config.stem, cache, pretrained, resume=resume, loaders=loaders
        )
    except (CheckpointError, ConfigError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"trained: {last}")


def average(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT...", help="Of one network, the last stage last.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option(help="The checkpoint to write.", show_default=False)],
) -> None:
    """Write a checkpoint with the mean of the weights of several stages."""
    from cleanplate.nets.checkpoint import CheckpointError
    from cleanplate.training.average import average as run

    try:
        run(checkpoints, output)
    except CheckpointError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"averaged: {output}")


def prune(
    config: ConfigFile,
    start: Annotated[
        Path, typer.Argument(help="Checkpoint of the trained segmentation.", show_default=False)
    ],
    cache: Cache,
    output: Annotated[Path, typer.Option(help="Where the steps go.")] = Path("runs/pruning"),
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="How many. Default: until a fifth of the filters is left, 16."),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Shorten Background Cut's Light-ResNet step by step, and print accuracy and time of each step.

    Each step drops the tenth of the filters that responds least, and fine-tunes as CONFIG says.
    Stop it at any time, and start it again to go on.
    """
    import torch

    from cleanplate.data.errors import DataError
    from cleanplate.nets.checkpoint import CheckpointError
    from cleanplate.nets.pruning import step_count
    from cleanplate.training.config import ConfigError, load_config
    from cleanplate.training.prune import PruningStep, prune_stepwise

    def report(step: PruningStep) -> None:
        typer.echo(f"| {step.filters:.2f} | {step.iou:.4f} | {step.milliseconds:.1f} | {step.time:.2f} |")

    if threads:
        torch.set_num_threads(threads)
    try:
        settings = load_config(config)
        typer.echo("| filters | IoU, stills | ms | time |\n| --- | --- | --- | --- |")
        last = prune_stepwise(settings, start, output, cache, steps or step_count(), report)
    except (CheckpointError, ConfigError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"pruned: {last}")


def compare(
    configs: Annotated[
        list[Path], typer.Argument(metavar="CONFIG...", help="The runs' TOML files.", show_default=False)
    ],
    sets: Annotated[Path, typer.Option(help="As `cleanplate data held-out` wrote them.", show_default=False)],
    runs: Annotated[Path, typer.Option(help="Where each run has a folder of its config's name.")] = Path(
        "runs"
    ),
    only: Annotated[
        list[str] | None, typer.Option(help="Only this set; may be given several times.", show_default=False)
    ] = None,
    samples: Annotated[
        list[int] | None,
        typer.Option(min=0, help="How many samples; may be given several times. Default: 0, 1 and 3."),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Print one Markdown table of trained runs on the evaluation sets, before any export.

    Background Cut is measured with and without its refinement.
    """
    import torch

    from cleanplate.evaluation.matters import SAMPLE_COUNTS
    from cleanplate.evaluation.measure import Measured
    from cleanplate.evaluation.report import markdown_table
    from cleanplate.evaluation.sets import SetError, read_set, set_names
    from cleanplate.nets.checkpoint import CheckpointError
    from cleanplate.training.comparison import measure_module, variants
    from cleanplate.training.config import ConfigError, load_config
    from cleanplate.training.kinds import kind_of
    from cleanplate.training.run import load_module

    if threads:
        torch.set_num_threads(threads)
    rows: list[Measured] = []
    try:
        # Whatever is missing shows here, before hours of measuring.
        matters = []
        for config in configs:
            settings = load_config(config)
            module = load_module(settings, runs / config.stem / kind_of(settings).kept)
            matters += [(title, each, settings) for title, each in variants(config.stem, module)]
        for cases in [read_set(sets / name) for name in only or set_names(sets)]:
            most = max(case.sample_count() for case in cases)
            counts = [count for count in samples or SAMPLE_COUNTS if count <= most]
            for title, each, settings in matters:
                rows += [measure_module(title, each, settings, cases, count) for count in counts]
    except (CheckpointError, ConfigError, SetError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(markdown_table(rows, {}))
