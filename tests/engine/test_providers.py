"""The order of providers, with a stand-in for ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cleanplate.engine.errors import CardError, ProviderError
from cleanplate.engine.providers import Graph, Provider, load_on_best


class FakeRuntime:
    def __init__(self, *names: str) -> None:
        self._names = names

    def providers(self) -> Sequence[str]:
        return self._names

    def open(self, path: Path, provider: Provider, threads: int | None) -> Graph:
        raise NotImplementedError


ALL = FakeRuntime("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


def test_first_that_loads_wins_and_the_others_reasons_are_kept() -> None:
    def load(provider: Provider) -> str:
        if provider.name == "tensorrt":
            raise RuntimeError("libnvinfer.so.10: cannot open\n shared object file")
        return f"loaded on {provider.name}"

    loaded, provider, fallbacks = load_on_best(ALL, "auto", load)
    assert loaded == "loaded on cuda"
    assert provider.label == "CUDA"
    assert fallbacks == (("TensorRT", "failed to load: libnvinfer.so.10: cannot open shared object file"),)


def test_the_wanted_provider_falls_back_to_the_cpu_alone() -> None:
    tried: list[str] = []

    def load(provider: Provider) -> None:
        tried.append(provider.name)
        if provider.name == "tensorrt":
            raise RuntimeError("no")

    _, provider, fallbacks = load_on_best(ALL, "tensorrt", load)
    assert tried == ["tensorrt", "cpu"]
    assert provider.name == "cpu"
    assert fallbacks == (("TensorRT", "failed to load: no"),)


def test_what_the_build_lacks_is_not_tried() -> None:
    _, provider, fallbacks = load_on_best(FakeRuntime("CPUExecutionProvider"), "directml", lambda one: one)
    assert provider.name == "cpu"
    assert fallbacks == (("DirectML", "not in this ONNX Runtime build"),)


def test_a_wrong_card_is_no_matter_of_the_provider() -> None:
    def load(provider: Provider) -> None:
        raise CardError("wrong")

    with pytest.raises(CardError):
        load_on_best(ALL, "auto", load)


def test_when_nothing_works_all_reasons_are_told() -> None:
    def load(provider: Provider) -> None:
        raise RuntimeError(f"{provider.name} is broken")

    with pytest.raises(ProviderError, match=r"CUDA: failed to load: cuda is broken; CPU: failed"):
        load_on_best(ALL, "cuda", load)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(
        ProviderError, match=r"no provider named abacus\. Choose auto or one of: tensorrt, cuda"
    ):
        load_on_best(ALL, "abacus", lambda one: one)
