"""What a webcam does to a picture: exposure, white balance, blur, noise, JPEG, H.264."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
UInt8 = NDArray[np.uint8]


class Camera(NamedTuple):
    """The state of a camera while it takes a picture.

    Attributes:
        gain: Factors of blue, green, red: exposure times white balance.
        gamma: Exponent of the tone curve; above 1 darkens.
        blur: Standard deviation of the focus blur, in pixels.
        noise: Standard deviation of the sensor noise, of 255.
        quality: Of JPEG, 1..100, or 0 for none.
    """

    gain: tuple[float, float, float]
    gamma: float
    blur: float
    noise: float
    quality: int


def random_camera(rng: np.random.Generator) -> Camera:
    """Return a camera of random quality in a room of random light."""
    exposure = float(np.exp(rng.normal(0, 0.15)))
    tint = np.exp(rng.normal(0, 0.05, 3)) * exposure
    return Camera(
        (float(tint[0]), float(tint[1]), float(tint[2])),
        float(np.exp(rng.normal(0.05, 0.25))),
        float(max(0.0, rng.normal(0.1, 0.4))),
        float(abs(rng.normal(0, 4.0))),
        int(rng.integers(35, 96)) if rng.random() < 0.6 else 0,
    )


def drifted(camera: Camera, rng: np.random.Generator, amount: float) -> Camera:
    """Return the same camera later: another exposure, white balance and focus.

    Args:
        camera: As it was.
        rng: Random numbers.
        amount: 0 nothing, 1 as much as automatic exposure does when somebody sits down before it.
    """
    exposure = np.exp(rng.normal(0, 0.16 * amount))
    gain = np.array(camera.gain) * exposure * np.exp(rng.normal(0, 0.04 * amount, 3))
    return camera._replace(
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        gamma=camera.gamma * float(np.exp(rng.normal(0, 0.05 * amount))),
        blur=max(0.0, camera.blur + float(rng.normal(0, 0.25 * amount))),
    )


def take_picture(scene: Float, camera: Camera, rng: np.random.Generator) -> UInt8:
    """Return the picture that a camera takes of a scene.

    Args:
        scene: float32 HxWx3 BGR, 0..255.
        camera: Its state.
        rng: Of the noise.

    Returns:
        uint8 HxWx3 BGR.
    """
    if camera.blur > 0.2:
        scene = cv2.GaussianBlur(scene, (0, 0), camera.blur).astype(np.float32, copy=False)
    exposed = expose(scene, camera)
    noise = np.empty(scene.shape, np.int8)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise, np.zeros(3), np.full(3, camera.noise))
    picture = cv2.add(exposed, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
    return _through_jpeg(picture, camera.quality) if camera.quality else picture


def expose(scene: Float, camera: Camera) -> UInt8:
    """Return the colours that a camera gives to a scene, without its blur, noise and compression."""
    levels = np.arange(256, dtype=np.float32) / 255
    curve = 255 * levels[:, None] ** camera.gamma * np.array(camera.gain, np.float32)
    curve = np.where(curve > 200, 255 - 55 * np.exp((200 - curve) / 55), curve)  # highlights roll off softly
    table = np.clip(curve, 0, 255).astype(np.uint8)
    return cv2.LUT(np.clip(scene, 0, 255).astype(np.uint8), table[None]).astype(np.uint8, copy=False)


def _through_jpeg(picture: UInt8, quality: int) -> UInt8:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return decoded.astype(np.uint8, copy=False)


def through_h264(pictures: Sequence[UInt8], quantiser: int) -> list[UInt8]:
    """Return successive pictures as they come out of a webcam that encodes H.264.

    Args:
        pictures: uint8 HxWx3 BGR each, of one size with even sides.
        quantiser: Constant rate factor, 0 (no loss) to 51; webcams are at about 23 to 35.
    """
    height, width = pictures[0].shape[:2]
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "crf": str(quantiser), "threads": "1"}
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as container:
        return [
            frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
            for frame in container.decode(video=0)
        ]
