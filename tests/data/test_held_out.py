"""Writing the evaluation sets, from drawn archives."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from archives import write_archive

from cleanplate.data.errors import SourceMissingError, TargetError
from cleanplate.data.held_out import Composites, write_held_out
from cleanplate.data.scenes import SceneOptions
from cleanplate.evaluation.sets import SetError, set_names


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    bgr, mask = np.full((24, 32, 3), 90, np.uint8), np.zeros((24, 32), np.uint8)
    mask[8:, 8:20] = 255
    truth = mask.copy()
    truth[:2] = 85  # outside the region
    truth[8, 8:20] = 170  # unknown
    truth[20:, 25:] = 50  # shadow
    write_archive(folder / "portraits-test.tar", {"1.jpg": bgr, "1.png": mask})
    write_archive(
        folder / "captured.tar",
        {"s1/sample0.jpg": bgr, "s1/0.jpg": bgr, "s1/0.png": mask, "s1/1.jpg": bgr, "s1/1.png": mask * 0},
    )
    empties = {f"empty/{index}.jpg": bgr for index in range(8)}
    write_archive(folder / "office.tar", {**empties, "frames/1.jpg": bgr, "frames/1.png": truth})
    return folder


def test_writes_every_set_once(archives: Path, tiny_cache: Path, tmp_path: Path) -> None:
    told: list[str] = []
    kinds = [Composites("toy", 2, 2, SceneOptions(empty=0))]
    write_held_out(archives, tiny_cache, tmp_path / "sets", told.append, kinds)
    assert told == [
        "eg1800: 1 cases",
        "captured: 2 cases",
        "office: 1 cases",
        "stills: 2 cases",
        "webcam: 1 cases",
        "toy: 2 cases",
    ]

    toy = tmp_path / "sets" / "toy" / "000"
    assert sorted(path.name for path in toy.iterdir()) == [
        "frame000-pha.png",
        "frame000.png",
        "frame001-pha.png",
        "frame001.png",
        "sample0.png",
        "sample1.png",
        "sample2.png",
    ]
    told.clear()
    write_held_out(archives, tiny_cache, tmp_path / "sets", told.append, kinds)
    assert told == []

    # As if it had been interrupted in the middle of the last set.
    (tmp_path / "sets" / "toy").rename(tmp_path / "sets" / ".toy")
    assert "toy" not in set_names(tmp_path / "sets")
    write_held_out(archives, tiny_cache, tmp_path / "sets", told.append, kinds)
    assert told == ["toy: 2 cases"]


def test_captured_frames_keep_their_sample(archives: Path, tiny_cache: Path, tmp_path: Path) -> None:
    write_held_out(archives, tiny_cache, tmp_path / "sets", lambda _: None, [])
    cases = sorted(path.name for path in (tmp_path / "sets" / "captured").iterdir())
    assert cases == ["s1-0", "s1-1"]
    assert (tmp_path / "sets" / "captured" / "s1-0" / "sample0.png").is_file()


def test_office_counts_shadow_as_background_and_marks_the_unknown(
    archives: Path, tiny_cache: Path, tmp_path: Path
) -> None:
    write_held_out(archives, tiny_cache, tmp_path / "sets", lambda _: None, [])
    folder = tmp_path / "sets" / "office" / "office"
    pha = cv2.imread(str(folder / "frame000-pha.png"), cv2.IMREAD_GRAYSCALE)
    valid = cv2.imread(str(folder / "frame000-valid.png"), cv2.IMREAD_GRAYSCALE)
    assert pha is not None
    assert valid is not None
    assert (pha[22, 28], pha[15, 10]) == (0, 255)
    assert (valid[22, 28], valid[0, 0], valid[8, 10], valid[15, 10]) == (255, 0, 0, 255)
    assert len(list(folder.glob("sample*.png"))) == 3


def test_a_full_disk_leaves_no_set_behind(archives: Path, tiny_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    write_bytes = Path.write_bytes

    def write_until_full(path: Path, data: bytes) -> int:
        if path.name == "frame000-pha.png":
            raise OSError("no space left")
        return write_bytes(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_until_full)
        with pytest.raises(TargetError, match=r"frame000-pha\.png cannot be written \(no space left\)"):
            write_held_out(archives, tiny_cache, tmp_path / "sets", lambda _: None, [])
    with pytest.raises(SetError, match="no evaluation sets"):
        set_names(tmp_path / "sets")


def test_missing_archives_are_named(tiny_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="portraits-test"):
        write_held_out(tmp_path, tiny_cache, tmp_path / "sets", lambda _: None)
