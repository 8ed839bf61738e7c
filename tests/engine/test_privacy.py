import os
import subprocess
import sys
from pathlib import Path

from cleanplate.engine import providers

CORE = Path(providers.__file__).parents[2]


def test_onnx_runtime_reports_nothing_and_keeps_no_identifier(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    environment |= {"HOME": str(home), "PYTHONPATH": str(CORE)}
    program = "from cleanplate.engine.providers import OnnxRuntime; print(OnnxRuntime().providers())"
    result = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, env=environment
    )
    assert "CPUExecutionProvider" in result.stdout, result.stderr
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_onnx_runtime_is_loaded_in_one_place() -> None:
    importing = [
        path.name
        for folder in (CORE, CORE.parent / "models")
        for path in (folder / "cleanplate").rglob("*.py")
        if "import onnxruntime" in path.read_text(encoding="utf-8")
    ]
    assert importing == ["providers.py"]
