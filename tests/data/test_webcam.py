"""Plate and mattes from the webcam clips."""

from pathlib import Path

import numpy as np
import pytest

from cleanplate.data.errors import SourceDamagedError, SourceMissingError
from cleanplate.data.webcam import PERSON_NETWORK, WEBCAM_FOLDER, Webcam, read_clip

ARCHIVES = Path(__file__).parents[3] / "shared" / "data"


def test_missing_clips_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"\.mkv"):
        Webcam(tmp_path)


def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.mkv"
    path.write_bytes(b"no film" * 50)
    with pytest.raises(SourceDamagedError, match=r"broken\.mkv"):
        read_clip(path)


@pytest.mark.slow
def test_the_plate_is_empty_and_a_matte_is_one_person() -> None:
    if not (ARCHIVES / WEBCAM_FOLDER).is_dir() or not (ARCHIVES.parent / PERSON_NETWORK).is_file():
        pytest.skip("the webcam clips and the portrait network are not beside the project")
    webcam = Webcam(ARCHIVES)
    names = {clip.name for clip in webcam.clips}
    assert "book" in names
    assert "hungry" not in names  # the camera stood elsewhere
    plate = webcam.plate()
    book = next(clip for clip in webcam.clips if clip.name == "book")
    matte = next(webcam.mattes(book, plate))
    assert 0.1 < (matte > 127).mean() < 0.4
    jumper = book.frames[0][..., 2].astype(int) - book.frames[0][..., 0] > 120  # orange
    assert matte[jumper].mean() > 240
    assert matte[:, :120].max() == 0  # the wall and the screen on the left
    wall = np.abs(plate[60:200, 260:380].astype(int) - np.median(plate[60:200, 260:380], axis=(0, 1)))
    assert np.median(wall) < 12  # white where she stands
