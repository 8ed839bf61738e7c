"""What flows through a conversion: frames, from a `Source` to a `Sink`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

Report = Callable[[str], None]
"""Takes one line about something that went wrong without ending the conversion."""


@dataclass(frozen=True)
class Frame:
    """One picture on its way.

    Attributes:
        picture: uint8 [H, W, 3] BGR, upright.
        name: file name without ending, for sinks that write one file per frame.
        time: seconds since the start of the source.
        fresh: nothing links it to the frame before it: temporal state starts anew.
        audio: compressed packets that belong between this frame and the next.
    """

    picture: NDArray[np.uint8]
    name: str
    time: Fraction
    fresh: bool = False
    audio: tuple[Packet[Any], ...] = ()


class Source(Protocol):
    """Where frames come from; may be read several times.

    Attributes:
        paths: the files that are read, so that none of them is written.
        count: number of frames as far as known beforehand, None if not.
        size: (width, height) of the upright frames, the first one's where they differ.
        rate: frames per second, a nominal value where the rate varies.
        time_base: the unit, in seconds, of which all `Frame.time` are multiples.
        fixed_camera: the frames show one scene, so that its empty state may be estimated from them.
    """

    paths: Sequence[Path]
    count: int | None
    size: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    fixed_camera: bool

    def frames(self, report: Report) -> Generator[Frame]:
        """All frames in the order of their times; a damaged one is reported and left out."""
        ...

    def spread(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """About `count` pictures (uint8 [H, W, 3] BGR) from all over the source."""
        ...


class Sink(Protocol):
    """Where finished pictures go."""

    alpha: bool

    def write(self, frame: Frame, picture: NDArray[np.uint8]) -> None:
        """Write one picture.

        Args:
            frame: gives name, time and audio.
            picture: uint8 [H, W, 3] BGR, [H, W, 4] BGRA (straight alpha) or [H, W] grey.
        """
        ...

    def close(self) -> None:
        """Finish what was written so far, so that it can be used."""
        ...

    def abandon(self) -> None:
        """Leave nothing half-finished behind; after `close` this does nothing."""
        ...
