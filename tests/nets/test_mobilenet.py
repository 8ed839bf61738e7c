"""The encoder against the paper's table, and the ImageNet weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cleanplate.nets.mobilenet import MobileNetV2, scaled_channels

IMAGENET = Path(__file__).parents[3] / "shared" / "pretrained" / "mobilenet-v2-0.35-224.npz"


def test_channels_at_full_width_are_the_papers() -> None:
    net = MobileNetV2(1.0)
    assert net.channels == (16 * 6, 24 * 6, 32 * 6, 96 * 6, 320)
    assert len(net.blocks) == 17


@pytest.mark.parametrize(
    ("channels", "expected"), [(16, 8), (24, 8), (32, 16), (64, 24), (96, 32), (320, 112)]
)
def test_channels_are_rounded_to_eights(channels: int, expected: int) -> None:
    assert scaled_channels(channels, 0.35) == expected


def test_strides() -> None:
    features = MobileNetV2(0.35).eval()(torch.rand(1, 3, 64, 96))
    assert [feature.shape[-2:] for feature in features] == [
        (64 // stride, 96 // stride) for stride in (2, 4, 8, 16, 32)
    ]


def test_kept_at_a_sixteenth_it_computes_the_same_at_every_second_place() -> None:
    torch.manual_seed(0)
    net, picture = MobileNetV2(0.35).eval(), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        strided = net(picture).f32
        net.keep_sixteenth()
        kept = net(picture).f32
    assert kept.shape[-2:] == (4, 6)
    torch.testing.assert_close(kept[..., ::2, ::2], strided)


@pytest.mark.skipif(not IMAGENET.is_file(), reason="the ImageNet weights are not beside the project")
def test_imagenet_weights_find_their_places() -> None:
    net = MobileNetV2(0.35).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with np.load(IMAGENET) as arrays:
        net.load_imagenet({name: arrays[name] for name in arrays.files})
    after = net.state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before if "num_batches" not in name)
    with torch.no_grad():
        assert float(net(torch.rand(1, 3, 64, 64)).f32.abs().mean()) > 0.01


def test_wrong_shapes_are_refused() -> None:
    net = MobileNetV2(0.35)
    with pytest.raises(ValueError, match="does not fit"):
        net.load_imagenet({"Conv1/kernel": np.zeros((3, 3, 3, 8), np.float32)})
