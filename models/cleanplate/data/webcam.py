"""Real people at a real webcam: the empty office and everybody's mattes, put together from the clips.

Nobody drew masks for these clips. The wall is white, so the difference to the plate is a good matte: it is
kept near the person that a portrait network sees, and that network alone speaks for the middle of the body,
behind which the plate was never seen. The mattes are good to a pixel or two, and no truth to tune on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.data.errors import SourceDamagedError, SourceMissingError
from cleanplate.engine.matting import create_engine
from cleanplate.engine.providers import load_onnxruntime
from cleanplate.engine.samples import estimate_plate

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]

WEBCAM_FOLDER = "videos/webcam"  # in the folder of the archives
PERSON_NETWORK = "peers/mediapipe-selfie.onnx"  # beside it
NETWORK_SIDE = 256  # px

PLATE_FRAMES_A_CLIP = 8
MOST_SHIFT = 1.5  # px; a clip further out of register is left out
LEAST_RESPONSE = 0.3  # of the phase correlation; less means that the camera stood elsewhere
PERHAPS_PERSON = 0.05  # network output from which a place may be a person
SURELY_PERSON = 0.7
PLATE_MARGIN = 21  # px; generous: hair, shadows, blurred hands
NEAR_MARGIN = 41  # px; how far beyond what the network saw a hand may be
CORE_MARGIN = 15  # px; how far inside the network's edge it is believed


class Clip(NamedTuple):
    """A clip in register with the others.

    Attributes:
        name: Its file's stem.
        frames: uint8 480x640x3 BGR each.
    """

    name: str
    frames: list[UInt8]


class Webcam:
    """The clips of one webcam in one office."""

    def __init__(self, data: Path) -> None:
        """Read the clips that are in register.

        Args:
            data: The folder of the archives.

        Raises:
            SourceMissingError: The clips or the portrait network are missing.
            SourceDamagedError: A clip cannot be read.
        """
        network = data.parent / PERSON_NETWORK
        paths = sorted((data / WEBCAM_FOLDER).glob("*.mkv"))
        if not paths or not network.is_file():
            raise SourceMissingError(
                f"{data / WEBCAM_FOLDER}/*.mkv or {network} is missing: put both there, or name their folder"
            )
        self._session: Any = load_onnxruntime().InferenceSession(
            str(network), providers=["CPUExecutionProvider"]
        )
        clips = [Clip(path.stem, read_clip(path)) for path in paths]
        reference = _contours(clips[0].frames[0])
        self.clips = [clip for clip in clips if _in_register(reference, _contours(clip.frames[0]))]

    def plate(self) -> UInt8:
        """Return the empty office, uint8 480x640x3 BGR; what nobody ever left free is painted in."""
        frames = [
            frame
            for clip in self.clips
            for frame in clip.frames[:: max(1, len(clip.frames) // PLATE_FRAMES_A_CLIP)]
        ]
        masks = [_grown(self._person(frame) > PERHAPS_PERSON, PLATE_MARGIN) for frame in frames]
        return estimate_plate(frames, masks)

    def mattes(self, clip: Clip, plate: UInt8) -> Iterator[UInt8]:
        """Yield the matte of every frame, uint8 480x640."""
        engine = create_engine("difference")
        engine.set_samples([plate])
        stream = engine.stream()
        for frame in clip.frames:
            person = self._person(frame)
            near = _grown(person > PERHAPS_PERSON, NEAR_MARGIN)
            core = cv2.erode(
                (person > SURELY_PERSON).astype(np.uint8), np.ones((CORE_MARGIN, CORE_MARGIN), np.uint8)
            )
            alpha = np.maximum(stream.process(frame).alpha * near, core)
            yield np.clip(255 * alpha + 0.5, 0, 255).astype(np.uint8)

    def _person(self, frame: UInt8) -> Float:
        """Return the portrait network's opinion, 0..1."""
        small = cv2.cvtColor(cv2.resize(frame, (NETWORK_SIDE, NETWORK_SIDE)), cv2.COLOR_BGR2RGB)
        (output,) = self._session.run(
            None, {self._session.get_inputs()[0].name: small[None].astype(np.float32) / 255}
        )
        return np.asarray(cv2.resize(output[0, :, :, 0], frame.shape[1::-1]), np.float32)


def read_clip(path: Path) -> list[UInt8]:
    """Return all frames of a video, BGR.

    Raises:
        SourceDamagedError: It cannot be decoded.
    """
    try:
        with av.open(str(path)) as container:
            return [
                frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
                for frame in container.decode(video=0)
            ]
    except av.FFmpegError as error:
        raise SourceDamagedError(f"{path} cannot be decoded ({error}): fetch it again") from error


def _contours(picture: UInt8) -> Float:
    """Return the contours of the picture's upper part, left and right, where nobody stands."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    grey[:, 200:440] = grey.mean()
    return np.asarray(cv2.Laplacian(cv2.GaussianBlur(grey[:240], (0, 0), 1.0), cv2.CV_32F), np.float32)


def _in_register(reference: Float, contours: Float) -> bool:
    (x, y), response = cv2.phaseCorrelate(reference, contours)
    return max(abs(x), abs(y)) <= MOST_SHIFT and response >= LEAST_RESPONSE


def _grown(mask: NDArray[np.bool_], side: int) -> UInt8:
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(np.uint8)
