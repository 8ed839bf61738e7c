"""check.py: a failure is never lost, and the environment is made anew when its requirements change."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """check.py as a module, with a checkout of its own."""
    spec = importlib.util.spec_from_file_location("check", ROOT / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_a_failing_step_does_not_hold_back_the_next(
    check: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check.Report()
    assert not report.step("first", check.run, [sys.executable, "-c", "raise SystemExit(3)"])
    assert report.step("second", check.run, [sys.executable, "-c", "pass"])
    assert report.summary() == 1
    assert "FAILED: first" in capsys.readouterr().out


def test_all_well(check: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    report = check.Report()
    report.step("only", lambda: None)
    report.skip("OBS tests", "no OBS")
    assert report.summary() == 0
    output = capsys.readouterr().out
    assert "All checks passed." in output
    assert "skipped: no OBS" in output


def test_a_program_that_is_missing_fails_its_step(check: ModuleType) -> None:
    report = check.Report()
    report.step("missing", check.run, ["/nonexistent/program"])
    assert report.summary() == 1


def test_a_quiet_program_tells_its_last_words_when_it_fails(check: ModuleType) -> None:
    with pytest.raises(check.CheckError, match="no disk") as failure:
        check.run_quietly([sys.executable, "-c", "print('no disk'); raise SystemExit(1)"])
    assert "Exit status 1" in str(failure.value)


def test_the_stamp_follows_the_requirements(check: ModuleType) -> None:
    before = check.requirements_stamp()
    assert check.requirements_stamp() == before
    project = check.ROOT / "pyproject.toml"
    project.write_text(
        project.read_text(encoding="utf-8").replace('"numpy>=2"', '"numpy>=2.1"'), encoding="utf-8"
    )
    assert check.requirements_stamp() != before


def test_continuous_integration_runs_the_same_checks() -> None:
    assert "python3 check.py" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.fixture
def checkout(check: ModuleType, tmp_path: Path) -> Path:
    """A very small project with an environment that counts as set up; its tools are ours."""
    shutil.copy(ROOT / "check.py", tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "ruff", "mypy", "pytest"):
        (programs / name).symlink_to(Path(sys.executable).with_name(name))
    (tmp_path / ".venv" / "check-stamp").write_text(check.requirements_stamp(), encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(
        "import pytest\n\n\n"
        "def test_quick() -> None:\n    pass\n\n\n"
        "@pytest.mark.slow\ndef test_slow() -> None:\n    pass\n",
        encoding="utf-8",
    )
    return tmp_path


def run_check(checkout: Path, *options: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run the checkout's check.py; neither apt nor OBS is to be found on the PATH."""
    variables = {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(checkout / "cache")}
    return subprocess.run(
        [sys.executable, "check.py", *options], cwd=checkout, env=variables, check=False,
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="links to programs need rights on Windows")
def test_everything_and_the_fast_checks_are_run(checkout: Path) -> None:
    everything = run_check(checkout)
    assert everything.returncode == 0, everything.stdout + everything.stderr
    assert "2 passed" in everything.stdout
    assert all(f"mypy {system}" in everything.stdout for system in ("linux", "win32", "darwin"))
    assert "skipped: OBS is not installed" in everything.stdout

    (checkout / "wrong.py").write_text('"""Wrong."""\n\nNUMBER: int = "one"\n', encoding="utf-8")
    fast = run_check(checkout, "--fast")
    assert fast.returncode == 1
    assert "1 passed" in fast.stdout
    assert "FAILED: mypy linux, mypy win32, mypy darwin" in fast.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="links to programs need rights on Windows")
def test_what_can_be_mended_is_mended(checkout: Path) -> None:
    wrong = checkout / "wrong.py"
    wrong.write_text('"""Wrong."""\nimport sys\nX=1\n', encoding="utf-8")
    mended = run_check(checkout, "--fix")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert wrong.read_text(encoding="utf-8") == '"""Wrong."""\n\nX = 1\n'


def test_the_obs_matrix_makes_a_system_for_each_release_and_tests_in_it(checkout: Path) -> None:
    as_root = getattr(os, "geteuid", lambda: None)() == 0
    if not as_root or sys.base_prefix == "/usr":
        pytest.skip("needs root, and a Python that is not the system's own")
    programs, log = checkout / "programs", checkout / "log"
    programs.mkdir()
    for name in ("debootstrap", "chroot", "unshare"):  # stand-ins: the real ones take minutes and a network
        program = programs / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\n', encoding="utf-8")
        program.chmod(0o755)
    result = run_check(checkout, "--obs-matrix", path=f"{programs}:/usr/bin:/bin")
    assert result.returncode == 0, result.stdout + result.stderr
    said = log.read_text(encoding="utf-8")
    for release in ("trixie", "sid"):
        assert f"{release}.part http://deb.debian.org/debian" in said
        assert f"mount --rbind {checkout} " in said
    assert said.count("-m pytest tests/obs") == 2
