"""Reads the background samples that the filter names, and says which of them cannot be used and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from cleanplate.engine.errors import SampleError
from cleanplate.engine.imaging import Picture, resize_picture
from cleanplate.engine.samples import ASPECT_TOLERANCE, MAX_SAMPLES, load_sample
from cleanplate.wire.protocol import MAX_HEIGHT, MAX_WIDTH


@dataclass(frozen=True)
class Sample:
    """A background sample in use.

    Attributes:
        file: where it came from.
        luma: mean brightness, 0..255, which tells exposures apart.
        width: of the file, pixels.
        height: of the file, pixels.
    """

    file: Path
    luma: float
    width: int
    height: int


@dataclass(frozen=True)
class SampleReport:
    """Which samples are in use and which are not.

    Attributes:
        used: newest last.
        refused: file and reason, in words for the user.
    """

    used: list[Sample] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)


def read_samples(files: Sequence[Path]) -> tuple[list[Picture], SampleReport]:
    """Read all files that can be read and go together.

    The newest readable one sets the aspect: it shows the camera as it is now.

    Args:
        files: newest last.

    Returns:
        Pictures, uint8 [H, W, 3] BGR each, newest last, at most `MAX_SAMPLES`, none larger than a frame may
        be; and what became of each file.
    """
    images: list[Picture] = []
    report = SampleReport()
    for file in reversed(files):
        try:
            image = _read(file, report.used)
        except SampleError as error:
            report.refused.append((file, str(error)))
            continue
        height, width = image.shape[:2]
        luma = float(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean())
        images.append(_as_small_as_frames(image))
        report.used.append(Sample(file, luma, width, height))
    for newest_first in (images, report.used, report.refused):
        newest_first.reverse()
    return images, report


def _read(file: Path, newer: Sequence[Sample]) -> Picture:
    """Read a file that must go with the newer samples, the newest of which comes first."""
    if len(newer) == MAX_SAMPLES:
        raise SampleError(f"Only the newest {MAX_SAMPLES} samples are used. Remove older ones.")
    image = load_sample(file)
    if newer:
        (height, width), newest = image.shape[:2], newer[0]
        if abs(width * newest.height / (height * newest.width) - 1) > ASPECT_TOLERANCE:
            raise SampleError(
                f"It is {width}x{height}, the newest sample {newest.width}x{newest.height}: another aspect. "
                "Capture the background again."
            )
    return image


def _as_small_as_frames(image: Picture) -> Picture:
    """What a frame cannot show is not kept: a sample of a 4K camera takes 25 MB."""
    height, width = image.shape[:2]
    scale = min(MAX_WIDTH / width, MAX_HEIGHT / height)
    if scale >= 1:
        return image
    return resize_picture(image, max(1, round(width * scale)), max(1, round(height * scale)))
