"""The numbers of the specification are those of the code."""

import re

import pytest

from cleanplate.wire import protocol as p

REGIONS = {
    "header": (0, p.HEADER_BYTES),
    "counters": (p.COUNTERS_OFFSET, p.COUNTERS_BYTES),
    "control": (p.CONTROL_OFFSET, p.BLOCK_HEADER_BYTES + p.BLOCK_BYTES),
    "status": (p.STATUS_OFFSET, p.BLOCK_HEADER_BYTES + p.BLOCK_BYTES),
    "frames": (p.FRAMES_OFFSET, p.SLOTS * p.FRAME_SLOT_BYTES),
    "mattes": (p.MATTES_OFFSET, p.SLOTS * p.MATTE_SLOT_BYTES),
}


@pytest.mark.parametrize("name", REGIONS)
def test_specification_states_each_region_as_it_is(name: str) -> None:
    row = re.search(rf"^    (\d+) +(?:(\d+) x )?(\d+) +{name} ", p.__doc__, re.MULTILINE)

    assert row is not None
    offset, slots, size = row.groups()
    assert (int(offset), int(slots or 1) * int(size)) == REGIONS[name]


def test_regions_follow_one_another_on_cache_lines() -> None:
    end = 0
    for offset, size in REGIONS.values():
        assert offset == end
        assert offset % 64 == 0
        end = offset + size
    assert end == p.SEGMENT_BYTES


def test_slots_and_payloads_lie_on_cache_lines() -> None:
    assert p.FRAME_SLOT_BYTES % 64 == p.MATTE_SLOT_BYTES % 64 == p.SLOT_HEADER_BYTES % 64 == 0


def test_headers_have_room() -> None:
    assert p.SEQUENCE.size == p.SEQUENCE_BYTES
    assert p.SEQUENCE_BYTES + p.SLOT_INFO.size == p.CHECKSUM_AT
    assert p.CHECKSUM_AT + p.CHECKSUM.size == 60 <= p.SLOT_HEADER_BYTES
    assert p.HEADER.size + 5 * p.REGION.size == 144 <= p.HEADER_BYTES


def test_specification_states_the_slot_fields_as_they_are() -> None:
    text = p.__doc__.partition("Ring slot")[2]
    fields = [
        "frame_id",
        "timestamp_ns",
        "generation",
        "width",
        "height",
        "stride",
        "flags",
        "gain",
        "checksum",
    ]
    offsets = [
        int(offset)
        for name in fields
        for offset in re.findall(rf"^    (\d+) +(?:u\d+|3 x f32) +{name} ", text, re.M)
    ]

    assert offsets == [8, 16, 24, 28, 32, 36, 40, 44, 56]
    packed = p.SLOT_INFO.pack(0x08, 0x10, 0x18, 0x1C, 0x20, 0x24, 0x28, 1, 1, 1)
    for offset in offsets[:-2]:
        assert packed[offset - p.SEQUENCE_BYTES] == offset


def test_header_describes_the_regions() -> None:
    header = p.header_bytes()

    assert p.HEADER.unpack_from(header) == (b"CLNPLATE", 2, p.HEADER_BYTES, p.SEGMENT_BYTES)
    for index, (offset, size) in enumerate(list(REGIONS.values())[1:]):
        row = p.REGION.unpack_from(header, p.HEADER.size + index * p.REGION.size)
        assert row[:2] == (offset, size)
        assert row[2] * row[3] == size


def test_ordinary_frames_fit() -> None:
    assert 512 * 288 * p.FRAME_PIXEL_BYTES <= p.FRAME_BYTES
    assert p.FRAME_BYTES // p.FRAME_PIXEL_BYTES == p.MATTE_BYTES // p.MATTE_PIXEL_BYTES
