"""Writing the held-out evaluation sets, once, from a fixed seed.

The evaluation reads these folders:

```
SET/CASE/frame000.png        BGR
SET/CASE/frame000-pha.png    true alpha, 0..255
SET/CASE/frame000-valid.png  optional: 255 where alpha is known
SET/CASE/sample0.png         background samples, if any; the evaluation uses the first so many
```

Cases with several frames are videos. `eg1800`, `captured` and `office` come from archives that never train.
The truth of `webcam` is what `cleanplate.data.webcam` made of the clips, with the plate: it flatters the
method `difference`, which had a part in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanplate.data.batches import open_maker
from cleanplate.data.errors import TargetError
from cleanplate.data.pack import clip_of, open_store
from cleanplate.data.scenes import Scene, SceneMaker, SceneOptions
from cleanplate.data.sources import read_archive
from cleanplate.data.splits import Split

UInt8 = NDArray[np.uint8]
Cases = Iterator[tuple[str, Scene, Sequence[UInt8]]]
"""Name, scene, and where alpha is known (empty for everywhere)."""

SEED = 7
SIZE = (512, 288)  # width, height: what the filter sends
SAMPLES = 3
OFFICE_SAMPLES = 3
WEBCAM_FRAMES = 48  # of each clip
OFFICE_PERSON, OFFICE_UNKNOWN, OFFICE_OUTSIDE = 255, 170, 85


class Composites(NamedTuple):
    """A set of composites from held-out people and rooms.

    Attributes:
        name: The set's.
        cases: How many videos.
        frames: Of each.
        options: What the scenes are like.
    """

    name: str
    cases: int
    frames: int
    options: SceneOptions


COMPOSITES = (
    Composites("composites-aligned", 60, 1, SceneOptions(posters=0, empty=0, aligned=1, wrong_room=0)),
    Composites("composites-moved", 60, 1, SceneOptions(posters=0, empty=0, aligned=0, wrong_room=0)),
    Composites("posters", 80, 1, SceneOptions(posters=1, empty=0, aligned=0.5, wrong_room=0)),
    Composites("empty", 40, 1, SceneOptions(posters=0.5, empty=1, wrong_room=0)),
    Composites("clips", 12, 16, SceneOptions(posters=0.2, empty=0, second_person=0, clips=1, wrong_room=0)),
)


def write_held_out(
    data: Path,
    cache: Path,
    folder: Path,
    progress: Callable[[str], None],
    composites: Sequence[Composites] = COMPOSITES,
) -> None:
    """Write every set that is not there yet.

    Args:
        data: The folder of the archives.
        cache: The packed pictures.
        folder: Where the sets go.
        progress: Told a line per set.
        composites: Which sets of composites.

    Raises:
        DataError: An archive or a store is missing or damaged, or a picture cannot be written.
    """
    for name, cases in _sets(data, cache, composites):
        if (folder / name).is_dir():
            continue
        count = 0
        part = folder / f".{name}"
        shutil.rmtree(part, ignore_errors=True)  # of a run that was interrupted
        for case, scene, valid in cases:
            _write(part / case, scene, valid)
            count += 1
        part.rename(folder / name)
        progress(f"{name}: {count} cases")


def _sets(data: Path, cache: Path, composites: Sequence[Composites]) -> Iterator[tuple[str, Cases]]:
    yield "eg1800", _pictures(data / "portraits-test.tar")
    yield "captured", _captured(data / "captured.tar")
    yield "office", _office(data / "office.tar")
    yield "stills", _stills(cache)
    yield "webcam", _webcam(cache)
    for index, kind in enumerate(composites):
        maker = open_maker(cache, Split.HELD_OUT, kind.options)
        yield kind.name, _composites(maker, kind.cases, kind.frames, index)


def _composites(maker: SceneMaker, cases: int, frames: int, index: int) -> Cases:
    for case in range(cases):
        rng = np.random.default_rng([SEED, index, case])
        yield f"{case:03}", maker.composite(rng, SIZE, frames, SAMPLES), ()


def _stills(cache: Path) -> Cases:
    stills = open_maker(cache, Split.HELD_OUT, SceneOptions()).stores.stills
    for index, entry in enumerate(stills.entries):
        picture = stills[index]
        yield entry.name.replace("/", "-"), _scene([picture[..., :3]], [picture[..., 3]], []), ()


def _webcam(cache: Path) -> Cases:
    store = open_store(cache, "webcam", Split.HELD_OUT)
    pictures = [(clip_of(entry.name), store[index]) for index, entry in enumerate(store.entries)]
    (_, plate), *frames = pictures
    for clip, group in groupby(frames, key=lambda each: each[0]):
        frames_of_clip = [picture for _, picture in group][:WEBCAM_FRAMES]
        colours, mattes = zip(*((frame[..., :3], frame[..., 3]) for frame in frames_of_clip), strict=True)
        yield str(clip).replace("/", "-"), _scene(colours, mattes, [plate[..., :3]]), ()


def _pictures(archive: Path) -> Cases:
    for picture in read_archive(archive):
        yield picture.name, _scene([picture.bgr], [picture.mask()], []), ()


def _captured(archive: Path) -> Cases:
    for case, members in groupby(read_archive(archive), key=lambda picture: picture.name.split("/")[0]):
        pictures = list(members)
        samples = [picture.bgr for picture in pictures if picture.name.endswith("/sample0")]
        frames = [picture for picture in pictures if not picture.name.endswith("/sample0")]
        # Not a video: minutes lie between the pictures.
        for picture in frames:
            name = f"{case}-{picture.name.split('/')[1]}"
            yield name, _scene([picture.bgr], [picture.mask()], samples), ()


def _office(archive: Path) -> Cases:
    pictures = list(read_archive(archive))
    plates = [picture.bgr for picture in pictures if picture.name.startswith("empty/")]
    frames = [picture for picture in pictures if picture.name.startswith("frames/")]
    truths = [picture.mask() for picture in frames]
    mattes = [np.where(truth == OFFICE_PERSON, 255, 0).astype(np.uint8) for truth in truths]
    valid = [
        np.where((truth == OFFICE_UNKNOWN) | (truth == OFFICE_OUTSIDE), 0, 255).astype(np.uint8)
        for truth in truths
    ]
    step = max(1, len(plates) // OFFICE_SAMPLES)
    yield (
        "office",
        _scene([picture.bgr for picture in frames], mattes, plates[::step][:OFFICE_SAMPLES]),
        valid,
    )


def _scene(frames: Sequence[UInt8], mattes: Sequence[UInt8], samples: Sequence[UInt8]) -> Scene:
    height, width = frames[0].shape[:2]
    plates = np.stack(samples) if samples else np.empty((0, height, width, 3), np.uint8)
    return Scene(np.stack(frames), np.stack(mattes), plates)


def _write(folder: Path, scene: Scene, valid: Sequence[UInt8]) -> None:
    folder.mkdir(parents=True)
    for index, (frame, pha) in enumerate(zip(scene.frames, scene.pha, strict=True)):
        _write_png(folder / f"frame{index:03}.png", frame)
        _write_png(folder / f"frame{index:03}-pha.png", pha)
        if valid:
            _write_png(folder / f"frame{index:03}-valid.png", valid[index])
    for index, sample in enumerate(scene.samples):
        _write_png(folder / f"sample{index}.png", sample)


def _write_png(path: Path, picture: UInt8) -> None:
    try:
        # imwrite only returns False when the disk is full, or on Windows for non-ASCII paths.
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    except OSError as error:
        raise TargetError(f"{path} cannot be written ({error}): make room, or name another folder") from error
