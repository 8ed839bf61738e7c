"""Folders that an output needs, and that go again if nothing came of it."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cleanplate.offline.errors import OutputError


def make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it.

    Returns:
        Those that were missing, the innermost first.

    Raises:
        OutputError: they cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made ({error}). Choose another output.") from error
    return missing


def check_writable(folder: Path) -> None:
    """See that a file can be made in a folder, or in the first one above it that exists.

    Raises:
        OutputError: it cannot.
    """
    try:
        present = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        tempfile.TemporaryFile(dir=present).close()
    except OSError as error:
        raise OutputError(f"Nothing can be written in {folder} ({error}). Choose another output.") from error


def make_new_folder(parent: Path, prefix: str) -> Path:
    """Make a folder with a name that nothing has yet: what a user keeps in `parent` is left alone.

    Raises:
        OutputError: it cannot be made.
    """
    make_folders(parent)
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        raise OutputError(f"Nothing can be written in {parent} ({error}). Choose another output.") from error


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the innermost first, as far as nothing is in them."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
