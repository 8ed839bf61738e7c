"""From what the user names to sources and sinks: the kind follows from the ending."""

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from cleanplate.offline.errors import InputError, OutputError
from cleanplate.offline.folders import check_writable
from cleanplate.offline.frames import Report, Sink, Source
from cleanplate.offline.pictures import TIMES, PictureSink, PictureSource, is_picture
from cleanplate.offline.video import VIDEO_ENDINGS, VideoSink, VideoSource


def open_source(paths: list[Path], *, sequence: bool = False, rate: Fraction = Fraction(30)) -> Source:
    """Open what the user gave.

    Args:
        paths: one video, one folder of pictures, or any number of pictures.
        sequence: pictures are the frames of one film.
        rate: frames per second of that film.

    Raises:
        InputError: it is missing, unreadable or a mixture.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist. Check the path.")
    if all(is_picture(path) for path in paths):
        return PictureSource(paths, sequence=sequence, rate=rate)
    if len(paths) > 1:
        raise InputError("Give one video or one folder at a time, or any number of pictures.")
    if paths[0].is_dir():
        return PictureSource.of_folder(paths[0], sequence=sequence, rate=rate)
    return VideoSource(paths[0])


@contextmanager
def open_sink(target: str, source: Source, report: Report, also_read: Sequence[Path] = ()) -> Generator[Sink]:
    """Open the output.

    Args:
        target: path of a video, a picture, or a folder (no ending, or a slash behind it): one PNG for each
            frame, and a film's times.
        source: what will be written, for its rate and sound.
        report: is told of sound that is left out.
        also_read: files beside the source's that must not be replaced: samples, background.

    Raises:
        OutputError: the ending is unknown, does not fit the source, an input would be replaced, nothing can
            be written there, or the folder holds a film's pictures already.
    """
    path = Path(target)
    inputs = [*source.paths, *also_read]
    named_as_folder = target.endswith(("/", os.sep)) or not path.suffix
    check_writable(path if path.is_dir() else path.parent)
    if path.suffix.lower() in VIDEO_ENDINGS and not named_as_folder:
        if path.is_dir():
            raise OutputError(f"{path} is a folder. Choose another name for the video.")
        _keep_inputs(inputs, [path])
        if isinstance(source, VideoSource):
            with source.audio_streams(report) as audio:
                yield VideoSink(
                    path,
                    rate=source.rate,
                    time_base=source.time_base,
                    audio=audio.streams,
                    report=report,
                )
            return
        if not source.fixed_camera:
            raise OutputError("These pictures are not a film. Add --sequence if they are, or give a folder.")
        yield VideoSink(path, rate=source.rate, time_base=source.time_base)
    elif path.is_dir() or named_as_folder:
        if source.fixed_camera and (path / TIMES).exists():
            raise OutputError(
                f"{path} holds the pictures of an earlier film ({TIMES}). Choose another folder."
            )
        if isinstance(source, VideoSource):  # whose pictures are numbered
            _keep_inputs(inputs, path.glob("[0-9]*.png"))
        else:
            _keep_inputs(inputs, (path / f"{read.stem}.png" for read in source.paths))
        yield PictureSink(path, last_seconds=1 / source.rate if source.fixed_camera else None)
    elif source.count == 1:
        _keep_inputs(inputs, [path])
        yield PictureSink(path.parent, path.suffix, path.stem)
    else:
        raise OutputError(
            f"{path.name} can hold one picture, the input has more. Give a folder, or a video ending in "
            f"{', '.join(sorted(VIDEO_ENDINGS))}."
        )


def _keep_inputs(inputs: Iterable[Path], targets: Iterable[Path]) -> None:
    """Refuse to write a file that is read, also by another name: a link, or in capital letters."""
    read = {_identity(path) for path in inputs}
    for target in targets:
        if target.exists() and _identity(target) in read:
            raise OutputError(f"{target} is an input itself. Choose another name for the output.")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
