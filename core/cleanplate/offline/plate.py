"""The empty scene, put together from a film in which somebody moves about before a fixed camera."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.base import Engine
from cleanplate.engine.imaging import Picture, resize_picture, to_grey

FRAMES_FOR_ESTIMATE = 48
"""Pictures from all over a film that show each place of the room empty at some time."""

MIN_FRAMES = 8
"""With fewer pictures the median is not better than any of them."""

PERSON = 0.1
"""Matte value from which a pixel is taken for the person."""

MAX_UNSEEN = 0.02
"""Share of the room that may stay hidden all the time; it is filled in from its surroundings."""

MIN_SHARPNESS = 0.65
"""Share of a picture's contours that the median must keep; a camera that moves blurs them away."""


def estimate_plate(pictures: Sequence[Picture], engine: Engine) -> Picture | None:
    """Estimate the empty scene at the engine's size.

    A network that works without samples tells where the person is in each picture, and the median is taken
    over the other values. An engine that cannot tell gets the median of all: right where the person moves
    about so that every place is empty more than half of the time.

    Args:
        pictures: uint8 [H, W, 3] BGR, of one size, from all over the film.
        engine: without samples.

    Returns:
        uint8 [h, w, 3] BGR, or None where the camera moves or the person hides a part of the room throughout.
    """
    if len(pictures) < MIN_FRAMES:
        return None
    height, width = pictures[0].shape[:2]
    size = engine.input_size(width, height)
    stack = np.stack([resize_picture(picture, *size) for picture in pictures])
    if _sharpness(stack) < MIN_SHARPNESS:
        return None
    empty = np.ones(stack.shape[:3], bool) if engine.needs_samples else _empty(stack, engine)
    seen: NDArray[np.bool_] = np.any(empty, axis=0)
    if 1 - seen.mean() > MAX_UNSEEN:
        return None
    plate = _median(stack, empty)
    return cv2.inpaint(plate, (~seen).astype(np.uint8), 3, cv2.INPAINT_TELEA).astype(np.uint8, copy=False)


def _sharpness(stack: NDArray[np.uint8]) -> float:
    """Contours of the median picture over those of the typical one; near 1 where the camera stands still."""

    def contours(picture: Picture) -> float:
        smooth = cv2.GaussianBlur(to_grey(picture), (5, 5), 0)
        return float(np.abs(cv2.Laplacian(smooth, cv2.CV_32F)).mean())

    typical = float(np.median([contours(picture) for picture in stack]))
    median: Picture = np.median(stack, axis=0).astype(np.uint8)
    return contours(median) / (typical + 1e-6)


def _empty(stack: NDArray[np.uint8], engine: Engine) -> NDArray[np.bool_]:
    """Where each picture shows the room, bool [N, h, w]; the person's surroundings do not count."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    empty = []
    for picture in stack:
        person = (engine.stream().process(picture).alpha > PERSON).astype(np.uint8)
        empty.append(cv2.dilate(person, kernel) == 0)
    return np.stack(empty)


def _median(stack: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Picture:
    """Median of each pixel over its valid values, 0 where it has none."""
    values = np.where(valid[..., np.newaxis], stack.astype(np.int16), np.int16(256))
    values.sort(axis=0)
    middle = np.maximum(valid.sum(axis=0) - 1, 0) // 2
    median = np.take_along_axis(values, middle[np.newaxis, ..., np.newaxis], axis=0)[0]
    return np.where(median == 256, 0, median).astype(np.uint8)
