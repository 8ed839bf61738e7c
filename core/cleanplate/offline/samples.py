"""Background samples for a conversion: from files, or estimated from the video itself."""

from collections.abc import Sequence
from pathlib import Path

from cleanplate.engine.base import Engine
from cleanplate.engine.imaging import Picture
from cleanplate.engine.samples import MAX_SAMPLES
from cleanplate.offline.errors import InputError, PlateError
from cleanplate.offline.frames import Report, Source
from cleanplate.offline.pictures import PictureSource, is_picture, pictures_in, read_picture
from cleanplate.offline.plate import FRAMES_FOR_ESTIMATE, plate_of_video
from cleanplate.offline.video import VideoSource

SAMPLES_OF_A_VIDEO = 8
"""Pictures taken from a film of the empty scene."""


def sample_files(paths: Sequence[Path]) -> list[Path]:
    """The files that `load_samples` reads."""
    return [file for path in paths for file in (pictures_in(path) if path.is_dir() else [path])]


def load_samples(paths: Sequence[Path]) -> list[Picture]:
    """Read background samples.

    Args:
        paths: pictures, folders of pictures, or videos, all of the empty scene.

    Returns:
        uint8 [H, W, 3] BGR each, at most `MAX_SAMPLES`, the last ones given.

    Raises:
        InputError: one cannot be read.
    """
    samples: list[Picture] = []
    for path in paths:
        if path.is_dir():
            samples += PictureSource.of_folder(path).spread(MAX_SAMPLES)
        elif is_picture(path):
            samples.append(read_picture(path))
        elif path.exists():
            samples += VideoSource(path).spread(SAMPLES_OF_A_VIDEO)
        else:
            raise InputError(f"The background sample {path} does not exist. Check the path.")
    return samples[-MAX_SAMPLES:]


def give_samples(engine: Engine, paths: Sequence[Path], source: Source, report: Report) -> None:
    """Give an engine the samples at `paths`, or else the background estimated from the source.

    Raises:
        InputError: a sample cannot be read.
        PlateError: the engine needs samples, and there are none and none could be estimated.
    """
    if paths:
        engine.set_samples(load_samples(paths))
        return
    plate = None
    if source.fixed_camera:
        plate = plate_of_video(source.spread(FRAMES_FOR_ESTIMATE), engine)
    if plate is not None:
        report(
            "No background samples were given: the empty scene is estimated from the video. "
            "Give some (--samples) if the person seldom moves."
        )
        engine.set_samples([plate])
    elif engine.needs_samples:
        reason = (
            "none could be estimated: the camera moves, or the person stands still"
            if source.fixed_camera
            else "single pictures give no hint of it"
        )
        raise PlateError(
            f"'{engine.name}' needs a picture of the empty scene; none was given, and {reason}. "
            "Give one (--samples), or choose a network (--model; cleanplate doctor lists them)."
        )
