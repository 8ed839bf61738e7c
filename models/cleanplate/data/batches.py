"""Batches of scenes for training, made in a loader process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from cleanplate.data.pack import open_store
from cleanplate.data.scenes import Scene, SceneMaker, SceneOptions, Stores
from cleanplate.data.splits import Split

LOADER_NICENESS = 19  # the loader must never slow down what the user does at the machine


class Batch(NamedTuple):
    """N sequences of T frames with up to S samples each.

    Attributes:
        src: uint8 [N, T, 3, H, W], RGB.
        pha: uint8 [N, T, 1, H, W].
        bgr: uint8 [N, S, 3, H, W], RGB, zero where a sequence has fewer samples; S >= 1.
        counts: int64 [N], samples of each sequence.
        fgr: uint8 [N, T, 3, H, W], RGB, the people's own colours where pha is above 0; None unless wanted.
    """

    src: Tensor
    pha: Tensor
    bgr: Tensor
    counts: Tensor
    fgr: Tensor | None = None


@dataclass(frozen=True)
class BatchOptions:
    """What batches consist of.

    Attributes:
        sizes: Width and height of the frames; every batch has one of them.
        size_weights: How often each size comes.
        sequences: N.
        frames: T.
        stills: Share of sequences that are portraits before their own background.
        no_sample: Share of composites that come without any sample.
        several: Share of batches in which a sequence has up to three samples instead of one.
        single: Share of batches that have N T single frames instead: more people and rooms at about the same
            cost.
        foreground: Whether they have the people's own colours: for networks that estimate them.
    """

    sizes: tuple[tuple[int, int], ...]
    size_weights: tuple[float, ...]
    sequences: int
    frames: int = 1
    stills: float = 0.2
    no_sample: float = 0.25
    several: float = 0.2
    single: float = 0.0
    foreground: bool = False


def make_batch(maker: SceneMaker, options: BatchOptions, rng: np.random.Generator) -> Batch:
    """Return one random batch."""
    size = options.sizes[int(rng.choice(len(options.sizes), p=options.size_weights))]
    most = 3 if rng.random() < options.several else 1
    if rng.random() < options.single:
        options = replace(options, sequences=options.sequences * options.frames, frames=1)
    scenes = [_scene(maker, options, rng, size, most) for _ in range(options.sequences)]
    return collate(scenes, foreground=options.foreground)


def collate(scenes: list[Scene], *, foreground: bool = False) -> Batch:
    """Join scenes of one size and length; people's colours are the frame's where nobody knows them."""
    slots = max(1, *(len(scene.samples) for scene in scenes))
    height, width = scenes[0].frames.shape[1:3]
    bgr = np.zeros((len(scenes), slots, height, width, 3), np.uint8)
    for row, scene in zip(bgr, scenes, strict=True):
        row[: len(scene.samples)] = scene.samples
    fgr = [scene.frames if scene.fgr is None else scene.fgr for scene in scenes] if foreground else None
    return Batch(
        _rgb_planes(np.stack([scene.frames for scene in scenes])),
        torch.from_numpy(np.stack([scene.pha for scene in scenes]))[:, :, None],
        _rgb_planes(bgr),
        torch.tensor([len(scene.samples) for scene in scenes]),
        None if fgr is None else _rgb_planes(np.stack(fgr)),
    )


class SceneBatches(IterableDataset[Batch]):
    """Endless random batches; number i depends on nothing but the seed and i."""

    def __init__(
        self, cache: Path, scene_options: SceneOptions, options: BatchOptions, seed: int, first: int = 0
    ) -> None:
        super().__init__()
        self.cache, self.scene_options, self.options = cache, scene_options, options
        self.seed, self.first = seed, first

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        step = 1
        number = self.first
        if worker is not None:
            step, number = worker.num_workers, number + worker.id
            cv2.setNumThreads(1)
            if hasattr(os, "nice"):
                os.nice(LOADER_NICENESS)
        maker = open_maker(self.cache, Split.TRAIN, self.scene_options)
        while True:
            yield make_batch(maker, self.options, np.random.default_rng([self.seed, number]))
            number += step


def open_maker(cache: Path, split: Split, options: SceneOptions) -> SceneMaker:
    """Open the packed stores of a split."""
    return SceneMaker(Stores(*(open_store(cache, kind, split) for kind in Stores._fields)), options)


def _scene(
    maker: SceneMaker, options: BatchOptions, rng: np.random.Generator, size: tuple[int, int], most: int
) -> Scene:
    if rng.random() < options.stills:
        return maker.still(rng, size, options.frames)
    if rng.random() < options.no_sample:
        return maker.composite(rng, size, options.frames, 0)
    return maker.composite(rng, size, options.frames, int(rng.integers(1, most + 1)))


def _rgb_planes(pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """uint8 [..., H, W, 3] BGR to [..., 3, H, W] RGB."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures[..., ::-1], -1, -3)))
