from pathlib import Path

import numpy as np
import pytest
from clips import PERSON_COLOUR, ROOM_COLOUR, room

from cleanplate.offline.background import Blur, Colour, Image, parse_background
from cleanplate.offline.errors import BackgroundError
from cleanplate.offline.pictures import write_picture

MATTE = np.zeros((36, 64), np.float32)
SMALL = np.zeros((36, 64, 3), np.uint8)


def test_words_and_colours() -> None:
    assert parse_background("transparent") is None
    assert isinstance(parse_background("blur"), Blur)
    colour = parse_background("#2Ea0ff")
    assert isinstance(colour, Colour)
    assert colour.bgr == (255, 160, 46)
    assert tuple(colour.behind(SMALL, MATTE, 7, 5)[4, 6]) == (255, 160, 46)


@pytest.mark.parametrize("text", ["", "green", "#12345", "#1234567", "missing.png"])
def test_what_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(BackgroundError, match="is no file"):
        parse_background(text)


def test_a_damaged_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(BackgroundError, match="damaged"):
        parse_background(str(tmp_path / "a.png"))


@pytest.mark.parametrize(("width", "height"), [(64, 36), (320, 90), (90, 320), (161, 97)])
def test_a_picture_fills_the_frame_without_distortion(tmp_path: Path, width: int, height: int) -> None:
    # A horizontal ramp tells how wide a part of the picture is shown.
    ramp = np.tile(np.linspace(0, 200, 160, dtype=np.uint8)[np.newaxis, :, np.newaxis], (96, 1, 3))
    write_picture(tmp_path / "a.png", ramp)
    background = parse_background(str(tmp_path / "a.png"))
    assert isinstance(background, Image)
    shown = background.behind(SMALL, MATTE, width, height)
    assert shown.shape == (height, width, 3)
    share = min(1.0, width / height * 96 / 160)
    assert int(shown[0, -1, 0]) - int(shown[0, 0, 0]) == pytest.approx(200 * share, abs=6)
    assert int(shown[0, 0, 0]) + int(shown[0, -1, 0]) == pytest.approx(200, abs=6)


def test_the_person_does_not_bleed_into_the_blur() -> None:
    picture = np.full((144, 256, 3), ROOM_COLOUR, np.uint8)
    matte = np.zeros((144, 256), np.float32)
    matte[30:, 80:180] = 1
    picture[30:, 80:180] = PERSON_COLOUR
    blurred = Blur().behind(picture, matte, 256, 144)
    assert np.abs(blurred[matte == 0].astype(int) - ROOM_COLOUR).max() <= 2


def test_the_blur_hides_details() -> None:
    stripes = np.zeros((144, 256, 3), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 255
    blurred = Blur().behind(stripes, np.zeros((144, 256), np.float32), 512, 288)
    assert blurred[20:-20, 20:-20].std() < 3
    assert blurred.shape == (288, 512, 3)


def test_the_blur_is_defined_where_the_person_fills_the_frame() -> None:
    blurred = Blur().behind(room(64, 36), np.ones((36, 64), np.float32), 64, 36)
    assert np.abs(blurred.astype(int) - room(64, 36)).mean() < 3
