"""The two graphs of a shipped network: what the frame path runs, and what a capture runs once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cleanplate.engine.card import BGR_SHAPE, COUNT, PHA_SHAPE, SRC_SHAPE, Shape, State, resolve
from cleanplate.export.fold import folded
from cleanplate.nets.cleanplate import MULTIPLE, CleanPlateNet, SampleFeatures


@dataclass(frozen=True)
class Graphs:
    """A network as it is exported; names and shapes are those of its card (`cleanplate.engine.card`).

    Attributes:
        frame: Takes `frame_inputs` in this order, gives `frame_outputs`.
        samples: Takes `bgr` [N, 3, H, W], gives the features; None if the network knows nothing of samples.
        features: Shape by name.
        states: The recurrent ones.
        multiple: Both sides of the pictures are a multiple of it.
        faster: What is written in place of `frame`, and must compute the same.
        halves: Whether 16 bits are enough for it.
        foreground: Whether the frame graph gives the foreground's colours, too.
    """

    frame: nn.Module
    samples: nn.Module | None
    features: Mapping[str, Shape]
    states: tuple[State, ...]
    multiple: int
    faster: nn.Module | None = None
    halves: bool = True
    foreground: bool = False

    def frame_inputs(self) -> tuple[str, ...]:
        """Return the names of the frame graph's inputs."""
        count = () if self.samples is None else (COUNT,)
        return ("src", *self.features, *count, *(state.input for state in self.states))

    def frame_outputs(self) -> tuple[str, ...]:
        """Return the names of the frame graph's outputs."""
        fgr = ("fgr",) if self.foreground else ()
        return ("pha", *fgr, *(state.output for state in self.states))

    def shapes(self) -> dict[str, Shape]:
        """Return the shape of every input and output of both graphs."""
        states = {name: state.shape for state in self.states for name in (state.input, state.output)}
        frame: dict[str, Shape] = {"src": SRC_SHAPE, "pha": PHA_SHAPE}
        if self.foreground:
            frame["fgr"] = SRC_SHAPE
        if self.samples is None:
            return {**frame, **states}
        return {**frame, COUNT: (1,), "bgr": BGR_SHAPE, **self.features, **states}

    def example_inputs(self, width: int, height: int, samples: int) -> dict[str, Tensor]:
        """Return random inputs of the graphs, the features by way of the sample encoder.

        Args:
            width: Of frames and samples.
            height: Likewise.
            samples: How many; with 0 the features are those of one, as the engine gives them then: zeros.
        """
        generator = torch.Generator().manual_seed(width * height + samples)
        of_samples: dict[str, Tensor] = {}
        if self.samples is not None:
            bgr = torch.rand(max(1, samples), 3, height, width, generator=generator)
            with torch.no_grad():
                features = dict(zip(self.features, self.samples(bgr), strict=True))
            if not samples:
                features = {name: torch.zeros_like(feature) for name, feature in features.items()}
            of_samples = {"bgr": bgr, **features, COUNT: torch.tensor([float(samples)])}
        states = {
            state.input: torch.rand(
                resolve(state.shape, height=height, width=width, count=samples), generator=generator
            )
            - 0.5
            for state in self.states
        }
        src = torch.rand(1, 3, height, width, generator=generator)
        return {"src": src, **of_samples, **states}


def cleanplate_graphs(net: CleanPlateNet) -> Graphs:
    """Return the graphs of our network."""
    samples = SampleGraph(net.eval())
    with torch.no_grad():
        found = SampleFeatures(*samples(torch.zeros(1, 3, MULTIPLE, MULTIPLE)))
    features: dict[str, Shape] = {
        name: (
            f"H/{MULTIPLE // feature.shape[0]}",
            f"W/{MULTIPLE // feature.shape[1]}",
            "N",
            *feature.shape[3:],
        )
        for name, feature in zip(SampleFeatures._fields[:3], found, strict=False)
    }
    features["bgr_2"] = ("N", *found.bgr_2.shape[1:3], "H/2", "W/2")
    features["bgr_global"] = ("N", *found.bgr_global.shape[1:])
    states = memory_states(net)
    return Graphs(FrameGraph(net), samples, features, states, MULTIPLE, FrameGraph(folded(net)))


def memory_states(net: CleanPlateNet) -> tuple[State, ...]:
    """Return the states of our network's memories."""
    return tuple(
        State(f"r{number}i", f"r{number}o", (1, memory.channels, f"H/{stride}", f"W/{stride}"))
        for number, memory, stride in zip((1, 2), net.memories(), (16, 8), strict=True)
    )


class FrameGraph(nn.Module):
    """One frame of one video."""

    def __init__(self, net: CleanPlateNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        src: Tensor,
        bgr_4: Tensor,
        bgr_8: Tensor,
        bgr_16: Tensor,
        bgr_2: Tensor,
        bgr_global: Tensor,
        bgr_count: Tensor,
        r1i: Tensor,
        r2i: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return alpha [1, 1, H, W], 0..1, and the next states."""
        samples = SampleFeatures(bgr_4, bgr_8, bgr_16, bgr_2, bgr_global)
        prediction = self.net(src, samples, bgr_count, (r1i, r2i))
        return torch.sigmoid(prediction.pha_logit), *prediction.states


class SampleGraph(nn.Module):
    """The sample encoder: `bgr` [N, 3, H, W] to the fields of `SampleFeatures`."""

    def __init__(self, net: CleanPlateNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, bgr: Tensor) -> tuple[Tensor, ...]:
        """Return the samples' features."""
        return tuple(self.net.encode_samples(bgr))
