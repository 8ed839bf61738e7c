"""Drawn test scenes: a room with markers, a figure that walks through it, and the true matte of every frame.

The markers are patterns of two saturated colours that no background of the tests contains. Where a marker is
found in a recorded frame, the raw camera picture has shown there.

Clips are stored without loss, in the channel order that OBS uploads as it is: pixels can be compared exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Matte = NDArray[np.float32]

WIDTH = 640
HEIGHT = 360
FRAMES_PER_SECOND = 30

_MARKER_CELLS = 6
_MARKER_CELL_PIXELS = 8
MARKER_PIXELS = _MARKER_CELLS * _MARKER_CELL_PIXELS
_MARKER_LOW = (30, 220, 20)  # B, G, R: green
_MARKER_HIGH = (220, 30, 230)  # magenta
# Left upper corners in a frame of 640 x 360; the figure covers one of the last two at times.
MARKER_PLACES = ((24, 24), (24, 250), (568, 24), (568, 250), (180, 40), (410, 40))

# A pattern counts as seen above this correlation with the marker. Other pictures reach 0.4; a marker that
# shines through by a twentieth still has 0.99, for correlation does not ask for contrast.
MARKER_CORRELATION = 0.7
# Below this standard deviation (8-bit levels) what correlates cannot be seen, it is rounding.
MARKER_CONTRAST = 6.0


@dataclass(frozen=True)
class Clip:
    """A clip on disk and the truth about it."""

    path: Path
    frames: list[Image]
    mattes: list[Matte]


def room(width: int = WIDTH, height: int = HEIGHT) -> Image:
    """The empty scene: wall, window, shelf, floor and the markers; uint8 H x W x 3, BGR."""
    wall = np.linspace((150, 168, 176), (118, 140, 158), HEIGHT)
    picture: Image = np.repeat(wall[:, None, :], WIDTH, axis=1).round().astype(np.uint8)
    cv2.rectangle(picture, (0, 310), (WIDTH, HEIGHT), (58, 84, 112), -1)
    cv2.rectangle(picture, (260, 40), (380, 150), (225, 215, 195), -1)
    cv2.rectangle(picture, (260, 40), (380, 150), (70, 90, 110), 4)
    cv2.line(picture, (320, 40), (320, 150), (70, 90, 110), 3)
    for shelf in range(3):
        cv2.rectangle(picture, (470, 120 + 40 * shelf), (560, 126 + 40 * shelf), (60, 75, 95), -1)
    texture = np.random.default_rng(7).integers(-6, 7, picture.shape)
    picture = np.clip(picture + texture, 0, 255).astype(np.uint8)
    for x, y in MARKER_PLACES:
        picture[y : y + MARKER_PIXELS, x : x + MARKER_PIXELS] = marker()
    if (width, height) != (WIDTH, HEIGHT):
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return picture


def marker() -> Image:
    """The pattern that only the raw camera picture contains; uint8, BGR, a square of ``MARKER_PIXELS``."""
    cells = np.random.default_rng(3).permutation(np.arange(_MARKER_CELLS**2) % 2 == 0)
    large = np.kron(cells.reshape(_MARKER_CELLS, _MARKER_CELLS), np.ones((_MARKER_CELL_PIXELS,) * 2))
    return np.where(large[..., None] > 0, _MARKER_HIGH, _MARKER_LOW).astype(np.uint8)


def figure_matte(time: float, width: int = WIDTH, height: int = HEIGHT) -> Matte:
    """Coverage of the figure, float32 H x W, 0 to 1; it sways and waves with a period of 4 s."""
    finer = 4  # drawn larger and shrunk, for soft edges
    phase = 2 * np.pi * time / 4
    x = WIDTH * (0.5 + 0.12 * np.sin(phase))
    reach = 40 * np.sin(2 * phase)

    def at(horizontal: float, vertical: float) -> tuple[int, int]:
        return round(horizontal * finer), round(vertical * finer)

    canvas = np.zeros((HEIGHT * finer, WIDTH * finer), np.uint8)
    cv2.ellipse(canvas, at(x, 120), at(38, 48), 0, 0, 360, 255, -1)
    cv2.rectangle(canvas, at(x - 18, 150), at(x + 18, 200), 255, -1)
    cv2.ellipse(canvas, at(x, 340), at(95, 150), 0, 180, 360, 255, -1)
    cv2.rectangle(canvas, at(x - 95, 338), at(x + 95, HEIGHT), 255, -1)
    cv2.line(canvas, at(x + 80, 260), at(x + 130, 190 - reach), 255, 26 * finer, cv2.LINE_8)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255)


def figure_colours(width: int = WIDTH, height: int = HEIGHT) -> Image:
    """What the figure is made of: skin above, a dark blue jumper with stripes below; uint8 H x W x 3, BGR."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:178] = (96, 120, 205)
    picture[178:] = (110, 45, 28)
    picture[190::16] = (150, 80, 50)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def composite(matte: Matte, foreground: Image, background: Image) -> Image:
    """``foreground`` over ``background`` in 8-bit sRGB values, as OBS blends by default."""
    weight = matte[..., None]
    return (foreground * weight + background * (1 - weight)).round().astype(np.uint8)


def empty_clip(path: Path, seconds: float = 1.0, width: int = WIDTH, height: int = HEIGHT) -> Clip:
    """The room alone, with a little sensor noise."""
    count = round(seconds * FRAMES_PER_SECOND)
    nothing = np.zeros((height, width), np.float32)
    scene = room(width, height)
    frames = [_noisy(scene, index) for index in range(count)]
    write_clip(path, frames)
    return Clip(path, frames, [nothing] * count)


def person_clip(path: Path, seconds: float = 4.0, width: int = WIDTH, height: int = HEIGHT) -> Clip:
    """The same room with the figure in it from the first frame on; loops without a jump after 4 s."""
    scene, colours = room(width, height), figure_colours(width, height)
    mattes = [
        figure_matte(index / FRAMES_PER_SECOND, width, height)
        for index in range(round(seconds * FRAMES_PER_SECOND))
    ]
    frames = [_noisy(composite(matte, colours, scene), index) for index, matte in enumerate(mattes)]
    write_clip(path, frames)
    return Clip(path, frames, mattes)


def standing_clip(path: Path, width: int = WIDTH, height: int = HEIGHT) -> Clip:
    """The figure standing still: one frame, repeated."""
    matte = figure_matte(0, width, height)
    frame = _noisy(composite(matte, figure_colours(width, height), room(width, height)), seed=0)
    frames = [frame] * FRAMES_PER_SECOND
    write_clip(path, frames)
    return Clip(path, frames, [matte] * len(frames))


def write_clip(path: Path, frames: Sequence[Image]) -> None:
    """Write BGR frames of one size as HuffYUV in BGRA, lossless and quick to decode; to a path in .avi."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("huffyuv", rate=FRAMES_PER_SECOND)
        stream.pix_fmt = "bgra"
        stream.height, stream.width = frames[0].shape[:2]
        for index, picture in enumerate(frames):
            opaque = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA).astype(np.uint8, copy=False)
            frame = av.VideoFrame.from_ndarray(opaque, format="bgra")
            frame.pts = index
            frame.time_base = Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_frames(path: Path) -> Iterator[Image]:
    """Frames of a recording, uint8 H x W x 3, BGR."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def marker_correlation(picture: Image, scale: float = 1.0) -> float:
    """How surely a marker shows somewhere in ``picture``.

    Args:
        picture: uint8 H x W x 3, BGR.
        scale: size of the camera's picture in it, 1 where it is ``WIDTH`` pixels wide.

    Returns:
        The best correlation with the marker, -1 to 1, over all places with visible contrast.
    """
    # Searched at half size, where a cell of the marker still has 4 x 4 pixels: a quarter of the work.
    pixels = MARKER_PIXELS // 2
    pattern = cv2.resize(marker(), (pixels, pixels), interpolation=cv2.INTER_AREA)
    smaller = pixels / (MARKER_PIXELS * scale)
    picture = cv2.resize(picture, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA).astype(np.uint8)
    # Green against magenta: one signed channel holds the whole pattern, and most scenes have little in it.
    opponent, wanted = _opponent(picture), _opponent(pattern.astype(np.uint8))
    mean = cv2.boxFilter(opponent, -1, (pixels, pixels), anchor=(0, 0))
    square = cv2.sqrBoxFilter(opponent, -1, (pixels, pixels), anchor=(0, 0))
    rows, columns = opponent.shape[0] - pixels + 1, opponent.shape[1] - pixels + 1
    deviation = np.sqrt(np.maximum(square - mean**2, 0))[:rows, :columns]
    match = cv2.matchTemplate(opponent, wanted, cv2.TM_CCOEFF_NORMED)
    seen = np.where(deviation > MARKER_CONTRAST, match, -1.0)
    return float(seen.max())


def shows_marker(picture: Image, scale: float = 1.0) -> bool:
    """Whether the raw camera picture shows through anywhere."""
    return marker_correlation(picture, scale) > MARKER_CORRELATION


def raw_frames(path: Path, scale: float = 1.0) -> list[int]:
    """Indices of the frames of a recording that show the raw camera picture."""
    raw = []
    previous, verdict = None, False
    for index, frame in enumerate(read_frames(path)):
        if previous is None or not np.array_equal(frame, previous):  # a cover is the same for many frames
            verdict = shows_marker(frame, scale)
        if verdict:
            raw.append(index)
        previous = frame
    return raw


def _opponent(picture: Image) -> NDArray[np.float32]:
    weights = np.array([0.5, -1, 0.5], np.float32)
    return np.asarray((picture * weights).sum(axis=2), np.float32)


def _noisy(picture: Image, seed: int) -> Image:
    noise = np.random.default_rng(seed).normal(0, 1.2, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)
