"""Networks through ONNX Runtime: a graph small enough to be computed by hand."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from scenes import draw_room, photograph

from cleanplate.engine import session
from cleanplate.engine.errors import CardError, ProviderError
from cleanplate.engine.matting import available_models, create_engine
from cleanplate.engine.providers import BY_NAME, CPU, Graph, OnnxRuntime, Provider

MakeModel = Callable[..., Path]


def picture(red: int, width: int = 64, height: int = 32) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 2] = red
    return image


def test_matte_without_samples_and_state_of_the_frame_before(make_model: MakeModel) -> None:
    path = make_model()
    engine = create_engine("tiny", models=[path.parent], provider="cpu")
    stream = engine.stream()
    first, second = stream.process(picture(255)), stream.process(picture(51))
    assert first.alpha.shape == (32, 64)
    assert first.alpha.dtype == np.float32
    np.testing.assert_allclose(first.alpha, 0.25, atol=1e-6)
    np.testing.assert_allclose(second.alpha, 0.05 + 0.5, atol=1e-6)


def test_reset_forgets_the_state(make_model: MakeModel) -> None:
    stream = create_engine("tiny", models=[make_model().parent], provider="cpu").stream()
    stream.process(picture(255))
    stream.reset()
    np.testing.assert_allclose(stream.process(picture(51)).alpha, 0.05, atol=1e-6)


def test_another_frame_size_starts_anew(make_model: MakeModel) -> None:
    stream = create_engine("tiny", models=[make_model().parent], provider="cpu").stream()
    stream.process(picture(255))
    alpha = stream.process(picture(51, 32, 64)).alpha
    assert alpha.shape == (64, 32)
    np.testing.assert_allclose(alpha, 0.05, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_features_of_all_samples_reach_the_frame_graph(make_model: MakeModel, count: int) -> None:
    engine = create_engine("tiny", models=[make_model().parent], provider="cpu")
    stream = engine.stream()
    values = (102, 204, 51)[:count]
    engine.set_samples([picture(value, 128, 64) for value in values])
    expected = sum(0.1 * value / 255 + 0.01 for value in values)
    np.testing.assert_allclose(stream.process(picture(0)).alpha, expected, atol=1e-6)
    engine.set_samples([])
    np.testing.assert_allclose(stream.process(picture(0)).alpha, 0, atol=1e-6)


def test_samples_that_show_the_same_take_the_time_of_one(make_model: MakeModel) -> None:
    engine = create_engine("tiny", models=[make_model().parent], provider="cpu")
    engine.set_samples([picture(51), picture(102), picture(50), picture(52)])
    alpha = engine.stream().process(picture(0)).alpha
    np.testing.assert_allclose(alpha, (0.1 * 0.4 + 0.01) + (0.1 * 0.2 + 0.01), atol=1e-6)


def test_only_the_newest_samples_are_used_beyond_the_models_limit(make_model: MakeModel) -> None:
    engine = create_engine("tiny", models=[make_model().parent], provider="cpu")
    newest = (51, 72, 93, 114)
    engine.set_samples([picture(value) for value in (255, 240, 225, 210, 195, *newest)])
    alpha = engine.stream().process(picture(0)).alpha
    np.testing.assert_allclose(alpha, sum(0.1 * value / 255 + 0.01 for value in newest), atol=1e-6)


def test_frames_of_another_size_are_scaled_there_and_back(make_model: MakeModel) -> None:
    engine = create_engine("tiny", models=[make_model().parent], provider="cpu")
    assert engine.input_size(640, 320) == (64, 32)
    alpha = engine.stream().process(picture(255, 640, 320)).alpha
    assert alpha.shape == (320, 640)
    np.testing.assert_allclose(alpha, 0.225, atol=1e-6)  # the network's 0.25, stretched


def test_provider_that_is_not_in_the_build_is_reported(make_model: MakeModel) -> None:
    engine = create_engine("tiny", models=[make_model().parent])
    assert engine.provider == "cpu"
    assert ("DirectML", "not in this ONNX Runtime build") in engine.fallbacks


def test_auto_takes_the_fast_model_on_a_cpu(make_model: MakeModel) -> None:
    make_model("big", "quality")
    folder = make_model("small", "fast").parent
    make_model("other", None)
    assert available_models([folder]) == ["difference", "big", "other", "small"]
    assert create_engine("auto", models=[folder]).name == "small"
    assert create_engine("auto").name == "difference"


@pytest.mark.parametrize(
    ("registered", "wanted", "chosen"),
    [
        ("cuda", "auto", ("big", "cuda")),
        ("directml", "auto", ("big", "directml")),
        ("coreml", "auto", ("small", "cpu")),
        ("coreml", "coreml", ("small", "coreml")),
        ("openvino", "auto", ("small", "openvino")),
    ],
)
def test_auto_takes_the_quality_model_only_where_a_gpu_runs_it(
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
    registered: str,
    wanted: str,
    chosen: tuple[str, str],
) -> None:
    class RenamedCpu(OnnxRuntime):
        """A build with one more provider, for which the CPU stands in."""

        def providers(self) -> Sequence[str]:
            return [BY_NAME[registered].runtime_name, CPU.runtime_name]

        def open(self, path: Path, provider: Provider, threads: int | None) -> Graph:
            return super().open(path, CPU, threads)

    monkeypatch.setattr(session, "OnnxRuntime", RenamedCpu)
    make_model("big", "quality")
    folder = make_model("small", "fast").parent
    engine = create_engine("auto", provider=wanted, models=[folder])
    assert (engine.name, engine.provider) == chosen


def test_auto_passes_over_a_broken_model(make_model: MakeModel) -> None:
    folder = make_model("small", "fast").parent
    (folder / "half-copied.json").write_text("{")
    assert create_engine("auto", models=[folder]).name == "small"
    (folder / "small.json").unlink()
    with pytest.raises(CardError, match="half-copied"):
        create_engine("auto", models=[folder])


def test_auto_passes_over_networks_that_cannot_be_loaded(make_model: MakeModel) -> None:
    folder = make_model("c-fast", "fast").parent
    make_model("a-quality", "quality", states=[])  # contradicts its graph
    card_path = make_model("b-fast", "fast")
    newer = folder / "b-fast.onnx"
    model = onnx.load(newer)
    model.ir_version = 99
    newer.write_bytes(model.SerializeToString())
    card = json.loads(card_path.read_text())
    card["graph"]["sha256"] = hashlib.sha256(newer.read_bytes()).hexdigest()
    card_path.write_text(json.dumps(card))
    assert create_engine("auto", models=[folder]).name == "c-fast"
    make_model("b-quality", "quality")
    (folder / "c-fast.json").unlink()
    assert create_engine("auto", models=[folder]).name == "b-quality"
    (folder / "b-quality.json").unlink()
    with pytest.raises(ProviderError, match="No provider can run the model"):
        create_engine("auto", models=[folder])


def test_auto_refuses_an_unknown_provider(make_model: MakeModel) -> None:
    with pytest.raises(ProviderError, match="no provider named abacus"):
        create_engine("auto", provider="abacus", models=[make_model().parent])


def test_graph_that_contradicts_its_card_is_refused(make_model: MakeModel) -> None:
    state = {"input": "r1i", "output": "r1o", "shape": [1, 2, "H/2", "W/2"]}
    path = make_model(states=[state])
    with pytest.raises(CardError, match=r"tiny\.onnx: input r1i has shape"):
        create_engine("tiny", models=[path.parent])
    path = make_model(states=[])
    with pytest.raises(CardError, match="differ in inputs: r1i"):
        create_engine("tiny", models=[path.parent])


def test_light_is_measured_for_networks_too(make_model: MakeModel) -> None:
    engine = create_engine("tiny", models=[make_model().parent], provider="cpu")
    engine.set_samples([photograph(draw_room(), 1)])
    dim = photograph(np.float32(0.8) * draw_room(), 2)
    np.testing.assert_allclose(engine.stream().process(dim).gain, 0.8, rtol=0.03)
    engine.set_samples([])
    assert engine.stream().process(dim).gain == (1.0, 1.0, 1.0)


def test_light_of_networks_is_measured_now_and_then_and_at_once_with_new_samples(
    make_model: MakeModel,
) -> None:
    engine = create_engine("tiny", models=[make_model().parent], provider="cpu")
    engine.set_samples([photograph(draw_room(), 1)])
    stream = engine.stream()
    dim = photograph(np.float32(0.8) * draw_room(), 2)
    first = stream.process(photograph(draw_room(), 3)).gain
    gains = [stream.process(dim).gain for _ in range(stream.light_interval)]
    assert gains[:-1] == [first] * (stream.light_interval - 1)
    np.testing.assert_allclose(gains[-1], 0.8, rtol=0.03)
    engine.set_samples([dim])
    np.testing.assert_allclose(stream.process(dim).gain, 1, rtol=0.03)
