"""The filter's property dialog.

Buttons and callbacks are built through libobs: obspython's own are bound to "the current script", and there
is none in a callback of ours. The buttons' callbacks are those of `cleanplate.obs.registration`, which live
for ever; the handle that libobs gives back tells them which filter is meant.
"""

from typing import Any, List, NamedTuple, Sequence, Tuple

from cleanplate.obs import libobs, settings
from cleanplate.obs.sample_store import SAMPLE_KINDS
from cleanplate.obs.settings import Settings

Choices = Sequence[Tuple[str, str]]  # label, value

_BACKGROUNDS: Choices = (
    ("Blur", settings.BLUR),
    ("Colour", settings.COLOR),
    ("Picture", settings.IMAGE),
    ("Captured background, blurred", settings.PLATE_BLUR),
    ("Transparent", settings.TRANSPARENT),
)
_FITS: Choices = (("Fill", settings.FILL), ("Fit", settings.FIT), ("Stretch", settings.STRETCH))
_COVERS: Choices = (
    ("The background alone", settings.COVER_BACKGROUND),
    ("The picture, blurred beyond recognition", settings.COVER_BLUR),
)
_VIEWS: Choices = (
    ("Result", settings.COMPOSITE),
    ("Matte", settings.MATTE),
    ("Background sample", settings.SAMPLE),
    ("Difference to the sample", settings.DIFFERENCE),
)
_MODES: Choices = (
    ("Each frame with its own matte (a little delay)", settings.MATCHED),
    ("Least delay (the edge may lag)", settings.LATENCY),
)
_CAPTURE_MODES: Choices = (("Replace the samples", settings.REPLACE), ("Add to the samples", settings.ADD))
_PROVIDERS: Choices = (
    ("Automatic", "auto"),
    ("TensorRT", "tensorrt"),
    ("CUDA", "cuda"),
    ("DirectML", "directml"),
    ("CoreML", "coreml"),
    ("OpenVINO", "openvino"),
    ("CPU", "cpu"),
)
_SAMPLES = f"Pictures ({' '.join('*' + kind for kind in SAMPLE_KINDS)})"
_PICTURES = "Pictures (*.png *.jpg *.jpeg *.bmp *.tga *.webp)"


class StatusLine(NamedTuple):
    """A line of the status: its text, and ``OBS_TEXT_INFO_NORMAL``, ``_WARNING`` or ``_ERROR``."""

    text: str
    kind: int = libobs.OBS_TEXT_INFO_NORMAL


class Buttons(NamedTuple):
    """The trampolines of the dialog's buttons; their owner keeps them alive for ever."""

    refresh: Any
    capture: Any
    clear: Any
    add_file: Any
    background_changed: Any


def build(
    lib: Any,
    handle: int,
    current: Settings,
    status: Sequence[StatusLine],
    models: Sequence[str],
    buttons: Buttons,
) -> int:
    """Make the dialog.

    Args:
        lib: libobs.
        handle: Of the filter; buttons give it back.
        current: The settings, which decide what is visible.
        status: Lines for the status group.
        models: Names of the networks that the worker knows.
        buttons: The trampolines.

    Returns:
        A new ``obs_properties_t``; the caller's caller, libobs, destroys it.
    """
    root = lib.obs_properties_create()
    state = _group(lib, root, "status_group", "Status")
    for i, line in enumerate(_merged(status)):
        text = lib.obs_properties_add_text(
            state, f"status_{i}".encode(), _bytes(line.text), libobs.OBS_TEXT_INFO
        )
        lib.obs_property_text_set_info_type(text, line.kind)
    lib.obs_properties_add_button2(state, b"refresh", b"Update the status", buttons.refresh, handle)

    samples = _group(lib, root, "samples_group", "Background samples")
    lib.obs_properties_add_button2(samples, b"capture", b"Capture background", buttons.capture, handle)
    countdown = lib.obs_properties_add_list(
        samples, b"countdown", b"Countdown", libobs.OBS_COMBO_TYPE_LIST, libobs.OBS_COMBO_FORMAT_INT
    )
    for seconds, label in ((0, b"None"), (3, b"3 seconds"), (5, b"5 seconds"), (10, b"10 seconds")):
        lib.obs_property_list_add_int(countdown, label, seconds)
    lib.obs_properties_add_int_slider(samples, b"sample_count", b"Samples to take", 1, 16, 1)
    _list(lib, samples, "capture_mode", "A new capture shall", _CAPTURE_MODES)
    lib.obs_properties_add_path(
        samples, b"sample_path", b"Picture of the empty scene", libobs.OBS_PATH_FILE, _SAMPLES.encode(), None
    )
    lib.obs_properties_add_button2(
        samples, b"add_file", b"Add the picture as a sample", buttons.add_file, handle
    )
    lib.obs_properties_add_button2(samples, b"clear", b"Delete all samples", buttons.clear, handle)

    look = _group(lib, root, "background_group", "Background")
    kind = _list(lib, look, "background", "Replace by", _BACKGROUNDS)
    lib.obs_property_set_modified_callback2(kind, buttons.background_changed, handle)
    lib.obs_properties_add_color(look, b"color", b"Colour")
    lib.obs_properties_add_path(
        look, b"image_path", b"Picture", libobs.OBS_PATH_FILE, _PICTURES.encode(), None
    )
    _list(lib, look, "image_fit", "Place the picture", _FITS)
    _slider(lib, look, "blur_radius", "Blur", 1.0, 120.0, 1.0, " px")
    _list(lib, look, "cover", "Until there is a matte, show", _COVERS)
    show_for_background(lib, root, current.background)

    edge = _group(lib, root, "edge_group", "Edge")
    _slider(lib, edge, "threshold", "Threshold", 0.05, 0.95, 0.01)
    _slider(lib, edge, "softness", "Softness", 0.0, 1.0, 0.01)
    _slider(lib, edge, "shift", "Shift", -8.0, 8.0, 0.5, " px")
    _slider(lib, edge, "smoothing", "Smoothing over time", 0.0, 1.0, 0.05)
    lib.obs_properties_add_bool(edge, b"decontaminate", b"Take the old background out of the edge's colours")

    more = _group(lib, root, "more_group", "View and processing")
    _list(lib, more, "view", "Show", _VIEWS)
    _list(lib, more, "mode", "Timing", _MODES)
    _list(lib, more, "model", "Method", _model_choices(models, current.model))
    _list(lib, more, "provider", "Run on", _PROVIDERS)
    age = lib.obs_properties_add_int_slider(
        more, b"max_age_ms", b"Cover when the matte is older than", 100, 5000, 50
    )
    lib.obs_property_int_set_suffix(age, b" ms")
    lib.obs_properties_add_bool(more, b"pause_hidden", b"Pause while not visible")
    return int(root)


def build_apology(lib: Any, reason: str) -> int:
    """Make the dialog of a filter that could not be made, and so shows nothing at all."""
    root: int = lib.obs_properties_create()
    text = lib.obs_properties_add_text(
        root, b"apology", _bytes(f"The filter cannot work: {reason}"), libobs.OBS_TEXT_INFO
    )
    lib.obs_property_text_set_info_type(text, libobs.OBS_TEXT_INFO_ERROR)
    return root


def show_for_background(lib: Any, root: int, background: str) -> None:
    """Show only those settings that the chosen background uses."""
    for name, kinds in (
        (b"color", (settings.COLOR,)),
        (b"image_path", (settings.IMAGE,)),
        (b"image_fit", (settings.IMAGE,)),
        (b"blur_radius", (settings.BLUR, settings.PLATE_BLUR)),
    ):
        lib.obs_property_set_visible(lib.obs_properties_get(root, name), background in kinds)


def _merged(lines: Sequence[StatusLine]) -> List[StatusLine]:
    """Lines of one kind in a row as one text: OBS leaves much room between texts."""
    merged: List[StatusLine] = []
    for line in lines:
        if merged and merged[-1].kind == line.kind:
            merged[-1] = StatusLine(f"{merged[-1].text}\n{line.text}", line.kind)
        else:
            merged.append(line)
    return merged


def _model_choices(models: Sequence[str], current: str) -> List[Tuple[str, str]]:
    names = [name for name in models if name != "auto"]
    if current not in (*names, "auto"):
        names.append(
            current
        )  # a network that is missing stays chosen, and the status says that it is missing
    return [("Automatic", "auto"), *((name, name) for name in names)]


def _bytes(text: str) -> bytes:
    """A text for libobs; what is no text, as in a folder's name or in what the worker says, becomes "?"."""
    return text.encode("utf-8", "replace")


def _group(lib: Any, root: int, name: str, label: str) -> int:
    group: int = lib.obs_properties_create()
    lib.obs_properties_add_group(root, name.encode(), label.encode(), libobs.OBS_GROUP_NORMAL, group)
    return group


def _list(lib: Any, group: int, name: str, label: str, choices: Choices) -> int:
    box: int = lib.obs_properties_add_list(
        group, name.encode(), label.encode(), libobs.OBS_COMBO_TYPE_LIST, libobs.OBS_COMBO_FORMAT_STRING
    )
    for text, value in choices:
        lib.obs_property_list_add_string(box, _bytes(text), _bytes(value))
    return box


def _slider(
    lib: Any, group: int, name: str, label: str, low: float, high: float, step: float, suffix: str = ""
) -> None:
    slider = lib.obs_properties_add_float_slider(group, name.encode(), label.encode(), low, high, step)
    if suffix:
        lib.obs_property_float_set_suffix(slider, suffix.encode())
