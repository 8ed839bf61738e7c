"""Clips in high dynamic range: Rec. 2100 PQ (SMPTE ST 2084) in 10 bits, as HDR cameras give."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.studio.scene import FRAMES_PER_SECOND, Image

SDR_WHITE_NITS = 300.0  # what OBS takes for the white of SDR unless it is told another

_BT2020, _BT2020_NCL, _SMPTE2084 = 9, 9, 16  # primaries, matrix and curve, as in ITU-T H.273
_TO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)  # BT.2087
_LUMA = np.array([0.2627, 0.6780, 0.0593])  # BT.2020


def write_pq_clip(path: Path, frames: Sequence[Image]) -> None:
    """Write frames as an HDR clip, lossless but for chroma at half the resolution; to a path in .mkv.

    Args:
        path: of the clip.
        frames: uint8 H x W x 3, BGR, sRGB.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FRAMES_PER_SECOND)
        stream.pix_fmt = "yuv420p10le"
        stream.height, stream.width = frames[0].shape[:2]
        context = stream.codec_context
        context.color_primaries, context.colorspace, context.color_trc = _BT2020, _BT2020_NCL, _SMPTE2084
        context.color_range = 1  # limited
        for index, picture in enumerate(frames):
            planes = _limited_yuv(_pq(_linear(picture) @ _TO_BT2020.T))
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p10le")
            frame.pts, frame.time_base = index, Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _linear(picture: Image) -> NDArray[np.float64]:
    """Linear light, red first, 1 for SDR's white."""
    value = picture[..., ::-1] / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The signal of ST 2084, 0 to 1, for light as a multiple of SDR's white."""
    power = np.clip(light * SDR_WHITE_NITS / 10_000, 0, 1) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _limited_yuv(signal: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Planes as PyAV takes them: luma, then both chroma at half size, in 10 bits of limited range."""
    height, width = signal.shape[:2]
    luma = signal @ _LUMA
    chroma = [(signal[..., 2] - luma) / 1.8814, (signal[..., 0] - luma) / 1.4746]
    halves = [cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for plane in chroma]
    planes = [64 + 876 * luma, *(512 + 896 * half for half in halves)]
    rows = [np.round(plane).astype(np.uint16).reshape(-1, width) for plane in planes]
    return np.concatenate(rows)
