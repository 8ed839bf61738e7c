"""Sizes, colours and geometry of the renderer."""

import pytest

from cleanplate.obs.render import fit, halves, linear_color, network_size
from cleanplate.wire import protocol


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (512, 288)),
        ((1280, 720), (512, 288)),
        ((640, 480), (448, 320)),
        ((1080, 1920), (288, 512)),
        ((4096, 16), (1024, 32)),
        ((1, 1), (384, 384)),
    ],
)
def test_network_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    width, height = network_size(*size)
    assert (width, height) == expected
    assert width * height * 4 <= protocol.FRAME_BYTES
    assert width <= protocol.MAX_WIDTH
    assert height <= protocol.MAX_HEIGHT


def test_linear_color() -> None:
    assert linear_color(0xFF0000FF) == (1.0, 0.0, 0.0, 1.0)
    red, green, blue, alpha = linear_color(0x80_00_80_0A)
    assert (red, green, blue) == pytest.approx((10 / 255 / 12.92, 0.21586, 0.0), abs=1e-5)
    assert alpha == pytest.approx(128 / 255)


@pytest.mark.parametrize(
    ("how", "picture", "frame", "scale"),
    [
        ("stretch", 4 / 3, 16 / 9, (1.0, 1.0)),
        ("fill", 2.0, 1.0, (0.5, 1.0)),  # the sides of a wide picture are cut
        ("fill", 1.0, 2.0, (1.0, 0.5)),
        ("fit", 2.0, 1.0, (1.0, 2.0)),  # bars above and below
        ("fit", 1.0, 2.0, (2.0, 1.0)),
        ("fill", 1.5, 1.5, (1.0, 1.0)),
        ("fit", 1.5, 1.5, (1.0, 1.0)),
    ],
)
def test_fit(how: str, picture: float, frame: float, scale: tuple[float, float]) -> None:
    found, offset = fit(how, picture, frame)
    assert found == pytest.approx(scale)
    centre = tuple(0.5 * s + o for s, o in zip(found, offset, strict=True))
    assert centre == pytest.approx((0.5, 0.5))


def test_halves() -> None:
    assert halves(512, 288, 16, 9) == [(256, 144), (128, 72), (64, 36), (32, 18), (16, 9)]
    assert halves(16, 9, 16, 9) == []
    assert halves(64, 1024, 16, 9)[-1] == (16, 9)
