"""The property dialog and the settings behind it."""

import dataclasses
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_libobs import FakeLibObs
from filter_under_test import MakeFilter

from cleanplate.obs import libobs, properties, registration, settings
from cleanplate.obs.properties import StatusLine
from cleanplate.obs.sample_store import SAMPLE_KINDS, SampleStore
from cleanplate.obs.settings import Settings
from cleanplate.worker.sample_files import read_samples


def test_defaults_come_back(lib: FakeLibObs) -> None:
    _, data = lib.add_filter({})
    Settings.set_defaults(lib, data)
    assert Settings.read(lib, data) == Settings()


@pytest.mark.parametrize("key", ["background", "image_fit", "view", "mode", "cover", "capture_mode"])
def test_an_unknown_choice_becomes_the_default(lib: FakeLibObs, key: str) -> None:
    _, data = lib.add_filter({key: "from a newer version"})
    assert getattr(Settings.read(lib, data), key) == getattr(Settings(), key)


def test_every_setting_but_the_folder_has_its_property(make_filter: MakeFilter, lib: FakeLibObs) -> None:
    root = make_filter().filter.properties()
    for field in dataclasses.fields(Settings):
        if field.name != "sample_set":
            assert lib.find(root, field.name)


def test_choices_are_those_that_are_read(make_filter: MakeFilter, lib: FakeLibObs) -> None:
    root = make_filter().filter.properties()
    for name, choices in (
        ("background", settings.BACKGROUNDS),
        ("image_fit", settings.IMAGE_FITS),
        ("view", settings.VIEWS),
        ("mode", settings.MODES),
        ("cover", settings.COVERS),
        ("capture_mode", settings.CAPTURE_MODES),
    ):
        assert {value for _, value in lib.find(root, name).items} == set(choices)


@pytest.mark.parametrize(
    ("background", "visible"),
    [
        ("color", {"color"}),
        ("image", {"image_path", "image_fit"}),
        ("blur", {"blur_radius"}),
        ("plate_blur", {"blur_radius"}),
        ("transparent", set()),
    ],
)
def test_only_what_the_background_uses_shows(
    make_filter: MakeFilter,
    lib: FakeLibObs,
    background: str,
    visible: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registration, "_lib", lib)
    made = make_filter(background="blur")
    root = made.filter.properties()
    made.configure(background=background)
    changed = lib.find(root, "background").callback
    assert changed(7, root, 0, made.data)
    names = ("color", "image_path", "image_fit", "blur_radius")
    assert {name for name in names if lib.find(root, name).visible} == visible


def test_the_worker_reads_all_that_the_dialog_offers_as_samples(
    make_filter: MakeFilter, lib: FakeLibObs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offered = {}
    add_path = lib.obs_properties_add_path

    def remember(group: int, name: bytes, label: bytes, kind: int, pattern: bytes, start: None) -> int:
        offered[name] = re.findall(r"\*(\.\w+)", pattern.decode())
        return add_path(group, name, label, kind, pattern, start)

    monkeypatch.setattr(lib, "obs_properties_add_path", remember)
    make_filter().filter.properties()
    assert offered[b"sample_path"] == list(SAMPLE_KINDS)
    assert ".tga" in offered[b"image_path"]
    for kind in SAMPLE_KINDS:
        path = tmp_path / f"room{kind}"
        assert cv2.imwrite(str(path), np.full((4, 4, 3), 90, np.uint8))
        _, report = read_samples([path])
        assert report.refused == []


def test_a_missing_model_stays_chosen(lib: FakeLibObs, make_filter: MakeFilter) -> None:
    root = make_filter(model="gone").filter.properties()
    assert ("gone", "gone") in lib.find(root, "model").items


def test_methods_are_those_that_a_worker_named_last(lib: FakeLibObs, make_filter: MakeFilter) -> None:
    made = make_filter()

    def dialog() -> tuple[list[str], str]:
        root = made.filter.properties()
        group = lib.properties[root]["status_group"].group
        assert group is not None
        texts = [known.label for known in lib.properties[group].values() if known.kind == "text"]
        return [value for _, value in lib.find(root, "model").items], "\n".join(texts)

    hint = f"“{lib.find(made.filter.properties(), 'refresh').label}” lists more methods"
    methods, texts = dialog()
    assert methods == ["auto"]
    assert hint in texts
    made.filter._worker.status = {"models": ["auto", "difference", "some-network"]}
    methods, texts = dialog()
    assert methods == ["auto", "difference", "some-network"]
    assert hint not in texts
    made.filter._worker.status = {}  # as after each start
    assert dialog() == (methods, texts)


def test_status_lines_of_one_kind_are_one_text(lib: FakeLibObs) -> None:
    lines = [
        StatusLine("bad", libobs.OBS_TEXT_INFO_ERROR),
        StatusLine("one"),
        StatusLine("two"),
    ]
    root = properties.build(lib, 7, Settings(), lines, [], registration._trampolines.buttons)
    assert lib.find(root, "status_0").label == "bad"
    assert lib.find(root, "status_0").info_type == libobs.OBS_TEXT_INFO_ERROR
    assert lib.find(root, "status_1").label == "one\ntwo"


def test_status_tells_what_to_do_without_an_installation(make_filter: MakeFilter) -> None:
    made = make_filter()
    made.filter._worker.supervise()
    text = "\n".join(line.text for line in made.filter.status())
    assert "cannot be started" in text
    assert "Capture background" in text
    assert "Log: " in text
    assert "Last restart" not in text


@pytest.mark.parametrize(
    "nonsense",
    [
        {"models": 5},
        {"models": ["auto", "my\udce9net", 7]},
        {"sample_errors": 7},
        {"sample_errors": [{"file": "\ud800", "message": 1}]},
        {"samples": 3},
        {"samples": [{"luma": "x"}, {"luma": 10**400}]},
        {"fallbacks": True},
        {"ms_median": 10**400, "rate": float("nan"), "state": "running"},
        {"state": 1, "model": [], "provider": {}, "error": {"message": "\udce9"}, "drift": {"message": []}},
    ],
)
def test_whatever_the_worker_says_there_is_a_dialog(
    make_filter: MakeFilter, lib: FakeLibObs, nonsense: dict[str, object]
) -> None:
    sample_set = "0" * 32
    folder = Path(lib.config_folder) / "cleanplate" / "samples" / sample_set
    SampleStore(folder).add_pixels(bytes(16), 2, 2)
    made = make_filter(sample_set=sample_set)
    made.filter._background.stop()
    assert "1 background samples" in "".join(line.text for line in made.filter.status())
    made.filter._worker.status = nonsense
    assert lib.find(made.filter.properties(), "capture")


def test_a_folder_whose_name_is_no_text_is_shown_as_far_as_it_is(
    make_filter: MakeFilter, lib: FakeLibObs
) -> None:
    made = make_filter()
    made.filter._worker.log_path = "/home/ren\udce9/worker.log"
    root = made.filter.properties()
    group = lib.properties[root]["status_group"].group
    assert group is not None
    texts = [known.label for known in lib.properties[group].values() if known.kind == "text"]
    assert "Log: /home/ren?/worker.log" in "\n".join(texts)


def test_status_keeps_why_the_worker_was_started_again(make_filter: MakeFilter) -> None:
    made = make_filter()
    made.filter._worker.last_loss = "The worker did not answer for 5 seconds and was stopped."
    assert "Last restart: The worker did not answer" in "\n".join(line.text for line in made.filter.status())


def test_status_shows_what_the_worker_says(make_filter: MakeFilter) -> None:
    made = make_filter()
    made.filter._worker.status = {
        "state": "running",
        "model": "difference",
        "provider": "cpu",
        "fallbacks": [["CUDA", "not in this ONNX Runtime"], "garbage"],
        "error": {"message": "It failed. Do this."},
        "drift": {"kind": "light", "message": "The light has changed. Capture again."},
        "sample_errors": [{"file": "a.png", "message": "damaged"}],
        "ms_median": "garbage",
        "samples": [{"luma": 100.0}],
    }
    text = "\n".join(line.text for line in made.filter.status())
    for part in (
        "difference on cpu",
        "Not on CUDA: not in this ONNX Runtime",
        "It failed. Do this.",
        "light has",
    ):
        assert part in text
    assert "a.png: damaged" in text
