"""Writing a network as ONNX with its model card, and the check that both compute the same.

MismatchError    ONNX Runtime computes something else than torch
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from cleanplate.engine.providers import load_onnxruntime
from cleanplate.export.graphs import Graphs
from cleanplate.nets.checkpoint import CheckpointError, read_checkpoint
from cleanplate.nets.cleanplate import CleanPlateNet
from cleanplate.nets.static_background import OPTIONS

OPSET = 17
TOLERANCE = 1e-4
HALF_TOLERANCE = 0.05  # of weights and sums of 11 bits, on pictures of noise
CHECKED_SIZES = ((256, 144), (208, 160))  # width, height
CHECKED_SAMPLES = (0, 1, 3)
MAX_SAMPLES = 16


class MismatchError(Exception):
    """The exported graph computes something else than the network."""


@dataclass(frozen=True)
class CardText:
    """What a model card says beyond the graphs.

    Attributes:
        name: How users choose the model; also the file's name.
        title: One line for lists.
        role: `fast`, `quality` or None.
        licence: Of the weights.
        command: That trained it.
        data: Name and licence of each data set.
        area: Width times height of the frames it was made for, in pixels.
    """

    name: str
    title: str
    role: str | None
    licence: str
    command: str
    data: tuple[dict[str, str], ...]
    area: int


def load_network(checkpoint: Path, network: dict[str, Any]) -> CleanPlateNet:
    """Load the network of a training checkpoint, strictly.

    Args:
        checkpoint: As `cleanplate.training` wrote it.
        network: The arguments of `CleanPlateNet` that it was trained with.

    Raises:
        CheckpointError: It is missing or does not fit.
    """
    stored = read_checkpoint(checkpoint)
    kinds = {  # the first has `network`, too
        "widths": "background-cut",
        "network": "unet",
        "funet": "funet",
        OPTIONS: "static-background",
    }
    for key, kind in kinds.items():
        if key in stored:
            raise CheckpointError(f'{checkpoint} is of another kind: put kind = "{kind}" into its card')
    states = stored["state_dict"]
    try:
        net = CleanPlateNet(**network)
        net.load_state_dict({name.removeprefix("net."): value for name, value in states.items()})
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{checkpoint} does not fit the network of the card: {error}") from error
    return net.eval()


def export_network(graphs: Graphs, folder: Path, text: CardText, *, half: bool = False) -> Path:
    """Write `NAME.onnx`, `NAME-samples.onnx` and `NAME.json` into a folder; return the card's path.

    Without a sample encoder there is no second graph. Nothing is written unless all graphs compute what torch
    computes, at every size of `CHECKED_SIZES`.

    Args:
        graphs: Of the network.
        folder: Where the files go.
        text: For the card.
        half: Write a model `NAME-fp16` that computes in 16 bits. It takes no role: who has a GPU that gains
            by it chooses it by name.

    Raises:
        MismatchError: A graph differs by more than `TOLERANCE`, or `HALF_TOLERANCE`; or 16 bits are too few.
    """
    if half and not graphs.halves:
        raise MismatchError(f"{text.name} needs more than 16 bits: export it with --precision fp32")
    if half:
        text = replace(text, name=f"{text.name}-fp16", title=f"{text.title}, 16 bits", role=None)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        frame, samples = Path(temporary, "frame.onnx"), Path(temporary, "samples.onnx")
        write_graphs(graphs, frame, samples)
        if half:
            for path in (frame, samples):
                if path.exists():
                    halve(path)
        check_graphs(graphs, frame, samples, HALF_TOLERANCE if half else TOLERANCE)
        card = _card(graphs, text, frame, samples)
        written = Path(temporary, "card.json")
        written.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(frame, folder / f"{text.name}.onnx")  # noqa: PTH105  # the name says that it is atomic
        if graphs.samples is not None:
            os.replace(samples, folder / f"{text.name}-samples.onnx")  # noqa: PTH105
        os.replace(written, folder / f"{text.name}.json")  # noqa: PTH105
    return folder / f"{text.name}.json"


def write_graphs(graphs: Graphs, frame: Path, samples: Path) -> None:
    """Write the frame graph and the sample encoder, if there is one, of dynamic size."""
    width, height = CHECKED_SIZES[0]
    inputs = graphs.example_inputs(width, height, 2)
    # The card's dimension names, such as H/4, are no identifiers of the exporter: H4 stands for it.
    axes = {
        name: {i: side.replace("/", "") for i, side in enumerate(shape) if isinstance(side, str)}
        for name, shape in graphs.shapes().items()
    }
    for module, path, names, made in (
        (graphs.faster or graphs.frame, frame, graphs.frame_inputs(), graphs.frame_outputs()),
        (graphs.samples, samples, ("bgr",), tuple(graphs.features)),
    ):
        if module is None:
            continue
        torch.onnx.export(
            module.eval(),  # the exporter puts back the mode it found
            tuple(inputs[name] for name in names),
            str(path),
            input_names=list(names),
            output_names=list(made),
            dynamic_axes={name: axes[name] for name in (*names, *made)},
            opset_version=OPSET,
            dynamo=False,
        )


def halve(path: Path) -> None:
    """Convert a graph's weights and sums to 16 bits, in place; what it takes and gives stays float32."""
    load_onnxruntime()
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights below the smallest number of 16 bits
        onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)


def check_graphs(graphs: Graphs, frame: Path, samples: Path, tolerance: float = TOLERANCE) -> float:
    """Return the largest difference between torch and ONNX Runtime over sizes and sample counts.

    Raises:
        MismatchError: It is above the tolerance.
    """
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    worst = 0.0
    counts = (0,) if graphs.samples is None else CHECKED_SAMPLES
    for path, module in ((frame, graphs.frame), (samples, graphs.samples)):
        if module is None:
            continue
        module.eval()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        for width, height in CHECKED_SIZES:
            for count in counts:
                inputs = graphs.example_inputs(width, height, count)
                given = {name: inputs[name] for name in names}
                with torch.no_grad():
                    expected = module(*given.values())
                found = session.run(None, {name: value.numpy() for name, value in given.items()})
                difference = max(
                    float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected, strict=True)
                )
                worst = max(worst, difference)
                if not difference <= tolerance:
                    raise MismatchError(
                        f"{path.stem} graph at {width}x{height} with {count} samples differs by "
                        f"{difference:.2g} from torch (allowed {tolerance:g}): do not ship it"
                    )
    return worst


def _card(graphs: Graphs, text: CardText, frame: Path, samples: Path) -> dict[str, Any]:
    encodes = graphs.samples is not None
    pictures = ("src", *(("bgr",) if encodes else ()), "pha", *(("fgr",) if graphs.foreground else ()))
    return {
        "schema": 1,
        "name": text.name,
        "title": text.title,
        "role": text.role,
        "graph": {"file": f"{text.name}.onnx", "sha256": _sha256(frame)},
        "encoder": {"file": f"{text.name}-samples.onnx", "sha256": _sha256(samples)} if encodes else None,
        "input": {"area": text.area, "multiple": graphs.multiple},
        "max_samples": MAX_SAMPLES if encodes else 0,
        "ranges": {name: [0, 1] for name in pictures},
        "features": [{"name": name, "shape": list(shape)} for name, shape in graphs.features.items()],
        "states": [
            {"input": state.input, "output": state.output, "shape": list(state.shape)}
            for state in graphs.states
        ],
        "foreground": graphs.foreground,
        "licence": text.licence,
        "training": {"command": text.command, "data": list(text.data)},
        "quality": [],  # `cleanplate evaluate --record` measures it
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
