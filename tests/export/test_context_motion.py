"""Paper 002's network in the engine: mattes and colours, and a past that is fed back."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from context_motion_network import network
from typer.testing import CliRunner

from cleanplate.engine.matting import create_engine
from cleanplate.export.commands import Precision, export
from cleanplate.export.context_motion import context_motion_graphs, load_context_motion
from cleanplate.export.writer import CardText, export_network
from cleanplate.nets.checkpoint import CheckpointError
from cleanplate.nets.context_motion import ContextMotionNet
from cleanplate.offline.cli import app

pytestmark = [
    pytest.mark.slow,  # nearly every test writes a large graph
    pytest.mark.filterwarnings("ignore"),  # the exporter warns of its own age
]

SIZE = (48, 64)
TEXT = CardText("toy", "A toy", None, "none", "none", ({"name": "nothing", "licence": "none"},), 48 * 64)
CARDS = Path(__file__).parents[2] / "models" / "cleanplate" / "export" / "cards"
ORANGE = (1.0, 0.5, 0.0)  # red, green, blue


def painted() -> ContextMotionNet:
    """A network that takes everything for half transparent and orange."""
    net = network()
    with torch.no_grad():
        for decoder, colour in ((net.alpha, (0.0,)), (net.foreground, ORANGE)):
            decoder.head[-1].weight.zero_()  # type: ignore[operator]
            decoder.head[-1].bias.copy_(torch.tensor(colour))  # type: ignore[operator]
    return net


def test_stream_of_frames_equals_the_whole_video(tmp_path: Path) -> None:
    net = network()
    export_network(context_motion_graphs(net), tmp_path, TEXT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.json", "toy.onnx"]
    pictures = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)
    stream = create_engine("toy", provider="cpu", models=[tmp_path], threads=1).stream()
    results = [stream.process(frame) for frame in pictures]
    planes = torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        logit, fgr = net.over_time(planes[None])
    alpha = np.stack([result.alpha for result in results])
    assert np.abs(alpha - logit.sigmoid()[:, 0].numpy()).max() < 1e-4
    colours = np.stack([np.asarray(result.foreground_colour) for result in results])
    expected = fgr.clamp(0, 1).permute(0, 2, 3, 1).numpy()[..., ::-1] * 255  # BGR
    assert np.abs(colours - expected).max() < 0.05
    stream.reset()
    assert np.array_equal(stream.process(pictures[0]).alpha, results[0].alpha)


def test_the_card_tells_of_the_foreground(tmp_path: Path) -> None:
    graphs = context_motion_graphs(network())
    assert graphs.frame_outputs() == ("pha", "fgr", "r1o", "r2o", "r3o", "r4o")
    card = json.loads(export_network(graphs, tmp_path, TEXT).read_text(encoding="utf-8"))
    assert card["foreground"] is True
    assert set(card["ranges"]) == {"src", "pha", "fgr"}
    assert [state["shape"] for state in card["states"]] == [
        [1, 3, "H", "W"],
        [1, 112, "H/16", "W/16"],
        [1, 96, "H/16", "W/16"],
        [1, 1, 1, 1],
    ]


def test_colours_come_as_blue_green_red_of_the_frames_size(tmp_path: Path) -> None:
    export_network(context_motion_graphs(painted()), tmp_path, TEXT)
    stream = create_engine("toy", provider="cpu", models=[tmp_path], threads=1).stream()
    for shape in (SIZE, (90, 120)):
        found = stream.process(np.full((*shape, 3), 99, np.uint8)).foreground_colour
        assert found is not None
        assert found.shape == (*shape, 3)
        assert np.abs(found - np.array(ORANGE[::-1]) * 255).max() < 0.01


def test_the_command_line_cuts_out_in_the_networks_colours(tmp_path: Path) -> None:
    export_network(context_motion_graphs(painted()), tmp_path, TEXT)
    picture, cut_out = tmp_path / "grey.png", tmp_path / "out.png"
    cv2.imwrite(str(picture), np.full((90, 120, 3), 100, np.uint8))
    options = ["--models", str(tmp_path), "--model", "toy", "--provider", "cpu"]
    found = CliRunner().invoke(app, ["matte", str(picture), "-o", str(cut_out), *options])
    assert found.exit_code == 0, found.output
    written = cv2.imread(str(cut_out), cv2.IMREAD_UNCHANGED)
    assert written is not None
    # The colour F and what is seen, I = 100, agree half-way: F + 0.5 (I - 0.5 F - 0.5 B), with B = 100 here.
    blue, green, red = (0.75 * 255 * value + 25 for value in ORANGE[::-1])
    assert np.abs(written - np.array([blue, green, red, 127.5])).max() <= 1.5


def checkpoint_of(net: ContextMotionNet, path: Path) -> Path:
    torch.save({"state_dict": {f"net.{name}": v for name, v in net.state_dict().items()}}, path)
    return path


def test_loading(tmp_path: Path) -> None:
    net = network()
    path = checkpoint_of(net, tmp_path / "last.ckpt")
    loaded = load_context_motion(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in net.state_dict().items())
    torch.save({"state_dict": {"net.alpha": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match="of another network"):
        load_context_motion(path)


@pytest.mark.slow
@pytest.mark.parametrize("precision", list(Precision))
def test_the_command_exports_by_the_card(precision: Precision, tmp_path: Path) -> None:
    last = checkpoint_of(network(), tmp_path / "last.ckpt")
    export(last, CARDS / "context-motion.toml", tmp_path / "weights", precision)
    name = "context-motion" if precision is Precision.FP32 else "context-motion-fp16"
    assert create_engine(name, provider="cpu", models=[tmp_path / "weights"], threads=1).name == name
