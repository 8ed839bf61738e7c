"""check.py: a failure is never lost, and the environment is made anew when its requirements change."""

import importlib.util
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
