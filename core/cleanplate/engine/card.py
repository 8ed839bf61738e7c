"""Model cards: what a JSON file beside an ONNX file says about it, and the strict check of both.

A model is a folder's `NAME.json` (the card) with the graphs that it names. This docstring is the card's
specification, version 1. Every key is required unless marked optional; unknown keys are refused.

```
{
  "schema": 1,
  "name": "quality",                    how users choose it; equals the card's file name without ".json"
  "title": "Clean Plate, quality",      one line for lists
  "role": "quality",                    "quality" (default on a GPU), "fast" (default on a CPU) or null
  "graph":   {"file": "quality.onnx", "sha256": "<64 hex digits>"},            the frame graph
  "encoder": {"file": "quality-samples.onnx", "sha256": "<64 hex digits>"},    the sample encoder, or null
  "input": {"area": 147456, "multiple": 32},    about H x W of the frames it was made for; H, W divisible by
  "max_samples": 16,                            0 where encoder is null, else 1..16
  "ranges": {"src": [0, 1], "bgr": [0, 1], "pha": [0, 1]},    of each picture tensor that the model has
  "features": [                         what the encoder gives to the frame graph; [] where encoder is null
    {"name": "bgr_4",  "shape": ["N", 24, "H/4", "W/4"]},
    {"name": "bgr_global", "shape": ["N", 64]}
  ],
  "states": [                           recurrent states, in any number
    {"input": "r1i", "output": "r1o", "shape": [1, 16, "H/4", "W/4"]}
  ],
  "foreground": false,                  whether the frame graph also gives "fgr"
  "licence": "GPL-2.0-or-later; trained on data for research use",
  "training": {
    "command": "cleanplate train configs/quality.toml",
    "data": [{"name": "people-half", "licence": "research use"}]
  },
  "quality": [{"set": "captured", "metric": "IoU", "value": 0.975}]      as measured on the shipped graph
}
```

Shapes: a dimension is a positive integer, "N" (number of pictures that the encoder gets), "H", "W", or a
fraction such as "H/8" whose divisor divides `multiple`.

The frame graph, all tensors float32, H and W dynamic:

| tensor | shape | meaning |
|---|---|---|
| in `src` | [1, 3, H, W] | frame, RGB, 0..1 |
| in each feature's name | the feature's shape, N dynamic | only with an encoder |
| in `bgr_count` | [1] | N, or 0 where there are no samples; only with an encoder |
| in each state's input | its shape | zeros at the start of a stream |
| out `pha` | [1, 1, H, W] | alpha matte, 0..1 |
| out `fgr` | [1, 3, H, W] | foreground colour, RGB, 0..1, only where `foreground` is true |
| out each state's output | as its input | fed back with the next frame |

The sample encoder, run whenever the samples, the frame size or the camera's place change: in `bgr`
[N, 3, H, W], RGB, 0..1; out each feature by its name. What it gets is made of the samples: they are put where
the camera sees them now (`alignment`), those that show the same become their mean (`samples.distinct`),
and the newest `max_samples` of these pictures come at the size of `src`, newest last, without exposure
compensation. With no samples the encoder is not run: the frame graph gets zeros of each feature's shape with
N = 1, and `bgr_count` = 0.

A graph is one file without external data. I/O stays float32 in graphs of smaller weights.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanplate.engine.errors import CardError
from cleanplate.engine.samples import MAX_SAMPLES

SCHEMA = 1
ROLES = ("quality", "fast", None)

Dimension = int | str
Shape = tuple[Dimension, ...]

SRC_SHAPE: Shape = (1, 3, "H", "W")
BGR_SHAPE: Shape = ("N", 3, "H", "W")
PHA_SHAPE: Shape = (1, 1, "H", "W")
COUNT = "bgr_count"


@dataclass(frozen=True)
class State:
    """A recurrent state of the frame graph: its input, its output, and the shape of both."""

    input: str
    output: str
    shape: Shape


@dataclass(frozen=True)
class Card:
    """A checked model card; the fields are those of the specification above."""

    name: str
    title: str
    role: str | None
    graph: Path
    encoder: Path | None
    area: int
    multiple: int
    max_samples: int
    features: Mapping[str, Shape]
    states: tuple[State, ...]
    foreground: bool
    licence: str

    def graph_inputs(self) -> dict[str, Shape]:
        """Names and shapes that the frame graph must take."""
        inputs = {"src": SRC_SHAPE, **self.features}
        if self.encoder is not None:
            inputs[COUNT] = (1,)
        return inputs | {state.input: state.shape for state in self.states}

    def graph_outputs(self) -> dict[str, Shape]:
        """Names and shapes that the frame graph must give."""
        outputs = {"pha": PHA_SHAPE}
        if self.foreground:
            outputs["fgr"] = SRC_SHAPE
        return outputs | {state.output: state.shape for state in self.states}


def resolve(shape: Shape, *, height: int, width: int, count: int) -> tuple[int, ...]:
    """A shape in numbers, e.g. ("N", 24, "H/4", "W/4") -> (3, 24, 72, 128)."""
    sides = {"N": count, "H": height, "W": width}

    def number(dimension: Dimension) -> int:
        if isinstance(dimension, int):
            return dimension
        side, _, divisor = dimension.partition("/")
        return sides[side] // int(divisor or 1)

    return tuple(number(dimension) for dimension in shape)


def read_card(path: Path) -> Card:
    """Read a card and check it and the files that it names.

    Args:
        path: `NAME.json`.

    Raises:
        CardError: the card is malformed, or a file is missing or altered.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last one from lists in lists in lists
        raise CardError(
            f"The model card {path} cannot be read ({error}). Install the model again."
        ) from error
    reader = _Reader(path)
    return reader.card(values)


class _Reader:
    """Turns a card's JSON into a `Card`; every complaint names the card and the key."""

    KEYS = frozenset(
        {
            "schema",
            "name",
            "title",
            "role",
            "graph",
            "encoder",
            "input",
            "max_samples",
            "ranges",
            "features",
            "states",
            "foreground",
            "licence",
            "training",
            "quality",
        }
    )
    DIMENSION = re.compile(r"N|[HW](/[1-9][0-9]*)?")

    def __init__(self, path: Path) -> None:
        self._path = path

    def card(self, values: Any) -> Card:
        self._keys(values, self.KEYS, "the card")
        self._expect(
            values["schema"] == SCHEMA, f"schema is not {SCHEMA}; the program and the model do not match"
        )
        name = self._text(values, "name")
        self._expect(name == self._path.stem, f"name is {name!r}, unlike the file's")
        self._expect(values["role"] in ROLES, "role must be quality, fast or null")
        self._keys(values["input"], {"area", "multiple"}, "input")
        area = self._count(values["input"], "area")
        multiple = self._count(values["input"], "multiple")
        encoder = None if values["encoder"] is None else self._file(values["encoder"], "encoder")
        max_samples = values["max_samples"]
        if encoder is None:
            self._expect(
                max_samples == 0 and values["features"] == [], "samples are named without an encoder"
            )
        else:
            self._expect(
                1 <= self._count(values, "max_samples") <= MAX_SAMPLES, "max_samples must be 1 to 16"
            )
        self._expect(isinstance(values["foreground"], bool), "foreground must be true or false")
        self._prose(values)
        return Card(
            name=name,
            title=self._text(values, "title"),
            role=values["role"],
            graph=self._file(values["graph"], "graph"),
            encoder=encoder,
            area=area,
            multiple=multiple,
            max_samples=max_samples,
            features=self._features(values["features"], multiple),
            states=self._states(values["states"], multiple),
            foreground=values["foreground"],
            licence=self._text(values, "licence"),
        )

    def _features(self, values: Any, multiple: int) -> dict[str, Shape]:
        features = {}
        for value in self._list(values, "features"):
            self._keys(value, {"name", "shape"}, "a feature")
            features[self._text(value, "name")] = self._shape(value["shape"], multiple)
        self._expect(len(features) == len(values), "two features have one name")
        self._expect(
            COUNT not in features and "src" not in features, "a feature has the name of another input"
        )
        return features

    def _states(self, values: Any, multiple: int) -> tuple[State, ...]:
        states = []
        for value in self._list(values, "states"):
            self._keys(value, {"input", "output", "shape"}, "a state")
            shape = self._shape(value["shape"], multiple)
            self._expect("N" not in shape, "a state's shape depends on the number of samples")
            states.append(State(self._text(value, "input"), self._text(value, "output"), shape))
        return tuple(states)

    def _prose(self, values: Any) -> None:
        """Check what the program shows or keeps for the record, but does not compute with."""
        self._expect(isinstance(values["ranges"], dict), "ranges must be an object")
        wanted = {"src", "pha"} | ({"bgr"} if values["encoder"] else set())
        wanted |= {"fgr"} if values["foreground"] else set()
        self._keys(values["ranges"], wanted, "ranges")
        self._expect(all(pair == [0, 1] for pair in values["ranges"].values()), "every range must be [0, 1]")
        self._keys(values["training"], {"command", "data"}, "training")
        self._text(values["training"], "command")
        for source in self._list(values["training"]["data"], "training.data"):
            self._keys(source, {"name", "licence"}, "training.data")
        for measured in self._list(values["quality"], "quality"):
            self._keys(measured, {"set", "metric", "value"}, "quality")

    def _file(self, value: Any, what: str) -> Path:
        self._keys(value, {"file", "sha256"}, what)
        file = self._text(value, "file")
        self._expect(
            Path(file).name == file and file not in (".", ".."), f"{what}.file must be a plain file name"
        )
        path = self._path.with_name(file)
        self._expect(path.is_file(), f"{file} is missing")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._expect(digest == value["sha256"], f"{file} has another sha256 than the card says")
        return path

    def _shape(self, value: Any, multiple: int) -> Shape:
        dimensions = self._list(value, "shape")
        for dimension in dimensions:
            whole = isinstance(dimension, int) and not isinstance(dimension, bool) and dimension > 0
            symbol = isinstance(dimension, str) and self.DIMENSION.fullmatch(dimension) is not None
            self._expect(whole or symbol, f"{dimension!r} is no dimension")
            if symbol and "/" in dimension:
                divisor = int(dimension.partition("/")[2])
                self._expect(
                    multiple % divisor == 0, f"{dimension} does not divide input.multiple {multiple}"
                )
        return tuple(dimensions)

    def _keys(self, value: Any, wanted: set[str] | frozenset[str], what: str) -> None:
        self._expect(isinstance(value, dict), f"{what} must be an object")
        missing, unknown = sorted(wanted - value.keys()), sorted(value.keys() - wanted)
        self._expect(not missing, f"{what} lacks {', '.join(missing)}")
        self._expect(not unknown, f"{what} has unknown keys {', '.join(unknown)}")

    def _list(self, value: Any, what: str) -> Sequence[Any]:
        self._expect(isinstance(value, list), f"{what} must be a list")
        return tuple(value)

    def _text(self, values: Any, key: str) -> str:
        value = values[key]
        self._expect(isinstance(value, str) and value != "", f"{key} must be a text")
        return str(value)

    def _count(self, values: Any, key: str) -> int:
        value = values[key]
        self._expect(
            isinstance(value, int) and not isinstance(value, bool) and value > 0, f"{key} must be positive"
        )
        return int(value)

    def _expect(self, right: bool, complaint: str) -> None:
        if not right:
            raise CardError(f"The model card {self._path} is unusable: {complaint}. Install the model again.")
