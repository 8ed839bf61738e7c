"""The background samples on disk: exact, in order, and safe from damage and full disks."""

import errno
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cleanplate.obs import sample_store
from cleanplate.obs.sample_store import SampleError, SampleStore

WIDTH, HEIGHT = 7, 5


def pixels(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(4 * WIDTH * HEIGHT)


def filled(folder: Path, count: int = 3) -> SampleStore:
    store = SampleStore(folder)
    for seed in range(count):
        store.add_pixels(pixels(seed), WIDTH, HEIGHT)
    return store


def read_back(path: str) -> bytes:
    """The file's pixels as red, green, blue, alpha."""
    picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (HEIGHT, WIDTH, 4)
    return picture[:, :, [2, 1, 0, 3]].tobytes()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pictures_are_exact_and_in_order(tmp_path: Path) -> None:
    store = filled(tmp_path / "new" / "set")
    assert [read_back(path) for path in store.paths()] == [pixels(seed) for seed in range(3)]
    assert [(sample.width, sample.height) for sample in store.samples] == [(WIDTH, HEIGHT)] * 3
    time.strptime(store.samples[0].captured, "%Y-%m-%dT%H:%M:%SZ")

    again = SampleStore(store.folder)
    assert again.samples == store.samples
    assert again.problems == []


def test_a_clock_that_stands_still_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_000_000_123_456_789)
    store = filled(tmp_path)
    assert [read_back(path) for path in store.paths()] == [pixels(seed) for seed in range(3)]
    assert sorted(store.paths()) == store.paths()


def test_a_file_is_copied_bit_for_bit(tmp_path: Path) -> None:
    original = tmp_path / "Room.JPG"
    original.write_bytes(b"\xff\xd8 whatever libobs could read")
    store = SampleStore(tmp_path / "set")
    store.add_file(original, 64, 48)
    (copy,) = map(Path, SampleStore(tmp_path / "set").paths())
    assert copy.suffix == ".jpg"
    assert copy.read_bytes() == original.read_bytes()
    assert original.exists()
    assert store.samples[0][2:] == (64, 48)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    store = SampleStore(tmp_path)
    with pytest.raises(SampleError, match=r"Cannot read .*gone\.png.*Choose another"):
        store.add_file(tmp_path / "gone.png", 1, 1)
    assert store.samples == []


def test_keep_newest(tmp_path: Path) -> None:
    store = filled(tmp_path)
    first, *newest = store.samples
    store.keep_newest(5)
    assert store.samples == [first, *newest]
    store.keep_newest(2)
    assert store.samples == newest == SampleStore(tmp_path).samples
    assert set(files(tmp_path)) == {"samples.json", *(sample.file for sample in newest)}


def test_clear(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.keep_newest(0)
    assert store.samples == [] == SampleStore(tmp_path).samples
    assert set(files(tmp_path)) == {"samples.json"}


def test_a_file_that_cannot_be_deleted_is_named(tmp_path: Path) -> None:
    store = filled(tmp_path)
    stuck = Path(store.paths()[0])
    stuck.unlink()
    (stuck / "inside").mkdir(parents=True)
    with pytest.raises(SampleError, match=f"Cannot delete .*{stuck.name}.*by hand"):
        store.keep_newest(0)
    assert set(files_only(tmp_path)) == {"samples.json"}


def files_only(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file()]


def flip_a_bit(content: bytes) -> bytes:
    place = content.index(b"IDAT") + 9
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip_a_bit, "checksum"),
        (lambda content: content[:-20], "cut short"),
        (lambda content: content[:-2], "cut short"),
        (lambda content: content[:10], "cut short"),
        (lambda content: b"", "empty"),
        (lambda content: b"GIF89a" + content, "not a PNG"),
    ],
)
def test_a_damaged_picture_is_set_aside(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    first, second, third = filled(tmp_path).samples
    path = tmp_path / second.file
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)

    store = SampleStore(tmp_path)
    assert store.samples == [first, third]
    (problem,) = store.problems
    assert second.file in problem
    assert reason in problem
    assert "Capture the background again" in problem
    assert not path.exists()
    assert (tmp_path / f"{second.file}.damaged").read_bytes() == damaged
    assert SampleStore(tmp_path).problems == []  # told once

    store.keep_newest(1)
    assert (tmp_path / f"{second.file}.damaged").exists()
    store.keep_newest(0)
    assert files_only(tmp_path) == ["samples.json"]


def test_a_missing_picture_is_reported_once(tmp_path: Path) -> None:
    first, second = filled(tmp_path, 2).samples
    (tmp_path / first.file).unlink()
    store = SampleStore(tmp_path)
    assert store.samples == [second]
    assert store.problems == [f"{first.file} is missing. Capture the background again."]
    assert SampleStore(tmp_path).problems == []


def lock(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Another program holds a file, as virus scanners do on Windows."""
    works = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return works(path)

    monkeypatch.setattr(Path, "read_bytes", read)


def test_a_picture_that_cannot_be_read_now_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = filled(tmp_path).samples
    with monkeypatch.context() as locked:
        lock(locked, second.file)
        store = SampleStore(tmp_path)
        assert store.samples == [first, third]
        assert "until OBS restarts" in store.problems[0]
        store.add_pixels(bytes(4 * WIDTH * HEIGHT), WIDTH, HEIGHT)
        store.keep_newest(4)  # as after every capture
    again = SampleStore(tmp_path)
    assert set(again.samples) == {first, second, third, store.samples[-1]}
    assert again.problems == []


def test_a_folder_that_is_only_read_is_left_alone_while_its_owner_replaces_the_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = filled(tmp_path)
    check = sample_store._check_picture

    def replace_first(path: Path) -> None:
        monkeypatch.setattr(sample_store, "_check_picture", check)
        owner.add_pixels(pixels(9), WIDTH, HEIGHT)
        owner.keep_newest(1)
        check(path)

    monkeypatch.setattr(sample_store, "_check_picture", replace_first)
    assert SampleStore(tmp_path, repair=False).samples == []
    assert SampleStore(tmp_path).samples == owner.samples
    assert len(owner.samples) == 1


@pytest.mark.parametrize("name", ["samples.json", None])
def test_a_folder_that_is_only_read_is_not_repaired(tmp_path: Path, name: str | None) -> None:
    damaged = tmp_path / (name or filled(tmp_path).samples[0].file)
    filled(tmp_path)
    damaged.write_bytes(b"damaged")
    before = files(tmp_path)
    store = SampleStore(tmp_path, repair=False)
    assert store.samples
    assert store.problems
    assert files(tmp_path) == before


def test_deleting_all_deletes_what_could_not_be_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(monkeypatch, filled(tmp_path).samples[0].file)
    SampleStore(tmp_path).keep_newest(0)
    assert set(files_only(tmp_path)) == {"samples.json"}


def test_a_list_that_cannot_be_read_now_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    before = files(tmp_path)
    with monkeypatch.context() as locked:
        lock(locked, "samples.json")
        with pytest.raises(SampleError, match="restart OBS"):
            SampleStore(tmp_path)
    assert files(tmp_path) == before


def listed(name: str) -> bytes:
    entry = {"file": name, "captured": "2026-01-01T00:00:00Z", "width": 1, "height": 1}
    return json.dumps({"version": 1, "samples": [entry]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\xfd",
        b'{"samples": [{"file": "a.png"}]}',
        b'{"samples": [{"file": "a.png", "captured": "", "width": Infinity, "height": 1}]}',
        b"[" * 100_000,
        listed("../outside.png"),
        listed("/etc/passwd"),
        listed("inner/a.png"),
        listed(".."),
        listed("."),
        listed(""),
        listed("a\0.png"),
    ],
)
def test_a_damaged_list_is_set_aside_and_the_pictures_found(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "set"
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"not ours")
    samples = filled(folder).samples
    (folder / "note.png").write_bytes(b"no picture")
    (folder / "folder.png").mkdir()
    (folder / "samples.json").write_bytes(content)

    store = SampleStore(folder)
    assert [sample.file for sample in store.samples] == [sample.file for sample in samples]
    assert [sample[2:] for sample in store.samples] == [(WIDTH, HEIGHT)] * 3
    assert store.problems[0].startswith("samples.json is damaged")
    assert (folder / "samples.json.damaged").read_bytes() == content
    assert outside.read_bytes() == b"not ours"

    again = SampleStore(folder)  # the list has been made anew
    assert again.samples == store.samples
    assert again.problems == []


@pytest.mark.parametrize("broken", ["open", "replace"])
@pytest.mark.parametrize("nth", [1, 2])  # the picture, the list
def test_a_failed_write_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, nth: int
) -> None:
    store = filled(tmp_path)
    before, samples = files(tmp_path), store.samples
    works = getattr(Path, broken)
    calls = []

    def full(path: Path, *arguments: object) -> object:
        calls.append(path)
        if len(calls) == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return works(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, broken, full)
        with pytest.raises(SampleError, match=r"No space left on device\. Free some space"):
            store.add_pixels(pixels(9), WIDTH, HEIGHT)
    assert len(calls) == nth
    assert store.samples == samples
    assert files(tmp_path) == before


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_deleted_when_the_list_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    store = filled(tmp_path)
    before, samples = files(tmp_path), store.samples

    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(SampleError, match="give OBS the right"):
            store.keep_newest(count)
    assert store.samples == samples
    assert files(tmp_path) == before


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(b"a file")
    with pytest.raises(SampleError, match="Cannot read"):
        SampleStore(tmp_path / "set" / "inner")
