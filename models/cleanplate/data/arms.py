"""Arms drawn onto cut-out people, stretched out, raised or bent, and moving.

The archives show nearly everybody with the arms at the body, at a webcam people gesture. What is drawn is no
portrait of an arm: a chain of tapered capsules in the colours of the person's own clothes and skin, which
teaches that whatever hangs on a person and differs from the background samples belongs to the person.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.data.geometry import Float, smooth_path

UInt8 = NDArray[np.uint8]
Point = NDArray[np.float64]

UPPER_ARM, FOREARM, PALM, FINGER = 0.70, 0.60, 0.20, 0.20  # lengths, as shares of the shoulders' breadth
SHOULDER_RADIUS, ELBOW_RADIUS, WRIST_RADIUS, PALM_RADIUS, FINGER_RADIUS = 0.14, 0.105, 0.07, 0.10, 0.028
FINGERS = 4
# Degrees, 0 outwards, 90 down: the upper arm's range and the forearm's.
POSES = (
    ((-50, 60), (-60, 70)),  # stretched out
    ((0, 80), (-115, -30)),  # raised beside the head
    ((20, 70), (105, 165)),  # hand on the hip
)
POSE_WEIGHTS = (0.5, 0.35, 0.15)
SWINGS = (0.0, 4.0, 12.0)  # degrees from frame to frame
SHUTTER = (-0.25, 0.0, 0.25)  # frames; a fast arm is drawn at each, which blurs it
SKIN_TONES = ((45, 65, 100), (185, 205, 240))  # BGR, between which a tone lies where the picture shows none
TILE = 32  # px, side of a texture
SMALLEST_SHOULDERS = 24  # px
HEAD = 0.5  # least height of head and neck, as a share of the shoulders' breadth


class _Body(NamedTuple):
    """Where a cut-out person's shoulders are: row, left and right column."""

    row: int
    left: int
    right: int

    @property
    def breadth(self) -> int:
        return self.right - self.left


class _Arm(NamedTuple):
    """One arm; lengths and radii in pixels, angles in radians, one per frame."""

    side: int  # -1 left, 1 right
    shoulder: Point
    upper: Float
    fore: Float
    lengths: tuple[float, float]
    size: float  # of its thickness and hand, the shoulders' breadth times nearness
    spread: float  # radians between the middle and the outer fingers
    curl: float  # of the fingers' length, 0 for a fist
    sleeve_end: float  # 0 shoulder, 1 elbow, 2 wrist
    light: float  # where across the arm it is brightest, -1..1
    depth: float  # how much it darkens from there

    def joints(self, moment: float) -> tuple[Point, Point, Point]:
        """Return shoulder, elbow and wrist at a moment in frames."""
        times = np.arange(len(self.upper))
        upper, fore = (float(np.interp(moment, times, angles)) for angles in (self.upper, self.fore))
        elbow = self.shoulder + self.lengths[0] * self._direction(upper)
        return self.shoulder, elbow, elbow + self.lengths[1] * self._direction(fore)

    def hand(self, moment: float) -> Point:
        """Return the direction of the hand."""
        _, elbow, wrist = self.joints(moment)
        return (wrist - elbow) / max(1e-6, float(np.hypot(*(wrist - elbow))))

    def _direction(self, angle: float) -> Point:
        return np.array([self.side * np.cos(angle), np.sin(angle)])


def with_arms(
    rng: np.random.Generator, picture: UInt8, frames: int
) -> tuple[list[UInt8], tuple[int, int]] | None:
    """Draw one or two arms onto a person.

    Args:
        rng: Random numbers; the same state gives the same arms.
        picture: uint8 HxWx4, colours BGR and alpha, cropped to the person.
        frames: How many successive pictures; the arms move.

    Returns:
        The pictures, uint8 (H + top)x(W + 2 side)x4, and (side, top), by which they were enlarged for the
        arms; or None if no shoulders are found.
    """
    body = _measure(picture[..., 3])
    if body is None:
        return None
    sides = rng.permutation([-1, 1])[: int(rng.integers(1, 3))]
    arms = [_random_arm(rng, body, int(side), frames) for side in sides]
    clothes, skin = _clothes(rng, picture, body), _skin(rng, picture, body)
    corners = np.array([joint for arm in arms for t in range(frames) for joint in arm.joints(t)])
    reach = 0.6 * max(arm.size for arm in arms)
    tall, wide = picture.shape[:2]
    left, first = np.floor(corners.min(0) - reach).astype(int)
    right, last = np.ceil(corners.max(0) + reach).astype(int)
    side, top = max(0, -left, right - wide), max(0, -first)
    padded = np.pad(picture, ((top, 0), (side, side), (0, 0)))
    region = np.s_[first + top : min(last, tall) + top, left + side : right + side]
    in_front = rng.random() < 0.7
    pictures = []
    for t in range(frames):
        drawn = np.zeros(padded[region].shape, np.float32)
        for arm in arms:
            _draw_moving(drawn, arm, t, -np.array([left, first]), clothes, skin)
        armed = padded.copy()
        armed[region] = _join(padded[region], drawn, in_front=in_front)
        pictures.append(armed)
    return pictures, (side, top)


def _measure(alpha: UInt8) -> _Body | None:
    """Find the shoulders: the first row, at least a head below the top, that is nearly as broad as the body.

    Of a face alone they lie below the picture; only raised hands are seen then.
    """
    solid = alpha > 127
    tall, wide = solid.shape
    upper = solid[: tall * 35 // 100] if tall > 1.9 * wide else solid
    rows = np.flatnonzero(upper.any(1))
    if not rows.size:
        return None
    left = upper.argmax(1)[rows]
    right = wide - 1 - upper[:, ::-1].argmax(1)[rows]
    breadth = right - left
    is_shoulders = (breadth >= 0.8 * np.percentile(breadth, 85)) & (rows - rows[0] >= HEAD * breadth)
    found = int(np.argmax(is_shoulders)) if is_shoulders.any() else len(rows) - 1
    body = _Body(int(rows[found]), int(left[found]), int(right[found]))
    return body if body.breadth >= SMALLEST_SHOULDERS else None


def _random_arm(rng: np.random.Generator, body: _Body, side: int, frames: int) -> _Arm:
    pose = POSES[int(rng.choice(len(POSES), p=POSE_WEIGHTS))]
    swing = float(rng.choice(SWINGS))
    upper, fore = (
        np.radians(rng.uniform(*span) + smooth_path(rng, frames, swing * share)).astype(np.float32)
        for span, share in zip(pose, (0.6, 1.0), strict=True)
    )
    size = body.breadth * float(rng.uniform(0.8, 1.2))
    inset = 0.12 * body.breadth
    column = body.right - inset if side > 0 else body.left + inset
    foreshortening = rng.uniform(0.6, 1.1, 2)
    return _Arm(
        side=side,
        shoulder=np.array([column, body.row + 0.12 * body.breadth]),
        upper=upper,
        fore=fore,
        lengths=(size * UPPER_ARM * float(foreshortening[0]), size * FOREARM * float(foreshortening[1])),
        size=size * float(rng.uniform(0.85, 1.3)),
        spread=float(rng.uniform(0.0, 0.35)),
        curl=float(rng.uniform(0.5, 1.1)) if rng.random() < 0.8 else 0.0,
        sleeve_end=float(rng.choice((0.1, 0.8, 1.4, 2.0), p=(0.1, 0.3, 0.1, 0.5))),
        light=float(rng.uniform(-0.5, 0.5)),
        depth=float(rng.uniform(0.1, 0.4)),
    )


def _clothes(rng: np.random.Generator, picture: UInt8, body: _Body) -> Float:
    """Return a piece of the person's clothes from the chest, float32 BGR 0..255."""
    middle = (body.left + body.right) // 2
    half = max(2, body.breadth // 5)
    top = min(body.row + body.breadth // 4, picture.shape[0] - 3)
    piece = picture[top : top + 2 * half, max(0, middle - half) : middle + half, :3]
    gain = np.exp(rng.normal(0, 0.05, 3)) if rng.random() < 0.85 else np.exp(rng.normal(-0.2, 0.5, 3))
    return np.clip(piece * gain, 0, 255).astype(np.float32)


def _skin(rng: np.random.Generator, picture: UInt8, body: _Body) -> Float:
    """Return a tile of the face's colour, softly mottled, float32 BGR 0..255."""
    head = picture[: body.row + 1]
    luma, red, blue = np.moveaxis(cv2.cvtColor(head[..., :3], cv2.COLOR_BGR2YCrCb), -1, 0)
    found = (head[..., 3] > 200) & (luma > 40) & (red > 132) & (red < 180) & (blue > 80) & (blue < 132)
    if found.sum() >= 30:
        tone = np.median(head[found][:, :3], 0)
    else:
        dark, light = np.array(SKIN_TONES)
        tone = dark + (light - dark) * rng.uniform(0, 1)
    mottle = cv2.resize(rng.normal(0, 0.05, (6, 6)).astype(np.float32), (TILE, TILE))
    tile: Float = (tone * float(np.exp(rng.normal(0, 0.08))) * (1 + mottle[..., None])).astype(np.float32)
    return np.clip(tile, 0, 255)


def _draw_moving(layer: Float, arm: _Arm, t: int, shift: Point, clothes: Float, skin: Float) -> None:
    """Draw an arm over a premultiplied layer, blurred if its hand moves by more than a few pixels."""
    way = np.hypot(*(arm.joints(t + SHUTTER[-1])[2] - arm.joints(t + SHUTTER[0])[2]))
    moments = [t + part for part in SHUTTER] if way > 2 else [float(t)]
    drawn = np.zeros_like(layer)
    for moment in moments:
        one = np.zeros_like(layer)
        _draw(one, arm, moment, shift, clothes, skin)
        drawn += one / np.float32(len(moments))
    layer *= 1 - drawn[..., 3:]
    layer += drawn


def _draw(layer: Float, arm: _Arm, moment: float, shift: Point, clothes: Float, skin: Float) -> None:
    def draw(start: Point, end: Point, start_radius: float, end_radius: float, texture: Float) -> None:
        _capsule(layer, start, end, start_radius, end_radius, texture, arm.light, arm.depth)

    shoulder, elbow, wrist = (joint + shift for joint in arm.joints(moment))
    ahead = arm.hand(moment)
    shoulder_radius, elbow_radius, wrist_radius, palm_radius, finger_radius = (
        share * arm.size
        for share in (SHOULDER_RADIUS, ELBOW_RADIUS, WRIST_RADIUS, PALM_RADIUS, FINGER_RADIUS)
    )
    knuckles = wrist + PALM * arm.size * ahead
    middle = (FINGERS - 1) / 2
    for finger in range(FINGERS) if arm.curl else ():
        place = (finger - middle) / middle
        root = knuckles + place * 0.75 * palm_radius * np.array([-ahead[1], ahead[0]])
        length = FINGER * arm.size * arm.curl * (1 - 0.2 * abs(place))
        draw(
            root, root + length * _turned(ahead, place * arm.spread), finger_radius, 0.8 * finger_radius, skin
        )
    thumb = wrist + 0.6 * palm_radius * _turned(ahead, 0.9 * arm.side)
    tip = thumb + FINGER * arm.size * max(arm.curl, 0.4) * _turned(ahead, (0.5 + arm.spread) * arm.side)
    draw(thumb, tip, 1.2 * finger_radius, finger_radius, skin)
    draw(wrist, knuckles, 0.8 * palm_radius, palm_radius, skin)
    draw(shoulder, elbow, 0.85 * shoulder_radius, 0.9 * elbow_radius, skin)
    draw(elbow, wrist, 0.9 * elbow_radius, wrist_radius, skin)
    # The sleeve lies over the skin and ends somewhere.
    end = min(1.0, arm.sleeve_end)
    cuff_radius = _between(shoulder_radius, elbow_radius, end)
    draw(shoulder, shoulder + end * (elbow - shoulder), shoulder_radius, cuff_radius, clothes)
    if arm.sleeve_end > 1:
        end = arm.sleeve_end - 1
        cuff_radius = _between(elbow_radius, 1.1 * wrist_radius, end)
        draw(elbow, elbow + end * (wrist - elbow), elbow_radius, cuff_radius, clothes)


def _capsule(
    layer: Float,
    start: Point,
    end: Point,
    start_radius: float,
    end_radius: float,
    texture: Float,
    light: float,
    depth: float,
) -> None:
    """Draw a tapered, textured and shaded capsule over a premultiplied layer."""
    most = max(start_radius, end_radius) + 1
    tall, wide = layer.shape[:2]
    left, top = np.maximum(0, np.floor(np.minimum(start, end) - most)).astype(int)
    right, bottom = np.minimum((wide, tall), np.ceil(np.maximum(start, end) + most) + 1).astype(int)
    if left >= right or top >= bottom:
        return
    x, y = np.meshgrid(
        np.arange(left, right, dtype=np.float32) - np.float32(start[0]),
        np.arange(top, bottom, dtype=np.float32) - np.float32(start[1]),
    )
    length = max(1e-3, float(np.hypot(*(end - start))))
    along_x, along_y = (np.float32(part) for part in (end - start) / length)
    along = np.clip(x * along_x + y * along_y, 0, np.float32(length))
    across = y * along_x - x * along_y
    distance = np.hypot(x - along * along_x, y - along * along_y)
    radius = np.float32(start_radius) + np.float32((end_radius - start_radius) / length) * along
    alpha = np.clip(radius - distance + np.float32(0.5), 0, 1)[..., None]
    height, width = texture.shape[:2]
    colours = cv2.remap(
        texture, across + width / 2, along + height / 4, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    round_off = 1 - np.float32(depth) * (across / np.maximum(radius, 1) - np.float32(light)) ** 2
    region = layer[top:bottom, left:right]
    region *= 1 - alpha
    region[..., :3] += colours * np.clip(round_off, 0.2, 1)[..., None] * alpha
    region[..., 3:] += alpha


def _join(picture: UInt8, layer: Float, *, in_front: bool) -> UInt8:
    """Return the person with a premultiplied layer in front of or behind it."""
    own = picture[..., 3:] / np.float32(255)
    drawn = layer[..., 3:]
    own_share, drawn_share = (own * (1 - drawn), 1.0) if in_front else (own, 1 - own)
    alpha = own_share + drawn * drawn_share
    colours = (picture[..., :3] * own_share + layer[..., :3] * drawn_share) / np.maximum(alpha, 1e-3)
    colours = np.where(alpha > 1e-3, colours, picture[..., :3])
    return np.clip(np.dstack([colours, 255 * alpha]) + 0.5, 0, 255).astype(np.uint8)


def _turned(direction: Point, angle: float) -> Point:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * direction[0] - sin * direction[1], sin * direction[0] + cos * direction[1]])


def _between(first: float, second: float, share: float) -> float:
    return first + share * (second - first)
