"""Clean Plate for OBS: add this file in Tools > Scripts, then add the filter to a camera.

The filter is "Clean Plate background removal", under "Effect Filters" of any video source. This file holds
OBS' script hooks only; the package `cleanplate` beside it does the work.
"""

import sys
from pathlib import Path

_FOLDER = str(Path(__file__).resolve().parent)
if sys.path[:1] != [_FOLDER]:  # OBS appends the script's folder; ours must win over other scripts' modules
    sys.path.insert(0, _FOLDER)

from cleanplate.obs import registration  # noqa: E402 - needs the path above


def script_description() -> str:
    """What OBS shows beside the list of scripts."""
    return (
        "<b>Clean Plate</b> removes the background behind a person.<br><br>"
        "Open the <i>Filters</i> of a camera, add <i>Clean Plate background removal</i> under "
        "<i>Effect Filters</i>, and press <i>Capture background</i> there while nobody is in the picture."
    )


def script_load(_settings: object) -> None:
    """Register the filter type, once; "Reload scripts" comes by here again."""
    registration.register(_FOLDER)


def script_unload() -> None:
    """The script was removed, or OBS leaves the scene collection that lists it; the filter type stays."""
    registration.script_gone(_FOLDER)
