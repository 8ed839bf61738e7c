"""Registers the filter type with libobs, once in the life of the OBS process.

libobs cannot forget a source type: it keeps the callbacks' addresses until it exits, through script reloads,
script removal and scene-collection switches. So everything that libobs was given lives here for ever, as
module globals of a module that "Reload scripts" does not execute again: the structure, its strings and the
trampolines. Each trampoline looks its filter up in `_filters` by the handle that `create` returned, and does
nothing for an unknown one.

Every callback is `guarded`: an exception that left one would open OBS' script log and be raised again every
frame.
"""

import ctypes
import functools
import itertools
import os
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Set

from cleanplate.obs import libobs, profiling, properties
from cleanplate.obs.settings import Settings
from cleanplate.obs.source import FilterSource, Trampolines

TYPE_ID = b"cleanplate_filter"  # libobs keeps this pointer as unversioned_id
DISPLAY_NAME = b"Clean Plate background removal"

_lib: Any = None
_profile: Optional[profiling.Profile] = None
_folder = ""  # where cleanplate.effect is
_filters: Dict[int, FilterSource] = {}
_stillborn: Dict[int, str] = {}  # why there is no filter for a handle that libobs has
_handles = itertools.count(1)
_reported: Set[str] = set()
_scripts: Set[str] = set()  # folders of this script that the present scene collection lists

# OBS adds the filter from any collection for as long as it runs. At its next start there is no such type
# where no script is listed, and the raw camera would show.
NOT_LISTED = "this scene collection does not list its script. Add cleanplate_filter.py in Tools > Scripts"


def guarded(prototype: Any, default: Any = None) -> Callable[[Callable[..., Any]], Any]:
    """Make a C callback of a function. An exception is logged once, and libobs gets the default instead.

    Args:
        prototype: One of the callback types of `cleanplate.obs.libobs`.
        default: What libobs gets when the function fails.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except BaseException:  # noqa: BLE001 - nothing may leave a callback
                _report(function.__name__, traceback.format_exc())
                return default

        return prototype(call)

    return decorate


def _report(name: str, trace: str) -> None:
    if trace not in _reported and len(_reported) < 100:
        _reported.add(trace)
        libobs.log(_lib, libobs.LOG_ERROR, f"internal error in {name}; please report it:\n{trace}")


# The buffer is a module global: libobs keeps no copy of the name, it calls get_name each time.
_name_buffer = ctypes.create_string_buffer(DISPLAY_NAME)


@guarded(libobs.GetName)
def _get_name(_type_data: Optional[int]) -> int:
    return ctypes.addressof(_name_buffer)


@guarded(libobs.Create)
def _create(data: int, source: int) -> int:
    # Never null, whatever fails: libobs skips a filter without data, and so would show the raw camera.
    handle = next(_handles)
    if not _scripts:
        _stillborn[handle] = f"{NOT_LISTED}, then remove the filter and add it again."
        libobs.log(_lib, libobs.LOG_INFO, f"no filter: {_stillborn[handle]}")
        return handle
    try:
        _filters[handle] = FilterSource(
            _lib, source, data, str(Path(_folder) / "cleanplate.effect"), handle, _trampolines
        )
    except Exception as error:  # noqa: BLE001 - a handle without a filter draws nothing
        _stillborn[handle] = f"{error} When that is mended, restart OBS."
        _report("create", traceback.format_exc())
    return handle


@guarded(libobs.Destroy)
def _destroy(handle: int) -> None:
    _stillborn.pop(handle, None)
    instance = _filters.pop(handle, None)
    if instance is not None:
        instance.destroy()
        if _profile is not None:
            libobs.log(_lib, libobs.LOG_INFO, f"profile: {_profile.report()}")


@guarded(libobs.GetDefaults)
def _get_defaults(data: int) -> None:
    Settings.set_defaults(_lib, data)


@guarded(libobs.GetProperties)
def _get_properties(handle: int) -> Optional[int]:
    instance = _filters.get(handle)
    if instance is None:
        return properties.build_apology(_lib, _stillborn.get(handle, "OBS names a filter that is gone."))
    warning = "" if _scripts else f"At its next start OBS shows the raw camera: {NOT_LISTED}."
    return instance.properties(warning)


@guarded(libobs.Update)
def _update(handle: int, data: int) -> None:
    instance = _filters.get(handle)
    if instance is not None:
        instance.update(data)


@guarded(libobs.VideoTick)
def _video_tick(handle: int, _seconds: float) -> None:
    instance = _filters.get(handle)
    if instance is not None:
        instance.video_tick()


@guarded(libobs.VideoRender)
def _video_render(handle: int, _effect: Optional[int]) -> None:
    instance = _filters.get(handle)
    if instance is not None:
        instance.video_render()


@guarded(libobs.ButtonClicked, default=False)
def _refresh_clicked(_properties: int, _property: int, handle: int) -> bool:
    return _click(handle)


@guarded(libobs.ButtonClicked, default=False)
def _capture_clicked(_properties: int, _property: int, handle: int) -> bool:
    return _click(handle, FilterSource.start_capture)


@guarded(libobs.ButtonClicked, default=False)
def _clear_clicked(_properties: int, _property: int, handle: int) -> bool:
    return _click(handle, FilterSource.clear_samples)


@guarded(libobs.ButtonClicked, default=False)
def _add_file_clicked(_properties: int, _property: int, handle: int) -> bool:
    return _click(handle, FilterSource.add_sample_file)


@guarded(libobs.PropertyModified, default=False)
def _background_changed(_handle: int, root: int, _property: int, data: int) -> bool:
    background = (_lib.obs_data_get_string(data, b"background") or b"").decode("utf-8", "replace")
    properties.show_for_background(_lib, root, background)
    return True


@guarded(libobs.HotkeyPressed)
def _capture_hotkey(handle: int, _id: int, _hotkey: int, pressed: bool) -> None:
    if pressed:
        _press(handle, FilterSource.start_capture)


@guarded(libobs.HotkeyPressed)
def _toggle_hotkey(handle: int, _id: int, _hotkey: int, pressed: bool) -> None:
    if pressed:
        _press(handle, FilterSource.toggle)


def _click(handle: int, *actions: Callable[[FilterSource], None]) -> bool:
    """Act on a filter for a button of its dialog. Returns False: OBS need not lay out the old dialog anew."""
    for action in (*actions, FilterSource.refresh_dialog):
        _press(handle, action)
    return False


def _press(handle: int, action: Callable[[FilterSource], None]) -> None:
    """Act on a filter that may be gone."""
    instance = _filters.get(handle)
    if instance is not None:
        action(instance)


_trampolines = Trampolines(
    properties.Buttons(
        _refresh_clicked, _capture_clicked, _clear_clicked, _add_file_clicked, _background_changed
    ),
    _capture_hotkey,
    _toggle_hotkey,
)

_info = libobs.ObsSourceInfo(
    id=TYPE_ID,
    type=libobs.OBS_SOURCE_TYPE_FILTER,
    output_flags=libobs.OBS_SOURCE_VIDEO | libobs.OBS_SOURCE_SRGB,
    get_name=_get_name,
    create=_create,
    destroy=_destroy,
    get_defaults=_get_defaults,
    get_properties=_get_properties,
    update=_update,
    video_tick=_video_tick,
    video_render=_video_render,
)


def register(folder: str, lib: Any = None) -> bool:
    """Register the filter type.

    Args:
        folder: Where ``cleanplate.effect`` lies.
        lib: libobs; opened here unless given.

    Returns:
        Whether this call registered it: False when it already was, as after "Reload scripts".
    """
    global _lib, _folder, _profile  # noqa: PLW0603 - one registration for the life of the process
    _folder = folder
    _scripts.add(folder)
    if _lib is not None:
        return False
    _lib = lib if lib is not None else libobs.LibObs(libobs.open_library())
    if os.environ.get(profiling.VARIABLE):
        _lib = profiling.TimedLibrary(_lib, [function.name for function in libobs.FUNCTIONS])
        _profile = profiling.Profile(_lib)
        for name in ("video_tick", "video_render"):
            setattr(
                FilterSource, name, _profile.measured(getattr(FilterSource, name), first=name == "video_tick")
            )
    _lib.obs_register_source_s(ctypes.byref(_info), ctypes.sizeof(_info))
    return True


def script_gone(folder: str) -> None:
    """Note that a script of ours was unloaded; filters that exist go on.

    Args:
        folder: What `register` was given.
    """
    _scripts.discard(folder)


def filters() -> Dict[int, FilterSource]:
    """The filters that exist, by handle. For tests."""
    return _filters
