import threading
import time
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from clips import (
    HEIGHT,
    WIDTH,
    Picture,
    RedEngine,
    RedStream,
    scene,
    sound_samples,
    video_times,
    write_clip,
)

from cleanplate.engine.base import Matte, Stream
from cleanplate.engine.errors import FrameError
from cleanplate.offline.background import Colour
from cleanplate.offline.convert import Look, convert
from cleanplate.offline.frames import Frame, Report
from cleanplate.offline.pictures import PictureSink, PictureSource
from cleanplate.offline.video import VideoSink, VideoSource

GREEN = Colour((64, 177, 0))


class MemorySink:
    """Keeps what it gets."""

    alpha = True

    def __init__(self) -> None:
        self.written: list[tuple[Frame, Picture]] = []
        self.state = "open"

    def write(self, frame: Frame, picture: Picture) -> None:
        self.written.append((frame, picture))

    def close(self) -> None:
        self.state = "closed"

    def abandon(self) -> None:
        self.state = "abandoned"


class MadeUpSource:
    """Makes frames as they are asked for; counts how many of them are alive."""

    paths: Sequence[Path] = ()
    fixed_camera = True
    rate = Fraction(30)
    time_base = Fraction(1, 30)
    size = (WIDTH, HEIGHT)

    def __init__(self, count: int) -> None:
        self.count: int | None = count
        self.made = 0
        self.closed = threading.Event()

    def frames(self, report: Report) -> Generator[Frame]:
        try:
            for number in range(self.count or 0):
                self.made += 1
                yield Frame(scene(number), f"{number}", Fraction(number, 30), fresh=number == 0)
        finally:
            self.closed.set()

    def spread(self, count: int) -> Generator[Picture]:
        yield scene(0)


def test_each_frame_gets_its_own_matte_in_order() -> None:
    sink = MemorySink()
    assert convert(MadeUpSource(20), sink, RedEngine(), Look(), report=pytest.fail) == 20
    assert sink.state == "closed"
    for number, (frame, picture) in enumerate(sink.written):
        assert frame.name == str(number)
        red = (scene(number)[..., 2] == 220).astype(float)
        assert np.abs(picture[..., 3] / 255 - red).mean() < 0.02


def test_what_is_transparent_holds_nothing_of_the_room() -> None:
    sink = MemorySink()
    convert(MadeUpSource(1), sink, RedEngine(), Look(), report=pytest.fail)
    picture = sink.written[0][1]
    assert picture[picture[..., 3] == 0].max() == 0


def test_a_background_is_put_behind_the_person() -> None:
    sink = MemorySink()
    convert(MadeUpSource(1), sink, RedEngine(), Look(GREEN), report=pytest.fail)
    picture = sink.written[0][1]
    assert tuple(picture[5, 150]) == GREEN.bgr
    assert picture[60, 40] == pytest.approx(scene(0)[60, 40], abs=2)


def test_the_matte_alone() -> None:
    sink = MemorySink()
    convert(MadeUpSource(1), sink, RedEngine(), Look(alpha_only=True), report=pytest.fail)
    picture = sink.written[0][1]
    assert picture.shape == (HEIGHT, WIDTH)
    assert (int(picture[60, 40]), int(picture[5, 150])) == (255, 0)


def test_the_engine_gets_frames_of_its_own_size() -> None:
    engine = RedEngine()
    convert(MadeUpSource(2), MemorySink(), engine, Look(), report=pytest.fail)
    assert engine.sizes == [engine.input_size(WIDTH, HEIGHT)]


@pytest.mark.slow
def test_a_fast_source_does_not_run_ahead() -> None:
    source = MadeUpSource(200)
    sink = MemorySink()
    ahead: list[int] = []

    def slow_write(frame: Frame, picture: Picture) -> None:
        time.sleep(0.002)
        ahead.append(source.made - len(ahead))

    sink.write = slow_write  # type: ignore[method-assign]
    convert(source, sink, RedEngine(), Look(), report=pytest.fail)
    assert max(ahead) <= 16  # three queues of three, and what is being worked on


def test_stopping_keeps_what_is_written() -> None:
    source, sink, stop = MadeUpSource(100_000), MemorySink(), threading.Event()

    def stop_after_five() -> None:
        if len(sink.written) == 5:
            stop.set()

    written = convert(
        source, sink, RedEngine(), Look(), report=pytest.fail, on_frame=stop_after_five, stop=stop
    )
    assert written == 5
    assert sink.state == "closed"
    assert source.closed.wait(1)


class FailingEngine(RedEngine):
    """Fails at the fourth frame."""

    def stream(self) -> Stream:
        return FailingStream(self)


class FailingStream(RedStream):
    frames = 0

    def _matte(self, bgr: Picture) -> Matte:
        self.frames += 1
        if self.frames == 4:
            raise FrameError("the fourth frame is bad")
        return super()._matte(bgr)


def test_an_error_of_the_engine_ends_the_conversion_and_leaves_nothing() -> None:
    source, sink = MadeUpSource(1000), MemorySink()
    with pytest.raises(FrameError, match="fourth"):
        convert(source, sink, FailingEngine(), Look(), report=pytest.fail)
    assert sink.state == "abandoned"
    assert source.closed.wait(1)
    assert [thread.name for thread in threading.enumerate() if thread.name == "cleanplate-stage"] == []


def test_an_error_of_the_sink_ends_the_conversion() -> None:
    sink = MemorySink()

    def full(frame: Frame, picture: Picture) -> None:
        raise OSError("no space")

    sink.write = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no space"):
        convert(MadeUpSource(1000), sink, RedEngine(), Look(), report=pytest.fail)
    assert sink.state == "abandoned"


def test_a_video_keeps_times_and_sound(tmp_path: Path) -> None:
    times = [0, 512, 1024, 4096, 4200, 9000, 9512]
    clip = write_clip(tmp_path / "in.mp4", [scene(n) for n in range(7)], times, sound="aac")
    source = VideoSource(clip)
    with source.audio_streams(pytest.fail) as audio:
        sink = VideoSink(
            tmp_path / "out.mp4", rate=source.rate, time_base=source.time_base, audio=audio.streams
        )
        convert(source, sink, RedEngine(), Look(GREEN), report=pytest.fail)
    assert video_times(tmp_path / "out.mp4") == video_times(clip)
    assert len(sound_samples(tmp_path / "out.mp4")[1]) == len(sound_samples(clip)[1])
    frame = next(VideoSource(tmp_path / "out.mp4").frames(pytest.fail)).picture
    assert [int(value) for value in frame[5, 150]] == pytest.approx(GREEN.bgr, abs=6)


@pytest.mark.parametrize(("sequence", "resets"), [(False, 4), (True, 1)])
def test_pictures_are_on_their_own_unless_they_are_a_sequence(
    tmp_path: Path, sequence: bool, resets: int
) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene(number))
    engine = RedEngine()
    fresh = engine.resets
    convert(
        PictureSource.of_folder(tmp_path, sequence=sequence),
        PictureSink(tmp_path / "out"), engine, Look(), report=pytest.fail,
    )  # fmt: skip
    # A stream resets itself when made and when it learns the size; the rest is asked for.
    assert engine.resets - fresh - 2 == resets
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{n}.png" for n in range(4)]


class SmallEngine(RedEngine):
    """Takes frames as they are, so that thousands of them pass quickly."""

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height


@pytest.mark.slow
def test_memory_stays_flat_over_ten_thousand_frames(tmp_path: Path) -> None:
    block = [scene(number) for number in range(500)]
    source = VideoSource(write_clip(tmp_path / "in.mp4", 20 * block, sound="aac"))
    process = psutil.Process()
    resident: list[int] = []
    with source.audio_streams(pytest.fail) as audio:
        sink = VideoSink(
            tmp_path / "out.mp4", rate=source.rate, time_base=source.time_base, audio=audio.streams
        )
        written = convert(
            source, sink, SmallEngine(), Look(GREEN), report=pytest.fail,
            on_frame=lambda: resident.append(process.memory_info().rss),
        )  # fmt: skip
    assert written == 10_000
    assert max(resident) - resident[100] < 16 << 20
