"""The context of the whole frame at the decoder's coarsest scale."""

import torch

from cleanplate.nets.decoder import Context


def test_context_starts_as_nothing() -> None:
    x = torch.rand(2, 4, 5, 8)
    assert torch.equal(Context(4)(x), x)


def test_context_brings_word_from_one_end_of_the_frame_to_the_other() -> None:
    torch.manual_seed(0)
    context = Context(4)
    torch.nn.init.eye_(context.overall.weight.view(4, 4))
    x = torch.zeros(1, 4, 8, 20)
    before = context(x)
    x[..., 0, 0] = 1
    after = context(x)
    # The mean over the 160 places has grown by 1/160.
    assert torch.allclose(after[..., -1, -1] - before[..., -1, -1], torch.full((1, 4), 1 / 160))


def test_the_dilated_convolution_reaches_three_places_far() -> None:
    context = Context(1)
    for module in (context.near, context.far, context.around):
        torch.nn.init.ones_(module.weight)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1
    with torch.no_grad():
        seen = context(x)[0, 0] > 0
    assert seen[4].tolist() == [False] + [True] * 7 + [False]
