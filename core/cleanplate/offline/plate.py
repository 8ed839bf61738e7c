"""The empty scene, put together from a film in which somebody moves about before a fixed camera."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from cleanplate.engine.base import Engine
from cleanplate.engine.imaging import Picture, resize_picture
from cleanplate.engine.samples import estimate_plate

FRAMES_FOR_ESTIMATE = 48
"""Pictures from all over a film that show each place of the room empty at some time."""

MIN_FRAMES = 8
"""With fewer pictures the median is not better than any of them."""

PERSON = 0.1
"""Matte value from which a pixel is taken for the person."""

MAX_UNSEEN = 0.02
"""Share of the room that may stay hidden all the time; it is painted in from its surroundings."""

MIN_SHARPNESS = 0.65
"""Share of a picture's contours that the median must keep; a camera that moves blurs them away."""


def plate_of_video(pictures: Iterable[Picture], engine: Engine) -> Picture | None:
    """Estimate the empty scene at the engine's size.

    A network that works without samples tells where the person is in each picture; an engine that cannot tell
    gets the median of all, which is right where the person moves about so that every place is empty more than
    half of the time.

    Args:
        pictures: uint8 [H, W, 3] BGR, from all over the film; taken one by one, for many large ones do not
            fit into memory.
        engine: without samples.

    Returns:
        uint8 [h, w, 3] BGR, or None where the camera moves or the person hides a part of the room throughout.
    """
    frames: list[Picture] = []
    size = (0, 0)
    for picture in pictures:
        if not frames:
            size = engine.input_size(picture.shape[1], picture.shape[0])
        frames.append(resize_picture(picture, *size))
    if len(frames) < MIN_FRAMES or _sharpness(frames) < MIN_SHARPNESS:
        return None
    if engine.needs_samples:
        return estimate_plate(frames)
    people = [_people(frame, engine) for frame in frames]
    if np.mean(np.min(people, axis=0)) > MAX_UNSEEN:
        return None
    return estimate_plate(frames, people)


def _sharpness(frames: Sequence[Picture]) -> float:
    """Contours of the median picture over those of the typical one; near 1 where the camera stands still."""

    def contours(picture: Picture) -> float:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        return float(np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (5, 5), 0), cv2.CV_32F)).mean())

    typical = float(np.median([contours(frame) for frame in frames]))
    return contours(estimate_plate(frames)) / (typical + 1e-6)


def _people(frame: Picture, engine: Engine) -> Picture:
    """Where a person may be, uint8 [h, w] 0 or 1, rather too wide than too tight."""
    person = (engine.stream().process(frame).alpha > PERSON).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    return cv2.dilate(person, kernel).astype(np.uint8, copy=False)
