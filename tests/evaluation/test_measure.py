"""Measuring and reporting, with matters whose answers are known."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cleanplate.evaluation.commands import measure_all
from cleanplate.evaluation.matters import SAMPLE_COUNTS, EngineMatter, RivalMatter
from cleanplate.evaluation.measure import SPEED_FRAMES, SPEED_TURNS, measure, milliseconds_together
from cleanplate.evaluation.report import (
    contact_sheet,
    markdown_table,
    trimap_table,
    worst_scores,
    write_picture,
)
from cleanplate.evaluation.sets import SetError, read_set

PEERS = Path(__file__).parents[3] / "shared" / "peers"


class Threshold:
    """Takes what is bright for the person, unless it is bright in the first sample too."""

    name = "threshold"
    sample_counts: tuple[int, ...] = SAMPLE_COUNTS

    def start(self, samples: Sequence[NDArray[np.uint8]]) -> None:
        self._samples = list(samples)

    def matte(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        bright: NDArray[np.bool_] = frame.mean(-1) > 128
        if self._samples:
            bright &= self._samples[0].mean(-1) <= 128
        return bright.astype(np.float32)


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """One video of two frames with a lamp that only a sample gives away, and one empty room."""
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[10:40, 20:40] = 255
    pha = frame[..., 0].copy()
    sample = np.zeros_like(frame)
    for picture in (frame, sample):
        picture[0:10, 50:60] = 255
    for case, who in (("a", True), ("b", False)):
        folder = tmp_path / "toy" / case
        folder.mkdir(parents=True)
        for index in range(2):
            cv2.imwrite(str(folder / f"frame{index:03}.png"), frame if who else sample)
            cv2.imwrite(str(folder / f"frame{index:03}-pha.png"), pha if who else pha * 0)
        cv2.imwrite(str(folder / "sample0.png"), sample)
    return tmp_path


def test_samples_make_the_difference(sets: Path) -> None:
    cases = read_set(sets / "toy")
    without, with_one = (measure(Threshold(), cases, count) for count in (0, 1))
    assert without.mean("iou") == pytest.approx(600 / 700)
    assert without.mean("false") == pytest.approx(100 / 2400)
    assert with_one.mean("iou") == 1
    assert with_one.mean("false") == 0
    assert with_one.mean("dtssd") == 0


def test_table_has_a_row_per_measurement(sets: Path) -> None:
    rows = [measure(Threshold(), read_set(sets / "toy"), count) for count in (0, 1)]
    lines = markdown_table(rows, {("threshold", 1): 1.25, ("mediapipe-landscape", 0): 0.5}).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| toy | threshold | 0 | 0.857 |")
    assert lines[2].endswith("|  |  |")
    assert lines[0].endswith("| ms | x landscape |")
    assert lines[3].endswith("| 1.2 | 2.5 |")
    with_gpu = markdown_table(rows, {}, {("threshold", 1): 0.25}).splitlines()
    assert with_gpu[0].endswith("| ms on GPU |")
    assert with_gpu[3].endswith("|  |  | 0.2 |")


def test_trimap_table_has_the_curve_of_the_edge(sets: Path) -> None:
    # Without a sample the lamp counts against it, once the band reaches there.
    lines = trimap_table([measure(Threshold(), read_set(sets / "toy"), 0)]).splitlines()
    assert lines[0] == "| set | model | samples | 1 px | 2 px | 4 px | 8 px | 16 px | 32 px |"
    # The person is 600 px; 6 of the lamp's 10 columns are within 16 px to the right, all within 32. So far
    # around the person lie 52 of the 60 columns, then all.
    at_16, at_32 = (600 / 660 + 1 - 60 / (52 * 40 - 600)) / 2, (600 / 700 + 1 - 100 / 1800) / 2
    assert lines[2].endswith(f"| 0 | 1.000 | 1.000 | 1.000 | 1.000 | {at_16:.3f} | {at_32:.3f} |")
    assert len(lines) == 3


def test_trimap_table_leaves_out_empty_rooms(sets: Path) -> None:
    assert len(trimap_table([measure(Threshold(), read_set(sets / "toy")[1:], 0)]).splitlines()) == 2


def test_worst_cases_come_first_and_are_drawn(sets: Path) -> None:
    cases = read_set(sets / "toy")
    worst = worst_scores([measure(Threshold(), cases, 0)], 3)
    assert worst[0][1].case == "toy/a"
    sheet = contact_sheet(Threshold(), worst, {case.name: case for case in cases})
    assert sheet.shape == (2 * 128, 2 * 4 * 192, 3)


def test_missing_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(SetError, match="held-out"):
        read_set(tmp_path / "none")


def test_a_case_that_cannot_be_read_is_named(sets: Path) -> None:
    case = read_set(sets / "toy")[0]
    for content in (b"no picture", b""):
        (case.folder / "frame001-pha.png").write_bytes(content)
        with pytest.raises(SetError, match=r"frame001-pha\.png cannot be read"):
            list(case.truths())
    (case.folder / "frame001-pha.png").unlink()
    with pytest.raises(SetError, match=r"frame001-pha\.png cannot be read \(.*No such file"):
        list(case.truths())
    for path in case.folder.glob("frame*"):
        path.unlink()
    with pytest.raises(SetError, match="holds no frame"):
        list(case.truths())


def test_a_sheet_that_cannot_be_written_is_no_silent_loss(tmp_path: Path) -> None:
    (tmp_path / "worst.png").mkdir()
    with pytest.raises(OSError, match=r"worst\.png"):
        write_picture(tmp_path / "worst.png", np.zeros((4, 4, 3), np.uint8))


def test_places_of_unknown_truth_are_left_out(sets: Path) -> None:
    valid = np.full((40, 60), 255, np.uint8)
    valid[0:10, 50:60] = 0
    for index in range(2):
        cv2.imwrite(str(sets / "toy" / "a" / f"frame{index:03}-valid.png"), valid)
    measured = measure(Threshold(), read_set(sets / "toy")[:1], 0)
    assert measured.mean("iou") == 1
    assert np.isnan(measured.mean("dtssd"))


def test_times_are_taken_in_turns() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    ticks = count()
    taken = milliseconds_together([Threshold(), Threshold()], frame, [], clock=lambda: next(ticks))
    assert taken == [1000 / SPEED_FRAMES] * 2
    assert next(ticks) == 2 * 2 * SPEED_TURNS


def test_our_engine_is_measured_as_it_is_used() -> None:
    matter = EngineMatter("difference", [])
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (96, 128, 3), np.uint8)
    plate = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    frame = plate.copy()
    frame[30:, 40:90] = (20, 220, 240)
    matter.start([plate])
    alpha = matter.matte(frame)
    assert alpha.shape == (96, 128)
    assert alpha[60:90, 50:80].mean() > 0.8
    assert alpha[:20].mean() < 0.2


@pytest.mark.parametrize("name", ["mediapipe-landscape", "mediapipe-selfie", "sinet"])
def test_rivals_run(name: str) -> None:
    path = PEERS / f"{name}.onnx"
    if not path.is_file():
        pytest.skip("the rivals' networks are not beside the project")
    alpha = RivalMatter(path).matte(np.full((90, 160, 3), 128, np.uint8))
    assert alpha.shape == (90, 160)
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_what_needs_a_sample_is_measured_with_samples_alone(sets: Path) -> None:
    rows = measure_all([EngineMatter("difference", []), Threshold()], read_set(sets / "toy"))
    assert [(row.model, row.samples) for row in rows] == [
        ("difference", 1),
        ("threshold", 0),
        ("threshold", 1),
    ]
