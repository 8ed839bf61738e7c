"""A training run's configuration, read from TOML.

`base = "OTHER.toml"`, a file of the same folder, gives every key that the file itself has not.

ConfigError
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from cleanplate.data.batches import BatchOptions
from cleanplate.data.scenes import SceneOptions
from cleanplate.nets.kinds import MULTIPLES

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used; the message says which key and why."""


@dataclass(frozen=True)
class Config:
    """One run.

    Attributes:
        seed: Of the network's start and of the data.
        steps: Optimiser steps.
        learning_rate: At the start, after the warm-up.
        last_learning_rate: At the end; in between it falls as `power` says.
        batches: What a batch consists of.
        scenes: What scenes consist of.
        network: Arguments of the network.
        kind: One of those in `cleanplate.nets.kinds`.
        power: Of the learning rate's fall: 1 is linear, 0.9 is paper 003's.
        warm_up: Steps of linearly growing learning rate.
        encoder_factor: The encoder learns this much slower; it starts from ImageNet.
        frozen_blocks: If above 0, the encoder's stem and so many blocks stay as they are, and all its batch
            norms use their running statistics.
        frozen_norms: All batch norms use fixed statistics, as the exported network does: means over many
            batches, taken before the first step.
        mean_decay: If above 0, the run leaves an exponential running mean of the weights, which keeps this
            share of itself at each step; validation measures it.
        start_from: A checkpoint whose weights start this run, or "" for none.
        new_parts: What that checkpoint need not have yet, as `net.decoder.detail.differences.weight`.
        divergence: Weight of the divergence loss of `static-background`.
        imagenet: Whether our network's encoder starts from ImageNet, if no checkpoint is named.
        validate_every: Steps between validations; more than `steps` for none.
        bf16_on_cpu: Compute in bf16 on a CPU, too, as on a GPU: wide convolutions gain, with AVX-512 BF16 or
            AMX.
    """

    seed: int
    steps: int
    learning_rate: float
    last_learning_rate: float
    batches: BatchOptions
    scenes: SceneOptions
    network: dict[str, Any]
    kind: str = "cleanplate"
    power: float = 1.0
    warm_up: int = 200
    encoder_factor: float = 0.5
    frozen_blocks: int = 0
    frozen_norms: bool = False
    mean_decay: float = 0.0
    start_from: str = ""
    new_parts: Sequence[str] = ()
    divergence: float = 0.0
    imagenet: bool = True
    validate_every: int = 1000
    bf16_on_cpu: bool = False


def load_config(path: Path) -> Config:
    """Read a configuration.

    Raises:
        ConfigError: The file is missing, no TOML, or has an unknown, missing or unfit key.
    """
    table = _read(path)
    if base := table.pop("base", None):
        table = {**_read(path.with_name(base)), **table}
    batches, scene_table, network = (_pop_table(table, key, path) for key in ("batches", "scenes", "network"))
    sizes, size_weights = batches.get("sizes", []), batches.get("size_weights", [])
    if not isinstance(sizes, list) or not all(map(_is_size, sizes)):
        raise ConfigError(f"{path} [batches]: sizes is {sizes!r}: it must be like [[WIDTH, HEIGHT]]")
    if not isinstance(size_weights, list) or not all(isinstance(each, int | float) for each in size_weights):
        raise ConfigError(f"{path} [batches]: size_weights is {size_weights!r}: it must be numbers in [ ]")
    batches["sizes"] = tuple((width, height) for width, height in sizes)
    batches["size_weights"] = tuple(size_weights)
    scenes = _build(SceneOptions, scene_table, f"{path} [scenes]")
    options = _build(BatchOptions, batches, f"{path} [batches]")
    multiple = MULTIPLES.get(table.get("kind", "cleanplate"), 1)  # an unknown kind is named where it matters
    if any(side % multiple for size in options.sizes for side in size):
        raise ConfigError(f"{path} [batches]: sides of sizes must be multiples of {multiple}")
    if len(options.size_weights) != len(options.sizes) or not math.isclose(sum(options.size_weights), 1):
        raise ConfigError(f"{path} [batches]: size_weights must be one for each of sizes, together 1")
    if table.get("kind") == "background-cut" and network.get("attenuates", True) and options.several > 0:
        raise ConfigError(  # samples that a sequence lacks are black, and the network averages them all
            f"{path} [batches]: several is {options.several}: with attenuation, background-cut takes 0 alone"
        )
    return _build(
        Config,
        {**table, "network": network, "batches": options, "scenes": scenes},
        str(path),
    )


def _pop_table(table: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    part = table.pop(key, {})
    if not isinstance(part, dict):
        raise ConfigError(f"{path}: {key} is {part!r}: it must be a table, [{key}]")
    return part


def _is_size(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(type(side) is int and side > 0 for side in value)
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error}): name an existing configuration") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _build(kind: type[T], table: dict[str, Any], where: str) -> T:
    known = get_type_hints(kind)
    if unknown := table.keys() - known.keys():
        raise ConfigError(
            f"{where}: unknown key {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}"
        )
    for key, value in table.items():
        wanted = (int, float) if known[key] is float else known[key]
        if known[key] in (bool, int, float, str) and not isinstance(value, wanted):
            raise ConfigError(f"{where}: {key} is {value!r}: it must be of type {known[key].__name__}")
    try:
        return kind(**table)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error
