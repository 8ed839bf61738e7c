"""Two processes exchange frames as fast as they can; whatever `still` lets through is whole."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from cleanplate.wire.ring import Channel, Picture
from cleanplate.wire.segment import Segment

WRITER = """
import sys, time
from cleanplate.wire.ring import Channel, SlotInfo
from cleanplate.wire.segment import Segment

segment = Segment.open(sys.argv[1])
channel = Channel.attach(segment.buffer)
pictures = [bytes([value]) * (512 * 4 * 288) for value in range(251)]
frame_id = 0
end = time.monotonic() + 60
print(flush=True)
while time.monotonic() < end:
    frame_id += 1
    offset = channel.frames.begin()
    segment.buffer[offset : offset + len(pictures[0])] = pictures[frame_id % 251]
    channel.frames.publish(SlotInfo(frame_id, time.monotonic_ns(), 1, 512, 288, 2048))
"""


Exchange = tuple[Segment, Channel]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A segment into which another process writes frames at full speed, each filled with one value."""
    segment = Segment.create()
    channel = Channel.format(segment.buffer)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITER, segment.name]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        yield segment, channel
        assert writer.poll() is None
        writer.kill()
    channel.close()
    segment.close()
    segment.unlink()


def next_picture(channel: Channel, after: int) -> Picture:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        picture = channel.frames.newest(after)
        if picture is not None:
            return picture
    raise AssertionError("the writer stopped")


def is_whole(data: bytes, picture: Picture) -> bool:
    return data == bytes([picture.info.frame_id % 251]) * picture.size


def test_no_torn_picture_passes(exchange: Exchange) -> None:
    segment, channel = exchange
    whole = sequence = 0
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        picture = next_picture(channel, sequence)
        assert picture.sequence > sequence
        assert picture.info.frame_id == picture.sequence
        sequence = picture.sequence
        data = bytes(segment.buffer[picture.offset : picture.offset + picture.size])
        if channel.frames.still(picture):
            assert is_whole(data, picture)
            whole += 1
    assert whole > 20


def test_a_slow_reader_notices_that_its_copy_is_torn(exchange: Exchange) -> None:
    segment, channel = exchange
    torn = sequence = 0
    end = time.monotonic() + 10
    while torn < 3 and time.monotonic() < end:
        picture = next_picture(channel, sequence)
        sequence = picture.sequence
        middle = picture.offset + picture.size // 2
        data = bytes(segment.buffer[picture.offset : middle])
        time.sleep(0.02)
        data += bytes(segment.buffer[middle : picture.offset + picture.size])
        if not is_whole(data, picture):
            assert not channel.frames.still(picture)
            torn += 1
    assert torn == 3
