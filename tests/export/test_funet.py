"""Paper 000's network in the engine: the optical flow is in the graph, the frame before its state."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from numpy.typing import NDArray

from cleanplate.engine.matting import create_engine
from cleanplate.export.commands import Precision, export
from cleanplate.export.funet import funet_graphs, load_funet
from cleanplate.export.writer import CardText, export_network
from cleanplate.nets import flow
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.nets.funet import FUNet

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # the exporter warns of its own age
    pytest.mark.usefixtures("few_iterations"),
]

SIZE = (48, 64)
TEXT = CardText("toy", "A toy", None, "none", "none", ({"name": "nothing", "licence": "none"},), 48 * 64)
CARDS = Path(__file__).parents[2] / "models" / "cleanplate" / "export" / "cards"


@pytest.fixture
def few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow's iterations are most of the graph, and the exporter's time."""
    monkeypatch.setattr(flow, "ITERATIONS", 3)


def network() -> FUNet:
    torch.manual_seed(0)
    net = FUNet(width=4)
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # one pass, so that the batch norms know their inputs
    with torch.no_grad():
        net.train().over_time(torch.rand(2, 2, 3, *SIZE))
    return net.eval()


def pictures() -> NDArray[np.uint8]:
    """Waves that move, stand still and move on: uint8 [5, H, W, 3]."""
    x = np.arange(SIZE[1])[None, :, None] + 2 * np.arange(SIZE[0])[:, None, None] + np.array([0, 7, 23])
    return np.stack([128 + 100 * np.sin(0.3 * (x - shift)) for shift in (0, 2, 3, 3, 1)]).astype(np.uint8)


def checkpoint_of(net: FUNet, path: Path, **more: object) -> Path:
    torch.save({"state_dict": {f"net.{name}": v for name, v in net.state_dict().items()}, **more}, path)
    return path


def test_a_stream_of_frames_equals_the_whole_video(tmp_path: Path) -> None:
    net = network()
    export_network(funet_graphs(net), tmp_path, TEXT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.json", "toy.onnx"]
    card = json.loads((tmp_path / "toy.json").read_text(encoding="utf-8"))
    assert card["states"] == [{"input": "r1i", "output": "r1o", "shape": [1, 1, "H", "W"]}]
    assert (card["encoder"], card["max_samples"], card["features"]) == (None, 0, [])
    engine = create_engine("toy", provider="cpu", models=[tmp_path], threads=1)
    stream = engine.stream()
    found = [stream.process(frame).alpha for frame in pictures()]
    planes = torch.from_numpy(pictures()[..., ::-1].copy()).permute(0, 3, 1, 2)[None] / 255
    with torch.no_grad():
        expected = net.over_time(planes).sigmoid()[:, 0].numpy()
        moves = net.motion(planes).mean((0, 2, 3, 4)) > 0.3
    assert moves.tolist() == [False, True, True, False, True]
    assert np.abs(np.stack(found) - expected).max() < 1e-4
    alone = engine.stream().process(pictures()[4]).alpha
    assert np.abs(alone - found[4]).max() > 1e-3  # without its past


def test_loading(tmp_path: Path) -> None:
    net = FUNet(width=4)
    path = checkpoint_of(net, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of a FUNet"):
        load_funet(path)
    checkpoint_of(net, path, funet={"width": 4})
    loaded = load_funet(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in net.state_dict().items())
    checkpoint_of(net, path, funet={"width": 8})
    with pytest.raises(CheckpointError, match="of another network"):
        load_funet(path)


def test_there_is_no_model_of_16_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = checkpoint_of(network(), tmp_path / "last.ckpt", funet={"width": 4})
    with pytest.raises(typer.Exit):
        export(last, CARDS / "funet.toml", tmp_path / "weights", Precision.FP16)
    assert "export it with --precision fp32" in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["funet", "funet-narrow"])
def test_the_command_exports_by_the_card(name: str, tmp_path: Path) -> None:
    last = checkpoint_of(network(), tmp_path / "last.ckpt", funet={"width": 4})
    export(last, CARDS / f"{name}.toml", tmp_path / "weights", Precision.FP32)
    assert create_engine(name, provider="cpu", models=[tmp_path / "weights"], threads=1).name == name
