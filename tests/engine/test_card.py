"""Model cards: everything that is wrong is found before anything is loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cleanplate.engine.card import read_card, resolve
from cleanplate.engine.errors import CardError

MakeModel = Callable[..., Path]


def test_shape_in_numbers() -> None:
    assert resolve(("N", 24, "H/4", "W/8"), height=288, width=512, count=3) == (3, 24, 72, 64)


def test_a_right_card_is_read(make_model: MakeModel) -> None:
    card = read_card(make_model())
    assert (card.name, card.role, card.area, card.multiple, card.max_samples) == ("tiny", "fast", 2048, 16, 4)
    assert card.graph_inputs() == {
        "src": (1, 3, "H", "W"),
        "bgr_mean": ("N", 3),
        "bgr_count": (1,),
        "r1i": (1, 1, "H/2", "W/2"),
    }
    assert card.graph_outputs() == {"pha": (1, 1, "H", "W"), "r1o": (1, 1, "H/2", "W/2")}


STATE = {"input": "r1i", "output": "r1o"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"schema": 2}, "schema is not 1"),
        ({"name": "other"}, "name is 'other', unlike the file's"),
        ({"role": "best"}, "role must be"),
        ({"surprise": 1}, "the card has unknown keys surprise"),
        ({"input": {"area": 0, "multiple": 16}}, "area must be positive"),
        ({"input": {"area": 2048}}, "input lacks multiple"),
        ({"max_samples": 17}, "max_samples must be 1 to 16"),
        ({"encoder": None}, "samples are named without an encoder"),
        ({"ranges": {"src": [0, 1], "bgr": [0, 255], "pha": [0, 1]}}, r"every range must be \[0, 1\]"),
        ({"features": [{"name": "src", "shape": ["N", 3]}]}, "name of another input"),
        (
            {"features": [{"name": "a", "shape": [1]}, {"name": "a", "shape": [1]}]},
            "two features have one name",
        ),
        ({"states": [{**STATE, "shape": [1, 1, "H/3", "W/3"]}]}, "H/3 does not divide input.multiple 16"),
        ({"states": [{**STATE, "shape": [1, 1, "Z", "W"]}]}, "'Z' is no dimension"),
        ({"states": [{**STATE, "shape": [1, True, "H", "W"]}]}, "True is no dimension"),
        ({"states": [{**STATE, "shape": ["N", 1]}]}, "depends on the number of samples"),
        ({"graph": {"file": "../tiny.onnx", "sha256": "0"}}, "must be a plain file name"),
        ({"graph": {"file": "missing.onnx", "sha256": "0"}}, "missing.onnx is missing"),
        ({"foreground": 1}, "foreground must be true or false"),
        ({"training": {"command": "x"}}, "training lacks data"),
        ({"quality": [{"set": "a"}]}, "quality lacks metric, value"),
        ({"title": ""}, "title must be a text"),
    ],
)
def test_a_wrong_card_is_refused(make_model: MakeModel, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CardError, match=complaint):
        read_card(make_model(**changes))


def test_every_key_is_required(make_model: MakeModel) -> None:
    path = make_model()
    card = json.loads(path.read_text())
    for key in card:
        path.write_text(json.dumps({name: value for name, value in card.items() if name != key}))
        with pytest.raises(CardError, match=f"the card lacks {key}"):
            read_card(path)


def test_an_altered_file_is_refused(make_model: MakeModel) -> None:
    path = make_model()
    with path.with_name("tiny-samples.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CardError, match=r"tiny-samples\.onnx has another sha256"):
        read_card(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", pytest.param(200_000 * "[", id="nested")])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(CardError, match="Install the model again"):
        read_card(path)
