"""Training paper 002's network: its optical flow on known motion, then the matting (section "Training")."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from cleanplate.data.batches import Batch
from cleanplate.data.motion import moved_pair
from cleanplate.nets.checkpoint import load_strictly, read_checkpoint
from cleanplate.nets.context_motion import ContextMotionNet
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.losses import context_motion_loss, end_point_error, flow_loss
from cleanplate.training.module import MattingModule, read_imagenet, take_weights, unit

INITIAL_SHARE = 1 / 25  # of the learning rate, from which `OneCycleLR` rises, as it has it by itself
HELD_OUT_SEED = 30


class ContextMotionModule(MattingModule):
    """Trains the matting; the optical flow is frozen in the first half of the steps.

    The encoder's batch norms are frozen in all of them.

    The learning rate is the highest one of `OneCycleLR`, `last_learning_rate` its last; `warm_up` and `power`
    are not used.
    """

    clips = "value"

    def __init__(self, config: Config) -> None:
        """Build.

        Raises:
            ConfigError: `network` has something unknown.
        """
        super().__init__(config)
        options = {name: value for name, value in config.network.items() if name != "phase"}
        try:
            net = ContextMotionNet(**options)
        except TypeError as error:
            raise ConfigError(f"[network] does not fit {config.kind}: {error}") from error
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for part in self.net.encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Switch to training, but leave the encoder's batch norms alone."""
        super().train(mode)
        self.net.encoder.eval()
        return self

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Freeze the optical flow, or let it learn."""
        self.net.flow.requires_grad_(2 * self.global_step >= self.config.steps)

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return alpha's logit and the true alpha; samples are not looked at."""
        return self.net.over_time(unit(batch.src)).pha_logit.float(), unit(batch.pha).flatten(0, 1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of alpha and foreground."""
        assert batch.fgr is not None  # `make_context_motion` sees to it
        logit, fgr = self.net.over_time(unit(batch.src))
        pha, true_fgr = (unit(part).flatten(0, 1) for part in (batch.pha, batch.fgr))
        return context_motion_loss(logit.float().sigmoid(), fgr.float(), pha, true_fgr)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the whole network."""
        return [{"params": list(self.net.parameters()), "lr": self.config.learning_rate}]

    def configure_optimizers(self) -> Any:
        """Return AdamW and the one cycle of its learning rate."""
        config = self.config
        start, last = INITIAL_SHARE * config.learning_rate, config.last_learning_rate
        optimizer = torch.optim.AdamW(self.parameter_groups())
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            config.learning_rate,
            total_steps=config.steps,
            div_factor=1 / INITIAL_SHARE,
            final_div_factor=start / last if last else float("inf"),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on only as far as the cycle goes.

        Raises:
            ConfigError: The run was begun for another number of steps.
        """
        begun_for = checkpoint["lr_schedulers"][0]["total_steps"]
        if begun_for != self.config.steps:
            raise ConfigError(
                f"steps is {self.config.steps}, but the run was begun for {begun_for}, over which its "
                "learning rate rises and falls once: put that back, or start over with --no-resume"
            )


class FlowModule(ContextMotionModule):
    """Trains the optical flow alone, on pairs of pictures with known motion made of each batch.

    Validation measures the end-point error, in pixels, beside that of no flow at all.
    """

    def __init__(self, config: Config) -> None:
        """Build; arguments as of `ContextMotionModule`."""
        super().__init__(config)
        self._errors: list[tuple[float, float]] = []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let the optical flow learn from the first step on."""

    def loss(self, batch: Batch) -> Tensor:
        """Return the end-point errors of all scales."""
        seed = int(torch.randint(1 << 31, ()))
        now, before, true = self._pairs(batch, np.random.default_rng(seed))
        return flow_loss([flow.float() for flow in self.net.flow(now, before)], true)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the optical flow."""
        return [{"params": list(self.net.flow.parameters()), "lr": self.config.learning_rate}]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add up the end-point errors."""
        rng = np.random.default_rng([HELD_OUT_SEED, dataloader_idx, batch_idx])
        now, before, true = self._pairs(batch, rng)
        flow = self.net.flow(now, before)[-1].float()
        stride = true.shape[-1] // flow.shape[-1]
        enlarged = stride * nn.functional.interpolate(flow, scale_factor=stride, mode="bilinear")
        errors = (end_point_error(enlarged, true), end_point_error(torch.zeros_like(true), true))
        self._errors.append((float(errors[0]), float(errors[1])))

    def on_validation_epoch_end(self) -> None:
        """Log the means of the end-point errors."""
        for name, errors in zip(("flow", "none"), zip(*self._errors, strict=True), strict=True):
            self.log(f"end-point-error/{name}", sum(errors) / len(errors))
        self._errors.clear()

    def _pairs(self, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return frames, those before, both [M, 3, H, W] in 0..1, and the flow [M, 2, H, W] in pixels.

        Each picture's person moves before the picture that follows in the batch.
        """
        pictures = batch.src.flatten(0, 1).permute(0, 2, 3, 1).cpu().numpy()
        mattes = batch.pha.flatten(0, 2).cpu().numpy()
        rooms = np.roll(pictures, -batch.src.shape[1], 0)  # of the next sequence
        pairs = [moved_pair(rng, *each) for each in zip(rooms, pictures, mattes, strict=True)]
        now, before, flow = (
            torch.from_numpy(np.stack(part)).to(self.device).permute(0, 3, 1, 2)
            for part in zip(*pairs, strict=True)
        )
        return unit(now), unit(before), flow


def make_context_motion(config: Config, pretrained: Path) -> ContextMotionModule:
    """Return a module that starts from `config.start_from`, or its encoder from ImageNet, or from nothing.

    Its `network` may have a `phase`: `flow`, then `matting`, which is what it is without.

    Raises:
        CheckpointError: The start is damaged, or of another network.
        ConfigError: It does not fit, the ImageNet file is missing, or the phase is none or lacks the colours.
    """
    module = _module(config)
    if config.start_from:
        take_weights(module, Path(config.start_from), config.new_parts)
    elif config.imagenet:
        module.net.encoder.load_imagenet(read_imagenet(pretrained))
    return module


def load_context_motion(config: Config, checkpoint: Path) -> ContextMotionModule:
    """Load what a run trained.

    Raises:
        CheckpointError: It is missing, damaged, or of another network.
    """
    module = _module(config)
    load_strictly(module, read_checkpoint(checkpoint)["state_dict"], checkpoint)
    return module


def _module(config: Config) -> ContextMotionModule:
    phase = config.network.get("phase", "matting")
    if phase == "flow":
        return FlowModule(config)
    if phase != "matting":
        raise ConfigError(f"[network]: phase is {phase!r}: choose flow or matting")
    module = ContextMotionModule(config)
    if not config.batches.foreground:
        raise ConfigError("[batches]: foreground is false: this kind learns the people's own colours, too")
    return module
