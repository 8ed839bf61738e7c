"""Our network: shapes, the two ways of running it, samples and memory."""

import pytest
import torch

from cleanplate.nets.cleanplate import CleanPlateNet, SampleFeatures
from cleanplate.nets.memory import ConvGRU

SMALL = {"channels": (8, 8, 8, 8, 8), "keys": 4, "channels_global": 4}


@pytest.fixture
def net() -> CleanPlateNet:
    torch.manual_seed(0)
    return CleanPlateNet(**SMALL).eval()  # type: ignore[arg-type]


def start() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (80, 80)])
def test_shapes_with_odd_sides_at_the_bottom(net: CleanPlateNet, width: int, height: int) -> None:
    src, bgr = torch.rand(1, 3, height, width), torch.rand(2, 3, height, width)
    with torch.no_grad():
        samples = net.encode_samples(bgr)
        prediction = net(src, samples, torch.tensor([2.0]), start())
    assert samples.bgr_4.shape == (height // 4, width // 16, 2, 18, 4)
    assert samples.bgr_8.shape == (height // 8, width // 16, 2, 30, 4)
    assert samples.bgr_16.shape == (height // 16, width // 16, 2, 49, 4)
    assert prediction.pha_logit.shape == (1, 1, height, width)
    assert prediction.states[0].shape == (1, 4, height // 16, width // 16)
    assert prediction.states[1].shape == (1, 4, height // 8, width // 8)


def test_training_and_streaming_agree(net: CleanPlateNet) -> None:
    """A sequence at once, as in training, equals frame after frame, as in use."""
    src, bgr = torch.rand(1, 3, 3, 48, 64), torch.rand(1, 2, 3, 48, 64)
    count = torch.tensor([2])
    with torch.no_grad():
        at_once, _ = net.train_step(src, bgr, count)
        samples, states = net.encode_samples(bgr[0]), start()
        for moment in range(3):
            prediction = net(src[:, moment], samples, count.float(), states)
            states = prediction.states
            assert torch.allclose(prediction.pha_logit[0], at_once[moment], atol=1e-4)


def test_without_samples_their_features_do_not_matter(net: CleanPlateNet) -> None:
    src = torch.rand(1, 3, 48, 64)
    features = net.encode_samples(torch.rand(1, 3, 48, 64))
    zeros = SampleFeatures(*(torch.zeros_like(feature) for feature in features))
    with torch.no_grad():
        a = net(src, features, torch.zeros(1), start()).pha_logit
        b = net(src, zeros, torch.zeros(1), start()).pha_logit
    assert torch.equal(a, b)


def test_samples_change_the_matte(net: CleanPlateNet) -> None:
    src = torch.rand(1, 3, 48, 64)
    features = net.encode_samples(torch.rand(1, 3, 48, 64))
    with torch.no_grad():
        with_sample = net(src, features, torch.ones(1), start()).pha_logit
        without = net(src, features, torch.zeros(1), start()).pha_logit
    assert float((with_sample - without).abs().max()) > 1e-5


@pytest.mark.parametrize(
    ("path", "features"), [("local", ("bgr_4", "bgr_8", "bgr_16", "bgr_2")), ("pooled", ("bgr_global",))]
)
def test_ablations_cut_the_path_that_they_name(path: str, features: tuple[str, ...]) -> None:
    def is_used(**switches: bool) -> bool:
        torch.manual_seed(0)
        net = CleanPlateNet(**SMALL, **switches).eval()  # type: ignore[arg-type]
        src, bgr = torch.rand(1, 3, 48, 64), torch.rand(1, 3, 48, 64)
        with torch.no_grad():
            samples = net.encode_samples(bgr)
            others = samples._replace(**{name: getattr(samples, name) + 1 for name in features})
            mattes = [net(src, each, torch.ones(1), start()).pha_logit for each in (samples, others)]
        return not torch.equal(*mattes)

    assert is_used()
    assert not is_used(**{path: False})


def test_without_memories_the_past_does_not_matter() -> None:
    net = CleanPlateNet(**SMALL, remembers=False).eval()  # type: ignore[arg-type]
    src, bgr = torch.rand(1, 3, 48, 64), torch.rand(1, 3, 48, 64)
    past = tuple(
        torch.rand(1, memory.channels, 48 // s, 64 // s)
        for memory, s in zip(net.memories(), (16, 8), strict=True)
    )
    with torch.no_grad():
        samples = net.encode_samples(bgr)
        first = net(src, samples, torch.ones(1), start())
        later = net(src, samples, torch.ones(1), past)
    assert torch.equal(first.pha_logit, later.pha_logit)


def test_memory_keeps_a_convex_mixture_of_the_past() -> None:
    memory = ConvGRU(4)
    for parameter in memory.parameters():
        torch.nn.init.zeros_(parameter)
    # With all weights 0, the update gate is 1/2 and the candidate 0: half of the state remains.
    out, state = memory(torch.ones(1, 4, 2, 2), torch.full((1, 2, 2, 2), 0.8))
    assert torch.allclose(state, torch.full((1, 2, 2, 2), 0.4))
    assert torch.equal(out[:, :2], torch.ones(1, 2, 2, 2))
    assert torch.equal(out[:, 2:], state)


def test_sequences_do_not_see_each_other(net: CleanPlateNet) -> None:
    src, bgr = torch.rand(2, 2, 3, 48, 64), torch.rand(2, 1, 3, 48, 64)
    with torch.no_grad():
        both, _ = net.train_step(src, bgr, torch.tensor([1, 0]))
        second, _ = net.train_step(src[1:], bgr[1:], torch.tensor([0]))
    assert torch.allclose(both[2:], second, atol=1e-4)
