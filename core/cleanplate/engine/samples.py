"""Background samples: loading, checking, and the per-pixel statistics of the empty scene.

A *background sample* is one picture of the empty scene, captured by the user; the *clean plate* is
the estimate made from all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.errors import SampleError
from cleanplate.engine.imaging import Picture, change, decode_picture, resize_picture

MAX_SAMPLES = 16
"""More samples than this bring nothing and slow down every capture."""

NOISE_FLOOR = 2.0
"""Smallest standard deviation (of 255) that a pixel is given: sensor noise and coding artefacts."""

ASPECT_TOLERANCE = 0.2
"""Largest relative difference in aspect between sample and frame; rounding to a network's size makes some."""


SHRINK = 4
"""Samples are made this much smaller before they are compared: noise goes, things stay."""

SAME_LEVEL = 10
"""Difference (of 255) up to which a pixel shows the same."""

SAME_SHARE = 0.002
"""Share of pixels that may show something else: less than a hand."""


@dataclass(frozen=True)
class Plate:
    """The clean plate at one size.

    Attributes:
        mean: the empty scene, median over the samples, float32 [H, W, 3] BGR, 0..255, in the exposure of
            the newest.
        noise: standard deviation over the samples, float32 [H, W, 3], 0..255, at least `NOISE_FLOOR`.
    """

    mean: NDArray[np.float32]
    noise: NDArray[np.float32]


class BackgroundSamples:
    """A checked set of 0 to 16 background samples, at any frame size that has their aspect.

    Args:
        images: uint8 [H, W, 3] BGR each, any size; the newest last.

    Raises:
        SampleError: too many samples, or one is not an 8-bit BGR picture.
    """

    def __init__(self, images: Sequence[NDArray[np.uint8]] = ()) -> None:
        if len(images) > MAX_SAMPLES:
            raise SampleError(f"{len(images)} background samples were given; keep at most {MAX_SAMPLES}.")
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
                raise SampleError(
                    f"A background sample has shape {image.shape} and type {image.dtype}; "
                    "give 8-bit BGR pictures."
                )
        self._images = [np.array(image) for image in images]

    def __len__(self) -> int:
        return len(self._images)

    def resized(self, width: int, height: int) -> list[NDArray[np.uint8]]:
        """The samples at a frame's size.

        Raises:
            SampleError: a sample has another aspect than the frame.
        """
        for image in self._images:
            aspect = image.shape[1] / image.shape[0]
            if abs(aspect / (width / height) - 1) > ASPECT_TOLERANCE:
                raise SampleError(
                    f"A background sample of {image.shape[1]}x{image.shape[0]} is {aspect:.2f} times as wide "
                    f"as high, the video {width / height:.2f} times. Capture the background again, with the "
                    "camera set to the video's aspect ratio."
                )
        return [resize_picture(image, width, height) for image in self._images]


def plate_of(samples: Sequence[NDArray[np.uint8]]) -> Plate:
    """Median and noise over samples of one size, after bringing them to the newest one's exposure.

    The median, so that somebody who left too late is in one sample only, and not in the plate.
    """
    reference = samples[-1].astype(np.float32)
    aligned = [reference]
    for sample in samples[:-1]:
        picture = sample.astype(np.float32)
        gain = np.median((reference + 8) / (picture + 8), axis=(0, 1))
        aligned.append((picture * gain).astype(np.float32))
    stack = np.stack(aligned)
    middle = np.median(stack, axis=0).astype(np.float32)
    # 1.25 makes a standard deviation of a mean absolute one where noise is normal.
    noise = np.maximum(1.25 * np.abs(stack - middle).mean(axis=0), NOISE_FLOOR)
    return Plate(middle, noise.astype(np.float32))


def distinct(samples: Sequence[Picture]) -> list[Picture]:
    """Join the samples that show the same: each group of them becomes its mean, the newest group last.

    A network compares a frame with every sample that it is given, and takes its time for each.

    Args:
        samples: uint8 [H, W, 3] BGR each, of one size, the newest last.
    """
    groups: list[tuple[Picture, list[Picture]]] = []  # newest first, each with its newest made small
    for sample in reversed(samples):
        height, width = sample.shape[:2]
        small = resize_picture(sample, max(1, width // SHRINK), max(1, height // SHRINK))
        members = next((members for newest, members in groups if _shows_the_same(newest, small)), None)
        if members is None:
            groups.append((small, [sample]))
        else:
            members.append(sample)
    means = [np.mean(members, axis=0, dtype=np.float32) for _, members in reversed(groups)]
    return [np.round(mean).astype(np.uint8) for mean in means]


def _shows_the_same(a: Picture, b: Picture) -> bool:
    return float((change(a, b) > SAME_LEVEL).mean()) < SAME_SHARE


def load_sample(path: Path) -> NDArray[np.uint8]:
    """Read a sample file.

    Returns:
        uint8 [H, W, 3] BGR.

    Raises:
        SampleError: the file is missing or no picture.
    """
    try:
        image = decode_picture(path)
    except OSError as error:
        raise SampleError(
            f"The background sample {path} cannot be read ({error}). Capture it again."
        ) from error
    if image is None:
        raise SampleError(f"The background sample {path} is not a picture. Capture it again.")
    return image


INPAINT_SIDE = 512
"""Longer side, pixels, at which what was never seen is painted in: finer detail would be invented."""

_UNSEEN = np.uint16(256)
"""Sorts behind every 8-bit value."""

_BAND = 64
"""Rows that are sorted at once, so that many large frames fit into memory."""


def estimate_plate(
    frames: Sequence[NDArray[np.uint8]], masks: Sequence[NDArray[np.uint8]] | None = None
) -> NDArray[np.uint8]:
    """Estimate the empty scene from frames with people in them, taken by a camera that stands still.

    "For each pair of coordinates on the frame, the median colour was calculated among the frames where this
    pixel is considered background", and the rest is in-painted: Nemchinov 2020, section 3.3 (paper 004).

    Args:
        frames: uint8 [H, W, 3] BGR each, of one size.
        masks: [H, W] each, not 0 where a person may be (wide rather than tight); None if people move
            enough for the plain median.

    Returns:
        uint8 [H, W, 3] BGR.

    Raises:
        SampleError: there is no frame, or no pixel that is ever free.
    """
    if not frames:
        raise SampleError("A background cannot be estimated without frames. Give at least one.")
    plate = np.empty_like(frames[0])
    unseen = np.zeros(plate.shape[:2], bool)
    for top in range(0, len(plate), _BAND):
        rows = slice(top, top + _BAND)
        stack = np.stack([frame[rows] for frame in frames]).astype(np.uint16)
        if masks is not None:
            stack[np.stack([mask[rows] for mask in masks]) != 0] = _UNSEEN
        stack.sort(axis=0)
        seen = (stack[:, :, :, 0] != _UNSEEN).sum(axis=0)
        middle = np.maximum(seen - 1, 0) // 2
        plate[rows] = np.take_along_axis(stack, middle[np.newaxis, :, :, np.newaxis], axis=0)[0] % _UNSEEN
        unseen[rows] = seen == 0
    if unseen.all():
        raise SampleError("People cover every pixel of every frame. Capture the empty scene instead.")
    return _paint_in(plate, unseen)


def _paint_in(plate: NDArray[np.uint8], unseen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    if not unseen.any():
        return plate
    height, width = unseen.shape
    scale = min(1.0, INPAINT_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    hole = cv2.resize(unseen.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    # Half-unseen pixels of the small picture must not bleed in.
    hole = cv2.dilate(hole, np.ones((3, 3), np.uint8))
    painted = cv2.inpaint(resize_picture(plate, *size), hole, 5, cv2.INPAINT_TELEA).astype(
        np.uint8, copy=False
    )
    return np.where(unseen[:, :, np.newaxis], resize_picture(painted, width, height), plate)
