"""Writing what was measured into a model's card."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from cleanplate.evaluation.measure import Measured

CARD_METRICS = (  # metric, its name in the card, factor, decimals
    ("iou", "IoU", 1, 3),
    ("boundary", "boundary IoU", 1, 3),
    ("dtssd", "dtSSD x100", 100, 2),
    ("false", "false foreground, %", 100, 2),
)


def record_quality(card: Path, rows: Sequence[Measured]) -> None:
    """Write what was measured into the `quality` of a card; sets that were not measured keep their figures.

    Args:
        card: `NAME.json` of a model; the other fields stay as they are.
        rows: Of every model; those of this one are taken.
    """
    fields = json.loads(card.read_text(encoding="utf-8"))
    measured = {row.set_name for row in rows}
    kept = [figure for figure in fields["quality"] if figure["set"].split(",")[0] not in measured]
    fields["quality"] = kept + [
        {
            "set": f"{row.set_name}, {row.samples} sample{'' if row.samples == 1 else 's'}",
            "metric": name,
            "value": round(row.mean(metric) * factor, decimals),
        }
        for row in rows
        if row.model == fields["name"]
        for metric, name, factor, decimals in CARD_METRICS
        if not math.isnan(row.mean(metric))
    ]
    part = card.with_suffix(".part")
    part.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(card)
