"""Differences of pixels to the samples, by hand."""

import torch

from cleanplate.nets.differences import SATURATION, PixelDifference

COSINE = 2 * torch.ones(1, 1, 4, 4)  # one plus a perfect match, everywhere


def differences(src: torch.Tensor, bgr: torch.Tensor, cosine: torch.Tensor = COSINE) -> torch.Tensor:
    part = PixelDifference()
    found: torch.Tensor = part(src, part.candidates(bgr)[None], cosine, torch.ones(1, bgr.shape[0]))
    return found


def textured() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(1, 3, 16, 16).repeat_interleave(2, 2).repeat_interleave(2, 3) * 0.5 + 0.1


def test_candidates_are_colours_and_their_range() -> None:
    bgr = textured()
    half = torch.nn.functional.avg_pool2d(bgr, 2)
    own, least, greatest = PixelDifference().candidates(bgr)[0]
    assert own.equal(half[0])
    window = half[0, :, 4:7, 8:11].flatten(1)
    assert least[:, 5, 9].equal(window.amin(1))
    assert greatest[:, 5, 9].equal(window.amax(1))
    assert greatest[:, 0, 0].equal(half[0, :, :2, :2].flatten(1).amax(1))  # nothing lies beyond the border


def test_the_same_picture_is_alike_everywhere() -> None:
    assert differences(textured(), textured()).abs().max() < 1e-6


def test_another_exposure_and_tint_are_compensated() -> None:
    bgr = textured()
    brighter = bgr * torch.tensor([1.3, 1.1, 0.8])[None, :, None, None]
    # The quotient is drawn a little towards 1 by the place that is added.
    assert differences(brighter, bgr).mean() < 0.3 * differences(brighter, bgr, COSINE * 0).mean()


def test_a_shift_of_one_place_is_tolerated_and_more_is_not() -> None:
    bgr = textured()
    inside = (slice(None), slice(None), slice(4, 12), slice(4, 12))
    assert differences(bgr.roll(2, 3), bgr)[inside].max() < 1e-3
    # Not much more: the colours are random, so that each window holds nearly all of them.
    assert differences(bgr.roll(8, 3), bgr)[inside].mean() > 0.02


def test_a_person_stands_out_and_saturates() -> None:
    bgr = textured()
    src = bgr.clone()
    src[..., 8:16, 8:16] = 0.95
    found = differences(src, bgr, COSINE * 0)  # no exposure from anywhere
    assert found[0, 3, 5:7, 5:7].min() == 1
    assert found[0, 3, 0:3, 0:3].max() == 0
    slight = bgr + 0.5 * SATURATION
    assert differences(slight, bgr, COSINE * 0)[0, 3].max() <= 0.5 + 1e-5


def test_the_best_of_several_samples_counts_and_absent_ones_do_not() -> None:
    bgr, other = textured(), 1 - textured()
    part = PixelDifference()
    both = part.candidates(torch.cat([other, bgr]))[None]
    assert part(bgr, both, COSINE * 0, torch.tensor([[1.0, 1.0]])).abs().max() < 1e-6
    assert part(bgr, both, COSINE * 0, torch.tensor([[1.0, 0.0]])).mean() > 0.3
    assert part(bgr, both, COSINE * 0, torch.zeros(1, 2)).abs().max() == 0
