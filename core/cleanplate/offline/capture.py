"""Capturing background samples without OBS, from a camera or from a film of the empty scene."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from cleanplate.engine.imaging import Picture
from cleanplate.offline.errors import CameraError, InputError, OutputError
from cleanplate.offline.folders import make_folders, remove_empty
from cleanplate.offline.frames import Report
from cleanplate.offline.pictures import write_picture
from cleanplate.offline.video import VideoSource

SAMPLING_SECONDS = Fraction(2)
"""All samples of one capture together, as in OBS."""

CAMERA_SIZE = (1920, 1080)
"""Asked of a camera, which takes the nearest that it has; unasked it gives 640x480, no film's shape."""


def camera_frames(number: int) -> Generator[Picture]:
    """Pictures of a camera, for ever, as fast as it gives them.

    Args:
        number: 0 for the first camera.

    Raises:
        CameraError: it cannot be opened, or stops.
    """
    camera = _open(number)
    try:
        if not camera.isOpened():
            raise CameraError(
                f"Camera {number} cannot be opened. Close the programs that use it, or choose another number."
            )
        while True:
            good, picture = camera.read()
            if not good:
                raise CameraError(f"Camera {number} stopped giving pictures. Check its cable and try again.")
            yield picture.astype(np.uint8, copy=False)
    finally:
        camera.release()


def camera_rate(number: int) -> Fraction:
    """Frames per second that a camera announces, 30 where it does not."""
    camera = _open(number)
    rate = camera.get(cv2.CAP_PROP_FPS)
    camera.release()
    return Fraction(round(rate)) if rate >= 1 else Fraction(30)


def _open(number: int) -> cv2.VideoCapture:
    camera = cv2.VideoCapture(number)
    camera.set(cv2.CAP_PROP_FRAME_WIDTH, CAMERA_SIZE[0])
    camera.set(cv2.CAP_PROP_FRAME_HEIGHT, CAMERA_SIZE[1])
    return camera


def video_frames(path: Path, begin: float, report: Report) -> Generator[Picture]:
    """Pictures of a video from `begin` seconds on."""
    with closing(VideoSource(path).frames(report)) as frames:
        for frame in frames:
            if frame.time >= begin:
                yield frame.picture


def count_down(frames: Generator[Picture], seconds: int, say: Callable[[int], None]) -> None:
    """Let time pass, looking at all frames: the camera finds its exposure, and none of them is left over.

    Args:
        frames: of a camera.
        seconds: to pass.
        say: gets the seconds that are left, once each.
    """
    begin = time.monotonic()
    for left in range(seconds, 0, -1):
        say(left)
        while time.monotonic() < begin + seconds - left + 1:
            next(frames)


def refuse_samples(folder: Path) -> None:
    """See that a folder holds no samples: `--samples FOLDER` would use those of both captures together.

    Raises:
        OutputError: it does. An earlier capture may be worth keeping, so nothing is removed here.
    """
    if found := sorted(folder.glob("sample[0-9]*.png")):
        raise OutputError(
            f"{found[0]} is of an earlier capture. Choose another folder, or remove the samples in this one."
        )


def capture(
    frames: Generator[Picture],
    folder: Path,
    *,
    rate: Fraction,
    count: int,
    on_sample: Callable[[Picture], None],
) -> list[Path]:
    """Write background samples, each the mean of several frames: that takes most of the noise away.

    Args:
        frames: pictures of the empty scene; closed at the end.
        folder: gets `sample0.png` and so on, all or none of them; made if missing.
        rate: frames per second, to spread the samples over `SAMPLING_SECONDS`.
        count: samples to make.
        on_sample: gets each one after it is written.

    Returns:
        The files.

    Raises:
        InputError: there are fewer frames than samples.
        OutputError: the folder holds samples already, or cannot be written.
    """
    refuse_samples(folder)
    made = make_folders(folder)
    frames_each = max(1, int(rate * SAMPLING_SECONDS / count))
    paths: list[Path] = []
    try:
        with closing(frames):
            for number in range(count):
                sample = _mean(islice(frames, frames_each))
                if sample is None:
                    raise InputError(
                        f"The video ends after {number} of {count} samples. Take fewer, or begin earlier."
                    )
                path = folder / f"sample{number}.png"
                write_picture(path, sample)
                paths.append(path)
                on_sample(sample)
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        remove_empty(made)
        raise
    return paths


def _mean(pictures: Iterator[Picture]) -> Picture | None:
    """The mean of some pictures, None if there are none."""
    total = None
    taken = 0
    for picture in pictures:
        values = picture.astype(np.float32)
        total = values if total is None else total + values
        taken += 1
    return None if total is None else np.round(total / taken).astype(np.uint8)
