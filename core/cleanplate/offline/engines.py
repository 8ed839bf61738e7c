"""The engine that a user chose, and what is told of it."""

from collections.abc import Sequence
from pathlib import Path

from cleanplate.engine.base import Engine
from cleanplate.engine.errors import ProviderError
from cleanplate.engine.matting import AUTO, create_engine


def load_engine(name: str, provider: str, models: Sequence[Path]) -> Engine:
    """Make an engine, as `create_engine`.

    Raises:
        EngineError: from `create_engine`, and where ONNX Runtime itself cannot be loaded.
    """
    try:
        return create_engine(name, provider=provider, models=models)
    except (ImportError, OSError) as error:
        raise ProviderError(runtime_complaint(error)) from error


def runtime_complaint(error: Exception) -> str:
    """What to tell where ONNX Runtime cannot be loaded: on Windows it needs libraries of Microsoft's."""
    return (
        f"ONNX Runtime cannot be loaded ({error}). Run the installer again; on Windows, install the "
        "Microsoft Visual C++ Redistributable first."
    )


def fallback_reasons(engine: Engine, wanted: str) -> list[str]:
    """Why an engine does not run on the provider that was asked for; nothing where it does, or none was."""
    if wanted in (AUTO, engine.provider):
        return []
    return [f"not on {label}: {reason}" for label, reason in engine.fallbacks]
