"""A fake libobs in plain Python: the functions that the filter uses, strict about how they are used.

It knows the objects that were made and not yet freed, whether drawing happens inside a graphics context,
which render targets, blend states and mappings are open, and it forgets effect parameters after each drawing
as libobs does. What it is asked wrongly raises `MisuseError`, at once. What is drawn is kept as a list of
`Draw`.
"""

import ctypes
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cleanplate.obs import libobs

PICTURE_SIZE = (64, 32)  # of every file that is decoded
SCREEN = 0  # the render target that OBS draws filters to


class MisuseError(AssertionError):
    """libobs was used in a way that would crash or corrupt it."""


class Draw(NamedTuple):
    """One drawing: technique, the render target's handle (`SCREEN` for OBS' own), bound parameters."""

    technique: str
    target: int
    parameters: dict[str, Any]


@dataclass
class FakeSource:
    """A source that a filter is on."""

    width: int = 640
    height: int = 360
    flags: int = libobs.OBS_SOURCE_VIDEO
    color_space: int = libobs.GS_CS_SRGB
    private: bool = False


@dataclass
class FakeProperty:
    """A property of a dialog."""

    name: str
    label: str
    kind: str
    visible: bool = True
    items: list[tuple[str, Any]] = field(default_factory=list)
    info_type: int | None = None
    callback: Any = None
    group: int | None = None


class FakeLibObs:
    """Stands in for `cleanplate.obs.libobs.LibObs`.

    Attributes:
        draws: All drawings, oldest first.
        log: Lines of OBS' log.
        canvas_color_space: ``VIDEO_CS_*`` of OBS' canvas.
        staged: Bytes that the next mapped surface holds; repeated as needed.
        fail: Names of functions that give null or False.
    """

    def __init__(self) -> None:
        self.handles = itertools.count(0x1000, 0x10)
        self.live: dict[int, str] = {}
        self.draws: list[Draw] = []
        self.log: list[str] = []
        self.canvas_color_space = 3  # VIDEO_CS_SRGB
        self.staged = b"\x10\x20\x30\xff"
        self.stride_padding = 0
        self.fail: set[str] = set()
        self.settings: dict[int, dict[str, Any]] = {}
        self.defaults: dict[int, dict[str, Any]] = {}
        self.sources: dict[int, FakeSource] = {}
        self.targets: dict[int, int] = {}  # filter -> target
        self.filter_of: dict[int, tuple[int, Callable[[], None]]] = {}  # target -> filter, its video_render
        self.disabled: set[int] = set()
        self.hotkeys: dict[int, tuple[int, str, Any, int]] = {}
        self.properties: dict[int, dict[str, FakeProperty]] = {}
        self.property_by_handle: dict[int, FakeProperty] = {}
        self.dialog_updates = 0
        self.config_folder = ""
        self.registered: list[tuple[Any, int]] = []
        self.texture_writes: list[tuple[int, int]] = []
        self._strings: dict[int, Any] = {}
        self._context = 0
        self._rendering_filter: set[int] = set()
        self._target_stack: list[int] = []
        self._blend_depth = 0
        self._texrenders: dict[int, dict[str, Any]] = {}
        self._surfaces: dict[int, dict[str, Any]] = {}
        self._parameters: dict[int, str] = {}
        self._bound: dict[str, Any] = {}
        self._looping = False
        self._linear = False
        self._encode = False

    # What a test sets up and asks

    def add_filter(self, settings: dict[str, Any], source: FakeSource | None = None) -> tuple[int, int]:
        """A filter on a source; the handles of the filter's own source and of its settings."""
        own, target, data = self._new("source"), self._new("source"), self._new("data")
        self.sources[target] = source or FakeSource()
        self.targets[own] = target
        self.settings[data] = dict(settings)
        self.defaults[data] = {}
        return own, data

    def source_of(self, own: int) -> FakeSource:
        """The source that a filter is on."""
        return self.sources[self.targets[own]]

    def graphics_objects(self) -> list[str]:
        """Kinds of the graphics objects that were not freed."""
        return sorted(kind for kind in self.live.values() if kind not in ("source", "data", "properties"))

    def on_screen(self) -> list[Draw]:
        """Drawings that the user sees."""
        return [draw for draw in self.draws if draw.target == SCREEN]

    def enter(self) -> None:
        """Enter the graphics context, as OBS does before it calls ``video_render``."""
        self._context += 1

    def leave(self) -> None:
        """Leave the graphics context, and check that the callback left everything as it was."""
        self._context -= 1
        state = (self._target_stack, self._blend_depth, self._looping, self._linear, self._encode)
        if state != ([], 0, False, False, False):
            raise MisuseError(f"state left behind: {state}")
        if any(surface["mapped"] for surface in self._surfaces.values()):
            raise MisuseError("a surface was left mapped")

    # Objects

    def _new(self, kind: str) -> int:
        handle = next(self.handles)
        self.live[handle] = kind
        return handle

    def _free(self, handle: int, kind: str) -> None:
        if not handle:
            return  # libobs takes null
        if self.live.pop(handle, None) != kind:
            raise MisuseError(f"{handle} is no {kind}, or was freed before")

    def _check(self, handle: int | None, kind: str) -> int:
        if handle is None or self.live.get(handle) != kind:
            raise MisuseError(f"{handle} is no {kind}")
        return handle

    def _in_graphics(self) -> None:
        if not self._context:
            raise MisuseError("graphics outside of the graphics context")

    # Memory, log

    def bfree(self, address: int) -> None:
        if address not in self._strings:
            raise MisuseError("bfree of something that libobs did not give")
        del self._strings[address]

    def blog(self, _level: int, text: bytes) -> None:
        self.log.append(text.decode().replace("%%", "%"))

    def _give_memory(self, content: bytes) -> int:
        buffer = ctypes.create_string_buffer(content)
        address = ctypes.addressof(buffer)
        self._strings[address] = buffer
        return address

    # Context and state

    def obs_enter_graphics(self) -> None:
        self._context += 1

    def obs_leave_graphics(self) -> None:
        self._in_graphics()
        self._context -= 1

    def gs_set_linear_srgb(self, linear: bool) -> bool:
        former, self._linear = self._linear, linear
        return former

    def gs_framebuffer_srgb_enabled(self) -> bool:
        return self._encode

    def gs_enable_framebuffer_srgb(self, encode: bool) -> None:
        self._in_graphics()
        self._encode = encode

    def gs_blend_state_push(self) -> None:
        self._in_graphics()
        self._blend_depth += 1

    def gs_blend_state_pop(self) -> None:
        self._blend_depth -= 1
        if self._blend_depth < 0:
            raise MisuseError("blend state popped without a push")

    def gs_blend_function(self, _source: int, _destination: int) -> None:
        self._in_graphics()

    def gs_blend_function_separate(self, *_functions: int) -> None:
        self._in_graphics()

    def gs_clear(self, _what: int, color: Any, _depth: float, _stencil: int) -> None:
        if ctypes.addressof(color._obj) % 16:
            raise MisuseError("the colour is not aligned for SSE")

    def gs_ortho(self, *_planes: float) -> None:
        self._in_graphics()

    # Effects

    def gs_effect_create_from_file(self, path: bytes, error: Any) -> int | None:
        self._in_graphics()
        if "gs_effect_create_from_file" in self.fail:
            error._obj.value = self._give_memory(b"line 7: no such thing")
            return None
        return self._new("effect")

    def gs_effect_destroy(self, effect: int) -> None:
        self._in_graphics()
        self._free(effect, "effect")

    def gs_effect_get_param_by_name(self, effect: int, name: bytes) -> int:
        self._check(effect, "effect")
        handle = next(self.handles)
        self._parameters[handle] = name.decode()
        return handle

    def _set(self, parameter: int, value: Any) -> None:
        self._in_graphics()
        self._bound[self._parameters[parameter]] = value

    def gs_effect_set_float(self, parameter: int, value: float) -> None:
        self._set(parameter, value)

    def gs_effect_set_int(self, parameter: int, value: int) -> None:
        self._set(parameter, value)

    def gs_effect_set_texture(self, parameter: int, texture: int | None) -> None:
        self._check(texture, "texture")
        self._set(parameter, texture)

    gs_effect_set_texture_srgb = gs_effect_set_texture

    def gs_effect_set_vec2(self, parameter: int, value: Any) -> None:
        self._set(parameter, (value._obj.x, value._obj.y))

    def gs_effect_set_vec4(self, parameter: int, value: Any) -> None:
        vector = value._obj
        if ctypes.addressof(vector) % 16:
            raise MisuseError("the vector is not aligned for SSE")
        self._set(parameter, (vector.x, vector.y, vector.z, vector.w))

    def gs_effect_loop(self, effect: int, technique: bytes) -> bool:
        self._in_graphics()
        self._check(effect, "effect")
        self._looping = not self._looping
        if self._looping:
            target = self._target_stack[-1] if self._target_stack else SCREEN
            for value in self._bound.values():
                if isinstance(value, int) and value == self._texrenders.get(target, {}).get("texture"):
                    raise MisuseError("a texture is read while it is drawn into")
            self.draws.append(Draw(technique.decode(), target, dict(self._bound)))
        else:
            self._bound.clear()  # as libobs does at the end of a technique
        return self._looping

    def gs_draw_sprite(self, texture: int | None, _flip: int, width: int, height: int) -> None:
        if not self._looping:
            raise MisuseError("a sprite outside of a technique")
        if texture is None and not (width and height):
            raise MisuseError("a sprite without a size")

    # Render targets, textures, surfaces

    def gs_texrender_create(self, pixel_format: int, _depth: int) -> int:
        self._in_graphics()
        handle = self._new("texrender")
        self._texrenders[handle] = {"format": pixel_format, "texture": None, "ready": True, "size": None}
        return handle

    def gs_texrender_destroy(self, handle: int) -> None:
        self._in_graphics()
        if handle in self._target_stack:
            raise MisuseError("a render target was freed while it was drawn into")
        self._free(handle, "texrender")
        texture = self._texrenders.pop(handle)["texture"]
        if texture:
            self._free(texture, "texture")

    def gs_texrender_reset(self, handle: int) -> None:
        self._check(handle, "texrender")
        self._texrenders[handle]["ready"] = True

    def gs_texrender_begin_with_color_space(self, handle: int, width: int, height: int, _space: int) -> bool:
        self._in_graphics()
        self._check(handle, "texrender")
        if "gs_texrender_begin_with_color_space" in self.fail:
            return False
        render = self._texrenders[handle]
        if not render["ready"] or handle in self._target_stack:
            raise MisuseError("a render target was begun without a reset, or twice")
        if render["size"] != (width, height):
            if render["texture"]:
                self._free(render["texture"], "texture")
            render["texture"], render["size"] = self._new("texture"), (width, height)
        self._target_stack.append(handle)
        return True

    def gs_texrender_end(self, handle: int) -> None:
        if not self._target_stack or self._target_stack.pop() != handle:
            raise MisuseError("render targets end in another order than they began")
        self._texrenders[handle]["ready"] = False

    def gs_texrender_get_texture(self, handle: int) -> int | None:
        self._check(handle, "texrender")
        texture: int | None = self._texrenders[handle]["texture"]
        return texture

    def gs_texture_create(self, width: int, height: int, _format: int, *_rest: Any) -> int:
        self._in_graphics()
        if not (width and height):
            raise MisuseError("a texture without a size")
        return self._new("texture")

    def gs_texture_destroy(self, texture: int) -> None:
        self._in_graphics()
        self._free(texture, "texture")

    def gs_texture_set_image(self, texture: int, pixels: Any, stride: int, _invert: bool) -> None:
        self._in_graphics()
        self._check(texture, "texture")
        self.texture_writes.append((len(pixels), stride))

    def gs_stagesurface_create(self, width: int, height: int, _format: int) -> int | None:
        self._in_graphics()
        if "gs_stagesurface_create" in self.fail:
            return None
        handle = self._new("surface")
        stride = 4 * width + self.stride_padding
        self._surfaces[handle] = {"mapped": False, "stride": stride, "height": height, "pixels": None}
        return handle

    def gs_stagesurface_destroy(self, handle: int) -> None:
        self._in_graphics()
        self._free(handle, "surface")
        del self._surfaces[handle]

    def gs_stage_texture(self, surface: int, texture: int) -> None:
        self._check(surface, "surface")
        self._check(texture, "texture")
        if self._surfaces[surface]["mapped"]:
            raise MisuseError("a mapped surface was staged into")

    def gs_stagesurface_map(self, handle: int, pixels: Any, stride: Any) -> bool:
        self._check(handle, "surface")
        surface = self._surfaces[handle]
        if "gs_stagesurface_map" in self.fail:
            return False
        if surface["mapped"]:
            raise MisuseError("a surface was mapped twice")
        size = surface["stride"] * surface["height"]
        content = (self.staged * (size // len(self.staged) + 1))[:size]
        surface["pixels"] = ctypes.create_string_buffer(content, size)
        surface["mapped"] = True
        pixels._obj.value = ctypes.addressof(surface["pixels"])
        stride._obj.value = surface["stride"]
        return True

    def gs_stagesurface_unmap(self, handle: int) -> None:
        if not self._surfaces[handle]["mapped"]:
            raise MisuseError("a surface was unmapped that was not mapped")
        self._surfaces[handle]["mapped"] = False

    def gs_create_texture_file_data(
        self, path: bytes, pixel_format: Any, width: Any, height: Any
    ) -> int | None:
        if not Path(path.decode()).is_file():
            return None
        pixel_format._obj.value = libobs.GS_RGBA
        width._obj.value, height._obj.value = PICTURE_SIZE
        return self._give_memory(bytes(4 * PICTURE_SIZE[0] * PICTURE_SIZE[1]))

    # Sources

    def obs_filter_get_target(self, own: int) -> int | None:
        return self.targets.get(own)

    def obs_filter_get_parent(self, own: int) -> int | None:
        return self.targets.get(own)

    def obs_source_get_base_width(self, source: int) -> int:
        return self.sources[source].width

    def obs_source_get_base_height(self, source: int) -> int:
        return self.sources[source].height

    def obs_get_video_info(self, info: Any) -> bool:
        info._obj.colorspace = self.canvas_color_space
        return "obs_get_video_info" not in self.fail

    def obs_source_get_color_space(self, source: int, _count: int, _preferred: Any) -> int:
        return self.sources[source].color_space

    def obs_source_get_output_flags(self, source: int) -> int:
        return self.sources[source].flags

    def _draw_source(self, how: str) -> None:
        self._in_graphics()
        target = self._target_stack[-1] if self._target_stack else SCREEN
        self.draws.append(Draw(how, target, {}))

    def obs_source_default_render(self, _source: int) -> None:
        self._draw_source("default_render")

    def obs_source_video_render(self, source: int) -> None:
        """The filter on a source, and the source itself only when it is that filter which asks."""
        own, render = self.filter_of.get(source, (0, None))
        if render is None or own in self.disabled or source in self._rendering_filter:
            self._draw_source("video_render")
            return
        self._in_graphics()
        self._rendering_filter.add(source)
        try:
            render()
        finally:
            self._rendering_filter.discard(source)

    def obs_source_enabled(self, own: int) -> bool:
        return own not in self.disabled

    def obs_source_set_enabled(self, own: int, enabled: bool) -> None:
        if enabled:
            self.disabled.discard(own)
        else:
            self.disabled.add(own)

    def obs_obj_is_private(self, handle: int) -> bool:
        source = self.sources.get(handle)
        return source is None or source.private  # libobs calls every filter private, whatever it is on

    def obs_source_update_properties(self, _own: int) -> None:
        self.dialog_updates += 1

    def obs_register_source_s(self, info: Any, size: int) -> None:
        self.registered.append((info._obj, size))

    def obs_hotkey_register_source(
        self, source: int, name: bytes, _label: bytes, call: Any, data: int
    ) -> int:
        handle = next(self.handles)
        self.hotkeys[handle] = (source, name.decode(), call, data)
        return handle

    def obs_hotkey_unregister(self, hotkey: int) -> None:
        del self.hotkeys[hotkey]

    def obs_get_module(self, _name: bytes) -> int:
        return 1 if self.config_folder else 0

    def obs_module_get_config_path(self, _module: int, _file: bytes) -> int:
        return self._give_memory(f"{self.config_folder}/frontend-tools/".encode())

    # Settings

    def _get(self, data: int, key: bytes, nothing: Any) -> Any:
        name = key.decode()
        return self.settings[data].get(name, self.defaults[data].get(name, nothing))

    def obs_data_get_bool(self, data: int, key: bytes) -> bool:
        return bool(self._get(data, key, False))

    def obs_data_get_int(self, data: int, key: bytes) -> int:
        return int(self._get(data, key, 0))

    def obs_data_get_double(self, data: int, key: bytes) -> float:
        return float(self._get(data, key, 0.0))

    def obs_data_get_string(self, data: int, key: bytes) -> bytes:
        return str(self._get(data, key, "")).encode()

    def obs_data_set_string(self, data: int, key: bytes, value: bytes) -> None:
        self.settings[data][key.decode()] = value.decode()

    def _set_default(self, data: int, key: bytes, value: Any) -> None:
        self.defaults[data][key.decode()] = value.decode() if isinstance(value, bytes) else value

    obs_data_set_default_bool = _set_default
    obs_data_set_default_int = _set_default
    obs_data_set_default_double = _set_default
    obs_data_set_default_string = _set_default

    # Dialog

    def obs_properties_create(self) -> int:
        handle = self._new("properties")
        self.properties[handle] = {}
        return handle

    def _add(self, group: int, name: bytes, label: bytes, kind: str, callback: Any = None) -> int:
        if name.decode() in self.properties[group]:
            raise MisuseError(f"two properties {name!r}")
        handle = next(self.handles)
        added = FakeProperty(name.decode(), label.decode(), kind, callback=callback)
        self.properties[group][added.name] = self.property_by_handle[handle] = added
        return handle

    def obs_properties_add_group(self, root: int, name: bytes, label: bytes, _kind: int, group: int) -> int:
        handle = self._add(root, name, label, "group")
        self.property_by_handle[handle].group = group
        return handle

    def obs_properties_add_bool(self, group: int, name: bytes, label: bytes) -> int:
        return self._add(group, name, label, "bool")

    def obs_properties_add_button2(self, group: int, name: bytes, label: bytes, call: Any, _data: int) -> int:
        return self._add(group, name, label, "button", call)

    def obs_properties_add_color(self, group: int, name: bytes, label: bytes) -> int:
        return self._add(group, name, label, "color")

    def obs_properties_add_float_slider(self, group: int, name: bytes, label: bytes, *_range: float) -> int:
        return self._add(group, name, label, "float")

    def obs_properties_add_int_slider(self, group: int, name: bytes, label: bytes, *_range: int) -> int:
        return self._add(group, name, label, "int")

    def obs_properties_add_list(self, group: int, name: bytes, label: bytes, _type: int, _format: int) -> int:
        return self._add(group, name, label, "list")

    def obs_properties_add_path(self, group: int, name: bytes, label: bytes, *_rest: Any) -> int:
        return self._add(group, name, label, "path")

    def obs_properties_add_text(self, group: int, name: bytes, label: bytes, _type: int) -> int:
        return self._add(group, name, label, "text")

    def obs_properties_get(self, root: int, name: bytes) -> int:
        found = self.find(root, name.decode())
        return next(handle for handle, known in self.property_by_handle.items() if known is found)

    def find(self, root: int, name: str) -> FakeProperty:
        """A property of a dialog, in whichever group it is."""
        for known in self.properties[root].values():
            if known.name == name:
                return known
            if known.group is not None and name in self.properties[known.group]:
                return self.properties[known.group][name]
        raise KeyError(name)

    def obs_property_list_add_int(self, handle: int, label: bytes, value: int) -> int:
        self.property_by_handle[handle].items.append((label.decode(), value))
        return 0

    def obs_property_list_add_string(self, handle: int, label: bytes, value: bytes) -> int:
        self.property_by_handle[handle].items.append((label.decode(), value.decode()))
        return 0

    def obs_property_float_set_suffix(self, handle: int, _suffix: bytes) -> None:
        self._known(handle)

    def obs_property_int_set_suffix(self, handle: int, _suffix: bytes) -> None:
        self._known(handle)

    def obs_property_set_modified_callback2(self, handle: int, call: Any, _data: int) -> None:
        self._known(handle).callback = call

    def obs_property_set_visible(self, handle: int, visible: bool) -> None:
        self._known(handle).visible = visible

    def obs_property_text_set_info_type(self, handle: int, kind: int) -> None:
        self._known(handle).info_type = kind

    def _known(self, handle: int) -> FakeProperty:
        return self.property_by_handle[handle]
