"""Training Background Cut as paper 003, section 4.2, has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from cleanplate.data.batches import Batch
from cleanplate.nets.background_cut import BackgroundCutNet, Widths, scaled_widths
from cleanplate.nets.checkpoint import load_strictly, read_checkpoint
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.losses import l2_loss, softmax_loss
from cleanplate.training.module import MattingModule, unit

REFINEMENT_FACTOR = 10  # its learning rate, "because no pre-trained weights are provided"


class BackgroundCutModule(MattingModule):
    """Trains the whole network, or its segmentation alone (the paper's first step).

    The segmentation has the softmax loss, the refinement the L2 loss and ten times the learning rate. The
    paper trains with plain gradient descent in Caffe; here it is AdamW, as for our network. Sequences without
    a sample see a black one, since the paper has no such case.
    """

    def __init__(self, config: Config, widths: Widths | None = None) -> None:
        """Build.

        Args:
            config: Its `network` has `share` (of ResNet-18's filters), `attenuates`, `causal` and `refines`.
            widths: Of a pruned network; instead of `share`.

        Raises:
            ConfigError: `network` has something unknown or of another type.
        """
        super().__init__(config)
        options = dict(config.network)
        try:
            share = float(options.pop("share", 1.0))
            self.net = BackgroundCutNet(widths or scaled_widths(share), **options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"[network] does not fit {config.kind}: {error}") from error

    def start_paths(self, trained: BackgroundCutNet) -> None:
        """Start every path from the segmentation that was trained before, as the paper does."""
        states = trained.segment.frame_path.state_dict()
        segment = self.net.segment
        segment.frame_path.load_state_dict(states)
        if segment.sample_path is not None:
            segment.sample_path.load_state_dict(states)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the network's options, and the widths: pruning made them, no configuration has them."""
        checkpoint["network"] = dict(self.config.network)
        checkpoint["widths"] = self.net.segment.frame_path.widths

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return alpha's logit and the true alpha."""
        _, logit, pha = self._run(batch)
        return logit, pha

    def loss(self, batch: Batch) -> Tensor:
        """Return the softmax loss, plus the L2 loss of the refinement if this is trained."""
        scores, logit, pha = self._run(batch)
        loss = softmax_loss(scores[:, 1:] - scores[:, :1], pha)
        return loss if self.net.refine is None else loss + l2_loss(logit.sigmoid(), pha)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return segmentation and refinement."""
        rate = self.config.learning_rate
        groups: list[dict[str, Any]] = [{"params": list(self.net.segment.parameters()), "lr": rate}]
        if self.net.refine is not None:
            groups.append({"params": list(self.net.refine.parameters()), "lr": rate * REFINEMENT_FACTOR})
        return groups

    def _run(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores [N * T, 2, H, W], alpha's logit, and the true alpha."""
        src, pha, bgr = (unit(part) for part in batch[:3])
        scores, logit = self.net(src, bgr)
        return scores.flatten(0, 1).float(), logit.flatten(0, 1).float(), pha.flatten(0, 1)


def load_background_cut(config: Config, checkpoint: Path) -> BackgroundCutModule:
    """Load what an earlier step trained, with its own network's options and widths.

    Raises:
        CheckpointError: It is missing, damaged, or of another network.
    """
    stored = read_checkpoint(checkpoint, ("network", "widths", "state_dict"))
    module = BackgroundCutModule(replace(config, network=stored["network"]), stored["widths"])
    load_strictly(module, stored["state_dict"], checkpoint)
    return module


def make_background_cut(config: Config, _: Path) -> BackgroundCutModule:
    """Return a module with both paths started from `config.start_from`, if it names a checkpoint.

    Raises:
        CheckpointError: The start is damaged, or of another network.
    """
    if not config.start_from:
        return BackgroundCutModule(config)
    trained = load_background_cut(config, Path(config.start_from))
    module = BackgroundCutModule(config, trained.net.segment.frame_path.widths)
    module.start_paths(trained.net)
    return module
