"""Capturing samples: the countdown, the averaging, what interrupts it."""

from collections.abc import Iterator

import pytest
from fake_libobs import FakeLibObs

from cleanplate.obs import capture
from cleanplate.obs.capture import DASH, DIGITS, Capture
from cleanplate.obs.gpu import Effect, Target

FRAME = 1 / 30
SIZE = (8, 4)


class Studio:
    """A capture, its clock and the samples that it delivered."""

    def __init__(self, lib: FakeLibObs, countdown: float, count: int) -> None:
        self.lib = lib
        self.now = 100.0
        self.samples: list[tuple[bytes, int, int, int]] = []
        lib.enter()
        self.effect = Effect(lib, "some.effect")
        self.frame = Target(lib, *SIZE)
        self.frame.paint(self.effect, b"Copy")
        self.capture = Capture(lib, countdown, count, self.now, lambda *sample: self.samples.append(sample))

    def step(self, seconds: float = FRAME, size: tuple[int, int] = SIZE) -> None:
        """One frame of OBS."""
        self.now += seconds
        self.lib.gs_enable_framebuffer_srgb(True)
        self.capture.step(self.effect, self.frame.texture or 0, *size, self.now)
        self.lib.gs_enable_framebuffer_srgb(False)

    def run(self, seconds: float, interval: float = FRAME) -> None:
        """Frames for a while, or until it has ended."""
        end = self.now + seconds
        while self.now < end and not self.capture.done:
            self.step(interval)

    def close(self) -> None:
        """Free everything."""
        for owned in (self.capture, self.frame, self.effect):
            owned.destroy()
        self.lib.leave()
        assert self.lib.graphics_objects() == []


@pytest.fixture
def studio(lib: FakeLibObs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setattr(capture, "SAMPLING_SECONDS", 2.0)
    made = Studio(lib, countdown=3, count=8)
    yield made
    made.close()


def test_nothing_is_taken_before_the_countdown_ends(studio: Studio) -> None:
    studio.run(2.9)
    assert studio.samples == []
    assert [draw for draw in studio.lib.draws if draw.technique == "Accumulate"] == []


def test_digits_and_words(studio: Studio) -> None:
    assert studio.capture.glyphs(100.5) == [DIGITS[3]]
    assert studio.capture.glyphs(102.5) == [DIGITS[1]]
    assert studio.capture.glyphs(103.0) == [DASH]
    assert "3 s: leave" in studio.capture.text(100.0)
    studio.run(3.1)
    assert "sample 1 of 8" in studio.capture.text(studio.now)
    long = Capture(studio.lib, 10, 1, 0.0, lambda *_: None)
    assert long.glyphs(0.0) == [DIGITS[1], DIGITS[0]]


def test_all_samples_within_two_seconds_each_of_several_frames(studio: Studio) -> None:
    studio.run(6)
    assert studio.capture.done
    assert not studio.capture.failure
    assert studio.now == pytest.approx(100 + 3 + 2, abs=0.1)
    assert len(studio.samples) == 8
    assert all(sample[1:] == (8, 4, 32) and len(sample[0]) == 128 for sample in studio.samples)
    drawn = [draw.technique for draw in studio.lib.draws if draw.technique in ("Accumulate", "Resolve")]
    assert drawn.count("Resolve") == 8
    assert all(6 <= len(frames) <= 9 for frames in "".join(name[0] for name in drawn).split("R")[:-1])


def test_a_slow_camera_still_gives_every_sample(studio: Studio) -> None:
    studio.run(60, interval=1.0)
    assert studio.capture.done
    assert len(studio.samples) == 8


def test_a_new_size_ends_it_with_a_reason(studio: Studio) -> None:
    studio.run(3.5)
    taken = len(studio.samples)
    studio.step(size=(16, 8))
    assert studio.capture.done
    assert "changed its size" in studio.capture.failure
    assert 0 < taken == len(studio.samples) < 8


@pytest.mark.parametrize("broken", ["gs_stagesurface_create", "gs_texrender_begin_with_color_space"])
@pytest.mark.parametrize("interval", [0.1, 1.0])  # the longer one would end a sample, too
def test_no_memory_ends_it_with_a_reason(studio: Studio, broken: str, interval: float) -> None:
    studio.run(2.9)
    studio.lib.fail.add(broken)
    studio.step(0.1)
    studio.step(interval)
    studio.lib.fail.clear()
    assert studio.capture.done
    assert "memory" in studio.capture.failure
    assert studio.samples == []


def test_no_memory_for_the_mean_ends_it_with_a_reason(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "paint", lambda *_: None)
    studio.run(6)
    assert "memory" in studio.capture.failure
    assert studio.samples == []


def test_frames_after_a_gap_are_not_taken(studio: Studio) -> None:
    """Who captures before showing the picture would find themselves in the samples."""
    studio.step(2.0)
    studio.now += 4.0
    assert "not shown" in studio.capture.text(studio.now)
    studio.step()
    assert studio.capture.done
    assert "hidden" in studio.capture.failure
    assert studio.samples == []
