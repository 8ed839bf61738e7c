"""What the filter asks for, out of the control block's JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_SHIFT = 64.0
"""Pixels at 512 wide."""


@dataclass(frozen=True)
class Control:
    """The filter's settings, as far as they concern the worker.

    Attributes:
        model: name of the model, or `auto`.
        provider: what should compute it, or `auto`.
        samples: files of the background samples, newest last.
        samples_generation: a change means that files of the same name have other contents.
        smoothing: temporal smoothing, 0..1.
        shift: by how much the matte's edge is moved outwards, pixels at 512 wide.
    """

    model: str = "auto"
    provider: str = "auto"
    samples: tuple[Path, ...] = ()
    samples_generation: int = 0
    smoothing: float = 0.0
    shift: float = 0.0

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> "Control":
        """Take what is usable of a JSON object that may hold anything; the defaults stand in for the rest."""
        return cls(
            model=_text(obj.get("model"), cls.model),
            provider=_text(obj.get("provider"), cls.provider),
            samples=_paths(obj.get("samples")),
            samples_generation=int(_number(obj.get("samples_generation"), -(2.0**53), 2.0**53)),
            smoothing=_number(obj.get("smoothing"), 0.0, 1.0),
            shift=_number(obj.get("shift"), -LARGEST_SHIFT, LARGEST_SHIFT),
        )

    def same_engine(self, other: "Control") -> bool:
        """Whether the other settings are served by the same engine."""
        return (self.model, self.provider) == (other.model, other.provider)

    def same_samples(self, other: "Control") -> bool:
        """Whether the other settings mean the same background samples."""
        return (self.samples, self.samples_generation) == (other.samples, other.samples_generation)


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) and value else default


def _number(value: object, least: float, greatest: float) -> float:
    """The value between the limits, 0 if it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    if isinstance(value, float) and not math.isfinite(value):
        return 0.0
    return float(min(max(value, least), greatest))


def _paths(value: object) -> tuple[Path, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(Path(item) for item in value if isinstance(item, str) and item and "\0" not in item)
