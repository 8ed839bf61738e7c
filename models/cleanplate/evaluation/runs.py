"""`python -m cleanplate.evaluation.runs CONFIG...`: measure trained networks before any export.

For comparisons that no graph of the engine can make: Background Cut with frames from the future, or without
its refinement, and the variants of an ablation. Each network sees whole videos, at the size it was trained
with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from cleanplate.data.batches import Batch
from cleanplate.engine.imaging import resize_picture, resize_plane
from cleanplate.evaluation.measure import Measured, Score, video_scores
from cleanplate.evaluation.report import markdown_table
from cleanplate.evaluation.sets import Case, SetError, read_set
from cleanplate.training.background_cut_module import BackgroundCutModule
from cleanplate.training.config import Config, ConfigError, load_config
from cleanplate.training.module import MattingModule
from cleanplate.training.run import load_module

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]

MULTIPLE = 16  # both kinds of networks take such sides


def main(
    configs: Annotated[list[Path], typer.Argument(help="The runs' TOML files.")],
    sets: Annotated[Path, typer.Option(help="As `python -m cleanplate.data held-out` wrote them.")],
    runs: Annotated[Path, typer.Option(help="Where each run has a folder of its config's name.")] = Path(
        "runs"
    ),
    only: Annotated[list[str] | None, typer.Option(help="Only these sets.")] = None,
    samples: Annotated[list[int] | None, typer.Option(help="How many samples. Default: 0, 1 and 3.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 for as many as there are cores.")] = 0,
) -> None:
    """Print one Markdown table of trained runs on the evaluation sets.

    Background Cut is measured with and without its refinement.
    """
    if threads:
        torch.set_num_threads(threads)
    rows: list[Measured] = []
    try:
        names = only or sorted(path.name for path in sets.iterdir() if path.is_dir())
        for name in names:
            cases = read_set(sets / name)
            most = max(case.sample_count() for case in cases)
            counts = [count for count in samples or (0, 1, 3) if count <= most]
            for config in configs:
                settings = load_config(config)
                module = load_module(settings, runs / config.stem / "last.ckpt")
                for title, variant in variants(config.stem, module):
                    rows += [measure_module(title, variant, settings, cases, count) for count in counts]
    except (ConfigError, SetError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(markdown_table(rows, {}))


def variants(name: str, module: MattingModule) -> Iterator[tuple[str, MattingModule]]:
    """Yield a module, and Background Cut then without its refinement, each with its name."""
    yield name, module
    if isinstance(module, BackgroundCutModule) and module.net.refine is not None:
        module.net.refine = None
        yield f"{name}, unrefined", module


def measure_module(
    name: str, module: MattingModule, config: Config, cases: Sequence[Case], samples: int
) -> Measured:
    """Measure a trained module on a set, giving it up to `samples` background samples."""
    area = max(width * height for width, height in config.batches.sizes)
    scores: list[Score] = []
    module.eval()
    for case in cases:
        truths = list(case.truths())
        frames = [truth.frame for truth in truths]
        scores += video_scores(case, truths, mattes(module, frames, case.samples(samples), area))
    return Measured(name, cases[0].name.split("/")[0], samples, tuple(scores))


def mattes(
    module: MattingModule, frames: Sequence[UInt8], samples: Sequence[UInt8], area: int
) -> list[Float]:
    """Return alpha of every frame of one video, at the frames' size.

    Args:
        module: Trained, in evaluation mode.
        frames: uint8 [H, W, 3] BGR each.
        samples: Likewise, of any size.
        area: Width times height, in pixels, of the pictures that the network sees.
    """
    height, width = frames[0].shape[:2]
    scale = sqrt(area / (width * height)) / MULTIPLE
    size = (max(1, round(width * scale)) * MULTIPLE, max(1, round(height * scale)) * MULTIPLE)
    empty = np.zeros((size[1], size[0], 3), np.uint8)
    slots = [resize_picture(sample, *size) for sample in samples] or [empty]
    batch = Batch(
        _planes([resize_picture(frame, *size) for frame in frames]),
        torch.zeros(1, len(frames), 1, size[1], size[0], dtype=torch.uint8),
        _planes(slots),
        torch.tensor([len(samples)]),
    )
    with torch.no_grad():
        logit, _ = module.predict(batch)
    return [resize_plane(alpha, width, height) for alpha in logit[:, 0].sigmoid().numpy()]


def _planes(pictures: Sequence[UInt8]) -> torch.Tensor:
    """uint8 [H, W, 3] BGR each to one sequence [1, T, 3, H, W] RGB."""
    stacked = np.stack(pictures)[..., ::-1].transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stacked)[None])


if __name__ == "__main__":
    typer.run(main)
