"""Training our network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cleanplate.data.batches import Batch
from cleanplate.nets.checkpoint import load_strictly, read_checkpoint
from cleanplate.nets.cleanplate import CleanPlateNet
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.losses import matting_loss
from cleanplate.training.module import MattingModule, read_imagenet, take_weights, unit


class CleanPlateModule(MattingModule):
    """Trains `CleanPlateNet`, its encoder slower than the rest or in part not at all."""

    def __init__(self, config: Config) -> None:
        """Build.

        Raises:
            ConfigError: `network` has something unknown or of another type.
        """
        super().__init__(config)
        try:
            net = CleanPlateNet(**config.network)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"[network] does not fit {config.kind}: {error}") from error
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.frozen_blocks:
            self.net.encoder.freeze(config.frozen_blocks)

    def start_encoder(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Start the encoder from ImageNet."""
        self.net.encoder.load_imagenet(arrays)

    def train(self, mode: bool = True) -> Self:
        """Switch to training, but leave frozen batch norms alone."""
        super().train(mode)
        if self.config.frozen_norms:
            self.net.eval()
        elif self.config.frozen_blocks:
            self.net.encoder.eval()
        return self

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return alpha's logit and the true alpha."""
        logit, _, pha = self._run(batch)
        return logit, pha

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of our network."""
        logit, coarse, pha = self._run(batch)
        return matting_loss(logit, coarse, pha, batch.src.shape[1])

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the encoder, which is slower, and the rest."""
        encoder = list(self.net.encoder.parameters())
        known = {id(parameter) for parameter in encoder}
        others = [parameter for parameter in self.net.parameters() if id(parameter) not in known]
        rate = self.config.learning_rate
        return [{"params": encoder, "lr": rate * self.config.encoder_factor}, {"params": others, "lr": rate}]

    def _run(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return alpha's logit, the coarse logit, and the true alpha."""
        src, pha, bgr = (unit(part) for part in batch[:3])
        logit, coarse = self.net.train_step(src, bgr, batch.counts)
        return logit.float(), coarse.float(), pha.flatten(0, 1)


def make_cleanplate(config: Config, pretrained: Path) -> CleanPlateModule:
    """Return a module that starts from `config.start_from`, from ImageNet, or from nothing.

    Raises:
        CheckpointError: The start is damaged, or of another network.
        ConfigError: It does not fit, there is no such network, or the ImageNet file is missing.
    """
    module = CleanPlateModule(config)
    if config.start_from:
        take_weights(module, Path(config.start_from), config.new_parts)
        return module
    if config.imagenet:
        module.start_encoder(read_imagenet(pretrained))
    return module


def load_cleanplate(config: Config, checkpoint: Path) -> CleanPlateModule:
    """Load what a run trained.

    Raises:
        CheckpointError: It is missing, damaged, or of another network.
    """
    module = CleanPlateModule(config)
    load_strictly(module, read_checkpoint(checkpoint)["state_dict"], checkpoint)
    return module
