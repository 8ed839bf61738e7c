"""Small owners of libobs graphics objects: an effect, a render target, a read-back, an uploaded picture.

Everything here is for the graphics thread, or for a thread inside ``obs_enter_graphics``.
"""

import ctypes
from ctypes import byref, c_int, c_uint32, c_void_p
from typing import Any, Dict, NamedTuple, Optional, Tuple

from cleanplate.obs import libobs


class GraphicsError(Exception):
    """libobs could not make a graphics object; the message is its own."""


class Effect:
    """A loaded effect file; `draw` fills the present render target with one of its techniques.

    Parameters last for one `draw`: libobs sets them all back to the effect file's values after it.

    Raises:
        GraphicsError: The file is missing or does not compile.
    """

    def __init__(self, lib: Any, path: str) -> None:
        self._lib = lib
        error = c_void_p()
        effect = lib.gs_effect_create_from_file(path.encode(), byref(error))
        if not effect:
            reason = libobs.take_string(lib, error.value) or "not found"
            raise GraphicsError(f"{path}: {reason}. Run the installer again and restart OBS.")
        self._effect = effect
        self._parameters: Dict[bytes, int] = {}
        self._vec2 = libobs.Vec2()
        self._vec4 = libobs.aligned_vec4()

    def destroy(self) -> None:
        """Give the effect back; libobs keeps the compiled file for the next one."""
        self._lib.gs_effect_destroy(self._effect)

    def texture(self, name: bytes, texture: Optional[int], *, encoded: bool = False) -> None:
        """Bind a texture, as linear light, or as the encoded numbers that it holds."""
        bind = self._lib.gs_effect_set_texture if encoded else self._lib.gs_effect_set_texture_srgb
        bind(self._parameter(name), texture)

    def number(self, name: bytes, value: float) -> None:
        """Set a float."""
        self._lib.gs_effect_set_float(self._parameter(name), value)

    def integer(self, name: bytes, value: int) -> None:
        """Set an int."""
        self._lib.gs_effect_set_int(self._parameter(name), value)

    def pair(self, name: bytes, x: float, y: float) -> None:
        """Set a float2."""
        self._vec2.x, self._vec2.y = x, y
        self._lib.gs_effect_set_vec2(self._parameter(name), byref(self._vec2))

    def vector(self, name: bytes, value: Tuple[float, float, float, float]) -> None:
        """Set a float4."""
        self._vec4.x, self._vec4.y, self._vec4.z, self._vec4.w = value
        self._lib.gs_effect_set_vec4(self._parameter(name), byref(self._vec4))

    def draw(self, technique: bytes, width: int, height: int) -> None:
        """Draw a rectangle from the origin, in pixels of the present projection."""
        while self._lib.gs_effect_loop(self._effect, technique):
            self._lib.gs_draw_sprite(None, 0, width, height)

    def _parameter(self, name: bytes) -> int:
        parameter = self._parameters.get(name)
        if parameter is None:
            parameter = self._parameters[name] = self._lib.gs_effect_get_param_by_name(self._effect, name)
        return parameter


class Target:
    """A texture to draw into.

    Args:
        lib: libobs.
        width: In pixels.
        height: In pixels.
        pixel_format: A ``GS_*`` colour format.
    """

    _clear_color = libobs.aligned_vec4()

    def __init__(self, lib: Any, width: int, height: int, pixel_format: int = libobs.GS_RGBA) -> None:
        self._lib = lib
        self.width = width
        self.height = height
        self._render = lib.gs_texrender_create(pixel_format, libobs.GS_ZS_NONE)

    def destroy(self) -> None:
        """Free the texture."""
        self._lib.gs_texrender_destroy(self._render)

    @property
    def texture(self) -> Optional[int]:
        """The ``gs_texture_t``; null before the first drawing."""
        texture: Optional[int] = self._lib.gs_texrender_get_texture(self._render)
        return texture

    def begin(self, *, space: int = libobs.GS_CS_SRGB, clear: bool = True) -> bool:
        """Start drawing into it, one unit a pixel, replacing what is there. False when there is no memory."""
        lib = self._lib
        lib.gs_texrender_reset(self._render)
        if not lib.gs_texrender_begin_with_color_space(self._render, self.width, self.height, space):
            return False
        if clear:
            lib.gs_clear(libobs.GS_CLEAR_COLOR, byref(self._clear_color), 0.0, 0)
        lib.gs_ortho(0.0, self.width, 0.0, self.height, -100.0, 100.0)
        lib.gs_blend_state_push()
        lib.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_ZERO)
        return True

    def end(self) -> None:
        """Stop drawing into it."""
        self._lib.gs_blend_state_pop()
        self._lib.gs_texrender_end(self._render)

    def paint(self, effect: Effect, technique: bytes) -> None:
        """Fill it with one technique."""
        if self.begin(clear=False):
            try:
                effect.draw(technique, self.width, self.height)
            finally:
                self.end()


class Readback(NamedTuple):
    """Pixels on their way from the GPU: the surface, and what the caller wanted to remember."""

    surface: int
    note: Any


class ReadbackRing:
    """Copies textures to the CPU one frame late, so that neither side waits for the other.

    Args:
        lib: libobs.
        width: In pixels.
        height: In pixels.
        pixel_format: That of the textures.
    """

    def __init__(self, lib: Any, width: int, height: int, pixel_format: int) -> None:
        self._lib = lib
        self._surfaces = [lib.gs_stagesurface_create(width, height, pixel_format) for _ in range(2)]
        if not all(self._surfaces):
            self.destroy()
            raise GraphicsError(
                "The graphics card has no memory left for reading frames back. Close other programs."
            )
        self._next = 0
        self._pending: Optional[Readback] = None
        self._pixels = c_void_p()
        self._stride = c_uint32()

    def destroy(self) -> None:
        """Free the surfaces."""
        for surface in self._surfaces:
            if surface:
                self._lib.gs_stagesurface_destroy(surface)
        self._surfaces = []

    def stage(self, texture: int, note: Any) -> None:
        """Start copying a texture."""
        surface = self._surfaces[self._next]
        self._next = (self._next + 1) % len(self._surfaces)
        self._lib.gs_stage_texture(surface, texture)
        self._pending = Readback(surface, note)

    def map(self) -> Optional[Tuple[int, int, Any]]:
        """The texture staged last: address, stride in bytes, note; None if there is none. Then `unmap` it."""
        if self._pending is None:
            return None
        surface, note = self._pending
        if not self._lib.gs_stagesurface_map(surface, byref(self._pixels), byref(self._stride)):
            self._pending = None
            return None
        return self._pixels.value or 0, self._stride.value, note

    def unmap(self) -> None:
        """Let go of the texture that `map` gave."""
        if self._pending is not None:
            self._lib.gs_stagesurface_unmap(self._pending.surface)
            self._pending = None


class Picture:
    """A picture decoded by libobs into memory of its own, then uploaded as a texture.

    Decoding touches the disk and takes its time: do it on a background thread. It needs no graphics context.

    Raises:
        GraphicsError: The file is missing or no picture.
    """

    def __init__(self, lib: Any, path: str) -> None:
        self._lib = lib
        self.path = path
        self._format, width, height = c_int(), c_uint32(), c_uint32()
        self._pixels = lib.gs_create_texture_file_data(
            path.encode(), byref(self._format), byref(width), byref(height)
        )
        if not self._pixels:
            raise GraphicsError(f"Cannot read the picture {path}. Choose another one.")
        self.width, self.height = width.value, height.value
        self._texture: Optional[int] = None

    @property
    def texture(self) -> Optional[int]:
        """The ``gs_texture_t``, uploaded at first use. Graphics thread only."""
        if self._texture is None and self._pixels:
            data = (c_void_p * 1)(self._pixels)
            pointer = ctypes.cast(data, ctypes.POINTER(c_void_p))
            self._texture = self._lib.gs_texture_create(
                self.width, self.height, self._format.value, 1, pointer, 0
            )
            self._free_pixels()
        return self._texture

    def destroy(self) -> None:
        """Free the memory and the texture. Graphics thread only."""
        self._free_pixels()
        if self._texture:
            self._lib.gs_texture_destroy(self._texture)
            self._texture = None

    def _free_pixels(self) -> None:
        if self._pixels:
            self._lib.bfree(self._pixels)
            self._pixels = None
