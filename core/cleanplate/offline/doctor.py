"""What a bug report needs: versions, providers with reasons, a short benchmark, paths."""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cleanplate.engine.errors import EngineError, ProviderError
from cleanplate.engine.matting import available_models, create_engine
from cleanplate.engine.providers import OnnxRuntime
from cleanplate.offline.bench import time_engine
from cleanplate.offline.places import install_record_path, log_folder

PACKAGES = ("cleanplate", "numpy", "opencv-python", "av")
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
BENCHMARK_SIZE = (512, 288)
BENCHMARK_SECONDS = 1.0
OBS_SECONDS = 20.0
"""OBS has to tell its version."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        topic: what was looked at.
        text: what was found.
        wrong: whether it keeps the product from working.
    """

    topic: str
    text: str
    wrong: bool = False


def examine(folders: list[Path]) -> list[Finding]:
    """Look at everything; takes about a second per model.

    Args:
        folders: with models.
    """
    return [*_system(), *_packages(), _obs(), *_paths(folders), *_models(folders)]


def _system() -> list[Finding]:
    return [
        Finding("System", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Finding("Processor", f"{_processor()}, {os.cpu_count()} threads"),
        Finding("Python", f"{platform.python_version()} at {sys.executable}"),
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _packages() -> list[Finding]:
    findings = []
    for name in PACKAGES:
        version = _version(name)
        findings.append(
            Finding(name, version or "not installed", wrong=version is None and name != "cleanplate")
        )
    runtimes = [f"{name} {version}" for name in RUNTIMES if (version := _version(name))]
    if not runtimes:
        findings.append(
            Finding("ONNX Runtime", "not installed: networks cannot run. Run the installer again.", True)
        )
    elif len(runtimes) > 1:
        text = f"{', '.join(runtimes)}: they overwrite each other. Run the installer with --upgrade."
        findings.append(Finding("ONNX Runtime", text, True))
    else:
        findings.append(_runtime(runtimes[0]))
    return findings


def _runtime(name: str) -> Finding:
    try:
        providers = ", ".join(OnnxRuntime().providers())
    except ProviderError as error:
        return Finding("ONNX Runtime", f"{name}: {error}", True)
    return Finding("ONNX Runtime", f"{name} with {providers}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _obs() -> Finding:
    program = shutil.which("obs") or shutil.which("obs64")
    if program is None:
        return Finding("OBS Studio", "not on the PATH")
    try:
        answer = subprocess.run(
            [program, "--version"], check=False, capture_output=True, text=True, timeout=OBS_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("OBS Studio", f"does not tell its version ({error})")
    return Finding("OBS Studio", answer.stdout.strip() or "gives no version")


def _paths(folders: list[Path]) -> list[Finding]:
    return [
        _install_record(),
        Finding("Logs", str(log_folder())),
        Finding("Model folders", ", ".join(map(str, folders)) or "none"),
    ]


def _install_record() -> Finding:
    path = install_record_path()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        python, version = Path(record["python"]), record["version"]
    except FileNotFoundError:
        return Finding(
            "Install record", f"{path} is missing: OBS cannot find the worker. Run the installer.", True
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        return Finding("Install record", f"{path} is damaged ({error}). Run the installer again.", True)
    if not python.is_file():
        return Finding(
            "Install record", f"{path} names {python}, which is missing. Run the installer again.", True
        )
    return Finding("Install record", f"{path}: version {version}, {python}")


def _models(folders: list[Path]) -> list[Finding]:
    return [finding for name in available_models(folders) for finding in _model(name, folders)]


def _model(name: str, folders: list[Path]) -> list[Finding]:
    try:
        engine = create_engine(name, models=folders)
        timing = time_engine(engine, *BENCHMARK_SIZE, BENCHMARK_SECONDS)
    except EngineError as error:
        return [Finding(f"Model {name}", str(error), True)]
    width, height = BENCHMARK_SIZE
    text = (
        f"{engine.provider}, {timing.median:.1f} ms per frame of {width}x{height} (95 %: {timing.p95:.1f} ms)"
    )
    reasons = [Finding(f"  not {label}", reason) for label, reason in engine.fallbacks]
    return [Finding(f"Model {name}", text), *reasons]
