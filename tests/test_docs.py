"""The commands that the documentation shows exist, with the options that it shows; its links lead somewhere.

What they do is tested elsewhere: here each program is asked for its help.
"""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])
PROGRAMS = re.compile(r"^(python3? (installer/install\.py|check\.py|-m cleanplate\.\w+)|cleanplate )")


def commands() -> list[tuple[str, str]]:
    """Page and command line, from the code blocks and the inline code."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.S) for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", text)
        found += [(page.name, line.partition("#")[0].strip()) for line in lines if PROGRAMS.match(line)]
    return found


@cache
def help_of(*command: str) -> str:
    """What a program says of itself."""
    # Wide, so that no option is broken over two lines.
    answer = subprocess.run(
        [sys.executable, *command, "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={"COLUMNS": "300", "PATH": "", "HOME": "/nonexistent", "TERM": "dumb"},
        timeout=120,
    )
    return answer.stdout


def program_of(words: list[str]) -> list[str]:
    """The words that name the program and its subcommand, as arguments of Python."""
    if words[0] == "cleanplate":
        start = ["-m", "cleanplate.offline.cli"]
        return start + words[1 : 3 if words[1] == "bench" and len(words) > 2 else 2]
    return words[1:3] if words[1] == "-m" else words[1:2]


def test_there_are_commands() -> None:
    assert len(commands()) >= 10


@pytest.mark.parametrize(("page", "command"), commands())
def test_command_exists(page: str, command: str) -> None:
    words = shlex.split(command)
    text = help_of(*program_of(words))
    for option in (word for word in words if word.startswith("--")):
        assert option in text, f"{page} shows {option}, which its program has not"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
