"""The engines by name: what the worker, the command line and the evaluation start from.

engine = create_engine("difference")
engine.set_samples([plate])             # uint8 [H, W, 3] BGR, any size
stream = engine.stream()
result = stream.process(frame)          # uint8 [H, W, 3] BGR or [H, W, 4] BGRA
result.alpha                            # float32 [H, W], 0..1
"""

from collections.abc import Sequence
from pathlib import Path

from cleanplate.engine.base import Engine
from cleanplate.engine.difference import DifferenceEngine
from cleanplate.engine.errors import UnknownModelError


def create_engine(
    name: str, *, provider: str = "auto", models: Sequence[Path] = (), threads: int | None = None
) -> Engine:
    """Make an engine.

    Args:
        name: `difference`, a model's name, or `auto`.
        provider: `auto` or the one to use.
        models: folders with models and their cards.
        threads: threads for the computation, None for as many as there are cores.

    Raises:
        UnknownModelError: there is no model of that name.
    """
    if name in ("difference", "auto"):
        return DifferenceEngine()
    raise UnknownModelError(
        f"There is no model named {name}. Choose one of: {', '.join(available_models(models))}."
    )


def available_models(folders: Sequence[Path]) -> list[str]:
    """Names that `create_engine` takes: `difference` and the models with a card in the folders."""
    return ["difference"]
