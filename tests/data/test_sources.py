"""Archives and packed stores."""

from pathlib import Path

import numpy as np
import pytest
from archives import write_archive

from cleanplate.data.errors import SourceDamagedError, SourceMissingError
from cleanplate.data.pack import cut_out
from cleanplate.data.sources import Picture, read_archive
from cleanplate.data.store import PictureStore, write_store


def test_pictures_come_in_order_with_their_masks(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    mask = np.zeros((8, 10), np.uint8)
    mask[2:5] = 255
    bright, dark = (np.full((8, 10, 3), level, np.uint8) for level in (200, 40))
    write_archive(path, {"b.jpg": bright, "a.jpg": dark, "b.png": mask})
    first, second = read_archive(path)
    assert (first.name, second.name) == ("a", "b")
    assert first.pha is None
    assert second.pha is not None
    assert np.array_equal(second.pha, mask)
    assert second.bgr.shape == (8, 10, 3)


def test_missing_and_damaged_archives_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="put the data archives there"):
        list(read_archive(tmp_path / "none.tar"))
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no tar" * 100)
    with pytest.raises(SourceDamagedError, match="fetch it again"):
        list(read_archive(broken))


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_archive(path, {"a.jpg": np.zeros((8, 10, 3), np.uint8), "a.png": np.zeros((4, 10), np.uint8)})
    with pytest.raises(SourceDamagedError, match="differs in size"):
        list(read_archive(path))


def test_store_gives_back_what_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [(f"p{i}", rng.integers(0, 256, (3 + i, 5, 4), np.uint8)) for i in range(4)]
    assert write_store(tmp_path / "s.u8", pictures) == 4
    store = PictureStore(tmp_path / "s.u8")
    assert [entry.name for entry in store.entries] == ["p0", "p1", "p2", "p3"]
    assert all(np.array_equal(store[i], picture) for i, (_, picture) in enumerate(pictures))


def test_unfinished_and_mixed_up_stores_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.u8"
    with pytest.raises(SourceMissingError, match="not packed yet"):
        PictureStore(path)
    write_store(path, [("a", np.zeros((2, 2, 3), np.uint8))])
    path.write_bytes(bytes(5))
    with pytest.raises(SourceDamagedError, match="pack again"):
        PictureStore(path)


def test_cut_out_replaces_the_old_background_under_the_edge() -> None:
    """A red person before green, with a mask that is a pixel too large: the green rim goes."""
    bgr = np.zeros((60, 60, 3), np.uint8)
    bgr[..., 1] = 255
    bgr[20:, 20:40] = (0, 0, 255)
    pha = np.zeros((60, 60), np.uint8)
    pha[19:, 19:41] = 255
    (person,) = cut_out([Picture("a", bgr, pha)])
    assert person.shape == (41, 22, 4)
    inside = person[..., 3] > 0
    before, after = bgr[19:, 19:41, 1][inside].mean(), person[..., 1][inside].mean()
    assert after < 0.5 * before


def test_tiny_people_are_left_out() -> None:
    pha = np.zeros((100, 100), np.uint8)
    pha[:10, :10] = 255
    assert cut_out([Picture("a", np.zeros((100, 100, 3), np.uint8), pha)]) == []


def test_a_clips_pictures_are_cut_alike() -> None:
    """A person that moves to the right in the clip moves to the right in what is cut out."""
    pictures = []
    for left in (10, 30):
        pha = np.zeros((60, 80), np.uint8)
        pha[20:, left : left + 20] = 255
        pictures.append(Picture("signers/000/00", np.zeros((60, 80, 3), np.uint8), pha))
    first, second = cut_out(pictures)
    assert first.shape == second.shape == (40, 40, 4)
    assert first[0, :20, 3].all()
    assert second[0, 20:, 3].all()
    assert not second[0, :20, 3].any()
