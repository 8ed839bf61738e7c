import numpy as np
import pytest
from clips import PERSON_COLOUR, ROOM_COLOUR

from cleanplate.engine.imaging import Picture, Plane, as_plane, resize_picture, resize_plane
from cleanplate.offline.composite import Cutout, cut_out

SIDE = 256
SMALL = 64


def disc(side: int, softness: float) -> Plane:
    """Matte of a disc in the middle, float32; softness in pixels."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) + 0.5 - side / 2
    return as_plane(np.clip((side / 3 - np.hypot(rows, columns)) / softness + 0.5, 0, 1))


def mixed(alpha: Plane, person: tuple[int, int, int] = PERSON_COLOUR) -> Picture:
    """What a camera sees of a person of one colour in a room of another."""
    share = alpha[..., np.newaxis]
    seen: Picture = np.round(share * np.array(person) + (1 - share) * np.array(ROOM_COLOUR)).astype(np.uint8)
    return seen


def cut(alpha: Plane, person: tuple[int, int, int] = PERSON_COLOUR) -> Cutout:
    """The cut-out of a disc from the true matte at the small size."""
    picture = mixed(alpha, person)
    return cut_out(picture, resize_picture(picture, SMALL, SMALL), resize_plane(alpha, SMALL, SMALL))


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
    guided = np.abs(cut(true, person).alpha / 255 - true).mean()
    plain = np.abs(resize_plane(resize_plane(true, SMALL, SMALL), SIDE, SIDE) - true).mean()
    assert guided < share * plain


@pytest.mark.parametrize("value", [0.0, 0.005, 0.995, 1.0])
def test_a_matte_without_edges_is_all_or_nothing(value: float) -> None:
    picture = mixed(disc(SIDE, 8))
    matte = np.full((SMALL, SMALL), value, np.float32)
    cutout = cut_out(picture, resize_picture(picture, SMALL, SMALL), matte)
    assert np.all(cutout.alpha == round(value) * 255)
    blue = np.full((SIDE, SIDE, 3), (255, 0, 0), np.uint8)
    assert np.array_equal(cutout.before(blue), picture if value > 0.5 else blue)


def test_a_matte_of_grey_is_kept() -> None:
    picture = np.full((SIDE, SIDE, 3), 100, np.uint8)
    matte = np.full((SMALL, SMALL), 0.4, np.float32)
    cutout = cut_out(picture, resize_picture(picture, SMALL, SMALL), matte)
    assert np.all(cutout.alpha == 102)
    assert np.all(cutout.before(np.zeros_like(picture)) == 40)


def test_the_room_is_taken_out_of_the_edge() -> None:
    alpha = disc(SIDE, 12)
    picture = mixed(alpha)
    edge = (alpha > 0.2) & (alpha < 0.95)
    before = np.abs(picture[edge].astype(int) - PERSON_COLOUR).mean()
    cleaned = cut(alpha).transparent()[..., :3]
    after = np.abs(cleaned[edge].astype(int) - PERSON_COLOUR).mean()
    assert before > 25
    assert after < before / 3
    assert np.abs(cleaned[alpha == 1].astype(int) - picture[alpha == 1]).max() <= 6


def test_a_given_colour_is_used() -> None:
    alpha = disc(SIDE, 12)
    picture = mixed(alpha)
    colour = np.full((SMALL, SMALL, 3), PERSON_COLOUR, np.float32)
    small, matte = resize_picture(picture, SMALL, SMALL), resize_plane(alpha, SMALL, SMALL)
    cleaned = cut_out(picture, small, matte, colour).transparent()[..., :3]
    edge = (alpha > 0.2) & (alpha < 0.95)
    assert np.abs(cleaned[edge].astype(int) - PERSON_COLOUR).mean() < 6


def test_what_is_transparent_holds_nothing_of_the_room() -> None:
    cutout = cut(disc(SIDE, 4)).transparent()
    assert (cutout[..., 3] == 0).mean() > 0.4
    assert cutout[cutout[..., 3] == 0].max() == 0


def test_before_another_background_the_old_one_leaves_no_halo() -> None:
    alpha = disc(SIDE, 8)
    blue = np.full((SIDE, SIDE, 3), (255, 0, 0), np.uint8)
    share = alpha[..., np.newaxis]
    wanted = share * PERSON_COLOUR + (1 - share) * np.array((255, 0, 0))
    result = cut(alpha).before(blue)
    assert np.abs(result - wanted).mean() < 1.5
    assert tuple(result[0, 0]) == (255, 0, 0)
    assert tuple(blue[0, 0]) == (255, 0, 0)
