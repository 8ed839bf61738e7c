import numpy as np
import pytest
from clips import PERSON_COLOUR, ROOM_COLOUR

from cleanplate.engine.imaging import resize_picture, resize_plane
from cleanplate.offline.composite import cut_out, decontaminate, upsample

SIDE = 256
SMALL = 64


def disc(side: int, softness: float) -> np.ndarray:
    """Matte of a disc in the middle, float32; softness in pixels."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) + 0.5 - side / 2
    return np.clip((side / 3 - np.hypot(rows, columns)) / softness + 0.5, 0, 1).astype(np.float32)


def mixed(alpha: np.ndarray, person: tuple[int, int, int] = PERSON_COLOUR) -> np.ndarray:
    """What a camera sees of a person of one colour in a room of another."""
    share = alpha[..., np.newaxis]
    return np.round(share * person + (1 - share) * np.array(ROOM_COLOUR)).astype(np.uint8)


@pytest.mark.parametrize(
    ("person", "share"),
    [
        ((20, 20, 30), 0.5),
        ((240, 240, 240), 0.5),
        (PERSON_COLOUR, 1.0),  # as bright as the room: the grey guide cannot help, but must not harm
    ],
)
def test_the_matte_follows_the_edges_of_the_full_picture(person: tuple[int, int, int], share: float) -> None:
    true = disc(SIDE, 1)
    picture = mixed(true, person)
    small = resize_picture(picture, SMALL, SMALL)
    matte = resize_plane(true, SMALL, SMALL)
    guided = np.abs(upsample(matte, small, picture) - true).mean()
    plain = np.abs(resize_plane(matte, SIDE, SIDE) - true).mean()
    assert guided < share * plain


def test_a_matte_without_edges_stays() -> None:
    picture = mixed(disc(SIDE, 8))
    for value in (0.0, 1.0):
        matte = np.full((SMALL, SMALL), value, np.float32)
        assert np.all(upsample(matte, resize_picture(picture, SMALL, SMALL), picture) == value)


def test_the_room_is_taken_out_of_the_edge() -> None:
    alpha = disc(SIDE, 12)
    picture = mixed(alpha)
    small, matte = resize_picture(picture, SMALL, SMALL), resize_plane(alpha, SMALL, SMALL)
    edge = (alpha > 0.2) & (alpha < 0.95)
    before = np.abs(picture[edge].astype(int) - PERSON_COLOUR).mean()
    cleaned = decontaminate(picture, alpha, small, matte, None)
    after = np.abs(cleaned[edge].astype(int) - PERSON_COLOUR).mean()
    assert before > 25
    assert after < before / 3
    assert np.array_equal(cleaned[alpha == 1], picture[alpha == 1])


def test_a_given_colour_is_used() -> None:
    alpha = disc(SIDE, 12)
    picture = mixed(alpha)
    small, matte = resize_picture(picture, SMALL, SMALL), resize_plane(alpha, SMALL, SMALL)
    colour = np.full((SMALL, SMALL, 3), PERSON_COLOUR, np.float32)
    cleaned = decontaminate(picture, alpha, small, matte, colour)
    edge = (alpha > 0.2) & (alpha < 0.95)
    assert np.abs(cleaned[edge].astype(int) - PERSON_COLOUR).mean() < 6


def test_before_another_background_the_old_one_leaves_no_halo() -> None:
    alpha = disc(SIDE, 8)
    picture = mixed(alpha)
    cutout = cut_out(picture, resize_picture(picture, SMALL, SMALL), resize_plane(alpha, SMALL, SMALL))
    blue = np.full((SIDE, SIDE, 3), (255, 0, 0), np.uint8)
    share = alpha[..., np.newaxis]
    wanted = share * PERSON_COLOUR + (1 - share) * np.array((255, 0, 0))
    assert np.abs(cutout.before(blue) - wanted).mean() < 1.5
    assert cutout.before(blue)[0, 0] == pytest.approx((255, 0, 0))
