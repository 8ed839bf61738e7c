"""The encoder against the paper's table."""

import torch

from cleanplate.nets.mobilenetv3 import MobileNetV3, SqueezeExcite


def test_features_have_four_scales() -> None:
    net = MobileNetV3().eval()
    with torch.no_grad():
        features = net(torch.rand(1, 3, 64, 96))
    assert [feature.shape[1:] for feature in features] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(net.channels, (2, 4, 8, 16), strict=True)
    ]


def test_squeezed_widths_are_rounded_to_eights() -> None:
    narrow = [SqueezeExcite(channels).weigh[0].out_channels for channels in (72, 120, 480, 672)]
    assert narrow == [24, 32, 120, 168]


def test_squeeze_and_excite_weighs_channels_by_the_whole_picture() -> None:
    squeeze = SqueezeExcite(8)
    for value in squeeze.parameters():
        torch.nn.init.zeros_(value)
    x = torch.rand(1, 8, 4, 4)
    with torch.no_grad():
        assert torch.allclose(squeeze(x), x / 2)  # the hard sigmoid of 0 is a half
