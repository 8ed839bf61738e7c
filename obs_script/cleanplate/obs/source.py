"""One filter on one source: ties the renderer, the worker, the samples and the settings together.

Three kinds of threads come here. OBS' graphics thread calls `video_tick`, `video_render` and `update`, and
never waits. OBS' other threads create, destroy, open the dialog, press hotkeys. The filter's own background
thread does all that may block. They share plain attributes that each have one writer; what the graphics
thread must do for another thread, or the reverse, is handed over by assigning a finished object.
"""

import contextlib
import json
import re
import statistics
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Any, Callable, ClassVar, Deque, Dict, List, NamedTuple, Optional, Tuple

from cleanplate.obs import libobs, properties, settings
from cleanplate.obs.background_thread import BackgroundThread
from cleanplate.obs.capture import Capture
from cleanplate.obs.gpu import Effect, GraphicsError, Picture, Target
from cleanplate.obs.properties import StatusLine
from cleanplate.obs.render import Renderer, Source
from cleanplate.obs.sample_store import SAMPLE_KINDS, Sample, SampleError, SampleStore
from cleanplate.obs.settings import Settings
from cleanplate.obs.worker_process import WorkerProcess
from cleanplate.wire.protocol import WireError
from cleanplate.wire.ring import Channel
from cleanplate.wire.segment import Segment

MOST_SAMPLES = 16  # what the networks take
_SAMPLE_SET = re.compile("[0-9a-f]{32}")  # settings come with scene collections: no other path gets in
LONG_COVER_SECONDS = 1.0  # mattes that come without ending the cover for so long are too late
RETRY_SECONDS = 1.0  # after the graphics card had no memory
RELOAD_SECONDS = 1.0  # between two attempts to read a background picture: OBS' log gets a line for each
SCRATCH_SIZE = (16, 9)  # pixels, for what other filters draw of a source that nobody shows
REFRESH_SECONDS = 0.5  # how long after a click on a button the dialog may be made anew


class Trampolines(NamedTuple):
    """The C callbacks that a filter hands to libobs; `cleanplate.obs.registration` owns them for ever."""

    buttons: properties.Buttons
    capture_hotkey: Any
    toggle_hotkey: Any


class FilterSource:
    """A filter instance.

    Args:
        lib: libobs.
        source: The filter's own ``obs_source_t``; valid until `destroy` returns.
        data: Its ``obs_data_t`` settings, valid during this call.
        effect_path: The effect file.
        handle: What libobs gives back to callbacks.
        trampolines: Callbacks for buttons and hotkeys.
    """

    _sets_in_use: ClassVar[Dict[str, int]] = {}  # sample set -> handle of the filter that has it

    def __init__(
        self, lib: Any, source: int, data: int, effect_path: str, handle: int, trampolines: Trampolines
    ) -> None:
        self._lib = lib
        self._source = source
        self._handle = handle
        self._effect_path = effect_path
        self._trampolines = trampolines
        self._segment = Segment.create()
        self._channel = Channel.format(self._segment.buffer)
        self.settings = Settings.read(lib, data)
        self._sample_set, copied_set = self._claim_sample_set(self.settings.sample_set)
        self._write_sample_set(data)
        self._was_copied = bool(copied_set)
        self._is_passing = False  # a copy that nobody will see again

        # Graphics thread.
        self._effect: Optional[Effect] = None
        self._renderer: Optional[Renderer] = None
        self._processed = True
        self._rendered = False
        self._is_hidden = False  # in this drawing
        self._scratch: Optional[Target] = None
        self._frame_id = 0
        self._generation = 0
        self._hotkeys: List[int] = []
        self._capture: Optional[Capture] = None
        self._retired: List[Any] = []  # graphics objects to be destroyed
        self._graphics_failure = ""
        self._graphics_failed = 0.0  # when
        self._models: List[str] = []  # those that a worker named last
        self._mattes = 0
        self._matte_came = time.monotonic()
        self._intervals_ms: Deque[float] = deque(maxlen=300)
        self._covered = 0
        self._covered_since = 0.0
        self._image_tried = time.monotonic()
        self._delays_ms: Deque[float] = deque(maxlen=300)
        self._ages_ms: Deque[float] = deque(maxlen=300)
        self._ages_frames: Deque[int] = deque(maxlen=300)

        # Background thread.
        self._store: Optional[SampleStore] = None
        self._image: Optional[Picture] = None
        self._image_path = ""
        self._image_failure = ""
        self._plate: Optional[Picture] = None
        self._samples_generation = 0
        self._taken: List[Sample] = []  # by the capture under way
        self._sample_failure = ""

        self._worker = WorkerProcess(
            self._channel,
            self._segment.name,
            f"worker-{self._sample_set[:8]}.log",
            self._prepare_segment,
            self._say,
        )
        self._background = BackgroundThread(
            f"cleanplate-{handle}", self._worker.supervise, self._leave, self._report_background_failure
        )
        self._background.submit(lambda: self._open_store(copied_set))
        self._background.submit(self._load_image)

    # ---- life ----

    def update(self, data: int) -> None:
        """Take new settings. On the graphics thread: libobs defers updates of video sources to it."""
        self.settings = Settings.read(self._lib, data)
        self._write_sample_set(data)
        self._background.submit(self._write_control)
        now = time.monotonic()
        is_due = self._background_failure() and now - self._image_tried > RELOAD_SECONDS
        if is_due or self.settings.image_path != self._image_path:
            self._image_tried = now
            self._background.submit(self._load_image)

    def destroy(self) -> None:
        """End the worker and free everything. On libobs' destruction thread."""
        lib = self._lib
        for hotkey in self._hotkeys:
            lib.obs_hotkey_unregister(hotkey)
        self._background.stop()
        lib.obs_enter_graphics()
        try:
            self._destroy_retired()
            owned_objects = (
                self._renderer, self._capture, self._image, self._plate, self._effect, self._scratch,
            )  # fmt: skip
            for owned in owned_objects:
                if owned is not None:
                    owned.destroy()
        finally:
            lib.obs_leave_graphics()
        self._channel.close()
        self._segment.close()
        self._segment.unlink()  # in case the background thread did not come to it
        self._sets_in_use.pop(self._sample_set, None)
        self._say(f"statistics: {json.dumps(self._statistics())}")

    def _statistics(self) -> Dict[str, Any]:
        """What the log keeps of a filter: for bug reports and `cleanplate bench obs`."""
        return {
            "frames": self._frame_id,
            "mattes": self._mattes,
            "covered": self._covered,
            "restarts": self._worker.restarts,
            "matte_interval_ms": _spread(self._intervals_ms),
            "matte_age_frames": _spread(self._ages_frames),
            "matte_age_ms": _spread(self._ages_ms),
            "delay_ms": _spread(self._delays_ms),
        }

    def _claim_sample_set(self, wanted: str) -> Tuple[str, str]:
        """A folder name for this filter alone, and that of the filter that it was copied from, or nothing."""
        taken = wanted in self._sets_in_use
        own = wanted if _SAMPLE_SET.fullmatch(wanted) and not taken else uuid.uuid4().hex
        self._sets_in_use[own] = self._handle
        return own, wanted if taken else ""

    def _write_sample_set(self, data: int) -> None:
        """Keep the folder's name in the settings, also when "Defaults" in the dialog has emptied them."""
        if self.settings.sample_set != self._sample_set:
            self._lib.obs_data_set_string(data, b"sample_set", self._sample_set.encode())

    # ---- graphics thread ----

    def video_tick(self) -> None:
        """Begin a frame of OBS."""
        lib = self._lib
        if not self._hotkeys:
            self._meet_parent()
        if not self._rendered and not self.settings.pause_hidden and lib.obs_source_enabled(self._source):
            # Nobody shows the source. Going on keeps a matte ready for the moment when somebody does.
            lib.obs_enter_graphics()
            try:
                self._processed = False
                self._render_hidden()
            finally:
                lib.obs_leave_graphics()
        self._processed = False
        self._rendered = False

    def video_render(self) -> None:
        """Draw the composite, or the privacy cover. Never the raw picture: what fails draws nothing."""
        if self._is_hidden:
            self._render(visible=False)
        else:
            self._rendered = True
            self._render(visible=True)

    def _render_hidden(self) -> None:
        """Take a frame of a source that nobody shows, without drawing it.

        Through the parent, as OBS does: only while libobs itself renders the parent's filters does it draw
        the camera for a filter. Otherwise it would call this filter again, for what the camera shows.
        """
        lib = self._lib
        parent = lib.obs_filter_get_parent(self._source)
        if not parent:
            return
        if self._scratch is None:
            self._scratch = Target(lib, *SCRATCH_SIZE)
        if self._scratch.begin():
            self._is_hidden = True
            try:
                lib.obs_source_video_render(parent)
            finally:
                self._is_hidden = False
                self._scratch.end()

    def _render(self, *, visible: bool) -> None:
        lib = self._lib
        target, parent = lib.obs_filter_get_target(self._source), lib.obs_filter_get_parent(self._source)
        if not target or not parent:
            return
        width, height = lib.obs_source_get_base_width(target), lib.obs_source_get_base_height(target)
        if not width or not height:
            return
        previous_linear = lib.gs_set_linear_srgb(True)
        previous_encode = lib.gs_framebuffer_srgb_enabled()
        lib.gs_enable_framebuffer_srgb(True)
        try:
            renderer = self._renderer_for(width, height)
            if renderer is None:
                return
            if not self._processed:
                self._processed = True
                self._process(renderer, Source(target, parent, width, height))
            if visible:
                self._show(renderer)
        except GraphicsError as error:
            self._graphics_failure = str(error)
            self._graphics_failed = time.monotonic()
        finally:
            lib.gs_enable_framebuffer_srgb(previous_encode)
            lib.gs_set_linear_srgb(previous_linear)

    def _renderer_for(self, width: int, height: int) -> Optional[Renderer]:
        if self._effect is None:
            if self._graphics_failure:
                return None
            self._effect = Effect(self._lib, self._effect_path)
        renderer = self._renderer
        matched = self.settings.mode == settings.MATCHED
        if renderer is None or (renderer.width, renderer.height, renderer.matched) != (
            width,
            height,
            matched,
        ):
            if renderer is not None:
                self._renderer = None
                renderer.destroy()
            elif self._graphics_failure and time.monotonic() - self._graphics_failed < RETRY_SECONDS:
                return None
            self._generation += 1
            self._renderer = renderer = Renderer(
                self._lib, self._effect, width, height, matched=matched, generation=self._generation
            )
            self._graphics_failure = ""
        return renderer

    def _process(self, renderer: Renderer, source: Source) -> None:
        """What happens once per frame of OBS, however often the source is shown."""
        self._destroy_retired()
        self._frame_id += 1
        # In this order, or the frame whose matte is just coming could be overwritten as one nobody waits for.
        frame_taken = self._channel.frame_taken
        if renderer.take_matte(self._channel, self._segment.address):
            self._mattes += 1
            now = time.monotonic()
            self._intervals_ms.append(1e3 * (now - self._matte_came))
            self._matte_came = now
        texture = renderer.take_frame(source, self._frame_id, frame_taken)
        if not texture:
            return
        if self._worker.awake and renderer.send_frame(self._channel, self._segment.address):
            self._worker.wake()
        capture = self._capture
        if capture is not None and self._effect is not None:
            capture.step(self._effect, texture, source.width, source.height, time.monotonic())
            if capture.done:
                self._capture = None
                self._retired.append(capture)
                self._background.submit(lambda: self._finish_capture(capture))

    def _show(self, renderer: Renderer) -> None:
        chosen = self.settings
        plate = self._plate
        capture = self._capture
        slot = renderer.slot_of_matte(chosen.max_age_ms)
        if slot is not None and self._covered_since:
            covered, self._covered_since = time.monotonic() - self._covered_since, 0.0
            self._background.submit(lambda: self._say(f"covered for {covered:.2f} s"))
        if chosen.view == settings.SAMPLE and plate is not None:
            renderer.show_plate(plate)
        elif slot is None:
            self._covered += 1
            self._covered_since = self._covered_since or time.monotonic()
            self._show_cover(renderer)
        else:
            if chosen.view == settings.MATTE:
                renderer.show_matte(slot, chosen)
            elif chosen.view == settings.DIFFERENCE and plate is not None:
                renderer.show_difference(slot, chosen, plate)
            else:
                if not renderer.set_backdrop(chosen, self._image, plate):
                    renderer.set_privacy_blur()
                renderer.composite(slot, chosen, plate, trust_plate=self._drift_kind() != "camera")
            self._measure(renderer)
        if capture is not None:
            renderer.show_digits(capture.glyphs(time.monotonic()))

    def _show_cover(self, renderer: Renderer) -> None:
        chosen = self.settings
        behind = chosen.cover == settings.COVER_BACKGROUND and chosen.background != settings.BLUR
        if (
            behind and renderer.set_backdrop(chosen, self._image, self._plate)
        ) or renderer.set_privacy_blur():
            renderer.show_backdrop()

    def _measure(self, renderer: Renderer) -> None:
        matte = renderer.matte
        if matte is not None:
            now = time.monotonic_ns()
            self._ages_frames.append(self._frame_id - matte.frame_id)
            self._ages_ms.append((now - matte.timestamp_ns) / 1e6)
            self._delays_ms.append((now - renderer.shown_ns) / 1e6)

    def _meet_parent(self) -> None:
        """Register hotkeys on the parent, once there is one: OBS' settings list none of filters."""
        parent = self._lib.obs_filter_get_parent(self._source)
        if parent:
            # OBS copies a whole scene for every transition in studio mode, and never saves those copies. It
            # is the parent that tells: libobs calls every filter private.
            self._is_passing = self._was_copied and self._lib.obs_obj_is_private(parent)
            self._hotkeys = [
                self._lib.obs_hotkey_register_source(parent, name, label, trampoline, self._handle)
                for name, label, trampoline in (
                    (
                        b"cleanplate.capture",
                        b"Clean Plate: capture background",
                        self._trampolines.capture_hotkey,
                    ),
                    (b"cleanplate.toggle", b"Clean Plate: switch on or off", self._trampolines.toggle_hotkey),
                )
            ]

    def _destroy_retired(self) -> None:
        while self._retired:
            self._retired.pop().destroy()

    # ---- hotkeys and dialog ----

    def start_capture(self) -> None:
        """Begin the countdown of a capture, unless one is under way."""
        if self._capture is None:
            chosen = self.settings
            self._sample_failure = ""
            count = max(1, min(MOST_SAMPLES, chosen.sample_count))  # other programs may set anything
            self._capture = Capture(
                self._lib, chosen.countdown, count, time.monotonic(), self._deliver_sample
            )

    def toggle(self) -> None:
        """Switch the filter off or on, like the eye in OBS' list of filters."""
        self._lib.obs_source_set_enabled(self._source, not self._lib.obs_source_enabled(self._source))

    def clear_samples(self) -> None:
        """Delete all background samples."""
        self._background.submit(self._clear_samples)

    def add_sample_file(self) -> None:
        """Keep a copy of the picture that is chosen in the dialog as a background sample."""
        path = self.settings.sample_path
        self._background.submit(lambda: self._add_sample_file(path))

    def refresh_dialog(self) -> None:
        """After a click in the dialog: make it anew, once the background thread has done what was clicked."""
        clicked = time.monotonic()
        self._background.submit(lambda: self._refresh_dialog(clicked))

    def properties(self, warning: str = "") -> int:
        """Make the property dialog, with a warning above the status."""
        named = [name for name in _list(self._worker.status, "models") if isinstance(name, str)]
        self._models = named or self._models
        status = self.status()
        if not self._models:
            status.append(StatusLine("Once the worker runs, “Update the status” lists more methods."))
        if warning:
            status.insert(0, StatusLine(warning, libobs.OBS_TEXT_INFO_ERROR))
        return properties.build(
            self._lib, self._handle, self.settings, status, self._models, self._trampolines.buttons
        )

    def status(self) -> List[StatusLine]:
        """What goes on, line by line, in words for the user."""
        lines = [*self._trouble(), self._sample_line(), *self._speed_lines()]
        capture = self._capture
        if capture is not None:
            text = f"{capture.text(time.monotonic())} Then press “Update the status”."
            lines.insert(0, StatusLine(text, libobs.OBS_TEXT_INFO_WARNING))
        return lines

    def _trouble(self) -> List[StatusLine]:
        worker = self._worker
        error = worker.status.get("error")
        reasons = (self._graphics_failure, worker.failure, self._sample_failure, self._background_failure())
        lines = [StatusLine(text, libobs.OBS_TEXT_INFO_ERROR) for text in reasons if text]
        if isinstance(error, dict):
            lines.append(StatusLine(str(error.get("message", "")), libobs.OBS_TEXT_INFO_ERROR))
        covered_since = self._covered_since
        if worker.state == "running" and 0.0 < covered_since < self._matte_came - LONG_COVER_SECONDS:
            text = (
                f"Mattes come later than {self.settings.max_age_ms} ms, so the cover is shown: "
                "choose a faster Method, or raise “Cover when the matte is older than”."
            )
            lines.append(StatusLine(text, libobs.OBS_TEXT_INFO_WARNING))
        drift = worker.status.get("drift")
        if isinstance(drift, dict):
            lines.append(StatusLine(str(drift.get("message", "")), libobs.OBS_TEXT_INFO_WARNING))
        for problem in _list(worker.status, "sample_errors"):
            if isinstance(problem, dict):
                lines.append(
                    StatusLine(
                        f"{problem.get('file')}: {problem.get('message')}", libobs.OBS_TEXT_INFO_WARNING
                    )
                )
        lines.extend(
            StatusLine(problem, libobs.OBS_TEXT_INFO_WARNING)
            for problem in (self._store.problems if self._store is not None else ())
        )
        return lines

    def _background_failure(self) -> str:
        """Why the picture that shall be the background is not there; empty if all is well."""
        return self._image_failure if self.settings.background == settings.IMAGE else ""

    def _sample_line(self) -> StatusLine:
        samples = self._store.samples if self._store is not None else []
        if not samples:
            return StatusLine("No background samples yet: press “Capture background” and leave the picture.")
        newest = samples[-1]
        seen = [entry for entry in _list(self._worker.status, "samples") if isinstance(entry, dict)]
        lumas = [_number(entry, "luma") for entry in seen if "luma" in entry]
        light = f", mean brightness {statistics.mean(lumas):.0f} of 255" if lumas else ""
        return StatusLine(
            f"{len(samples)} background samples, the newest of {newest.captured.replace('T', ' ')}, "
            f"{newest.width}x{newest.height}{light}"
        )

    def _speed_lines(self) -> List[StatusLine]:
        worker = self._worker
        status = worker.status
        lines = [
            StatusLine(
                f"Method {status.get('model') or '-'} on {status.get('provider') or '-'}, "
                f"worker {worker.state}, {worker.restarts} restarts, "
                f"{self._channel.frames_dropped} frames dropped"
            )
        ]
        if worker.last_loss:
            lines.append(StatusLine(f"Last restart: {worker.last_loss}"))
        missed: Dict[str, List[str]] = {}  # reason -> providers
        for entry in _list(status, "fallbacks"):
            if isinstance(entry, list) and len(entry) == 2:
                missed.setdefault(str(entry[1]), []).append(str(entry[0]))
        lines.extend(StatusLine(f"Not on {', '.join(names)}: {reason}") for reason, names in missed.items())
        if worker.state == "running":
            lines.append(
                StatusLine(
                    f"{_number(status, 'ms_median'):.1f} ms a matte "
                    f"(95 % within {_number(status, 'ms_p95'):.1f}), "
                    f"{_number(status, 'rate'):.0f} mattes a second; "
                    f"matte age {_summary(self._ages_frames)} frames, {_summary(self._ages_ms)} ms"
                )
            )
        if worker.state == "running" and self._delays_ms:
            lines.append(
                StatusLine(
                    f"The picture is delayed by {_summary(self._delays_ms)} ms: "
                    "set that as the sync offset of the microphone in Advanced Audio Properties."
                )
            )
        lines.append(StatusLine(f"Log: {worker.log_path}"))
        return lines

    def _drift_kind(self) -> str:
        drift = self._worker.status.get("drift")
        return str(drift.get("kind")) if isinstance(drift, dict) else ""

    # ---- background thread ----

    def _refresh_dialog(self, clicked: float) -> None:
        # Not on the dialog's own thread: libobs would free the button during its click. And not later, as on
        # a timer: OBS crashes when the user returns from a file or colour chooser to a dialog that was made
        # anew meanwhile (obs-studio issue 10423).
        if time.monotonic() - clicked < REFRESH_SECONDS:
            self._lib.obs_source_update_properties(self._source)

    def _leave(self) -> None:
        self._segment.unlink()  # before the pipe's end: a worker that still finds the name thinks of a crash
        self._worker.stop()
        if self._taken and self._store is not None:  # OBS ends in the middle of a capture
            with contextlib.suppress(SampleError):
                self._store.drop(self._taken)
        if self._is_passing:
            if self._store is not None:
                self._store.remove()
            log = Path(self._worker.log_path)
            for path in log.parent.glob(f"{log.name}*"):  # with the older ones, `.1` and `.2`
                with contextlib.suppress(OSError):
                    path.unlink()

    def _prepare_segment(self) -> None:
        """Put right what a worker must find; the one before may have written anything anywhere."""
        self._channel.write_header()
        self._write_control()

    def _write_control(self) -> None:
        chosen = self.settings
        self._channel.control.write(
            {
                "model": chosen.model,
                "provider": chosen.provider,
                "samples": self._store.paths() if self._store is not None else [],
                "samples_generation": self._samples_generation,
                "smoothing": chosen.smoothing,
                "shift": chosen.shift,
            }
        )
        self._worker.wake()

    def _open_store(self, copied_set: str) -> None:
        folder = samples_folder(self._lib)
        self._store = SampleStore(folder / self._sample_set)
        if copied_set:
            try:
                for sample in SampleStore(folder / copied_set, repair=False).samples:
                    path = folder / copied_set / sample.file
                    self._store.add_file(path, sample.width, sample.height, sample.captured)
            except SampleError as error:  # as when the original is just replacing them
                self._sample_failure = str(error)
        self._samples_changed()

    def _samples_changed(self) -> None:
        """Tell the worker about the samples, and load the newest one as the clean plate."""
        self._samples_generation += 1
        self._write_control()
        paths = self._store.paths() if self._store is not None else []
        self._swap_plate(Picture(self._lib, paths[-1]) if paths else None)

    def _swap_plate(self, plate: Optional[Picture]) -> None:
        previous, self._plate = self._plate, plate
        if previous is not None:
            self._retired.append(previous)

    def _deliver_sample(self, content: bytes, width: int, height: int, stride: int) -> None:
        """From the graphics thread: keep a captured picture."""
        self._background.submit(lambda: self._keep_sample(content, width, height, stride))

    def _keep_sample(self, content: bytes, width: int, height: int, stride: int) -> None:
        if self._store is None or self._sample_failure:
            return
        rows = memoryview(content)
        packed = b"".join(rows[y * stride : y * stride + 4 * width] for y in range(height))
        try:
            self._taken.append(self._store.add_pixels(packed, width, height))
        except SampleError as error:
            self._sample_failure = str(error)

    def _finish_capture(self, capture: Capture) -> None:
        if capture.failure:
            self._sample_failure = capture.failure
        if self._store is None:
            self._sample_failure = "There is no folder for samples: see OBS' log, and restart OBS."
            return
        taken, self._taken = self._taken, []
        if self._sample_failure:
            self._say(f"the capture failed: {self._sample_failure}")
            self._forget_samples(lambda store: store.drop(taken))  # who knows who is in them
            return
        self._store.problems.clear()  # what they advise has been done
        replace = self.settings.capture_mode == settings.REPLACE
        self._keep_newest(capture.count if replace else MOST_SAMPLES)
        self._say(f"captured {len(taken)} background samples into {self._store.folder}")

    def _clear_samples(self) -> None:
        if self._store is not None:
            self._sample_failure = ""
            self._store.problems.clear()
            self._keep_newest(0)

    def _keep_newest(self, count: int) -> None:
        self._forget_samples(lambda store: store.keep_newest(count))

    def _forget_samples(self, forget: Callable[[SampleStore], None]) -> None:
        """Forget some samples; whatever comes of it, the worker hears what is left."""
        if self._store is not None:
            try:
                forget(self._store)
            except SampleError as error:
                self._sample_failure = str(error)
        self._samples_changed()

    def _add_sample_file(self, path: str) -> None:
        self._sample_failure = ""
        if self._store is None:
            return
        if not path:
            self._sample_failure = "Choose a picture first."
            return
        if Path(path).suffix.lower() not in SAMPLE_KINDS:
            kinds = ", ".join(SAMPLE_KINDS)
            self._sample_failure = f"The worker cannot read {path}. Choose a picture of these kinds: {kinds}."
            return
        try:
            picture = Picture(self._lib, path)  # proves that OBS can read it, and tells its size
            self._retired.append(picture)
            self._store.add_file(Path(path), picture.width, picture.height)
        except (GraphicsError, SampleError) as error:
            self._sample_failure = str(error)
            return
        self._keep_newest(MOST_SAMPLES)

    def _load_image(self) -> None:
        path = self.settings.image_path
        self._image_path = path
        self._image_failure = ""
        image = None
        if path:
            try:
                image = Picture(self._lib, path)
            except GraphicsError as error:
                self._image_failure = str(error)
        previous, self._image = self._image, image
        if previous is not None:
            self._retired.append(previous)

    def _report_background_failure(self, error: BaseException) -> None:
        if isinstance(error, (WireError, SampleError, GraphicsError)):
            self._sample_failure = str(error)
        self._say(f"{type(error).__name__}: {error}")

    def _say(self, text: str) -> None:
        libobs.log(self._lib, libobs.LOG_INFO, text)


def samples_folder(lib: Any) -> Path:
    """Where samples are kept: OBS' own configuration folder, which a portable OBS has beside itself."""
    module = lib.obs_get_module(b"frontend-tools")  # part of every OBS that has scripts; knows the folder
    if module:
        beside = libobs.take_string(lib, lib.obs_module_get_config_path(module, b""))
        if beside:
            return Path(beside).parent / "cleanplate" / "samples"
    raise SampleError(
        "OBS does not tell its configuration folder: samples cannot be kept. Please report this."
    )


def _summary(values: "Deque[Any]") -> str:
    copied = list(values)
    return f"{statistics.median(copied):.0f}" if copied else "-"


def _spread(values: "Deque[Any]") -> List[float]:
    """Median and 95th percentile."""
    ordered = sorted(values)
    return (
        [round(float(ordered[int(share * (len(ordered) - 1))]), 2) for share in (0.5, 0.95)]
        if ordered
        else []
    )


def _number(status: Dict[str, Any], key: str) -> float:
    value = status.get(key)
    try:
        return float(value) if isinstance(value, (int, float)) else 0.0
    except OverflowError:
        return 0.0


def _list(status: Dict[str, Any], key: str) -> List[Any]:
    value = status.get(key)
    return value if isinstance(value, list) else []
