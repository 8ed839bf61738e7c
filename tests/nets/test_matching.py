"""The local matching, on features whose best matches are known."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from cleanplate.nets.matching import LocalMatching


def identity_matching(channels: int, radius: int) -> LocalMatching:
    """A matching whose keys are the features themselves."""
    matching = LocalMatching(channels, channels, radius)
    with torch.no_grad():
        matching.key.weight.copy_(torch.eye(channels)[:, :, None, None])
        assert matching.key.bias is not None
        matching.key.bias.zero_()
        matching.sharpness.fill_(1000.0)
    return matching


def one_sample(candidates: torch.Tensor) -> torch.Tensor:
    """[1, H, W, D, K] of one sample as [1, H, W, S, D, K]."""
    return candidates[:, :, :, None]


@pytest.fixture
def features() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(1, 8, 6, 7)


def test_finds_what_was_moved_within_the_window(features: torch.Tensor) -> None:
    matching = identity_matching(8, radius=2)
    moved = torch.roll(features, (2, -1), (2, 3))
    with torch.no_grad():
        found = matching(features, one_sample(matching.candidates(moved)), torch.ones(1, 1))
    inside = found[:, :, :4, 1:]
    assert torch.allclose(inside[:, 0], torch.full((1, 4, 6), 2.0), atol=1e-5)
    assert float(inside[:, 1:].abs().max()) < 1e-3


def test_does_not_find_what_lies_outside_the_window(features: torch.Tensor) -> None:
    matching = identity_matching(8, radius=1)
    moved = torch.roll(features, (3, 0), (2, 3))
    with torch.no_grad():
        found = matching(features, one_sample(matching.candidates(moved)), torch.ones(1, 1))
    assert float(found[0, 0, 1:3].max()) < 1.99


def test_is_blind_to_brightness(features: torch.Tensor) -> None:
    matching = identity_matching(8, radius=1)
    with torch.no_grad():
        found = matching(features * 0.3, one_sample(matching.candidates(features)), torch.ones(1, 1))
    assert torch.allclose(found[:, 0], torch.full((1, 6, 7), 2.0), atol=1e-5)


def test_takes_the_best_of_several_samples(features: torch.Tensor) -> None:
    matching = identity_matching(8, radius=0)
    candidates = torch.stack([matching.candidates(-features), matching.candidates(features)], 3)
    with torch.no_grad():
        found = matching(features, candidates, torch.ones(1, 2))
    assert torch.allclose(found[:, 0], torch.full((1, 6, 7), 2.0), atol=1e-5)


def test_padding_is_not_a_sample(features: torch.Tensor) -> None:
    matching = identity_matching(8, radius=1)
    real = matching.candidates(torch.roll(features, 1, 2))
    with torch.no_grad():
        alone = matching(features, one_sample(real), torch.ones(1, 1))
        padded = matching(
            features, torch.stack([real, torch.zeros_like(real)], 3), torch.tensor([[1.0, 0.0]])
        )
        none = matching(features, one_sample(torch.zeros_like(real)), torch.zeros(1, 1))
    assert torch.allclose(alone, padded, atol=1e-6)
    assert not none.any()


def test_candidates_are_the_neighbours() -> None:
    matching = identity_matching(4, radius=1)
    features = F.normalize(torch.rand(1, 4, 3, 3), dim=1)
    with torch.no_grad():
        candidates = matching.candidates(features)
    assert candidates.shape == (1, 3, 3, 9, 4)
    # Place 5 of the window is one to the right; at the right border the border repeats.
    assert torch.allclose(candidates[0, 1, 0, 5], features[0, :, 1, 1], atol=1e-6)
    assert torch.allclose(candidates[0, 1, 2, 5], features[0, :, 1, 2], atol=1e-6)


@pytest.mark.parametrize("block", [2, 4])
def test_blocks_see_what_their_places_see(block: int) -> None:
    torch.manual_seed(1)
    single, blocked = LocalMatching(6, 5, 2), LocalMatching(6, 5, 2, block)
    blocked.load_state_dict(single.state_dict())
    features, samples = torch.randn(2, 6, 5, 8), torch.randn(2, 3, 6, 5, 8)
    present = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    with torch.no_grad():
        found, expected = (
            matching(features, torch.stack([matching.candidates(s) for s in samples.unbind(1)], 3), present)
            for matching in (blocked, single)
        )
    assert torch.allclose(found, expected, atol=1e-6)
