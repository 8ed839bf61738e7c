#!/usr/bin/env python3
"""Installs Clean Plate for OBS, for the user who runs it; administrator's rights are neither needed nor used.

    python3 installer/install.py               install, or bring an installation up to date and mend it
    python3 installer/install.py --dry-run     say what would be done
    python3 installer/install.py --uninstall   remove everything but the captured backgrounds
    python3 installer/install.py --demo        see it at work, in an OBS of its own

On Windows type py in place of python3, which opens the Microsoft Store there.

It runs from a checkout, from an unpacked archive of one, or beside a wheel (cleanplate-*.whl).

Steps; where one fails, what it and those before it changed is put back:

    1 check the system     OBS and the Python it uses, processor, graphics driver, disk space
    2 make an environment  a private Python environment in the user's data folder
    3 install packages     the worker, and the ONNX Runtime that suits the graphics card, into it
    4 place the script     what OBS loads, and the networks, beside it; networks that the user added stay
    5 write the record     tells the script which Python runs the worker
    6 add to OBS           the script in each scene collection, if OBS is closed; the former state is kept
    7 give OBS a Python    Windows and macOS only: names a Python in OBS' settings if there is none

What it writes (uninstalling removes it; the captured backgrounds, in OBS' own folder, and the filters on
sources only with --purge):

                Linux                                 Windows          macOS
    data        $XDG_DATA_HOME or ~/.local/share      %LOCALAPPDATA%   ~/Library/Application Support
    record      $XDG_CONFIG_HOME or ~/.config         %APPDATA%        ~/Library/Application Support

each in a folder `cleanplate`: env/, obs_script/, models/ and install.json; and, beside each scene
collection that it changes, a copy NAME.json.before-cleanplate.

Needs Python 3.9 to run, and Python 3.11 to 3.13 on the machine for the worker. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import io
import json
import os
import platform
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path, PureWindowsPath
from typing import Any, Callable, Iterator, NamedTuple, Sequence, Tuple

NAME = "cleanplate"
SCRIPT = "cleanplate_filter.py"
FILTER_TYPE = "cleanplate_filter"
BACKUP_ENDING = ".before-cleanplate"
MARKER = "cleanplate-environment.json"

WORKER_PYTHONS = ((3, 13), (3, 12), (3, 11))
"""For the worker's environment, the best first."""

OLDEST_SCRIPT_PYTHON = (3, 9)
"""That OBS may run the script with."""

OLDEST_OBS = (28, 0)
CUDA_DRIVER = 580
"""Oldest NVIDIA driver for the CUDA libraries of requirements-cuda.txt."""

CUDA_MACHINES = ("x86_64", "amd64")
"""Processors for which PyPI has the ONNX Runtime for CUDA, as Linux and Windows call them."""

GIB = 1 << 30
DISK_NEEDED = {"cpu": GIB, "cuda": 7 * GIB, "directml": GIB}
"""Bytes, with room for what is unpacked meanwhile; the finished environments take about 0.5 and 4 GiB."""

SMALL_FILES = 16 << 20
"""Bytes for the script, the record and changed scene collections, where the environment is up to date."""

PROVIDERS = ("auto", "cpu", "cuda", "directml")
QUESTION_SECONDS = 30
"""How long a program may take that only tells its version."""

Version = Tuple[int, ...]


class InstallError(Exception):
    """The installation cannot go on; the message says why and what to do."""


class RestoreError(InstallError):
    """What a failed installation had changed could not be put back."""


class Stopped(KeyboardInterrupt):
    """The user pressed Ctrl-C; the message says what state that leaves."""


# The system: everything that differs between operating systems, or that a test must not touch


class Folders(NamedTuple):
    """Where things go; each may not exist yet."""

    data: Path
    record: Path
    logs: Path
    obs: Path

    @property
    def environment(self) -> Path:
        """The worker's private Python environment."""
        return self.data / "env"

    @property
    def script(self) -> Path:
        """What OBS loads."""
        return self.data / "obs_script"

    @property
    def models(self) -> Path:
        """The networks."""
        return self.data / "models"

    @property
    def record_file(self) -> Path:
        """Read by the script; see `cleanplate.wire.paths`."""
        return self.record / "install.json"


class Obs(NamedTuple):
    """An OBS Studio on this machine."""

    version: Version
    where: str


class System(ABC):
    """An operating system. The base class asks the real one; tests stand in for it."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self.variables = dict(os.environ) if environment is None else environment
        self.variables["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime reports to Microsoft by default
        for variable in ("PYTHONPATH", "PYTHONHOME"):  # pip would see what the worker cannot
            self.variables.pop(variable, None)
        self.home = Path(self.variables.get("HOME") or self.variables.get("USERPROFILE") or Path.home())

    # What each system does its own way

    @abstractmethod
    def folders(self) -> Folders:
        """Where things go."""

    @abstractmethod
    def find_obs(self) -> Obs | None:
        """The installed OBS."""

    @abstractmethod
    def obs_is_running(self) -> bool:
        """Whether an OBS of this user runs, with the settings in `folders().obs`."""

    @abstractmethod
    def how_to_get_obs(self) -> str:
        """A sentence."""

    @abstractmethod
    def how_to_get_python(self) -> str:
        """A sentence."""

    def packaged_obs(self) -> str | None:
        """Why the installed OBS cannot load the script, where its packaging keeps it from it."""
        return None

    def environment_python(self, environment: Path) -> Path:
        """The Python of an environment."""
        return environment / "bin" / "python"

    def python_candidates(self) -> Iterator[list[str]]:
        """Commands that may start a Python for the worker, this one first."""
        yield [sys.executable]
        for major, minor in WORKER_PYTHONS:
            yield [f"python{major}.{minor}"]

    TERMINAL = "a terminal"

    def typed(self, program: Path) -> str:
        """How a program is started from `TERMINAL`."""
        return shlex.quote(str(program))

    def cure_for(self, complaint: str) -> str:  # noqa: ARG002 - for those that know some
        """What to do about packages that cannot be imported; a sentence."""
        return "Please report this."

    def obs_python(self) -> str | None:
        """What is known of the Python that OBS was built with, where it cannot be chosen."""
        return None

    def python_for_obs(self, newest: Version) -> str | None:  # noqa: ARG002 - for those that have one
        """What OBS' setting should name, where OBS has one: a folder with a Python up to that version."""
        return None

    @property
    def obs_asks_for_python(self) -> bool:
        """Whether OBS needs to be told where Python is."""
        return False

    # What all do alike

    def run(self, command: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program and return what it wrote; a missing one has status 127."""
        try:
            return subprocess.run(
                command, check=False, capture_output=True, text=True, errors="replace", timeout=timeout,
                env=self.variables, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(list(command), 127, "", str(error))

    def follow(self, command: Sequence[str], say: Callable[[str], None]) -> int:
        """Run a program for long, passing on each line that it writes; its status.

        Raises:
            KeyboardInterrupt: the user stopped it, and it has ended.
        """
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=self.variables, stdin=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    say(line.rstrip())
            except KeyboardInterrupt:
                # The terminal has stopped the program, too: what it still tidies up, nobody else may touch.
                process.communicate()
                raise
        return process.returncode

    def is_root(self) -> bool:
        """Whether this user may install packages."""
        return sys.platform != "win32" and os.geteuid() == 0

    def free_bytes(self, folder: Path) -> int:
        """Free space where a folder is, or will be."""
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        return shutil.disk_usage(existing).free

    def processor_lacks(self) -> str | None:
        """What the processor lacks for ONNX Runtime to be fast."""
        return None

    def nvidia_driver(self) -> int | None:
        """Major version of the NVIDIA driver, None where none answers."""
        answer = self.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], QUESTION_SECONDS
        )
        found = re.match(r"(\d+)\.", answer.stdout)
        return int(found.group(1)) if answer.returncode == 0 and found else None

    def default_provider(self) -> tuple[str, str]:
        """Which ONNX Runtime suits this machine, and why."""
        driver = self.nvidia_driver()
        if driver is not None and platform.machine().lower() not in CUDA_MACHINES:
            return "cpu", f"there is no ONNX Runtime for CUDA on {platform.machine()}"
        if driver is not None and driver >= CUDA_DRIVER:
            return "cuda", f"NVIDIA driver {driver}"
        if driver is not None:
            return "cpu", (
                f"the NVIDIA driver is {driver}; for CUDA update it to {CUDA_DRIVER} or newer, then run this "
                "with --provider cuda"
            )
        return "cpu", "no NVIDIA driver answers"


class Linux(System):
    """Linux, with OBS from the distribution or the PPA."""

    def folders(self) -> Folders:
        """By the XDG rules."""
        config = self._xdg("XDG_CONFIG_HOME", ".config")
        return Folders(
            data=self._xdg("XDG_DATA_HOME", ".local/share") / NAME,
            record=config / NAME,
            logs=self._xdg("XDG_STATE_HOME", ".local/state") / NAME,
            obs=config / "obs-studio",
        )

    def _xdg(self, variable: str, default: str) -> Path:
        base = Path(self.variables.get(variable) or "")
        return base if base.is_absolute() else self.home / default  # the rules say to ignore a relative one

    def find_obs(self) -> Obs | None:
        """The one on the PATH."""
        program = shutil.which("obs", path=self.variables.get("PATH"))
        if program is None:
            return None
        answer = self.run([program, "--version"], QUESTION_SECONDS)
        version = parse_version(answer.stdout)
        return Obs(version, program) if version else None

    def packaged_obs(self) -> str | None:
        """Flatpak and snap shut OBS in, away from the worker's Python."""
        flatpaks = (
            "/var/lib/flatpak/app/com.obsproject.Studio",
            self.home / ".var/app/com.obsproject.Studio",
        )
        if any(Path(folder).is_dir() for folder in flatpaks):
            return (
                "OBS is installed as a Flatpak. Its sandbox has a Python and libraries of its own, in which "
                "the worker's environment cannot run."
            )
        if Path("/snap/obs-studio").is_dir():
            return "OBS is installed as a snap. Its sandbox keeps it from starting the worker."
        return None

    def how_to_get_obs(self) -> str:
        """By the distribution."""
        if shutil.which("apt-get"):
            return "Install it with: sudo apt-get install obs-studio"
        if shutil.which("dnf"):
            return "Install it with: sudo dnf install obs-studio"
        if shutil.which("pacman"):
            return "Install it with: sudo pacman -S obs-studio"
        return "Install OBS Studio from your distribution's packages."

    def how_to_get_python(self) -> str:
        """By the distribution."""
        return "Install Python 3.11, 3.12 or 3.13 from your distribution's packages."

    def obs_is_running(self) -> bool:
        """Looks for a process that uses the same settings; another user's, or a test's, does not count."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "comm").read_text().strip() != "obs":
                    continue
                settings = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended, or is another user's
            variables = dict(pair.decode("utf-8", "replace").partition("=")[::2] for pair in settings if pair)
            if Linux(variables).folders().obs == self.folders().obs:
                return True
        return False

    def obs_python(self) -> str | None:
        """The libpython that OBS' scripting library is linked with."""
        for pattern in (
            "lib/*/libobs-scripting.so*",
            "lib64/libobs-scripting.so*",
            "lib/libobs-scripting.so*",
        ):
            for library in sorted(Path("/usr").glob(pattern)):
                found = re.search(
                    r"libpython(3\.\d+)", self.run(["ldd", str(library)], QUESTION_SECONDS).stdout
                )
                if found:
                    return found.group(1)
        return None

    def processor_lacks(self) -> str | None:
        """By the kernel's list."""
        try:
            flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return "AVX2" if "flags" in flags and not re.search(r"\bavx2\b", flags) else None


class Windows(System):
    """Windows, with OBS from its installer."""

    def folders(self) -> Folders:
        """In the user's profile."""
        roaming, local = Path(self.variables["APPDATA"]), Path(self.variables["LOCALAPPDATA"])
        return Folders(
            data=local / NAME, record=roaming / NAME, logs=local / NAME, obs=roaming / "obs-studio"
        )

    def find_obs(self) -> Obs | None:
        """By what its installer wrote into the registry."""
        uninstall = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\OBS Studio"
        answer = self.run(["reg", "query", uninstall, "/v", "DisplayVersion", "/reg:32"], QUESTION_SECONDS)
        if answer.returncode:
            answer = self.run(["reg", "query", uninstall, "/v", "DisplayVersion"], QUESTION_SECONDS)
        version = parse_version(answer.stdout.rpartition("REG_SZ")[2])
        return Obs(version, "OBS Studio") if version else None

    def obs_is_running(self) -> bool:
        """Asks the task list."""
        listing = self.run(["tasklist", "/FI", "IMAGENAME eq obs64.exe", "/NH"], QUESTION_SECONDS)
        return "obs64.exe" in listing.stdout.lower()

    def how_to_get_obs(self) -> str:
        """From its site."""
        return "Install it from https://obsproject.com"

    def how_to_get_python(self) -> str:
        """By Windows' package manager, or from Python's site."""
        return (
            "Install one with: winget install Python.Python.3.12, or from https://www.python.org (one from "
            "the Microsoft Store will not do)"
        )

    def environment_python(self, environment: Path) -> Path:
        """Windows has its own place for it."""
        return environment / "Scripts" / "python.exe"

    TERMINAL = "PowerShell"

    def typed(self, program: Path) -> str:
        """A path in quotes is a text to PowerShell, unless & is before it."""
        return f'& "{program}"'

    def cure_for(self, complaint: str) -> str:
        """A new Windows lacks what ONNX Runtime is built with."""
        if "DLL load failed" not in complaint:
            return super().cure_for(complaint)
        return (
            "Install the Microsoft Visual C++ Redistributable from "
            "https://aka.ms/vs/17/release/vc_redist.x64.exe and run this again."
        )

    def python_candidates(self) -> Iterator[list[str]]:
        """By the launcher, without those from the Microsoft Store."""
        yield [sys.executable]  # `this_system` sees that it is from elsewhere
        for major, minor in WORKER_PYTHONS:
            command = ["py", f"-{major}.{minor}"]
            if not is_from_store(self._base_prefix(command)):
                yield command

    def _base_prefix(self, python: list[str]) -> str:
        """Where a Python is installed, empty if it does not start."""
        answer = self.run([*python, "-c", "import sys; print(sys.base_prefix)"], QUESTION_SECONDS)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    @property
    def obs_asks_for_python(self) -> bool:
        """OBS has a setting for it."""
        return True

    def python_for_obs(self, newest: Version) -> str | None:
        """The folder with python3X.dll."""
        for minor in range(newest[1], OLDEST_SCRIPT_PYTHON[1] - 1, -1):
            prefix = self._base_prefix(["py", f"-3.{minor}"])
            if prefix and not is_from_store(prefix) and Path(prefix, f"python3{minor}.dll").is_file():
                return PureWindowsPath(prefix).as_posix()  # OBS reads \n in its settings as the end of a line
        return None

    def default_provider(self) -> tuple[str, str]:
        """DirectML runs on every graphics card."""
        provider, reason = super().default_provider()
        return (provider, reason) if provider == "cuda" else ("directml", reason)


class MacOS(System):
    """macOS, with OBS in the Applications folder."""

    FRAMEWORKS = (
        "/Library/Frameworks",
        "/opt/homebrew/opt/python@3.{minor}/Frameworks",
        "/usr/local/opt/python@3.{minor}/Frameworks",
    )

    def folders(self) -> Folders:
        """In the user's library."""
        support = self.home / "Library" / "Application Support"
        return Folders(
            data=support / NAME,
            record=support / NAME,
            logs=self.home / "Library" / "Logs" / NAME,
            obs=support / "obs-studio",
        )

    def find_obs(self) -> Obs | None:
        """By the bundle's own description."""
        for applications in (Path("/Applications"), self.home / "Applications"):
            try:
                with (applications / "OBS.app/Contents/Info.plist").open("rb") as file:
                    version = parse_version(str(plistlib.load(file).get("CFBundleShortVersionString")))
            except (OSError, plistlib.InvalidFileException):
                continue
            if version:
                return Obs(version, str(applications / "OBS.app"))
        return None

    def obs_is_running(self) -> bool:
        """Asks the process list."""
        return self.run(["pgrep", "-x", "OBS"], QUESTION_SECONDS).returncode == 0

    def how_to_get_obs(self) -> str:
        """From its site."""
        return "Install it from https://obsproject.com"

    def how_to_get_python(self) -> str:
        """By either of the two usual ways."""
        return "Install one from https://www.python.org or with: brew install python@3.12"

    @property
    def obs_asks_for_python(self) -> bool:
        """OBS has a setting for it."""
        return True

    def python_for_obs(self, newest: Version) -> str | None:
        """The folder that holds Python.framework."""
        for minor in range(newest[1], OLDEST_SCRIPT_PYTHON[1] - 1, -1):
            for pattern in self.FRAMEWORKS:
                folder = Path(pattern.format(minor=minor))
                library = f"Python.framework/Versions/3.{minor}/lib/libpython3.{minor}.dylib"
                if (folder / library).exists():
                    return str(folder)
        return None

    def default_provider(self) -> tuple[str, str]:
        """The plain build has CoreML."""
        return "cpu", "with CoreML, as on every Mac"


def this_system() -> System:
    """The operating system that this runs on."""
    by_name: dict[str, Callable[[], System]] = {"Linux": Linux, "Windows": Windows, "Darwin": MacOS}
    if platform.system() not in by_name:
        raise InstallError(f"{platform.system()} is not supported. Use Linux, Windows or macOS.")
    system = by_name[platform.system()]()
    if is_from_store(sys.base_prefix):
        raise InstallError(
            "This Python is from the Microsoft Store: Windows would hide from OBS what it installs. "
            f"{system.how_to_get_python()}. Then run this with that one: py -3.12 {sys.argv[0]}"
        )
    return system


def is_from_store(prefix: str) -> bool:
    """Whether a Python is a Microsoft Store app, by its `sys.base_prefix`.

    What such an app writes into the user's profile goes to a private folder that other programs do not see
    (https://docs.python.org/3/using/windows.html#redirection-of-local-data-registry-and-temporary-paths).
    """
    return "windowsapps" in PureWindowsPath(prefix.lower()).parts


def parse_version(text: str) -> Version:
    """The first dotted number in a text, as numbers; empty if there is none."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def newest_python_for(obs: Version) -> Version:
    """The newest Python that OBS looks for on Windows and macOS (obs-scripting-python-import.c)."""
    if obs >= (30, 1):
        return (3, 12)
    return (3, 11) if obs >= (29, 1) else (3, 10)


# What is installed


class Source(NamedTuple):
    """What is installed: a checkout or a wheel, with what pip calls it."""

    path: Path
    version: str

    def fingerprint(self) -> str:
        """Tells this state of the source from any other."""
        digest = hashlib.sha256()
        for file in self._files():
            digest.update(str(file.relative_to(self.path.parent)).encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def _files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        folders = ("core", "installer", "models", "obs_script")
        files = [file for folder in folders for file in (self.path / folder).rglob("*") if file.is_file()]
        return [self.path / "pyproject.toml", *sorted(file for file in files if file.suffix != ".pyc")]

    def requirements(self, provider: str, folder: Path) -> Path:
        """The file with what a provider's environment needs, unpacked into `folder` if need be."""
        name = f"requirements-{provider}.txt"
        if self.path.is_dir():
            return self.path / "installer" / name
        with zipfile.ZipFile(self.path) as wheel:
            for entry in wheel.namelist():
                if f"/share/{NAME}/installer/requirements" in entry:
                    (folder / Path(entry).name).write_bytes(wheel.read(entry))
        return folder / name


def find_source(beside: Path) -> Source:
    """The checkout that this file is part of, or the newest wheel beside it.

    Args:
        beside: the folder of this file.

    Raises:
        InstallError: there is neither.
    """
    project = beside.parent / "pyproject.toml"
    if project.is_file():
        found = re.search(r'^version = "(.+)"', project.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return Source(beside.parent, found.group(1))
    wheels = sorted(beside.glob(f"{NAME}-*.whl"), key=lambda wheel: parse_version(wheel.name))
    if wheels:
        return Source(wheels[-1], wheels[-1].name.split("-")[1])
    raise InstallError(
        f"There is nothing to install: {beside} is no part of a checkout, and no {NAME}-*.whl is beside this "
        "file. Download the project again."
    )


# Changes that can be taken back


class Changes:
    """Runs steps; takes back what they did if one fails, and tidies up if none does."""

    def __init__(self) -> None:
        self.on_failure = contextlib.ExitStack()
        self.on_success = contextlib.ExitStack()
        self._written: set[Path] = set()

    def __enter__(self) -> Changes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, reason: BaseException | None, _trace: object
    ) -> None:
        if kind is None:
            self.on_success.close()
            return
        try:
            self.on_failure.close()
        except (OSError, KeyboardInterrupt) as error:
            raise RestoreError(
                f"The installation failed ({_reason(reason)}), and what it changed could not be put back: "
                f"{_reason(error)}. Run the installer with --uninstall, then without."
            ) from error

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it."""
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir()
            self.on_failure.callback(_remove_if_empty, path)

    def new_folder(self, folder: Path) -> None:
        """Put an empty folder in place of what is there."""
        self.make_folder(folder.parent)
        former = _former(folder)
        if former.exists():  # left by an installation that was killed: it is the last one that worked
            _remove_tree(folder)
            former.rename(folder)
        if folder.exists():
            folder.rename(former)
            self.on_failure.callback(former.rename, folder)
            self.on_success.callback(_discard, former)
        self.on_failure.callback(_remove_tree, folder)
        folder.mkdir()

    def write(self, path: Path, text: str) -> None:
        """Write a file, all or nothing."""
        self.make_folder(path.parent)
        partial = path.with_name(f"{path.name}.partial")
        if path not in self._written:
            self._written.add(path)
            self._keep(path)
            self.on_failure.callback(_remove_file, partial)
        partial.write_bytes(text.encode("utf-8"))
        partial.replace(path)

    def _keep(self, path: Path) -> None:
        if not path.exists():
            self.on_failure.callback(_remove_file, path)
            return
        former = _former(path)
        shutil.copy2(path, former)  # now: when it is needed, the disk may be full
        self.on_failure.callback(former.replace, path)
        self.on_success.callback(_remove_file, former)


def _reason(error: BaseException | None) -> str:
    return "it was stopped" if isinstance(error, KeyboardInterrupt) else str(error)


def _former(path: Path) -> Path:
    return path.with_name(f"{path.name}.former")


def _discard(folder: Path) -> None:
    """Remove what is no longer needed, as far as nobody holds on to it."""
    trash = folder.with_name(f"{folder.name}.trash")  # a name of its own: nobody takes it for what works
    with contextlib.suppress(OSError):
        folder.rename(trash)
        shutil.rmtree(trash)


def _is_copy(path: Path, original: Path) -> bool:
    return path.is_file() and original.is_file() and path.read_bytes() == original.read_bytes()


def _remove_file(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _remove_tree(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _remove_tree_or_link(folder: Path, say: Callable[[str], None]) -> None:
    """Remove a folder, which the user may have put on another disk and left a link to.

    What it is a link to goes too if it bears the same name; under another it may hold more than is ours.
    """
    target = folder.resolve()
    if target.name == folder.name:
        shutil.rmtree(target)
    else:
        say(f"{target}, to which it is a link, stays: delete what you no longer need there.")
    if os.path.lexists(folder):
        folder.unlink()


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


# OBS' own files


def read_collection(path: Path) -> dict[str, Any] | None:
    """A scene collection, None where it is no such thing."""
    try:
        collection = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return collection if isinstance(collection, dict) and isinstance(scripts_of(collection), list) else None


def scripts_of(collection: dict[str, Any]) -> Any:
    """The scripts of a scene collection: {"path", "settings"} each; the list may be changed."""
    modules = collection.setdefault("modules", {})
    return modules.setdefault("scripts-tool", []) if isinstance(modules, dict) else None


def is_our_script(entry: Any) -> bool:
    """Whether an entry is this project's script, in whatever folder."""
    path = entry.get("path") if isinstance(entry, dict) else None
    return isinstance(path, str) and path.replace("\\", "/").rpartition("/")[2] == SCRIPT


def add_script(collection: dict[str, Any], script: Path) -> bool:
    """Put the script into a scene collection once; whether that changed anything."""
    scripts = scripts_of(collection)
    ours = [entry for entry in scripts if is_our_script(entry)]
    wanted = script.as_posix()
    if [entry["path"] for entry in ours] == [wanted]:
        return False
    settings = ours[0].get("settings", {}) if ours else {}
    scripts[:] = [entry for entry in scripts if not is_our_script(entry)]
    scripts.append({"path": wanted, "settings": settings})
    return True


def remove_script(collection: dict[str, Any], *, filters: bool) -> bool:
    """Take the script, and its filters if asked for, out of a scene collection; whether that changed it."""
    scripts = scripts_of(collection)
    others = [entry for entry in scripts if not is_our_script(entry)]
    changed = len(others) != len(scripts)
    scripts[:] = others
    for source in [*collection.get("sources", ()), *collection.get("groups", ())] if filters else ():
        found = source.get("filters")
        if isinstance(found, list):
            kept = [entry for entry in found if entry.get("id") != FILTER_TYPE]
            changed = changed or len(kept) != len(found)
            source["filters"] = kept
    return changed


def collection_text(collection: dict[str, Any]) -> str:
    """As OBS writes it."""
    text = json.dumps(collection, indent=4, ensure_ascii=False)
    # UTF-8 cannot hold half of a surrogate pair, which JSON can: Python's way to write it is JSON's, too.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def ini_value(text: str, section: str, key: str) -> str:
    """A value of an INI file, empty if there is none."""
    found = re.search(rf"^\[{section}\]\r?\n(?:(?!\[).*\n)*?{key}=(.*?)\r?$", text, re.MULTILINE)
    return found.group(1) if found else ""


def with_ini_value(text: str, section: str, key: str, value: str) -> str:
    """An INI file's text with one value set, the rest as it was; an empty value removes the key."""
    line = f"{key}={value}\n" if value else ""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    try:
        begin = [entry.strip() for entry in lines].index(f"[{section}]") + 1
    except ValueError:
        return "".join(lines) + (f"\n[{section}]\n{line}" if value else "")
    end = next((n for n in range(begin, len(lines)) if lines[n].startswith("[")), len(lines))
    kept = [entry for entry in lines[begin:end] if not entry.startswith(f"{key}=")]
    return "".join([*lines[:begin], line, *kept, *lines[end:]])


def obs_settings_file(folder: Path) -> Path:
    """Where OBS keeps the setting: user.ini from version 31 on, global.ini before."""
    newer = folder / "user.ini"
    return newer if newer.exists() else folder / "global.ini"


# The installation


class Options(NamedTuple):
    """What the user asked for."""

    provider: str | None = None
    upgrade: bool = False
    offline: Path | None = None
    dry_run: bool = False


Step = Tuple[str, Callable[[Changes], None]]
"""What a step is called, and what it does."""


class Installation:
    """One run of the installer.

    Args:
        system: the operating system.
        source: what to install.
        options: what the user asked for.
        say: prints a line.
    """

    def __init__(
        self, system: System, source: Source, options: Options, say: Callable[[str], None] = print
    ) -> None:
        self.system = system
        self.source = source
        self.options = options
        self.folders = system.folders()
        self.provider, self.provider_reason = self._choose_provider()
        self._say = say
        self._obs: Obs | None = None
        self._keeps_environment = False

    def _choose_provider(self) -> tuple[str, str]:
        """Which ONNX Runtime to install, and why."""
        asked = self.options.provider
        if asked == "auto":
            return self.system.default_provider()
        if asked is not None:
            return asked, "as asked for"
        present = self.folders.environment
        for environment in (present, _former(present)):  # an installation that was killed leaves the former
            installed = read_json(environment / MARKER).get("provider")
            if installed in DISK_NEEDED:
                return installed, "as installed before; change it with --provider"
        return self.system.default_provider()

    def install(self) -> None:
        """All steps.

        Raises:
            InstallError: a step failed; all is as it was before.
            Stopped: the user stopped it; likewise.
        """
        self._run_steps(
            [
                *self._preparation(),
                ("write the record", self._write_record),
                ("add to OBS", self._add_to_collections),
                ("give OBS a Python", self._give_obs_python),
            ]
        )
        if not self.options.dry_run:
            self._say_what_next()

    def prepare(self) -> None:
        """The steps that leave OBS alone: enough to run the worker and the demo.

        Raises:
            InstallError: a step failed; all is as it was before.
            Stopped: the user stopped it; likewise.
        """
        self._run_steps(self._preparation())

    def _preparation(self) -> list[Step]:
        return [
            ("check the system", self._check),
            ("make an environment", self._make_environment),
            ("install packages", self._install_packages),
            ("place the script", self._place_script),
        ]

    def _run_steps(self, steps: list[Step]) -> None:
        step = ""
        try:
            with Changes() as changes:
                for number, (step, action) in enumerate(steps, 1):
                    self._say(f"[{number}/{len(steps)}] {step}")
                    action(changes)
                step = ""  # what follows only tidies up
        except RestoreError:
            raise
        except KeyboardInterrupt:
            raise Stopped("Everything is as it was before." if step else "All steps were done.") from None
        except InstallError as error:
            raise InstallError(f"Could not {step}: {error} Everything is as it was before.") from error
        except OSError as error:
            raise InstallError(
                f"Could not {step}: {error}. {_advice(error)} Everything is as it was before."
            ) from error

    def _detail(self, text: str) -> None:
        self._say(f"      {text}")

    # 1

    def _check(self, _changes: Changes) -> None:
        packaged = self.system.packaged_obs()
        self._obs = self.system.find_obs()
        if self._obs is None:
            if packaged:
                raise InstallError(f"{packaged} {self.system.how_to_get_obs()}.")
            self._detail(f"OBS Studio was not found. {self.system.how_to_get_obs()}")
        else:
            version = ".".join(map(str, self._obs.version))
            self._detail(f"OBS Studio {version} ({self._obs.where})")
            if self._obs.version < OLDEST_OBS:
                raise InstallError(
                    f"OBS {version} is too old: Clean Plate needs OBS 28 or newer. Update OBS."
                )
        python = self.system.obs_python()
        if python:
            self._detail(f"OBS runs scripts with Python {python}")
            if parse_version(python) < OLDEST_SCRIPT_PYTHON:
                raise InstallError(f"OBS uses Python {python}; Clean Plate needs 3.9 or newer. Update OBS.")
        lacks = self.system.processor_lacks()
        if lacks:
            self._detail(
                f"The processor lacks {lacks}: networks will be slow. Then choose the method 'difference'."
            )
        self._detail(f"ONNX Runtime for {self.provider}: {self.provider_reason}")
        self._keeps_environment = not self.options.upgrade and self._environment_is_current()
        free = self.system.free_bytes(self.folders.data)
        needed = SMALL_FILES if self._keeps_environment else DISK_NEEDED[self.provider]
        if free < needed:
            raise InstallError(
                f"{self.folders.data} needs {_size(needed)} of disk space and has {_size(free)}. "
                "Make room and run this again."
            )

    # 2

    def _make_environment(self, changes: Changes) -> None:
        environment = self.folders.environment
        if self._keeps_environment:
            self._detail(f"{environment} is up to date")
            return
        if environment.exists() and self.system.obs_is_running():
            raise InstallError("OBS is running and may be using the present installation. Close OBS.")
        python = self._find_python()
        self._detail(f"{environment}, with {' '.join(python)}")
        if self.options.dry_run:
            return
        changes.new_folder(environment)
        answer = self.system.run([*python, "-m", "venv", str(environment)])
        if answer.returncode:
            raise InstallError(
                f"{' '.join(python)} -m venv failed: {_last_lines(answer.stdout + answer.stderr)}."
            )

    def _find_python(self) -> list[str]:
        """A command that starts a Python for the worker."""
        question = (
            "import sys; print('%d.%d' % sys.version_info[:2], sys.maxsize > 2**32)\n"
            "import venv, ensurepip\nprint('venv')"
        )
        without_venv = ""
        for candidate in self.system.python_candidates():
            answer = self.system.run([*candidate, "-c", question], QUESTION_SECONDS)
            words = answer.stdout.split()
            if words[1:2] != ["True"] or parse_version(words[0]) not in WORKER_PYTHONS:
                continue
            if words[2:] == ["venv"]:
                return list(candidate)
            without_venv = without_venv or words[0]
        if without_venv:
            raise InstallError(
                f"Python {without_venv} lacks venv, which Debian and Ubuntu package by itself. Install it "
                f"with: sudo apt-get install python{without_venv}-venv"
            )
        raise InstallError(
            f"The worker needs Python 3.11, 3.12 or 3.13 (64 bit). {self.system.how_to_get_python()}"
        )

    def _environment_is_current(self) -> bool:
        marker = read_json(self.folders.environment / MARKER)
        return marker == self._marker() and self._packages_work() is None

    def _marker(self) -> dict[str, str]:
        return {"provider": self.provider, "source": self.source.fingerprint()}

    # 3

    def _install_packages(self, changes: Changes) -> None:
        if self._keeps_environment:
            self._detail("they are up to date")
            return
        self._detail(
            f"Clean Plate {self.source.version} for {self.provider}, from {self.options.offline or 'PyPI'}"
        )
        if self.options.dry_run:
            return
        with tempfile.TemporaryDirectory() as folder:
            requirements = self.source.requirements(self.provider, Path(folder))
            self._pip("-r", str(requirements))
        if self.options.offline is None:
            self._pip("--no-deps", str(self.source.path))
        else:
            self._pip("--no-deps", f"{NAME}=={self.source.version}")
        complaint = self._packages_work()
        if complaint:
            cure = self.system.cure_for(complaint)
            raise InstallError(f"The installed packages do not work: {complaint}. {cure}")
        changes.write(self.folders.environment / MARKER, json.dumps(self._marker()))

    def _pip(self, *what: str) -> None:
        python = str(self.system.environment_python(self.folders.environment))
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *what]
        if self.options.offline is not None:
            command += ["--no-index", "--find-links", str(self.options.offline)]
        lines: list[str] = []

        def follow(line: str) -> None:
            lines.append(line)
            if line.lstrip().startswith(("Collecting", "Downloading", "Building", "Installing")):
                self._detail(line.strip().partition(" (from")[0])

        if self.system.follow(command, follow):
            raise InstallError(f"pip failed: {_last_lines(chr(10).join(lines))}. {self._pip_advice()}")

    def _pip_advice(self) -> str:
        if self.options.offline is None:
            return "Check the network connection and the disk, and run this again."
        return (
            f"Fill {self.options.offline} on a machine with a network, with: "
            f"pip wheel -w WHEELS . -r installer/requirements-{self.provider}.txt"
        )

    def _packages_work(self) -> str | None:
        """None, or what is wrong."""
        python = str(self.system.environment_python(self.folders.environment))
        needed = "import av, cv2, numpy, onnxruntime, cleanplate.engine.matting"
        answer = self.system.run([python, "-I", "-c", needed])  # as the worker is started
        return _last_lines(answer.stderr, 1) if answer.returncode else None

    # 4

    def _place_script(self, changes: Changes) -> None:
        self._detail(f"{self.folders.script / SCRIPT}")
        if self._keeps_environment:
            wrong = self._wrongly_placed()
            if not wrong:
                return
            self._detail(f"missing or altered, so all is placed anew: {', '.join(wrong)}")
        if self.options.dry_run:
            return
        for origin, folder in self._places():
            changes.new_folder(folder)
            if origin.is_dir():
                shutil.copytree(origin, folder, dirs_exist_ok=True)
        self._keep_added_networks()

    def _places(self) -> list[tuple[Path, Path]]:
        """Where pip put what OBS and the worker read, and where it belongs."""
        shared = self.folders.environment / "share" / NAME
        return [(shared / "obs_script", self.folders.script), (shared / "weights", self.folders.models)]

    def _wrongly_placed(self) -> list[str]:
        """What is not where it belongs as pip put it, by its path there."""
        return [
            str(path.relative_to(origin))
            for origin, folder in self._places()
            for path in sorted(origin.rglob("*"))
            if path.is_file() and path.suffix != ".pyc"  # OBS' Python compiles for itself
            if not _is_copy(folder / path.relative_to(origin), path)
        ]

    def _keep_added_networks(self) -> None:
        """Copy what the user put among the networks: what neither this version nor the former one brought."""
        environment, models = self.folders.environment, self.folders.models
        brought = [origin / "share" / NAME / "weights" for origin in (environment, _former(environment))]
        for path in sorted(_former(models).glob("*")):
            if not path.is_file() or any(_is_copy(path, weights / path.name) for weights in brought):
                continue
            kept = models / path.name
            while kept.exists():
                kept = kept.with_name(f"{kept.name}.yours")
            if kept.name == path.name:
                self._detail(f"{path.name}, which you added, is kept")
            else:
                self._detail(
                    f"{path.name} is not the one that comes with Clean Plate: it is kept as {kept.name}."
                )
                self._detail("To use it, give it a name of its own, in its card too.")
            shutil.copy2(path, kept)

    # 5

    def _write_record(self, changes: Changes) -> None:
        record = {
            "version": self.source.version,
            "python": str(self.system.environment_python(self.folders.environment)),
            "models": [str(self.folders.models)],
        }
        set_python = read_record(self.folders).get("obs_python")
        if set_python:
            record["obs_python"] = set_python
        self._detail(str(self.folders.record_file))
        if not self.options.dry_run:
            changes.write(self.folders.record_file, json.dumps(record, indent=2))

    # 6

    def _add_to_collections(self, changes: Changes) -> None:
        script = self.folders.script / SCRIPT
        if self.system.obs_is_running():
            self._detail("OBS is running: close it and run this again,")
            self._detail(f"or add {script} in OBS under Tools > Scripts")
            return
        for path in scene_collections(self.folders.obs):
            collection = read_collection(path)
            if collection is None:
                self._detail(f"{path.name} is damaged and is left as it is")
            elif not add_script(collection, script):
                self._detail(f"{path.stem}: there already")
            else:
                self._detail(path.stem)
                if not self.options.dry_run:
                    backup = path.with_name(path.name + BACKUP_ENDING)
                    if not backup.exists():
                        changes.write(backup, path.read_text(encoding="utf-8"))
                    changes.write(path, collection_text(collection))
        if not scene_collections(self.folders.obs):
            self._detail(f"OBS has no scene collection in {self.folders.obs} yet:")
            self._detail("start it once, close it and run this again,")
            self._detail(f"or add {script} in OBS under Tools > Scripts")

    # 7

    def _give_obs_python(self, changes: Changes) -> None:
        if not self.system.obs_asks_for_python:
            self._detail("not needed on this system")
            return
        settings = obs_settings_file(self.folders.obs)
        text = settings.read_text(encoding="utf-8-sig") if settings.exists() else ""
        present = ini_value(text, *OBS_PYTHON)
        if present:
            self._detail(f"OBS uses the one in {present}")
            return
        if self._obs is None:
            self._detail("OBS Studio was not found (one from Steam, or a portable one, is not looked for).")
            self._detail("Name a Python in it under Tools > Scripts > Python Settings: for OBS 30.1 or newer")
            self._detail("Python 3.12 or older, for OBS 29.1 or 30.0 3.11 or older, before that 3.10 or 3.9.")
            return
        if not settings.exists():
            self._detail("OBS has not been started yet: start it once, close it and run this again")
            return
        newest = newest_python_for(self._obs.version)
        found = self.system.python_for_obs(newest)
        if found is None:
            self._detail(f"OBS needs Python {newest[0]}.{newest[1]} or older, and there is none here.")
            self._detail(self.system.how_to_get_python())
            self._detail("Then name it in OBS under Tools > Scripts > Python Settings.")
            return
        if self.system.obs_is_running():
            self._detail(f"OBS is running: name {found} in OBS under Tools > Scripts > Python Settings")
            return
        self._detail(found)
        if not self.options.dry_run:
            mark = "\ufeff" if settings.read_bytes().startswith(b"\xef\xbb\xbf") else ""
            changes.write(settings, mark + with_ini_value(text, *OBS_PYTHON, found))
            record = {**read_record(self.folders), "obs_python": found}
            changes.write(self.folders.record_file, json.dumps(record, indent=2))

    def _say_what_next(self) -> None:
        self._say("")
        self._say("Clean Plate is installed. In OBS:")
        self._say("  1. Right-click your camera, choose Filters, and under Effect Filters press +.")
        self._say("  2. Choose 'Clean Plate background removal'.")
        self._say("  3. Press 'Capture background' and leave the picture until the number over it has gone.")
        command = self.system.environment_python(self.folders.environment).with_name("cleanplate")
        self._say(f"For videos and pictures there is a command line; in {self.system.TERMINAL}:")
        self._say(f"  {self.system.typed(command)}")


OBS_PYTHON = ("Python", "Path64bit")
"""Section and key of OBS' settings file that name its Python (frontend-tools/scripts.cpp)."""


def scene_collections(obs: Path) -> list[Path]:
    """The files of OBS' scene collections."""
    return sorted((obs / "basic" / "scenes").glob("*.json"))


def read_record(folders: Folders) -> dict[str, Any]:
    """The install record, empty if there is none."""
    return read_json(folders.record_file)


def read_json(path: Path) -> dict[str, Any]:
    """What the installer noted in a file, empty if there is none."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def uninstall(
    system: System, *, purge: bool, dry_run: bool = False, say: Callable[[str], None] = print
) -> None:
    """Remove what the installer wrote.

    Args:
        system: the operating system.
        purge: remove the captured backgrounds, and the filters in the scene collections, too.
        dry_run: only say what would be removed.
        say: prints a line.

    Raises:
        InstallError: OBS is running, or something cannot be removed.
        Stopped: the user stopped it halfway.
    """
    if system.obs_is_running():
        raise InstallError("OBS is running. Close it and run this again.")
    folders = system.folders()
    problems: list[OSError] = []
    try:
        with Changes() as changes:
            _clean_obs(folders, changes, purge=purge, dry_run=dry_run, say=say)
        samples = folders.obs / "plugin_config" / NAME
        own = [folders.data, folders.record, folders.logs, *([samples] if purge else [])]
        for folder in own:
            if folder.exists():
                say(f"remove {folder}")
                if not dry_run:
                    try:
                        _remove_tree_or_link(folder, say)
                    except OSError as error:
                        problems.append(error)  # what keeps one folder must not keep the captured backgrounds
    except OSError as error:
        problems.append(error)
    except KeyboardInterrupt:
        raise Stopped("Part of it may be removed already: run this again to remove the rest.") from None
    if problems:
        reasons = "; ".join(map(str, problems))
        raise InstallError(f"Not everything could be removed: {reasons}. {_advice(problems[0])}")
    if not purge:
        say("The filters in your scenes and their captured backgrounds stay: --purge removes them too.")
        say("OBS ignores a filter that it does not know: those cameras are shown as they are.")


def _clean_obs(
    folders: Folders, changes: Changes, *, purge: bool, dry_run: bool, say: Callable[[str], None]
) -> None:
    for path in scene_collections(folders.obs):
        collection = read_collection(path)
        if collection is not None and remove_script(collection, filters=purge):
            say(f"take the script out of {path.stem}")
            if not dry_run:
                changes.write(path, collection_text(collection))
        backup = path.with_name(path.name + BACKUP_ENDING)
        if backup.exists() and not dry_run:
            changes.on_success.callback(_remove_file, backup)
    settings = obs_settings_file(folders.obs)
    ours = read_record(folders).get("obs_python")
    if ours and settings.exists():
        text = settings.read_text(encoding="utf-8-sig")
        # OBS doubles backslashes when it saves, and Windows' paths take that.
        if PureWindowsPath(ini_value(text, *OBS_PYTHON)) == PureWindowsPath(str(ours)):
            say("take the Python out of OBS' settings")
            if not dry_run:
                changes.write(settings, with_ini_value(text, *OBS_PYTHON, ""))


def _advice(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "Make room on the disk and run this again."
    if isinstance(error, PermissionError):
        return "Close OBS and whatever else uses the file, and run this again."
    return "Run this again when that is mended."


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / (1 << 20):.0f} MiB"


def _last_lines(text: str, count: int = 4) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-count:]).rstrip(".") or "it gave no reason"


# The demo

DEMO_PROGRAMS = {"obs": "obs-studio", "wmctrl": "wmctrl"}
SCREEN_PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox"}
DEMO_PACKAGES = ["obs-plugins", "libgl1-mesa-dri"]
VENV_PACKAGE = "python3-venv"


def demo(system: System, source: Source, options: Options, output: Path, *, camera: bool) -> None:
    """Show the filter at work, in an OBS with settings of its own.

    Args:
        system: the operating system; Linux.
        source: what to install.
        options: what the user asked for.
        output: folder for the recording and its contact sheet.
        camera: film the real camera instead of the drawn scene.

    Raises:
        InstallError: something is missing, and what to do.
    """
    if not isinstance(system, Linux):
        raise InstallError("The demo drives OBS on Linux. Install Clean Plate, and try it in your own OBS.")
    packages = _missing_packages(system)
    if packages and options.dry_run:
        print(f"First {', '.join(packages)} would be installed; only root may, through apt-get.")
        if VENV_PACKAGE in packages:
            print(f"The steps can be told once {VENV_PACKAGE} is installed.")
            return
    elif packages:
        _get_packages(system, packages)
    installation = Installation(system, source, options)
    installation.prepare()
    if options.dry_run:
        print(f"Then the demo runs, and leaves its recording in {output}.")
        return
    environment = system.folders().environment
    command = [
        str(system.environment_python(environment)), "-m", "cleanplate.offline.demo",
        "--output", str(output), *(["--camera"] if camera else []),
    ]  # fmt: skip
    try:
        status = system.follow(command, print)
    except KeyboardInterrupt:
        raise Stopped(
            "What is installed stays: run this again to see the demo, or with --uninstall to remove it."
        ) from None
    if status:
        raise InstallError("The demo did not run to its end; the lines above say why.")


def _missing_packages(system: System) -> list[str]:
    """What the demo needs and this machine lacks, as Debian names it."""
    has_screen = bool(system.variables.get("DISPLAY"))
    programs = {**DEMO_PROGRAMS, **({} if has_screen else SCREEN_PROGRAMS)}
    path = system.variables.get("PATH")
    packages = [package for program, package in programs.items() if not shutil.which(program, path=path)]
    if "obs-studio" in packages:
        packages += DEMO_PACKAGES
    if system.run([sys.executable, "-c", "import venv, ensurepip"]).returncode:
        packages.append(VENV_PACKAGE)
    return packages


def _get_packages(system: System, packages: list[str]) -> None:
    """Install packages; only root may."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if not shutil.which("apt-get", path=system.variables.get("PATH")):
        raise InstallError(f"The demo needs {', '.join(packages)}. Install them with your package manager.")
    if not system.is_root():
        raise InstallError(f"The demo needs some programs. Install them with: sudo {' '.join(command)}")
    system.variables["DEBIAN_FRONTEND"] = "noninteractive"
    print(f"installing {', '.join(packages)}: this takes a minute or two", flush=True)
    system.follow(["apt-get", "update", "-q"], lambda _line: None)
    lines: list[str] = []
    if system.follow(command, lines.append):
        raise InstallError(f"{' '.join(command)} failed: {_last_lines(chr(10).join(lines))}.")


# The command line


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the user typed."""
    parser = argparse.ArgumentParser(description="Installs Clean Plate for OBS for the present user.")
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        help="ONNX Runtime to install; auto goes by the graphics card, as does a first installation",
    )
    parser.add_argument(
        "--upgrade", action="store_true", help="make the environment anew even if it is up to date"
    )
    parser.add_argument(
        "--offline", type=Path, metavar="WHEELS", help="folder with all wheels: use no network"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--uninstall", action="store_true", help="remove what was installed")
    parser.add_argument(
        "--purge", action="store_true", help="with --uninstall: captured backgrounds and the filters, too"
    )
    parser.add_argument("--demo", action="store_true", help="see it at work in an OBS of its own (Linux)")
    parser.add_argument("--camera", action="store_true", help="with --demo: film the real camera")
    parser.add_argument(
        "--output", type=Path, default=Path("cleanplate-demo"), help="with --demo: folder for the recording"
    )
    parsed = parser.parse_args(arguments)
    if parsed.purge and not parsed.uninstall:
        parser.error("--purge goes with --uninstall")
    if parsed.camera and not parsed.demo:
        parser.error("--camera goes with --demo")
    if parsed.offline is not None and not parsed.offline.is_dir():
        parser.error(f"{parsed.offline} is no folder")
    return parsed


def main() -> int:
    """Do what the user typed; the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Each step is seen when it begins, also down a pipe; letters of a path that Windows' code page lacks
        # there become "?". The standard error never fails for them.
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    arguments = parse_arguments()
    offline = arguments.offline.resolve() if arguments.offline else None
    options = Options(arguments.provider, arguments.upgrade, offline, arguments.dry_run)
    try:
        system = this_system()
        if arguments.uninstall:
            uninstall(system, purge=arguments.purge, dry_run=arguments.dry_run)
            return 0
        source = find_source(Path(__file__).resolve().parent)
        if arguments.demo:
            demo(system, source, options, arguments.output.resolve(), camera=arguments.camera)
        else:
            Installation(system, source, options).install()
    except InstallError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        state = str(stopped) or "Run this again: it finishes what it began."
        print(f"\nStopped. {state}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
