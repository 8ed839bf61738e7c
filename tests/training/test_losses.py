"""The losses, by hand."""

from math import log

import pytest
import torch

from cleanplate.training.losses import (
    alpha_loss,
    context_motion_loss,
    dice_loss,
    divergence_loss,
    edge_band,
    end_point_error,
    flow_loss,
    foreground_loss,
    l2_loss,
    laplacian_loss,
    matting_loss,
    opaque_colour_loss,
    softmax_loss,
    temporal_loss,
)


def plane(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows)[None, None]


def test_softmax_loss_of_undecided_scores_is_log_2() -> None:
    assert float(softmax_loss(plane([[0.0, 0.0]]), plane([[0.0, 1.0]]))) == pytest.approx(log(2))


def test_softmax_loss_equals_the_two_class_softmax() -> None:
    scores = torch.tensor([[0.3, 1.7]])
    expected = torch.nn.functional.cross_entropy(scores, torch.tensor([1]))
    assert float(softmax_loss(plane([[1.7 - 0.3]]), plane([[1.0]]))) == pytest.approx(float(expected))


def test_softmax_loss_weighs_edges() -> None:
    pha = plane([[0.0, 0.0, 0.0, 0.0, 1.0, 1.0]])
    logit = plane([[0.0, -30.0, -30.0, -30.0, 30.0, 30.0]])
    # The one wrong place is far from the edge at columns 3 and 4: log 2 of weights 4 x 1 + 2 x 4.
    assert float(softmax_loss(logit, pha, 3.0, 1)) == pytest.approx(log(2) / 12, rel=1e-4)


def test_edge_band_is_the_places_near_an_edge() -> None:
    assert edge_band(plane([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]), 1).flatten().tolist() == [0, 0, 1, 1, 0, 0]


def test_l2_loss() -> None:
    assert float(l2_loss(plane([[0.5, 1.0]]), plane([[0.0, 1.0]]))) == pytest.approx(0.125)


def test_dice_loss_is_nothing_for_the_truth_and_one_for_its_opposite() -> None:
    true = plane([[0.0, 1.0, 1.0, 0.0]])
    assert float(dice_loss(true, true)) == 0
    assert float(dice_loss(1 - true, true)) == pytest.approx(1)


def test_dice_loss_by_hand() -> None:
    # Twice 0.5 + 1.0 of (0.5 + 1.0 + 0.5) + (1 + 1): 1 - 3 / 4.
    assert float(dice_loss(plane([[0.5, 1.0, 0.5]]), plane([[1.0, 1.0, 0.0]]))) == pytest.approx(0.25)


def test_dice_loss_of_empty_masks() -> None:
    empty = plane([[0.0, 0.0]])
    assert float(dice_loss(empty, empty)) == 0
    assert float(dice_loss(plane([[0.0, 0.5]]), empty)) == pytest.approx(1, abs=1e-5)


def test_dice_loss_counts_the_pictures_of_a_batch_together() -> None:
    pred = torch.tensor([[1.0, 0.0], [1.0, 0.0]])[:, None, None]
    true = torch.tensor([[1.0, 0.0], [0.0, 0.0]])[:, None, None]
    assert float(dice_loss(pred, true)) == pytest.approx(1 - 2 / 3)


def test_laplacian_loss_of_a_constant_difference_lies_in_the_last_level() -> None:
    pred, true = torch.full((1, 1, 8, 8), 0.75), torch.full((1, 1, 8, 8), 0.25)
    assert float(laplacian_loss(pred, true, levels=4)) == pytest.approx(8 * 0.5 / 4)


def test_laplacian_loss_of_a_checkerboard_lies_in_the_first_level() -> None:
    board = plane([[1.0, 0.0], [0.0, 1.0]]).repeat(1, 1, 4, 4)
    # Mean 1/2 in every 2x2: the first band has |1/2| everywhere, the rest is constant 1/2 in the last level.
    assert float(laplacian_loss(board, torch.zeros_like(board), levels=2)) == pytest.approx(
        (0.5 + 2 * 0.5) / 2
    )


def test_temporal_loss_sees_changes_only() -> None:
    true = torch.zeros(1, 3, 1, 1, 1)
    steady = torch.full((1, 3, 1, 1, 1), 0.5)
    flicker = torch.tensor([0.0, 0.5, 0.0]).reshape(1, 3, 1, 1, 1)
    assert float(temporal_loss(steady, true)) == 0
    assert float(temporal_loss(flicker, true)) == pytest.approx(0.25)


def test_matting_loss_is_near_nothing_for_the_truth() -> None:
    pha = torch.zeros(2, 1, 16, 16)
    pha[..., 8:] = 1
    logit = (pha - 0.5) * 60
    coarse = torch.nn.functional.avg_pool2d(pha, 8)
    assert float(matting_loss(logit, (coarse - 0.5) * 60, pha, 2)) < 1e-4
    assert float(matting_loss(-logit, (0.5 - coarse) * 60, pha, 2)) > 10


def test_alpha_loss_counts_mattes_and_their_gradients() -> None:
    pred, true = plane([[0.0, 0.5], [0.0, 0.0]]), plane([[0.0, 0.0], [0.0, 0.0]])
    # One of four places differs by 0.5; so do one of two gradients to the right and one of two downwards.
    assert float(alpha_loss(pred, true)) == pytest.approx(0.125 + 0.25 + 0.25)
    assert float(alpha_loss(pred + 0.25, pred)) == pytest.approx(0.25)


def test_foreground_is_known_where_nothing_shines_through() -> None:
    src = torch.full((1, 3, 1, 2), 0.5)
    fgr = torch.tensor([0.75, 0.0])[None, None, None].expand(1, 3, 1, 2)
    assert float(opaque_colour_loss(fgr, src, plane([[1.0, 0.9]]))) == pytest.approx(0.25)
    assert float(opaque_colour_loss(fgr, src, plane([[0.0, 0.9]]))) == 0


def columns(*ones: int) -> torch.Tensor:
    pred = torch.zeros(1, 1, 128, 128)
    pred[..., list(ones)] = 1
    return pred


@pytest.mark.parametrize(
    ("pred", "expected"),
    [
        # At a quarter of 512, 6 dilations reach 3 pixels further: to column 66 from 63. Beyond three
        # deviations, 8 pixels, of that edge the blur has no effect; at the edge D is half on both sides.
        (columns(0, 30, 58), 0),
        (columns(66, 67), 1 / 128),
        (columns(75), 1 / 128),
        (columns(100, 101), 2 / 128),
    ],
)
def test_divergence_is_alpha_far_from_the_mask(pred: torch.Tensor, expected: float) -> None:
    mask = columns(*range(64))
    assert float(divergence_loss(pred, mask, 6)) == pytest.approx(expected, abs=1e-6)


def test_more_dilations_forgive_more() -> None:
    pred, mask = columns(70), columns(*range(64))
    assert float(divergence_loss(pred, mask, 10)) < float(divergence_loss(pred, mask, 5)) < 1 / 128


def test_colours_count_where_somebody_is() -> None:
    pred, true = torch.full((1, 3, 1, 2), 0.9), torch.full((1, 3, 1, 2), 0.5)
    assert float(foreground_loss(pred, true, plane([[0.0, 0.1]]))) == pytest.approx(0.4 / 2)


def test_context_motion_loss_by_hand() -> None:
    true = torch.full((1, 1, 16, 16), 0.5)
    pred, colour = true + 0.25, torch.full((1, 3, 16, 16), 0.5)
    # A constant difference lies in the fifth level of the pyramid alone, of one pixel that weighs 2^4.
    expected = 0.25 + 16 * 0.25 / 16**2 + 0.1 * 0.2
    assert float(context_motion_loss(pred, colour + 0.2, true, colour)) == pytest.approx(expected)
    assert float(context_motion_loss(true, colour, true, colour)) == 0


def test_end_point_error_is_a_distance() -> None:
    flow = torch.zeros(1, 2, 1, 2)
    true = torch.tensor([[3.0, 0.0], [4.0, 0.0]])[None, :, None]  # right 3, down 4; and nothing
    assert float(end_point_error(flow, true)) == pytest.approx(5 / 2)


def test_flow_loss_halves_with_the_scale() -> None:
    true = torch.tensor([8.0, 0.0])[None, :, None, None].expand(1, 2, 8, 8)
    coarse = torch.tensor([2.0, 0.0])[None, :, None, None].expand(1, 2, 2, 2)  # four pixels each: exact
    fine = torch.tensor([3.0, 0.0])[None, :, None, None].expand(1, 2, 4, 4)  # two each: two too few
    assert float(flow_loss([coarse, fine], true)) == pytest.approx(2)
    assert float(flow_loss([fine[..., :2, :2], fine], true)) == pytest.approx(4 / 2 + 2)
