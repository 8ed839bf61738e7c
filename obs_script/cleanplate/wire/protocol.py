"""The shared-memory segment between one filter in OBS and its inference worker: version 2.

This docstring is the specification. The constants below are its numbers, `ring` its only reader and writer,
`segment` the way to get such memory from the operating system.

Contract
--------
There is one segment, one filter and, at any one time, one worker. The *filter* writes the frame ring and
the control block; the *worker* writes the matte ring, the status block and the counters. Each reads what
the other writes. No place in the segment has two writers, there are no locks, and nobody ever waits: the
newest picture wins, and a reader that was too slow sees that its copy is torn and drops it.

A wake-up pipe goes with the segment: the worker's standard input. The filter writes one byte (its value
means nothing) after each frame that it publishes and after each control block that it writes. End of file
on that pipe means that the filter is gone, and the worker exits. A filter that goes in order removes the
segment's name before it closes the pipe; where the name is still there, OBS has crashed, and the worker
removes the segments of dead processes. What is left then, the next filter removes.

Layout
------
Everything is little-endian and of fixed width; `u64` fields lie at multiples of 8, all else at multiples of
its own size, every region, slot and payload at a multiple of 64 bytes (a cache line). Bytes not named are
zero and ignored.

    offset      size        region      written by
    0           192         header      filter, once, before the worker starts
    192         64          counters    worker
    256         8256        control     filter
    8512        8256        status      worker
    16768       4 x 2097216 frames      filter
    8405632     4 x 524352  mattes      worker
    10503040                (end)

Header:

    0   8s      magic           b"CLNPLATE"
    8   u32     version         2; raised at every change of this layout
    12  u32     header size     192 bytes
    16  u64     segment size    10503040 bytes
    24  5 x     region          counters, control, status, frames, mattes, in this order:
                u64 offset (bytes from the start of the segment), u64 size (bytes),
                u32 slot count, u32 slot stride (bytes from slot to slot; a region without slots is one slot)

The table is for people and foreign tools. Our reader demands the very bytes of its own version and then
uses its own constants, so a table that is changed later leads nobody out of bounds.

Counters:

    0   u64     heartbeat_ns    the worker's monotonic clock (nanoseconds), see Heartbeat
    8   u64     frame_taken     frame_id of the frame that the worker took last
    16  u64     mattes_made     mattes published since the worker started
    24  u64     frames_dropped  frames that were published but never taken, since the worker started

Block (control and status):

    0   u64     sequence        even: complete; odd: being written; 0: never written
    8   u32     length          bytes of text, at most 8192
    64  8192    text            one JSON object, UTF-8; a lone surrogate (undecodable file names have them) is
                                passed as three bytes

Ring slot (frames and mattes):

    0   u64     sequence        0: never, or being written; else the picture's number in its ring
    8   u64     frame_id        the filter's number of the frame
    16  u64     timestamp_ns    the filter's monotonic clock at the frame (nanoseconds)
    24  u32     generation      the filter's stream generation: a change means that frames before and after it
                                do not belong together (resize, reset)
    28  u32     width           pixels, 1..1024
    32  u32     height          pixels, 1..1024
    36  u32     stride          bytes from row to row, at least width x bytes per pixel
    40  u32     flags           0; a reader ignores bits that it does not know
    44  3 x f32 gain            blue, green, red, each above 0 and at most 16: multiply the clean plate by it
                                to get the present exposure; 1 in frames
    56  u32     checksum        mattes: see Checksum; frames: 0
    64          payload         rows from top to bottom; frames B, G, R, A bytes, mattes one byte of alpha
                                (0 background, 255 person)

stride x height never exceeds the payload's capacity: 2 MiB in frames, 512 KiB in mattes. A matte bears the
frame_id, timestamp and generation of the frame that it was made from, and has its width and height.

Checksum
--------
That of a matte is the CRC-32 (that of zlib) of bytes 0 to 55 of its slot header and of its payload, stride x
height bytes. The worker computes it from its own copy of the matte, not from the segment; the filter checks
it against the copy that it has taken. So noise in a payload is not believed, nor is a header that was
written over. It costs OBS' graphics thread 0.02 ms a matte of 512 x 288. A frame has none: it is four times
as large, and nobody but the filter has any business in the frame ring.

Heartbeat
---------
A worker that is well writes the time at least every 250 ms, with frames or without. It does not while it
loads a model or encodes samples: it says "loading" in its status before it begins. The clock is its
`time.monotonic_ns`. On Linux and macOS that is one clock for all processes; on Windows it is another one in
Python 3.13 than in older versions. So the filter should not subtract a heartbeat from its own time: a
heartbeat that changes is the sign of life, and the filter's own clock tells how long ago it last did.

Sequences
---------
A ring's writer takes its slots in turn. It sets the slot's sequence to 0, writes payload and header, and
then writes the next sequence number. Sequences in a ring only grow, also from one worker to the next one on
the same segment: a new writer goes on from the highest that it finds. A reader looks for the highest
sequence above the last one that it took, checks the header, copies the payload and reads the sequence again;
when that has changed, the copy is torn. A reader that finds nothing but lower sequences than the one that it
took last has believed garbage: it starts over from 0. The writer comes back to a slot after three other
pictures, so a reader has about three frame times for its copy.

Values above 2**63 - 1 are garbage and read as 0. (At a thousand pictures a second a ring reaches them in
292 million years.)

Memory ordering
---------------
What must hold: whoever sees a sequence number sees all that was written before it, and whoever sees any
byte of the next picture then sees that the sequence has changed.

* A sequence is read and written as one aligned 8-byte access, which x86-64 and ARM64 make in one piece.
  CPython does it so for an item of a `memoryview` of format "Q" (a `memcpy` of constant size). It does
  *not* for `struct.pack_into`, which fills its target with zeros first; hence the counters too are written
  as items.
* x86-64 keeps stores in order and loads in order (TSO), which is all that is needed. The one exception,
  streaming stores in a large `memcpy`, is fenced by the C library before it returns.
* ARM64 keeps neither. There the writer needs a barrier after it marks the slot and one before it publishes,
  the reader one after the first look at the sequence and one before the second. Python has no fence, but it
  has locks, and POSIX (XBD 4.12) demands that locking and unlocking synchronise memory. `ring` releases and
  retakes a private lock at these four points. On ARM64 that is a store-release followed by a load-acquire,
  which that architecture keeps in order with each other and with what lies around them; Windows' locks are
  the same instructions. This costs some 50 ns each, so it is done everywhere rather than by architecture.
* In the frame direction the wake-up pipe is a second barrier: a frame is complete for whoever has read its
  byte from the pipe. It is not enough alone, because the worker may come upon a newer frame whose byte it
  has not read yet. In the matte direction there is no pipe: it rests on the lock, and on the sequence being
  read again.

Invariants
----------
Every value read is hostile, for the other process may be of another version, or dying, or broken. Sizes,
strides and lengths are copied out of the segment once, checked, and only the checked copy is used; offsets
are never taken from the segment. No content of the segment makes a reader raise, or touch memory outside
the segment.

Each worker finds a sound header and the present control block, for the filter writes both again before it
starts one: whatever a mad worker did to the segment, its successor can work.

Caveats
-------
* The other process can write at any time: what was checked in place may change. Payloads must be copied
  out, then `Ring.still` asked, then used.
* Who can write the segment can lie about the picture, though not more: it is protected by the user's
  account alone. The checksum is for accidents; who means harm computes it.
* A file that is made shorter under a mapping ends both processes with a bus error. Nobody but the user can.
"""

import struct

MAGIC = b"CLNPLATE"
VERSION = 2

MAX_WIDTH = 1024  # pixels
MAX_HEIGHT = 1024  # pixels
MAX_GAIN = 16.0
MAX_SEQUENCE = 2**63 - 1

SLOTS = 4
FRAME_BYTES = 2 * 1024 * 1024  # payload capacity of a frame slot
MATTE_BYTES = 512 * 1024  # payload capacity of a matte slot
BLOCK_BYTES = 8 * 1024  # text capacity of the control and status blocks
FRAME_PIXEL_BYTES = 4  # B, G, R, A
MATTE_PIXEL_BYTES = 1  # alpha

HEADER = struct.Struct("<8sIIQ")  # magic, version, header size, segment size
REGION = struct.Struct("<QQII")  # offset, size, slot count, slot stride
BLOCK_LENGTH = struct.Struct("<I")
SEQUENCE = struct.Struct("<Q")
SLOT_INFO = struct.Struct("<QQIIIIIfff")  # frame_id .. gain: what a slot header has after its sequence
CHECKSUM = struct.Struct("<I")

SEQUENCE_BYTES = 8  # the sequence comes first in a slot and in a block; the rest of the header follows it
CHECKSUM_AT = 56  # in a slot header; the checksum covers what is before it
SLOT_HEADER_BYTES = 64
BLOCK_HEADER_BYTES = 64
FRAME_SLOT_BYTES = SLOT_HEADER_BYTES + FRAME_BYTES
MATTE_SLOT_BYTES = SLOT_HEADER_BYTES + MATTE_BYTES

HEADER_BYTES = 192
COUNTERS_BYTES = 64
COUNTERS_OFFSET = HEADER_BYTES
CONTROL_OFFSET = COUNTERS_OFFSET + COUNTERS_BYTES
STATUS_OFFSET = CONTROL_OFFSET + BLOCK_HEADER_BYTES + BLOCK_BYTES
FRAMES_OFFSET = STATUS_OFFSET + BLOCK_HEADER_BYTES + BLOCK_BYTES
MATTES_OFFSET = FRAMES_OFFSET + SLOTS * FRAME_SLOT_BYTES
SEGMENT_BYTES = MATTES_OFFSET + SLOTS * MATTE_SLOT_BYTES

HEARTBEAT_WORD = COUNTERS_OFFSET // 8  # the counters, as indices of 8-byte words in the segment
FRAME_TAKEN_WORD = HEARTBEAT_WORD + 1
MATTES_MADE_WORD = HEARTBEAT_WORD + 2
FRAMES_DROPPED_WORD = HEARTBEAT_WORD + 3

HEARTBEAT_SECONDS = 0.25  # the longest time between two heartbeats of a worker that is well


class WireError(Exception):
    """Any failure of this package; its message says what to do next.

    WireError
    |-- LayoutError        the memory is not a segment of this version
    |-- PictureError       a picture does not fit the slots of its ring
    |-- BlockError         a JSON object does not fit its block
    |-- SegmentError       the operating system gives no shared memory, or the name is no segment
    `-- NotInstalledError  there is no usable record of an installed worker
    """


class LayoutError(WireError):
    """The memory is not a segment of this version."""


class PictureError(WireError):
    """A picture does not fit the slots of its ring."""


class BlockError(WireError):
    """A JSON object does not fit its block."""


class SegmentError(WireError):
    """The operating system gives no shared memory, or the name is no segment."""


class NotInstalledError(WireError):
    """There is no usable record of an installed worker."""


def header_bytes() -> bytes:
    """Returns the header that every segment of this version begins with (`HEADER_BYTES` bytes)."""
    block_bytes = BLOCK_HEADER_BYTES + BLOCK_BYTES
    regions = (
        (COUNTERS_OFFSET, 1, COUNTERS_BYTES),
        (CONTROL_OFFSET, 1, block_bytes),
        (STATUS_OFFSET, 1, block_bytes),
        (FRAMES_OFFSET, SLOTS, FRAME_SLOT_BYTES),
        (MATTES_OFFSET, SLOTS, MATTE_SLOT_BYTES),
    )
    table = b"".join(REGION.pack(offset, slots * stride, slots, stride) for offset, slots, stride in regions)
    return (HEADER.pack(MAGIC, VERSION, HEADER_BYTES, SEGMENT_BYTES) + table).ljust(HEADER_BYTES, b"\0")
