"""The least OBS script: it says when it is loaded and unloaded."""

from typing import Any


def script_load(settings: Any) -> None:
    """Say so."""
    print("[trivial] loaded")


def script_unload() -> None:
    """Say so."""
    print("[trivial] unloaded")
