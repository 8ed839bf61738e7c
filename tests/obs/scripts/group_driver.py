"""An OBS script that puts all items of the programme's scene into one group, as "Group Selected Items" does.

obs-websocket has no request for it. Press the hotkey "group_driver.group"; when it is done, the log has the
line "[group driver] grouped <count>".
"""

import ctypes
from typing import Any

import obspython as obs

GROUP = "group"

_TASK_UI = 0  # OBS_TASK_UI
_TASK_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_ITEM_TYPE = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)

# Through ctypes, which lets the GIL go: obspython keeps it, and the graphics thread may wait for it in the
# filter's callbacks while it holds the scene's lock.
_libobs = ctypes.CDLL(None)
_libobs.obs_queue_task.argtypes = [ctypes.c_int, _TASK_TYPE, ctypes.c_void_p, ctypes.c_bool]
_libobs.obs_queue_task.restype = None
_libobs.obs_get_source_by_name.argtypes = [ctypes.c_char_p]
_libobs.obs_get_source_by_name.restype = ctypes.c_void_p
_libobs.obs_source_release.argtypes = [ctypes.c_void_p]
_libobs.obs_source_release.restype = None
_libobs.obs_scene_from_source.argtypes = [ctypes.c_void_p]
_libobs.obs_scene_from_source.restype = ctypes.c_void_p
_libobs.obs_scene_enum_items.argtypes = [ctypes.c_void_p, _ITEM_TYPE, ctypes.c_void_p]
_libobs.obs_scene_enum_items.restype = None
_libobs.obs_scene_insert_group2.argtypes = [
    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_bool,
]  # fmt: skip
_libobs.obs_scene_insert_group2.restype = ctypes.c_void_p

_scene_name = b""


def _group_all(_parameter: Any) -> None:
    source = _libobs.obs_get_source_by_name(_scene_name)
    scene = _libobs.obs_scene_from_source(source)
    items = []

    def collect(_scene: Any, item: int, _parameter: Any) -> bool:
        items.append(item)
        return True

    _libobs.obs_scene_enum_items(scene, _ITEM_TYPE(collect), None)
    array = (ctypes.c_void_p * len(items))(*items)
    _libobs.obs_scene_insert_group2(scene, GROUP.encode(), array, len(items), True)
    _libobs.obs_source_release(source)
    print(f"[group driver] grouped {len(items)}")


# libobs holds the thunk until the user-interface thread has run it.
_task = _TASK_TYPE(_group_all)


def _pressed(pressed: bool) -> None:
    if pressed:
        _libobs.obs_queue_task(_TASK_UI, _task, None, False)


def script_load(settings: Any) -> None:
    """Register the hotkey; the setting ``scene`` names the scene."""
    global _scene_name  # noqa: PLW0603 - OBS scripts keep their state in globals
    _scene_name = obs.obs_data_get_string(settings, "scene").encode()
    obs.obs_hotkey_register_frontend("group_driver.group", "Group", _pressed)
