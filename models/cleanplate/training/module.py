"""The Lightning module that trains `CleanPlateNet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import lightning as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cleanplate.data.batches import Batch
from cleanplate.nets.cleanplate import CleanPlateNet
from cleanplate.training.config import Config
from cleanplate.training.losses import matting_loss

VALIDATION_SETS = ("sample", "posters", "without", "stills")


class MattingModule(pl.LightningModule):
    """Trains on scenes; validates the IoU on the held-out sets of `VALIDATION_SETS`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = CleanPlateNet(**config.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.frozen_blocks:
            self.net.encoder.freeze(config.frozen_blocks)
        self._intersections = [0.0] * len(VALIDATION_SETS)
        self._unions = [0.0] * len(VALIDATION_SETS)

    def start_encoder(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Start the encoder from ImageNet."""
        self.net.encoder.load_imagenet(arrays)

    def train(self, mode: bool = True) -> Self:  # torch's signature
        """Switch to training, but leave a frozen encoder's batch norms alone."""
        super().train(mode)
        if self.config.frozen_blocks:
            self.net.encoder.eval()
        return self

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return alpha's logit, the coarse logit, and the true alpha, each [N * T, 1, ...]."""
        src, pha, bgr = (unit(part) for part in batch[:3])
        logit, coarse = self.net.train_step(src, bgr, batch.counts)
        return logit.float(), coarse.float(), pha.flatten(0, 1)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of a batch."""
        logit, coarse, pha = self.predict(batch)
        loss = matting_loss(logit, coarse, pha, batch.src.shape[1])
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, _: int, dataloader_idx: int = 0) -> None:
        """Add up intersections and unions at threshold 0.5, by picture."""
        logit, _coarse, pha = self.predict(batch)
        pred, true = logit > 0, pha > 0.5
        both = (pred & true).sum((1, 2, 3)).float()
        either = (pred | true).sum((1, 2, 3)).float()
        is_person = true.sum((1, 2, 3)) > 0
        ratio = both[is_person] / either[is_person].clamp(min=1)
        self._intersections[dataloader_idx] += float(ratio.sum())
        self._unions[dataloader_idx] += float(is_person.sum())

    def on_validation_epoch_end(self) -> None:
        """Log the mean IoU of each set."""
        for index, name in enumerate(VALIDATION_SETS):
            if self._unions[index]:
                self.log(f"iou/{name}", self._intersections[index] / self._unions[index], prog_bar=True)
        self._intersections = [0.0] * len(VALIDATION_SETS)
        self._unions = [0.0] * len(VALIDATION_SETS)

    def configure_optimizers(self) -> Any:
        """Return AdamW with a linear warm-up and a linear fall of the learning rate."""
        config = self.config
        encoder = list(self.net.encoder.parameters())
        known = {id(parameter) for parameter in encoder}
        others = [parameter for parameter in self.net.parameters() if id(parameter) not in known]
        optimizer = torch.optim.AdamW(
            [
                {"params": encoder, "lr": config.learning_rate * config.encoder_factor},
                {"params": others, "lr": config.learning_rate},
            ],
            weight_decay=1e-4,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(config, step)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_factor(config: Config, step: int) -> float:
    """Return the learning rate at a step, as a multiple of `config.learning_rate`."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    done = min(1.0, (step - config.warm_up) / max(1, config.steps - config.warm_up))
    last = config.last_learning_rate / config.learning_rate
    return 1 + (last - 1) * done


def unit(pixels: Tensor) -> Tensor:
    """Return uint8 pixels as float32 in 0..1."""
    return pixels.float().div_(255)
