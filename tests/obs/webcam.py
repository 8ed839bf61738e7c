"""The main job on real input: a real person at a real webcam, in a real OBS.

    python tests/obs/webcam.py FOLDER [CLIP [MODEL]]

The camera shows an empty office, the background is captured by hotkey, then CLIP plays. FOLDER gets the
plate, the recording, a contact sheet (frame, matte, composite) and the figures. The clips are those of
../shared/data; the empty office is put together from all of them, where somebody else stands in each. What
nobody ever leaves free is painted in: the plate is the scene of this run, not the truth.
"""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.engine.providers import load_onnxruntime
from cleanplate.engine.samples import estimate_plate
from cleanplate.studio.bench import Clips, measure
from cleanplate.studio.scene import FRAMES_PER_SECOND, Image, read_frames, write_clip

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
CLIPS = SHARED / "data/videos/webcam"
PERSON_NETWORK = SHARED / "peers/mediapipe-selfie.onnx"

FRAMES_A_CLIP = 8
PERSON = 0.05  # network output from which a pixel may be a person
MARGIN_PIXELS = 21  # people are masked generously: hair, shadows, blurred hands
MOST_SHIFT_PIXELS = 1.5  # a clip further out of register is left out
NOISE = 1.0  # 8-bit levels, as a camera's


def office_plate() -> Image:
    """The empty office, uint8 480 x 640 x 3, BGR."""
    session = load_onnxruntime().InferenceSession(str(PERSON_NETWORK), providers=["CPUExecutionProvider"])
    frames: list[Image] = []
    masks: list[NDArray[np.uint8]] = []
    reference: NDArray[np.float32] | None = None
    for path in sorted(CLIPS.glob("*.mkv")):
        clip = list(read_frames(path))
        upper = _contours(clip[0])
        reference = upper if reference is None else reference
        (x, y), _ = cv2.phaseCorrelate(reference, upper)
        if max(abs(x), abs(y)) > MOST_SHIFT_PIXELS:
            print(f"{path.name} is out of register by {x:.1f}, {y:.1f} pixels and left out")
            continue
        for frame in clip[:: max(1, len(clip) // FRAMES_A_CLIP)]:
            frames.append(frame)
            masks.append(_person(session, frame))
    print(f"never seen: {100 * np.all(np.stack(masks) > 0, axis=0).mean():.1f} % of the picture")
    return estimate_plate(frames, masks)


def _contours(picture: Image) -> NDArray[np.float32]:
    """Contours of the picture's upper part, left and right, where nobody stands."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    grey[:, 200:440] = grey.mean()
    return np.asarray(cv2.Laplacian(cv2.GaussianBlur(grey[:240], (0, 0), 1.0), cv2.CV_32F), np.float32)


def _person(session: Any, frame: Image) -> NDArray[np.uint8]:
    small = cv2.cvtColor(cv2.resize(frame, (256, 256)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    (output,) = session.run(None, {session.get_inputs()[0].name: small[None]})
    mask = cv2.resize(output[0, :, :, 0], (frame.shape[1], frame.shape[0])) > PERSON
    return cv2.dilate(mask.astype(np.uint8), np.ones((MARGIN_PIXELS, MARGIN_PIXELS), np.uint8)).astype(
        np.uint8
    )


def main() -> None:
    """Run OBS and leave everything in the folder named on the command line."""
    folder = Path(sys.argv[1]).resolve()
    clip = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else CLIPS / "book.mkv"
    folder.mkdir(parents=True, exist_ok=True)
    plate = office_plate()
    cv2.imwrite(str(folder / "plate.png"), plate)
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(plate + rng.normal(0, NOISE, plate.shape), 0, 255).round().astype(np.uint8)
        for _ in range(FRAMES_PER_SECOND)
    ]
    write_clip(folder / "empty.avi", noisy)
    script = ROOT / "obs_script/cleanplate_filter.py"
    clips = Clips(folder / "empty.avi", clip)
    settings = {"model": sys.argv[3] if len(sys.argv) > 3 else "auto"}
    models = [ROOT / "models/weights"]
    figures = measure(folder, script, clips, kills=0, settings=settings, models=models, say=print)
    text = json.dumps(vars(figures), indent=1, default=str)
    (folder / "figures.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
