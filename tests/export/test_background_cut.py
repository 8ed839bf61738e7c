"""Background Cut in the engine: frame after frame what the network computes from the whole video."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate.engine.card import read_card
from cleanplate.engine.matting import available_models, create_engine
from cleanplate.export.background_cut import NO_SAMPLE_SIZE, background_cut_graphs, load_background_cut
from cleanplate.export.writer import CardText, export_network
from cleanplate.nets.background_cut import BackgroundCutNet, scaled_widths
from cleanplate.nets.checkpoint import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter warns of its own age

SIZE = (48, 64)
TEXT = CardText("toy", "A toy", None, "none", "none", ({"name": "nothing", "licence": "none"},), 48 * 64)
WEIGHTS = Path(__file__).parents[2] / "models" / "weights"
TINY = scaled_widths(1 / 16)


@pytest.fixture(scope="module")
def net() -> BackgroundCutNet:
    torch.manual_seed(0)
    net = BackgroundCutNet(TINY, causal=True)
    with torch.no_grad():  # one pass, so that the batch norms know their inputs
        net.train()(torch.rand(2, 3, 3, *SIZE), torch.rand(2, 1, 3, *SIZE))
    return net.eval()


def test_stream_of_frames_equals_the_whole_video(net: BackgroundCutNet, tmp_path: Path) -> None:
    export_network(background_cut_graphs(net), tmp_path, TEXT)
    engine = create_engine("toy", provider="cpu", models=[tmp_path], threads=1)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, *SIZE, 3), np.uint8)
    frames, samples = pictures[:4], pictures[4:]
    engine.set_samples(list(samples))
    stream = engine.stream()
    found = [stream.process(frame).alpha for frame in frames]
    planes = torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        logits = net(planes[None, :4], planes[None, 4:])[1]
    assert np.abs(np.stack(found) - logits.sigmoid()[0, :, 0].numpy()).max() < 1e-4


def test_without_samples_the_sample_is_black(net: BackgroundCutNet) -> None:
    graphs = background_cut_graphs(net)
    assert graphs.samples is not None
    inputs = graphs.example_inputs(256, 144, 1)
    inputs["bgr_count"] = torch.zeros(1)
    with torch.no_grad():
        none = graphs.frame(*(inputs[name] for name in graphs.frame_inputs()))[0]
        (inputs["bgr_global"],) = graphs.samples(torch.zeros(1, 3, *NO_SAMPLE_SIZE))
        inputs["bgr_count"] = torch.ones(1)
        black = graphs.frame(*(inputs[name] for name in graphs.frame_inputs()))[0]
    assert torch.allclose(none, black)


@pytest.mark.parametrize(
    "changes", [{"causal": False}, {"attenuates": False}, {"refines": False}], ids=lambda c: next(iter(c))
)
def test_only_what_a_live_filter_can_run_is_exported(changes: dict[str, bool]) -> None:
    net = BackgroundCutNet(TINY, **{"causal": True, **changes})
    with pytest.raises(CheckpointError, match="causal = true"):
        background_cut_graphs(net)


def test_loading(net: BackgroundCutNet, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    with pytest.raises(CheckpointError, match="name a checkpoint"):
        load_background_cut(path)
    states = {f"net.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": states}, path)
    with pytest.raises(CheckpointError, match="no checkpoint of Background Cut"):
        load_background_cut(path)
    network = {"share": 1 / 16, "causal": True}
    torch.save({"state_dict": states, "network": network, "widths": TINY}, path)
    loaded = load_background_cut(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in net.state_dict().items())


def test_the_shipped_one_can_be_chosen_but_is_never_chosen_by_itself() -> None:
    assert "background-cut" in available_models([WEIGHTS])
    card = read_card(WEIGHTS / "background-cut.json")
    assert card.role is None
    assert (
        "for comparison" in json.loads((WEIGHTS / "background-cut.json").read_text(encoding="utf-8"))["title"]
    )
    assert create_engine("auto", provider="cpu", models=[WEIGHTS], threads=1).name != card.name
