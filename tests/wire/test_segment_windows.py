"""The Windows segments, over a fake of the system's named mappings."""

import importlib
import mmap
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from cleanplate.wire import protocol
from cleanplate.wire.protocol import SegmentError


class FakeMappings:
    """`mmap.mmap(-1, size, tagname=name)`: the first caller makes the mapping, later ones share it."""

    def __init__(self) -> None:
        self._by_name: dict[str, bytearray] = {}

    def mmap(self, fileno: int, length: int, tagname: str) -> bytearray:
        assert fileno == -1
        mapping = self._by_name.setdefault(tagname, bytearray(length))
        if len(mapping) < length:
            raise OSError(5, "Access is denied")
        return mapping


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    if sys.platform != "win32":
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(mmap, "mmap", FakeMappings().mmap)
    yield importlib.import_module("cleanplate.wire.segment_windows")
    sys.modules.pop("cleanplate.wire.segment_windows")


def test_a_named_mapping_is_shared(windows: ModuleType) -> None:
    name = windows.place("cleanplate-1-ab")
    first = windows.create(name, protocol.SEGMENT_BYTES)
    first[100] = 7
    second = windows.open(name, protocol.SEGMENT_BYTES)

    assert name == "Local\\cleanplate-1-ab"
    assert second[100] == 7
    windows.unlink(name)
    windows.sweep("cleanplate-")


def test_a_name_that_is_taken_is_refused(windows: ModuleType) -> None:
    windows.create("Local\\taken", 4096)[0] = 1
    with pytest.raises(SegmentError, match="another name"):
        windows.create("Local\\taken", 4096)


def test_no_memory_is_an_error_of_ours(windows: ModuleType) -> None:
    windows.create("Local\\small", 4096)
    with pytest.raises(SegmentError, match="No shared memory"):
        windows.open("Local\\small", protocol.SEGMENT_BYTES)
