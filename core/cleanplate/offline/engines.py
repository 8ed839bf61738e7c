"""What is told of the engine that a user chose."""

from cleanplate.engine.base import Engine
from cleanplate.engine.matting import AUTO


def fallback_reasons(engine: Engine, wanted: str) -> list[str]:
    """Why an engine does not run on the provider that was asked for; nothing where it does, or none was."""
    if wanted in (AUTO, engine.provider):
        return []
    return [f"not on {label}: {reason}" for label, reason in engine.fallbacks]
