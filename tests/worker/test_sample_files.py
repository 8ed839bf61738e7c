"""Background samples from files: the good ones are used, the others named with a reason."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.worker.sample_files import SampleReport, read_samples

MakePicture = Callable[..., Path]


@pytest.fixture
def picture(tmp_path: Path) -> MakePicture:
    def write(name: str, value: int = 100, width: int = 64, height: int = 36) -> Path:
        path = tmp_path / name
        encoded = cv2.imencode(path.suffix, np.full((height, width, 3), value, np.uint8))[1]
        path.write_bytes(encoded.tobytes())
        return path

    return write


def test_samples_come_in_order_with_their_figures(picture: MakePicture) -> None:
    files = [picture("räum 1.png", 10), picture("b.jpg", 250)]
    images, report = read_samples(files)

    assert [image.shape for image in images] == [(36, 64, 3)] * 2
    assert [int(image.mean()) for image in images] == [10, 250]
    assert [sample.file for sample in report.used] == files
    assert [round(sample.luma) for sample in report.used] == [10, 250]
    assert (report.used[0].width, report.used[0].height) == (64, 36)
    assert report.refused == []


def test_what_cannot_be_read_is_named_and_the_rest_is_used(picture: MakePicture, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    bad = [tmp_path / name for name in ("text.png", "empty.png", "folder.png", "gone.png")]
    good = picture("good.png")
    images, report = read_samples([bad[0], good, *bad[1:]])

    assert len(images) == 1
    assert [file for file, _ in report.refused] == bad
    assert all("apture" in reason for _, reason in report.refused)


def test_a_sample_of_another_aspect_than_the_newest_is_left_out(picture: MakePicture) -> None:
    wide, square, larger = (
        picture("a.png"),
        picture("b.png", width=36),
        picture("c.png", width=128, height=72),
    )
    images, report = read_samples([wide, square, larger])

    assert len(images) == 2
    ((file, reason),) = report.refused
    assert file == square
    assert "36x36" in reason


def test_a_large_sample_is_kept_small_and_told_as_it_is(picture: MakePicture) -> None:
    images, report = read_samples([picture("a.png", 90, 3840, 2160), picture("b.png", 90, 720, 1280)])
    assert len(images) == 1
    assert report.refused[0][1].startswith("It is 3840x2160, the newest sample 720x1280")

    images, report = read_samples([picture("a.png", 90, 3840, 2160), picture("c.png", 90, 1920, 1080)])
    assert [image.shape for image in images] == [(576, 1024, 3)] * 2
    assert [int(image.mean()) for image in images] == [90, 90]
    assert [(sample.width, sample.height) for sample in report.used] == [(3840, 2160), (1920, 1080)]


def test_only_the_newest_sixteen_are_used(picture: MakePicture) -> None:
    files = [picture(f"{number}.png", number) for number in range(18)]
    images, report = read_samples(files)

    assert [int(image.mean()) for image in images] == list(range(2, 18))
    assert [file for file, _ in report.refused] == files[:2]


def test_no_files_no_samples() -> None:
    images, report = read_samples([])

    assert images == []
    assert report == SampleReport()
