"""What every training has in common: validation on held-out scenes, and the learning rate's course."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import lightning as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cleanplate.data.batches import Batch
from cleanplate.nets.checkpoint import CheckpointError, load_strictly, read_checkpoint
from cleanplate.training.config import Config, ConfigError

VALIDATION_SETS = ("sample", "posters", "without", "stills")

Module = TypeVar("Module", bound="MattingModule")


class MattingModule(pl.LightningModule, ABC):
    """Trains on scenes; validates the IoU on the held-out sets of `VALIDATION_SETS`.

    The network is the attribute `net` of the subclasses.

    Attributes:
        gradient_clip: The longest gradient of a step, or None for any.
        clips: What `gradient_clip` bounds: the gradient's length (`norm`), or each number in it (`value`).
    """

    gradient_clip: ClassVar[float | None] = 1.0
    clips: ClassVar[Literal["norm", "value"]] = "norm"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self._iou_sums = [0.0] * len(VALIDATION_SETS)
        self._people = [0] * len(VALIDATION_SETS)

    @abstractmethod
    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return alpha's logit and the true alpha, each [N * T, 1, H, W]."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch."""

    @abstractmethod
    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return what learns, with `lr` at the start of the fall."""

    def extra_callbacks(self, folder: Path) -> list[pl.Callback]:  # noqa: ARG002
        """Return what watches this kind of training beside what watches all; `folder` is the run's."""
        return []

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self.loss(batch)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: Batch, _: int, dataloader_idx: int = 0) -> None:
        """Add up the IoU of each picture with somebody in it, at threshold 0.5."""
        self.add_iou(*self.predict(batch), dataloader_idx)

    def add_iou(self, logit: Tensor, pha: Tensor, index: int) -> None:
        """Add up the IoU of pictures of a set."""
        pred, true = logit > 0, pha > 0.5
        both = (pred & true).sum((1, 2, 3)).float()
        either = (pred | true).sum((1, 2, 3)).float()
        is_person = true.sum((1, 2, 3)) > 0
        self._iou_sums[index] += float((both[is_person] / either[is_person]).sum())
        self._people[index] += int(is_person.sum())

    def on_validation_epoch_end(self) -> None:
        """Log the mean IoU of each set."""
        for index, name in enumerate(VALIDATION_SETS):
            if self._people[index]:
                self.log(f"iou/{name}", self.take_iou(index))

    def take_iou(self, index: int) -> float:
        """Return the mean IoU of a set since it was last taken."""
        mean = self._iou_sums[index] / max(1, self._people[index])
        self._iou_sums[index], self._people[index] = 0.0, 0
        return mean

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        return torch.optim.AdamW(self.parameter_groups(), weight_decay=1e-4)

    def configure_optimizers(self) -> Any:
        """Return the optimizer with a linear warm-up and a linear or "poly" fall of the learning rate."""
        config = self.config
        optimizer = self.make_optimizer()
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(config, step)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_factor(config: Config, step: int) -> float:
    """Return the learning rate at a step, as a multiple of `config.learning_rate`.

    After the warm-up it falls from 1 to the last rate as (1 - progress) ** power: linearly with power 1, and
    by the "poly" policy of paper 003 (section 4.2) with 0.9.
    """
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    done = min(1.0, (step - config.warm_up) / max(1, config.steps - config.warm_up))
    last = config.last_learning_rate / config.learning_rate
    return float(last + (1 - last) * (1 - done) ** config.power)


def take_weights(module: MattingModule, start: Path, new_parts: Sequence[str]) -> None:
    """Load a checkpoint's weights: all but the parts that are named as new, and nothing else.

    Raises:
        CheckpointError: The checkpoint is damaged, or of another network.
        ConfigError: It has too much, or lacks what is not named.
    """
    states, own = read_checkpoint(start)["state_dict"], module.state_dict()
    excess, lacking = sorted(states.keys() - own), sorted(own.keys() - states - set(new_parts))
    if excess or lacking:
        raise ConfigError(
            f"{start} does not fit this network: it has {excess or 'nothing'} too much and "
            f"lacks {lacking or 'nothing'}; name in new_parts what shall start untrained"
        )
    load_strictly(module, {**own, **states}, start)


def load_with_options(make: Callable[[Config], Module], config: Config, checkpoint: Path, key: str) -> Module:
    """Load what a run trained, with the network's options that it kept.

    Args:
        make: Makes a module of the kind.
        config: The run's; its `network` gives way to the options.
        checkpoint: Of the run.
        key: Under which the checkpoint has the options.

    Raises:
        CheckpointError: It is missing, damaged, or of another network.
    """
    stored = read_checkpoint(checkpoint, (key, "state_dict"))
    try:
        module = make(replace(config, network=stored[key]))
    except ConfigError as error:
        raise CheckpointError(f"{checkpoint} is of another network: {error}") from error
    load_strictly(module, stored["state_dict"], checkpoint)
    return module


def read_imagenet(pretrained: Path) -> dict[str, NDArray[np.float32]]:
    """Return the ImageNet weights of the encoder, by their Keras names.

    Raises:
        ConfigError: The file is missing.
    """
    if not pretrained.is_file():
        raise ConfigError(f"{pretrained} does not exist: name the ImageNet weights with --pretrained")
    with np.load(pretrained) as arrays:
        return {name: arrays[name] for name in arrays.files}


def unit(pixels: Tensor) -> Tensor:
    """Return uint8 pixels as float32 in 0..1."""
    return pixels.float().div_(255)
