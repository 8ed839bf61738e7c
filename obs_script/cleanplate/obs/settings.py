"""The filter's settings: one immutable value, its defaults, and how it is read from OBS' own settings object.

OBS keeps the settings in the scene collection; the names of the fields below are the keys there.
"""

from dataclasses import dataclass, fields
from typing import Any, Dict

# Backgrounds.
TRANSPARENT = "transparent"
COLOR = "color"
IMAGE = "image"
BLUR = "blur"
PLATE_BLUR = "plate_blur"
BACKGROUNDS = (TRANSPARENT, COLOR, IMAGE, BLUR, PLATE_BLUR)

# How a picture is fitted to the frame.
FILL = "fill"
FIT = "fit"
STRETCH = "stretch"
IMAGE_FITS = (FILL, FIT, STRETCH)

# What is shown.
COMPOSITE = "composite"
MATTE = "matte"
SAMPLE = "sample"
DIFFERENCE = "difference"
VIEWS = (COMPOSITE, MATTE, SAMPLE, DIFFERENCE)

# Which frame is composited with which matte.
MATCHED = "matched"
LATENCY = "latency"
MODES = (MATCHED, LATENCY)

# What is shown while there is no fresh matte.
COVER_BACKGROUND = "background"
COVER_BLUR = "blur"
COVERS = (COVER_BACKGROUND, COVER_BLUR)

# What a capture does with the samples that are there.
REPLACE = "replace"
ADD = "add"
CAPTURE_MODES = (REPLACE, ADD)

_CHOICES: Dict[str, "tuple[str, ...]"] = {
    "background": BACKGROUNDS,
    "image_fit": IMAGE_FITS,
    "view": VIEWS,
    "mode": MODES,
    "cover": COVERS,
    "capture_mode": CAPTURE_MODES,
}


@dataclass(frozen=True)
class Settings:
    """What the user chose. Field names are the keys of the OBS settings object, field values the defaults."""

    background: str = BLUR
    color: int = 0xFF4A7A2E  # 0xAABBGGRR, as OBS stores a colour
    image_path: str = ""
    image_fit: str = FILL
    blur_radius: float = 24.0  # pixels in a frame of 1080 lines
    threshold: float = 0.5  # matte value at the middle of the edge
    softness: float = 0.8  # width of the edge's ramp in matte values; 1 leaves the matte as it is
    shift: float = 0.0  # pixels of a matte 512 wide; positive expands the person
    smoothing: float = 0.3  # 0 none .. 1 strongest, over time
    decontaminate: bool = True
    view: str = COMPOSITE
    mode: str = MATCHED
    cover: str = COVER_BACKGROUND
    max_age_ms: int = 500  # an older matte is not used: the cover is shown
    pause_hidden: bool = True
    model: str = "auto"
    provider: str = "auto"
    countdown: int = 5  # seconds
    sample_count: int = 8
    capture_mode: str = REPLACE
    sample_path: str = ""  # the picture that "Add the picture as a sample" takes
    sample_set: str = ""  # names the folder with this filter's background samples

    @classmethod
    def read(cls, lib: Any, data: int) -> "Settings":
        """Read an ``obs_data_t``; a value that is not one of its key's choices becomes the default."""
        values: Dict[str, Any] = {}
        for field in fields(cls):
            key = field.name.encode()
            if isinstance(field.default, bool):
                value: Any = lib.obs_data_get_bool(data, key)
            elif isinstance(field.default, int):
                value = lib.obs_data_get_int(data, key)
            elif isinstance(field.default, float):
                value = lib.obs_data_get_double(data, key)
            else:
                value = (lib.obs_data_get_string(data, key) or b"").decode("utf-8", "replace")
            choices = _CHOICES.get(field.name)
            values[field.name] = value if choices is None or value in choices else field.default
        return cls(**values)

    @classmethod
    def set_defaults(cls, lib: Any, data: int) -> None:
        """Fill the defaults of an ``obs_data_t``."""
        for field in fields(cls):
            key = field.name.encode()
            if isinstance(field.default, bool):
                lib.obs_data_set_default_bool(data, key, field.default)
            elif isinstance(field.default, int):
                lib.obs_data_set_default_int(data, key, field.default)
            elif isinstance(field.default, float):
                lib.obs_data_set_default_double(data, key, field.default)
            else:
                lib.obs_data_set_default_string(data, key, str(field.default).encode())
