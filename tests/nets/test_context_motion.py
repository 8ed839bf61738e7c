"""Paper 002's network against its equations."""

from math import exp, tanh

import pytest
import torch
from context_motion_network import network

from cleanplate.nets.context_motion import (
    CHANNELS,
    HIDDEN,
    MOTION,
    ContextMotionNet,
    GatedUnit,
    States,
    Updater,
)


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def no_past(net: ContextMotionNet, height: int, width: int) -> States:
    small = (height // 16, width // 16)
    return States(
        torch.zeros(1, 3, height, width),
        torch.zeros(1, net.context_channels, *small),
        torch.zeros(1, HIDDEN, *small),
        torch.zeros(1, 1, 1, 1),
    )


def test_the_gated_unit_by_hand() -> None:
    unit = GatedUnit(1, 1, (1, 1))
    with torch.no_grad():  # of the state and of the input
        unit.gates.weight.copy_(torch.tensor([[0.5, -1.0], [2.0, 0.3]])[..., None, None])
        unit.candidate.weight.copy_(torch.tensor([[1.5, 0.7]])[..., None, None])
        unit.gates.bias.copy_(torch.tensor([0.1, -0.2]))  # type: ignore[union-attr]
        unit.candidate.bias.copy_(torch.tensor([0.4]))  # type: ignore[union-attr]
        hidden, fused = 0.6, 0.8
        found = unit(torch.tensor([[[[fused]]]]), torch.tensor([[[[hidden]]]]))
    update = sigmoid(0.5 * hidden - 1.0 * fused + 0.1)
    reset = sigmoid(2.0 * hidden + 0.3 * fused - 0.2)
    candidate = tanh(1.5 * reset * hidden + 0.7 * fused + 0.4)
    assert float(found) == pytest.approx((1 - update) * hidden + update * candidate, abs=1e-6)


def test_the_two_units_look_along_rows_and_then_columns() -> None:
    torch.manual_seed(0)
    update = Updater(8)
    fused = torch.zeros(1, 8 + MOTION + 2, 9, 9)
    touched = fused.clone()
    touched[..., 4, 4] = 1
    state = torch.zeros(1, HIDDEN, 9, 9)
    with torch.no_grad():
        in_row = (update.along(touched, state) - update.along(fused, state)).abs().amax(1)[0] > 0
        both = (update(touched, state)[0] - update(fused, state)[0]).abs().amax(1)[0] > 0
    # 1x5 and 5x1, of which the candidates see the reset state, two places further.
    assert in_row.any(0).tolist() == [False, False, True, True, True, True, True, False, False]
    assert in_row.any(1).tolist() == [row == 4 for row in range(9)]
    assert both.any(1).tolist() == [True] * 9
    assert both.any(0).tolist() == [False, False, True, True, True, True, True, False, False]


def test_what_is_fused() -> None:
    """Context, motion of 62 channels, and the flow itself; the features before are read where it points."""
    torch.manual_seed(0)
    update = Updater(8)
    context, before = torch.rand(2, 1, 8, 4, 6).unbind(0)
    right = torch.tensor([1.0, 0.0])[None, :, None, None].expand(1, 2, 4, 6)
    shifted = torch.cat([before[..., 1:], before[..., -1:]], -1)
    with torch.no_grad():
        fused = update.fuse(context, before, right)
        correlated = update.correlation(torch.cat([context, shifted], 1))
        motion = update.motion(torch.cat([correlated, update.flow(right)], 1))
    assert (correlated.shape[1], motion.shape[1]) == (CHANNELS, 62)
    torch.testing.assert_close(fused, torch.cat([context, motion, right], 1))


def test_predictions_have_the_pictures_size() -> None:
    net = network()
    with torch.no_grad():
        prediction, states = net(torch.rand(1, 3, 48, 80), no_past(net, 48, 80))
    assert prediction.pha_logit.shape == (1, 1, 48, 80)
    assert prediction.fgr.shape == (1, 3, 48, 80)
    assert [state.shape for state in states] == [state.shape for state in no_past(net, 48, 80)]


def test_carried_states_follow_the_training() -> None:
    net = network()
    video, states = torch.rand(2, 3, 3, 32, 48), no_past(net, 32, 48)
    found = []
    with torch.no_grad():
        for frame in video[1:].unbind(1):
            prediction, states = net(frame, states)
            found.append(prediction)
        trained = net.over_time(video)
    for each, whole in zip(map(torch.cat, zip(*found, strict=True)), trained, strict=True):
        torch.testing.assert_close(each, whole[3:], rtol=1e-4, atol=1e-5)


def test_a_first_frame_is_its_own_past() -> None:
    net = network()
    frame = torch.rand(1, 3, 32, 48)
    empty = no_past(net, 32, 48)
    garbage = empty._replace(frame=torch.rand_like(empty.frame), context=torch.rand_like(empty.context))
    with torch.no_grad():
        first, states = net(frame, empty)
        same, _ = net(frame, garbage)
        itself, _ = net(frame, states._replace(hidden=torch.zeros_like(states.hidden)))
    assert torch.equal(first.pha_logit, same.pha_logit)
    torch.testing.assert_close(first.pha_logit, itself.pha_logit)


@pytest.mark.parametrize("state", States._fields[:3])
def test_every_part_of_the_past_tells(state: str) -> None:
    net = network()
    with torch.no_grad():
        _, states = net(torch.rand(1, 3, 32, 48), no_past(net, 32, 48))
        frame = torch.rand(1, 3, 32, 48)
        usual, next_usual = net(frame, states)
        other, next_other = net(frame, states._replace(**{state: torch.rand_like(getattr(states, state))}))
    assert not torch.allclose(next_usual.hidden, next_other.hidden, atol=1e-5)
    assert not torch.equal(usual.pha_logit, other.pha_logit)
    assert not torch.equal(usual.fgr, other.fgr)
