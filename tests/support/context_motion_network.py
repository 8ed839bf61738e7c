"""A Context Motion Network for tests of the network and of its export."""

import torch

from cleanplate.nets.context_motion import ContextMotionNet


def network() -> ContextMotionNet:
    """A network of random weights whose flow finds some motion."""
    torch.manual_seed(0)
    net = ContextMotionNet().eval()
    with torch.no_grad():
        net.flow.estimators[-1][-1].weight.normal_(0, 0.3)  # type: ignore[index]
        net.flow.estimators[-1][-1].bias.copy_(torch.tensor([4.0, -2.0]))  # type: ignore[index]
    return net
