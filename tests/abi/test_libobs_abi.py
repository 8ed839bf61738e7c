"""The ctypes declarations of libobs against its real headers, as a C++ compiler reads them.

A wrong offset or argument type in ctypes does not raise, it crashes OBS; so each structure, function and
constant of ``cleanplate.obs.libobs`` is looked up in the headers.
"""

import ast
import ctypes
import inspect
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cleanplate.obs import libobs

HEADER = Path(__file__).with_name("libobs_facts.hpp")
OBS_SCRIPT = Path(libobs.__file__).parents[2]

# obs_source_info as far as OBS 28 has it, and as this filter registers it.
REGISTERED_BYTES = 400

C_NAMES: dict[type[ctypes.Structure], str] = {
    libobs.ObsSourceInfo: "obs_source_info",
    libobs.ObsVideoInfo: "obs_video_info",
    libobs.Vec2: "vec2",
    libobs.Vec4: "vec4",
}
CONSTANTS = {
    name: value
    for name, value in vars(libobs).items()
    if name.isupper() and isinstance(value, int) and not name.startswith("_")
}

_FUNCTION_POINTER: Any = ctypes.CFUNCTYPE(None).__base__  # ctypes has no public name for it

Facts = dict[tuple[str, str], list[str]]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Facts by (kind of fact, name), from a program compiled here."""
    flags = _compiler_flags()
    folder = tmp_path_factory.mktemp("abi")
    source, program = folder / "facts.cpp", folder / "facts"
    source.write_text(_program(), encoding="utf-8")
    compiler = subprocess.run(
        ["g++", "-std=c++17", str(source), "-o", str(program), *flags],
        check=False,
        capture_output=True,
        text=True,
    )
    assert compiler.returncode == 0, compiler.stderr
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in output.splitlines()]
    return {(row[0], row[1]): row[2:] for row in rows}


def _compiler_flags() -> list[str]:
    for tool in ("g++", "pkg-config"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    flags = subprocess.run(["pkg-config", "--cflags", "libobs"], check=False, capture_output=True, text=True)
    if flags.returncode:
        pytest.skip("libobs' headers are not installed (Debian: libobs-dev)")
    return flags.stdout.split()


def _program() -> str:
    facts = [f"CONSTANT({name});" for name in CONSTANTS]
    facts += [f"FUNCTION({function.name});" for function in libobs.FUNCTIONS]
    for structure, name in C_NAMES.items():
        facts.append(f"STRUCTURE({name});")
        facts += [f"FIELD({name}, {field[0]});" for field in structure._fields_]
    body = "\n\t".join(facts)
    return f'#include "{HEADER}"\n\nint main()\n{{\n\t{body}\n}}\n'


def _kind(kind: Any) -> str:
    """The same text for a ctypes type as Kind in libobs_facts.hpp gives for a C type."""
    if kind is None:
        return "v"
    if issubclass(kind, _FUNCTION_POINTER):
        return _signature(kind._restype_, kind._argtypes_)
    if issubclass(kind, ctypes._Pointer | ctypes.c_void_p | ctypes.c_char_p):
        return "p"
    letter = "f" if kind in (ctypes.c_float, ctypes.c_double) else "i" if _signed(kind) else "u"
    return f"{letter}{ctypes.sizeof(kind)}"


def _signature(result: Any, arguments: Any) -> str:
    return f"p:{_kind(result)}({','.join(_kind(argument) for argument in arguments)})"


def _signed(kind: Any) -> bool:
    # ctypes does not tell; a value that has all bits set does.
    return kind is not ctypes.c_bool and kind(-1).value == -1


def _fits(ours: str, theirs: str) -> bool:
    """Whether a ctypes kind may stand for a C kind.

    c_void_p stands for any pointer, c_int for an enum, which the compiler makes unsigned.
    """
    if ours.startswith("p:") and theirs.startswith("p:"):
        return _fits_signature(ours, theirs)
    if ours == "p":
        return theirs[0] == "p"
    if ours == "i4":
        return theirs in ("i4", "u4")
    return ours == theirs


def _fits_signature(ours: str, theirs: str) -> bool:
    our_result, our_arguments = _split(ours)
    their_result, their_arguments = _split(theirs)
    return (
        _fits(our_result, their_result)
        and len(our_arguments) == len(their_arguments)
        and all(map(_fits, our_arguments, their_arguments))
    )


def _split(signature: str) -> tuple[str, list[str]]:
    result, _, arguments = signature.removeprefix("p:").removesuffix(")").partition("(")
    parts: list[str] = []
    depth = 0
    for piece in arguments.split(",") if arguments else []:
        if depth:
            parts[-1] += "," + piece
        else:
            parts.append(piece)
        depth += piece.count("(") - piece.count(")")
    return result, parts


@pytest.mark.parametrize("structure", C_NAMES, ids=C_NAMES.get)
def test_fields_lie_where_libobs_has_them(facts: Facts, structure: type[ctypes.Structure]) -> None:
    for name, kind in (field[:2] for field in structure._fields_):
        offset, size, their_kind = facts["field", f"{C_NAMES[structure]}.{name}"]
        descriptor = getattr(structure, name)
        assert (descriptor.offset, descriptor.size) == (int(offset), int(size)), name
        assert _fits(_kind(kind), their_kind), f"{name}: {_kind(kind)} is not {their_kind}"


def test_registered_prefix_is_that_of_all_versions(facts: Facts) -> None:
    offset, size, _ = facts["field", "obs_source_info.video_get_color_space"]
    assert ctypes.sizeof(libobs.ObsSourceInfo) == int(offset) + int(size) == REGISTERED_BYTES
    assert int(facts["structure", "obs_source_info"][0]) >= REGISTERED_BYTES


@pytest.mark.parametrize("structure", [libobs.ObsVideoInfo, libobs.Vec2, libobs.Vec4])
def test_structures_are_as_large(facts: Facts, structure: type[ctypes.Structure]) -> None:
    assert ctypes.sizeof(structure) == int(facts["structure", C_NAMES[structure]][0])


def test_vec4_is_aligned_as_libobs_demands(facts: Facts) -> None:
    alignment = int(facts["structure", "vec4"][1])
    kept = [libobs.aligned_vec4() for _ in range(50)]
    assert {ctypes.addressof(vector) % alignment for vector in kept} == {0}


@pytest.mark.parametrize("function", libobs.FUNCTIONS, ids=lambda function: function.name)
def test_function_has_the_prototype(facts: Facts, function: libobs.Function) -> None:
    (theirs,) = facts["function", function.name]
    ours = _signature(function.restype, function.argtypes)
    assert _fits(ours, theirs), f"declared {ours}, in the headers {theirs}"


@pytest.mark.parametrize("name", CONSTANTS)
def test_constant_has_the_value(facts: Facts, name: str) -> None:
    (theirs,) = facts["constant", name]
    assert ctypes.c_longlong(CONSTANTS[name]).value == int(theirs)


def test_every_structure_is_checked() -> None:
    structures = {
        value
        for value in vars(libobs).values()
        if inspect.isclass(value) and issubclass(value, ctypes.Structure) and value is not ctypes.Structure
    }
    assert structures == set(C_NAMES)


def test_table_is_sorted_and_holds_no_function_twice() -> None:
    names = [function.name for function in libobs.FUNCTIONS]
    assert names == sorted(set(names))


def test_table_is_what_the_script_calls() -> None:
    declared = {function.name for function in libobs.FUNCTIONS}
    prefixes = ("gs_", "obs_", "os_", "blog", "bfree")
    called = {
        node.attr
        for path in OBS_SCRIPT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith(prefixes)
    }
    assert called - declared == set(), "called, but not declared in FUNCTIONS"
    assert declared - called == set(), "declared in FUNCTIONS, but not called"


def test_checks_notice_what_is_wrong() -> None:
    """The comparison has teeth: these pairs are the mistakes that it is there for."""
    right = "p:v(p,u8,p:v(p,u4))"
    assert _fits("p:v(p,u8,p)", right)
    for wrong in ("p:v(p,u4,p)", "p:v(p,u8)", "p:v(p,u8,p,p)", "p:p(p,u8,p)", "p:v(p,i8,p)", "p:v(u8,u8,p)"):
        assert not _fits(wrong, right), wrong
    assert not _fits("p:v(p,u8,p:v(p,f4))", right)
