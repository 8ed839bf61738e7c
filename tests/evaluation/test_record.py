"""Figures in the cards."""

import json
import re
from pathlib import Path

import pytest
import typer

from cleanplate.evaluation.commands import evaluate
from cleanplate.evaluation.measure import Measured, Score
from cleanplate.evaluation.record import record_quality

MODELS = Path(__file__).parents[2] / "models"
IN_CARDS = {
    "IoU": "IoU",
    "boundary IoU": "boundary IoU",
    "dtSSD x100": "dtSSD x100",
    "false %": "false foreground, %",
}
ROUGH = ("dtSSD x100", "false foreground, %")
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


def table_figures(page: str, model: str) -> dict[tuple[str, str], str]:
    """What the tables of a page say of a model, by set with samples, and metric."""
    figures: dict[tuple[str, str], str] = {}
    for table in re.findall(r"^\| set \|.*\n(?:\|.*\n)+", page, re.MULTILINE):
        header, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
        for line in (dict(zip(header, cells, strict=True)) for cells in lines):
            if line.get("model", "background-cut") == model:
                case = f"{line['set']}, {line['samples']} sample{'' if line['samples'] == '1' else 's'}"
                figures |= {(case, metric): line[metric] for metric in IN_CARDS if line[metric]}
    return figures


@pytest.mark.parametrize("model", ["cleanplate-quality", "cleanplate-fast", "background-cut"])
def test_the_tables_say_what_the_cards_say(model: str) -> None:
    told = table_figures((MODELS / "README.md").read_text("utf-8"), model)
    card = json.loads((MODELS / "weights" / f"{model}.json").read_text("utf-8"))
    names = {name: metric for metric, name in IN_CARDS.items()}
    recorded = {
        (each["set"], names[each["metric"]]): f"{each['value']:.{2 if each['metric'] in ROUGH else 3}f}"
        for each in card["quality"]
    }
    assert told == recorded
    assert len(told) > 30
