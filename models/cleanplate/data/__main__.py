"""`python -m cleanplate.data`: pack the archives for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cleanplate.data.errors import DataError
from cleanplate.data.pack import pack
from cleanplate.data.splits import Split


def main(
    cache: Annotated[Path, typer.Argument(help="Where the packed pictures go (about 1 GB).")],
    data: Annotated[Path, typer.Option(help="The folder of the archives.")] = Path("../shared/data"),
) -> None:
    """Pack pictures, masks and rooms into memory-mapped stores, with foreground colours estimated."""
    try:
        for split in Split:
            pack(data, cache, split, typer.echo)
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
