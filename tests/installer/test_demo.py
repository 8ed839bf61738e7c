import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import install
import pytest
from fake_user import ROOT, FakeLinux, FakeWindows, User


class DemoMachine(FakeLinux):
    """A machine on which some programs are installed, and apt-get may install more."""

    def __init__(self, home: Path, programs: Sequence[str], **variables: str) -> None:
        self.bin = home / "bin"
        self.bin.mkdir(parents=True)
        super().__init__(home, PATH=str(self.bin), **variables)
        for name in programs:
            self.add(name)
        self.root = False
        self.has_venv = True
        self.demo_status = 0
        self.demo_interrupted = False

    def add(self, name: str) -> None:
        (self.bin / name).write_text("#!/bin/sh\n")
        (self.bin / name).chmod(0o755)

    def is_root(self) -> bool:
        return self.root

    def run(self, command: Sequence[str], timeout: float | None = None) -> Any:
        if list(command[1:]) == ["-c", "import venv, ensurepip"]:
            return subprocess.CompletedProcess(list(command), not self.has_venv, "", "")
        return super().run(command, timeout)

    def follow(self, command: Sequence[str], say: Callable[[str], None]) -> int:
        if command[0] == "apt-get":
            self.commands.append(list(command))
            return 0
        if "cleanplate.offline.demo" in command:
            self.commands.append(list(command))
            if self.demo_interrupted:
                raise KeyboardInterrupt
            return self.demo_status
        return super().follow(command, say)


ALL = ("obs", "wmctrl", "Xvfb", "openbox", "apt-get")


def run_demo(machine: Any, tmp_path: Path, *, camera: bool = False) -> list[str]:
    source = install.find_source(ROOT / "installer")
    install.demo(machine, source, install.Options(), tmp_path / "out", camera=camera)
    last: list[str] = machine.commands[-1]
    return last


def test_the_demo_runs_in_the_environment_and_leaves_obs_alone(tmp_path: Path) -> None:
    machine = DemoMachine(tmp_path, ALL)
    collection = User(machine).add_collection()
    before = collection.read_bytes()
    command = run_demo(machine, tmp_path)
    python = str(machine.folders().environment / "bin" / "python")
    assert command == [python, "-m", "cleanplate.offline.demo", "--output", str(tmp_path / "out")]
    assert collection.read_bytes() == before
    assert not machine.folders().record_file.exists()
    assert run_demo(machine, tmp_path, camera=True)[-1] == "--camera"


def test_root_gets_the_missing_programs(tmp_path: Path) -> None:
    machine = DemoMachine(tmp_path, ["apt-get"])
    machine.root, machine.has_venv = True, False
    run_demo(machine, tmp_path)
    apt = [command for command in machine.commands if command[0] == "apt-get"]
    assert apt[0][1] == "update"
    wanted = {"obs-studio", "obs-plugins", "libgl1-mesa-dri", "wmctrl", "xvfb", "openbox", "python3-venv"}
    assert set(apt[1][apt[1].index("--no-install-recommends") + 1 :]) == wanted


def test_a_user_is_told_the_command(tmp_path: Path) -> None:
    machine = DemoMachine(tmp_path, ["apt-get", "obs"])
    with pytest.raises(install.InstallError, match=r"sudo apt-get install .* wmctrl xvfb openbox"):
        run_demo(machine, tmp_path)


def test_with_a_screen_no_other_is_needed(tmp_path: Path) -> None:
    machine = DemoMachine(tmp_path, ["obs", "wmctrl"], DISPLAY=":0")
    run_demo(machine, tmp_path)
    assert not any(command[0] == "apt-get" for command in machine.commands)


def test_without_apt_the_packages_are_named(tmp_path: Path) -> None:
    with pytest.raises(install.InstallError, match="with your package manager"):
        run_demo(DemoMachine(tmp_path, ["obs"]), tmp_path)


def test_a_failing_demo_is_an_error(tmp_path: Path) -> None:
    machine = DemoMachine(tmp_path, ALL)
    machine.demo_status = 1
    with pytest.raises(install.InstallError, match="did not run to its end"):
        run_demo(machine, tmp_path)


def test_stopping_the_demo_keeps_what_was_installed(tmp_path: Path) -> None:
    machine = DemoMachine(tmp_path, ALL)
    machine.demo_interrupted = True
    with pytest.raises(install.Stopped, match="What is installed stays"):
        run_demo(machine, tmp_path)
    assert machine.folders().environment.is_dir()


@pytest.mark.parametrize("root", [False, True])
def test_a_dry_run_of_the_demo_only_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], root: bool
) -> None:
    machine = DemoMachine(tmp_path, ["apt-get"])
    machine.root = root
    source, options = install.find_source(ROOT / "installer"), install.Options(dry_run=True)
    for has_venv in (True, False):
        machine.has_venv = has_venv
        install.demo(machine, source, options, tmp_path / "out", camera=False)
    said = capsys.readouterr().out
    assert "wmctrl, xvfb, openbox" in said
    assert str(machine.folders().environment) in said
    assert str(tmp_path / "out") in said
    assert "once python3-venv is installed" in said
    assert not any(command[0] == "apt-get" for command in machine.commands)
    assert not machine.folders().data.exists()


def test_the_demo_is_for_linux(tmp_path: Path) -> None:
    with pytest.raises(install.InstallError, match="on Linux"):
        run_demo(FakeWindows(tmp_path), tmp_path)


def copy_project(target: Path) -> None:
    """A state of the source that nobody edits meanwhile."""
    for name in ("core", "installer", "models", "obs_script"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_installation_works(tmp_path: Path) -> None:
    """With the real pip, package index and OBS: takes a few minutes."""
    home, checkout = tmp_path / "ein Heim", tmp_path / "a checkout"
    home.mkdir()
    copy_project(checkout)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XDG_"))}
    variables["HOME"] = str(home)
    variables.pop("DISPLAY", None)

    def run_installer(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "installer/install.py", *arguments]
        return subprocess.run(
            command, cwd=checkout, check=False, capture_output=True, text=True, env=variables
        )

    result = run_installer("--provider", "cpu")
    assert result.returncode == 0, result.stdout + result.stderr
    data = home / ".local" / "share" / "cleanplate"
    command = [str(data / "env" / "bin" / "cleanplate"), "doctor"]
    report = subprocess.run(command, check=False, capture_output=True, text=True, env=variables)
    assert report.returncode == 0, report.stdout + report.stderr
    assert str(data / "models") in report.stdout
    assert (data / "obs_script" / "cleanplate" / "wire" / "protocol.py").is_file()
    again = run_installer("--provider", "cpu")
    assert again.stdout.count("up to date") == 2, again.stdout
    if shutil.which("obs"):  # else it would install one
        shown = run_installer("--demo")
        assert shown.returncode == 0, shown.stdout + shown.stderr
        for name in ("recording.mp4", "contact-sheet.png"):
            assert str(checkout / "cleanplate-demo" / name) in shown.stdout
            assert (checkout / "cleanplate-demo" / name).is_file()
    assert run_installer("--uninstall", "--purge").returncode == 0
    assert [path for path in home.rglob("*cleanplate*") if ".cache" not in path.parts] == []
