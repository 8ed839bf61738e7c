"""Segments: private, shared, removed."""

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanplate.wire import protocol
from cleanplate.wire.protocol import SegmentError
from cleanplate.wire.segment import NAME_PREFIX, Segment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these segments are files")
SHM_FOLDER = "cleanplate.wire.segment_posix._SHM_FOLDER"


@pytest.fixture
def shm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(SHM_FOLDER, tmp_path)
    return tmp_path


@pytest.fixture
def segment(shm: Path) -> Iterator[Segment]:
    segment = Segment.create()
    yield segment
    segment.close()
    segment.unlink()


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_both_sides_see_the_same_memory(segment: Segment) -> None:
    other = Segment.open(segment.name)
    segment.buffer[5] = 99

    assert other.buffer[5] == 99
    assert len(other.buffer) == protocol.SEGMENT_BYTES
    other.close()


def test_the_address_is_that_of_the_buffer(segment: Segment) -> None:
    ctypes.memmove(segment.address + protocol.MATTES_OFFSET, b"matte", 5)

    assert bytes(segment.buffer[protocol.MATTES_OFFSET : protocol.MATTES_OFFSET + 5]) == b"matte"


def test_only_the_user_can_read_it(shm: Path) -> None:
    former = os.umask(0)
    try:
        segment = Segment.create()
    finally:
        os.umask(former)
    status = Path(segment.name).stat()

    assert stat.S_IMODE(status.st_mode) == 0o600
    if sys.platform != "win32":  # where there is no such field
        assert status.st_blocks * 512 >= protocol.SEGMENT_BYTES  # its room is reserved: no bus error later
    segment.close()
    segment.unlink()
    assert list(shm.iterdir()) == []


def test_close_works_while_a_view_is_held(shm: Path) -> None:
    segment = Segment.create()
    view = segment.buffer[:8]
    segment.close()

    assert bytes(view) == bytes(8)
    view.release()
    segment.unlink()


def test_unlink_twice_does_no_harm(segment: Segment) -> None:
    segment.unlink()
    segment.unlink()


def test_what_dead_processes_left_is_swept(shm: Path) -> None:
    stale = shm / f"{NAME_PREFIX}{dead_pid()}-0123"
    living = shm / f"{NAME_PREFIX}{os.getpid()}-4567"
    foreign = shm / f"{NAME_PREFIX}notes-of-somebody"
    unrelated = shm / "other-1-2"
    for file in (stale, living, foreign, unrelated):
        file.touch()

    segment = Segment.create()

    assert not stale.exists()
    assert living.exists()
    assert foreign.exists()
    assert unrelated.exists()
    segment.close()
    segment.unlink()


def test_a_killed_creator_leaves_a_segment_that_the_next_one_sweeps(shm: Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from cleanplate.wire import segment, segment_posix\n"
        "segment_posix._SHM_FOLDER = pathlib.Path(sys.argv[1])\n"
        "segment.Segment.create()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script, str(shm)], env=environment, check=False)
    (stale,) = shm.iterdir()

    segment = Segment.create()

    assert not stale.exists()
    segment.close()
    segment.unlink()


def test_a_given_path_is_used(tmp_path: Path) -> None:
    segment = Segment.create(str(tmp_path / "here"))

    assert segment.name == str(tmp_path / "here")
    with pytest.raises(SegmentError, match="exists"):
        Segment.create(segment.name)
    segment.close()
    segment.unlink()


def test_without_shared_memory_the_temporary_folder_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SHM_FOLDER, tmp_path / "missing")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    segment = Segment.create()

    assert Path(segment.name).parent == tmp_path
    segment.close()
    segment.unlink()


def test_no_room_is_an_error_and_leaves_nothing(shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SegmentError, match=r"No space left .* Free some space"):
        Segment.create()
    assert list(shm.iterdir()) == []


def test_what_is_no_segment_is_not_opened(tmp_path: Path, segment: Segment) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x" * 100)
    link = tmp_path / "link"
    link.symlink_to(segment.name)
    for name in (short, link, tmp_path, tmp_path / "missing", "/dev/zero"):
        with pytest.raises(SegmentError):
            Segment.open(str(name))
