"""Figures in the cards."""

import json
from pathlib import Path

import pytest
import typer

from cleanplate.evaluation.commands import evaluate
from cleanplate.evaluation.measure import Measured, Score
from cleanplate.evaluation.record import record_quality

KEPT = {"set": "other, 0 samples", "metric": "IoU", "value": 0.5}
OLD = [{"set": "toy, 0 samples", "metric": "IoU", "value": 0.1}, KEPT]


def test_a_card_gets_its_own_figures_and_keeps_the_rest(tmp_path: Path) -> None:
    card = tmp_path / "ours.json"
    card.write_text(json.dumps({"name": "ours", "title": "für alle", "quality": OLD}), "utf-8")
    people = tuple(Score(f"toy/{i}", 0, {"iou": value}) for i, value in enumerate((0.9, 0.95)))
    empty = (Score("rooms/0", 0, {"false": 0.0125}),)
    record_quality(
        card,
        [
            Measured("ours", "toy", 1, people),
            Measured("rival", "toy", 0, people),
            Measured("ours", "rooms", 3, empty),
        ],
    )
    fields = json.loads(card.read_text("utf-8"))
    assert fields["title"] == "für alle"
    assert fields["quality"] == [
        KEPT,
        {"set": "toy, 1 sample", "metric": "IoU", "value": 0.925},
        {"set": "rooms, 3 samples", "metric": "false foreground, %", "value": 1.25},
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["ours.json"]


def test_figures_of_a_few_cases_are_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="leave --limit out"):
        evaluate(["ours"], tmp_path, weights=tmp_path, limit=1, record=True)
