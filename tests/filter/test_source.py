"""One filter instance: never the raw camera, each frame once, nothing left behind."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_libobs import FakeLibObs, FakeSource
from filter_under_test import FilterUnderTest, MakeFilter

from cleanplate.obs import capture as capture_module
from cleanplate.obs import libobs, source, worker_process
from cleanplate.obs.render import network_size
from cleanplate.obs.sample_store import SampleError, SampleStore
from cleanplate.obs.worker_process import WorkerProcess
from cleanplate.wire import protocol
from cleanplate.wire.ring import Channel, SlotInfo

RAW = {"default_render", "video_render", "Copy"}  # what would put the camera itself on the screen
ALL_LOOKS = [
    {"background": background, "cover": cover, "view": view, "mode": mode}
    for background in ("transparent", "color", "image", "blur", "plate_blur")
    for cover in ("background", "blur")
    for view in ("composite", "matte", "sample", "difference")
    for mode in ("matched", "latency")
]


def wait(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def give_matte(
    made: FilterUnderTest, *, age_ms: float = 0, generation: int | None = None, frame: int | None = None
) -> None:
    """Publish a matte as the worker would."""
    instance = made.filter
    width, height = network_size(made.lib.source_of(made.own).width, made.lib.source_of(made.own).height)
    offset = instance._channel.mattes.begin()
    pixels = b"\x80" * (width * height)
    instance._segment.buffer[offset : offset + len(pixels)] = pixels
    instance._channel.mattes.publish(
        SlotInfo(
            instance._frame_id if frame is None else frame,
            time.monotonic_ns() - round(age_ms * 1e6),
            instance._generation if generation is None else generation,
            width,
            height,
            width,
        ),
        pixels,
    )


def capture(made: FilterUnderTest) -> None:
    """Take background samples without a countdown."""
    made.configure(countdown=0, sample_count=1)
    made.filter.start_capture()
    instance = made.filter
    wait(lambda: instance._store is not None)
    end = time.monotonic() + 10
    while instance._capture is not None:
        assert time.monotonic() < end
        made.frame()
        time.sleep(0.02)
    wait(lambda: instance._plate is not None)


@pytest.mark.parametrize("look", ALL_LOOKS)
def test_never_raw_without_a_matte(make_filter: MakeFilter, look: dict[str, str]) -> None:
    made = make_filter(None, **look)
    for _ in range(3):
        made.frame()
        assert not RAW & set(made.shown())
        assert set(made.shown()) <= {"Backdrop"}


@pytest.mark.parametrize("look", ALL_LOOKS)
def test_never_raw_with_a_matte(make_filter: MakeFilter, look: dict[str, str]) -> None:
    made = make_filter(None, **look)
    made.frame()
    give_matte(made)
    made.frame()
    assert len(made.shown()) == 1
    assert not RAW & set(made.shown())


def test_composite_once_there_is_a_matte(make_filter: MakeFilter) -> None:
    made = make_filter(background="color", color=0xFF0000FF)
    made.frame()
    assert made.shown() == ["Backdrop"]
    give_matte(made)
    made.frame()
    (draw,) = made.lib.on_screen()
    assert draw.technique == "Composite"
    assert draw.parameters["color"] == (1.0, 0.0, 0.0, 1.0)
    assert draw.parameters["matte_size"] == (512, 288)


@pytest.mark.parametrize("trouble", [{"age_ms": 600}, {"generation": 99}, {"frame": 12345}])
def test_cover_without_a_usable_matte(make_filter: MakeFilter, trouble: dict[str, int]) -> None:
    made = make_filter(background="color", max_age_ms=500)
    made.frame()
    give_matte(made, **trouble)
    made.frame()
    assert made.shown() == ["Backdrop"]


def test_matte_grows_old(make_filter: MakeFilter) -> None:
    made = make_filter(background="color", max_age_ms=100)
    made.frame()
    give_matte(made)
    made.frame()
    assert made.shown() == ["Composite"]
    time.sleep(0.12)
    made.frame()
    assert made.shown() == ["Backdrop"]


def test_a_cover_for_want_of_speed_is_explained(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerProcess, "state", "running")
    monkeypatch.setattr(source, "LONG_COVER_SECONDS", 0.05)
    made = make_filter(background="color", max_age_ms=200)
    label = made.lib.find(made.filter.properties(), "max_age_ms").label

    def explained() -> bool:
        return f"later than 200 ms, so the cover is shown: choose a faster Method, or raise “{label}”" in (
            "".join(line.text for line in made.filter.status() if line.kind == libobs.OBS_TEXT_INFO_WARNING)
        )

    made.frame()
    give_matte(made, age_ms=300)
    made.frame()
    assert not explained()  # as at every start
    time.sleep(0.06)
    assert not explained()  # the worker may be busy with something else
    give_matte(made, age_ms=300)
    made.frame()
    assert made.shown() == ["Backdrop"]
    assert explained()
    assert "is delayed by" not in "".join(line.text for line in made.filter.status())

    give_matte(made)
    made.frame()
    assert made.shown() == ["Composite"]
    assert not explained()
    assert "is delayed by" in "".join(line.text for line in made.filter.status())


def test_resize_covers_until_a_matte_of_the_new_size(make_filter: MakeFilter) -> None:
    made = make_filter(background="color")
    made.frame()
    give_matte(made)
    made.frame()
    made.lib.source_of(made.own).width = 320
    made.frame()
    assert made.shown() == ["Backdrop"]
    give_matte(made)
    made.frame()
    assert made.shown() == ["Composite"]


@pytest.mark.parametrize("side", ["width", "height"])
def test_source_without_a_size(make_filter: MakeFilter, side: str) -> None:
    source = FakeSource()
    setattr(source, side, 0)
    made = make_filter(source)
    made.frame()
    assert made.lib.draws == []


def test_no_target(make_filter: MakeFilter) -> None:
    made = make_filter()
    del made.lib.targets[made.own]
    made.frame()
    assert made.lib.draws == []


def test_garbage_in_the_mattes(make_filter: MakeFilter) -> None:
    made = make_filter(background="color")
    made.frame()
    segment = made.filter._segment.buffer
    segment[:] = b"\xa5" * len(segment)
    for _ in range(3):
        made.frame()
        assert made.shown() == ["Backdrop"]


def test_noise_below_a_valid_header(make_filter: MakeFilter) -> None:
    made = make_filter(background="color")
    made.frame()
    give_matte(made)
    picture = made.filter._channel.mattes.newest(0)
    assert picture is not None
    made.filter._segment.buffer[picture.offset + picture.size - 1] ^= 1  # one bit of 150 KB
    made.frame()
    assert made.shown() == ["Backdrop"]
    give_matte(made)
    made.frame()
    assert made.shown() == ["Composite"]


@pytest.mark.parametrize("field", [8, 16, 24, 44, 56])  # frame_id, timestamp, generation, gain, checksum
def test_a_changed_header_is_not_believed(make_filter: MakeFilter, field: int) -> None:
    made = make_filter(background="color")
    made.frame()
    give_matte(made)
    picture = made.filter._channel.mattes.newest(0)
    assert picture is not None
    made.filter._segment.buffer[picture.offset - protocol.SLOT_HEADER_BYTES + field] ^= 1
    made.frame()
    assert made.shown() == ["Backdrop"]


def test_noise_of_a_high_number_hides_mattes_only_until_its_slot_is_written(make_filter: MakeFilter) -> None:
    made = make_filter(background="color")
    made.frame()
    give_matte(made)
    words = made.filter._segment.buffer.cast("Q")
    words[protocol.MATTES_OFFSET // 8] = protocol.MAX_SEQUENCE
    words.release()
    made.frame()
    assert made.shown() == ["Backdrop"]
    for _ in range(protocol.SLOTS):
        give_matte(made)
    made.frame()
    assert made.shown() == ["Composite"]


def test_mattes_whose_numbers_start_over_are_taken(make_filter: MakeFilter) -> None:
    made = make_filter(background="color", max_age_ms=100)
    made.frame()
    for _ in range(9):
        give_matte(made)
        made.frame()
    made.filter._channel.mattes.clear()
    successor = Channel.attach(made.filter._segment.buffer)
    made.filter._channel.mattes = successor.mattes
    time.sleep(0.12)
    give_matte(made)
    made.frame()
    made.frame()
    assert made.shown() == ["Composite"]


def test_a_worker_finds_a_sound_segment_whatever_the_last_one_did(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_filter(model="difference", smoothing=0.25)
    instance = made.filter
    wait(lambda: instance._samples_generation)
    instance._background.stop()
    instance._segment.buffer[:] = b"\xa5" * len(instance._segment.buffer)
    found: list[object] = []

    def start(_arguments: list[str], _errors: object) -> None:
        worker_side = Channel.attach(instance._segment.buffer)
        found.append(worker_side.control.read(0))
        worker_side.close()
        raise OSError("no need to start it")

    monkeypatch.setattr(worker_process, "worker_python", lambda: "python")
    monkeypatch.setattr(instance._worker, "_start_process", start)
    monkeypatch.setattr(instance._worker, "_retry_at", 0.0)
    instance._worker.supervise()
    (control,) = found
    assert isinstance(control, tuple)
    assert control[1]["model"] == "difference"
    assert control[1]["smoothing"] == 0.25


@pytest.mark.parametrize(
    "broken", ["gs_stagesurface_create", "gs_effect_create_from_file", "gs_texrender_begin_with_color_space"]
)
def test_no_memory_on_the_gpu(make_filter: MakeFilter, broken: str) -> None:
    made = make_filter(background="color")
    made.lib.fail.add(broken)
    for _ in range(3):
        made.frame()
        assert not RAW & set(made.shown())
    if broken != "gs_texrender_begin_with_color_space":
        assert any(line.kind == libobs.OBS_TEXT_INFO_ERROR for line in made.filter.status())


def test_memory_on_the_gpu_is_asked_for_once_a_second(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_filter(background="color")
    asked = []
    create = made.lib.gs_stagesurface_create

    def count(width: int, height: int, pixel_format: int) -> int | None:
        asked.append(width)
        return create(width, height, pixel_format)

    monkeypatch.setattr(made.lib, "gs_stagesurface_create", count)
    made.lib.fail.add("gs_stagesurface_create")
    now = time.monotonic()
    for tenth in range(25):
        monkeypatch.setattr(time, "monotonic", lambda tenth=tenth: now + tenth / 10)
        made.frame()
        assert made.shown() == []
    assert len(asked) == 3 * 2
    made.lib.fail.clear()
    monkeypatch.setattr(time, "monotonic", lambda: now + 9)
    made.frame()
    assert made.shown() == ["Backdrop"]
    assert not any("graphics card" in line.text for line in made.filter.status())


def test_no_memory_on_the_gpu_for_a_capture(make_filter: MakeFilter) -> None:
    made = make_filter(background="color", countdown=0)
    made.frame()
    give_matte(made)
    made.lib.fail.add("gs_stagesurface_create")
    made.filter.start_capture()
    made.frame()
    made.lib.fail.clear()
    made.frame()
    assert made.shown() == ["Composite"]  # the picture goes on, without the capture's digits
    wait(lambda: any("memory left for the capture" in line.text for line in made.filter.status()))


def test_drawn_twice_processed_once(make_filter: MakeFilter) -> None:
    made = make_filter()
    made.frame()
    frame_id = made.filter._frame_id
    made.show()
    assert made.filter._frame_id == frame_id


@pytest.mark.parametrize(("pause", "frames"), [(True, 0), (False, 3)])
def test_pause_while_hidden(make_filter: MakeFilter, pause: bool, frames: int) -> None:
    made = make_filter(pause_hidden=pause)
    for _ in range(3):
        made.filter.video_tick()
    assert made.filter._frame_id == frames
    assert made.lib.on_screen() == []


@pytest.mark.parametrize("mode", ["matched", "latency"])
@pytest.mark.parametrize(
    "flags",
    [
        libobs.OBS_SOURCE_VIDEO,
        libobs.OBS_SOURCE_VIDEO | libobs.OBS_SOURCE_ASYNC,
        libobs.OBS_SOURCE_VIDEO | libobs.OBS_SOURCE_CUSTOM_DRAW,
    ],
)
def test_a_hidden_camera_is_what_the_worker_gets(make_filter: MakeFilter, flags: int, mode: str) -> None:
    made = make_filter(FakeSource(flags=flags), background="color", mode=mode, pause_hidden=False)
    for frame in range(1, 4):
        made.lib.draws.clear()
        made.filter.video_tick()
        drawn = [draw.technique for draw in made.lib.draws]
        assert drawn in (["default_render", "Downscale"], ["video_render", "Downscale"])
        assert made.filter._frame_id == frame
        give_matte(made)
    made.show()
    assert made.shown() == ["Composite"]
    made.filter.video_tick()  # it was shown: nothing more is to be done
    assert made.filter._frame_id == 4


def test_switched_off_and_hidden_does_nothing(make_filter: MakeFilter) -> None:
    made = make_filter(pause_hidden=False)
    made.filter.toggle()
    assert made.own in made.lib.disabled
    made.filter.video_tick()
    assert made.filter._frame_id == 0
    made.filter.toggle()
    assert made.own not in made.lib.disabled


@pytest.mark.parametrize(
    ("flags", "how"),
    [
        (libobs.OBS_SOURCE_VIDEO, "default_render"),
        (libobs.OBS_SOURCE_VIDEO | libobs.OBS_SOURCE_ASYNC, "video_render"),
        (libobs.OBS_SOURCE_VIDEO | libobs.OBS_SOURCE_CUSTOM_DRAW, "video_render"),
    ],
)
def test_draws_the_source_as_libobs_does(make_filter: MakeFilter, flags: int, how: str) -> None:
    made = make_filter(FakeSource(flags=flags))
    made.frame()
    assert [draw.technique for draw in made.lib.draws if draw.technique in RAW] == [how]


@pytest.mark.parametrize(
    ("source", "canvas", "mapped"),
    [
        (libobs.GS_CS_709_EXTENDED, libobs.VIDEO_CS_2100_PQ, True),
        (libobs.GS_CS_709_SCRGB, libobs.VIDEO_CS_2100_HLG, True),
        (libobs.GS_CS_709_EXTENDED, 0, False),  # libobs does it
        (libobs.GS_CS_SRGB, libobs.VIDEO_CS_2100_PQ, False),
        (libobs.GS_CS_SRGB_16F, libobs.VIDEO_CS_2100_PQ, False),  # more bits, but no brighter
    ],
)
def test_what_is_brighter_than_sdr_is_tone_mapped_on_an_hdr_canvas(
    make_filter: MakeFilter, source: int, canvas: int, mapped: bool
) -> None:
    made = make_filter(FakeSource(color_space=source))
    made.lib.canvas_color_space = canvas
    made.frame()
    assert ("ToneMap" in [draw.technique for draw in made.lib.draws]) == mapped


def test_capture_keeps_samples_and_shows_the_countdown(make_filter: MakeFilter) -> None:
    made = make_filter(countdown=3, background="color")
    made.filter.start_capture()
    made.frame()
    assert made.shown() == ["Backdrop", "Digit"]
    made.filter._capture = None  # as if it had never been started
    capture(made)
    store = made.filter._store
    assert store is not None
    assert [(sample.width, sample.height) for sample in store.samples] == [(640, 360)]
    made.configure(view="sample")
    made.frame()
    assert made.shown() == ["Copy"]  # of the plate, not of the camera
    assert "1 background samples" in " ".join(line.text for line in made.filter.status())
    kept = f"captured 1 background samples into {store.folder}"
    wait(lambda: any(kept in line for line in made.lib.log))


def test_a_capture_that_cannot_be_stored_is_not_called_one(
    make_filter: MakeFilter, lib: FakeLibObs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_filter(countdown=0, sample_count=1)
    wait(lambda: made.filter._store is not None)

    def refuse(*_arguments: object) -> None:
        raise SampleError("The disk is full.")

    monkeypatch.setattr(SampleStore, "add_pixels", refuse)
    made.filter.start_capture()
    while made.filter._capture is not None:
        made.frame()
        time.sleep(0.02)
    wait(lambda: any("the capture failed: The disk is full." in line for line in lib.log))
    assert not any("background samples into" in line for line in lib.log)


@pytest.mark.parametrize("end", ["hidden", "closed"])
@pytest.mark.parametrize("mode", ["replace", "add"])
def test_a_capture_that_fails_half_way_leaves_the_samples_as_they_were(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch, mode: str, end: str
) -> None:
    """As when the hotkey was pressed by mistake, with the user in the picture."""
    made = make_filter(capture_mode=mode)
    capture(made)
    instance = made.filter
    store = instance._store
    assert store is not None
    wait(lambda: not instance._taken)
    before = store.paths()
    assert len(before) == 1

    made.configure(sample_count=4)
    monkeypatch.setattr(capture_module, "SAMPLING_SECONDS", 60.0)
    made.filter.start_capture()
    under_way = made.filter._capture
    assert under_way is not None
    under_way._begin -= 31.0  # two samples are due
    while under_way.taken < 2:
        made.frame()
    wait(lambda: len(store.samples) == 3)
    if end == "hidden":
        under_way._stepped -= 60.0
        made.frame()
        wait(lambda: any("hidden during the capture" in line.text for line in instance.status()))
    else:
        make_filter.destroy(made)
    wait(lambda: [str(path) for path in store.folder.glob("*.png")] == before)
    assert SampleStore(store.folder).paths() == before


def test_plate_takes_the_old_background_out(make_filter: MakeFilter) -> None:
    made = make_filter(background="color")
    capture(made)
    give_matte(made)
    made.frame()
    (draw,) = made.lib.on_screen()
    assert draw.parameters["decontaminate"] == 1.0
    made.configure(decontaminate=False)
    made.frame()
    assert made.lib.on_screen()[0].parameters["decontaminate"] == 0.0


def test_a_blurred_plate_is_made_anew_once_a_second(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graphics device that was reset has lost it, and tells nobody."""
    made = make_filter(background="plate_blur", cover="background")
    capture(made)
    made.frame()
    blurs = []
    now = time.monotonic()
    for tenth in range(30):
        monkeypatch.setattr(time, "monotonic", lambda tenth=tenth: now + tenth / 10)
        made.frame()
        blurs.append(any(draw.technique == "Blur" for draw in made.lib.draws))
    assert sum(blurs) in (2, 3)


def test_samples_come_back_and_can_be_cleared(make_filter: MakeFilter, lib: FakeLibObs) -> None:
    first = make_filter()
    capture(first)
    kept = first.filter._sample_set
    make_filter.destroy(first)
    second = make_filter(sample_set=kept)
    wait(lambda: second.filter._plate is not None)
    second.filter.clear_samples()
    wait(lambda: second.filter._plate is None)
    assert not list((Path(lib.config_folder) / "cleanplate" / "samples" / kept).glob("*.png"))
    second.frame()  # frees the old plate


@pytest.mark.parametrize("answer", ["capture", "delete"])
def test_a_damaged_sample_is_told_of_until_the_user_has_answered(
    make_filter: MakeFilter, lib: FakeLibObs, answer: str
) -> None:
    first = make_filter()
    capture(first)
    kept = first.filter._sample_set
    make_filter.destroy(first)
    (path,) = (Path(lib.config_folder) / "cleanplate" / "samples" / kept).glob("*.png")
    path.write_bytes(path.read_bytes()[:-20])

    second = make_filter(sample_set=kept)

    def told() -> bool:
        return any("was set aside. Capture" in line.text for line in second.filter.status())

    wait(told)
    if answer == "capture":
        capture(second)
    else:
        second.filter.clear_samples()
    wait(lambda: not told())


def test_a_copied_filter_gets_samples_of_its_own(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_filter()
    with monkeypatch.context() as yesterday:
        yesterday.setattr(time, "time_ns", lambda: 1_795_000_000_000_000_000)
        capture(first)
    assert first.filter._store is not None
    samples = first.filter._store.samples
    kept = first.filter._sample_set
    copy = make_filter(sample_set=kept)
    assert copy.filter._sample_set != kept
    assert copy.lib.settings[copy.data]["sample_set"] == copy.filter._sample_set
    wait(lambda: copy.filter._store is not None and copy.filter._store.samples)
    first.filter.clear_samples()
    wait(lambda: not first.filter._store or not first.filter._store.samples)
    assert copy.filter._store is not None
    assert [sample[1:] for sample in copy.filter._store.samples] == [sample[1:] for sample in samples]


@pytest.mark.parametrize("private", [False, True])
def test_a_copy_that_obs_never_saves_leaves_no_samples(make_filter: MakeFilter, private: bool) -> None:
    first = make_filter()
    capture(first)
    copy = make_filter(FakeSource(private=private), sample_set=first.filter._sample_set)
    wait(lambda: copy.filter._plate is not None)
    copy.frame()
    store = copy.filter._store
    assert store is not None
    log = Path(copy.filter._worker.log_path)
    logs = [log, log.with_name(f"{log.name}.1")]
    log.parent.mkdir(parents=True, exist_ok=True)
    for path in logs:
        path.touch()
    make_filter.destroy(copy)
    assert store.folder.exists() != private
    assert [path.exists() for path in logs] == [not private] * 2
    assert first.filter._store is not None
    assert first.filter._store.folder.is_dir()


def test_the_dialog_is_made_anew_only_right_after_a_click(
    make_filter: MakeFilter, lib: FakeLibObs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OBS crashes if that happens while a file chooser is open above it."""
    made = make_filter()
    made.filter.properties()
    time.sleep(0.3)  # some ticks of the background thread, and whatever the worker tells
    assert lib.dialog_updates == 0
    made.filter.refresh_dialog()
    wait(lambda: lib.dialog_updates == 1)

    monkeypatch.setattr(source, "REFRESH_SECONDS", 0.05)
    made.filter._background.submit(lambda: time.sleep(0.1))
    made.filter.refresh_dialog()
    wait(made.filter._background._tasks.empty)
    make_filter.destroy(made)
    assert lib.dialog_updates == 1


def test_only_pictures_that_were_shown_with_a_matte_are_measured(make_filter: MakeFilter) -> None:
    made = make_filter(background="color", view="sample")
    capture(made)
    give_matte(made)
    made.frame()
    assert made.shown() == ["Copy"]
    assert not made.filter._delays_ms
    made.configure(view="composite")
    made.frame()
    assert made.shown() == ["Composite"]
    (delay,) = made.filter._delays_ms
    assert 0 <= delay < 1000


@pytest.mark.parametrize(("asked", "taken"), [(0, 1), (-3, 1), (1000, 16)])
def test_a_count_from_elsewhere_is_limited(make_filter: MakeFilter, asked: int, taken: int) -> None:
    made = make_filter(sample_count=asked)
    made.filter.start_capture()
    assert made.filter._capture is not None
    assert made.filter._capture.count == taken


def test_a_picture_that_is_none(make_filter: MakeFilter) -> None:
    made = make_filter(sample_path="/nonexistent.png")
    made.filter.add_sample_file()
    wait(lambda: any("/nonexistent.png" in line.text for line in made.filter.status()))


def test_a_picture_that_only_obs_can_read_is_no_sample(make_filter: MakeFilter, tmp_path: Path) -> None:
    path = tmp_path / "room.TGA"
    path.write_bytes(b"whatever libobs can read")
    made = make_filter(sample_path=str(path))
    made.filter.add_sample_file()
    wait(lambda: any(f"cannot read {path}. Choose" in line.text for line in made.filter.status()))
    assert made.filter._store is not None
    assert made.filter._store.samples == []


def test_no_picture_was_chosen_as_a_sample(make_filter: MakeFilter) -> None:
    made = make_filter()
    made.filter.add_sample_file()
    wait(lambda: any(line.text == "Choose a picture first." for line in made.filter.status()))


def test_a_background_that_could_not_be_read_is_tried_again(
    make_filter: MakeFilter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "RELOAD_SECONDS", 60.0)
    path = tmp_path / "background.png"
    made = make_filter(background="image", image_path=str(path))

    def complains() -> bool:
        return any(f"Cannot read the picture {path}" in line.text for line in made.filter.status())

    wait(complains)
    made.configure(background="blur")
    assert not complains()  # nobody wants it
    for _ in range(50):  # as when a slider is dragged
        made.configure(background="image")
    assert complains()

    path.write_bytes(b"whatever libobs can read")
    made.configure(image_path=str(path))
    time.sleep(0.05)
    assert complains()  # it was tried a moment ago
    monkeypatch.setattr(source, "RELOAD_SECONDS", 0.0)
    made.configure(image_path=str(path))
    wait(lambda: made.filter._image is not None)
    assert not complains()


def test_frames_go_to_the_worker_a_frame_late(
    make_filter: MakeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_filter()
    made.lib.stride_padding = 64
    instance = made.filter
    monkeypatch.setattr(WorkerProcess, "awake", True)
    made.frame()
    assert instance._channel.frames.newest(0) is None
    made.frame()
    picture = instance._channel.frames.newest(0)
    assert picture is not None
    assert (picture.info.width, picture.info.height) == (512, 288)
    assert picture.info.frame_id == 1
    assert picture.info.stride == 4 * 512 + 64
    first = bytes(instance._segment.buffer[picture.offset : picture.offset + 4])
    assert first == made.lib.staged


def test_hotkeys_are_the_parents_and_go_with_the_filter(make_filter: MakeFilter, lib: FakeLibObs) -> None:
    made = make_filter()
    made.filter.video_tick()
    made.filter.video_tick()
    names = {name for _, name, _, _ in lib.hotkeys.values()}
    assert names == {"cleanplate.capture", "cleanplate.toggle"}
    assert len(lib.hotkeys) == 2
    make_filter.destroy(made)
    assert lib.hotkeys == {}


def test_destroy_leaves_nothing(make_filter: MakeFilter, lib: FakeLibObs) -> None:
    made = make_filter(background="blur")
    capture(made)
    give_matte(made)
    made.frame()
    made.filter.start_capture()
    made.frame()
    name = made.filter._segment.name
    thread = made.filter._background._thread
    make_filter.destroy(made)
    assert lib.graphics_objects() == []
    assert not thread.is_alive()
    assert not Path(name).exists()
    assert "statistics:" in lib.log[-1]
