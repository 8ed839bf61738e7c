"""`cleanplate export`: what a user types; PyTorch is loaded only when it runs."""

# ruff: noqa: PLC0415

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Precision(StrEnum):
    """Of a model's weights and sums."""

    FP32 = "fp32"
    FP16 = "fp16"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="`last.ckpt` of a training run.", show_default=False)],
    card: Annotated[
        Path,
        typer.Argument(
            help="TOML with the card's text and the network's arguments.",
            show_default=False,
            exists=True,
            dir_okay=False,
        ),
    ],
    output: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("models/weights"),
    precision: Annotated[
        Precision, typer.Option(help="fp16 writes a second model, NAME-fp16, for GPUs.")
    ] = Precision.FP32,
) -> None:
    """Write a trained network as ONNX with its card, after comparing it with PyTorch at two sizes."""
    from cleanplate.export.kinds import GRAPHS
    from cleanplate.export.writer import CardText, MismatchError, export_network
    from cleanplate.nets.checkpoint import CheckpointError
    from cleanplate.nets.kinds import unknown_kind

    try:
        table = tomllib.loads(card.read_text(encoding="utf-8"))
        kind, network = table.pop("kind", "cleanplate"), table.pop("network", {})
        text = CardText(role=table.pop("role", None), data=tuple(table.pop("data", ())), **table)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        typer.echo(f"error: {card} is no card's text: {error}", err=True)
        raise typer.Exit(1) from error
    if kind not in GRAPHS:
        typer.echo(f"error: {card}: {unknown_kind(kind)}", err=True)
        raise typer.Exit(1)
    try:
        graphs = GRAPHS[kind](checkpoint, network)
        written = export_network(graphs, output, text, half=precision is Precision.FP16)
    except (CheckpointError, MismatchError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"exported: {written}")
