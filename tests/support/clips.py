"""Small videos and engines for the tests, made on the spot."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.frame import Frame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cleanplate.engine.base import Engine, Matte, Stream

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 160, 96
TIME_BASE = Fraction(1, 15360)
SOUND_RATE = 48_000
ROOM_COLOUR = (60, 140, 90)
PERSON_COLOUR = (40, 60, 220)


def room(width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A room with a shelf, uint8 BGR."""
    picture = np.full((height, width, 3), ROOM_COLOUR, np.uint8)
    picture[height // 3 : height // 3 + 6, width // 8 : width // 2] = (150, 180, 200)
    return picture


def scene(number: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """The room with a red person who moves to the right by 2 pixels a frame."""
    picture = room(width, height)
    left = width // 8 + 2 * number % (width // 2)
    picture[height // 4 :, left : left + width // 4] = PERSON_COLOUR
    return picture


def write_clip(
    path: Path,
    pictures: Sequence[Picture],
    times: Sequence[int] | None = None,
    *,
    sound: str | None = None,
    sound_rate: int = SOUND_RATE,
    rotation: int = 0,
    codec: str = "libx264",
    size: tuple[int, int] | None = None,
    options: dict[str, str] | None = None,
    pixel_aspect: Fraction = Fraction(1),
    interlaced: bool = False,
) -> Path:
    """Write a video.

    Args:
        path: by its ending the container.
        pictures: uint8 BGR.
        times: of the pictures in `TIME_BASE` units; 30 frames per second if not given.
        sound: codecs of 440 Hz tones as long as the video, with commas between them; none if not given.
        sound_rate: samples per second.
        rotation: degrees that a player turns the video counter-clockwise.
        codec: of the video.
        size: width and height, of the first picture if not given.
        options: of the container's muxer.
        pixel_aspect: width over height of a pixel.
        interlaced: whether H.264 is encoded as fields.
    """
    if times is None:
        times = [number * 512 for number in range(len(pictures))]
    with av.open(str(path), "w", container_options=options) as container:
        video = cast(VideoStream, container.add_stream(codec, 30))
        video.width, video.height = size or pictures[0].shape[1::-1]
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        video.codec_context.time_base = TIME_BASE
        video.codec_context.sample_aspect_ratio = pixel_aspect
        if codec == "libx264":
            video.options = {"crf": "10", "g": "8", **({"flags": "+ildct+ilme"} if interlaced else {})}
        if rotation:
            video.set_display_rotation(rotation)
        tones = [
            cast(AudioStream, container.add_stream(name, sound_rate, layout="mono"))
            for name in (sound.split(",") if sound else ())
        ]
        for picture, time in zip(pictures, times, strict=True):
            frame = VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = time, TIME_BASE
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for audio in tones:
            seconds = float((times[-1] + 512) * TIME_BASE)
            for tone in _tone(seconds, sound_rate, audio.codec_context.format.name):
                container.mux(audio.encode(tone))
            container.mux(audio.encode(None))
    return path


def _tone(seconds: float, rate: int, sample_format: str) -> list[AudioFrame]:
    samples = np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 440 / rate) * 0.5
    frames = []
    for begin in range(0, len(samples), 1024):
        block = samples[np.newaxis, begin : begin + 1024]
        values = (
            block.astype(np.float32) if sample_format.startswith("flt") else (block * 32767).astype(np.int16)
        )
        frame = AudioFrame.from_ndarray(values, sample_format, "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        frames.append(frame)
    return frames


def sound_samples(path: Path) -> tuple[str, NDArray[np.float32], float]:
    """Codec, samples (mono, 48 kHz) and start in seconds of a file's sound."""
    resampler = av.AudioResampler("flt", "mono", SOUND_RATE)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        blocks = [block.to_ndarray() for frame in [*frames, None] for block in resampler.resample(frame)]
        start = float(_time(frames[0]))
        return stream.codec_context.codec.canonical_name, np.concatenate(blocks, axis=1)[0], start


def video_times(path: Path) -> list[Fraction]:
    """Seconds of all frames of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [_time(frame) for frame in container.decode(stream)]


def _time(frame: Frame) -> Fraction:
    assert frame.pts is not None
    assert frame.time_base is not None
    return frame.pts * frame.time_base


class RedEngine(Engine):
    """Takes everything red for the person: exact and fast, for tests of what lies around the engine."""

    name = "red"

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []
        self.resets = 0

    def stream(self) -> Stream:
        return RedStream(self)


class RedStream(Stream):
    def reset(self) -> None:
        super().reset()
        self._red_engine.resets += 1

    @property
    def _red_engine(self) -> RedEngine:
        assert isinstance(self._engine, RedEngine)
        return self._engine

    def _prepare(self, samples: Sequence[Picture], width: int, height: int) -> None:
        self._red_engine.sizes.append((width, height))

    def _matte(self, bgr: Picture) -> Matte:
        red = bgr[..., 2].astype(np.float32) - 2 * bgr[..., 0].astype(np.float32)
        return Matte(np.clip((red - 20) / 80, 0, 1).astype(np.float32))
