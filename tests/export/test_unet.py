"""Paper 001's networks in the engine: no samples, and memories that are fed back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate.engine.matting import available_models, create_engine
from cleanplate.evaluation.matters import EngineMatter
from cleanplate.export.commands import Precision, export
from cleanplate.export.unet import load_unet, unet_graphs
from cleanplate.export.writer import CardText, MismatchError, check_graphs, export_network
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.nets.unet import AnyUNet, make_unet

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter warns of its own age

SIZE = (48, 64)
TEXT = CardText("toy", "A toy", None, "none", "none", ({"name": "nothing", "licence": "none"},), 48 * 64)
CARDS = Path(__file__).parents[2] / "models" / "cleanplate" / "export" / "cards"


def network(variant: str, **options: bool) -> AnyUNet:
    torch.manual_seed(0)
    net = make_unet(variant, **options)
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # one pass, so that the batch norms know their inputs
    with torch.no_grad():
        net.train().over_time(torch.rand(2, 2, 3, *SIZE))
    return net.eval()


@pytest.mark.parametrize("variant", [pytest.param("plain", marks=pytest.mark.slow), "mobilenet", "convlstm"])
def test_stream_of_frames_equals_the_whole_video(variant: str, tmp_path: Path) -> None:
    net = network(variant)
    export_network(unet_graphs(net), tmp_path, TEXT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.json", "toy.onnx"]
    pictures = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)
    stream = create_engine("toy", provider="cpu", models=[tmp_path], threads=1).stream()
    found = [stream.process(frame).alpha for frame in pictures]
    planes = torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = net.over_time(planes[None]).sigmoid()[:, 0].numpy()
    assert np.abs(np.stack(found) - expected).max() < 1e-4


def test_the_filter_lists_it_and_samples_change_nothing(tmp_path: Path) -> None:
    export_network(unet_graphs(network("mobilenet")), tmp_path, TEXT)
    card = json.loads((tmp_path / "toy.json").read_text(encoding="utf-8"))
    assert (card["encoder"], card["max_samples"], card["features"]) == (None, 0, [])
    assert "toy" in available_models([tmp_path])
    engine = create_engine("toy", provider="cpu", models=[tmp_path], threads=1)
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    without = engine.stream().process(frame).alpha
    engine.set_samples([255 - frame])
    assert np.array_equal(engine.stream().process(frame).alpha, without)
    assert EngineMatter("toy", [tmp_path]).sample_counts == (0,)


def test_states_are_named_and_of_four_sizes() -> None:
    graphs = unet_graphs(make_unet("convlstm"))
    assert graphs.frame_inputs() == ("src", "r1i", "r2i", "r3i", "r4i")
    assert [state.shape for state in graphs.states] == [
        (1, 144, "H/8", "W/8"),
        (1, 144, "H/4", "W/4"),
        (1, 128, "H/2", "W/2"),
        (1, 32, "H", "W"),
    ]
    assert unet_graphs(make_unet("convlstm", remembers=False)).states == ()


def test_an_altered_graph_is_not_let_through(tmp_path: Path) -> None:
    export_network(unet_graphs(network("mobilenet")), tmp_path, TEXT)
    with pytest.raises(MismatchError, match="do not ship it"):
        check_graphs(unet_graphs(make_unet("mobilenet")), tmp_path / "toy.onnx", tmp_path / "none.onnx")


def checkpoint_of(net: AnyUNet, path: Path, **more: object) -> Path:
    torch.save({"state_dict": {f"net.{name}": v for name, v in net.state_dict().items()}, **more}, path)
    return path


def test_loading(tmp_path: Path) -> None:
    net = make_unet("mobilenet")
    path = checkpoint_of(net, tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of a U-Net"):
        load_unet(path)
    checkpoint_of(net, path, network={"variant": "mobilenet"})
    loaded = load_unet(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in net.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("precision", list(Precision))
def test_the_command_exports_by_the_card(precision: Precision, tmp_path: Path) -> None:
    best = checkpoint_of(network("mobilenet"), tmp_path / "best.ckpt", network={"variant": "mobilenet"})
    export(best, CARDS / "unet-mobilenet.toml", tmp_path / "weights", precision)
    name = "unet-mobilenet" if precision is Precision.FP32 else "unet-mobilenet-fp16"
    assert create_engine(name, provider="cpu", models=[tmp_path / "weights"], threads=1).name == name
