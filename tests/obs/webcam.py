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

import cv2
import numpy as np

from cleanplate.data.webcam import WEBCAM_FOLDER, Webcam
from cleanplate.studio.bench import Clips, measure
from cleanplate.studio.scene import FRAMES_PER_SECOND, write_clip

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data"
CLIPS = DATA / WEBCAM_FOLDER

NOISE = 1.0  # 8-bit levels, as a camera's


def main() -> None:
    """Run OBS and leave everything in the folder named on the command line."""
    folder = Path(sys.argv[1]).resolve()
    clip = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else CLIPS / "book.mkv"
    folder.mkdir(parents=True, exist_ok=True)
    plate = Webcam(DATA).plate()
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
