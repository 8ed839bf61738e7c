"""Training paper 001's networks as its sections 4.2 to 4.4 have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor

from cleanplate.data.batches import Batch
from cleanplate.nets import unet
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.losses import dice_loss
from cleanplate.training.module import MattingModule, load_with_options, take_weights, unit

BEST = "best.ckpt"
HELD_OUT_LOSS = "loss/held-out"
FALL = 0.1  # of the learning rate,
PLATEAU = 4  # once so many validations in a row were no better than the best (five, says section 4.3)
PATIENCE = 10  # and after so many the run ends


class UNetModule(MattingModule):
    """Trains one of the three networks with Adam and the Dice loss.

    The paper looks at its held-out pictures after every epoch, here it is every `validate_every` steps: a
    tenth of the learning rate when their loss stops falling, down to `last_learning_rate`; the end of the run
    when it does not fall for long; and the best moment is what is kept. `power` and `warm_up` are not used.
    """

    gradient_clip = None

    def __init__(self, config: Config) -> None:
        """Build.

        Args:
            config: Its `network` has `variant` (`plain`, `mobilenet` or `convlstm`) and may have `remembers`.

        Raises:
            ConfigError: There is no such network.
        """
        super().__init__(config)
        try:
            net = unet.make_unet(**config.network)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"[network] does not fit {config.kind}: {error}") from error
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._held_out: list[float] = []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep which of the networks it is."""
        checkpoint["network"] = dict(self.config.network)

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return alpha's logit and the true alpha; samples are not looked at."""
        logit: Tensor = self.net.over_time(unit(batch.src))
        return logit.float(), unit(batch.pha).flatten(0, 1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the Dice loss."""
        logit, pha = self.predict(batch)
        return dice_loss(logit.sigmoid(), pha)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the whole network."""
        return [{"params": list(self.net.parameters()), "lr": self.config.learning_rate}]

    def validation_step(self, batch: Batch, _: int, dataloader_idx: int = 0) -> None:
        """Add up the IoU, and the loss of all sets together."""
        logit, pha = self.predict(batch)
        self.add_iou(logit, pha, dataloader_idx)
        self._held_out.append(float(dice_loss(logit.sigmoid(), pha)))

    def on_validation_epoch_end(self) -> None:
        """Log the mean IoU of each set and the mean loss."""
        super().on_validation_epoch_end()
        self.log(HELD_OUT_LOSS, sum(self._held_out) / len(self._held_out))
        self._held_out.clear()

    def configure_optimizers(self) -> Any:
        """Return Adam, whose learning rate falls where the loss of held-out pictures stays."""
        optimizer = torch.optim.Adam(self.parameter_groups())
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            factor=FALL,
            patience=PLATEAU - 1,  # torch counts those that are suffered, Keras the one that is not, too
            min_lr=self.config.last_learning_rate,
        )
        after_validations = {
            "interval": "step",
            "frequency": self.config.validate_every,
            "strict": False,  # a run that goes on asks at its first step, when there is no loss to go by
        }
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "monitor": HELD_OUT_LOSS, **after_validations},
        }

    def extra_callbacks(self, folder: Path) -> list[pl.Callback]:
        """Return what keeps the best moment, and what ends the run."""
        return [
            ModelCheckpoint(
                folder,
                filename=Path(BEST).stem,
                monitor=HELD_OUT_LOSS,
                enable_version_counter=False,  # a better moment replaces the best
            ),
            EarlyStopping(HELD_OUT_LOSS, patience=PATIENCE),
        ]


def make_unet(config: Config, _: Path) -> UNetModule:
    """Return a module that starts from `config.start_from`, or from nothing.

    Raises:
        CheckpointError: The start is damaged, or of another network.
        ConfigError: It does not fit, there is no such network, or no validation.
    """
    if config.validate_every > config.steps:
        raise ConfigError(
            f"validate_every is {config.validate_every}: this kind learns by its validations, of which "
            f"there must be one in its {config.steps} steps"
        )
    module = UNetModule(config)
    if config.start_from:
        take_weights(module, Path(config.start_from), config.new_parts)
    return module


def load_unet(config: Config, checkpoint: Path) -> UNetModule:
    """Load what a run trained, with its own network's options.

    Raises:
        CheckpointError: It is missing, damaged, or of another network.
    """
    return load_with_options(UNetModule, config, checkpoint, "network")
