"""Pairs of pictures whose motion is known, to train optical flow on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleanplate.data.geometry import Float, displace, similarity, smooth_field

UInt8 = NDArray[np.uint8]

REACH = 0.06  # of the width: the longest usual shift
STANDS_STILL = 0.4  # chance that the camera does
NOISE = 5.0  # greatest standard deviation, of 255


class MovedPair(NamedTuple):
    """Two moments of a scene.

    Attributes:
        now: uint8 [H, W, 3].
        before: Likewise.
        flow: float32 [H, W, 2]: how far right and down, in pixels, each place of `now` was in `before`.
    """

    now: UInt8
    before: UInt8
    flow: Float


def moved_pair(rng: np.random.Generator, room: UInt8, person: UInt8, pha: UInt8) -> MovedPair:
    """Return a person who moves before a room, which moves by itself: turned, zoomed, shifted and bent.

    Args:
        rng: Random numbers.
        room: uint8 [H, W, 3], the picture behind.
        person: Likewise, the picture in front.
        pha: uint8 [H, W], where that is seen.
    """
    shape = (pha.shape[0], pha.shape[1])
    still = np.zeros((*shape, 2), np.float32)
    of_room = still if rng.random() < STANDS_STILL else _motion(rng, *shape)
    of_person = _motion(rng, *shape)
    layers = np.dstack([person, pha]).astype(np.float32)
    moved = displace(layers, of_person)
    pictures = (
        _joined(displace(room.astype(np.float32), of_room), moved),
        _joined(room.astype(np.float32), layers),
    )
    noise = float(rng.uniform(0, NOISE))
    now, before = (
        np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        for picture in pictures
    )
    return MovedPair(now, before, np.where(moved[..., 3:] > 127, of_person, of_room))


def _joined(room: Float, layers: Float) -> Float:
    alpha = layers[..., 3:] / np.float32(255)
    return room + (layers[..., :3] - room) * alpha


def _motion(rng: np.random.Generator, height: int, width: int) -> Float:
    """Return a random motion, from none to a fast one, float32 [height, width, 2] in pixels."""
    speed = float(rng.uniform(0, 1)) ** 2 * REACH
    matrix = similarity(
        float(rng.normal(0, 40 * speed)),
        float(np.exp(rng.normal(0, speed))),
        (float(rng.uniform(0, width)), float(rng.uniform(0, height))),
        (float(rng.normal(0, speed * width)), float(rng.normal(0, speed * width))),
    )
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = np.stack([x, y, np.ones_like(x)], -1) @ matrix.T
    motion: Float = moved - np.stack([x, y], -1) + smooth_field(rng, height, width, 0.2 * speed * width)
    return motion
