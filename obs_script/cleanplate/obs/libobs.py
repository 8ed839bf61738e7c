"""The only ctypes declarations of libobs: constants, structures and one table of functions.

Names are libobs' own, so that its documentation and source can be searched for them. Every opaque pointer is
a ``c_void_p``: ctypes hands it to Python as an ``int``, or ``None`` for null.

The library is opened with `ctypes.CDLL`, which releases the GIL around each call. That is a requirement, not
a preference: the graphics thread waits for the GIL in our callbacks while it holds the graphics mutex, so a
caller that waits for that mutex and keeps the GIL (as `ctypes.PyDLL` and obspython do) would deadlock OBS.
"""

import ctypes
import sys
from ctypes import (
    POINTER,
    c_bool,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_longlong,
    c_size_t,
    c_uint8,
    c_uint32,
    c_void_p,
)
from typing import Any, List, NamedTuple, Optional, Tuple

# util/base.h
LOG_ERROR = 100
LOG_INFO = 300

# obs-source.h
OBS_SOURCE_TYPE_FILTER = 1
OBS_SOURCE_VIDEO = 1 << 0
OBS_SOURCE_ASYNC = 1 << 2
OBS_SOURCE_CUSTOM_DRAW = 1 << 3
OBS_SOURCE_SRGB = 1 << 15

# obs-properties.h
OBS_COMBO_TYPE_LIST = 2
OBS_COMBO_FORMAT_INT = 1
OBS_COMBO_FORMAT_STRING = 3
OBS_GROUP_NORMAL = 1
OBS_PATH_FILE = 0
OBS_TEXT_INFO = 3
OBS_TEXT_INFO_NORMAL = 0
OBS_TEXT_INFO_WARNING = 1
OBS_TEXT_INFO_ERROR = 2

# graphics/graphics.h
GS_RGBA = 3
GS_BGRA = 5
GS_R8 = 2
GS_RGBA16F = 9
GS_RGBA32F = 10
GS_ZS_NONE = 0
GS_CLEAR_COLOR = 1 << 0
GS_DYNAMIC = 1 << 1
GS_BLEND_ZERO = 0
GS_BLEND_ONE = 1
GS_BLEND_SRCALPHA = 4
GS_BLEND_INVSRCALPHA = 5
GS_CS_SRGB = 0
GS_CS_SRGB_16F = 1
GS_CS_709_EXTENDED = 2
GS_CS_709_SCRGB = 3

# media-io/video-io.h
VIDEO_CS_2100_PQ = 4
VIDEO_CS_2100_HLG = 5

# Callbacks that libobs calls. CFUNCTYPE takes the GIL on entry and releases it on return.
GetName = ctypes.CFUNCTYPE(c_void_p, c_void_p)
Create = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p)
Destroy = ctypes.CFUNCTYPE(None, c_void_p)
GetDefaults = ctypes.CFUNCTYPE(None, c_void_p)
GetProperties = ctypes.CFUNCTYPE(c_void_p, c_void_p)
Update = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
VideoTick = ctypes.CFUNCTYPE(None, c_void_p, c_float)
VideoRender = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
ButtonClicked = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p, c_void_p)
PropertyModified = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p, c_void_p, c_void_p)
HotkeyPressed = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_void_p, c_bool)


class ObsSourceInfo(ctypes.Structure):
    """The first 400 bytes of ``struct obs_source_info``: what every OBS from 28 on agrees about.

    A shorter structure than libobs' own is filled with zeros; a longer one is refused. Callbacks that the
    filter does not have stay null and are declared as plain pointers.
    """

    _fields_ = [
        ("id", c_char_p),
        ("type", c_int),
        ("output_flags", c_uint32),
        ("get_name", GetName),
        ("create", Create),
        ("destroy", Destroy),
        ("get_width", c_void_p),
        ("get_height", c_void_p),
        ("get_defaults", GetDefaults),
        ("get_properties", GetProperties),
        ("update", Update),
        ("activate", c_void_p),
        ("deactivate", c_void_p),
        ("show", c_void_p),
        ("hide", c_void_p),
        ("video_tick", VideoTick),
        ("video_render", VideoRender),
        ("filter_video", c_void_p),
        ("filter_audio", c_void_p),
        ("enum_active_sources", c_void_p),
        ("save", c_void_p),
        ("load", c_void_p),
        ("mouse_click", c_void_p),
        ("mouse_move", c_void_p),
        ("mouse_wheel", c_void_p),
        ("focus", c_void_p),
        ("key_click", c_void_p),
        ("filter_remove", c_void_p),
        ("type_data", c_void_p),
        ("free_type_data", c_void_p),
        ("audio_render", c_void_p),
        ("enum_all_sources", c_void_p),
        ("transition_start", c_void_p),
        ("transition_stop", c_void_p),
        ("get_defaults2", c_void_p),
        ("get_properties2", c_void_p),
        ("audio_mix", c_void_p),
        ("icon_type", c_int),
        ("media_play_pause", c_void_p),
        ("media_restart", c_void_p),
        ("media_stop", c_void_p),
        ("media_next", c_void_p),
        ("media_previous", c_void_p),
        ("media_get_duration", c_void_p),
        ("media_get_time", c_void_p),
        ("media_set_time", c_void_p),
        ("media_get_state", c_void_p),
        ("version", c_uint32),
        ("unversioned_id", c_char_p),
        ("missing_files", c_void_p),
        ("video_get_color_space", c_void_p),
    ]


class ObsVideoInfo(ctypes.Structure):
    """``struct obs_video_info``."""

    _fields_ = [
        ("graphics_module", c_char_p),
        ("fps_num", c_uint32),
        ("fps_den", c_uint32),
        ("base_width", c_uint32),
        ("base_height", c_uint32),
        ("output_width", c_uint32),
        ("output_height", c_uint32),
        ("output_format", c_int),
        ("adapter", c_uint32),
        ("gpu_conversion", c_bool),
        ("colorspace", c_int),
        ("range", c_int),
        ("scale_type", c_int),
    ]


class Vec2(ctypes.Structure):
    """``struct vec2``."""

    _fields_ = [("x", c_float), ("y", c_float)]


class Vec4(ctypes.Structure):
    """``struct vec4``. libobs loads it with SSE, so it must start on a 16-byte boundary: `aligned_vec4`."""

    _fields_ = [("x", c_float), ("y", c_float), ("z", c_float), ("w", c_float)]


def aligned_vec4() -> Vec4:
    """A zeroed `Vec4` at an address that is a multiple of 16 (ctypes itself promises only 8)."""
    storage = (c_uint8 * (ctypes.sizeof(Vec4) + 15))()
    return Vec4.from_buffer(storage, -ctypes.addressof(storage) % 16)


class Function(NamedTuple):
    """One row of the table: a function of libobs and its C types."""

    name: str
    restype: Any
    argtypes: List[Any]


# Sorted by name.
FUNCTIONS: Tuple[Function, ...] = (
    Function("bfree", None, [c_void_p]),
    Function("blog", None, [c_int, c_char_p]),  # variadic: the text is passed as the format, with % doubled
    Function("gs_blend_function", None, [c_int, c_int]),
    Function("gs_blend_function_separate", None, [c_int, c_int, c_int, c_int]),
    Function("gs_blend_state_pop", None, []),
    Function("gs_blend_state_push", None, []),
    Function("gs_clear", None, [c_uint32, POINTER(Vec4), c_float, c_uint8]),
    Function(
        "gs_create_texture_file_data",
        c_void_p,
        [c_char_p, POINTER(c_int), POINTER(c_uint32), POINTER(c_uint32)],
    ),
    Function("gs_draw_sprite", None, [c_void_p, c_uint32, c_uint32, c_uint32]),
    Function("gs_effect_create_from_file", c_void_p, [c_char_p, POINTER(c_void_p)]),
    Function("gs_effect_destroy", None, [c_void_p]),
    Function("gs_effect_get_param_by_name", c_void_p, [c_void_p, c_char_p]),
    Function("gs_effect_loop", c_bool, [c_void_p, c_char_p]),
    Function("gs_effect_set_float", None, [c_void_p, c_float]),
    Function("gs_effect_set_int", None, [c_void_p, c_int]),
    Function("gs_effect_set_texture", None, [c_void_p, c_void_p]),
    Function("gs_effect_set_texture_srgb", None, [c_void_p, c_void_p]),
    Function("gs_effect_set_vec2", None, [c_void_p, POINTER(Vec2)]),
    Function("gs_effect_set_vec4", None, [c_void_p, POINTER(Vec4)]),
    Function("gs_enable_framebuffer_srgb", None, [c_bool]),
    Function("gs_framebuffer_srgb_enabled", c_bool, []),
    Function("gs_ortho", None, [c_float, c_float, c_float, c_float, c_float, c_float]),
    Function("gs_set_linear_srgb", c_bool, [c_bool]),
    Function("gs_stage_texture", None, [c_void_p, c_void_p]),
    Function("gs_stagesurface_create", c_void_p, [c_uint32, c_uint32, c_int]),
    Function("gs_stagesurface_destroy", None, [c_void_p]),
    Function("gs_stagesurface_map", c_bool, [c_void_p, POINTER(c_void_p), POINTER(c_uint32)]),
    Function("gs_stagesurface_unmap", None, [c_void_p]),
    Function("gs_texrender_begin_with_color_space", c_bool, [c_void_p, c_uint32, c_uint32, c_int]),
    Function("gs_texrender_create", c_void_p, [c_int, c_int]),
    Function("gs_texrender_destroy", None, [c_void_p]),
    Function("gs_texrender_end", None, [c_void_p]),
    Function("gs_texrender_get_texture", c_void_p, [c_void_p]),
    Function("gs_texrender_reset", None, [c_void_p]),
    Function(
        "gs_texture_create",
        c_void_p,
        [c_uint32, c_uint32, c_int, c_uint32, POINTER(c_void_p), c_uint32],
    ),
    Function("gs_texture_destroy", None, [c_void_p]),
    Function("gs_texture_set_image", None, [c_void_p, c_void_p, c_uint32, c_bool]),
    Function("obs_data_get_bool", c_bool, [c_void_p, c_char_p]),
    Function("obs_data_get_double", c_double, [c_void_p, c_char_p]),
    Function("obs_data_get_int", c_longlong, [c_void_p, c_char_p]),
    Function("obs_data_get_string", c_char_p, [c_void_p, c_char_p]),
    Function("obs_data_set_default_bool", None, [c_void_p, c_char_p, c_bool]),
    Function("obs_data_set_default_double", None, [c_void_p, c_char_p, c_double]),
    Function("obs_data_set_default_int", None, [c_void_p, c_char_p, c_longlong]),
    Function("obs_data_set_default_string", None, [c_void_p, c_char_p, c_char_p]),
    Function("obs_data_set_string", None, [c_void_p, c_char_p, c_char_p]),
    Function("obs_enter_graphics", None, []),
    Function("obs_filter_get_parent", c_void_p, [c_void_p]),
    Function("obs_filter_get_target", c_void_p, [c_void_p]),
    Function("obs_get_module", c_void_p, [c_char_p]),
    Function("obs_get_video_info", c_bool, [POINTER(ObsVideoInfo)]),
    Function("obs_hotkey_register_source", c_size_t, [c_void_p, c_char_p, c_char_p, HotkeyPressed, c_void_p]),
    Function("obs_hotkey_unregister", None, [c_size_t]),
    Function("obs_leave_graphics", None, []),
    Function("obs_module_get_config_path", c_void_p, [c_void_p, c_char_p]),
    Function("obs_obj_is_private", c_bool, [c_void_p]),
    Function(
        "obs_properties_add_bool",
        c_void_p,
        [c_void_p, c_char_p, c_char_p],
    ),
    Function(
        "obs_properties_add_button2",
        c_void_p,
        [c_void_p, c_char_p, c_char_p, ButtonClicked, c_void_p],
    ),
    Function("obs_properties_add_color", c_void_p, [c_void_p, c_char_p, c_char_p]),
    Function(
        "obs_properties_add_float_slider",
        c_void_p,
        [c_void_p, c_char_p, c_char_p, c_double, c_double, c_double],
    ),
    Function("obs_properties_add_group", c_void_p, [c_void_p, c_char_p, c_char_p, c_int, c_void_p]),
    Function(
        "obs_properties_add_int_slider",
        c_void_p,
        [c_void_p, c_char_p, c_char_p, c_int, c_int, c_int],
    ),
    Function("obs_properties_add_list", c_void_p, [c_void_p, c_char_p, c_char_p, c_int, c_int]),
    Function(
        "obs_properties_add_path",
        c_void_p,
        [c_void_p, c_char_p, c_char_p, c_int, c_char_p, c_char_p],
    ),
    Function("obs_properties_add_text", c_void_p, [c_void_p, c_char_p, c_char_p, c_int]),
    Function("obs_properties_create", c_void_p, []),
    Function("obs_properties_get", c_void_p, [c_void_p, c_char_p]),
    Function("obs_property_float_set_suffix", None, [c_void_p, c_char_p]),
    Function("obs_property_int_set_suffix", None, [c_void_p, c_char_p]),
    Function("obs_property_list_add_int", c_size_t, [c_void_p, c_char_p, c_longlong]),
    Function("obs_property_list_add_string", c_size_t, [c_void_p, c_char_p, c_char_p]),
    Function("obs_property_set_modified_callback2", None, [c_void_p, PropertyModified, c_void_p]),
    Function("obs_property_set_visible", None, [c_void_p, c_bool]),
    Function("obs_property_text_set_info_type", None, [c_void_p, c_int]),
    Function("obs_register_source_s", None, [POINTER(ObsSourceInfo), c_size_t]),
    Function("obs_source_default_render", None, [c_void_p]),
    Function("obs_source_enabled", c_bool, [c_void_p]),
    Function("obs_source_get_base_height", c_uint32, [c_void_p]),
    Function("obs_source_get_base_width", c_uint32, [c_void_p]),
    Function("obs_source_get_color_space", c_int, [c_void_p, c_size_t, POINTER(c_int)]),
    Function("obs_source_get_output_flags", c_uint32, [c_void_p]),
    Function("obs_source_set_enabled", None, [c_void_p, c_bool]),
    Function("obs_source_update_properties", None, [c_void_p]),
    Function("obs_source_video_render", None, [c_void_p]),
)


class LibObs:
    """libobs, with each function of `FUNCTIONS` as an attribute. Tests put a fake in its place.

    Args:
        library: An open `ctypes.CDLL` of libobs.

    Raises:
        AttributeError: This libobs lacks a function that the filter needs: it is older than OBS 28.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, restype, argtypes in FUNCTIONS:
            function = getattr(library, name)
            function.restype = restype
            function.argtypes = argtypes
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"libobs function {name} is not in the table FUNCTIONS")


def open_library() -> ctypes.CDLL:
    """The libobs that is already in this process: never a second copy of it."""
    if sys.platform == "win32":
        return ctypes.CDLL("obs.dll")
    elif sys.platform == "darwin":  # noqa: RET505 - mypy checks one branch a platform
        return ctypes.CDLL("@executable_path/../Frameworks/libobs.framework/Versions/A/libobs")
    else:
        return ctypes.CDLL(None)


def take_string(lib: Any, address: Optional[int]) -> str:
    """Copy a string that libobs allocated and free it; an empty string for null."""
    if not address:
        return ""
    text = ctypes.string_at(address).decode("utf-8", "replace")
    lib.bfree(address)
    return text


def log(lib: Any, level: int, text: str) -> None:
    """Write one line to OBS' log."""
    lib.blog(level, ("[Clean Plate] " + text).encode("utf-8", "replace").replace(b"%", b"%%"))
