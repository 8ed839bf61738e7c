"""Paper 004's refinement in the engine, with the plate that a film gives."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import HEIGHT, WIDTH, scene, write_clip
from typer.testing import CliRunner

from cleanplate.engine.matting import create_engine
from cleanplate.export.commands import Precision, export
from cleanplate.export.static_background import load_static_background, static_background_graphs
from cleanplate.export.writer import CardText, export_network, load_network
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.nets.static_background import OPTIONS, StaticBackgroundNet
from cleanplate.offline.cli import app

pytestmark = [
    pytest.mark.slow,  # nearly every test writes a large graph
    pytest.mark.filterwarnings("ignore"),  # the exporter warns of its own age
]

TEXT = CardText("toy", "A toy", None, "none", "none", ({"name": "nothing", "licence": "none"},), 96 * 160)
CARD = Path(__file__).parents[2] / "models" / "cleanplate" / "export" / "cards" / "static-background.toml"
NETWORK = {"width": 4, "blocks": [1, 1]}


@pytest.fixture(scope="module")
def net() -> StaticBackgroundNet:
    """Untrained; by its coarse mask nobody is ever there."""
    torch.manual_seed(0)
    net = StaticBackgroundNet(4, (1, 1)).train()
    for values in net.joints.parameters():  # heat maps that have one highest place, and not many alike
        if values.dim() > 1:
            torch.nn.init.kaiming_normal_(values, nonlinearity="relu")
        else:
            torch.nn.init.zeros_(values)
    for part in net.refine.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # one pass, so that the batch norms know their inputs
    with torch.no_grad():
        net.over_time(torch.rand(2, 1, 3, 48, 64), torch.rand(2, 1, 3, 48, 64), torch.ones(2))
    torch.nn.init.constant_(net.get_parameter("coarse.decoder.detail.alpha.bias"), -9.0)
    return net.eval()


@pytest.fixture(scope="module")
def folder(net: StaticBackgroundNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights")
    export_network(static_background_graphs(net), path, TEXT)
    return path


@pytest.mark.parametrize("count", [0, 1, 2])
def test_stream_of_frames_equals_the_whole_video(net: StaticBackgroundNet, folder: Path, count: int) -> None:
    engine = create_engine("toy", provider="cpu", models=[folder], threads=1)
    pictures = np.random.default_rng(0).integers(0, 256, (5, HEIGHT, WIDTH, 3), np.uint8)
    frames, samples = pictures[:3], pictures[3:]
    engine.set_samples(list(samples[:count]))
    stream = engine.stream()
    found = [stream.process(frame).alpha for frame in frames]
    planes = torch.from_numpy(pictures[None, ..., ::-1].copy()).permute(0, 1, 4, 2, 3) / 255
    bgr = planes[:, 3 : 3 + count] if count else torch.zeros_like(planes[:, 3:4])
    with torch.no_grad():
        expected = net.over_time(planes[:, :3], bgr, torch.tensor([count])).pha_logit.sigmoid()[:, 0].numpy()
    assert np.abs(np.stack(found) - expected).max() < 1e-4


def test_the_card_has_the_plate_and_the_coarse_networks_memories(folder: Path) -> None:
    card = json.loads((folder / "toy.json").read_text(encoding="utf-8"))
    assert card["features"] == [{"name": "bgr_plate", "shape": [1, 16, "H/4", "W/4"]}]
    assert [state["input"] for state in card["states"]] == ["r1i", "r2i"]
    assert card["max_samples"] == 16


def test_the_plate_of_a_film_reaches_the_network(folder: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4", [scene(number) for number in range(20)])
    target = tmp_path / "out.mkv"
    arguments = ("matte", clip, "--model", "toy", "--models", folder, "--alpha-only", "-o", target)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "is estimated from the video" in said
    assert "1 background samples" in said
    with av.open(str(target)) as container:
        first = next(container.decode(video=0)).to_ndarray(format="gray")
    assert first.max() > 200  # the coarse mask, which needs no plate, is black everywhere


def checkpoint_of(net: StaticBackgroundNet, path: Path, **more: object) -> Path:
    torch.save({"state_dict": {f"net.{name}": v for name, v in net.state_dict().items()}, **more}, path)
    return path


def test_loading(net: StaticBackgroundNet, tmp_path: Path) -> None:
    path = checkpoint_of(net, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of static-background"):
        load_static_background(path)
    checkpoint_of(net, path, **{OPTIONS: NETWORK})
    loaded = load_static_background(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in net.state_dict().items())
    with pytest.raises(CheckpointError, match='put kind = "static-background"'):
        load_network(path, {})
    checkpoint_of(net, path, **{OPTIONS: {**NETWORK, "width": 8}})
    with pytest.raises(CheckpointError, match="of another network"):
        load_static_background(path)


@pytest.mark.slow
def test_the_command_exports_by_the_card(net: StaticBackgroundNet, tmp_path: Path) -> None:
    last = checkpoint_of(net, tmp_path / "last.ckpt", **{OPTIONS: NETWORK})
    export(last, CARD, tmp_path / "weights", Precision.FP32)
    engine = create_engine("static-background", provider="cpu", models=[tmp_path / "weights"], threads=1)
    assert engine.name == "static-background"
