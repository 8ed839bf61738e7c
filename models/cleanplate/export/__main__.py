"""`python -m cleanplate.export CHECKPOINT CARD`: write a trained network as ONNX."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from cleanplate.export.writer import CardText, ExportError, export_network, load_network


def main(
    checkpoint: Annotated[Path, typer.Argument(help="`last.ckpt` of a training run.")],
    card: Annotated[Path, typer.Argument(help="TOML with the card's text and the network's arguments.")],
    output: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("models/weights"),
) -> None:
    """Export, compare with torch at two sizes, and write the card."""
    table = tomllib.loads(card.read_text(encoding="utf-8"))
    network = table.pop("network", {})
    for key in ("data", "quality"):
        table[key] = tuple(table.get(key, ()))
    try:
        written = export_network(
            load_network(checkpoint, network), output, CardText(role=table.pop("role", None), **table)
        )
    except ExportError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"exported: {written}")


if __name__ == "__main__":
    typer.run(main)
