"""An OBS script that does to another script what Tools > Scripts does: add, reload, remove.

obs-websocket has no request for it. The window's buttons call ``obs_script_create``, ``obs_script_reload``
and ``obs_script_destroy`` on the user-interface thread; so does this, on the hotkeys below. The setting
``controlled`` is the path of the other script. Each action ends with a line in the log:
"[script driver] <action> <count>".
"""

import ctypes
import re
from pathlib import Path
from typing import Any

import obspython as obs

_TASK_UI = 0  # OBS_TASK_UI
_TASK_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _scripting_library() -> ctypes.CDLL:
    """The scripting library that this very process has loaded, whatever its version."""
    loaded = re.search(r"\S*libobs-scripting\S*", Path("/proc/self/maps").read_text())
    if not loaded:
        raise OSError("libobs-scripting is not among the loaded libraries")
    return ctypes.CDLL(loaded.group())


_libobs = ctypes.CDLL(None)
_libobs.obs_queue_task.argtypes = [ctypes.c_int, _TASK_TYPE, ctypes.c_void_p, ctypes.c_bool]
_libobs.obs_queue_task.restype = None
_scripting = _scripting_library()
_scripting.obs_script_create.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
_scripting.obs_script_create.restype = ctypes.c_void_p
_scripting.obs_script_reload.argtypes = [ctypes.c_void_p]
_scripting.obs_script_reload.restype = ctypes.c_bool
_scripting.obs_script_destroy.argtypes = [ctypes.c_void_p]
_scripting.obs_script_destroy.restype = None

_controlled_path = ""
_controlled: Any = None
_counts = {"add": 0, "reload": 0, "remove": 0}


def _add() -> None:
    global _controlled  # noqa: PLW0603 - OBS scripts keep their state in globals
    _controlled = _scripting.obs_script_create(_controlled_path.encode(), None)


def _reload() -> None:
    _scripting.obs_script_reload(_controlled)


def _remove() -> None:
    global _controlled  # noqa: PLW0603
    _scripting.obs_script_destroy(_controlled)
    _controlled = None


_ACTIONS = {"add": _add, "reload": _reload, "remove": _remove}


def _on_ui_thread(name: str) -> Any:
    def task(_parameter: Any) -> None:
        _ACTIONS[name]()
        _counts[name] += 1
        print(f"[script driver] {name} {_counts[name]}")

    return _TASK_TYPE(task)


# libobs holds the thunks until the user-interface thread has run them.
_tasks = {name: _on_ui_thread(name) for name in _ACTIONS}


def _queue(name: str, pressed: bool) -> None:
    if pressed:
        _libobs.obs_queue_task(_TASK_UI, _tasks[name], None, False)


def script_load(settings: Any) -> None:
    """Register the hotkeys."""
    global _controlled_path  # noqa: PLW0603
    _controlled_path = obs.obs_data_get_string(settings, "controlled")
    # obspython finds a hotkey's callback by its identity: each has to be an object of its own.
    obs.obs_hotkey_register_frontend("script_driver.add", "Add", lambda pressed: _queue("add", pressed))
    obs.obs_hotkey_register_frontend(
        "script_driver.reload", "Reload", lambda pressed: _queue("reload", pressed)
    )
    obs.obs_hotkey_register_frontend(
        "script_driver.remove", "Remove", lambda pressed: _queue("remove", pressed)
    )
