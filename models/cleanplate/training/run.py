"""Running a training from a configuration: loaders, trainer, checkpoints, resume."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import lightning as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader, Dataset

from cleanplate.data.batches import Batch, BatchOptions, SceneBatches, make_batch, open_maker
from cleanplate.data.scenes import SceneOptions
from cleanplate.data.splits import Split
from cleanplate.nets.checkpoint import load_strictly, read_checkpoint
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.kinds import kind_of
from cleanplate.training.module import MattingModule
from cleanplate.training.picture import ProgressPicture

VALIDATION_SEED = 20
VALIDATION_BATCHES = 6  # of eight scenes, per set
CHECKPOINT_STEPS = 100
NORM_BATCHES = 80
FORMER = "earlier.ckpt"  # what a run that starts over makes of the last checkpoint


def train(
    config: Config, folder: Path, cache: Path, pretrained: Path, *, resume: bool, loaders: int = 1
) -> Path:
    """Train a network.

    Args:
        config: What to train.
        folder: Where checkpoints, curves and pictures go.
        cache: The packed pictures.
        pretrained: ImageNet weights (`.npz`) for runs that do not start from a checkpoint.
        resume: Go on from the folder's last checkpoint, if there is one; else it becomes `earlier.ckpt`.
        loaders: Loader processes.

    Returns:
        The checkpoint that holds what the run came to: the last one, or the best.

    Raises:
        ConfigError: The start (`start_from` or the ImageNet file) is missing.
        CheckpointError: The start, or the last checkpoint, is damaged or of another network.
        DataError: The packed pictures are missing.
    """
    last = folder / "last.ckpt"
    resuming = resume and last.is_file()
    pl.seed_everything(config.seed, verbose=False)
    module = make_module(config, pretrained)
    if config.frozen_norms and not resuming:
        settle_norms(module, SceneBatches(cache, config.scenes, config.batches, config.seed))
    fit(module, config, folder, cache, loaders, resume_from=last if resuming else None)
    return folder / kind_of(config).kept


def make_module(config: Config, pretrained: Path) -> MattingModule:
    """Return what the configuration's `kind` names, with the weights from which it starts.

    Raises:
        ConfigError: There is no such kind, or its start is missing.
    """
    start = Path(config.start_from)
    if config.start_from and not start.is_file():
        raise ConfigError(f"start_from names {start}, which does not exist: train the earlier stage first")
    return kind_of(config).make(config, pretrained)


def settle_norms(module: MattingModule, batches: Iterable[Batch]) -> None:
    """Replace the running statistics of all batch norms by means over `NORM_BATCHES` batches.

    Training leaves them as its last few batches happened to be.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().reset_running_stats()
        norm.momentum = None  # a mean over all batches alike
    with torch.no_grad():
        for batch in islice(batches, NORM_BATCHES):
            module.predict(batch)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def load_module(config: Config, checkpoint: Path) -> MattingModule:
    """Return what a run trained.

    Raises:
        CheckpointError: The checkpoint is damaged, or of another network.
        ConfigError: It is missing, or there is no such kind.
    """
    if not checkpoint.is_file():
        raise ConfigError(f"{checkpoint} does not exist: train the configuration first")
    return kind_of(config).load(config, checkpoint)


def fit(
    module: MattingModule,
    config: Config,
    folder: Path,
    cache: Path,
    loaders: int,
    resume_from: Path | None = None,
) -> Path:
    """Train a module as it is, or as a checkpoint has it; return the last checkpoint.

    Raises:
        CheckpointError: The checkpoint is damaged, or of another network.
        DataError: The packed pictures are missing.
    """
    is_validated = config.validate_every <= config.steps
    validation = (
        validation_batches(cache, config.batches.sizes[0], config.batches.frames) if is_validated else []
    )
    first = _take_up(module, resume_from) if resume_from else 0
    batches = SceneBatches(cache, config.scenes, config.batches, config.seed, first)
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,  # several would all train on the same batches, whose numbers know no ranks
        precision="bf16-mixed" if torch.cuda.is_available() or config.bf16_on_cpu else "32-true",
        max_steps=config.steps,
        max_epochs=-1,
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=module.gradient_clip,
        gradient_clip_algorithm=module.clips,
        log_every_n_steps=20,
        logger=TensorBoardLogger(folder, name="", version="curves"),
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[
            ModelCheckpoint(
                folder,
                filename="{step}",
                save_last=True,
                save_top_k=1,
                every_n_train_steps=CHECKPOINT_STEPS,
                enable_version_counter=False,  # a run that goes on replaces `last.ckpt`
            ),
            LearningRateMonitor("step"),
            ProgressPicture(folder, [pictures[0] for pictures in validation]),
            *([EMAWeightAveraging(decay=config.mean_decay)] if config.mean_decay else []),
            *module.extra_callbacks(folder),
        ],
    )
    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=loaders,
        prefetch_factor=6 if loaders else None,
        # A forked child would inherit OpenCV's thread pool without its threads, and wait for them for ever.
        multiprocessing_context="spawn" if loaders else None,
    )
    fixed = [DataLoader(_Fixed(part), batch_size=None) for part in validation]
    module.train()  # Lightning leaves every part in the mode in which it finds it
    last = folder / "last.ckpt"
    if resume_from is None and last.is_file():  # of a former run, for which this one could be taken
        last.replace(folder / FORMER)
    trainer.fit(module, loader, fixed or None, ckpt_path=resume_from, weights_only=False)
    # Lightning saves what is beyond the last checkpoint only if there was none.
    if trainer.global_step % CHECKPOINT_STEPS:
        trainer.save_checkpoint(last)
    return last


class _Fixed(Dataset[Batch]):
    """Batches that stay as they are."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]


def validation_batches(cache: Path, size: tuple[int, int], frames: int) -> list[list[Batch]]:
    """Return the fixed held-out batches of each of `VALIDATION_SETS`."""
    plain = SceneOptions(posters=0, empty=0)
    options = BatchOptions((size,), (1.0,), 8, frames, stills=0, no_sample=0, several=0)
    kinds = (
        (plain, options),
        (SceneOptions(posters=1, empty=0), options),
        (plain, BatchOptions((size,), (1.0,), 8, frames, stills=0, no_sample=1)),
        (plain, BatchOptions((size,), (1.0,), 8, frames, stills=1)),
    )
    sets = []
    for index, (scene_options, batch_options) in enumerate(kinds):
        maker = open_maker(cache, Split.HELD_OUT, scene_options)
        rngs = (np.random.default_rng([VALIDATION_SEED, index, i]) for i in range(VALIDATION_BATCHES))
        sets.append([make_batch(maker, batch_options, rng) for rng in rngs])
    return sets


def _take_up(module: MattingModule, checkpoint: Path) -> int:
    """Return how many steps a run has done; loading its weights shows whether they fit."""
    stored = read_checkpoint(checkpoint, ("global_step", "optimizer_states", "state_dict"))
    load_strictly(module, stored["state_dict"], checkpoint)
    return int(stored["global_step"])
