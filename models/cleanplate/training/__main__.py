"""`python -m cleanplate.training CONFIG`: train a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from cleanplate.data.errors import DataError
from cleanplate.training.config import ConfigError, load_config
from cleanplate.training.run import train


def main(
    config: Annotated[Path, typer.Argument(help="The run's TOML file.")],
    cache: Annotated[
        Path, typer.Option(help="The packed pictures, as `python -m cleanplate.data pack` made them.")
    ],
    output: Annotated[
        Path, typer.Option(help="Where runs go; this one gets a folder of the config's name.")
    ] = Path("runs"),
    pretrained: Annotated[Path, typer.Option(help="ImageNet weights of the encoder.")] = Path(
        "../shared/pretrained/mobilenet-v2-0.35-224.npz"
    ),
    threads: Annotated[int, typer.Option(help="CPU threads; 0 for as many as there are cores.")] = 0,
    loaders: Annotated[int, typer.Option(help="Loader processes.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on from the run's last checkpoint.")] = True,
) -> None:
    """Train a network; stop it at any time, and start it again to go on."""
    if threads:
        torch.set_num_threads(threads)
    try:
        settings = load_config(config)
        last = train(settings, output / config.stem, cache, pretrained, resume=resume, loaders=loaders)
    except (ConfigError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"trained: {last}")


if __name__ == "__main__":
    typer.run(main)
