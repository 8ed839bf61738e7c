"""What is folded computes the same."""

import torch
from torch import nn

from cleanplate.export.fold import FoldedDetailHead, folded
from cleanplate.nets.cleanplate import CleanPlateNet


def trained() -> CleanPlateNet:
    """A network whose norms and biases are no longer those it starts with."""
    torch.manual_seed(0)
    net = CleanPlateNet(channels=(8, 8, 8, 8, 8), keys=4, channels_global=4)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_(0, 0.3)
        net.decoder.detail.differences.weight.normal_(0, 0.3)
    return net.eval()


def test_folded_network_computes_the_same() -> None:
    net = trained()
    smaller = folded(net)
    assert isinstance(smaller.decoder.detail, FoldedDetailHead)
    src, bgr = torch.rand(1, 3, 48, 80), torch.rand(2, 3, 48, 80)
    states = tuple(torch.rand(1, memory.channels, 1, 1) for memory in net.memories())
    with torch.no_grad():
        logits = [
            each(src, each.encode_samples(bgr), torch.tensor([2.0]), states).pha_logit
            for each in (net, smaller)
        ]
    assert logits[0].std() > 0.01
    torch.testing.assert_close(logits[1], logits[0], rtol=1e-4, atol=1e-4)


def test_the_network_itself_is_left_as_it_is() -> None:
    net = trained()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    folded(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
