"""Reads and writes the segment that `protocol` specifies, over any writable buffer.

What comes out of the buffer is hostile. Reader methods (`Ring.newest`, `Ring.still`, `Block.read`, the
counters) return None or False for whatever they cannot trust; they never raise and never leave the buffer.

A ring or a block may be used by any thread, but by one at a time.
"""

import json
import struct
import sys
import threading
import zlib
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from cleanplate.wire import protocol
from cleanplate.wire.protocol import BlockError, LayoutError, PictureError

Buffer = Union[bytearray, memoryview]
"""Anything that `memoryview` takes and that can be written; an `mmap` goes in as a `memoryview` over it."""


class SlotInfo(NamedTuple):
    """What a slot's header says of its picture; the fields are specified in `protocol`.

    Attributes:
        frame_id: The filter's number of the frame.
        timestamp_ns: The filter's monotonic clock at the frame, nanoseconds.
        generation: The filter's stream generation.
        width: Pixels, 1..1024.
        height: Pixels, 1..1024.
        stride: Bytes from row to row.
        flags: Bits; none is defined yet.
        gain: Blue, green, red factors that bring the clean plate to the frame's exposure, each in (0, 16].
    """

    frame_id: int
    timestamp_ns: int
    generation: int
    width: int
    height: int
    stride: int
    flags: int = 0
    gain: Tuple[float, float, float] = (1.0, 1.0, 1.0)


class Picture(NamedTuple):
    """A complete picture found in a ring.

    Attributes:
        sequence: Its number in the ring; pass it to the next `Ring.newest`.
        info: Its checked header.
        offset: Where its first row begins, bytes from the start of the segment.
        size: stride x height, bytes; lies within the slot.
        checksum: What the header says of the payload, for `Ring.intact`.
        header_checksum: CRC-32 of the header's bytes in front of the checksum.
    """

    sequence: int
    info: SlotInfo
    offset: int
    size: int
    checksum: int
    header_checksum: int


class _Fence:
    """A memory barrier: for other processes too, what a thread did before the call comes before what follows.

    See "Memory ordering" in `protocol`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def __call__(self) -> None:
        self._lock.release()
        self._lock.acquire()


class Ring:
    """The slots of one direction.

    One writer calls `begin` and `publish`; one reader calls `newest`, then `still` or `intact`.
    """

    def __init__(
        self, buffer: memoryview, words: memoryview, offset: int, slot_bytes: int, pixel_bytes: int
    ) -> None:
        self._buffer = buffer
        self._words = words
        self._capacity = slot_bytes - protocol.SLOT_HEADER_BYTES
        self._pixel_bytes = pixel_bytes
        self._starts = tuple(offset + slot * slot_bytes for slot in range(protocol.SLOTS))
        self._fence = _Fence()
        self._next: Optional[int] = None  # the slot to write next; None until this object first writes
        self._begun: Optional[int] = None  # where the slot that is being written starts
        self._published = 0

    def fits(self, width: int, height: int, stride: int) -> bool:
        """Tells whether a picture of this size (pixels) and stride (bytes) fits a slot of this ring."""
        return (
            1 <= width <= protocol.MAX_WIDTH
            and 1 <= height <= protocol.MAX_HEIGHT
            and width * self._pixel_bytes <= stride
            and stride * height <= self._capacity
        )

    def begin(self) -> int:
        """Marks the oldest slot as being written.

        Without a `publish` in between, the next call returns the same slot.

        Returns:
            Where the payload goes, bytes from the start of the segment. Ask `fits` before writing it.
        """
        if self._next is None:
            self._next = self._resume()
        self._begun = start = self._starts[self._next]
        self._words[start >> 3] = 0
        self._fence()
        return start + protocol.SLOT_HEADER_BYTES

    def publish(self, info: SlotInfo, payload: Optional[bytes] = None) -> int:
        """Publishes the slot of the last `begin`.

        Args:
            info: The picture's header.
            payload: The writer's own copy of the stride x height bytes that it has put into the slot, for the
                checksum; None for a picture without one.

        Returns:
            The picture's sequence.

        Raises:
            PictureError: The picture does not fit, its gain is out of range, or there was no `begin`; nothing
                is published.
        """
        start = self._begun
        if start is None or self._next is None:
            raise PictureError("Nothing to publish: call begin() before each publish().")
        if not self.fits(info.width, info.height, info.stride) or not _sane(info.gain):
            raise PictureError(f"The ring cannot take {info}: keep to the limits in wire/protocol.py.")
        sequence = self._published + 1 if self._published < protocol.MAX_SEQUENCE else 1
        try:
            header = protocol.SEQUENCE.pack(sequence) + protocol.SLOT_INFO.pack(*info[:-1], *info.gain)
        except struct.error as error:
            raise PictureError(f"The ring cannot take {info}: {error}.") from error
        checksum = 0 if payload is None else zlib.crc32(payload, zlib.crc32(header))
        self._buffer[start + protocol.SEQUENCE_BYTES : start + protocol.CHECKSUM_AT] = header[
            protocol.SEQUENCE_BYTES :
        ]
        protocol.CHECKSUM.pack_into(self._buffer, start + protocol.CHECKSUM_AT, checksum)
        self._fence()
        self._words[start >> 3] = self._published = sequence
        self._next = (self._next + 1) % protocol.SLOTS
        self._begun = None
        return sequence

    def newest(self, after: int) -> Optional[Picture]:
        """Finds the newest complete picture.

        Copy its `size` bytes at `offset`, then ask `still`, or `intact` where the writer gives a checksum.

        Args:
            after: The sequence of the last picture taken, 0 for none.

        Returns:
            The picture with the highest sequence above `after`, its header checked; None where there is none.
        """
        found = [
            (sequence, start)
            for start in self._starts
            if after < (sequence := self._words[start >> 3]) <= protocol.MAX_SEQUENCE
        ]
        if not found:
            return None
        self._fence()
        for sequence, start in sorted(found, reverse=True):
            header = bytes(self._buffer[start + protocol.SEQUENCE_BYTES : start + protocol.CHECKSUM_AT])
            (checksum,) = protocol.CHECKSUM.unpack_from(self._buffer, start + protocol.CHECKSUM_AT)
            fields = protocol.SLOT_INFO.unpack(header)
            info = SlotInfo._make((*fields[:7], fields[7:]))
            if self.fits(info.width, info.height, info.stride) and _sane(info.gain):
                picture = Picture(
                    sequence,
                    info,
                    start + protocol.SLOT_HEADER_BYTES,
                    info.stride * info.height,
                    checksum,
                    zlib.crc32(header, zlib.crc32(protocol.SEQUENCE.pack(sequence))),
                )
                if self.still(picture):
                    return picture
        return None

    def still(self, picture: Picture) -> bool:
        """Tells whether a picture of this ring's `newest` has stayed whole until now.

        Ask after copying it: False means that the copy is torn.
        """
        self._fence()
        return bool(self._words[(picture.offset - protocol.SLOT_HEADER_BYTES) >> 3] == picture.sequence)

    def intact(self, picture: Picture, copy: Any) -> bool:
        """Tells whether a copy is of a picture of this ring's `newest` and just what its writer meant.

        Args:
            picture: What was copied.
            copy: Its `size` bytes, in memory that the other side cannot reach; anything with a buffer.
        """
        return self.still(picture) and zlib.crc32(copy, picture.header_checksum) == picture.checksum

    def clear(self) -> None:
        """Empties all slots; only for whoever makes the segment, before anybody else sees it."""
        for start in self._starts:
            self._words[start >> 3] = 0

    def _resume(self) -> int:
        """Goes on where the last writer, perhaps another process, ended; returns the oldest slot."""
        sequences = [self._words[start >> 3] for start in self._starts]
        sane = [sequence if sequence <= protocol.MAX_SEQUENCE else 0 for sequence in sequences]
        self._published = max(sane)
        return sane.index(min(sane))


class Block:
    """A JSON object under a sequence lock: `write` for its one writer, `read` for its reader."""

    def __init__(self, buffer: memoryview, words: memoryview, offset: int) -> None:
        self._words = words
        self._word = offset >> 3
        self._buffer = buffer
        self._length = offset + protocol.SEQUENCE_BYTES
        self._text = offset + protocol.BLOCK_HEADER_BYTES
        self._fence = _Fence()

    def write(self, obj: Dict[str, Any]) -> None:
        """Replaces the block's object.

        Raises:
            BlockError: The object is not JSON, or takes more than 8 KiB; the block keeps what it had.
        """
        try:
            text = json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, RecursionError) as error:
            raise BlockError(f"Cannot be written as JSON: {error}. Pass only plain values.") from error
        if len(text) > protocol.BLOCK_BYTES:
            raise BlockError(
                f"{len(text)} bytes of JSON do not fit the {protocol.BLOCK_BYTES} of a block: "
                "use fewer or shorter entries."
            )
        being_written = (self._words[self._word] | 1) & protocol.MAX_SEQUENCE
        self._words[self._word] = being_written
        self._fence()
        protocol.BLOCK_LENGTH.pack_into(self._buffer, self._length, len(text))
        self._buffer[self._text : self._text + len(text)] = text
        self._fence()
        self._words[self._word] = being_written + 1 if being_written < protocol.MAX_SEQUENCE else 2

    def read(self, after: int) -> Optional[Tuple[int, Dict[str, Any]]]:
        """Reads the block's object.

        Its values are whatever the other side wrote: check their types. Strings may hold lone surrogates.

        Args:
            after: The sequence of the last object read, 0 for none.

        Returns:
            Sequence and object; None while the block is unchanged, being written, or garbage.
        """
        sequence = self._words[self._word]
        if sequence in (0, after) or sequence % 2:
            return None
        self._fence()
        (length,) = protocol.BLOCK_LENGTH.unpack_from(self._buffer, self._length)
        if length > protocol.BLOCK_BYTES:
            return None
        text = bytes(self._buffer[self._text : self._text + length])
        self._fence()
        if self._words[self._word] != sequence:
            return None
        try:
            obj = json.loads(text.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return None
        return (sequence, obj) if isinstance(obj, dict) else None


class Channel:
    """A whole segment: both rings, both blocks and the counters.

    Attributes:
        frames: Written by the filter.
        mattes: Written by the worker.
        control: Written by the filter.
        status: Written by the worker.
    """

    def __init__(self, buffer: memoryview) -> None:
        """Use `format` or `attach`."""
        self._buffer = buffer
        self._words = buffer.cast("Q")
        self.control = Block(buffer, self._words, protocol.CONTROL_OFFSET)
        self.status = Block(buffer, self._words, protocol.STATUS_OFFSET)
        self.frames = Ring(
            buffer,
            self._words,
            protocol.FRAMES_OFFSET,
            protocol.FRAME_SLOT_BYTES,
            protocol.FRAME_PIXEL_BYTES,
        )
        self.mattes = Ring(
            buffer,
            self._words,
            protocol.MATTES_OFFSET,
            protocol.MATTE_SLOT_BYTES,
            protocol.MATTE_PIXEL_BYTES,
        )

    @classmethod
    def format(cls, buffer: Buffer) -> "Channel":
        """Makes an empty segment of the buffer: the filter's side.

        Raises:
            LayoutError: The buffer is too small or cannot be written.
        """
        view = _segment_view(buffer)
        view[: protocol.FRAMES_OFFSET] = bytes(protocol.FRAMES_OFFSET)
        channel = cls(view)
        for ring in (channel.frames, channel.mattes):
            ring.clear()
        channel.write_header()
        return channel

    @classmethod
    def attach(cls, buffer: Buffer) -> "Channel":
        """Takes the buffer as a segment that the other side made: the worker's side.

        Raises:
            LayoutError: The buffer is too small, cannot be written, or holds no segment of this version.
        """
        view = _segment_view(buffer)
        magic, version, _, _ = protocol.HEADER.unpack_from(view, 0)
        if magic != protocol.MAGIC:
            raise LayoutError("This memory is no Clean Plate segment: pass the name that the filter gives.")
        if version != protocol.VERSION:
            raise LayoutError(
                f"The filter speaks version {version} of the protocol, this worker {protocol.VERSION}, "
                "as after an update while OBS ran. Restart OBS; if it says so again, run the installer."
            )
        if view[: protocol.HEADER_BYTES] != protocol.header_bytes():
            raise LayoutError("The segment's header is damaged: remove the filter in OBS and add it again.")
        return cls(view)

    def write_header(self) -> None:
        """Writes the header, so that `attach` works whatever has happened to it: the filter's side."""
        self._buffer[: protocol.HEADER_BYTES] = protocol.header_bytes()

    def close(self) -> None:
        """Lets go of the buffer, so that its mapping can be closed; the channel is of no use afterwards."""
        self._words.release()
        self._buffer.release()

    @property
    def heartbeat_ns(self) -> int:
        """The worker's last sign of life, `time.monotonic_ns`; 0 before the first."""
        return int(self._words[protocol.HEARTBEAT_WORD])

    @heartbeat_ns.setter
    def heartbeat_ns(self, value: int) -> None:
        self._words[protocol.HEARTBEAT_WORD] = value

    @property
    def frame_taken(self) -> int:
        """The frame_id that the worker took last."""
        return int(self._words[protocol.FRAME_TAKEN_WORD])

    @frame_taken.setter
    def frame_taken(self, value: int) -> None:
        self._words[protocol.FRAME_TAKEN_WORD] = value

    @property
    def mattes_made(self) -> int:
        """Mattes that the worker has published since it started."""
        return int(self._words[protocol.MATTES_MADE_WORD])

    @mattes_made.setter
    def mattes_made(self, value: int) -> None:
        self._words[protocol.MATTES_MADE_WORD] = value

    @property
    def frames_dropped(self) -> int:
        """Frames that were published but that the worker never took, since it started."""
        return int(self._words[protocol.FRAMES_DROPPED_WORD])

    @frames_dropped.setter
    def frames_dropped(self, value: int) -> None:
        self._words[protocol.FRAMES_DROPPED_WORD] = value


def _segment_view(buffer: Buffer) -> memoryview:
    if sys.byteorder != "little":
        raise LayoutError("The protocol is little-endian, this machine is not: Clean Plate cannot run on it.")
    view = memoryview(buffer).cast("B")
    if view.readonly or len(view) < protocol.SEGMENT_BYTES:
        raise LayoutError(
            f"A segment is {protocol.SEGMENT_BYTES} writable bytes, this buffer has {len(view)}: "
            "use the memory that Segment gives."
        )
    return view[: protocol.SEGMENT_BYTES]


def _sane(gain: Tuple[float, float, float]) -> bool:
    """Tells whether all three factors are in (0, 16]; not-a-number is not."""
    blue, green, red = gain
    return 0 < blue <= protocol.MAX_GAIN and 0 < green <= protocol.MAX_GAIN and 0 < red <= protocol.MAX_GAIN
