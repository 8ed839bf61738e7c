"""The way of a frame: source -> matte -> composite -> sink, each stage in a thread of its own."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from threading import Event

from cleanplate.engine.base import Engine, Result
from cleanplate.engine.imaging import Picture, resize_picture
from cleanplate.offline.background import Background
from cleanplate.offline.composite import cut_out
from cleanplate.offline.frames import Frame, Report, Sink, Source
from cleanplate.offline.overlap import overlapped


@dataclass(frozen=True)
class Look:
    """What the output shows.

    Attributes:
        background: behind the person; None for transparency.
        alpha_only: show the matte in grey instead.
    """

    background: Background | None = None
    alpha_only: bool = False


@dataclass(frozen=True)
class _Matted:
    frame: Frame
    small: Picture
    result: Result


def convert(
    source: Source,
    sink: Sink,
    engine: Engine,
    look: Look,
    *,
    smoothing: float = 0.0,
    report: Report,
    on_frame: Callable[[], None] = lambda: None,
    stop: Event | None = None,
) -> int:
    """Take the background away from all frames of a source.

    Args:
        source: where the frames come from.
        sink: where they go; it is closed, or abandoned if an error ends the conversion.
        engine: with its background samples.
        look: what to show.
        smoothing: of the matte over time, 0..1.
        report: is told of each frame that is left out, and of a scene that has drifted from its samples.
        on_frame: is called after each frame, for a progress bar.
        stop: ends the conversion early when set; what is written by then is complete.

    Returns:
        The number of frames written.

    Raises:
        OfflineError: from source or sink.
        EngineError: from the engine.
    """
    written = 0
    try:
        with (
            overlapped(source.frames(report)) as frames,
            overlapped(_mattes(frames, engine, smoothing, report)) as mattes,
            overlapped(_finished(mattes, look)) as finished,
        ):
            for frame, picture in finished:
                if stop is not None and stop.is_set():
                    break
                sink.write(frame, picture)
                written += 1
                on_frame()
        sink.close()
    except BaseException:
        sink.abandon()
        raise
    return written


def _mattes(frames: Iterator[Frame], engine: Engine, smoothing: float, report: Report) -> Generator[_Matted]:
    stream = engine.stream()
    stream.smoothing = smoothing
    drifts: set[str] = set()
    for frame in frames:
        if frame.fresh:
            stream.reset()
        height, width = frame.picture.shape[:2]
        small = resize_picture(frame.picture, *engine.input_size(width, height))
        result = stream.process(small)
        if result.drift is not None and result.drift.message not in drifts:
            drifts.add(result.drift.message)
            report(f"At {float(frame.time):.1f} s: {result.drift.message}")
        yield _Matted(frame, small, result)


def _finished(mattes: Iterator[_Matted], look: Look) -> Generator[tuple[Frame, Picture]]:
    for matted in mattes:
        yield matted.frame, _finish(matted, look)


def _finish(matted: _Matted, look: Look) -> Picture:
    picture, result = matted.frame.picture, matted.result
    cutout = cut_out(picture, matted.small, result.alpha, result.foreground_colour)
    if look.alpha_only:
        return cutout.alpha
    if look.background is None:
        return cutout.transparent()
    height, width = picture.shape[:2]
    return cutout.before(look.background.behind(matted.small, result.alpha, width, height))
