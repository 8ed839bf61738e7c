"""Runs the demo: `python -m cleanplate.offline.demo --output FOLDER`.

OBS gets settings of its own in a folder that is gone afterwards, and the user's screen if there is one. The
installer's `--demo` starts this in the environment that it made.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleanplate.offline.demo.figure import SECONDS, draw, pose_at
from cleanplate.offline.demo.room import HEIGHT, WIDTH, Picture, landscape, room
from cleanplate.offline.errors import CameraError, OfflineError
from cleanplate.offline.folders import make_new_folder
from cleanplate.offline.frames import Frame
from cleanplate.offline.pictures import write_picture
from cleanplate.offline.places import filter_script, model_folders
from cleanplate.offline.video import VideoSink, VideoSource
from cleanplate.studio.bench import CAMERA, FILTER, FILTER_TYPE, contact_sheet
from cleanplate.studio.config import SCENE, Script
from cleanplate.studio.display import PresentDisplay
from cleanplate.studio.session import SESSION_ERRORS, ObsSession

RATE = 30
NOISE = 1.5
"""Standard deviation of the drawn camera's noise, of 255."""

EMPTY_SECONDS = 2.0
RECORDED_SECONDS = 10.0
COUNTDOWN = 10
"""Seconds that a real person has to leave the picture."""

MAX_AGE_MS = 2000
"""More patience with late mattes than by default: the machine also draws in software, records and encodes."""

SHEET_WAITS = (0.7, 1.4, 0.6, 1.4)
SETTLE_SECONDS = 2.0
DEVICES = Path("/dev")
WORK = "work-"
"""How the folder for what is needed meanwhile begins."""

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit status."""
    parser = argparse.ArgumentParser(prog="cleanplate.offline.demo", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the recording")
    parser.add_argument(
        "--camera", action="store_true", help="film the real camera instead of the drawn scene"
    )
    parser.add_argument("--model", default="auto", help="auto, difference, or a network's name")
    chosen = parser.parse_args(arguments)
    output = chosen.output.resolve()
    try:
        device = _first_camera() if chosen.camera else None
        work = make_new_folder(output, WORK)
    except OfflineError as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    try:
        recording, sheet = run(output, work, device, model=chosen.model)
    except (OfflineError, *SESSION_ERRORS) as error:
        print(f"The demo failed: {error}\nOBS' log is in {work}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(work)
        return INTERRUPTED
    shutil.rmtree(work)
    print(f"\nRecording:     {recording}\nContact sheet: {sheet} (camera, matte, result)")
    return 0


def run(output: Path, work: Path, device: str | None, *, model: str) -> tuple[Path, Path]:
    """Start OBS, capture the background, replace it, record.

    Args:
        output: folder for the results.
        work: an empty folder for everything else.
        device: the camera to film; None films the drawn scene.
        model: setting of the filter.

    Returns:
        The recording and the contact sheet.
    """
    background = work / "background.png"
    write_picture(background, landscape())
    empty, person = work / "room.mp4", work / "person.mp4"
    if device is None:
        _say("drawing the scene")
        _write_clip(empty, _empty_room())
        _write_clip(person, _act())
    display = PresentDisplay() if os.environ.get("DISPLAY") else None
    _say("starting OBS" if display else "starting OBS on a screen of its own")
    scripts = [Script(filter_script())]
    with ObsSession(work, scripts=scripts, models=model_folders(), display=display) as obs:
        obs.client.set_video_settings(RATE, 1, WIDTH, HEIGHT, WIDTH, HEIGHT)
        if device is None:
            obs.add_camera(CAMERA, empty)
        else:
            obs.client.create_input(SCENE, CAMERA, "v4l2_input", {"device_id": device}, True)
            obs.wait_for_size(CAMERA)
        settings = {
            "background": "image",
            "image_path": str(background),
            "countdown": COUNTDOWN if device else 0,
            "max_age_ms": MAX_AGE_MS,
            "model": model,
        }
        obs.client.create_source_filter(CAMERA, FILTER, FILTER_TYPE, settings)
        time.sleep(SETTLE_SECONDS)
        _say("capturing the background" + (f": leave the picture within {COUNTDOWN} s" if device else ""))
        obs.press_and_wait("cleanplate.capture", "background samples into")
        if device is None:
            obs.show_clip(CAMERA, person)
        time.sleep(SETTLE_SECONDS)
        _say("taking pictures")
        sheet = output / "contact-sheet.png"
        write_picture(sheet, contact_sheet(obs, SHEET_WAITS, hold=device is None))
        _say(f"recording {RECORDED_SECONDS:.0f} s")
        raw = obs.record(RECORDED_SECONDS)
        obs.close()
    recording = output / "recording.mp4"
    _convert(raw, recording)
    return recording, sheet


def _first_camera() -> str:
    # By number: a webcam's picture comes before the devices for its metadata, and video10 after video2.
    cameras = sorted(DEVICES.glob("video[0-9]*"), key=lambda path: int(path.name.removeprefix("video")))
    if not cameras:
        raise CameraError("There is no camera. Plug one in, or leave --camera out.")
    return str(cameras[0])


def _empty_room() -> Iterator[Picture]:
    scene = room()
    return (_noisy(scene.astype(np.float32), number) for number in range(round(EMPTY_SECONDS * RATE)))


def _act() -> Iterator[Picture]:
    scene = room().astype(np.float32)
    for number in range(round(SECONDS * RATE)):
        colour, matte = draw(pose_at(number / RATE))
        share = matte[..., np.newaxis]
        yield _noisy(scene + share * (colour - scene), number)


def _noisy(picture: NDArray[np.float32], seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, NOISE, picture.shape).astype(np.float32)
    noisy: Picture = np.clip(picture + noise + 0.5, 0, 255).astype(np.uint8)
    return noisy


def _write_clip(path: Path, pictures: Iterator[Picture]) -> None:
    sink = VideoSink(path, rate=Fraction(RATE), time_base=Fraction(1, RATE))
    for number, picture in enumerate(pictures):
        sink.write(Frame(picture, "", Fraction(number, RATE)), picture)
    sink.close()


def _convert(raw: Path, recording: Path) -> None:
    """Turn OBS' lossless recording into what every player plays."""
    source = VideoSource(raw)
    sink = VideoSink(recording, rate=source.rate, time_base=source.time_base)
    for frame in source.frames(_say):
        sink.write(frame, frame.picture)
    sink.close()


def _say(text: str) -> None:
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
