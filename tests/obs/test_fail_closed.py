"""Whatever fails, no recorded frame shows the raw camera picture."""

import secrets
import time
from pathlib import Path

import psutil
import pytest
from filtered_camera import (
    CAMERA,
    COLOR_BGR,
    add_filtered_camera,
    capture_then_enter,
    configure,
    is_flat,
    scripts,
    wait_for_figure,
)
from fixture_types import CloseCleanly, StartObs
from hdr import write_pq_clip

from cleanplate.studio.config import SCENE
from cleanplate.studio.scene import FRAMES_PER_SECOND, Clip, empty_clip, raw_frames, shows_marker
from cleanplate.studio.session import ObsSession
from cleanplate.studio.waiting import wait_for
from cleanplate.wire.protocol import FRAMES_OFFSET, MATTES_OFFSET, SEGMENT_BYTES

KILLS = 10
GARBAGE_SECONDS = 2.0


@pytest.mark.slow
@pytest.mark.timeout(900)  # the filter waits longer after each loss: 70 s in all
def test_worker_killed_hung_and_lying(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip
) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    with obs.recording() as recording:
        for _ in range(KILLS):
            killed = _worker(obs)
            killed.kill()
            _wait_for_successor(obs, killed)
        wait_for_figure(obs)

        hung = _worker(obs)
        hung.suspend()
        wait_for_cover(obs)
        _wait_for_successor(obs, hung)
        wait_for_figure(obs)

        # Noise all over what workers write, among it the mattes of one that goes on.
        mad = _worker(obs)
        for start, end in ((0, FRAMES_OFFSET), (MATTES_OFFSET, SEGMENT_BYTES)):
            _scribble(_segment(mad), start, end)
        wait_for_figure(obs)
        # In the frames too, of which a worker that goes on would make mattes that are whole and wrong.
        mad.suspend()
        _scribble(_segment(mad), 0, SEGMENT_BYTES)
        mad.kill()
        _wait_for_successor(obs, mad)
        wait_for_figure(obs)
    assert raw_frames(recording.path) == []
    assert obs.running()
    close_cleanly(obs)


def test_killed_obs_leaves_no_worker_and_no_frames(start_obs: StartObs, empty_room: Clip) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    segment = _segment(_worker(obs))
    assert segment.exists()
    assert obs.kill().orphans == []
    assert not segment.exists(), "the last frames are gone too"


def test_nothing_to_work_with(start_obs: StartObs, close_cleanly: CloseCleanly, person: Clip) -> None:
    obs = start_obs(scripts=scripts(), environment={"CLEANPLATE_PYTHON": "/nonexistent/python"})
    add_filtered_camera(obs, person)
    with obs.recording() as recording:
        wait_for_cover(obs)
        for settings in (
            {"background": "image", "image_path": "/nonexistent/picture.png"},
            {"background": "transparent"},
            {"background": "blur"},
            {"background": "plate_blur"},
            {"background": "color", "cover": "blur"},
            {"view": "matte"},
            {"view": "difference"},
            {"view": "sample"},
            {"view": "composite", "mode": "latency"},
            {"model": "no-such-model"},
        ):
            configure(obs, **settings)
            obs.wait_until_recorded(obs.recorded_seconds() + 0.4)
            assert not shows_marker(obs.screenshot(CAMERA)[..., :3]), settings
    assert raw_frames(recording.path) == []
    close_cleanly(obs)


def test_missing_model(start_obs: StartObs, close_cleanly: CloseCleanly, person: Clip) -> None:
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, person, model="no-such-model")
    wait_for(obs.workers, "the worker")
    path = obs.record(3)
    assert is_flat(obs.screenshot(SCENE), COLOR_BGR)
    assert raw_frames(path) == []
    close_cleanly(obs)


def test_resolution_and_format_change_while_recording(
    start_obs: StartObs, close_cleanly: CloseCleanly, empty_room: Clip, person: Clip, tmp_path: Path
) -> None:
    half = empty_clip(tmp_path / "half.avi", width=320, height=180)
    large = empty_clip(tmp_path / "large.avi", width=960, height=540)
    hdr = tmp_path / "hdr.mkv"  # 10 bits, YUV, another curve and other primaries
    write_pq_clip(hdr, person.frames[:FRAMES_PER_SECOND])
    obs = start_obs(scripts=scripts())
    add_filtered_camera(obs, empty_room)
    capture_then_enter(obs, person)
    with obs.recording() as recording:
        for clip in (half, large, half, person):
            obs.show_clip(CAMERA, clip.path)
            _wait_for_width(obs, clip.frames[0].shape[1])
            obs.wait_until_recorded(obs.recorded_seconds() + 1)
        wait_for_figure(obs)
        for path in (hdr, person.path):
            obs.show_clip(CAMERA, path)
            obs.wait_until_recorded(obs.recorded_seconds() + 1)
            wait_for_figure(obs)
    for scale in (0.5, 1.0, 1.5):
        assert raw_frames(recording.path, scale) == []
    close_cleanly(obs)


def wait_for_cover(obs: ObsSession) -> None:
    """Wait until nothing but the cover shows."""
    wait_for(lambda: is_flat(obs.screenshot(SCENE), COLOR_BGR), "the cover")


def _wait_for_width(obs: ObsSession, width: int) -> None:
    wait_for(lambda: obs.wait_for_size(CAMERA)[0] == width, f"a picture {width} pixels wide")


def _wait_for_successor(obs: ObsSession, gone: psutil.Process) -> None:
    wait_for(lambda: {worker.pid for worker in obs.workers()} - {gone.pid}, "another worker")


def _worker(obs: ObsSession) -> psutil.Process:
    return wait_for(obs.workers, "a worker")[0]


def _segment(worker: psutil.Process) -> Path:
    command = worker.cmdline()
    return Path(command[command.index("--segment") + 1])


def _scribble(segment: Path, start: int, end: int) -> None:
    """Write noise into a part of the shared memory, again and again, as a mad worker might."""
    deadline = time.monotonic() + GARBAGE_SECONDS
    with segment.open("r+b") as memory:
        while time.monotonic() < deadline:
            memory.seek(start)
            memory.write(secrets.token_bytes(end - start))
            memory.flush()
