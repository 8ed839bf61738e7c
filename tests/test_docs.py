"""Every command in the documentation's code blocks is run, as it stands there; its links lead somewhere.

Those that need minutes, the network or OBS are run by tests elsewhere, which `ELSEWHERE` names. Commands
within the text are asked for their help: they must exist, with the options that the text gives them.
"""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from clips import room, scene, write_clip
from small_project import make_small_project
from typer.testing import CliRunner

from cleanplate.offline.cli import app
from cleanplate.wire import protocol

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])
PROGRAM = re.compile(r"^(python3? (installer/install\.py|check\.py|-m cleanplate\.\w+)|cleanplate )")

USERS = "README.md"
NETWORKS_VARIABLE = "CLEANPLATE_TEST_NETWORKS"
NETWORKS = "models/README.md"
HERE = (f"{USERS}: cleanplate ", f"{NETWORKS}: cleanplate ")
"""How pages and commands begin that this file runs, each page's in their order."""

ELSEWHERE = {
    "README.md: python3 installer/install.py --demo": (
        "installer/test_demo.py::test_the_real_installation_works"
    ),
    "README.md: python3 check.py": "test_check.py::test_everything_and_the_fast_checks_are_run",
    "CONTRIBUTING.md: python3 check.py": "test_check.py::test_everything_and_the_fast_checks_are_run",
    "CONTRIBUTING.md: python3 check.py --fast": "test_check.py::test_everything_and_the_fast_checks_are_run",
    "CONTRIBUTING.md: python3 check.py --fix": "test_check.py::test_what_can_be_mended_is_mended",
    "CONTRIBUTING.md: python3 check.py --obs-matrix": (
        "test_check.py::test_the_obs_matrix_makes_a_system_for_each_release_and_tests_in_it"
    ),
}


def block_commands() -> list[str]:
    """`PAGE: COMMAND` for each line of a shell's code block."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            lines = (line.partition("#")[0].strip() for line in block.splitlines())
            found += [f"{page.relative_to(ROOT).as_posix()}: {line}" for line in lines if line]
    return found


def text_commands() -> list[str]:
    """The commands within the text of all pages, once each."""
    words = [word for page in PAGES for word in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))]
    return sorted({word for word in words if PROGRAM.match(word)})


def run_commands(page: str, folder: Path, *, at_least: int) -> None:
    """Run the `cleanplate` commands of a page's blocks in a folder."""
    commands = [
        line.partition(": ")[2] for line in block_commands() if line.startswith(f"{page}: cleanplate ")
    ]
    assert len(commands) >= at_least
    program = Path(sys.executable).with_name("cleanplate")
    record = folder / "config" / "cleanplate" / "install.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"version": "0.1.0", "python": sys.executable, "models": []}))
    environment = {**os.environ, "HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder / "config")}
    for command in commands:
        result = subprocess.run(
            [program, *shlex.split(command)[1:]], cwd=folder, env=environment, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def test_every_command_is_run_somewhere() -> None:
    commands = set(block_commands())
    assert len(commands) >= 12
    assert {line for line in commands if not line.startswith(HERE)} == set(ELSEWHERE)


@pytest.mark.parametrize("test", sorted(set(ELSEWHERE.values())))
def test_the_tests_elsewhere_exist(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.slow
def test_the_commands_for_users(tmp_path: Path) -> None:
    write_clip(tmp_path / "empty.mp4", [room()] * 60)
    write_clip(tmp_path / "talk.mp4", [scene(number) for number in range(10)], sound="aac")
    run_commands(USERS, tmp_path, at_least=3)
    assert len(list((tmp_path / "samples").glob("*.png"))) == 8
    assert (tmp_path / "talk.mov").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(NETWORKS_VARIABLE not in os.environ, reason=f"takes minutes: set {NETWORKS_VARIABLE}")
@pytest.mark.skipif(not (ROOT.parent / "shared" / "pretrained").is_dir(), reason="../shared is not there")
def test_the_commands_that_make_a_network(tmp_path: Path) -> None:
    project = make_small_project(ROOT, tmp_path)
    shipped = (project / "models/weights/cleanplate-fast.onnx").read_bytes()
    run_commands(NETWORKS, project, at_least=8)
    assert (project / "models/weights/cleanplate-fast.onnx").read_bytes() != shipped  # trained on, if little
    assert (project / "out/worst.png").is_file()


def test_there_are_commands_in_the_text() -> None:
    assert len(text_commands()) >= 5


@pytest.mark.parametrize("command", text_commands())
def test_a_command_in_the_text_exists(command: str) -> None:
    words = shlex.split(command)
    text = help_of(*program_of(words))
    for option in (word for word in words if word.startswith("--")):
        assert option in text, f"there is no {option}"


@cache
def help_of(*program: str) -> str:
    """What a program says of itself."""
    wide = {"COLUMNS": "300", "TERM": "dumb"}  # so that no option is broken over two lines
    if program[0] == "cleanplate":
        result = CliRunner().invoke(app, [*program[1:], "--help"], env=wide)
        assert result.exit_code == 0, result.output
        return result.output
    command = [sys.executable, *program, "--help"]
    environment = {**os.environ, **wide}
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout


def program_of(words: list[str]) -> list[str]:
    """The words that name the program and its subcommand."""
    if words[0] == "cleanplate":
        return words[: 3 if words[1] in ("bench", "data") and len(words) > 2 else 2]
    return words[1:3] if words[1] == "-m" else words[1:2]


def test_the_protocol_page_has_the_protocols_numbers() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    offsets = dict(reversed(row) for row in re.findall(r"^\| (\d+) \| (\w+) \|", page, re.M))
    assert {name: int(offset) for name, offset in offsets.items()} == {
        "header": 0,
        "counters": protocol.COUNTERS_OFFSET,
        "control": protocol.CONTROL_OFFSET,
        "status": protocol.STATUS_OFFSET,
        "frames": protocol.FRAMES_OFFSET,
        "mattes": protocol.MATTES_OFFSET,
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
