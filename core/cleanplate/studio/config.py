"""Writes what a fresh OBS Studio needs in its configuration folder so that it starts without a question."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROFILE = "test"
SPARE_PROFILE = "spare"  # the same again
COLLECTION = "test"
SCENE = "Scene"

CANVAS_WIDTH = 640
CANVAS_HEIGHT = 360
FRAMES_PER_SECOND = 30
RECORDINGS = "recordings"
"""Folder in the session's home."""

# BGRA in and out: recorded pixels can be compared exactly, and it costs hardly any time. That matters because
# OBS frees the encoder when a recording ends without waiting for the frame that is just being encoded, and
# crashes. NUT keeps what was written when OBS is killed. No sound: on a busy machine, its first packet
# sometimes ends a recording with "Invalid argument".
_PROFILE_INI = """\
[General]
Name={profile}

[Video]
BaseCX={width}
BaseCY={height}
OutputCX={width}
OutputCY={height}
FPSType=1
FPSInt={fps}
ColorFormat={video.pixels}
ColorSpace={video.space}
ColorRange={video.range}

[Output]
Mode=Advanced
FilenameFormatting=%CCYY-%MM-%DD %hh-%mm-%ss

[AdvOut]
RecType=FFmpeg
FFOutputToFile=true
FFFilePath={recordings}
FFExtension=nut
FFFormat=nut
FFVEncoder=rawvideo
FFVGOPSize=1
FFIgnoreCompat=true
FFAudioMixes=0
"""

# FirstRun=true means "it has been". OBS from 31 on takes this file over into others, but asks LastVersion
# (here 29.0.2) whether it ever ran, and else opens its wizard.
_USER_SETTINGS = """\
[General]
FirstRun=true
LastVersion=486539266
Pre19Defaults=false
EnableAutoUpdates=false
ConfirmOnExit=false

[Basic]
Profile={profile}
ProfileDir={profile}
SceneCollection={collection}
SceneCollectionFile={collection}
ConfigOnNewProfile=false

[BasicWindow]
ShowSourceIcons=false

[OBSWebSocket]
FirstLoad=false
ServerEnabled=true
ServerPort={port}
AuthRequired=true
ServerPassword={password}
AlertsEnabled=false
"""


@dataclass(frozen=True)
class Video:
    """Pixels and colours of the canvas, in the words of OBS' profile."""

    pixels: str
    space: str
    range: str


SDR = Video("RGB", "sRGB", "Full")
SDR_PIXEL_BYTES = 4  # of a recording
# Rec. 2100 PQ in 10 bits. Look at screenshots: encoding this takes so long that OBS, which frees an encoder
# without waiting for it, crashes when a recording ends.
HDR = Video("P010", "2100PQ", "Partial")


@dataclass(frozen=True)
class Script:
    """A script in the list of Tools > Scripts."""

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)


def write_config(home: Path, port: int, password: str, scripts: list[Script], video: Video = SDR) -> None:
    """Write the configuration, leaving an existing scene collection as OBS saved it.

    Args:
        home: the HOME that OBS will have.
        port: where obs-websocket is to listen; it does so on all of the machine's addresses.
        password: without which obs-websocket is to take no requests; letters, digits, `-` and `_`.
        scripts: what a new scene collection loads.
        video: of the canvas.
    """
    config = obs_folder(home)
    recordings = home / RECORDINGS
    websocket = config / "plugin_config" / "obs-websocket"
    profiles = [config / "basic" / "profiles" / name for name in (PROFILE, SPARE_PROFILE)]
    scenes = config / "basic" / "scenes"
    for folder in (recordings, websocket, scenes, *profiles):
        folder.mkdir(parents=True, exist_ok=True)

    texts = {
        config / "global.ini": _USER_SETTINGS.format(
            profile=PROFILE, collection=COLLECTION, port=port, password=password
        ),
        websocket / "config.json": json.dumps(
            {"alerts_enabled": False, "auth_required": True, "first_load": False, "server_enabled": True,
             "server_password": password, "server_port": port}
        ),
    }  # fmt: skip
    for profile in profiles:
        texts[profile / "basic.ini"] = _PROFILE_INI.format(
            profile=profile.name,
            width=CANVAS_WIDTH,
            height=CANVAS_HEIGHT,
            fps=FRAMES_PER_SECOND,
            recordings=recordings,
            video=video,
        )
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    # OBS 31 and later refuse to start with both, and wrote this one from our global.ini in an earlier run.
    (config / "user.ini").unlink(missing_ok=True)

    collection = scenes / f"{COLLECTION}.json"
    if not collection.exists():
        collection.write_text(json.dumps(_new_collection(scripts)), encoding="utf-8")


def obs_folder(home: Path) -> Path:
    """The folder that OBS keeps its configuration in."""
    return home / ".config" / "obs-studio"


def _new_collection(scripts: list[Script]) -> dict[str, Any]:
    return {
        "name": COLLECTION,
        "current_scene": SCENE,
        "current_program_scene": SCENE,
        "scene_order": [{"name": SCENE}],
        "sources": [
            {
                "id": "scene",
                "versioned_id": "scene",
                "name": SCENE,
                "settings": {"id_counter": 0, "items": []},
            }
        ],
        "groups": [],
        "transitions": [],
        "modules": {
            "scripts-tool": [{"path": str(script.path), "settings": script.settings} for script in scripts]
        },
    }


def write_install_record(home: Path, models: Sequence[Path]) -> None:
    """Tell the filter in an OBS with this home which Python and networks to use, as the installer does."""
    path = home / ".config" / "cleanplate" / "install.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"version": "studio", "python": sys.executable, "models": [str(folder) for folder in models]}
    path.write_text(json.dumps(record), encoding="utf-8")
