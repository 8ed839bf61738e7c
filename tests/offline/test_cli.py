"""The command line as a user types it, in a process of its own where signals and exit codes matter."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import HEIGHT, WIDTH, room, scene, sound_samples, video_times, write_clip
from numpy.typing import NDArray
from obsws_python.error import OBSSDKRequestError
from typer.testing import CliRunner

from cleanplate.engine import providers
from cleanplate.offline import cli, convert, doctor
from cleanplate.studio import bench, session

CORE = Path(cli.__file__).parents[2]


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "in.mp4", [scene(n) for n in range(20)], sound="aac")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "empty.png"), room())
    return tmp_path / "empty.png"


def test_a_video_becomes_a_video(tmp_path: Path, clip: Path, empty: Path) -> None:
    target = tmp_path / "out.mp4"
    status, said = run(
        "matte", clip, "--samples", empty, "--model", "difference", "--background", "blur", "-o", target
    )
    assert (status, "20 frames" in said) == (0, True), said
    assert video_times(target) == video_times(clip)
    assert sound_samples(target)[0] == "aac"


def test_without_a_background_an_opaque_video_becomes_green(tmp_path: Path, clip: Path, empty: Path) -> None:
    status, said = run("matte", clip, "--samples", empty, "--model", "difference", "-o", tmp_path / "out.mp4")
    assert (status, "green (#00b140)" in said) == (0, True), said


def test_the_scene_is_estimated_where_no_samples_are_given(tmp_path: Path, clip: Path) -> None:
    status, said = run("matte", clip, "--model", "difference", "-o", tmp_path / "out.mov")
    assert (status, "is estimated" in said) == (0, True), said


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_folder_of_pictures_becomes_mattes_of_the_same_names_and_sizes(
    tmp_path: Path, empty: Path, ending: str
) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"shot {number}{ending}"), scene(number))
    target = tmp_path / "mattes"
    status, said = run(
        "matte", folder, "--samples", empty, "--model", "difference", "--alpha-only", "-o", target
    )
    assert status == 0, said
    for number in range(3):
        matte = cv2.imread(str(target / f"shot {number}.png"), cv2.IMREAD_UNCHANGED)
        assert matte is not None
        assert matte.shape == (HEIGHT, WIDTH)
    assert len(list(target.iterdir())) == 3


def test_one_picture_becomes_one_picture(tmp_path: Path, empty: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), scene(0))
    target = tmp_path / "b.png"
    status, said = run("matte", tmp_path / "a.jpg", "--samples", empty, "--model", "difference", "-o", target)
    assert status == 0, said
    picture = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (HEIGHT, WIDTH, 4)
    red = scene(0)[..., 2] == 220
    assert picture[..., 3][red].mean() > 200
    assert picture[..., 3][~red].mean() < 30


def test_a_video_becomes_a_folder_of_pictures(tmp_path: Path, clip: Path, empty: Path) -> None:
    target = tmp_path / "frames"
    status, said = run("matte", clip, "--samples", empty, "--model", "difference", "-o", target)
    assert status == 0, said
    names = sorted(path.name for path in target.iterdir())
    assert (names[:2], names[-1]) == (["000001.png", "000002.png"], "frames.ffconcat")


def test_a_folder_may_have_a_dot_in_its_name(tmp_path: Path, clip: Path, empty: Path) -> None:
    (tmp_path / "old.v1").mkdir()
    for target in ("new.v2/", "film.mp4/", "old.v1"):
        status, said = run(
            "matte", clip, "--samples", empty, "--model", "difference", "-o", f"{tmp_path}/{target}"
        )
        assert status == 0, said
        assert (tmp_path / target / "000001.png").is_file()


def test_a_folder_of_pictures_keeps_a_films_times(tmp_path: Path, empty: Path) -> None:
    times = [0, 512, 1024, 4096, 4200, 9000, 9512]
    film = write_clip(tmp_path / "it's uneven.mp4", [scene(n) for n in range(7)], times)
    target = tmp_path / "frames"
    assert run("matte", film, "--samples", empty, "--model", "difference", "-o", target)[0] == 0
    with av.open(str(target / "frames.ffconcat"), options={"safe": "0"}) as frames:
        read = [frame.time for frame in frames.decode(video=0)]
    assert read == pytest.approx([float(time) for time in video_times(film)], abs=0.001)


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("in.mp4", "in.mp4"),
        ("in.mp4", "link.mp4"),
        ("shots/a.png", "shots/a.png"),
        ("shots/a.png", "shots"),
        ("shots", "shots"),
    ],
)
def test_the_input_is_not_replaced(
    tmp_path: Path, clip: Path, empty: Path, monkeypatch: pytest.MonkeyPatch, given: str, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link.mp4").symlink_to(clip)
    Path("shots").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(f"shots/{name}", scene(0))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    status, said = run("matte", given, "--samples", empty, "--model", "difference", "-o", target)
    assert (status, "is an input itself. Choose another name" in said) == (1, True), said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("in.mp4", "film.mp4"),
        ("in.mp4", "room.mp4"),
        ("in.mp4", "samples"),
        ("shot.jpg", "empty.png"),
        ("shot.jpg", "samples/sample0.png"),
        ("shot.jpg", "wall.png"),
    ],
)
def test_samples_and_background_are_not_replaced(
    tmp_path: Path, clip: Path, empty: Path, monkeypatch: pytest.MonkeyPatch, given: str, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(Path("film.mp4"), [room()] * 3)
    Path("room.mp4").symlink_to("film.mp4")
    Path("samples").mkdir()
    for name in ("samples/sample0.png", "samples/000002.png", "wall.png", "shot.jpg"):
        cv2.imwrite(name, room())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    status, said = run(
        "matte", given, "--samples", empty, "--samples", "samples", "--samples", "film.mp4",
        "--background", "wall.png", "--model", "difference", "-o", target,
    )  # fmt: skip
    assert (status, "is an input itself. Choose another name" in said) == (1, True), said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_the_pictures_of_two_films_are_not_mixed(tmp_path: Path, clip: Path, empty: Path) -> None:
    target = tmp_path / "frames"
    common = ("matte", clip, "--samples", empty, "--model", "difference", "-o", target)
    assert run(*common)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    status, said = run(*common)
    assert (status, "holds the pictures of an earlier film" in said) == (1, True), said
    assert {path: path.stat().st_mtime_ns for path in target.iterdir()} == before


def test_pictures_may_get_their_cutouts_beside_them(tmp_path: Path, empty: Path) -> None:
    (tmp_path / "shots").mkdir()
    cv2.imwrite(str(tmp_path / "shots" / "a.jpg"), scene(0))
    shots = tmp_path / "shots"
    assert run("matte", shots, "--samples", empty, "--model", "difference", "-o", shots)[0] == 0
    assert sorted(path.name for path in shots.iterdir()) == ["a.jpg", "a.png"]


def test_a_failure_leaves_no_folder(tmp_path: Path, clip: Path) -> None:
    status, said = run("matte", clip, "--model", "unheard-of", "-o", tmp_path / "a" / "new")
    assert (status, "no model named" in said) == (1, True), said
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["12:30:00", "film [1] [bold] :cat:"])
def test_any_name_of_a_film_is_taken_and_told(
    tmp_path: Path, clip: Path, empty: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    clip.rename(f"{name}.mp4")
    Path(name).mkdir()
    target = f"{name}/{name}.mp4"
    status, said = run("matte", f"{name}.mp4", "--samples", empty, "--model", "difference", "-o", target)
    assert (status, f"{target}: 20 frames" in said) == (0, True), said
    status, said = run("matte", f"{name}.mp4", "--samples", empty, "-o", f"{name}.mp4")
    assert (status, f"{name}.mp4 is an input itself" in said) == (1, True), said


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("folder.mp4", "is a folder. Choose another name"),
        ("empty.png/out.mp4", "Nothing can be written in"),
        ("empty.png/a/out", "Nothing can be written in"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, clip: Path, empty: Path, target: str, message: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    before = set(tmp_path.rglob("*"))
    status, said = run("matte", clip, "--samples", empty, "--model", "unheard-of", "-o", tmp_path / target)
    assert (status, message in said) == (1, True), said
    assert set(tmp_path.rglob("*")) == before


def test_a_sequence_becomes_a_video(tmp_path: Path, empty: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(5):
        cv2.imwrite(str(folder / f"{number}.png"), scene(number))
    common = ("matte", folder, "--samples", empty, "--model", "difference", "-o", tmp_path / "out.mov")
    status, said = run(*common)
    assert (status, "Add --sequence" in said) == (1, True), said
    status, said = run(*common, "--sequence", "--fps", "25")
    assert status == 0, said
    assert [float(time) for time in video_times(tmp_path / "out.mov")] == pytest.approx(
        [0, 0.04, 0.08, 0.12, 0.16]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4", "-o", "out.mp4"], "missing.mp4 does not exist"),
        (["in.mp4", "-o", "out.avi", "--samples", "empty.png"], "out.avi can hold one picture"),
        (["in.mp4", "-o", "out.mp4", "--background", "transparent"], "cannot be transparent"),
        (["in.mp4", "-o", "out.mp4", "--background", "mauve"], "is no file"),
        (["in.mp4", "-o", "out.mp4", "--model", "unheard-of"], "no model named unheard-of"),
        (["in.mp4", "-o", "out.mp4", "--provider", "abacus", "--model", "difference"], None),
        (["empty.png", "-o", "out.png", "--model", "difference"], "--samples"),
        (["in.mp4", "empty.png", "-o", "out"], "at a time"),
        (["notes.txt", "-o", "out.mp4"], "cannot be read"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path,
    clip: Path,
    empty: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("not a video")
    before = set(tmp_path.iterdir())
    status, said = run("matte", *arguments)
    if message is None:  # the weight-free engine runs on the CPU alone, whatever is asked for
        assert status == 0, said
        return
    assert (status, message in said) == (1, True), said
    assert set(tmp_path.iterdir()) == before


def test_a_wrong_option_has_a_status_of_its_own() -> None:
    assert run("matte", "--no-such-option")[0] == 2


def test_background_samples_are_captured_from_a_video(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = [np.clip(room() + rng.normal(0, 8, room().shape), 0, 255).astype(np.uint8) for _ in range(60)]
    film = write_clip(tmp_path / "empty.mp4", noisy)
    status, said = run("capture", tmp_path / "samples", "--video", film, "--count", "4")
    assert status == 0, said
    paths = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in paths] == [f"sample{number}.png" for number in range(4)]
    sample = cv2.imread(str(paths[0]))
    assert sample is not None
    assert np.abs(sample.astype(int) - room()).mean() < np.abs(noisy[0].astype(int) - room()).mean() / 2


def test_too_short_a_video_gives_no_samples(tmp_path: Path, clip: Path) -> None:
    status, said = run("capture", tmp_path / "samples", "--video", clip, "--begin", "0.6")
    assert (status, "Take fewer, or begin earlier" in said) == (1, True), said
    assert not (tmp_path / "samples").exists()


def test_samples_of_two_captures_are_not_mixed(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "empty.mp4", [room()] * 60)
    samples = tmp_path / "samples"
    assert run("capture", samples, "--video", film, "--count", "4")[0] == 0
    before = {path: path.read_bytes() for path in samples.iterdir()}
    status, said = run("capture", samples, "--video", film, "--count", "2")
    assert (status, "sample0.png is of an earlier capture. Choose another folder" in said) == (1, True), said
    assert {path: path.read_bytes() for path in samples.iterdir()} == before


def test_a_file_is_no_folder_for_samples(tmp_path: Path, clip: Path) -> None:
    status, said = run("capture", clip, "--video", clip)
    assert (status, "cannot be made" in said) == (1, True), said


class FakeCamera:
    """A camera with two sizes, which gives 640x480 unless a larger one is asked for, as OpenCV has them."""

    def __init__(self, number: int) -> None:
        self._asked: dict[int, float] = {}

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, what: int, value: float) -> bool:
        self._asked[what] = value
        return True

    def get(self, what: int) -> float:
        assert what == cv2.CAP_PROP_FPS
        return 5

    def read(self) -> tuple[bool, NDArray[np.uint8]]:
        wide = self._asked.get(cv2.CAP_PROP_FRAME_WIDTH, 0) > 1000
        return True, room(1280, 720) if wide else room(640, 480)

    def release(self) -> None:
        pass


def test_a_camera_is_asked_for_pictures_of_a_films_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    status, said = run("capture", tmp_path / "samples", "--countdown", "0")
    assert (status, said.count("1280x720 sample taken")) == (0, 8), said
    sample = cv2.imread(str(tmp_path / "samples" / "sample0.png"))
    assert sample is not None
    assert sample.shape == (720, 1280, 3)


def test_a_missing_camera_is_explained(tmp_path: Path) -> None:
    status, said = run("capture", tmp_path / "samples", "--camera", "99", "--countdown", "0")
    assert (status, "Camera 99 cannot be opened" in said) == (1, True), said


@pytest.mark.slow
def test_doctor_tells_versions_paths_and_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "BENCHMARK_SECONDS", 0.1)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    status, said = run("doctor")
    assert status == 1  # not installed
    for text in (
        "Python",
        "ONNX Runtime",
        f"{tmp_path}/cleanplate/install.json is missing",
        "difference",
        "ms per frame",
    ):
        assert text in said
    (tmp_path / "cleanplate").mkdir()
    record = f'{{"version": "0.1.0", "python": "{sys.executable}", "models": []}}'
    (tmp_path / "cleanplate" / "install.json").write_text(record)
    status, said = run("doctor")
    assert (status, "version 0.1.0" in said) == (0, True), said


@pytest.fixture
def broken_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime is installed, but a library that it needs is not."""

    def fail() -> None:
        raise ImportError("DLL load failed while importing onnxruntime_pybind11_state")

    monkeypatch.setattr(providers, "load_onnxruntime", fail)


def test_doctor_explains_a_runtime_and_an_obs_that_do_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_runtime: None
) -> None:
    monkeypatch.setattr(doctor, "BENCHMARK_SECONDS", 0.0)
    monkeypatch.setattr(doctor, "OBS_SECONDS", 0.2)
    (tmp_path / "obs").write_text("#!/bin/sh\nexec sleep 10\n")
    (tmp_path / "obs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    status, said = run("doctor")
    assert status == 1
    assert "DLL load failed while importing onnxruntime_pybind11_state). Run the installer again" in said
    assert "OBS Studio does not tell its version" in said
    (tmp_path / "obs").write_text("no program")
    assert "OBS Studio does not tell its version" in run("doctor")[1]


def test_a_broken_runtime_is_explained(tmp_path: Path, clip: Path, empty: Path, broken_runtime: None) -> None:
    status, said = run("matte", clip, "--samples", empty, "-o", tmp_path / "out.mp4")
    assert (status, "ONNX Runtime cannot be loaded (DLL load failed" in said) == (1, True), said


def test_why_it_runs_on_the_cpu_is_told(tmp_path: Path, clip: Path, empty: Path) -> None:
    common = ("matte", clip, "--samples", empty, "--model", "cleanplate-fast", "-o", tmp_path / "out.mp4")
    status, said = run(*common, "--provider", "openvino")
    assert (status, "not on OpenVINO: not in this ONNX Runtime build" in said) == (0, True), said
    assert "not on" not in run(*common, "--provider", "cpu")[1]


@pytest.mark.slow
def test_bench_measures_models_and_rivals(tmp_path: Path) -> None:
    status, said = run("bench", "engine", "--seconds", "0.1")
    assert status == 0, said
    assert "difference" in said
    assert "frames/s" in said
    (tmp_path / "rival.onnx").write_text("no network")
    status, said = run("bench", "engine", "--seconds", "0", "--rival", tmp_path / "rival.onnx")
    assert (status, "cannot be loaded" in said) == (1, True), said


def test_bench_obs_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, said = run("bench", "obs", tmp_path / "out")
    assert (status, "These programs are missing: obs" in said) == (1, True), said
    assert not (tmp_path / "out").exists()


def measure_nothing(folder: Path, *_: object, **__: object) -> bench.Figures:
    (folder / "sheet.png").touch()
    return bench.Figures(sheet=folder / "sheet.png")


def test_each_run_of_bench_obs_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "missing_programs", list)
    monkeypatch.setattr(bench, "drawn_clips", lambda folder: bench.Clips(folder, folder))
    monkeypatch.setattr(bench, "measure", measure_nothing)
    monkeypatch.setattr(cli, "ENGINE_SECONDS", 0.0)
    for _ in range(2):
        status, said = run("bench", "obs", tmp_path / "out")
        assert status == 0, said
    sheets = [path.relative_to(tmp_path / "out") for path in tmp_path.rglob("sheet.png")]
    assert len({sheet.parent for sheet in sheets}) == 2
    assert all(len(sheet.parts) == 2 for sheet in sheets)


@pytest.mark.parametrize(
    "error",
    [
        OBSSDKRequestError("CreateInput", 601, "A source already exists by that input name."),
        ValueError("OBS' log has no profile"),
        ConnectionResetError("OBS is gone"),
    ],
)
def test_bench_obs_explains_what_obs_did_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(session, "missing_programs", list)
    monkeypatch.setattr(bench, "drawn_clips", lambda folder: bench.Clips(folder, folder))
    monkeypatch.setattr(bench, "measure", fail)
    status, said = run("bench", "obs", tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    assert (status, str(error) in said, f"logs in {folder}." in said) == (1, True, True), said


def test_the_commands_that_make_networks_are_shown_without_loading_their_libraries() -> None:
    status, said = run("--help")
    assert status == 0
    for name in ("data", "train", "prune", "compare", "export", "evaluate"):
        assert f" {name} " in said
    heavy = "{'torch', 'lightning', 'onnx', 'onnxruntime', 'pymatting', 'matplotlib'}"
    program = f"import sys, cleanplate.offline.cli; print({heavy} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert loaded.strip() == "set()"


@pytest.mark.parametrize(
    ("library", "extra", "arguments"),
    [
        ("torch", "train", ["train", "fast.toml", "--cache", "cache"]),
        ("torch", "train", ["prune", "prune.toml", "last.ckpt", "--cache", "cache"]),
        ("pymatting", "train", ["data", "pack", "cache"]),
        ("psutil", "studio", ["bench", "obs", "out"]),
        ("obsws_python", "studio", ["bench", "obs", "out"]),
    ],
)
def test_a_missing_library_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    library: str,
    extra: str,
    arguments: list[str],
) -> None:
    for name in list(sys.modules):
        if name.startswith(("cleanplate.data.", "cleanplate.studio")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(sys, "argv", ["cleanplate", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = " ".join(capsys.readouterr().err.split())
    assert (end.value.code, f"needs {library}" in said, f"'.[cpu,{extra}]'" in said) == (1, True, True), said


def test_ctrl_c_before_the_first_frame_is_not_told_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path, empty: Path
) -> None:
    def interrupted(*arguments: Any, stop: Event, **options: Any) -> int:
        stop.set()
        return convert.convert(*arguments, stop=stop, **options)

    monkeypatch.setattr(cli, "convert", interrupted)
    target = tmp_path / "new" / "out.mp4"
    status, said = run("matte", clip, "--samples", empty, "--model", "difference", "-o", target)
    assert (status, "Stopped. Nothing was written." in said) == (130, True), said
    assert not target.parent.exists()


@pytest.mark.slow
def test_ctrl_c_leaves_a_playable_file(tmp_path: Path, empty: Path) -> None:
    film = write_clip(tmp_path / "in.mp4", [scene(n) for n in range(1200)], sound="aac")
    target = tmp_path / "out.mp4"
    command = [
        sys.executable, "-m", "cleanplate.offline.cli", "matte", str(film), "--samples", str(empty),
        "--model", "difference", "-o", str(target),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(CORE)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    partial = tmp_path / ".out.partial.mp4"
    deadline = time.monotonic() + 60
    while not partial.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Stopped" in said
    times = video_times(target)
    assert 10 < len(times) < 1200
    assert times == video_times(film)[: len(times)]
    assert not partial.exists()
