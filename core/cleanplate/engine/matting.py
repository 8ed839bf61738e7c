"""The engines by name: what the worker, the command line and the evaluation start from.

```
engine = create_engine("difference")
engine.set_samples([plate])             # uint8 [H, W, 3] BGR, any size
stream = engine.stream()
result = stream.process(frame)          # uint8 [H, W, 3] BGR or [H, W, 4] BGRA
result.alpha                            # float32 [H, W], 0..1
```
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from cleanplate.engine.base import Engine
from cleanplate.engine.card import read_card
from cleanplate.engine.difference import DifferenceEngine
from cleanplate.engine.errors import CardError, ModelError, UnknownModelError
from cleanplate.engine.providers import BY_NAME, check_name
from cleanplate.engine.session import OnnxEngine

AUTO = "auto"

_log = logging.getLogger(__name__)


def create_engine(
    name: str, *, provider: str = AUTO, models: Sequence[Path] = (), threads: int | None = None
) -> Engine:
    """Make an engine.

    Args:
        name: `difference`, the name of a model in `models`, or `auto`: the model of role `quality` where
            a GPU runs it, the one of role `fast` where not, `difference` without either.
        provider: `auto`, or one of `cleanplate.engine.providers.PROVIDERS`; the CPU stands in where it fails.
        models: folders with models and their cards; the first folder that has a name wins.
        threads: CPU threads of the network, None for ONNX Runtime's choice.

    Raises:
        UnknownModelError: there is no model of that name.
        CardError: the model's card is malformed or does not fit its files.
        ProviderError: the provider is unknown, none could load the model, or ONNX Runtime cannot be loaded.
            `auto` passes over a model that cannot be used as long as there is another.
    """
    cards = _card_paths(models)
    if name == AUTO:
        return _best_engine(list(cards.values()), provider, threads)
    if name == DifferenceEngine.name:
        return DifferenceEngine()
    if name not in cards:
        names = ", ".join(available_models(models))
        raise UnknownModelError(f"There is no model named {name}. Choose one of: {names}.")
    return OnnxEngine(cards[name], provider=provider, threads=threads)


def available_models(folders: Sequence[Path]) -> list[str]:
    """Names that `create_engine` takes beside `auto`: `difference`, then the models of the folders."""
    return [DifferenceEngine.name, *sorted(_card_paths(folders))]


def _card_paths(folders: Sequence[Path]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            paths.setdefault(path.stem, path)
    return paths


def _best_engine(paths: Sequence[Path], provider: str, threads: int | None) -> Engine:
    check_name(provider)
    by_role: dict[str | None, list[Path]] = {}
    broken: ModelError | None = None
    for path in paths:
        try:
            by_role.setdefault(read_card(path).role, []).append(path)
        except CardError as error:  # a broken model that nobody asked for stops no other
            _log.warning("%s", error)
            broken = error
    engine: Engine | None = None
    for role in ("quality", "fast"):
        for path in by_role.get(role, ()):
            try:
                candidate = OnnxEngine(path, provider=provider, threads=threads)
            except ModelError as error:  # likewise
                _log.warning("%s: %s", path.stem, error)
                broken = error
                continue
            if BY_NAME[candidate.provider].is_gpu:
                return candidate
            engine = candidate
            break
    if engine is None and broken is not None:
        raise broken
    return engine or DifferenceEngine()
