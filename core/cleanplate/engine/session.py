"""The engine of networks: a model card's graphs in ONNX Runtime, for any number of background samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.base import Engine, Matte, Stream
from cleanplate.engine.card import BGR_SHAPE, COUNT, Card, Shape, read_card, resolve
from cleanplate.engine.errors import CardError
from cleanplate.engine.imaging import Picture, resize_picture, resize_plane
from cleanplate.engine.providers import Graph, OnnxRuntime, Provider, Runtime, TensorInfo, load_on_best
from cleanplate.engine.refine import upsample_matte
from cleanplate.engine.samples import distinct

Tensor = NDArray[np.float32]


class OnnxEngine(Engine):
    """A network with its card.

    Args:
        card_path: `NAME.json`, beside the files that it names.
        provider: `auto` or a provider's name; see `cleanplate.engine.providers`.
        threads: CPU threads, None for ONNX Runtime's choice.
        runtime: ONNX Runtime, or a stand-in.

    Raises:
        CardError: the card is malformed or does not fit its files.
        ProviderError: no provider could load the model.
    """

    def __init__(
        self,
        card_path: Path,
        *,
        provider: str = "auto",
        threads: int | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        super().__init__()
        self.card = read_card(card_path)
        self.name = self.card.name
        self.area, self.multiple = self.card.area, self.card.multiple
        runtime = runtime or OnnxRuntime()

        def load(candidate: Provider) -> _Network:
            network = _Network(self.card, runtime, candidate, threads)
            network.warm_up(*self.input_size(16, 9))
            return network

        self.network, chosen, self.fallbacks = load_on_best(runtime, provider, load)
        self.provider = chosen.name

    def stream(self) -> Stream:
        """A new stream with its own recurrent states."""
        return _OnnxStream(self)


class _Network:
    """The graphs of one card, loaded on one provider."""

    def __init__(self, card: Card, runtime: Runtime, provider: Provider, threads: int | None) -> None:
        self.card = card
        self._graph = runtime.open(card.graph, provider, threads)
        _check_signature(card, card.graph, self._graph, card.graph_inputs(), card.graph_outputs())
        self._encoder: Graph | None = None
        if card.encoder is not None:
            self._encoder = runtime.open(card.encoder, provider, threads)
            _check_signature(card, card.encoder, self._encoder, {"bgr": BGR_SHAPE}, dict(card.features))

    def warm_up(self, width: int, height: int) -> None:
        """Run both graphs once: some providers fail, or compile for seconds, only then."""
        src = np.zeros((1, 3, height, width), np.float32)
        features = self.encode([src] if self._encoder else [], width, height)
        self.run({"src": src, **features, **self.initial_states(width, height)})

    def encode(self, samples: list[Tensor], width: int, height: int) -> dict[str, Tensor]:
        """The sample features, and their count, as the frame graph takes them.

        Args:
            samples: [1, 3, H, W] each, RGB, 0..1; none gives zeros.
            width: of the frames.
            height: of the frames.
        """
        if self.card.encoder is None:
            return {}
        samples = samples[-self.card.max_samples :]
        wanted = {
            name: resolve(shape, height=height, width=width, count=max(1, len(samples)))
            for name, shape in self.card.features.items()
        }
        if samples and self._encoder is not None:
            features = self._encoder.run({"bgr": np.concatenate(samples)})
            for name, shape in wanted.items():
                found = features[name].shape
                if found != shape:
                    raise CardError(
                        f"{self.card.encoder.name} gives {name} as {list(found)} where the card says "
                        f"{list(shape)}. Export the model again."
                    )
        else:
            features = {name: np.zeros(shape, np.float32) for name, shape in wanted.items()}
        return {**features, COUNT: np.array([len(samples)], np.float32)}

    def initial_states(self, width: int, height: int) -> dict[str, Tensor]:
        return {
            state.input: np.zeros(resolve(state.shape, height=height, width=width, count=1), np.float32)
            for state in self.card.states
        }

    def run(self, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        """Matte [1, 1, H, W], foreground colour [1, 3, H, W] or None, and the next states."""
        outputs = self._graph.run(tensors)
        states = {state.input: outputs[state.output] for state in self.card.states}
        return outputs["pha"], outputs.get("fgr"), states


class _OnnxStream(Stream):
    # Networks see to the light themselves: only the compositing and the watch for drift want to know it.
    light_interval = 8

    def __init__(self, engine: OnnxEngine) -> None:
        super().__init__(engine)
        self._network = engine.network

    def _prepare(self, samples: Sequence[Picture], width: int, height: int) -> None:
        self._input_size = self._engine.input_size(width, height)
        pictures = [_tensor(resize_picture(sample, *self._input_size)) for sample in distinct(samples)]
        self._features = self._network.encode(pictures, *self._input_size)

    def reset(self) -> None:
        super().reset()
        self._states: dict[str, Tensor] | None = None

    def _matte(self, bgr: Picture) -> Matte:
        height, width = bgr.shape[:2]
        resizes = self._input_size != (width, height)
        picture = resize_picture(bgr, *self._input_size) if resizes else bgr
        if self._states is None:
            self._states = self._network.initial_states(*self._input_size)
        tensors = {"src": _tensor(picture), **self._features, **self._states}
        pha, fgr, self._states = self._network.run(tensors)
        alpha = np.clip(pha[0, 0], 0, 1)
        colour = None if fgr is None else np.clip(fgr[0, ::-1].transpose(1, 2, 0) * 255, 0, 255)
        if resizes:
            alpha = upsample_matte(alpha, picture, bgr)
            colour = None if colour is None else resize_plane(colour, width, height)
        return Matte(alpha, colour)


def _tensor(bgr: NDArray[np.uint8]) -> Tensor:
    """uint8 [H, W, 3] BGR -> float32 [1, 3, H, W] RGB, 0..1."""
    planes = np.ascontiguousarray(bgr[:, :, ::-1].transpose(2, 0, 1)[np.newaxis])
    return np.multiply(planes, np.float32(1 / 255), dtype=np.float32)


def _check_signature(
    card: Card, path: Path, graph: Graph, inputs: dict[str, Shape], outputs: dict[str, Shape]
) -> None:
    """Compare a graph's inputs and outputs with what the card promises."""
    for kind, found, wanted in (("input", graph.inputs, inputs), ("output", graph.outputs, outputs)):
        names = {info.name for info in found}
        if names != wanted.keys():
            differing = ", ".join(sorted(names ^ wanted.keys()))
            raise CardError(
                f"{path.name} and the card of {card.name} differ in {kind}s: {differing}. "
                "Export the model again."
            )
        for info in found:
            complaint = _complaint(info, wanted[info.name])
            if complaint:
                raise CardError(f"{path.name}: {kind} {info.name} {complaint}. Export the model again.")


def _complaint(info: TensorInfo, wanted: Shape) -> str | None:
    if info.type != "tensor(float)":
        return f"is {info.type}, not tensor(float)"
    if len(info.shape) != len(wanted):
        return f"has {len(info.shape)} dimensions where the card says {list(wanted)}"
    for found, dimension in zip(info.shape, wanted, strict=True):
        # A dynamic dimension may turn out to be right; a fixed one must be the card's.
        if isinstance(found, int) and found != dimension:
            return f"has shape {list(info.shape)} where the card says {list(wanted)}"
    return None
