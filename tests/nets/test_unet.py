"""Paper 001's networks against its numbers."""

import pytest
import torch

from cleanplate.nets.unet import MEMORY_STRIDES, AnyUNet, UNetMobileNet, make_unet

VARIANTS = ("plain", "mobilenet", "convlstm")


def keras_parameters(net: torch.nn.Module) -> int:
    """As Keras counts them: with the batch norms' running means and variances."""
    return sum(value.numel() for name, value in net.state_dict().items() if "num_batches" not in name)


def evaluated(variant: str, **options: bool) -> AnyUNet:
    """A network in whose batch norms the numbers of one picture have been gathered."""
    torch.manual_seed(0)
    net = make_unet(variant, **options)
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None
    with torch.no_grad():
        net.train().over_time(torch.rand(2, 1, 3, 64, 64))
    return net.eval()


@pytest.mark.parametrize(
    ("variant", "expected"), [("plain", 31_055_297), ("mobilenet", 1_033_545), ("convlstm", 2_094_281)]
)
def test_parameters_are_those_of_table_2(variant: str, expected: int) -> None:
    assert keras_parameters(make_unet(variant)) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_mattes_have_the_pictures_size(variant: str) -> None:
    net = make_unet(variant, remembers=False).eval()
    with torch.no_grad():
        logit, states = net(torch.rand(1, 3, 48, 80))
        assert net.over_time(torch.rand(1, 2, 3, 32, 16)).shape == (2, 1, 32, 16)
    assert logit.shape == (1, 1, 48, 80)
    assert states == ()


def test_unknown_variants_are_named() -> None:
    with pytest.raises(ValueError, match="choose plain, mobilenet or convlstm"):
        make_unet("resnet")


def empty_states(net: AnyUNet, height: int, width: int) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.zeros(1, memory.channels, height // stride, width // stride)
        for memory, stride in zip(net.memories(), MEMORY_STRIDES, strict=True)
    )


def test_carried_states_change_the_matte_and_follow_the_training() -> None:
    net = evaluated("convlstm")
    video = torch.rand(1, 3, 3, 32, 48)
    empty = states = empty_states(net, 32, 48)
    carried = []
    with torch.no_grad():
        for frame in video.unbind(1):
            logit, states = net(frame, states)
            carried.append(logit)
        reset = [net(frame, empty)[0] for frame in video.unbind(1)]
        trained = net.over_time(video)
    assert [state.shape for state in states] == [state.shape for state in empty]
    assert torch.equal(carried[0], reset[0])
    assert not torch.allclose(carried[2], reset[2], atol=1e-4)
    torch.testing.assert_close(torch.cat(carried), trained, rtol=1e-4, atol=1e-5)


def test_the_papers_memories_see_one_frame_each() -> None:
    net = evaluated("convlstm", remembers=False)
    assert net.memories() == []
    video = torch.rand(1, 3, 3, 32, 48)
    with torch.no_grad():
        frames = torch.cat([net(frame)[0] for frame in video.unbind(1)])
        torch.testing.assert_close(net.over_time(video), frames, rtol=1e-4, atol=1e-5)


def test_only_the_third_network_has_memories() -> None:
    assert make_unet("plain").memories() == make_unet("mobilenet").memories() == []
    net = make_unet("convlstm")
    assert isinstance(net, UNetMobileNet)
    assert [memory.channels for memory in net.memories()] == [144, 144, 128, 32]
