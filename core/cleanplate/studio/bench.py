"""Measures the filter in a real OBS: what it costs, how old its mattes are, how soon it recovers.

Two runs of OBS, without and with the filter, show the same clips; each records. The difference between the
runs is the filter's, whatever else the machine does.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cleanplate.studio import scene
from cleanplate.studio.config import Script
from cleanplate.studio.exit_report import ExitReport
from cleanplate.studio.scene import Image
from cleanplate.studio.session import ObsSession
from cleanplate.studio.waiting import wait_for

CAMERA = "camera"
FILTER = "clean plate"
FILTER_TYPE = "cleanplate_filter"
BACKDROP = 0xFF3C7A28  # 0xAABBGGRR, a green
SETTLE_SECONDS = 1.5
SHEET_FRAMES = 4
SHEET_STEP_SECONDS = 0.8


@dataclass(frozen=True)
class Clips:
    """What the camera shows: the empty scene first, then a person in it. `marked` if drawn with markers."""

    empty: Path
    person: Path
    marked: bool = False


@dataclass
class Figures:
    """What was measured. Times in milliseconds, pairs are median and 95th percentile."""

    own_ms: list[float] = field(default_factory=list)
    libobs_ms: list[float] = field(default_factory=list)
    render_ms_without: float = 0.0
    render_ms_with: float = 0.0
    matte_age_frames: list[float] = field(default_factory=list)
    matte_age_ms: list[float] = field(default_factory=list)
    delay_ms: list[float] = field(default_factory=list)
    mattes_per_second: float = 0.0
    recovery_s: list[float] = field(default_factory=list)
    recorded_frames: int = 0
    raw_frames: int | None = None
    leaks_without: int | None = None
    leaks_with: int | None = None
    clean_exit: bool = False
    recording: Path = field(default_factory=Path)
    sheet: Path = field(default_factory=Path)


def drawn_clips(folder: Path) -> Clips:
    """The drawn room with its markers, and the drawn figure in it."""
    empty = scene.empty_clip(folder / "empty.avi")
    person = scene.person_clip(folder / "person.avi")
    return Clips(empty.path, person.path, marked=True)


def measure(
    folder: Path,
    script: Path,
    clips: Clips,
    *,
    seconds: float = 10.0,
    kills: int = 3,
    settings: dict[str, Any] | None = None,
    models: Sequence[Path] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Figures:
    """Run OBS twice and measure.

    Args:
        folder: for recordings and logs, without those of an earlier run.
        script: ``cleanplate_filter.py``.
        clips: what the camera shows.
        seconds: length of each recording.
        kills: how often the worker is killed, to see it recover.
        settings: of the filter, over those that the benchmark needs.
        models: folders with networks.
        say: gets a line as each step begins.

    Raises:
        TimeoutError: OBS, or the worker, did not do what was waited for; the message names the log.
        ValueError: what is measured is not in OBS' log.
    """
    figures = Figures()
    say("OBS without the filter")
    with ObsSession(folder / "without") as obs:
        obs.add_camera(CAMERA, clips.person)
        obs.record(seconds)
        report = obs.close()
    figures.render_ms_without, figures.leaks_without = _render_ms(report), report.leaks

    say("OBS with the filter: capture")
    profiled = {"CLEANPLATE_PROFILE": "1"}
    scripts = [Script(script)]
    with ObsSession(folder / "with", scripts=scripts, environment=profiled, models=models) as obs:
        obs.add_camera(CAMERA, clips.empty)
        chosen = {"background": "color", "color": BACKDROP, "countdown": 0, **(settings or {})}
        obs.client.create_source_filter(CAMERA, FILTER, FILTER_TYPE, chosen)
        time.sleep(SETTLE_SECONDS)
        obs.press_and_wait("cleanplate.capture", "background samples into")
        obs.show_clip(CAMERA, clips.person)
        time.sleep(SETTLE_SECONDS)
        for _ in range(kills):
            say("OBS with the filter: kill the worker")
            figures.recovery_s.append(_recovery(obs))
        figures.sheet = folder / "sheet.png"
        cv2.imwrite(str(figures.sheet), contact_sheet(obs))
        say(f"OBS with the filter: record {seconds:.0f} s")
        figures.recording = obs.record(seconds)  # last: the figures are of the filter's last frames
        report = obs.close()
    _read_report(figures, report)
    frames = list(scene.read_frames(figures.recording))
    figures.recorded_frames = len(frames)
    if clips.marked:
        figures.raw_frames = sum(scene.shows_marker(frame) for frame in frames)
    return figures


def contact_sheet(
    obs: ObsSession, waits: Sequence[float] = SHEET_FRAMES * (SHEET_STEP_SECONDS,), *, hold: bool = True
) -> Image:
    """Frame, matte and composite side by side, at some moments of the clip; uint8, BGR.

    A clip is held at each moment, so that all three are of the same frame; a real camera cannot be held.

    Args:
        obs: with the camera and the filter of this module.
        waits: seconds that the clip plays on before each moment.
        hold: whether the camera is a clip.
    """
    rows = []
    for wait in waits:
        if hold:
            _media(obs, "PLAY")
        time.sleep(wait)
        if hold:
            _media(obs, "PAUSE")
        time.sleep(SHEET_STEP_SECONDS)
        composite = obs.screenshot(CAMERA)
        obs.client.set_source_filter_settings(CAMERA, FILTER, {"view": "matte"}, True)
        time.sleep(SHEET_STEP_SECONDS)
        matte = obs.screenshot(CAMERA)
        obs.client.set_source_filter_settings(CAMERA, FILTER, {"view": "composite"}, True)
        obs.client.set_source_filter_enabled(CAMERA, FILTER, False)
        frame = obs.screenshot(CAMERA)
        obs.client.set_source_filter_enabled(CAMERA, FILTER, True)
        rows.append(np.hstack([picture[..., :3] for picture in (frame, matte, composite)]))
    if hold:
        _media(obs, "PLAY")
    return np.vstack(rows)


def _media(obs: ObsSession, action: str) -> None:
    obs.client.trigger_media_input_action(CAMERA, f"OBS_WEBSOCKET_MEDIA_INPUT_ACTION_{action}")


def _recovery(obs: ObsSession) -> float:
    """Kill the worker; seconds from then until a new worker runs."""
    before = {worker.pid for worker in obs.workers()}
    covered = len(_covers(obs.log()))
    begin = time.monotonic()
    for worker in obs.workers():
        worker.kill()
    wait_for(lambda: {worker.pid for worker in obs.workers()} - before, "a new worker", 30)
    wait_for(lambda: len(_covers(obs.log())) > covered, "a new matte", 30)
    return time.monotonic() - begin


def _covers(log: str) -> list[str]:
    return re.findall(r"covered for ([\d.]+) s", log)


def _read_report(figures: Figures, report: ExitReport) -> None:
    figures.clean_exit = report.status == 0 and not report.orphans
    figures.render_ms_with, figures.leaks_with = _render_ms(report), report.leaks
    profile = _logged(report.log, "profile")
    figures.own_ms, figures.libobs_ms = profile["own_ms"], profile["libobs_ms"]
    kept = _logged(report.log, "statistics")
    figures.matte_age_frames, figures.matte_age_ms = kept["matte_age_frames"], kept["matte_age_ms"]
    figures.delay_ms = kept["delay_ms"]
    if not kept["matte_interval_ms"]:
        raise ValueError("The filter had no mattes: its worker did not run.")
    figures.mattes_per_second = 1000 / kept["matte_interval_ms"][0]


def _render_ms(report: ExitReport) -> float:
    """Median time that OBS needs for a frame; its profile comes at the end of its log."""
    if "render_video" not in report.profile:
        raise ValueError(f"OBS' log has no profile of its rendering: it ended with status {report.status}.")
    return report.profile["render_video"]


def _logged(log: str, what: str) -> dict[str, Any]:
    """The JSON object of the last log line of a kind."""
    found = re.findall(rf"\[Clean Plate\] {what}: (\{{.*\}})", log)
    if not found:
        raise ValueError(f"OBS' log has no {what} of the filter: it was not added, or OBS did not close.")
    parsed: dict[str, Any] = json.loads(found[-1])
    return parsed
