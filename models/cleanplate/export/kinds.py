"""What a card's `kind` chooses: the table of exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cleanplate.export.background_cut import background_cut_graphs, load_background_cut
from cleanplate.export.context_motion import context_motion_graphs, load_context_motion
from cleanplate.export.funet import funet_graphs, load_funet
from cleanplate.export.graphs import Graphs, cleanplate_graphs
from cleanplate.export.static_background import load_static_background, static_background_graphs
from cleanplate.export.unet import load_unet, unet_graphs
from cleanplate.export.writer import load_network

GRAPHS: Mapping[str, Callable[[Path, dict[str, Any]], Graphs]] = {
    "cleanplate": lambda checkpoint, network: cleanplate_graphs(load_network(checkpoint, network)),
    "background-cut": lambda checkpoint, _: background_cut_graphs(load_background_cut(checkpoint)),
    "unet": lambda checkpoint, _: unet_graphs(load_unet(checkpoint)),
    "funet": lambda checkpoint, _: funet_graphs(load_funet(checkpoint)),
    "static-background": lambda checkpoint, _: static_background_graphs(load_static_background(checkpoint)),
    "context-motion": lambda checkpoint, _: context_motion_graphs(load_context_motion(checkpoint)),
}
"""Each takes a checkpoint and the card's `network`, and raises `CheckpointError` where they do not fit."""
