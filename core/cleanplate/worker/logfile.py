"""The worker's log file, which also receives the stack of a crash in native code."""

import faulthandler
import io
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

_LARGEST_BYTES = 1_000_000
_OLDER_FILES = 2


def log_to(path: Path) -> None:
    """Send all messages of this process to a file; three of up to 1 MB are kept.

    Args:
        path: the file; its folder is made.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _CrashLog(path, maxBytes=_LARGEST_BYTES, backupCount=_OLDER_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(capture=True)


class _CrashLog(RotatingFileHandler):
    """A log file that the fault handler writes to as well, also after each rotation.

    Both share one open file, because Windows cannot rename a file that is open twice.
    """

    def _open(self) -> io.TextIOWrapper:
        stream = super()._open()
        faulthandler.enable(stream)
        return stream
