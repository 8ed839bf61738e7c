"""Registration: once, safe against exceptions, alive through script reloads."""

import ctypes
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_libobs import FakeLibObs

from cleanplate.obs import libobs, profiling, registration
from cleanplate.obs.source import FilterSource
from cleanplate.wire.protocol import SegmentError

SCRIPT = Path(__file__).resolve().parents[2] / "obs_script" / "cleanplate_filter.py"


@pytest.fixture
def registered(lib: FakeLibObs, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLibObs]:
    """A libobs with the filter type registered; the module forgets it afterwards."""
    monkeypatch.setattr(registration, "_lib", None)
    monkeypatch.setattr(registration, "_folder", "")
    monkeypatch.setattr(registration, "_reported", set())
    monkeypatch.setattr(registration, "_scripts", set())
    assert registration.register(str(SCRIPT.parent), lib)
    yield lib
    for handle in list(registration.filters()):
        info(lib).destroy(handle)


def info(lib: FakeLibObs) -> libobs.ObsSourceInfo:
    """What libobs was given."""
    structure = lib.registered[0][0]
    assert isinstance(structure, libobs.ObsSourceInfo)
    return structure


def test_what_libobs_gets(registered: FakeLibObs) -> None:
    ((structure, size),) = registered.registered
    assert size == 400
    assert structure.id == b"cleanplate_filter"
    assert structure.type == libobs.OBS_SOURCE_TYPE_FILTER
    assert ctypes.string_at(structure.get_name(None)) == b"Clean Plate background removal"
    assert not structure.free_type_data


def test_registered_once(registered: FakeLibObs) -> None:
    assert not registration.register("elsewhere", registered)
    assert len(registered.registered) == 1


def test_script_reload_keeps_the_filters(registered: FakeLibObs) -> None:
    own, data = registered.add_filter({})
    info(registered).get_defaults(data)
    handle = info(registered).create(data, own)
    for _ in range(5):
        spec = importlib.util.spec_from_file_location("cleanplate_filter", SCRIPT)
        assert spec is not None
        assert spec.loader is not None
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        script.script_load(None)
        script.script_unload()
        assert not registration._scripts
        script.script_load(None)
        assert registration._scripts
        assert "Clean Plate" in script.script_description()
    assert len(registered.registered) == 1
    registered.enter()
    info(registered).video_tick(handle, 0.03)
    info(registered).video_render(handle, None)
    registered.leave()
    assert registered.on_screen()


def test_without_its_script_a_new_filter_draws_nothing_and_an_old_one_warns(
    registered: FakeLibObs,
) -> None:
    """At the next start OBS would not know the filter, and show the raw camera."""

    def add() -> int:
        own, data = registered.add_filter({})
        info(registered).get_defaults(data)
        return int(info(registered).create(data, own))

    def words(handle: int, name: str) -> str:
        return registered.find(info(registered).get_properties(handle), name).label

    old = add()
    assert "Tools > Scripts" not in words(old, "status_0")
    registration.script_gone("some other copy of the script")
    assert "Tools > Scripts" not in words(old, "status_0")

    registration.script_gone(str(SCRIPT.parent))
    new = add()
    assert new, "libobs would show the raw camera for a filter without data"
    assert new not in registration.filters()
    assert words(new, "apology").endswith(
        "Add cleanplate_filter.py in Tools > Scripts, then remove the filter and add it again."
    )
    assert "raw camera: this scene collection does not list its script" in words(old, "status_0")
    assert registered.find(info(registered).get_properties(old), "status_0").info_type == (
        libobs.OBS_TEXT_INFO_ERROR
    )

    registration.register(str(SCRIPT.parent))
    assert "Tools > Scripts" not in words(old, "status_0")
    assert add() in registration.filters()


def test_unknown_handles_do_nothing(registered: FakeLibObs) -> None:
    structure = info(registered)
    structure.update(999, 1)
    structure.video_tick(999, 0.03)
    structure.video_render(999, None)
    structure.destroy(999)
    assert structure.get_properties(999)
    trampolines = registration._trampolines
    assert not trampolines.buttons.capture(1, 2, 999)
    trampolines.capture_hotkey(999, 1, None, True)
    assert registered.log == []


@pytest.mark.parametrize("callback", ["video_tick", "video_render", "update", "properties", "destroy"])
def test_an_exception_is_logged_once_and_stays_inside(
    registered: FakeLibObs, monkeypatch: pytest.MonkeyPatch, callback: str
) -> None:
    own, data = registered.add_filter({})
    info(registered).get_defaults(data)
    handle = info(registered).create(data, own)
    instance = registration.filters()[handle]
    real_destroy = instance.destroy

    def fail(*_arguments: object) -> None:
        raise RuntimeError("something is 100 % wrong")

    monkeypatch.setattr(FilterSource, callback, fail)
    structure = info(registered)
    for _ in range(3):
        structure.video_tick(handle, 0.03)
        structure.video_render(handle, None)
        structure.update(handle, data)
        assert callback != "properties" or structure.get_properties(handle) is None
    if callback == "destroy":
        structure.destroy(handle)
    reports = [line for line in registered.log if "100 % wrong" in line]
    assert len(reports) == 1
    monkeypatch.undo()
    if callback == "destroy":
        real_destroy()


def test_failed_creation_draws_nothing(registered: FakeLibObs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise SegmentError("Free some space.")

    monkeypatch.setattr(registration, "FilterSource", fail)
    own, data = registered.add_filter({})
    handle = info(registered).create(data, own)
    assert handle  # libobs would show the raw camera for a filter without data
    registered.enter()
    info(registered).video_render(handle, None)
    registered.leave()
    assert registered.draws == []
    assert any("Free some space." in line for line in registered.log)
    apology = registered.find(info(registered).get_properties(handle), "apology").label
    assert apology == "The filter cannot work: Free some space. When that is mended, restart OBS."


def test_hotkeys_press_and_buttons_click(registered: FakeLibObs) -> None:
    own, data = registered.add_filter({"countdown": 9})
    info(registered).get_defaults(data)
    handle = info(registered).create(data, own)
    info(registered).video_tick(handle, 0.03)
    keys = {name: (call, given) for _, name, call, given in registered.hotkeys.values()}
    call, given = keys["cleanplate.toggle"]
    call(given, 1, None, False)
    assert own not in registered.disabled
    call(given, 1, None, True)
    assert own in registered.disabled
    call, given = keys["cleanplate.capture"]
    call(given, 2, None, True)
    assert any("Capturing in 9 s" in line.text for line in registration.filters()[handle].status())


def test_profile_on_demand(lib: FakeLibObs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(profiling.VARIABLE, "1")
    monkeypatch.setattr(registration, "_lib", None)
    monkeypatch.setattr(registration, "_profile", None)
    monkeypatch.setattr(registration, "_scripts", set())
    monkeypatch.setattr(FilterSource, "video_tick", FilterSource.video_tick)
    monkeypatch.setattr(FilterSource, "video_render", FilterSource.video_render)
    for function in libobs.FUNCTIONS:
        assert hasattr(lib, function.name), function.name
    registration.register(str(SCRIPT.parent), lib)
    own, data = lib.add_filter({})
    info(lib).get_defaults(data)
    handle = info(lib).create(data, own)
    lib.enter()
    for _ in range(3):
        info(lib).video_tick(handle, 0.03)
        info(lib).video_render(handle, None)
    lib.leave()
    info(lib).destroy(handle)
    assert any('profile: {"frames": 2' in line for line in lib.log)
