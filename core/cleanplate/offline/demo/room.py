"""The demo's room, and the landscape that replaces it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.offline.demo.drawing import Canvas, Colour, curve

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 960, 540
FLOOR = 452
"""Height at which the wall ends."""

_WHITE = (226, 232, 234)
_WOOD = (58, 92, 134)
_DARK_WOOD = (40, 66, 98)


def room() -> Picture:
    """A furnished living room in daylight, with a portrait on the wall; uint8 [540, 960, 3] BGR."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.box(0, 0, WIDTH, FLOOR, (158, 172, 150))
    _floor(canvas)
    _window(canvas)
    _portrait(canvas)
    _bookcase(canvas)
    _lamp(canvas)
    _plant(canvas)
    colour, _ = canvas.result()
    return _lit(colour)


def _floor(canvas: Canvas) -> None:
    canvas.box(0, FLOOR, WIDTH, HEIGHT, (76, 116, 158))
    rng = np.random.default_rng(4)
    for plank in range(-14, 15):
        tone = int(rng.integers(-10, 11))
        left, right = WIDTH / 2 + plank * 62, WIDTH / 2 + (plank + 1) * 62
        corners = [(left, float(FLOOR)), (right, float(FLOOR))]
        corners += [(WIDTH / 2 + (x - WIDTH / 2) * 1.9, float(HEIGHT)) for x in (right, left)]
        canvas.polygon(corners, (76 + tone, 116 + tone, 158 + tone))
        canvas.stroke([corners[0], corners[3]], 1, (58, 92, 130))
    canvas.box(0, FLOOR - 14, WIDTH, FLOOR, _WHITE)
    canvas.box(0, FLOOR - 2, WIDTH, FLOOR, (150, 158, 160))


def _window(canvas: Canvas) -> None:
    left, top, right, bottom = 84, 56, 290, 318
    canvas.box(left - 12, top - 12, right + 12, bottom + 12, _WHITE)
    for row in range(top, bottom):
        share = (row - top) / (bottom - top)
        canvas.box(
            left, row, right, row + 1, (245 - int(20 * share), 214 + int(20 * share), 160 + int(70 * share))
        )
    canvas.ellipse((150, 110), (30, 11), (250, 250, 248))
    canvas.ellipse((178, 104), (26, 14), (250, 250, 248))
    canvas.polygon(
        [(84, 250), (140, 214), (200, 244), (252, 220), (290, 238), (290, 318), (84, 318)], (150, 168, 120)
    )
    canvas.polygon([(84, 282), (160, 262), (230, 284), (290, 268), (290, 318), (84, 318)], (96, 140, 84))
    canvas.box((left + right) / 2 - 4, top, (left + right) / 2 + 4, bottom, _WHITE)
    canvas.box(left, 178, right, 184, _WHITE)
    canvas.box(left - 26, bottom + 12, right + 26, bottom + 26, (206, 214, 217))
    canvas.stroke([(40, 34), (336, 34)], 6, _DARK_WOOD)
    for side, begin in ((1, 44), (-1, 332)):
        for fold in range(7):
            x = begin + side * fold * 8
            tone = 20 if fold % 2 else 0
            canvas.polygon(
                [(x, 36), (x + side * 9, 36), (x + side * 10, 418), (x - side, 422)],
                (170 - tone, 186 - tone, 222 - tone),
            )


def _portrait(canvas: Canvas) -> None:
    """A face that is part of the room."""
    canvas.box(356, 70, 468, 216, (44, 48, 52))
    canvas.box(362, 76, 462, 210, (214, 226, 232))
    canvas.box(371, 85, 453, 201, (120, 108, 62))
    canvas.polygon(curve([(375, 201), (390, 176), (412, 170), (434, 176), (449, 201)]), (70, 74, 190))
    canvas.box(403, 154, 421, 176, (134, 170, 216))
    canvas.ellipse((412, 134), (21, 27), (146, 184, 228))
    hair = [(389, 138), (391, 108), (412, 98), (433, 108), (435, 138), (427, 120), (404, 116)]
    canvas.polygon(curve(hair), (40, 44, 62))
    for x in (404, 420):
        canvas.ellipse((x, 134), (2.5, 2), (50, 40, 40))
    canvas.stroke([(406, 147), (412, 149), (418, 147)], 1.5, (90, 90, 170))


def _bookcase(canvas: Canvas) -> None:
    left, right, top = 690, 912, 74
    canvas.box(left - 8, top - 8, right + 8, FLOOR, _WOOD)
    canvas.box(left, top, right, FLOOR - 8, _DARK_WOOD)
    rng = np.random.default_rng(11)
    colours: list[Colour] = [
        (72, 70, 168), (140, 94, 50), (84, 130, 70), (60, 150, 206), (178, 176, 170),
        (96, 60, 110), (56, 96, 186),
    ]  # fmt: skip
    for shelf in range(4):
        bottom = top + 88 + shelf * 90
        x = left + 6.0
        while x < right - 20 and not (shelf == 1 and x > 806):
            width, height = float(rng.integers(9, 20)), float(rng.integers(48, 72))
            b, g, r = colours[int(rng.integers(len(colours)))]
            canvas.box(x, bottom - height, x + width, bottom, (b, g, r))
            canvas.box(
                x + 2,
                bottom - height + 8,
                x + width - 2,
                bottom - height + 12,
                (b // 2 + 110, g // 2 + 110, r // 2 + 110),
            )
            x += width + 1
        canvas.box(left, bottom, right, bottom + 7, _WOOD)
    canvas.ellipse((858, 236), (19, 16), (190, 196, 198))  # a vase
    canvas.box(851, 200, 865, 226, (190, 196, 198))
    for lean in (-14, 0, 13):
        canvas.stroke([(858, 202), (858 + lean, 176)], 2, (70, 120, 80))
        canvas.ellipse((858 + lean, 174), (7, 7), (90, 110, 230))


def _lamp(canvas: Canvas) -> None:
    canvas.stroke([(628, 210), (628, 452)], 4, (50, 54, 58))
    canvas.ellipse((628, 456), (26, 6), (44, 48, 52))
    canvas.polygon([(606, 150), (650, 150), (668, 212), (588, 212)], (176, 220, 246))


def _plant(canvas: Canvas) -> None:
    for angle in range(-70, 71, 20):
        lean = np.radians(angle)
        tip = (58 + 92 * float(np.sin(lean)), 396 - 104 * float(np.cos(lean)))
        canvas.stroke([(58, 420), ((58 + tip[0]) / 2, (410 + tip[1]) / 2), tip], 3, (58, 104, 62))
        middle = ((58 + 2 * tip[0]) / 3, (410 + 2 * tip[1]) / 3)
        canvas.ellipse(middle, (12, 36), (74 + abs(angle) // 4, 140 - abs(angle) // 5, 84), angle)
    canvas.polygon([(24, 416), (92, 416), (84, 484), (32, 484)], (70, 104, 176))
    canvas.box(20, 410, 96, 424, (82, 118, 190))


def _lit(colour: NDArray[np.float32]) -> Picture:
    """Light from the window, and a little from the lamp."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    window = np.exp(-(((columns - 220) / 620) ** 2 + ((rows - 220) / 420) ** 2))
    lamp = np.exp(-(((columns - 628) / 120) ** 2 + ((rows - 190) / 110) ** 2))
    floor = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.fillPoly(floor, [np.array([(330, 470), (520, 452), (640, 540), (380, 540)], np.int32)], (1.0,))
    patch = cv2.GaussianBlur(floor, (0, 0), 7)
    light = (0.62 + 0.42 * window + 0.22 * patch)[..., np.newaxis] + lamp[..., np.newaxis] * np.array(
        [0.05, 0.16, 0.24]
    )
    lit: Picture = np.clip(colour * light, 0, 255).astype(np.uint8)
    return lit


def landscape() -> Picture:
    """Mountains at sunset, uint8 [540, 960, 3] BGR."""
    canvas = Canvas(WIDTH, HEIGHT)
    top, low = np.array([112, 62, 44]), np.array([120, 176, 250])
    for row in range(HEIGHT):
        share = min(1.0, row / 360)
        blue, green, red = (int(value) for value in top + (low - top) * share**1.4)
        canvas.box(0, row, WIDTH, row + 1, (blue, green, red))
    canvas.ellipse((690, 300), (44, 44), (190, 232, 255))
    rng = np.random.default_rng(2)
    for layer in range(5):
        base, rough = 300 + 46 * layer, 64 - 9 * layer
        ridge = np.cumsum(rng.normal(0, 1, 97))
        ridge = ridge - np.linspace(ridge[0], ridge[-1], 97)
        heights = base + ridge / np.abs(ridge).max() * rough
        shade = layer / 4
        near, far = np.array([52, 34, 30]), np.array([150, 128, 176])
        blue, green, red = (int(value) for value in far + (near - far) * shade)
        line = [(10.0 * index, float(height)) for index, height in enumerate(heights)]
        canvas.polygon([*line, (float(WIDTH), float(HEIGHT)), (0.0, float(HEIGHT))], (blue, green, red))
    colour, _ = canvas.result()
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    glow = np.exp(-(((columns - 690) ** 2 + (rows - 300) ** 2) / 150**2))[..., np.newaxis]
    glowing = cv2.GaussianBlur(colour, (0, 0), 0.8) + glow * np.array([20, 50, 70])
    picture: Picture = np.clip(glowing, 0, 255).astype(np.uint8)
    return picture
