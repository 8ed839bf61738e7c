"""Drawn scenes whose true matte is known; a scene stands still, the camera adds noise."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WIDTH, HEIGHT = 512, 288
SHIRT = (60, 50, 120)
SKIN = (120, 150, 200)


def draw_room() -> NDArray[np.float32]:
    """A wall that brightens to the right, with a picture, a shelf and striped cloths, through a lens."""
    room = np.full((HEIGHT, WIDTH, 3), (150, 170, 165), np.float32)
    room += np.linspace(-30, 30, WIDTH, dtype=np.float32)[np.newaxis, :, np.newaxis]
    room[40:120, 60:140] = (60, 90, 140)
    room[50:110, 70:130] = (120, 160, 90)
    room[180:, 340:460] = (190, 200, 210)
    room[200:210, 340:460] = (70, 80, 90)
    for stripe in range(0, 120, 16):
        room[30 + stripe : 36 + stripe, 400:480] = (90, 60, 50)
        room[200:280, 10 + stripe : 16 + stripe] = (60, 60, 60)
    return np.asarray(cv2.GaussianBlur(room, (0, 0), 1), np.float32)


def furnished_room() -> NDArray[np.float32]:
    """The room with things of all sizes on the walls, as rooms have them."""
    random = np.random.default_rng(5)
    room = draw_room()
    for _ in range(60):
        x, y = random.integers(WIDTH), random.integers(HEIGHT)
        width, height = random.integers(10, 50, 2)
        room[y : y + height, x : x + width] = random.integers(30, 200, 3)
    return room


def person_mask(x: int = 256, scale: float = 1.0) -> Mask:
    """Head and shoulders that reach the lower edge."""
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    head = (columns - x) ** 2 + ((rows - 105) * 0.8) ** 2 < (36 * scale) ** 2
    shoulders = ((columns - x) / (85 * scale)) ** 2 + ((rows - 288) / 130) ** 2 < 1
    return head | shoulders


def add_person(room: NDArray[np.float32], mask: Mask) -> NDArray[np.float32]:
    """The room with a person of skin and shirt, whose edge is one pixel soft."""
    rows = np.arange(HEIGHT)[:, np.newaxis, np.newaxis]
    person = np.where(rows < 145, np.array(SKIN, np.float32), np.array(SHIRT, np.float32))
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)[:, :, np.newaxis]
    return (alpha * person + (1 - alpha) * room).astype(np.float32)


def photograph(scene: NDArray[np.float32], seed: int, noise: float = 2.0) -> Picture:
    """What a camera makes of a scene: noise and 8 bits."""
    random = np.random.default_rng(seed)
    return np.clip(np.round(scene + random.normal(0, noise, scene.shape)), 0, 255).astype(np.uint8)


def iou(found: NDArray[np.float32], true: Mask) -> float:
    """Intersection over union at the threshold 0.5."""
    person = found > 0.5
    return float((person & true).sum() / (person | true).sum())
