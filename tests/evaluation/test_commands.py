"""`cleanplate evaluate` where something fails: what was measured before stays."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from numpy.typing import NDArray

from cleanplate.engine.errors import EngineError
from cleanplate.evaluation import commands
from cleanplate.evaluation.commands import evaluate
from cleanplate.evaluation.matters import SAMPLE_COUNTS


class Bright:
    """Takes what is bright for the person; stands in for every model."""

    sample_counts: tuple[int, ...] = SAMPLE_COUNTS
    provider = "cpu"

    def __init__(
        self, name: str, folders: Sequence[Path], provider: str = "cpu", threads: int | None = 1
    ) -> None:
        if name == "broken" and provider == "auto":
            raise EngineError("the GPU takes no such network")
        self.name = name
        if name == "needy":
            self.sample_counts = SAMPLE_COUNTS[1:]

    def start(self, samples: Sequence[NDArray[np.uint8]]) -> None:
        pass

    def matte(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        bright: NDArray[np.bool_] = frame.mean(-1) > 128
        return bright.astype(np.float32)


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets of one frame each, without samples; the models stand in for theirs."""
    monkeypatch.setattr(commands, "EngineMatter", Bright)
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[10:40, 20:40] = 255
    for name in ("one", "two"):
        folder = tmp_path / "sets" / name / "a"
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "frame000.png"), frame)
        cv2.imwrite(str(folder / "frame000-pha.png"), frame[..., 0])
    return tmp_path / "sets"


def test_a_set_that_fails_leaves_the_others(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "two" / "a" / "frame000-pha.png").write_bytes(b"no picture")
    card = sets.parent / "toy.json"
    card.write_text(json.dumps({"name": "toy", "quality": []}), encoding="utf-8")
    with pytest.raises(typer.Exit):
        evaluate(["toy"], sets, weights=sets.parent, peers=sets, record=True)
    told = capsys.readouterr()
    assert "| one | toy | 0 | 1.000 |" in told.out
    assert "two" not in told.out
    assert "frame000-pha.png cannot be read" in told.err
    assert json.loads(card.read_text(encoding="utf-8"))["quality"][0]["set"] == "one, 0 samples"


def test_a_failing_clock_leaves_what_was_measured(
    sets: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(commands, "milliseconds_together", fail)
    with pytest.raises(RuntimeError):
        evaluate(["toy"], sets, peers=sets)
    assert capsys.readouterr().out.count("| toy | 0 | 1.000 |") == 2


@pytest.mark.parametrize(
    ("model", "only", "complaint"),
    [("broken", ["one"], "the GPU takes no such network"), ("toy", ["one", "three"], "three holds no")],
)
def test_what_is_missing_shows_before_anything_is_measured(
    model: str, only: list[str], complaint: str, sets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        evaluate([model], sets, peers=sets, only=only)
    told = capsys.readouterr()
    assert complaint in told.err
    assert "one ..." not in told.err


def test_without_a_row_there_is_no_contact_sheet(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = sets.parent / "worst.png"
    evaluate(["needy", "toy"], sets, peers=sets, worst=1, sheet=sheet)
    assert "needy was measured on none" in capsys.readouterr().err
    assert not sheet.exists()
    evaluate(["toy"], sets, peers=sets, worst=1, sheet=sheet)
    assert sheet.is_file()
