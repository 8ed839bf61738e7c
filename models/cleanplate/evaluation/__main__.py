"""`python -m cleanplate.evaluation MODEL...`: measure models and rivals on the evaluation sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cleanplate.evaluation.matters import EngineMatter, Matter, RivalMatter
from cleanplate.evaluation.measure import Measured, measure, milliseconds_together
from cleanplate.evaluation.report import contact_sheet, markdown_table, worst_scores, write_picture
from cleanplate.evaluation.sets import Case, SetError, read_set

SAMPLE_COUNTS = (0, 1, 3)
RIVALS = ("mediapipe-landscape", "mediapipe-selfie", "sinet")


def main(
    models: Annotated[list[str], typer.Argument(help="Names of models.")],
    sets: Annotated[Path, typer.Option(help="As `python -m cleanplate.data held-out` wrote them.")],
    weights: Annotated[Path, typer.Option(help="The folder of the models.")] = Path("models/weights"),
    peers: Annotated[Path, typer.Option(help="The folder of the rivals.")] = Path("../shared/peers"),
    only: Annotated[list[str] | None, typer.Option(help="Only these sets.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many cases of each set; 0 for all.")] = 0,
    worst: Annotated[
        int, typer.Option(help="So many worst frames of the first model on a contact sheet.")
    ] = 0,
    sheet: Annotated[Path, typer.Option(help="Where the contact sheet goes.")] = Path("out/worst.png"),
) -> None:
    """Print one Markdown table of every model and rival on every set, with 0, 1 and 3 background samples."""
    ours: list[Matter] = [EngineMatter(name, [weights]) for name in models]
    rivals: list[Matter] = [
        RivalMatter(peers / f"{name}.onnx") for name in RIVALS if (peers / f"{name}.onnx").is_file()
    ]
    names = only or sorted(path.name for path in sets.iterdir() if path.is_dir())
    rows: list[Measured] = []
    cases: dict[str, Case] = {}
    try:
        for name in names:
            chosen = read_set(sets / name)[: limit or None]
            cases |= {case.name: case for case in chosen}
            rows += measure_all([*ours, *rivals], chosen)
    except SetError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(markdown_table(rows, times([*ours, *rivals], cases)))
    if worst:
        first = [row for row in rows if row.model == models[0]]
        write_picture(sheet, contact_sheet(ours[0], worst_scores(first, worst), cases))


def measure_all(matters: list[Matter], cases: list[Case]) -> list[Measured]:
    """Measure models on a set with every number of samples that both can use."""
    most = max(case.sample_count() for case in cases)
    rows = []
    for matter in matters:
        counts = [count for count in SAMPLE_COUNTS if count <= most] if matter.uses_samples else [0]
        rows += [measure(matter, cases, count) for count in counts]
    return rows


def times(matters: list[Matter], cases: dict[str, Case]) -> dict[tuple[str, int], float]:
    """Return milliseconds per frame by model and number of samples, side by side on one case."""
    case = max(cases.values(), key=lambda each: each.sample_count())
    frame = next(case.truths()).frame
    taken: dict[tuple[str, int], float] = {}
    for count in SAMPLE_COUNTS:
        samples = case.samples(count)
        if len(samples) < count:
            continue
        measured = milliseconds_together(matters, frame, samples)
        taken |= {
            (matter.name, count): value
            for matter, value in zip(matters, measured, strict=True)
            if matter.uses_samples or count == 0
        }
    return taken


if __name__ == "__main__":
    typer.run(main)
