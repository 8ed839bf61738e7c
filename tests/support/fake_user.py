"""A system whose programs are fakes, so that an installation takes no time and touches nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import install

ROOT = Path(__file__).parents[2]


class FakePrograms(install.System):
    """Answers for all programs that the installer starts; to be mixed into a system.

    Attributes:
        python_version: of every Python that is asked.
        pip_output: what pip prints; it fails if there is any.
        broken_import: what importing the packages prints; it fails if there is any.
        commands: all command lines so far.
    """

    def __init__(self, home: Path, **variables: str) -> None:
        super().__init__({"HOME": str(home), "PATH": "/usr/bin:/bin", **variables})
        self.python_version = "3.12 True venv"
        self.pip_output = ""
        self.broken_import = ""
        self.obs_runs = False
        self.commands: list[list[str]] = []
        self.answers: dict[str, str] = {}
        self.pip_hook: Callable[[Path], None] = lambda environment: None

    def run(self, command: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        words = list(map(str, command))
        self.commands.append(words)
        text = " ".join(words)
        for beginning, answer in self.answers.items():
            if text.startswith(beginning):
                return subprocess.CompletedProcess(words, 0, answer, "")
        if "-m" in words and "venv" in words:
            python = self.environment_python(Path(words[-1]))
            python.parent.mkdir(parents=True)
            python.write_text("a Python")
            return subprocess.CompletedProcess(words, 0, "", "")
        if "-c" in words and "sys.version_info" in text:
            return subprocess.CompletedProcess(words, 0, self.python_version, "")
        if "-c" in words and "import av" in text:
            return subprocess.CompletedProcess(words, bool(self.broken_import), "", self.broken_import)
        return subprocess.CompletedProcess(words, 127, "", f"{words[0]}: not found")

    def follow(self, command: Sequence[str], say: Callable[[str], None]) -> int:
        words = list(map(str, command))
        self.commands.append(words)
        environment = self.folders().environment
        assert words[0] == str(self.environment_python(environment))
        shared = environment / "share" / "cleanplate"
        (shared / "obs_script" / "cleanplate").mkdir(parents=True, exist_ok=True)
        (shared / "obs_script" / install.SCRIPT).write_text(f"the script, {len(self.commands)}")
        (shared / "weights").mkdir(exist_ok=True)
        (shared / "weights" / "net.onnx").write_text("a network")
        say("Collecting numpy")
        self.pip_hook(environment)
        for line in self.pip_output.splitlines():
            say(line)
        return bool(self.pip_output)

    def find_obs(self) -> install.Obs | None:
        return install.Obs((30, 2, 0), "/usr/bin/obs")

    def obs_is_running(self) -> bool:
        return self.obs_runs


class FakeLinux(FakePrograms, install.Linux):
    """Linux with fake programs; OBS' Python and packaging are not looked for."""

    def obs_python(self) -> str | None:
        return "3.11"

    def packaged_obs(self) -> str | None:
        return None


class FakeWindows(FakePrograms, install.Windows):
    """Windows with fake programs."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, APPDATA=str(home / "Roaming"), LOCALAPPDATA=str(home / "Local"))


class FakeMac(FakePrograms, install.MacOS):
    """macOS with fake programs."""


class User:
    """A user with an empty home who runs the installer."""

    def __init__(self, system: Any) -> None:
        self.system = system
        self.folders = system.folders()
        self.said: list[str] = []
        self.source = install.find_source(ROOT / "installer")

    def install(self, **options: Any) -> str:
        """Run the installer; what it said."""
        self.said = []
        install.Installation(self.system, self.source, install.Options(**options), self.said.append).install()
        return "\n".join(self.said)

    def uninstall(self, **options: Any) -> str:
        """Run the installer's opposite; what it said."""
        self.said = []
        install.uninstall(self.system, **{"purge": False, **options}, say=self.said.append)
        return "\n".join(self.said)

    def files(self) -> dict[str, bytes]:
        """Everything in the home."""
        home = self.system.home
        return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}

    def add_collection(self, name: str = "Untitled", scripts: list[Any] | None = None) -> Path:
        """Let OBS have a scene collection with a camera that has our filter and another one."""
        path: Path = self.folders.obs / "basic" / "scenes" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        filters = [{"id": "cleanplate_filter", "settings": {}}, {"id": "crop_filter", "settings": {}}]
        collection = {
            "name": f"{name} ä",
            "sources": [{"id": "v4l2_input", "name": "Kamera 'ü'", "filters": filters}],
            "modules": {"scripts-tool": scripts or [], "auto-scene-switcher": {"interval": 300}},
        }
        path.write_text(json.dumps(collection, indent=4, ensure_ascii=False), encoding="utf-8")
        return path
