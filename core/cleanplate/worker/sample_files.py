"""Reads the background samples that the filter names, and says which of them cannot be used and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.errors import SampleError
from cleanplate.engine.samples import ASPECT_TOLERANCE, MAX_SAMPLES, load_sample


@dataclass(frozen=True)
class Sample:
    """A background sample in use.

    Attributes:
        file: where it came from.
        luma: mean brightness, 0..255, which tells exposures apart.
        width: pixels.
        height: pixels.
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


def read_samples(files: Sequence[Path]) -> tuple[list[NDArray[np.uint8]], SampleReport]:
    """Read all files that can be read and go together.

    The newest readable one sets the aspect: it shows the camera as it is now.

    Args:
        files: newest last.

    Returns:
        Pictures, uint8 [H, W, 3] BGR each, newest last, at most `MAX_SAMPLES`; and what became of each file.
    """
    images: list[NDArray[np.uint8]] = []
    report = SampleReport()
    for file in reversed(files):
        try:
            image = _read(file, images)
        except SampleError as error:
            report.refused.append((file, str(error)))
            continue
        height, width = image.shape[:2]
        luma = float(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean())
        images.append(image)
        report.used.append(Sample(file, luma, width, height))
    for newest_first in (images, report.used, report.refused):
        newest_first.reverse()
    return images, report


def _read(file: Path, newer: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Read a file that must go with the newer samples, the newest of which comes first."""
    if len(newer) == MAX_SAMPLES:
        raise SampleError(f"Only the newest {MAX_SAMPLES} samples are used. Remove older ones.")
    image = load_sample(file)
    if newer:
        (height, width), (newest_height, newest_width) = image.shape[:2], newer[0].shape[:2]
        if abs(width * newest_height / (height * newest_width) - 1) > ASPECT_TOLERANCE:
            raise SampleError(
                f"It is {width}x{height}, the newest sample {newest_width}x{newest_height}: another aspect. "
                "Capture the background again."
            )
    return image
