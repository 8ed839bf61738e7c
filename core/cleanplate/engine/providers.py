"""Which hardware runs a graph: ONNX Runtime's execution providers, tried from the fastest to the CPU.

`Provider.name` is what users and settings say; ONNX Runtime's own names stay in this file.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.errors import CardError, ProviderError

Tensors = Mapping[str, NDArray[np.float32]]
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Provider:
    """An execution provider: our name, the name for people, ONNX Runtime's, and what it is.

    Attributes:
        is_gpu: runs whole networks on a graphics card. OpenVINO may be the CPU; for CoreML, see `AUTOMATIC`.
    """

    name: str
    label: str
    runtime_name: str
    library: str | None = None
    is_gpu: bool = False


PROVIDERS = (
    Provider("tensorrt", "TensorRT", "TensorrtExecutionProvider", "onnxruntime_providers_tensorrt", True),
    Provider("cuda", "CUDA", "CUDAExecutionProvider", "onnxruntime_providers_cuda", True),
    Provider("directml", "DirectML", "DmlExecutionProvider", is_gpu=True),
    Provider("coreml", "CoreML", "CoreMLExecutionProvider"),
    Provider("openvino", "OpenVINO", "OpenVINOExecutionProvider", "onnxruntime_providers_openvino"),
    Provider("cpu", "CPU", "CPUExecutionProvider"),
)
"""In the order in which they are tried."""

CPU = PROVIDERS[-1]

AUTOMATIC = tuple(provider for provider in PROVIDERS if provider.name != "coreml")
"""Those that `auto` tries. Every build for macOS has CoreML, but it takes only parts of our networks (80 of
488 nodes, in 9 pieces), and what goes to and fro between them costs more than it saves."""

BY_NAME = {provider.name: provider for provider in PROVIDERS}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a graph; a dimension is a number, or a text or None where it is dynamic."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class Graph(Protocol):
    """A graph that has been loaded on a provider."""

    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]

    def run(self, tensors: Tensors) -> dict[str, NDArray[np.float32]]:
        """Compute all outputs by name."""


class Runtime(Protocol):
    """What this module needs of ONNX Runtime."""

    def providers(self) -> Sequence[str]:
        """ONNX Runtime's names of the providers in its build."""

    def open(self, path: Path, provider: Provider, threads: int | None) -> Graph:
        """Load a graph; raises an exception that says why where it cannot."""


def check_name(wanted: str) -> None:
    """Refuse what is neither `auto` nor a provider's name.

    Raises:
        ProviderError: it is not.
    """
    if wanted != "auto" and wanted not in BY_NAME:
        raise ProviderError(
            f"There is no provider named {wanted}. Choose auto or one of: {', '.join(BY_NAME)}."
        )


def load_on_best(
    runtime: Runtime, wanted: str, load: Callable[[Provider], Loaded]
) -> tuple[Loaded, Provider, tuple[tuple[str, str], ...]]:
    """Load a model on the first provider that works.

    Args:
        runtime: ONNX Runtime.
        wanted: `auto` for those of `AUTOMATIC` in their order, or a provider's name: that one, then the CPU.
        load: loads the model on a provider, and raises where it cannot.

    Returns:
        What `load` gave, the provider, and of each provider that failed its label and the reason.

    Raises:
        ProviderError: `wanted` is unknown, or not even the CPU could load the model.
        CardError: from `load`: no other provider would help.
    """
    check_name(wanted)
    candidates = AUTOMATIC if wanted == "auto" else tuple(dict.fromkeys((BY_NAME[wanted], CPU)))
    fallbacks: list[tuple[str, str]] = []
    for provider in candidates:
        if provider.runtime_name not in runtime.providers():
            fallbacks.append((provider.label, "not in this ONNX Runtime build"))
            continue
        try:
            return load(provider), provider, tuple(fallbacks)
        except CardError:
            raise
        except Exception as error:  # noqa: BLE001 - providers raise whatever their drivers do
            fallbacks.append((provider.label, f"failed to load: {_one_line(error)}"))
    reasons = "; ".join(f"{label}: {reason}" for label, reason in fallbacks)
    raise ProviderError(f"No provider can run the model ({reasons}). Install the program again.")


def load_onnxruntime() -> Any:
    """Import ONNX Runtime, with its reports to Microsoft switched off.

    Its builds send them by default, and keep an identifier of the device in the user's cache folder, from the
    moment they are loaded (Privacy.md in its package): import it nowhere else.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: PLC0415 - 0.1 s and 30 MB that the difference engine does without

    return onnxruntime


class OnnxRuntime:
    """The real `Runtime`.

    Raises:
        ProviderError: ONNX Runtime cannot be loaded.
    """

    def __init__(self) -> None:
        try:
            self._module = load_onnxruntime()
        except (ImportError, OSError) as error:  # on Windows it needs libraries of Microsoft's
            raise ProviderError(
                f"ONNX Runtime cannot be loaded ({error}). Run the installer again; on Windows, install the "
                "Microsoft Visual C++ Redistributable first."
            ) from error
        self._preloaded = False

    def providers(self) -> Sequence[str]:
        """ONNX Runtime's names of the providers in its build."""
        return list(self._module.get_available_providers())

    def open(self, path: Path, provider: Provider, threads: int | None) -> Graph:
        """Load a graph on one provider, with the CPU for what it lacks."""
        if provider.name in ("cuda", "tensorrt"):
            self._preload_cuda()
        options = self._module.SessionOptions()
        options.log_severity_level = 3  # errors: fallbacks are reported by us
        options.intra_op_num_threads = threads or 0
        # Spinning threads would burn the cores that OBS needs between two frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if provider.name == "directml":
            # https://onnxruntime.ai/docs/execution-providers/DirectML-ExecutionProvider.html#configuration-options
            options.enable_mem_pattern = False
        chain = list(dict.fromkeys((provider.runtime_name, CPU.runtime_name)))
        session = self._module.InferenceSession(str(path), options, providers=chain, enable_fallback=0)
        if provider.runtime_name not in session.get_providers():
            raise ProviderError(_library_complaint(provider, Path(self._module.__file__).parent / "capi"))
        return _SessionGraph(session)

    def _preload_cuda(self) -> None:
        """Find CUDA and cuDNN where pip put them; without this only a system-wide installation works."""
        if self._preloaded or not hasattr(self._module, "preload_dlls"):
            return
        self._preloaded = True
        with redirect_stdout(StringIO()):  # it prints what is missing; the loader's complaint is clearer
            self._module.preload_dlls()


class _SessionGraph:
    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs: Sequence[TensorInfo] = [
            TensorInfo(value.name, value.type, tuple(value.shape)) for value in session.get_inputs()
        ]
        self.outputs: Sequence[TensorInfo] = [
            TensorInfo(value.name, value.type, tuple(value.shape)) for value in session.get_outputs()
        ]
        self._names = [value.name for value in self.outputs]

    def run(self, tensors: Tensors) -> dict[str, NDArray[np.float32]]:
        try:
            outputs = self._session.run(self._names, dict(tensors))
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            raise ProviderError(
                f"The model failed while it ran ({_one_line(error)}). Choose another provider or model."
            ) from error
        return dict(zip(self._names, outputs, strict=True))


def _library_complaint(provider: Provider, folder: Path) -> str:
    """Why ONNX Runtime passed a provider over: it does not say, but the system's loader does."""
    if provider.library is not None:
        suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
        prefix = "" if sys.platform == "win32" else "lib"
        try:
            ctypes.CDLL(os.fspath(folder / f"{prefix}{provider.library}{suffix}"))
        except OSError as error:
            return _one_line(error)
    return "ONNX Runtime passed it over; see that its driver is installed"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
