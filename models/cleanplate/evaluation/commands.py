"""`cleanplate evaluate`: measures models and rivals on the evaluation sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cleanplate.engine.errors import EngineError
from cleanplate.evaluation.matters import SAMPLE_COUNTS, EngineMatter, Matter, RivalMatter
from cleanplate.evaluation.measure import Measured, measure, milliseconds_together
from cleanplate.evaluation.record import record_quality
from cleanplate.evaluation.report import (
    Times,
    contact_sheet,
    markdown_table,
    trimap_table,
    worst_scores,
    write_picture,
)
from cleanplate.evaluation.sets import Case, SetError, read_set, set_names

RIVALS = ("mediapipe-landscape", "mediapipe-selfie", "sinet")


def evaluate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Names of models.", show_default=False)
    ],
    sets: Annotated[Path, typer.Option(help="As `cleanplate data held-out` wrote them.", show_default=False)],
    weights: Annotated[Path, typer.Option(help="The folder of the models.")] = Path("models/weights"),
    peers: Annotated[Path, typer.Option(help="The folder of the rivals.")] = Path("../shared/peers"),
    only: Annotated[
        list[str] | None, typer.Option(help="Only this set; may be given several times.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many cases of each set; 0 for all.")] = 0,
    worst: Annotated[
        int, typer.Option(min=0, help="So many worst frames of the first model on a contact sheet.")
    ] = 0,
    sheet: Annotated[Path, typer.Option(help="Where the contact sheet goes.")] = Path("out/worst.png"),
    trimap: Annotated[bool, typer.Option(help="Print the mean IoU near the edge, too, by distance.")] = False,
    record: Annotated[bool, typer.Option(help="Write the figures into the models' cards.")] = False,
) -> None:
    """Print one Markdown table of every model and rival on every set, with 0, 1 and 3 background samples."""
    if record and limit:
        raise typer.BadParameter("--record writes figures of whole sets: leave --limit out")
    rows: list[Measured] = []
    cases: dict[str, Case] = {}
    cpu: Times = {}
    gpu: Times = {}
    try:
        # Whatever is missing shows here, before hours of measuring.
        rivals: list[Matter] = [
            RivalMatter(peers / f"{name}.onnx") for name in RIVALS if (peers / f"{name}.onnx").is_file()
        ]
        if not rivals:
            typer.echo(f"There are no rivals in {peers}.", err=True)
        ours: list[Matter] = [EngineMatter(name, [weights]) for name in models]
        faster = on_gpu(models, weights)
        chosen = {name: read_set(sets / name)[: limit or None] for name in only or set_names(sets)}
        try:
            for name, of_set in chosen.items():
                typer.echo(f"{name} ...", err=True)
                cases |= {case.name: case for case in of_set}
                rows += measure_all([*ours, *rivals], of_set)
            cpu = times([*ours, *rivals], cases)
            gpu = times(faster, cases, time.perf_counter)
        finally:  # what was measured is not lost, whatever ended it; a set that failed has no row at all
            if rows:
                publish(
                    rows, cpu, gpu, [weights / f"{name}.json" for name in models if record], trimap=trimap
                )
        first = [row for row in rows if row.model == models[0]]
        if worst and first:
            write_picture(sheet, contact_sheet(ours[0], worst_scores(first, worst), cases))
            typer.echo(f"worst: {sheet}", err=True)
        elif worst:
            typer.echo(f"{models[0]} was measured on none of these sets: no contact sheet.", err=True)
    except (SetError, EngineError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def publish(rows: list[Measured], cpu: Times, gpu: Times, cards: list[Path], *, trimap: bool) -> None:
    """Print what was measured, and write it into the models' cards."""
    typer.echo(markdown_table(rows, cpu, gpu))
    if trimap:
        typer.echo(f"\n{trimap_table(rows)}")
    for card in cards:
        if card.is_file():  # `difference` has none
            record_quality(card, rows)


def measure_all(matters: list[Matter], cases: list[Case]) -> list[Measured]:
    """Measure models on a set with every number of samples that both can use."""
    most = max(case.sample_count() for case in cases)
    return [
        measure(matter, cases, count) for matter in matters for count in matter.sample_counts if count <= most
    ]


def on_gpu(models: list[str], weights: Path) -> list[Matter]:
    """Return those of the models that something faster than the CPU computes."""
    fastest = [EngineMatter(name, [weights], provider="auto", threads=None) for name in models]
    return [matter for matter in fastest if matter.provider != "cpu"]


def times(
    matters: list[Matter], cases: dict[str, Case], clock: Callable[[], float] = time.process_time
) -> Times:
    """Return milliseconds per frame by model and number of samples, side by side on one case."""
    case = max(cases.values(), key=lambda each: each.sample_count())
    frame = next(case.truths()).frame
    taken: Times = {}
    for count in SAMPLE_COUNTS:
        samples = case.samples(count)
        if len(samples) < count:
            continue
        able = [matter for matter in matters if count in matter.sample_counts]
        measured = milliseconds_together(able, frame, samples, clock)
        taken |= {(matter.name, count): value for matter, value in zip(able, measured, strict=True)}
    return taken
