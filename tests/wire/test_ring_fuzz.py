"""Hostile segments: no content makes a reader raise, or point outside its slot."""

import itertools
import random
import struct

import pytest

from cleanplate.wire import protocol
from cleanplate.wire.protocol import LayoutError
from cleanplate.wire.ring import Channel, Ring, SlotInfo

RINGS = {
    "frames": (protocol.FRAMES_OFFSET, protocol.FRAME_SLOT_BYTES, 4),
    "mattes": (protocol.MATTES_OFFSET, protocol.MATTE_SLOT_BYTES, 1),
}
EDGES_64 = [0, 1, 2, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
EDGES_32 = [0, 1, 255, 1023, 1024, 1025, 4096, 4097, 65536, 2**31 - 1, 2**31, 2**32 - 1]
GAINS = [0.0, -0.0, 1.0, -1.0, 16.0, 16.5, 1e-38, float("inf"), float("-inf"), float("nan")]


@pytest.fixture(scope="module")
def segment() -> bytearray:
    return bytearray(protocol.SEGMENT_BYTES)


def assert_sound(ring: Ring, name: str, after: int) -> bool:
    """Whatever `newest` returns lies in one slot and keeps the limits."""
    picture = ring.newest(after)
    if picture is None:
        return False
    first, slot_bytes, pixel_bytes = RINGS[name]
    slot, within = divmod(picture.offset - first, slot_bytes)
    assert 0 <= slot < protocol.SLOTS
    assert within == protocol.SLOT_HEADER_BYTES
    assert 0 < picture.size <= slot_bytes - within
    assert after < picture.sequence <= protocol.MAX_SEQUENCE
    info = picture.info
    assert 1 <= info.width <= protocol.MAX_WIDTH
    assert 1 <= info.height <= protocol.MAX_HEIGHT
    assert info.width * pixel_bytes <= info.stride
    assert info.stride * info.height == picture.size
    assert all(0 < gain <= protocol.MAX_GAIN for gain in info.gain)
    assert ring.still(picture)
    return True


@pytest.mark.parametrize("name", RINGS)
def test_random_slot_headers(segment: bytearray, name: str) -> None:
    channel = Channel.format(segment)
    ring = getattr(channel, name)
    rng = random.Random(name)
    first, slot_bytes, _ = RINGS[name]
    for _ in range(5000):
        for slot in range(protocol.SLOTS):
            start = first + slot * slot_bytes
            segment[start : start + protocol.SLOT_HEADER_BYTES] = rng.randbytes(protocol.SLOT_HEADER_BYTES)
        assert_sound(ring, name, rng.choice([0, 1, rng.getrandbits(63)]))


@pytest.mark.parametrize("name", RINGS)
def test_adversarial_slot_headers(segment: bytearray, name: str) -> None:
    channel = Channel.format(segment)
    ring = getattr(channel, name)
    rng = random.Random(name)
    first, slot_bytes, _ = RINGS[name]
    found = 0
    for width, height, stride in itertools.product(EDGES_32, repeat=3):
        for slot in range(protocol.SLOTS):
            gains = [rng.choice(GAINS) if rng.random() < 0.1 else 1.0 for _ in range(3)]
            segment_header = struct.pack(
                "<QQQIIIIIfff",
                rng.choice(EDGES_64),
                rng.choice(EDGES_64),
                rng.choice(EDGES_64),
                rng.choice(EDGES_32),
                *(rng.choice(EDGES_32) if rng.random() < 0.2 else field for field in (width, height, stride)),
                rng.choice(EDGES_32),
                *gains,
            )
            start = first + slot * slot_bytes
            segment[start : start + len(segment_header)] = segment_header
        found += assert_sound(ring, name, rng.choice([0, 1, 2, 2**31, 2**63 - 1]))
    assert found > 20  # the checks above were not all of None


def test_every_damaged_header_byte_is_noticed(segment: bytearray) -> None:
    Channel.format(segment).close()
    for position in range(protocol.HEADER_BYTES):
        for flip in (0x01, 0x80, 0xFF):
            segment[position] ^= flip
            with pytest.raises(LayoutError):
                Channel.attach(segment)
            segment[position] ^= flip
    Channel.attach(segment).close()


def test_random_headers_are_refused(segment: bytearray) -> None:
    rng = random.Random(1)
    for _ in range(2000):
        segment[: protocol.HEADER_BYTES] = rng.randbytes(protocol.HEADER_BYTES)
        if rng.random() < 0.5:
            segment[:12] = struct.pack("<8sI", protocol.MAGIC, rng.choice([0, 1, 2, 2**32 - 1]))
        with pytest.raises(LayoutError):
            Channel.attach(segment)


def write_raw_block(segment: bytearray, sequence: int, length: int, text: bytes) -> None:
    start = protocol.CONTROL_OFFSET
    struct.pack_into("<QI", segment, start, sequence, length)
    start += protocol.BLOCK_HEADER_BYTES
    segment[start : start + len(text)] = text


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[1, 2]",
        b'"text"',
        b"{",
        b'{"a": 1} trailing',
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b"[" * protocol.BLOCK_BYTES,
        b'{"a":' * (protocol.BLOCK_BYTES // 5),
        b"9" * protocol.BLOCK_BYTES,
        b'{"a": \xed\xa0}',
        b'{"a": nul',
    ],
)
def test_a_block_that_is_no_json_object_reads_as_nothing(segment: bytearray, text: bytes) -> None:
    channel = Channel.format(segment)
    write_raw_block(segment, 2, len(text), text)

    assert channel.control.read(after=0) is None


@pytest.mark.parametrize("length", [0, 1, 3, protocol.BLOCK_BYTES + 1, 2**31, 2**32 - 1])
def test_a_block_with_a_wrong_length_reads_as_nothing(segment: bytearray, length: int) -> None:
    channel = Channel.format(segment)
    write_raw_block(segment, 2, length, b'{"a": 1}')

    assert channel.control.read(after=0) is None


def test_random_blocks(segment: bytearray) -> None:
    channel = Channel.format(segment)
    rng = random.Random(2)
    alphabet = b'{}[]",:0123456789eE.+-truefalsn\\u \xff\xc3'
    objects = 0
    for _ in range(5000):
        size = rng.randrange(40)
        text = bytes(rng.choice(alphabet) for _ in range(size))
        if rng.random() < 0.2:
            text = b'{"a":' + str(rng.choice([1, 1.5, '"\\ud800"', "NaN", "1e999"])).encode() + b"}"
        write_raw_block(segment, rng.choice(EDGES_64), len(text), text)
        block = channel.control.read(after=rng.choice([0, 1, 2]))
        if block is not None:
            objects += 1
            assert isinstance(block[1], dict)
            assert block[0] % 2 == 0
    assert objects > 100


def test_random_counters(segment: bytearray) -> None:
    channel = Channel.format(segment)
    rng = random.Random(3)
    for _ in range(100):
        values = [rng.getrandbits(64) for _ in range(4)]
        struct.pack_into("<4Q", segment, protocol.COUNTERS_OFFSET, *values)
        assert values == [
            channel.heartbeat_ns,
            channel.frame_taken,
            channel.mattes_made,
            channel.frames_dropped,
        ]


def test_nothing_is_written_outside_the_segment() -> None:
    canary = bytes(range(256)) * 16
    whole = bytearray(canary + bytes(protocol.SEGMENT_BYTES) + canary)
    channel = Channel.format(memoryview(whole)[len(canary) : -len(canary)])
    rng = random.Random(4)
    for ring, pixel_bytes in ((channel.frames, 4), (channel.mattes, 1)):
        for frame_id in range(9):
            width, height = rng.choice([(1, 1), (1024, 512), (512, 1024)])
            info = SlotInfo(frame_id, 0, 0, width, height, width * pixel_bytes)
            assert ring.begin() + info.stride * height <= protocol.SEGMENT_BYTES
            ring.publish(info)
    channel.control.write({"text": "x" * 8000})
    channel.status.write({"text": "x" * 8000})
    channel.frames_dropped = 2**64 - 1

    assert whole[: len(canary)] == canary
    assert whole[-len(canary) :] == canary


def test_a_writer_never_touches_another_slot() -> None:
    buffer = bytearray(protocol.SEGMENT_BYTES)
    channel = Channel.format(buffer)
    before = bytes(buffer)
    offset = channel.mattes.begin()
    channel.mattes.publish(SlotInfo(1, 2, 3, 4, 5, 6))

    changed = [index for index, (old, new) in enumerate(zip(before, buffer, strict=True)) if old != new]
    assert offset - protocol.SLOT_HEADER_BYTES <= min(changed)
    assert max(changed) < offset
