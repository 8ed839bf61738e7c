"""`cleanplate data`."""

from pathlib import Path

import pytest

from cleanplate.data.commands import pack_command
from cleanplate.data.splits import Split


def test_only_what_is_opened_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[Split] = []
    monkeypatch.setattr(
        "cleanplate.data.pack.pack", lambda data, cache, split, progress: packed.append(split)
    )
    pack_command(tmp_path)
    assert packed == [Split.TRAIN, Split.HELD_OUT]
