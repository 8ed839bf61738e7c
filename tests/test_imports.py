"""Who may import whom, and what each part may need: the architecture, read from the source."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "cleanplate"
SOURCE_ROOTS = ("obs_script", "core", "models")

# An arrow that is not here is forbidden. docs/architecture.md says why.
ALLOWED: dict[str, frozenset[str]] = {
    "wire": frozenset(),
    "obs": frozenset({"wire"}),
    "engine": frozenset(),
    "worker": frozenset({"wire", "engine"}),
    "offline": frozenset({"engine", "studio"}),
    "studio": frozenset(),
    "web": frozenset({"offline"}),
    "nets": frozenset(),
    "data": frozenset({"engine"}),  # the webcam clips' plate and mattes
    "training": frozenset({"nets", "data", "evaluation", "engine"}),  # its way of scaling pictures
    "export": frozenset({"nets", "engine"}),  # the words of the model card
    "evaluation": frozenset({"engine"}),
}
# What a part may not need, though the environment of a developer has it.
FOREIGN_FORBIDDEN = {
    "engine": {"torch", "lightning", "av"},
    "worker": {"torch", "lightning", "av"},
    "offline": {"torch", "lightning", "fastapi", "starlette", "uvicorn"},
    "web": {"torch", "lightning"},
}
OLDEST_PYTHON_IN_OBS = "3.9"
PYTHON_39_VARIABLE = "CLEANPLATE_TEST_PYTHON39"


class Import(NamedTuple):
    """One imported module, by its full name, and where that stands."""

    module: str
    place: str


def read_imports(source: str, package: str, place: str) -> Iterator[Import]:
    """All imports of a file, inside functions too; relative ones are made absolute.

    ``from a import b`` counts as both ``a`` and ``a.b``, for ``b`` may be a module.

    Args:
        source: the text of the file.
        package: the package that the file stands in, "" for none.
        place: the file's name, for messages.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, f"{place}:{node.lineno}")
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield Import(module, f"{place}:{node.lineno}")
            for alias in node.names:
                yield Import(f"{module}.{alias.name}", f"{place}:{node.lineno}")
        elif isinstance(node, ast.Call) and _calls_import(node):
            yield Import(_first_text(node), f"{place}:{node.lineno}")


def forbidden_arrows(part: str, imports: Iterator[Import]) -> list[str]:
    """Imports of our own packages that ``part`` may not have, as sentences."""
    wrong = []
    for module, place in imports:
        names = module.split(".")
        if names[0] == NAMESPACE and len(names) > 1 and names[1] not in ALLOWED[part] | {part}:
            wrong.append(f"{place}: {part} may not import {module}")
    return wrong


def parts() -> dict[str, list[Path]]:
    """Files of each sub-package of the namespace."""
    found: dict[str, list[Path]] = {}
    for root in SOURCE_ROOTS:
        for path in sorted((ROOT / root / NAMESPACE).rglob("*.py")):
            found.setdefault(path.relative_to(ROOT / root).parts[1], []).append(path)
    return found


def imports_of(path: Path) -> Iterator[Import]:
    """Imports of one file of a source root."""
    relative = path.relative_to(ROOT)
    package = ".".join(relative.parts[1:-1])
    return read_imports(path.read_text(encoding="utf-8"), package, str(relative))


def _calls_import(call: ast.Call) -> bool:
    return ast.unparse(call.func) in ("__import__", "import_module", "importlib.import_module")


def _first_text(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def test_every_part_has_its_rule() -> None:
    assert set(parts()) == set(ALLOWED)


@pytest.mark.parametrize("part", parts())
def test_only_allowed_arrows(part: str) -> None:
    wrong = [line for path in parts()[part] for line in forbidden_arrows(part, imports_of(path))]
    assert wrong == []


@pytest.mark.parametrize("part", FOREIGN_FORBIDDEN)
def test_shipped_parts_do_without_training_libraries(part: str) -> None:
    wrong = [
        f"{place}: {module}"
        for path in parts()[part]
        for module, place in imports_of(path)
        if module.split(".")[0] in FOREIGN_FORBIDDEN[part]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import cleanplate.engine.matting", True),
        ("from cleanplate import engine", True),
        ("from cleanplate.engine import matting", True),
        ("from ..engine import matting", True),
        ("from .. import engine", True),
        ("def f():\n    from cleanplate.engine.matting import create_engine", True),
        ("import importlib\nimportlib.import_module('cleanplate.engine')", True),
        ("from cleanplate.wire import ring", False),
        ("from . import ring", False),
        ("from .ring import Ring", False),
        ("import json", False),
    ],
)
def test_a_forbidden_arrow_is_found_however_it_is_written(source: str, expected: bool) -> None:
    imports = read_imports(source, "cleanplate.wire", "example.py")
    assert bool(forbidden_arrows("wire", imports)) is expected


def test_no_module_stands_in_the_namespace_itself() -> None:
    stray = [path for root in SOURCE_ROOTS for path in (ROOT / root / NAMESPACE).glob("*.py")]
    assert stray == []


def test_obs_script_needs_the_standard_library_alone() -> None:
    known = sys.stdlib_module_names | {"obspython", NAMESPACE}
    wrong = [
        f"{place}: {module}"
        for path in obs_script_files()
        for module, place in imports_of(path)
        if module.split(".")[0] not in known
    ]
    assert wrong == []


def test_installer_needs_the_standard_library_alone() -> None:
    wrong = [
        f"{place}: {module}"
        for path in sorted((ROOT / "installer").glob("*.py"))
        for module, place in imports_of(path)
        if module.split(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


def obs_script_files() -> list[Path]:
    """Everything that OBS' own Python reads."""
    return sorted((ROOT / "obs_script").rglob("*.py"))


def test_obs_script_is_written_for_the_oldest_python() -> None:
    vermin = [
        str(Path(sys.executable).with_name("vermin")), "--no-tips", "--eval-annotations", "--violations",
        f"--target={OLDEST_PYTHON_IN_OBS}-", *map(str, obs_script_files()),
    ]  # fmt: skip
    result = subprocess.run(vermin, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_obs_script_imports_on_the_oldest_python(tmp_path: Path) -> None:
    python = _python_39()
    if not python:
        pytest.skip(f"no Python 3.9 on PATH, in pyenv or named by {PYTHON_39_VARIABLE}")
    # OBS gives scripts a module of its own making; nothing may need it at import.
    (tmp_path / "obspython.py").write_text("")
    modules = [
        ".".join(path.relative_to(ROOT / "obs_script").with_suffix("").parts).removesuffix(".__init__")
        for path in obs_script_files()
        if _for_this_system(path)
    ]
    program = f"import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "obs_script"), str(tmp_path)])}
    # -S leaves out site-packages: whatever is installed there cannot help.
    command = [python, "-B", "-S", "-W", "error", "-c", program]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr


def _for_this_system(path: Path) -> bool:
    return not path.stem.endswith("_windows") or sys.platform == "win32"


def _python_39() -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [
        os.environ.get(PYTHON_39_VARIABLE),
        shutil.which("python3.9"),
        *map(str, sorted(pyenv.glob("3.9.*/bin/python3.9"))),
    ]
    return next((python for python in candidates if python and _is_python_39(python)), None)


def _is_python_39(python: str) -> bool:
    # A shim of pyenv is on PATH even where its version is not switched on; it then fails.
    question = "import sys; print(sys.version_info[:2] == (3, 9))"
    try:
        answer = subprocess.run([python, "-c", question], check=False, capture_output=True, text=True)
    except OSError:
        return False
    return answer.stdout.strip() == "True"


def test_wheel_holds_the_three_packages_and_what_the_installer_places(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        entries = {name for name in archive.namelist() if ".dist-info/" not in name}
    packed = {name for name in entries if not name.startswith(f"{NAMESPACE}-")}
    shared = {name.partition(f".data/data/share/{NAMESPACE}/")[2] for name in entries - packed}
    assert packed == {
        name.partition("/")[2]
        for name in _our_files(*SOURCE_ROOTS)
        if name.partition("/")[2].startswith(f"{NAMESPACE}/")
    }
    assert shared == {
        name.removeprefix("models/") for name in _our_files("installer", "models/weights", "obs_script")
    }
    assert f"{NAMESPACE}/__init__.py" not in packed


def _our_files(*folders: str) -> list[str]:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [name for name in names if name and (ROOT / name).exists()]
