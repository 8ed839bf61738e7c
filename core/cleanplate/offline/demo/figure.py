"""The demo's figure: comes in from the right, talks, waves, and leaves again."""

from dataclasses import dataclass
from math import cos, pi, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.offline.demo.drawing import Canvas, Point, curve
from cleanplate.offline.demo.room import HEIGHT, WIDTH

SECONDS = 12.0
"""Length of the act; it can be repeated at once, for it begins and ends with the empty room."""

_WALK = 1.6
"""Seconds from the edge of the picture to the middle, and back."""

_SKIN = (132, 170, 222)
_SKIN_SHADE = (108, 142, 196)
_HAIR = (34, 44, 66)
_JUMPER = (66, 150, 214)
_JUMPER_SHADE = (50, 122, 184)
_HEADSET = (58, 54, 52)
_LIPS = (96, 96, 180)
_WHITE = (240, 242, 244)


@dataclass(frozen=True)
class Pose:
    """Where everything is.

    Attributes:
        x: of the middle of the body, pixels.
        y: of the shoulders' line, pixels.
        tilt: of the head to the right, radians.
        wave: of the raised hand, -1 to 1.
        raised: how far the hand is up, 0 to 1.
        mouth: how far it is open, 0 to 1.
        blink: whether the eyes are shut.
    """

    x: float
    y: float
    tilt: float
    wave: float
    raised: float
    mouth: float
    blink: bool


def pose_at(time: float) -> Pose:
    """The pose at a time in seconds."""
    time %= SECONDS
    away = max(0.0, 1 - time / _WALK, 1 - (SECONDS - time) / _WALK)
    walking = 0 < away < 1
    raised = min(1.0, max(0.0, 1.5 - abs(time - 5.2) * 0.75))
    return Pose(
        x=WIDTH * 0.57 + 16 * sin(2 * pi * time / 4.7) + (WIDTH * 0.43 + 260) * away,
        y=392 + 3 * sin(2 * pi * time / 3.1) + (9 * sin(2 * pi * time * 2.2) if walking else 0),
        tilt=0.09 * sin(2 * pi * time / 3.7),
        wave=sin(2 * pi * time * 1.3),
        raised=raised * raised * (3 - 2 * raised),
        mouth=0.5 + 0.5 * sin(2 * pi * time * 2.1) * sin(2 * pi * time / 2.9),
        blink=time % 2.7 < 0.12,
    )


def draw(pose: Pose) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The figure alone.

    Returns:
        Colours, float32 [H, W, 3] BGR 0..255, and its true matte, float32 [H, W] 0..1.
    """
    canvas = Canvas(WIDTH, HEIGHT)
    if -300 < pose.x < WIDTH + 300:
        _hair_behind(canvas, pose)
        _body(canvas, pose)
        _head(canvas, pose)
        _arm(canvas, pose)
    colour, matte = canvas.result()
    return _shaded(colour, matte, pose), matte


def _body(canvas: Canvas, pose: Pose) -> None:
    x, y = pose.x, pose.y
    outline = [
        (x - 46, y - 26), (x - 96, y - 8), (x - 142, y + 34), (x - 168, y + 130), (x - 176, HEIGHT + 60),
        (x + 176, HEIGHT + 60), (x + 168, y + 130), (x + 142, y + 34), (x + 96, y - 8), (x + 46, y - 26),
    ]  # fmt: skip
    canvas.polygon(curve(outline), _JUMPER)
    for row in range(5):
        top = y + 42 + row * 26
        canvas.stroke([(x - 118, top + 8), (x, top + 16), (x + 118, top + 8)], 5, _JUMPER_SHADE)
    canvas.polygon(
        curve([(x - 34, y - 74), (x + 34, y - 74), (x + 40, y - 20), (x, y + 4), (x - 40, y - 20)]),
        _SKIN_SHADE,
    )
    canvas.stroke(
        curve([(x - 44, y - 26), (x, y + 8), (x + 44, y - 26), (x, y + 7)])[:25], 12, (78, 166, 228)
    )


def _hair_behind(canvas: Canvas, pose: Pose) -> None:
    place = _Head(pose)
    canvas.polygon(
        place.all(
            curve(
                [
                    (-66, -40),
                    (-40, -92),
                    (0, -104),
                    (40, -92),
                    (66, -40),
                    (74, 40),
                    (60, 96),
                    (-60, 96),
                    (-74, 40),
                ]
            )
        ),
        _HAIR,
    )


def _head(canvas: Canvas, pose: Pose) -> None:
    place = _Head(pose)
    for side in (-1, 1):
        canvas.ellipse(place((side * 55, 6)), (10, 16), _SKIN_SHADE)
    canvas.polygon(
        place.all(
            curve(
                [
                    (-54, -20),
                    (-40, -74),
                    (0, -86),
                    (40, -74),
                    (54, -20),
                    (48, 38),
                    (22, 74),
                    (0, 80),
                    (-22, 74),
                    (-48, 38),
                ]
            )
        ),
        _SKIN,
    )
    canvas.polygon(
        place.all(
            curve(
                [
                    (-62, 4),
                    (-62, -56),
                    (-28, -98),
                    (28, -98),
                    (62, -56),
                    (62, 4),
                    (50, -36),
                    (20, -56),
                    (-24, -44),
                    (-50, -30),
                ]
            )
        ),
        _HAIR,
    )
    for side in (-1, 1):
        eye = place((side * 22, -4))
        if pose.blink:
            canvas.stroke([place((side * 22 - 9, -3)), place((side * 22 + 9, -3))], 3, _HAIR)
        else:
            canvas.ellipse(eye, (10, 7), _WHITE)
            canvas.ellipse(eye, (5.5, 6), (74, 92, 60))
            canvas.ellipse(eye, (2.5, 3), (20, 20, 20))
        canvas.stroke([place((side * 11, -23)), place((side * 23, -27)), place((side * 34, -22))], 4, _HAIR)
        canvas.ellipse(place((side * 32, 24)), (11, 7), (120, 150, 226))
    canvas.stroke([place((2, 2)), place((-5, 24)), place((5, 27))], 3, _SKIN_SHADE)
    drop = 50 + 10 * pose.mouth
    canvas.polygon(place.all(curve([(-22, 42), (0, 45), (22, 42), (12, drop), (-12, drop)])), _LIPS)
    canvas.polygon(place.all(curve([(-16, 45), (0, 47), (16, 45), (8, drop - 4), (-8, drop - 4)])), _WHITE)
    _headset(canvas, place)


def _headset(canvas: Canvas, place: "_Head") -> None:
    band = [place((68 * sin(angle), -12 - 92 * cos(angle))) for angle in np.linspace(-1.45, 1.45, 24)]
    canvas.stroke(band, 8, _HEADSET)
    for side in (-1, 1):
        canvas.ellipse(place((side * 66, 6)), (14, 26), _HEADSET, np.degrees(place.tilt))
    canvas.stroke([place((-66, 20)), place((-58, 58)), place((-30, 64))], 4, _HEADSET)
    canvas.ellipse(place((-27, 64)), (8, 6), (40, 36, 34))


def _arm(canvas: Canvas, pose: Pose) -> None:
    shoulder = (pose.x + 138, pose.y + 58)
    elbow = (pose.x + 190 + 12 * pose.raised, pose.y + 176 - 62 * pose.raised)
    angle = -0.5 * pi * pose.raised + 0.28 * pose.wave * pose.raised + 0.9 * (1 - pose.raised)
    hand = (elbow[0] + 128 * cos(angle) * (0.55 + 0.45 * pose.raised), elbow[1] + 128 * sin(angle))
    canvas.stroke([shoulder, elbow, _between(elbow, hand, 0.72)], 56, _JUMPER)
    canvas.stroke([_between(elbow, hand, 0.66), _between(elbow, hand, 0.74)], 58, (78, 166, 228))
    canvas.stroke([_between(elbow, hand, 0.8), hand], 32, _SKIN)
    canvas.ellipse(hand, (25, 23), _SKIN)
    for finger, spread in enumerate((-0.62, -0.27, 0.05, 0.36)):
        length = (46, 54, 52, 42)[finger]
        direction = angle + spread + 0.08 * pose.wave
        canvas.stroke(
            [hand, (hand[0] + length * cos(direction), hand[1] + length * sin(direction))], 12, _SKIN
        )
    thumb = angle - 1.35
    canvas.stroke([hand, (hand[0] + 38 * cos(thumb), hand[1] + 38 * sin(thumb))], 13, _SKIN)


class _Head:
    """Turns positions in the head, relative to its middle, into positions in the picture."""

    def __init__(self, pose: Pose) -> None:
        self.tilt = pose.tilt
        self._centre = (pose.x + 120 * sin(pose.tilt), pose.y - 132)

    def __call__(self, point: Point) -> Point:
        x, y = point
        return (
            self._centre[0] + x * cos(self.tilt) - y * sin(self.tilt),
            self._centre[1] + x * sin(self.tilt) + y * cos(self.tilt),
        )

    def all(self, points: list[Point]) -> list[Point]:
        return [self(point) for point in points]


def _between(begin: Point, end: Point, share: float) -> Point:
    return begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share


def _shaded(colour: NDArray[np.float32], matte: NDArray[np.float32], pose: Pose) -> NDArray[np.float32]:
    """Round the figure: bright towards the window on the left, dark towards the outline."""
    quarter = cv2.resize(matte, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
    depth = cv2.GaussianBlur(quarter, (0, 0), 6.5)
    slope = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3, scale=0.6)
    relief = cv2.resize(0.72 + 0.3 * depth + slope, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    columns = np.arange(WIDTH, dtype=np.float32)
    side = np.clip((pose.x - columns) / 400, -1, 1) * 0.08
    light = np.clip(relief + side, 0.45, 1.15).astype(np.float32)
    shaded: NDArray[np.float32] = np.minimum(colour * light[..., np.newaxis], np.float32(255))
    return shaded
