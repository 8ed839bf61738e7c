"""`cleanplate data`: what a user types; the libraries for it are loaded only when it runs."""

# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cleanplate.data.errors import DataError
from cleanplate.data.splits import Split

app = typer.Typer(help="Prepare the pictures for training and evaluation.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="The folder of the archives.")]
DATA = Path("../shared/data")


@app.command("pack")
def pack_command(
    cache: Annotated[
        Path,
        typer.Argument(help="Where the packed pictures go (about 2.5 GB, some minutes).", show_default=False),
    ],
    data: Data = DATA,
) -> None:
    """Pack pictures, masks and rooms into memory-mapped stores, with foreground colours estimated."""
    from cleanplate.data.pack import pack

    try:
        for split in (Split.TRAIN, Split.HELD_OUT):  # nothing opens the pictures that are of no use
            pack(data, cache, split, typer.echo)
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@app.command("held-out")
def held_out_command(
    cache: Annotated[Path, typer.Argument(help="The packed pictures.", show_default=False)],
    folder: Annotated[
        Path, typer.Argument(help="Where the evaluation sets go (about 450 MB).", show_default=False)
    ],
    data: Data = DATA,
) -> None:
    """Write the evaluation sets: held-out composites, and the archives that never train."""
    from cleanplate.data.held_out import write_held_out

    try:
        write_held_out(data, cache, folder, typer.echo)
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
