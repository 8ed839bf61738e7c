"""Paper 000's network: motion as the fourth channel, live and in training."""

import pytest
import torch
from torch import Tensor, nn

from cleanplate.nets.flow import grey, motion_mask
from cleanplate.nets.funet import FUNet
from cleanplate.nets.unet import UNet


class MotionAlone(nn.Module):
    """In place of the U-Net: what it sees as its fourth channel."""

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[()]]:
        return x[:, 3:], ()


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def moving_video() -> Tensor:
    """[1, 4, 3, 32, 48]: waves that stand still between the third and the fourth frame alone."""
    x = torch.arange(48)[None] + 3 * torch.arange(32)[:, None]
    frames = [0.5 + 0.4 * torch.sin(0.25 * (x - shift)) for shift in (0, 2, 4, 4)]
    return torch.stack(frames)[None, :, None].expand(1, 4, 3, 32, 48)


def test_it_is_the_u_net_with_a_fourth_channel() -> None:
    assert parameters(FUNet()) == parameters(UNet()) + 64 * 9
    assert parameters(FUNet(width=8)) < 500_000


def test_each_frame_moves_against_the_one_before() -> None:
    net = FUNet(width=2).eval()
    motion = net.motion(moving_video())
    assert motion.mean((0, 2, 3, 4)).gt(0.5).tolist() == [False, True, True, False]
    now = grey(moving_video()[0])
    assert torch.equal(motion[:, 2], motion_mask(now[1:2], now[2:3], 0.4))
    assert FUNet(width=2, threshold=99.0).motion(moving_video()).sum() == 0


def test_in_training_the_first_frame_has_the_seconds_motion() -> None:
    net = FUNet(width=2)
    net.unet = MotionAlone()  # type: ignore[assignment]
    motion = net.motion(moving_video())[0]
    seen = net.eval().over_time(moving_video())
    assert torch.equal(seen, motion)
    seen = net.train().over_time(moving_video())
    assert torch.equal(seen, torch.stack([motion[1], motion[1], motion[2], motion[3]]))
    assert net.over_time(moving_video()[:, :1]).sum() == 0  # a single frame has no second


def test_a_stream_computes_what_a_whole_video_gives() -> None:
    torch.manual_seed(0)
    net = FUNet(width=4)
    net.train().over_time(moving_video())
    net.eval()
    before = torch.zeros(1, 1, 32, 48)
    found = []
    with torch.no_grad():
        for frame in moving_video().unbind(1):
            logit, before = net(frame, before)
            assert logit.shape == before.shape == (1, 1, 32, 48)
            found.append(logit)
        torch.testing.assert_close(torch.cat(found), net.over_time(moving_video()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"width": 0}, {"threshold": 0.0}])
def test_numbers_that_make_no_network_are_named(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        FUNet(**options)  # type: ignore[arg-type]
