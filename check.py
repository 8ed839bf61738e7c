"""Checks this project, from a bare machine on: sets up what it needs, then format, lint, types and tests.

    python3 check.py               everything; sets up .venv, and OBS through apt where that is allowed
    python3 check.py --fast        without the slow tests and those that start OBS
    python3 check.py --fix         formats and mends what the linter can mend; checks nothing
    python3 check.py --obs-matrix  the OBS tests in newer releases of OBS, in chroots (root, Debian or Ubuntu)

Needs Python 3.11 to 3.13, nothing else. Exit status 0 means that all that ran passed.
"""

from __future__ import annotations  # an older Python must come as far as to be told that it is too old

import argparse
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "check-stamp"
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
EXTRAS = ("cpu", "dev", "train")
# PyPI's wheels for Linux bring gigabytes of CUDA; PyTorch's own index has "+cpu" builds, which pip prefers.
TORCH = ["torch==2.13.0", "--extra-index-url", "https://download.pytorch.org/whl/cpu", "--retries", "2"]

PLATFORMS = ("linux", "win32", "darwin")

# To run OBS on a screen that nobody sees, and to compare our declarations with its headers.
OBS_PACKAGES = ["obs-studio", "obs-plugins", "libgl1-mesa-dri", "xvfb", "openbox", "wmctrl"]
HEADER_PACKAGES = ["libobs-dev", "pkg-config", "g++"]

MATRIX = {"trixie": "OBS 30.2", "sid": "OBS 32.2"}
MATRIX_MIRROR = "http://deb.debian.org/debian"
MATRIX_PACKAGES = ["obs-studio", "obs-plugins", "libgl1", "libgl1-mesa-dri"]

HEARTBEAT_SECONDS = 15
LOG_TAIL_LINES = 40


class CheckError(Exception):
    """The checks cannot go on; the message says what to do."""


class Outcome(NamedTuple):
    """One line of the summary."""

    name: str
    seconds: float
    result: str
    failed: bool


class Report:
    """Runs the steps and remembers how each went."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def step(self, name: str, action: Callable[..., str | None], *arguments: str) -> bool:
        """Run one step.

        Args:
            name: what the step is called in the output.
            action: returns what to say about it, None for "ok"; raises CheckError where the step fails.
            arguments: what ``action`` is called with.

        Returns:
            Whether it passed.
        """
        print(f"\n== {name}", flush=True)
        start = time.monotonic()
        try:
            result, failed = action(*arguments) or "ok", False
        except CheckError as error:
            print(error, flush=True)
            result, failed = "FAILED", True
        self.outcomes.append(Outcome(name, time.monotonic() - start, result, failed))
        print(f"== {name}: {result} ({self.outcomes[-1].seconds:.1f} s)", flush=True)
        return not failed

    def skip(self, name: str, reason: str) -> None:
        """Note a step that did not run."""
        self.outcomes.append(Outcome(name, 0.0, f"skipped: {reason}", failed=False))

    def summary(self) -> int:
        """Print what passed and what did not; the exit status."""
        print("\n== Summary")
        for outcome in self.outcomes:
            print(f"{outcome.seconds:8.1f} s  {outcome.name:24} {outcome.result}")
        failed = [outcome.name for outcome in self.outcomes if outcome.failed]
        print(f"\nFAILED: {', '.join(failed)}" if failed else "\nAll checks passed.", flush=True)
        return 1 if failed else 0


def main() -> int:
    """Run what the command line asks for."""
    arguments = _parse_arguments()
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        print(f"Python {sys.version.split()[0]} will not do: start this with Python 3.11, 3.12 or 3.13.")
        return 2
    report = Report()
    if not report.step("environment", set_up_environment):
        return report.summary()
    if arguments.fix:
        # What the linter takes out leaves lines that the formatter closes up.
        report.step("ruff check --fix", tool, "ruff", "check", "--fix", ".")
        report.step("ruff format", tool, "ruff", "format", ".")
    elif arguments.obs_matrix:
        for release, version in MATRIX.items():
            report.step(f"{version} ({release})", test_in_chroot, release)
    else:
        check(report, fast=arguments.fast)
    return report.summary()


def check(report: Report, *, fast: bool) -> None:
    """Format, lint, types and tests; a failing step does not hold back the next."""
    if not fast:
        report.step("OBS Studio", set_up_obs)
    report.step("ruff format", tool, "ruff", "format", "--check", ".")
    report.step("ruff check", tool, "ruff", "check", ".")
    for system in PLATFORMS:
        report.step(f"mypy {system}", check_types, system)
    # A process for each core; the tests of one file share what is made for them.
    selection = ["-m", "not obs and not slow", "-n", "auto", "--dist", "loadfile"] if fast else []
    report.step("pytest", tool, "pytest", *selection)
    if fast:
        report.skip("OBS and slow tests", "--fast")
    elif not shutil.which("obs"):
        report.skip("OBS tests", f"OBS is not installed; it needs {' '.join(OBS_PACKAGES)}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--fast", action="store_true", help="leave out slow tests and those that start OBS")
    choice.add_argument("--fix", action="store_true", help="format, and mend what the linter can mend")
    choice.add_argument("--obs-matrix", action="store_true", help="run the OBS tests in newer OBS releases")
    return parser.parse_args()


# The private environment


def set_up_environment() -> str | None:
    """Make .venv and install the project into it, unless that has been done for just these requirements."""
    wanted = requirements_stamp()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return "up to date"
    STAMP.unlink(missing_ok=True)
    if not _venv_is_ours():
        _make_venv()
    run_quietly([_venv_python(), "-m", "pip", "install", *TORCH])
    run_quietly([_venv_python(), "-m", "pip", "install", "--editable", f".[{','.join(EXTRAS)}]"])
    STAMP.write_text(wanted, encoding="utf-8")
    return None


def requirements_stamp() -> str:
    """A text that changes with all that the environment is made from."""
    import tomllib  # noqa: PLC0415 - an older Python has none

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    described = [
        sys.version,
        TORCH,
        EXTRAS,
        project["build-system"],
        project["project"],
        project["tool"]["hatch"],
    ]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _venv_is_ours() -> bool:
    """Whether there is an environment, of this very Python."""
    described = VENV / "pyvenv.cfg"
    version = f"version = {platform.python_version()}"
    return _venv_python().exists() and version in described.read_text(encoding="utf-8").splitlines()


def _make_venv() -> None:
    try:
        run_quietly([sys.executable, "-m", "venv", "--clear", VENV])
    except CheckError:
        # Debian and Ubuntu keep a part of the standard library's venv in a package of its own.
        if not _may_use_apt():
            raise
        _apt_install(["python3-venv"])
        run_quietly([sys.executable, "-m", "venv", "--clear", VENV])


def _venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


# OBS Studio, for the tests that drive it


def set_up_obs() -> str | None:
    """Install OBS and what its tests need, where this is Debian or Ubuntu and we may."""
    if not shutil.which("dpkg-query"):
        installed = "installed" if shutil.which("obs") else "not installed: the OBS tests will be skipped"
        return f"set up on Debian and Ubuntu only; OBS is {installed}"
    missing = [package for package in OBS_PACKAGES + HEADER_PACKAGES if not _is_installed(package)]
    if not missing:
        return "up to date"
    command = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if not _may_use_apt():
        return f"may not install packages, so tests will be skipped. As root: {command}"
    _apt_install(missing)
    return None


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    answer = subprocess.run(query, check=False, capture_output=True, text=True)
    return answer.stdout == "installed"


def _may_use_apt() -> bool:
    return shutil.which("apt-get") is not None and _as_root() is not None


def _as_root() -> list[str] | None:
    """What to put before a command that needs root; None where we cannot become root unasked."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return []
    sudo = ["sudo", "--non-interactive"]
    if (
        shutil.which("sudo")
        and subprocess.run([*sudo, "true"], check=False, capture_output=True).returncode == 0
    ):
        return sudo
    return None


def _apt_install(packages: list[str], prefix: Sequence[str] = (), options: Sequence[str] = ()) -> None:
    apt = [*(_as_root() or []), *prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *options]
    run_quietly([*apt, "update"])
    run_quietly([*apt, "install", "--yes", "--no-install-recommends", *packages])


# The checks


def check_types(system: str) -> None:
    """Strict mypy over everything, as if on the system of that ``sys.platform``."""
    # With a cache for each platform none of them throws away what another has worked out.
    cache = ROOT / ".mypy_cache" / system
    tool("mypy", "--platform", system, "--cache-dir", str(cache), ".")


def tool(name: str, *arguments: str) -> None:
    """Run one of the environment's programs, its output going where ours goes."""
    program = _venv_python().with_name(name)
    run([program, *arguments])


# Newer releases of OBS


def test_in_chroot(release: str) -> None:
    """Run tests/obs on this machine's screen and Python, but with the OBS of another Debian release."""
    if _as_root() != [] or not shutil.which("unshare"):
        raise CheckError("Chroots need Linux and root: start this as root.")
    # Programs in the chroot have to find the interpreter of our environment under its own path.
    question = [str(_venv_python()), "-c", "import sys; print(sys.base_prefix)"]
    interpreter = subprocess.run(question, check=True, capture_output=True, text=True).stdout.strip()
    if interpreter == "/usr":
        raise CheckError(
            "The system's own Python cannot be shown to a chroot, which has another in its place. "
            "Start this with a Python that is installed elsewhere, such as one of pyenv."
        )
    root = _chroot(release)
    shared = dict.fromkeys(["/dev", "/proc", "/sys", tempfile.gettempdir(), str(ROOT), interpreter])
    mounts = [
        f"mkdir -p {path} && mount --rbind {source} {path}" for source, path in _mount_points(root, shared)
    ]
    tests = shlex.join([str(_venv_python()), "-m", "pytest", "tests/obs"])
    # In a mount namespace of its own: all mounts are gone with its last process, however it ends.
    run(
        ["unshare", "--mount", "sh", "-e", "-c", "\n".join([*mounts, f"exec {tests}"])],
        {"CLEANPLATE_TEST_OBS_ROOT": str(root)},
    )


def _mount_points(root: Path, folders: dict[str, None]) -> list[tuple[str, str]]:
    return [(shlex.quote(folder), shlex.quote(f"{root}{folder}")) for folder in folders]


def _chroot(release: str) -> Path:
    """The root of a system of that release with OBS in it, made at the first call."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cleanplate" / "obs-matrix"
    root, unfinished = cache / release, cache / f"{release}.part"
    if root.exists():
        return root
    if not shutil.which("debootstrap"):
        _apt_install(["debootstrap"])
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    run_quietly(["debootstrap", "--variant=minbase", release, unfinished, MATRIX_MIRROR])
    # A mirror's index of a moving release may be older than it should be; that is no harm here.
    _apt_install(MATRIX_PACKAGES, ["chroot", str(unfinished)], ["-o", "Acquire::Check-Valid-Until=false"])
    unfinished.rename(root)
    return root


# Running programs


def run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
    """Run a program in the checkout.

    Raises:
        CheckError: it cannot be started, or its exit status is not 0.
    """
    try:
        status = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, check=False
        ).returncode
    except OSError as error:
        raise CheckError(f"Cannot run {command[0]}: {error}") from error
    if status:
        raise CheckError(f"Exit status {status}: {shlex.join(map(str, command))}")


def run_quietly(command: Sequence[str | Path]) -> None:
    """Run a talkative program: a sign of life now and then, and its last lines if it fails.

    Raises:
        CheckError: as ``run``.
    """
    text = shlex.join(map(str, command))
    print(text, flush=True)
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError as error:
            raise CheckError(f"Cannot run {command[0]}: {error}") from error
        while True:
            try:
                status = process.wait(HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                print(f"   ... {time.monotonic() - start:.0f} s", flush=True)
        if status:
            log.seek(0)
            tail = log.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
            raise CheckError("\n".join([*tail, f"Exit status {status}: {text}"]))


if __name__ == "__main__":
    sys.exit(main())
