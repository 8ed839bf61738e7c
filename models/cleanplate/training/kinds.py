"""What a configuration's `kind` chooses: the table of trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cleanplate.nets.kinds import unknown_kind
from cleanplate.training.background_cut_module import load_background_cut, make_background_cut
from cleanplate.training.cleanplate_module import load_cleanplate, make_cleanplate
from cleanplate.training.config import Config, ConfigError
from cleanplate.training.context_motion_module import load_context_motion, make_context_motion
from cleanplate.training.funet_module import load_funet, make_funet
from cleanplate.training.module import MattingModule
from cleanplate.training.static_background_module import load_static_background, make_static_background
from cleanplate.training.unet_module import BEST, load_unet, make_unet


@dataclass(frozen=True)
class Kind:
    """A kind of training.

    Attributes:
        make: Returns a module with the weights from which a run starts; takes the configuration and the
            ImageNet file.
        load: Returns what a run left in a checkpoint.
        kept: The checkpoint, in the run's folder, that holds what it came to.
    """

    make: Callable[[Config, Path], MattingModule]
    load: Callable[[Config, Path], MattingModule]
    kept: str = "last.ckpt"


KINDS: Mapping[str, Kind] = {
    "cleanplate": Kind(make_cleanplate, load_cleanplate),
    "background-cut": Kind(make_background_cut, load_background_cut),
    "unet": Kind(make_unet, load_unet, BEST),
    "funet": Kind(make_funet, load_funet),
    "static-background": Kind(make_static_background, load_static_background),
    "context-motion": Kind(make_context_motion, load_context_motion),
}


def kind_of(config: Config) -> Kind:
    """Return what a configuration's `kind` names.

    Raises:
        ConfigError: There is no such kind.
    """
    if config.kind not in KINDS:
        raise ConfigError(unknown_kind(config.kind))
    return KINDS[config.kind]
