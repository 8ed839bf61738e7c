"""Training paper 000's network as its sections 3.2 and 4.1 have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cleanplate.data.batches import Batch
from cleanplate.nets.funet import FUNet
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.losses import softmax_loss
from cleanplate.training.module import MattingModule, load_with_options, take_weights, unit

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-8  # section 4.1


class FUNetModule(MattingModule):
    """Trains with RMSprop and the binary cross-entropy of equation 10.

    The paper's learning rate is 1e-4 throughout: `last_learning_rate` the same, and no `warm_up`.
    """

    gradient_clip = None

    def __init__(self, config: Config) -> None:
        """Build.

        Args:
            config: Its `network` may have `width` and `threshold`.

        Raises:
            ConfigError: `network` has something unknown, unfit or of another type.
        """
        super().__init__(config)
        try:
            net = FUNet(**config.network)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"[network] does not fit {config.kind}: {error}") from error
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the network's options."""
        checkpoint["funet"] = dict(self.config.network)

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return alpha's logit and the true alpha; samples are not looked at."""
        logit: Tensor = self.net.over_time(unit(batch.src))
        return logit.float(), unit(batch.pha).flatten(0, 1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the binary cross-entropy."""
        return softmax_loss(*self.predict(batch))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the whole network."""
        return [{"params": list(self.net.parameters()), "lr": self.config.learning_rate}]

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Return RMSprop."""
        return torch.optim.RMSprop(self.parameter_groups(), weight_decay=WEIGHT_DECAY, momentum=MOMENTUM)


def make_funet(config: Config, _: Path) -> FUNetModule:
    """Return a module that starts from `config.start_from`, or from nothing.

    Raises:
        CheckpointError: The start is damaged, or of another network.
        ConfigError: The start or `network` does not fit.
    """
    module = FUNetModule(config)
    if config.start_from:
        take_weights(module, Path(config.start_from), config.new_parts)
    return module


def load_funet(config: Config, checkpoint: Path) -> FUNetModule:
    """Load what a run trained, with its own network's options.

    Raises:
        CheckpointError: It is missing, damaged, or of another network.
    """
    return load_with_options(FUNetModule, config, checkpoint, "funet")
