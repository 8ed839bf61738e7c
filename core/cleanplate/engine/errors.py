"""The engine's errors: one tree, each message ends with what to do next.

EngineError
+-- FrameError           a frame has a shape or type that no engine takes
+-- SampleError          a background sample cannot be used
|   +-- SamplesNeededError   the engine cannot work without samples
+-- ModelError           a model cannot be used
    +-- UnknownModelError    no model of that name
    +-- CardError            a model's card is wrong or does not fit its files
    +-- ProviderError        no provider could run the model, or there is no ONNX Runtime to ask
"""


class EngineError(Exception):
    """Base of all errors of this package."""


class FrameError(EngineError):
    """A frame is not 8-bit BGR or BGRA, or is empty."""


class SampleError(EngineError):
    """A background sample is unreadable, or does not fit the video."""


class SamplesNeededError(SampleError):
    """The engine needs at least one background sample and has none."""


class ModelError(EngineError):
    """A model cannot be used."""


class UnknownModelError(ModelError):
    """No model of the requested name was found."""


class CardError(ModelError):
    """A model's card is malformed or contradicts the files that it describes."""


class ProviderError(ModelError):
    """No execution provider could load the model, or ONNX Runtime itself cannot be loaded."""
