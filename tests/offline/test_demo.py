import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import scene, write_clip
from numpy.typing import NDArray

from cleanplate.offline.demo import __main__ as demo
from cleanplate.offline.demo.drawing import Canvas, curve
from cleanplate.offline.demo.figure import SECONDS, draw, pose_at
from cleanplate.offline.demo.room import HEIGHT, WIDTH, landscape, room
from cleanplate.offline.video import VideoSource
from cleanplate.studio.bench import CAMERA


def test_shapes_have_soft_edges_and_clean_colours() -> None:
    canvas = Canvas(20, 10)
    canvas.box(4.25, 2, 12, 8, (10, 200, 90))
    colour, cover = canvas.result()
    assert cover[5, 8] == 1
    assert cover[5, 2] == 0
    assert 0 < cover[5, 4] < 1
    assert colour[5, 4] == pytest.approx((10, 200, 90), abs=4)


def test_a_curve_goes_through_its_points() -> None:
    corners = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
    line = np.array(curve(corners, steps=8))
    assert len(line) == 32
    for corner in corners:
        assert np.hypot(*(line - corner).T).min() < 1e-9


def test_the_room_is_the_same_every_time() -> None:
    assert room().shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(room(), room())
    assert landscape().shape == (HEIGHT, WIDTH, 3)


def test_the_act_begins_and_ends_with_the_empty_room() -> None:
    assert draw(pose_at(0))[1].max() == 0
    assert draw(pose_at(SECONDS - 0.001))[1].max() == 0
    colour, matte = draw(pose_at(5.2))
    assert 0.15 < matte.mean() < 0.4
    assert 0 <= colour.min() <= colour.max() <= 255


def test_the_figure_moves_smoothly() -> None:
    before, after = draw(pose_at(5.0))[1], draw(pose_at(5.0 + 1 / demo.RATE))[1]
    assert 0 < np.abs(before - after).mean() < 0.02


def test_without_a_camera_the_demo_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "DEVICES", tmp_path)
    assert demo.main(["--output", str(tmp_path), "--camera"]) == 1
    assert "There is no camera" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_after_a_failure_the_folder_with_the_log_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang(*_arguments: object, **_options: object) -> None:
        raise TimeoutError("waited in vain for OBS")

    monkeypatch.setattr(demo, "DEVICES", tmp_path / "dev")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "video0").touch()
    monkeypatch.setattr(demo, "ObsSession", hang)
    assert demo.main(["--output", str(tmp_path / "out"), "--camera"]) == 1
    (work,) = (tmp_path / "out").iterdir()
    said = capsys.readouterr().err
    assert ("waited in vain" in said, f"log is in {work}." in said) == (True, True), said


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_output: Path, work: Path, *_arguments: object, **_options: object) -> None:
        (work / "room.mp4").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", stop)
    assert demo.main(["--output", str(tmp_path / "out")]) == 130
    assert not list((tmp_path / "out").iterdir())


def test_an_output_that_cannot_be_made_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").touch()
    assert demo.main(["--output", str(tmp_path / "out")]) == 1
    assert "Choose another output" in capsys.readouterr().err


class FakeClient:
    """obs-websocket that notes what it is asked for."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.requests.append((name, arguments))


class FakeObs:
    """An OBS whose recording is a clip that lies there already."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self.client = FakeClient()
        self.steps: list[str] = []

    def __enter__(self) -> "FakeObs":
        return self

    def __exit__(self, *_: object) -> None:
        self.steps.append("left")

    def wait_for_size(self, source: str) -> None:
        self.steps.append(f"size of {source}")

    def press_and_wait(self, hotkey: str, log_line: str) -> None:
        self.steps.append(hotkey)

    def record(self, seconds: float) -> Path:
        self.steps.append("record")
        return self.raw

    def close(self) -> None:
        self.steps.append("close")


def test_with_a_camera_obs_films_the_first_one_after_a_countdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = tmp_path / "dev"
    devices.mkdir()
    for name in ("video10", "video2", "video3", "video-bus", "null"):
        (devices / name).touch()
    obs = FakeObs(write_clip(tmp_path / "raw.mkv", [scene(number) for number in range(10)]))
    held: list[bool] = []

    def fake_sheet(_obs: FakeObs, _waits: object, *, hold: bool) -> NDArray[np.uint8]:
        held.append(hold)
        return scene(0)

    monkeypatch.setattr(demo, "DEVICES", devices)
    monkeypatch.setattr(demo, "ObsSession", lambda *_arguments, **_options: obs)
    monkeypatch.setattr(demo, "contact_sheet", fake_sheet)
    monkeypatch.setattr(demo, "SETTLE_SECONDS", 0.0)
    users = tmp_path / "out" / "work" / "thesis.txt"
    users.parent.mkdir(parents=True)
    users.write_text("of the user")
    assert demo.main(["--output", str(tmp_path / "out"), "--camera"]) == 0
    requests = dict(obs.client.requests)
    assert requests["create_input"][2:4] == ("v4l2_input", {"device_id": str(devices / "video2")})
    assert requests["create_source_filter"][3]["countdown"] == demo.COUNTDOWN
    assert obs.steps == [f"size of {CAMERA}", "cleanplate.capture", "record", "close", "left"]
    assert held == [False]  # a real camera cannot be held
    assert f"leave the picture within {demo.COUNTDOWN} s" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "contact-sheet.png",
        "recording.mp4",
        "work",
    ]
    assert users.read_text() == "of the user"


@pytest.mark.obs
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not shutil.which("obs"), reason="OBS is not installed")
def test_the_demo_leaves_a_recording_without_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    output = tmp_path / "a demo"
    assert demo.main(["--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert str(output / "recording.mp4") in said
    assert str(output / "contact-sheet.png") in said
    source = VideoSource(output / "recording.mp4")
    assert source.size == (WIDTH, HEIGHT)
    assert float(source.duration) > 9.5
    behind, before = landscape().astype(int), room().astype(int)
    # The upper left quarter holds the window, and nobody stands there.
    corner = (slice(0, HEIGHT // 2), slice(0, WIDTH // 3))
    for frame in source.frames(pytest.fail):
        assert np.abs(frame.picture[corner] - behind[corner]).mean() < 12
        assert np.abs(frame.picture[corner] - before[corner]).mean() > 40
    assert sorted(path.name for path in output.iterdir()) == ["contact-sheet.png", "recording.mp4"]
    sheet = cv2.imread(str(output / "contact-sheet.png"))
    assert sheet is not None
    assert sheet.shape == (4 * HEIGHT, 3 * WIDTH, 3)
