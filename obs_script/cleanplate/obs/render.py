"""The GPU side of one filter at one resolution: frames to the worker, mattes back, and the composite.

    target --draw--> full (one of a ring) --downscale--> small --stage, one frame late--> shared memory
    shared memory --upload--> matte --guided upsampling by full and small--> composite

A new resolution or mode gets a new `Renderer`, so nothing here ever changes size.
Everything is for the graphics thread.
"""

import ctypes
import time
from ctypes import c_int, c_uint8
from typing import Any, List, NamedTuple, Optional, Tuple

from cleanplate.obs import libobs, settings
from cleanplate.obs.gpu import Effect, Picture, ReadbackRing, Target
from cleanplate.obs.settings import Settings
from cleanplate.wire.ring import Channel, SlotInfo

NETWORK_AREA = 512 * 288  # pixels that the worker gets, whatever the shape of the picture
NETWORK_MULTIPLE = 32  # both sides are multiples of this
FRAMES_KEPT = 6  # frames that may wait for their matte in the frame-matched mode
COVER_SIZE = (16, 9)  # the privacy blur is made of so few pixels
BLUR_SIGMA_TEXELS = 4.0  # the widest blur that the effect's 17 taps can draw; wider ones are drawn smaller
REFERENCE_LINES = 1080  # settings in pixels mean pixels of a frame with so many lines


# What a source is asked to be; libobs gives one that has none of them as the last.
_SPACES = (c_int * 3)(libobs.GS_CS_SRGB, libobs.GS_CS_SRGB_16F, libobs.GS_CS_709_EXTENDED)


class Backdrop:
    """Values of the effect's ``backdrop_kind``."""

    NOTHING = 0
    COLOR = 1
    PICTURE = 2
    BLURRED = 3


class Matte(NamedTuple):
    """The newest matte that the worker sent."""

    frame_id: int
    timestamp_ns: int
    width: int
    height: int
    gain: Tuple[float, float, float]


class Source(NamedTuple):
    """What the filter is on: pointers valid during one callback, and the size."""

    target: int
    parent: int
    width: int
    height: int


class _Slot:
    """A frame at full size and at the network's size."""

    def __init__(self, full: Target, small: Target) -> None:
        self.full = full
        self.small = small
        self.frame_id = 0
        self.timestamp_ns = 0


def network_size(width: int, height: int) -> Tuple[int, int]:
    """The size at which a frame goes to the worker: about `NETWORK_AREA` pixels of the frame's shape."""

    def side(length: float) -> int:
        return max(NETWORK_MULTIPLE, round(length / NETWORK_MULTIPLE) * NETWORK_MULTIPLE)

    scale = (NETWORK_AREA / (width * height)) ** 0.5
    longest = 1024  # what the wire takes
    return min(longest, side(width * scale)), min(longest, side(height * scale))


class Renderer:
    """GPU resources and state for one resolution.

    Args:
        lib: libobs.
        effect: The loaded effect file.
        width: Of the source, in pixels.
        height: Of the source, in pixels.
        matched: Whether frames are kept until their matte is there.
        generation: Marks this renderer's frames on the wire; mattes of another generation are not used.

    Attributes:
        matte: The newest matte, or None before the first.
        shown_ns: When the frame in the last composite was rendered; `time.monotonic_ns`.
    """

    def __init__(
        self, lib: Any, effect: Effect, width: int, height: int, *, matched: bool, generation: int
    ) -> None:
        self._lib = lib
        self._effect = effect
        self.width, self.height = width, height
        self.matched = matched
        self.generation = generation
        self.small_width, self.small_height = network_size(width, height)
        self.matte: Optional[Matte] = None
        self.shown_ns = 0
        self._matte_sequence = 0
        self._matte_texture: Optional[int] = None
        self._matte_texture_size = (0, 0)
        self._matte_pixels = (c_uint8 * 0)()
        # First: it is what fails for want of memory, and nothing else has to be freed then.
        self._readback = ReadbackRing(lib, self.small_width, self.small_height, libobs.GS_BGRA)
        self._owned: List[Target] = []
        fulls = [self._target(width, height) for _ in range(FRAMES_KEPT if matched else 1)]
        self._slots = [
            _Slot(fulls[i % len(fulls)], self._target(self.small_width, self.small_height, libobs.GS_BGRA))
            for i in range(FRAMES_KEPT)
        ]
        self._newest = self._slots[0]
        self._wide: Optional[Target] = None  # for sources brighter than SDR on an HDR canvas
        self._blur_steps: List[Tuple[Target, Target]] = []
        self._blurred: Optional[Target] = None
        self._blurred_key: object = None
        self._cover_steps = [
            self._target(w, h) for w, h in halves(self.small_width, self.small_height, *COVER_SIZE)
        ]

    def destroy(self) -> None:
        """Free everything on the GPU."""
        for target in self._owned:
            target.destroy()
        self._owned = []
        self._readback.destroy()
        if self._matte_texture:
            self._lib.gs_texture_destroy(self._matte_texture)
            self._matte_texture = None

    def _target(self, width: int, height: int, pixel_format: int = libobs.GS_RGBA) -> Target:
        target = Target(self._lib, width, height, pixel_format)
        self._owned.append(target)
        return target

    # ---- frames in ----

    def take_frame(self, source: Source, frame_id: int, frame_taken: int) -> int:
        """Render the source into the ring of frames, at full and at small size.

        Args:
            source: What to render.
            frame_id: Its number; grows.
            frame_taken: The frame that the worker is busy with: it must not be overwritten.

        Returns:
            The frame's texture at full size, 0 when there was none.
        """
        matte_id = self.matte.frame_id if self.matte is not None else 0
        slot = min(
            (
                slot
                for slot in self._slots
                if slot.frame_id == 0 or slot.frame_id not in (frame_taken, matte_id)
            ),
            key=lambda slot: slot.frame_id,
        )
        slot.frame_id = 0  # until it is whole
        if not self._draw_source(source, slot.full):
            return 0
        effect = self._effect
        # Encoded values are averaged, not light: as the worker does to the samples, and training does.
        effect.texture(b"image", slot.full.texture, encoded=True)
        effect.pair(b"texel", 0.25 / self.small_width, 0.25 / self.small_height)
        self._lib.gs_enable_framebuffer_srgb(False)
        slot.small.paint(effect, b"Downscale")
        self._lib.gs_enable_framebuffer_srgb(True)
        slot.frame_id = frame_id
        slot.timestamp_ns = time.monotonic_ns()
        self._newest = slot
        return slot.full.texture or 0

    def _draw_source(self, source: Source, full: Target) -> bool:
        """Render the filter's target in SDR, looking as it would without the filter as far as SDR can.

        On an SDR canvas libobs tone-maps whatever is brighter, with filters or without. On an HDR canvas it
        would leave it as it is; there our own tone mapping keeps all but the highlights.
        """
        lib = self._lib
        space = lib.obs_source_get_color_space(source.target, len(_SPACES), _SPACES)
        if space in (libobs.GS_CS_SRGB, libobs.GS_CS_SRGB_16F) or not _canvas_is_hdr(lib):
            return self._draw_target(source, full, libobs.GS_CS_SRGB)
        if self._wide is None:
            self._wide = self._target(self.width, self.height, libobs.GS_RGBA16F)
        if not self._draw_target(source, self._wide, libobs.GS_CS_709_EXTENDED):
            return False
        self._effect.texture(b"image", self._wide.texture)
        full.paint(self._effect, b"ToneMap")
        return True

    def _draw_target(self, source: Source, into: Target, space: int) -> bool:
        lib = self._lib
        if not into.begin(space=space):
            return False
        try:
            lib.gs_blend_function_separate(
                libobs.GS_BLEND_SRCALPHA,
                libobs.GS_BLEND_INVSRCALPHA,
                libobs.GS_BLEND_ONE,
                libobs.GS_BLEND_INVSRCALPHA,
            )
            flags = lib.obs_source_get_output_flags(source.parent)
            own_drawing = flags & (libobs.OBS_SOURCE_CUSTOM_DRAW | libobs.OBS_SOURCE_ASYNC)
            if source.target == source.parent and not own_drawing:
                lib.obs_source_default_render(source.target)
            else:
                lib.obs_source_video_render(source.target)
        finally:
            into.end()
        return True

    def send_frame(self, channel: Channel, address: int) -> bool:
        """Copy the frame staged in the last call into shared memory, and stage the present one.

        Args:
            channel: The segment.
            address: Of the segment in this process.

        Returns:
            Whether a frame was published.
        """
        sent = False
        staged = self._readback.map()
        if staged is not None:
            pixels, stride, (frame_id, timestamp_ns) = staged
            if channel.frames.fits(self.small_width, self.small_height, stride):
                offset = channel.frames.begin()
                ctypes.memmove(address + offset, pixels, stride * self.small_height)
                channel.frames.publish(
                    SlotInfo(
                        frame_id, timestamp_ns, self.generation, self.small_width, self.small_height, stride
                    )
                )
                sent = True
            self._readback.unmap()
        slot = self._newest
        if slot.frame_id and slot.small.texture:
            self._readback.stage(slot.small.texture, (slot.frame_id, slot.timestamp_ns))
        return sent

    # ---- mattes out ----

    def take_matte(self, channel: Channel, address: int) -> bool:
        """Upload the newest matte of this generation. Returns whether there was a new one."""
        picture = channel.mattes.newest(self._matte_sequence)
        if picture is None:
            self._follow_restarted_ring(channel)
            return False
        info = picture.info
        if info.generation != self.generation:
            return False
        if len(self._matte_pixels) != picture.size:
            self._matte_pixels = (c_uint8 * picture.size)()
        ctypes.memmove(self._matte_pixels, address + picture.offset, picture.size)
        # Only a matte that is taken counts as seen: noise of a high number would hide all that come after it.
        if not channel.mattes.intact(picture, self._matte_pixels):
            return False
        self._matte_sequence = picture.sequence
        lib = self._lib
        if self._matte_texture_size != (info.width, info.height):
            if self._matte_texture:
                lib.gs_texture_destroy(self._matte_texture)
            self._matte_texture = lib.gs_texture_create(
                info.width, info.height, libobs.GS_R8, 1, None, libobs.GS_DYNAMIC
            )
            self._matte_texture_size = (info.width, info.height)
        lib.gs_texture_set_image(self._matte_texture, self._matte_pixels, info.stride, False)
        self.matte = Matte(info.frame_id, info.timestamp_ns, info.width, info.height, info.gain)
        return True

    def _follow_restarted_ring(self, channel: Channel) -> None:
        """Start over if the worker's sequence numbers do."""
        newest = channel.mattes.newest(after=0)
        if newest is not None and newest.sequence < self._matte_sequence:
            self._matte_sequence = 0

    def slot_of_matte(self, max_age_ms: int) -> Optional[_Slot]:
        """The frame of the newest matte; None when that is missing or too old to be used."""
        matte = self.matte
        if matte is None or not self._matte_texture:
            return None
        if time.monotonic_ns() - matte.timestamp_ns > max_age_ms * 1_000_000:
            return None
        return next((slot for slot in self._slots if slot.frame_id == matte.frame_id), None)

    # ---- pictures out ----

    def composite(
        self, slot: _Slot, settings_: Settings, plate: Optional[Picture], *, trust_plate: bool
    ) -> None:
        """Draw the person over the backdrop that was chosen with `set_backdrop`.

        Args:
            slot: From `slot_of_matte`.
            settings_: The user's choices.
            plate: The clean plate, for edge colours.
            trust_plate: Whether it is still in register with the camera.
        """
        decontaminate = settings_.decontaminate and plate is not None and trust_plate
        self._bind_matte(slot, settings_, plate)
        self._effect.number(b"decontaminate", 1.0 if decontaminate else 0.0)
        self._draw(b"Composite")

    def show_matte(self, slot: _Slot, settings_: Settings) -> None:
        """Draw the matte in grey, at full size."""
        self._bind_matte(slot, settings_, None)
        self._draw(b"Matte")

    def show_difference(self, slot: _Slot, settings_: Settings, plate: Picture) -> None:
        """Draw how far the frame is from the clean plate, four times as bright."""
        self._bind_matte(slot, settings_, plate)
        self._draw(b"Difference")

    def show_plate(self, plate: Picture) -> None:
        """Draw the clean plate."""
        self._effect.texture(b"image", plate.texture)
        self._draw(b"Copy")

    def show_backdrop(self) -> None:
        """Draw the backdrop alone: the privacy cover."""
        self._draw(b"Backdrop")

    def _bind_matte(self, slot: _Slot, settings_: Settings, plate: Optional[Picture]) -> None:
        assert self.matte is not None
        effect = self._effect
        full = slot.full if self.matched else self._newest.full
        self.shown_ns = slot.timestamp_ns if self.matched else self._newest.timestamp_ns
        effect.texture(b"image", full.texture)
        effect.texture(b"guide", slot.small.texture)
        effect.texture(b"matte", self._matte_texture, encoded=True)
        effect.pair(b"matte_size", self.matte.width, self.matte.height)
        effect.number(b"threshold", settings_.threshold)
        effect.number(b"softness", settings_.softness)
        if plate is not None:
            effect.texture(b"plate", plate.texture)
            # The gain is of encoded values; those are about the 2.2th root of linear light.
            blue, green, red = (gain**2.2 for gain in self.matte.gain)
            effect.vector(b"plate_gain", (red, green, blue, 1.0))

    def _draw(self, technique: bytes) -> None:
        lib = self._lib
        lib.gs_blend_state_push()
        lib.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_INVSRCALPHA)
        try:
            self._effect.draw(technique, self.width, self.height)
        finally:
            lib.gs_blend_state_pop()

    def show_digits(self, glyphs: List[int]) -> None:
        """Draw seven-segment glyphs in the middle of the picture, a third of its height tall."""
        tall = 3.0
        wide = tall * self.width / self.height / 0.6  # a glyph is 0.6 times as wide as it is tall
        for i, segments in enumerate(glyphs):
            left = 0.5 + (i - 0.5 * len(glyphs)) / wide
            self._effect.pair(b"fit_scale", wide, tall)
            self._effect.pair(b"fit_offset", -left * wide, 0.5 - 0.5 * tall)
            self._effect.integer(b"segments", segments)
            self._draw(b"Digit")

    # ---- backdrops ----

    def set_backdrop(self, settings_: Settings, image: Optional[Picture], plate: Optional[Picture]) -> bool:
        """Choose what is drawn behind the person, and make it if it is a blur.

        Args:
            settings_: The user's choices.
            image: The replacement picture, if it is loaded.
            plate: The clean plate, if there is one.

        Returns:
            False when there is nothing to draw it from: the caller shows the privacy cover.
        """
        kind = settings_.background
        if kind == settings.TRANSPARENT:
            return self._plain_backdrop(Backdrop.NOTHING)
        if kind == settings.COLOR:
            self._effect.vector(b"color", linear_color(settings_.color))
            return self._plain_backdrop(Backdrop.COLOR)
        if kind == settings.IMAGE:
            if image is None or not image.texture:
                return self._plain_backdrop(Backdrop.NOTHING)
            scale, offset = fit(settings_.image_fit, image.width / image.height, self.width / self.height)
            self._effect.texture(b"background", image.texture)
            self._effect.pair(b"fit_scale", *scale)
            self._effect.pair(b"fit_offset", *offset)
            return self._plain_backdrop(Backdrop.PICTURE)
        if kind == settings.PLATE_BLUR:
            if plate is None or not plate.texture:
                return False
            # Anew once a second: Direct3D forgets what was drawn when Windows resets the graphics card.
            key: object = (plate.path, settings_.blur_radius, int(time.monotonic()))
            return self._blurred_backdrop(key, settings_.blur_radius, b"Downscale", plate.texture)
        slot = self.slot_of_matte(settings_.max_age_ms)
        if slot is None:
            return False
        self._effect.texture(b"matte", self._matte_texture, encoded=True)
        key = (slot.frame_id, settings_.blur_radius)
        return self._blurred_backdrop(
            key, settings_.blur_radius, b"MaskedBackground", slot.small.texture or 0
        )

    def set_privacy_blur(self) -> bool:
        """Choose the newest frame, blurred beyond recognition, as the backdrop; False if there is none."""
        slot = self._newest
        if not slot.frame_id or not slot.small.texture:
            return False
        self._effect.texture(b"background", self._shrink(slot.small.texture, self._cover_steps))
        return self._plain_backdrop(Backdrop.BLURRED)

    def _plain_backdrop(self, kind: int) -> bool:
        self._effect.integer(b"backdrop_kind", kind)
        return True

    def _shrink(self, texture: int, steps: List[Target]) -> int:
        for step in steps:
            self._effect.texture(b"image", texture)
            self._effect.pair(b"texel", 0.25 / step.width, 0.25 / step.height)
            step.paint(self._effect, b"Downscale")
            texture = step.texture or 0
        return texture

    def _blurred_backdrop(self, key: object, radius: float, technique: bytes, texture: int) -> bool:
        """Choose a blurred texture as the backdrop.

        Args:
            key: What the blur depends on; it is made anew only when this has changed.
            radius: Standard deviation in pixels of a frame of `REFERENCE_LINES`.
            technique: ``Downscale``, or ``MaskedBackground``, which reads ``matte`` too.
            texture: What to blur.
        """
        if key != self._blurred_key or self._blurred is None:
            self._blurred = self._blur(radius, technique, texture)
            self._blurred_key = key
        self._effect.texture(b"background", self._blurred.texture)
        return self._plain_backdrop(Backdrop.BLURRED)

    def _blur(self, radius: float, technique: bytes, texture: int) -> Target:
        """Halve a texture until the wanted blur is narrow enough for the effect's taps; blur it there."""
        effect = self._effect
        if not self._blur_steps:
            width, height = self.small_width // 2, self.small_height // 2
            self._blur_steps = [
                (self._target(w, h, libobs.GS_RGBA16F), self._target(w, h, libobs.GS_RGBA16F))
                for w, h in halves(width * 2, height * 2, 32, 18)
            ]
        step, other = self._blur_steps[0]
        effect.texture(b"image", texture)
        effect.pair(b"texel", 0.25 / step.width, 0.25 / step.height)
        step.paint(effect, technique)
        for smaller, its_other in self._blur_steps[1:]:
            if radius * step.height / REFERENCE_LINES <= BLUR_SIGMA_TEXELS:
                break
            effect.texture(b"image", step.texture)
            effect.pair(b"texel", 0.25 / smaller.width, 0.25 / smaller.height)
            smaller.paint(effect, b"Average")
            step, other = smaller, its_other
        sigma = max(0.1, min(BLUR_SIGMA_TEXELS, radius * step.height / REFERENCE_LINES))
        for source, into, texel in (
            (step, other, (1.0 / step.width, 0.0)),
            (other, step, (0.0, 1.0 / step.height)),
        ):
            effect.texture(b"image", source.texture)
            effect.pair(b"texel", *texel)
            effect.number(b"sigma", sigma)
            into.paint(effect, b"Blur")
        return step


def _canvas_is_hdr(lib: Any) -> bool:
    info = libobs.ObsVideoInfo()
    return bool(lib.obs_get_video_info(ctypes.byref(info))) and info.colorspace in (
        libobs.VIDEO_CS_2100_PQ,
        libobs.VIDEO_CS_2100_HLG,
    )


def halves(width: int, height: int, least_width: int, least_height: int) -> List[Tuple[int, int]]:
    """Half of a size, a quarter of it, and so on down to a least size."""
    sizes = []
    while width > least_width or height > least_height:
        width, height = max(least_width, width // 2), max(least_height, height // 2)
        sizes.append((width, height))
    return sizes


def linear_color(color: int) -> Tuple[float, float, float, float]:
    """A colour setting (0xAABBGGRR, encoded as sRGB) as linear red, green, blue and alpha, 0..1."""

    def linear(shift: int) -> float:
        value = (color >> shift & 255) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    return linear(0), linear(8), linear(16), (color >> 24 & 255) / 255


def fit(how: str, picture: float, frame: float) -> Tuple[Tuple[float, float], Tuple[float, float]]:
    """Where a picture goes in the frame.

    Args:
        how: `settings.FILL`, `settings.FIT` or `settings.STRETCH`.
        picture: Its width over its height.
        frame: The frame's width over its height.

    Returns:
        Scale and offset that bring the frame's coordinates (0..1) to the picture's.
    """
    wider = picture / frame
    if how == settings.STRETCH:
        scale = (1.0, 1.0)
    elif (wider > 1.0) == (how == settings.FILL):
        scale = (1.0 / wider, 1.0)
    else:
        scale = (1.0, wider)
    return scale, (0.5 - 0.5 * scale[0], 0.5 - 0.5 * scale[1])
