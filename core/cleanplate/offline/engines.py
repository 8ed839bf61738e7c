"""Engines for those who know this package alone, and what is told of the one that a user chose."""

from collections.abc import Sequence
from pathlib import Path

from cleanplate.engine.base import Engine
from cleanplate.engine.matting import AUTO, available_models, create_engine


def engine_names(models: Sequence[Path]) -> list[str]:
    """Names that `load_engine` takes, `auto` first."""
    return [AUTO, *available_models(models)]


def load_engine(name: str, provider: str, models: Sequence[Path]) -> Engine:
    """Make an engine, as `create_engine`.

    Raises:
        EngineError: as there.
    """
    return create_engine(name, provider=provider, models=models)


def fallback_reasons(engine: Engine, wanted: str) -> list[str]:
    """Why an engine does not run on the provider that was asked for; nothing where it does, or none was."""
    if wanted in (AUTO, engine.provider):
        return []
    return [f"not on {label}: {reason}" for label, reason in engine.fallbacks]
