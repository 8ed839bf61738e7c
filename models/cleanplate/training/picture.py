"""A PNG of training's course: the curve and the mattes of a few held-out scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import lightning as pl
import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray

from cleanplate.data.batches import Batch
from cleanplate.evaluation.report import write_picture
from cleanplate.training.module import MattingModule

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the backend is chosen


class ProgressPicture(pl.Callback):
    """Writes `curve.png` and `mattes.png` into the run's folder after every validation.

    It stands before an averaging callback, which at the epoch's end puts the running mean away again: the
    mattes are of the weights that were validated.
    """

    def __init__(self, folder: Path, batches: Sequence[Batch]) -> None:
        self.folder, self.batches = folder, batches
        self._steps: list[int] = []
        self._values: dict[str, list[float]] = {}

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the mattes."""
        if trainer.sanity_checking or not isinstance(pl_module, MattingModule):
            return
        strips = [matte_strip(pl_module, batch) for batch in self.batches]
        width = max(strip.shape[1] for strip in strips)
        padded = [cv2.copyMakeBorder(s, 0, 4, 0, width - s.shape[1], cv2.BORDER_CONSTANT) for s in strips]
        write_picture(self.folder / "mattes.png", np.vstack(padded).astype(np.uint8, copy=False))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the curve."""
        if trainer.sanity_checking or not isinstance(pl_module, MattingModule):
            return
        self._steps.append(trainer.global_step)
        for name, value in trainer.callback_metrics.items():
            if name.startswith("iou/"):
                self._values.setdefault(name, []).append(float(value))
        self._draw_curve()

    def state_dict(self) -> dict[str, object]:
        """Return the curve so far, for resuming."""
        return {"steps": self._steps, "values": self._values}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take up the curve again."""
        self._steps = state_dict["steps"]  # type: ignore[assignment]
        self._values = state_dict["values"]  # type: ignore[assignment]

    def _draw_curve(self) -> None:
        figure, axes = plt.subplots(figsize=(7, 4))
        for name, values in self._values.items():
            axes.plot(self._steps[-len(values) :], values, label=name.removeprefix("iou/"))
        axes.set(xlabel="step", ylabel="IoU, held out", ylim=(0.5, 1.0))
        axes.grid(visible=True)
        axes.legend()
        figure.savefig(self.folder / "curve.png", dpi=90)
        plt.close(figure)


def matte_strip(module: MattingModule, batch: Batch) -> NDArray[np.uint8]:
    """Return a picture: above the first frames, below their predicted mattes; uint8 BGR."""
    was_training = module.training
    module.eval()
    with torch.no_grad():
        logit, _ = module.predict(Batch(*(part.to(module.device) for part in batch[:4])))
    module.train(was_training)
    alpha = torch.sigmoid(logit).mul(255).byte().cpu().numpy()[:, 0]
    frames = batch.src.flatten(0, 1).numpy().transpose(0, 2, 3, 1)[..., ::-1]
    mattes = np.repeat(alpha[..., None], 3, -1)
    return np.vstack([np.hstack(list(frames[:8])), np.hstack(list(mattes[:8]))])
