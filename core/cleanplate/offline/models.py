"""Where the command line finds networks."""

from pathlib import Path

from platformdirs import user_data_path

CHECKOUT_WEIGHTS = Path(__file__).parents[3] / "models" / "weights"
"""Beside the source, where this runs from a checkout."""


def model_folders(extra: tuple[Path, ...] = ()) -> list[Path]:
    """Folders with models: the user's choice first, then the installed ones, then the checkout's."""
    installed = user_data_path("cleanplate", appauthor=False) / "models"
    return [folder for folder in (*extra, installed, CHECKOUT_WEIGHTS) if folder.is_dir()]
