"""What the worker tells the filter: the status block's JSON, and the statistics in it."""

import statistics
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cleanplate.engine.drift import Drift
from cleanplate.wire.protocol import BlockError
from cleanplate.wire.ring import Block
from cleanplate.worker.sample_files import SampleReport

State = Literal["starting", "loading", "running", "error"]

WINDOW = 120
"""Mattes over which the statistics are made."""

RATE_SECONDS = 2.0
"""Time over which the rate is measured."""

LONGEST_MESSAGE = 400
"""Characters of a message that are passed on; the log has all of it."""

ADVICE = 120
"""How many of them are the message's end, which says what to do."""


class Timings:
    """How long the last mattes took, and how many there are in a second."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=WINDOW)
        self._finished: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float, now: float) -> None:
        """Count a matte.

        Args:
            seconds: what it took.
            now: when it was finished, seconds of any clock that `rate` is asked with.
        """
        self._seconds.append(seconds)
        self._finished.append(now)

    def clear(self) -> None:
        """Forget all: another model's times are of no interest."""
        self._seconds.clear()
        self._finished.clear()

    @property
    def median_ms(self) -> float:
        """Median, milliseconds; 0 without mattes."""
        return 1000 * statistics.median(self._seconds) if self._seconds else 0.0

    @property
    def p95_ms(self) -> float:
        """95th percentile (nearest rank), milliseconds; 0 without mattes."""
        ordered = sorted(self._seconds)
        return 1000 * ordered[-(-95 * len(ordered) // 100) - 1] if ordered else 0.0

    def rate(self, now: float) -> float:
        """Mattes a second over the last `RATE_SECONDS`."""
        recent = [finished for finished in self._finished if finished > now - RATE_SECONDS]
        if len(recent) == WINDOW:  # more mattes than are remembered: the window is shorter
            return (WINDOW - 1) / max(recent[-1] - recent[0], 1e-3)
        return len(recent) / RATE_SECONDS


@dataclass
class Status:
    """The worker's state, in the words of the status block.

    Attributes:
        state: `loading` before any work that may take long, which the filter then waits for.
        model: name of the model in use, or of the one that is wanted.
        models: names that the filter may ask for.
        provider: what computes the model.
        fallbacks: faster providers, each with the reason why it is not in use.
        problem: why there are no mattes and what the user can do about it, if there are none.
        samples: the background samples, in use or not.
        drift: set while the samples, as they were captured, no longer fit the scene.
        timings: the statistics.
        log: path of the log file, empty without one.
        pid: the worker's process.
        version: of Clean Plate.
    """

    log: str
    pid: int
    version: str
    state: State = "starting"
    model: str = ""
    models: list[str] = field(default_factory=list)
    provider: str = ""
    fallbacks: tuple[tuple[str, str], ...] = ()
    problem: str | None = None
    samples: SampleReport = field(default_factory=SampleReport)
    drift: Drift | None = None
    timings: Timings = field(default_factory=Timings)

    def write(self, block: Block, now: float) -> None:
        """Write it to the status block, in as much detail as fits there.

        Args:
            block: the status block.
            now: seconds of the clock that the timings are counted with.
        """
        for obj in self._versions(now):
            try:
                block.write(obj)
            except BlockError:
                continue
            return

    def _versions(self, now: float) -> Iterator[dict[str, Any]]:
        """The status as a JSON object, then the same with less and less detail."""
        full = self._object(now)
        yield full
        short_names = {
            key: [{**entry, "file": Path(entry["file"]).name} for entry in full[key]]
            for key in ("samples", "sample_errors")
        }
        yield {**full, **short_names}
        yield {**full, "samples": [], "sample_errors": [], "models": full["models"][:20], "log": ""}
        yield {"state": self.state, "pid": self.pid, "version": self.version}

    def _object(self, now: float) -> dict[str, Any]:
        problem, drift = self.problem, self.drift
        return {
            "state": self.state,
            "model": _short(self.model),
            "models": self.models,
            "provider": _short(self.provider),
            "fallbacks": [[_short(name), _short(reason)] for name, reason in self.fallbacks],
            "error": problem and {"message": _short(problem)},
            "samples": [
                {
                    "file": str(sample.file),
                    "luma": round(sample.luma, 1),
                    "width": sample.width,
                    "height": sample.height,
                }
                for sample in self.samples.used
            ],
            "sample_errors": [
                {"file": str(file), "message": _short(message)} for file, message in self.samples.refused
            ],
            "drift": drift and {"kind": drift.kind, "message": _short(drift.message)},
            "ms_median": round(self.timings.median_ms, 2),
            "ms_p95": round(self.timings.p95_ms, 2),
            "rate": round(self.timings.rate(now), 1),
            "log": self.log,
            "pid": self.pid,
            "version": self.version,
        }


def _short(text: str) -> str:
    if len(text) <= LONGEST_MESSAGE:
        return text
    return text[: LONGEST_MESSAGE - ADVICE - 1] + "…" + text[-ADVICE:]
