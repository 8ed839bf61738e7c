"""The ConvLSTM, by hand."""

from math import exp, tanh

import pytest
import torch

from cleanplate.nets.convlstm import ConvLSTM


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def one_place() -> ConvLSTM:
    """A memory of one channel whose gates see their own place alone."""
    memory = ConvLSTM(1)
    weights = torch.zeros(4, 2, 3, 3)  # input, forget, output, candidate; from x and from the hidden state
    weights[:, :, 1, 1] = torch.tensor([[0.5, 0.1], [-1.0, 0.2], [2.0, 0.3], [1.5, -0.4]])
    with torch.no_grad():
        memory.gates.weight.copy_(weights)
        assert memory.gates.bias is not None
        memory.gates.bias.copy_(torch.tensor([0.1, 1.0, -0.2, 0.3]))
    return memory


def test_a_step() -> None:
    x, hidden, cell = 0.8, 0.25, -0.6
    with torch.no_grad():
        output, state = one_place()(torch.tensor([[[[x]]]]), torch.tensor([[[[hidden]], [[cell]]]]))
    admit = sigmoid(0.5 * x + 0.1 * hidden + 0.1)
    keep = sigmoid(-1.0 * x + 0.2 * hidden + 1.0)
    give = sigmoid(2.0 * x + 0.3 * hidden - 0.2)
    next_cell = keep * cell + admit * tanh(1.5 * x - 0.4 * hidden + 0.3)
    assert float(output) == pytest.approx(give * tanh(next_cell), abs=1e-6)
    assert state.flatten().tolist() == pytest.approx([give * tanh(next_cell), next_cell], abs=1e-6)


def test_sequences_are_remembered_each_by_itself() -> None:
    torch.manual_seed(0)
    memory, x = ConvLSTM(3), torch.rand(4, 3, 5, 6)  # two sequences of two frames
    with torch.no_grad():
        first, state = memory(x[2:3], torch.zeros(1, 6, 5, 6))
        second, _ = memory(x[3:4], state)
        torch.testing.assert_close(memory.over_time(x, 2)[2:], torch.cat([first, second]))


def test_it_starts_by_keeping_what_it_knows() -> None:
    bias = ConvLSTM(2).gates.bias
    assert bias is not None
    assert bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
