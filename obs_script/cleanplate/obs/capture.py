"""Captures background samples: a countdown, then pictures that are each the mean of several frames.

The frames are summed on the GPU in 32-bit floats; only the finished mean is read back, at full size, one
frame late. This is the one moment when the filter reads full-size pictures back.
"""

import ctypes
import math
from typing import Any, Callable, List, Optional

from cleanplate.obs import libobs
from cleanplate.obs.gpu import Effect, GraphicsError, ReadbackRing, Target

SAMPLING_SECONDS = 2.0  # all samples of one capture together
LONGEST_GAP_SECONDS = 3.0  # without a frame: the picture was hidden, and who knows who is in it by now
FRAME_WEIGHT = 1.0 / 64.0  # of one frame in the sum; the sum of weights is divided out

# Seven-segment glyphs; the bits are named in cleanplate.effect.
DIGITS = (0x3F, 0x06, 0x5B, 0x4F, 0x66, 0x6D, 0x7D, 0x07, 0x7F, 0x6F)
DASH = 0x40

NO_MEMORY = "The graphics card has no memory left for the capture. Close other programs and try again."


class Capture:
    """One capture, from the countdown to its last sample. Graphics thread only, but for `text`.

    Args:
        lib: libobs.
        countdown: Seconds until the first frame is taken.
        count: Samples to take.
        now: `time.monotonic`.
        deliver: Gets each sample: RGBA pixels, width, height, stride in bytes.

    Attributes:
        done: Whether it has ended.
        failure: Why it ended too early, in words for the user; empty otherwise.
    """

    def __init__(
        self,
        lib: Any,
        countdown: float,
        count: int,
        now: float,
        deliver: Callable[[bytes, int, int, int], None],
    ) -> None:
        self.done = False
        self.failure = ""
        self.count = count
        self.taken = 0
        self._lib = lib
        self._deliver = deliver
        self._begin = now + countdown
        self._stepped = now
        self._sum: Optional[Target] = None
        self._mean: Optional[Target] = None
        self._readback: Optional[ReadbackRing] = None
        self._frames = 0  # in the sum

    def destroy(self) -> None:
        """Free everything on the GPU."""
        for owned in (self._sum, self._mean, self._readback):
            if owned is not None:
                owned.destroy()
        self._sum = self._mean = self._readback = None

    def text(self, now: float) -> str:
        """What goes on, in words for the user."""
        if now - self._stepped > LONGEST_GAP_SECONDS:
            return "Nothing is captured while the picture is not shown."
        if now < self._begin:
            return f"Capturing in {math.ceil(self._begin - now)} s: leave the picture."
        return f"Capturing sample {min(self.taken + 1, self.count)} of {self.count}: stay out of the picture."

    def glyphs(self, now: float) -> List[int]:
        """What to show over the picture: the seconds that are left, then a dash."""
        if now >= self._begin:
            return [DASH]
        return [DIGITS[int(digit)] for digit in str(math.ceil(self._begin - now))]

    def step(self, effect: Effect, texture: int, width: int, height: int, now: float) -> None:
        """Take part of a frame, or a whole sample, as the time has come for it."""
        since, self._stepped = now - self._stepped, now
        if since > LONGEST_GAP_SECONDS:
            self.fail("The picture was hidden during the capture. Show it and capture the background again.")
        if now < self._begin or self.done:
            return
        if self._readback is None:
            try:
                self._readback = ReadbackRing(self._lib, width, height, libobs.GS_RGBA)
            except GraphicsError:
                self.fail(NO_MEMORY)
                return
            self._sum = Target(self._lib, width, height, libobs.GS_RGBA32F)
            self._mean = Target(self._lib, width, height, libobs.GS_RGBA)
        assert self._sum is not None
        assert self._mean is not None
        if (self._sum.width, self._sum.height) != (width, height):
            self.fail("The picture changed its size during the capture. Capture the background again.")
            return
        if self._collect(self._readback):
            return
        if not self._accumulate(effect, texture, self._sum):
            self.fail(NO_MEMORY)
            return
        if now >= self._begin + SAMPLING_SECONDS * (self.taken + 1) / self.count:
            effect.texture(b"image", self._sum.texture, encoded=True)
            self._lib.gs_enable_framebuffer_srgb(False)
            self._mean.paint(effect, b"Resolve")
            self._lib.gs_enable_framebuffer_srgb(True)
            if not self._mean.texture:
                self.fail(NO_MEMORY)
                return
            self._readback.stage(self._mean.texture, None)
            self._frames = 0

    def fail(self, reason: str) -> None:
        """End the capture without further samples."""
        self.failure = reason
        self.done = True

    def _accumulate(self, effect: Effect, texture: int, into: Target) -> bool:
        """Add a frame to the sum. False when there is no memory for it."""
        if not into.begin(clear=self._frames == 0):
            return False
        # Encoded values are summed, so that the mean is that of the pixels and not of the light.
        self._lib.gs_enable_framebuffer_srgb(False)
        self._lib.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_ONE)
        effect.texture(b"image", texture, encoded=True)
        effect.number(b"weight", FRAME_WEIGHT)
        try:
            effect.draw(b"Accumulate", into.width, into.height)
        finally:
            into.end()
        self._lib.gs_enable_framebuffer_srgb(True)
        self._frames += 1
        return True

    def _collect(self, readback: ReadbackRing) -> bool:
        """Deliver the sample staged in the last frame, if there is one. Returns whether it was the last."""
        staged = readback.map()
        if staged is None:
            return False
        pixels, stride, _ = staged
        assert self._mean is not None
        content = ctypes.string_at(pixels, stride * self._mean.height)
        readback.unmap()
        self._deliver(content, self._mean.width, self._mean.height, stride)
        self.taken += 1
        self.done = self.taken == self.count
        return self.done
