"""Export: the graphs equal torch, and the engine takes the card."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import typer

from cleanplate.engine.matting import available_models, create_engine
from cleanplate.export.commands import export
from cleanplate.export.graphs import cleanplate_graphs
from cleanplate.export.writer import (
    CHECKED_SIZES,
    TOLERANCE,
    CardText,
    MismatchError,
    check_graphs,
    export_network,
    load_network,
)
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.nets.cleanplate import CleanPlateNet

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter warns of its own age

SMALL = {"channels": (8, 8, 8, 8, 8), "keys": 4, "channels_global": 4}
TEXT = CardText("toy", "A toy", None, "none", "none", ({"name": "nothing", "licence": "none"},), 64 * 48)


@pytest.fixture(scope="module")
def net() -> CleanPlateNet:
    torch.manual_seed(0)
    return CleanPlateNet(**SMALL).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(net: CleanPlateNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights")
    export_network(cleanplate_graphs(net), path, TEXT)
    return path


def test_nothing_but_the_model_is_left(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["toy-samples.onnx", "toy.json", "toy.onnx"]
    assert len(CHECKED_SIZES) >= 2


def test_engine_loads_the_card_and_uses_samples(folder: Path) -> None:
    assert "toy" in available_models([folder])
    engine = create_engine("toy", provider="cpu", models=[folder], threads=1)
    rng = np.random.default_rng(0)
    frame, sample = (rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(2))
    without = engine.stream().process(frame).alpha
    engine.set_samples([sample, sample])
    with_samples = engine.stream().process(frame).alpha
    assert without.shape == (48, 64)
    assert not np.allclose(without, with_samples, atol=1e-6)


def test_card_names_the_dimensions(folder: Path) -> None:
    card = json.loads((folder / "toy.json").read_text(encoding="utf-8"))
    assert {"name": "bgr_4", "shape": ["H/4", "W/16", "N", 18, 4]} in card["features"]
    assert card["states"][0] == {"input": "r1i", "output": "r1o", "shape": [1, 4, "H/16", "W/16"]}


def test_an_altered_graph_is_not_let_through(net: CleanPlateNet, folder: Path) -> None:
    frame, samples = folder / "toy.onnx", folder / "toy-samples.onnx"
    graphs = cleanplate_graphs(net)
    assert check_graphs(graphs, frame, samples) <= TOLERANCE
    other = cleanplate_graphs(CleanPlateNet(**SMALL))  # type: ignore[arg-type]
    with pytest.raises(MismatchError, match="do not ship it"):
        check_graphs(other, frame, samples)


def test_graphs_are_one_file_each(folder: Path) -> None:
    for name in ("toy.onnx", "toy-samples.onnx"):
        model = onnx.load(folder / name, load_external_data=False)
        assert all(not tensor.external_data for tensor in model.graph.initializer)


def test_loading_is_strict(net: CleanPlateNet, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    with pytest.raises(CheckpointError, match="name a checkpoint"):
        load_network(path, {})
    states = {f"net.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": states}, path)
    loaded = load_network(path, SMALL)
    assert all(torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), states.values(), strict=True))
    with pytest.raises(CheckpointError, match="does not fit"):
        load_network(path, {})
    with pytest.raises(CheckpointError, match=r"does not fit .* 'chanels'"):
        load_network(path, {"chanels": 3})
    torch.save({"state_dict": states, "widths": ()}, path)
    with pytest.raises(CheckpointError, match='put kind = "background-cut"'):
        load_network(path, {})
    torch.save({"state_dict": states, "network": {"variant": "plain"}}, path)
    with pytest.raises(CheckpointError, match='put kind = "unet"'):
        load_network(path, {})
    torch.save({"state_dict": states, "funet": {}}, path)
    with pytest.raises(CheckpointError, match='put kind = "funet"'):
        load_network(path, {})


def test_unknown_kinds_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "toy.toml"
    lines = ("kind", "name", "title", "licence", "command")
    card.write_text("area = 1\n" + "".join(f'{line} = "toy"\n' for line in lines), encoding="utf-8")
    with pytest.raises(typer.Exit):
        export(tmp_path / "last.ckpt", card)
    assert "choose cleanplate, background-cut, unet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "complaint"), [("name = ", "Invalid value"), ('name = "toy"', "missing 4 required")]
)
def test_a_text_that_is_none_is_named(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "toy.toml"
    card.write_text(text, encoding="utf-8")
    with pytest.raises(typer.Exit):
        export(tmp_path / "last.ckpt", card)
    assert f"{card} is no card's text" in (message := capsys.readouterr().err)
    assert complaint in message


@pytest.mark.slow
def test_half_precision_is_a_model_of_its_own(net: CleanPlateNet, folder: Path, tmp_path: Path) -> None:
    card = export_network(cleanplate_graphs(net), tmp_path, TEXT, half=True)
    assert card == tmp_path / "toy-fp16.json"
    assert json.loads(card.read_text(encoding="utf-8"))["role"] is None
    weights = onnx.load(tmp_path / "toy-fp16.onnx").graph.initializer
    halves = sum(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in weights)
    assert halves > len(weights) / 2
    rng = np.random.default_rng(1)
    frame, sample = (rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(2))
    alphas = []
    for path, name in ((folder, "toy"), (tmp_path, "toy-fp16")):
        engine = create_engine(name, provider="cpu", models=[path], threads=1)
        engine.set_samples([sample])
        alphas.append(engine.stream().process(frame).alpha)
    np.testing.assert_allclose(alphas[1], alphas[0], atol=0.01)
    assert not np.array_equal(alphas[1], alphas[0])
