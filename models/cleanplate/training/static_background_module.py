"""Training paper 004's refinement as its section 3.4 has it, as far as true mattes teach it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cleanplate.data.batches import Batch
from cleanplate.nets.checkpoint import load_net, read_checkpoint
from cleanplate.nets.static_background import OPTIONS, Refined, StaticBackgroundNet
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.losses import alpha_loss, divergence_loss, opaque_colour_loss
from cleanplate.training.module import MattingModule, load_with_options, unit

FOREGROUND_WEIGHT = 2.0  # Sengupta et al. 2020, equation 2
DIVERGENCE_STEPS = 5, 10  # at least and at most


class StaticBackgroundModule(MattingModule):
    """Trains the refinement with Adam; the coarse network and PoseNet stay as they are.

    The loss is Background Matting's of known mattes, without the composition, whose true background no batch
    has: a sample differs by the camera's place and exposure. The divergence loss comes on top.
    """

    gradient_clip = None

    def __init__(self, config: Config) -> None:
        """Build.

        Args:
            config: Its `network` may have `width`, `blocks` and `key_points`.

        Raises:
            ConfigError: `network` has something unknown or of another type.
        """
        super().__init__(config)
        try:
            self.net = StaticBackgroundNet(**config.network)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f"[network] does not fit {config.kind}: {error}") from error

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the network's options."""
        checkpoint[OPTIONS] = dict(self.config.network)

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return alpha's logit, which is the coarse one where there is no sample, and the true alpha."""
        return self._run(batch).pha_logit.float(), unit(batch.pha).flatten(0, 1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of alpha and foreground, and the divergence loss."""
        refined, pha = self._run(batch), unit(batch.pha).flatten(0, 1)
        pred = refined.pha_logit.float().sigmoid()
        src = unit(batch.src).flatten(0, 1)
        loss = alpha_loss(pred, pha) + FOREGROUND_WEIGHT * opaque_colour_loss(refined.fgr.float(), src, pha)
        if self.config.divergence:
            least, most = DIVERGENCE_STEPS
            steps = int(torch.randint(least, most + 1, ()))
            mask = (refined.coarse > 0.5).float()
            loss = loss + self.config.divergence * divergence_loss(pred, mask, steps)
        return loss

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the refinement."""
        return [{"params": list(self.net.refine.parameters()), "lr": self.config.learning_rate}]

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameter_groups())

    def _run(self, batch: Batch) -> Refined:
        return self.net.over_time(unit(batch.src), unit(batch.bgr), batch.counts)


def make_static_background(config: Config, pretrained: Path) -> StaticBackgroundModule:
    """Return a module whose coarse network is `config.start_from`, and whose PoseNet `pretrained`.

    Raises:
        CheckpointError: The coarse network is damaged, or another than `CleanPlateNet`.
        ConfigError: None is named, the network's options do not fit, or PoseNet's file is missing or another.
    """
    module = StaticBackgroundModule(config)
    if not config.start_from:
        raise ConfigError("start_from is missing: name a checkpoint of kind cleanplate for the coarse mask")
    start = Path(config.start_from)
    states = read_checkpoint(start)["state_dict"]
    load_net(module.net.coarse, states, start)
    if not pretrained.is_file():
        raise ConfigError(f"{pretrained} does not exist: name PoseNet's weights with --pretrained")
    try:
        with np.load(pretrained) as arrays:
            module.net.joints.load(arrays)
    except (KeyError, RuntimeError, ValueError, OSError) as error:
        raise ConfigError(
            f"{pretrained} holds no PoseNet (MobileNetV1 0.50): name its weights with --pretrained ({error})"
        ) from error
    return module


def load_static_background(config: Config, checkpoint: Path) -> StaticBackgroundModule:
    """Load what a run trained, with its own network's options.

    Raises:
        CheckpointError: It is missing, damaged, or of another network.
    """
    return load_with_options(StaticBackgroundModule, config, checkpoint, OPTIONS)
