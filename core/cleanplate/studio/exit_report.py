"""What OBS says about itself when it ends: memory leaks and the profiler's tree of times."""

import re
from dataclasses import dataclass

_LEAKS = re.compile(r"Number of memory leaks: (\d+)")
# " ┃ ┣render_video: min=0.1 ms, median=1.7 ms, max=65.8 ms, ..." is a scope that ran often;
# " ┃ ┗obs_load_all_modules2: 146.7 ms" one that ran once.
_SCOPE = re.compile(r"[ ┃┣┗]*(?P<name>.+?): (?P<times>(?:min=)?[\d.]+ ms.*)")
_MEDIAN = re.compile(r"median=([\d.]+) ms")
_SINGLE = re.compile(r"^([\d.]+) ms")
_LOG_PREFIX = re.compile(r"^\d\d:\d\d:\d\d\.\d{3}: |^(?:info|warning|error|debug): ")


@dataclass(frozen=True)
class ExitReport:
    """How one OBS ended.

    Attributes:
        status: the exit status; negative is the signal that ended it.
        leaks: blocks of memory that OBS still held at its end; None when it never came to count them.
        profile: median milliseconds by scope name, of the profiler's tree; a name that comes twice
            keeps its first place.
        log: all that OBS logged.
        orphans: processes that OBS started and that outlived it, as "pid command line".
    """

    status: int
    leaks: int | None
    profile: dict[str, float]
    log: str
    orphans: list[str]

    @property
    def clean(self) -> bool:
        """Whether OBS came to its last line, with status 0."""
        return self.status == 0 and self.leaks is not None


def parse_leaks(log: str) -> int | None:
    """Number of leaks that OBS counted, or None when the line is missing: it crashed."""
    match = _LEAKS.search(log)
    return int(match.group(1)) if match else None


def parse_profile(log: str) -> dict[str, float]:
    """Median milliseconds per scope of the tree that OBS prints at its end."""
    medians: dict[str, float] = {}
    start = log.find("== Profiler Results ==")
    end = log.find("== Profiler Time Between Calls ==")
    if start < 0:
        return medians
    tree = log[start : end if end > 0 else None].replace("\N{NO-BREAK SPACE}", " ")
    for line in tree.splitlines():
        scope = _SCOPE.match(_LOG_PREFIX.sub("", line))
        if not scope:
            continue
        time = _MEDIAN.search(scope["times"]) or _SINGLE.match(scope["times"])
        if time:
            medians.setdefault(scope["name"], float(time.group(1)))
    return medians
