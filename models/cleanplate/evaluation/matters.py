"""What is measured: our models through the engine, and rivals' networks, behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.matting import create_engine
from cleanplate.engine.providers import load_onnxruntime
from cleanplate.engine.session import OnnxEngine

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]


SAMPLE_COUNTS = (0, 1, 3)


class Matter(Protocol):
    """Makes mattes of a video's frames.

    Attributes:
        name: As the table has it.
        sample_counts: Those of `SAMPLE_COUNTS` with which it is measured.
    """

    name: str
    sample_counts: tuple[int, ...]

    def start(self, samples: Sequence[UInt8]) -> None:
        """Begin a new video with background samples (uint8 [H, W, 3] BGR)."""

    def matte(self, frame: UInt8) -> Float:
        """Return alpha, float32 [H, W], 0..1, of the next frame (uint8 [H, W, 3] BGR)."""


class EngineMatter:
    """A model through the engine, exactly as the filter uses it.

    Attributes:
        sample_counts: All; those above 0 if it can do nothing without; 0 if it makes nothing of them.
        provider: What computes it.
    """

    def __init__(
        self, name: str, folders: Sequence[Path], provider: str = "cpu", threads: int | None = 1
    ) -> None:
        """Load a model; see `create_engine` for the errors."""
        self.name = name
        self._engine = create_engine(name, provider=provider, models=folders, threads=threads)
        self.provider = self._engine.provider
        self.sample_counts: tuple[int, ...] = (
            SAMPLE_COUNTS[1:] if self._engine.needs_samples else SAMPLE_COUNTS
        )
        if isinstance(self._engine, OnnxEngine) and self._engine.card.encoder is None:
            self.sample_counts = (0,)
        self._stream = self._engine.stream()

    def start(self, samples: Sequence[UInt8]) -> None:
        """Begin a new video."""
        self._engine.set_samples(samples)
        self._stream = self._engine.stream()

    def matte(self, frame: UInt8) -> Float:
        """Return alpha of the next frame."""
        return self._stream.process(frame).alpha


class RivalMatter:
    """A rival's network: one picture in, one mask out, nothing remembered, samples ignored."""

    sample_counts: tuple[int, ...] = (0,)

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load `mediapipe-landscape.onnx`, `mediapipe-selfie.onnx` or `sinet.onnx`."""
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # an old exporter's graphs cause a warning per weight
        self.name = path.stem
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self._planar = self._input.shape[1] == 3
        self._height, self._width = self._input.shape[2:4] if self._planar else self._input.shape[1:3]

    def start(self, samples: Sequence[UInt8]) -> None:
        """Do nothing."""

    def matte(self, frame: UInt8) -> Float:
        """Return alpha of a frame."""
        small = cv2.resize(frame, (self._width, self._height), interpolation=cv2.INTER_AREA)
        output = self._session.run(None, {self._input.name: _prepared(small, planar=self._planar)})[0]
        alpha = np.asarray(output, np.float32)
        alpha = alpha[0, 1] if self._planar else alpha[0, ..., 0]
        size = (frame.shape[1], frame.shape[0])
        return np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), 0, 1).astype(np.float32)


# SINet's normalisation, from its authors' code: BGR means and deviations.
SINET_MEAN = np.array([102.890434, 111.25247, 126.91212], np.float32)
SINET_DEVIATION = np.array([62.93292, 62.82138, 66.355705], np.float32)


def _prepared(bgr: NDArray[np.generic], *, planar: bool) -> Float:
    picture = bgr.astype(np.float32)
    if planar:
        normal = (picture - SINET_MEAN) / SINET_DEVIATION / 255
        return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])
    return np.ascontiguousarray(picture[None, ..., ::-1] / np.float32(255))
