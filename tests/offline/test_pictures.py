from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import room, scene

from cleanplate.offline.errors import InputError, OutputError
from cleanplate.offline.frames import Frame
from cleanplate.offline.pictures import PictureSink, PictureSource, read_picture, write_picture


@pytest.mark.parametrize("name", ["plain.png", "with space.png", "Küche 部屋.png"])
def test_written_pictures_are_read_back(tmp_path: Path, name: str) -> None:
    write_picture(tmp_path / name, scene(0))
    assert np.array_equal(read_picture(tmp_path / name), scene(0))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_transparency_is_kept(tmp_path: Path) -> None:
    picture = np.dstack([scene(0), scene(0)[..., 0]])
    write_picture(tmp_path / "a.png", picture)
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert np.array_equal(read, picture)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    good, data = cv2.imencode(".jpg", room())
    assert good
    # The shortest EXIF block: orientation 6, turn clockwise by 90 degrees.
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    exif = b"\xff\xe1" + (len(tiff) + 8).to_bytes(2, "big") + b"Exif\0\0" + tiff
    (tmp_path / "a.jpg").write_bytes(data.tobytes()[:2] + exif + data.tobytes()[2:])
    upright = read_picture(tmp_path / "a.jpg")
    assert upright.shape == np.rot90(room()).shape
    assert np.abs(upright.astype(int) - np.rot90(room(), -1)).mean() < 3


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InputError, match=r"a\.png is damaged"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.png cannot be read"):
        read_picture(tmp_path / "b.png")


def test_a_folder_gives_its_pictures_by_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.png"):
        cv2.imwrite(str(tmp_path / name), room())
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "sub").mkdir()
    source = PictureSource.of_folder(tmp_path)
    frames = list(source.frames(pytest.fail))
    assert source.count == 3
    assert [frame.name for frame in frames] == ["a", "b", "c"]
    assert all(frame.fresh for frame in frames)


def test_the_frames_of_a_sequence_are_counted_through(tmp_path: Path) -> None:
    names = ["frame1", "frame2", "frame02b", "frame9", "frame10", "frame1000"]
    paths = [tmp_path / f"{name}.png" for name in names]
    for path in paths:
        cv2.imwrite(str(path), room())
    of_folder = PictureSource.of_folder(tmp_path, sequence=True)
    assert [frame.name for frame in of_folder.frames(pytest.fail)] == names
    given = PictureSource(sorted(paths), sequence=True)
    assert [frame.name for frame in given.frames(pytest.fail)] == names
    on_their_own = PictureSource(paths[::-1])
    assert [frame.name for frame in on_their_own.frames(pytest.fail)] == names[::-1]


def test_the_frames_of_a_sequence_have_times(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), room())
    frames = list(PictureSource.of_folder(tmp_path, sequence=True, rate=Fraction(25)).frames(pytest.fail))
    assert [frame.time for frame in frames] == [0, Fraction(1, 25), Fraction(2, 25)]
    assert [frame.fresh for frame in frames] == [True, False, False]


def test_a_damaged_picture_is_reported_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    cv2.imwrite(str(tmp_path / "b.png"), room())
    problems: list[str] = []
    frames = list(PictureSource.of_folder(tmp_path).frames(problems.append))
    assert [frame.name for frame in frames] == ["b"]
    assert len(problems) == 1
    assert "a.png" in problems[0]


def test_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        cv2.imwrite(str(tmp_path / name), room())
    with pytest.raises(InputError, match="same name"):
        PictureSource.of_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture"):
        PictureSource.of_folder(tmp_path)


def test_an_unknown_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'\.xyz'"):
        PictureSink(tmp_path, ".xyz")


@pytest.mark.parametrize(("name", "width"), [("a.webp", 16_384), ("a.jpg", 65_501)])
def test_a_picture_too_large_for_its_format_is_refused(tmp_path: Path, name: str, width: int) -> None:
    with pytest.raises(OutputError, match=rf"{width}x2 is too large for .*Let its name end in \.png"):
        write_picture(tmp_path / name, np.zeros((2, width, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sink = PictureSink(tmp_path / "file" / "folder")
    with pytest.raises(OutputError, match="cannot be made"):
        sink.write(Frame(room(), "a", Fraction(0)), room())


def test_a_folder_that_stays_empty_goes_again(small_disk: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)
    sink = PictureSink(small_disk / "new" / "folder")
    with pytest.raises(OutputError, match="No space left"):
        sink.write(Frame(noise, "a", Fraction(0)), noise)
    sink.abandon()
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_leaves_no_half_picture(small_disk: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)
    sink = PictureSink(small_disk)
    with pytest.raises(OutputError, match="No space left"):
        sink.write(Frame(noise, "a", Fraction(0)), noise)
    assert list(small_disk.iterdir()) == []
