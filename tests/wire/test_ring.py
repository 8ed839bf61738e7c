"""Rings, blocks and counters, as the filter and the worker use them."""

import math
from collections.abc import Callable
from typing import Any, cast

import pytest

from cleanplate.wire import protocol
from cleanplate.wire.protocol import BlockError, LayoutError, PictureError, WireError
from cleanplate.wire.ring import Block, Buffer, Channel, Picture, Ring, SlotInfo

FRAME = SlotInfo(frame_id=7, timestamp_ns=123, generation=2, width=512, height=288, stride=2048)
MATTE = SlotInfo(
    frame_id=7, timestamp_ns=123, generation=2, width=512, height=288, stride=512, gain=(0.5, 1, 2)
)


Sides = tuple[Channel, Channel]


@pytest.fixture
def sides() -> Sides:
    """The filter's and the worker's view of one segment."""
    buffer = bytearray(protocol.SEGMENT_BYTES)
    return Channel.format(buffer), Channel.attach(buffer)


def newest(ring: Ring, after: int = 0) -> Picture:
    picture = ring.newest(after)
    assert picture is not None
    return picture


def read(block: Block, after: int = 0) -> tuple[int, dict[str, Any]]:
    update = block.read(after)
    assert update is not None
    return update


def publish(ring: Ring, buffer: bytearray, info: SlotInfo, value: int) -> int:
    offset = ring.begin()
    buffer[offset : offset + info.stride * info.height] = bytes([value]) * (info.stride * info.height)
    return ring.publish(info)


def test_a_frame_arrives_as_it_was_sent() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side, worker_side = Channel.format(buffer), Channel.attach(buffer)

    sequence = publish(filter_side.frames, buffer, FRAME, 42)
    picture = newest(worker_side.frames)

    assert picture.sequence == sequence == 1
    assert picture.info == FRAME
    assert buffer[picture.offset : picture.offset + picture.size] == b"\x2a" * (2048 * 288)
    assert worker_side.frames.still(picture)


def test_a_matte_brings_the_gain(sides: Sides) -> None:
    filter_side, worker_side = sides
    worker_side.mattes.begin()
    worker_side.mattes.publish(MATTE)

    assert newest(filter_side.mattes).info == MATTE


def send_matte(buffer: bytearray, worker_side: Channel) -> tuple[Picture, bytes]:
    pixels = bytes(range(256)) * (512 * 288 // 256)
    offset = worker_side.mattes.begin()
    buffer[offset : offset + len(pixels)] = pixels
    worker_side.mattes.publish(MATTE, pixels)
    return newest(worker_side.mattes), pixels


def test_a_matte_is_intact_as_long_as_nobody_touches_it() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side, worker_side = Channel.format(buffer), Channel.attach(buffer)
    picture, pixels = send_matte(buffer, worker_side)
    copy = bytes(buffer[picture.offset : picture.offset + picture.size])
    assert copy == pixels
    assert filter_side.mattes.intact(picture, copy)
    assert not filter_side.mattes.intact(picture, copy[:-1] + b"\0")

    for _ in range(protocol.SLOTS):  # the copy is whole, but the writer is back in the slot
        worker_side.mattes.begin()
        worker_side.mattes.publish(MATTE)
    assert not filter_side.mattes.intact(picture, copy)


def test_every_changed_bit_of_a_header_is_noticed() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side, worker_side = Channel.format(buffer), Channel.attach(buffer)
    picture, pixels = send_matte(buffer, worker_side)
    start = picture.offset - protocol.SLOT_HEADER_BYTES
    for position in range(protocol.CHECKSUM_AT + protocol.CHECKSUM.size):
        for bit in range(8):
            buffer[start + position] ^= 1 << bit
            found = filter_side.mattes.newest(0)
            assert found is None or not filter_side.mattes.intact(found, pixels)
            buffer[start + position] ^= 1 << bit
    assert filter_side.mattes.intact(newest(filter_side.mattes), pixels)


def test_the_checksum_is_of_the_writers_copy_not_of_the_segment() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side, worker_side = Channel.format(buffer), Channel.attach(buffer)
    pixels = bytes(512 * 288)
    offset = worker_side.mattes.begin()
    buffer[offset : offset + len(pixels)] = b"\xff" * len(pixels)  # noise came between
    worker_side.mattes.publish(MATTE, pixels)

    picture = newest(filter_side.mattes)
    copy = bytes(buffer[picture.offset : picture.offset + picture.size])
    assert not filter_side.mattes.intact(picture, copy)


def test_the_filter_can_mend_the_header() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side = Channel.format(buffer)
    buffer[: protocol.HEADER_BYTES] = b"\xa5" * protocol.HEADER_BYTES
    with pytest.raises(LayoutError):
        Channel.attach(buffer)
    filter_side.write_header()
    Channel.attach(buffer)


def test_an_empty_ring_has_no_picture(sides: Sides) -> None:
    assert sides[1].frames.newest(after=0) is None


def test_a_picture_comes_once(sides: Sides) -> None:
    filter_side, worker_side = sides
    filter_side.frames.begin()
    sequence = filter_side.frames.publish(FRAME)

    assert worker_side.frames.newest(after=sequence) is None


def test_the_newest_picture_wins(sides: Sides) -> None:
    filter_side, worker_side = sides
    for frame_id in range(1, 11):
        filter_side.frames.begin()
        filter_side.frames.publish(FRAME._replace(frame_id=frame_id))

        assert newest(worker_side.frames).info.frame_id == frame_id


def test_a_slot_that_is_being_written_is_not_read(sides: Sides) -> None:
    filter_side, worker_side = sides
    for _ in range(protocol.SLOTS):
        filter_side.frames.begin()
        filter_side.frames.publish(FRAME)
    filter_side.frames.begin()

    assert newest(worker_side.frames).sequence == protocol.SLOTS
    assert worker_side.frames.newest(after=protocol.SLOTS) is None


class ChangingWords:
    """A segment whose sequences change between any two reads, as under a fast writer."""

    def __init__(self, *reads: int) -> None:
        self._reads = iter(reads)

    def __getitem__(self, word: int) -> int:
        return next(self._reads, 0)


def test_a_sequence_is_looked_at_once() -> None:
    buffer = memoryview(bytearray(protocol.SEGMENT_BYTES))
    Channel.format(buffer).frames.begin()
    protocol.SLOT_INFO.pack_into(buffer, protocol.FRAMES_OFFSET + 8, *FRAME[:-1], *FRAME.gain)
    words = ChangingWords(5, 0, 0, 0, 0)  # the writer begins after the first look at the first slot
    ring = Ring(buffer, cast(memoryview, words), protocol.FRAMES_OFFSET, protocol.FRAME_SLOT_BYTES, 4)

    assert ring.newest(after=0) is None


def test_a_copy_is_torn_once_the_writer_comes_back_to_its_slot(sides: Sides) -> None:
    filter_side, worker_side = sides
    filter_side.frames.begin()
    filter_side.frames.publish(FRAME)
    picture = newest(worker_side.frames)
    for _ in range(protocol.SLOTS - 1):
        filter_side.frames.begin()
        filter_side.frames.publish(FRAME)
    assert worker_side.frames.still(picture)

    filter_side.frames.begin()
    assert not worker_side.frames.still(picture)
    filter_side.frames.publish(FRAME)
    assert not worker_side.frames.still(picture)


def test_begin_twice_gives_the_same_slot(sides: Sides) -> None:
    assert sides[0].frames.begin() == sides[0].frames.begin()


def test_publish_needs_begin(sides: Sides) -> None:
    with pytest.raises(PictureError, match=r"begin\(\)"):
        sides[0].frames.publish(FRAME)
    sides[0].frames.begin()
    sides[0].frames.publish(FRAME)
    with pytest.raises(PictureError, match=r"begin\(\)"):
        sides[0].frames.publish(FRAME)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"height": 0},
        {"width": 1025, "stride": 4100},
        {"height": 1025, "width": 8, "stride": 32},
        {"stride": 2047},
        {"width": 1024, "height": 1024, "stride": 4096},
        {"stride": 2**31},
        {"frame_id": -1},
        {"frame_id": 2**64},
        {"generation": 2**32},
        {"gain": (1, 0, 1)},
        {"gain": (1, 17, 1)},
        {"gain": (math.nan, 1, 1)},
        {"gain": (1, 1, math.inf)},
    ],
)
def test_what_does_not_fit_is_not_published(sides: Sides, wrong: dict[str, Any]) -> None:
    filter_side, worker_side = sides
    filter_side.frames.begin()

    with pytest.raises(PictureError):
        filter_side.frames.publish(FRAME._replace(**wrong))

    assert worker_side.frames.newest(after=0) is None


def test_the_largest_pictures_fit(sides: Sides) -> None:
    frames, mattes = sides[0].frames, sides[0].mattes
    assert frames.fits(1024, 512, 4096)
    assert not frames.fits(1024, 513, 4096)
    assert frames.fits(512, 1024, 2048)
    assert mattes.fits(1024, 512, 1024)
    assert not mattes.fits(1024, 513, 1024)


def test_a_new_writer_goes_on_where_the_last_one_ended() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side = Channel.format(buffer)
    first = Channel.attach(buffer)
    for _ in range(6):
        first.mattes.begin()
        seen = first.mattes.publish(MATTE)
    picture = newest(filter_side.mattes)
    first.mattes.begin()  # and dies

    second = Channel.attach(buffer)
    second.mattes.begin()
    assert filter_side.mattes.still(picture)
    assert second.mattes.publish(MATTE) == seen + 1
    assert newest(filter_side.mattes, after=seen).sequence == seen + 1


def test_a_writer_recovers_from_garbage_in_the_sequences() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side, worker_side = Channel.format(buffer), Channel.attach(buffer)
    words = memoryview(buffer).cast("Q")
    for slot, garbage in enumerate((2**64 - 1, protocol.MAX_SEQUENCE, 2**63, 5)):
        words[(protocol.MATTES_OFFSET + slot * protocol.MATTE_SLOT_BYTES) // 8] = garbage

    for expected in (1, 2, 3, 4):
        worker_side.mattes.begin()
        assert worker_side.mattes.publish(MATTE) == expected
    assert newest(filter_side.mattes).sequence == 4


def test_the_counters_are_seen_by_the_other_side(sides: Sides) -> None:
    filter_side, worker_side = sides
    worker_side.heartbeat_ns = 2**60
    worker_side.frame_taken = 2
    worker_side.mattes_made = 3
    worker_side.frames_dropped = 4

    counters = (
        filter_side.heartbeat_ns,
        filter_side.frame_taken,
        filter_side.mattes_made,
        filter_side.frames_dropped,
    )
    assert counters == (2**60, 2, 3, 4)


def test_a_block_is_read_once(sides: Sides) -> None:
    filter_side, worker_side = sides
    assert worker_side.control.read(after=0) is None
    filter_side.control.write({"model": "difference", "samples": ["/räume/\udc80.png"], "shift": 0.5})

    sequence, control = read(worker_side.control)
    assert control == {"model": "difference", "samples": ["/räume/\udc80.png"], "shift": 0.5}
    assert worker_side.control.read(after=sequence) is None

    filter_side.control.write({})
    later, control = read(worker_side.control, after=sequence)
    assert (control, later > sequence) == ({}, True)


def test_a_block_says_when_it_is_full_and_keeps_what_it_had(sides: Sides) -> None:
    filter_side, worker_side = sides
    filter_side.control.write({"kept": True})
    overhead = len('{"k":""}')

    with pytest.raises(BlockError, match="8193 bytes"):
        filter_side.control.write({"k": "x" * (protocol.BLOCK_BYTES - overhead + 1)})
    assert read(worker_side.control)[1] == {"kept": True}

    filter_side.control.write({"k": "x" * (protocol.BLOCK_BYTES - overhead)})
    assert len(read(worker_side.control)[1]["k"]) == protocol.BLOCK_BYTES - overhead


def test_a_block_takes_only_json(sides: Sides) -> None:
    with pytest.raises(BlockError, match="plain values"):
        sides[0].control.write({"path": object()})
    circular: dict[str, Any] = {}
    circular["self"] = circular
    with pytest.raises(BlockError):
        sides[0].control.write(circular)


def test_a_block_goes_on_after_a_writer_that_died_writing() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    filter_side, worker_side = Channel.format(buffer), Channel.attach(buffer)
    worker_side.status.write({"pid": 1})
    sequence, _ = read(filter_side.status)
    words = memoryview(buffer).cast("Q")
    words[protocol.STATUS_OFFSET // 8] |= 1  # the second write ends here

    assert filter_side.status.read(after=sequence) is None
    Channel.attach(buffer).status.write({"pid": 2})
    later, status = read(filter_side.status, after=sequence)
    assert (status, later > sequence) == ({"pid": 2}, True)


def test_format_empties_a_used_segment() -> None:
    buffer = bytearray(b"\xff" * protocol.SEGMENT_BYTES)
    channel = Channel.format(buffer)

    assert channel.frames.newest(after=0) is None
    assert channel.mattes.newest(after=0) is None
    assert channel.control.read(after=0) is None
    assert channel.status.read(after=0) is None
    assert (channel.heartbeat_ns, channel.frame_taken, channel.mattes_made, channel.frames_dropped) == (
        0,
    ) * 4


def test_a_larger_buffer_will_do() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES + 4096 - protocol.SEGMENT_BYTES % 4096)
    Channel.format(buffer)
    Channel.attach(buffer)


@pytest.mark.parametrize("make", [Channel.format, Channel.attach])
def test_a_buffer_that_is_too_small_or_read_only_is_refused(make: Callable[[Buffer], Channel]) -> None:
    with pytest.raises(LayoutError, match="10503040 writable bytes"):
        make(bytearray(protocol.SEGMENT_BYTES - 1))
    with pytest.raises(LayoutError):
        make(memoryview(bytes(protocol.SEGMENT_BYTES)))


def test_attach_says_what_is_wrong() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    with pytest.raises(LayoutError, match="no Clean Plate segment"):
        Channel.attach(buffer)
    Channel.format(buffer)
    buffer[8] = 1
    with pytest.raises(LayoutError, match=r"version 1 .*Restart OBS; .* installer"):
        Channel.attach(buffer)
    buffer[8] = protocol.VERSION
    buffer[40] ^= 1
    with pytest.raises(WireError, match="damaged"):
        Channel.attach(buffer)


def test_close_lets_go_of_the_buffer() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    channel = Channel.format(buffer)
    with pytest.raises(BufferError):
        buffer.append(0)

    channel.close()
    buffer.append(0)
