"""Starts the worker: `python -m cleanplate.worker --segment NAME [--log FILE]`.

Standard input is the wake-up pipe: one byte for each frame or change of settings, end of file to end.

Exit status: 0 when the filter is gone, 1 after an error (it is in the log and on standard error), 2 for wrong
arguments.
"""

import argparse
import importlib.metadata
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cleanplate.wire.paths import read_install_record
from cleanplate.wire.protocol import NotInstalledError
from cleanplate.wire.ring import Channel
from cleanplate.wire.segment import Segment
from cleanplate.worker.logfile import log_to
from cleanplate.worker.wakeup import GRACE_SECONDS, Wakeup, take_standard_input

MOST_THREADS = 4
"""More threads than this hardly speed up networks of this size."""

SWEEP_INTERVAL_SECONDS = 0.02

_log = logging.getLogger("cleanplate.worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until the filter is gone.

    Args:
        arguments: of the command line, without the program's name.

    Returns:
        The exit status.
    """
    options = _parse(arguments)
    # Ctrl-C in OBS' terminal goes to all its processes; what follows from it is OBS' affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wakeup = Wakeup(take_standard_input(), lambda: _sweep_after_crash(options.segment))
    wakeup.start()
    try:
        if options.log is not None:
            log_to(options.log)
        _serve(options.segment, options.log, wakeup)
    except Exception as error:  # noqa: BLE001 - nobody is above to see it
        _log.exception("The worker stops.")
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(segment_name: str, log: Path | None, wakeup: Wakeup) -> None:
    segment = Segment.open(segment_name)
    channel = Channel.attach(segment.buffer)
    # Imported late, so that a broken installation is reported in the log.
    import cv2  # noqa: PLC0415

    from cleanplate.worker.loop import Worker  # noqa: PLC0415
    from cleanplate.worker.status import Status  # noqa: PLC0415

    version, threads = importlib.metadata.version("cleanplate"), _threads()
    _log.info("Clean Plate %s, Python %s, %d threads.", version, sys.version.split()[0], threads)
    cv2.setNumThreads(threads)
    status = Status(log=str(log or ""), pid=os.getpid(), version=version)
    Worker(channel, segment.buffer, status, model_folders=_installed_model_folders(), threads=threads).run(
        wakeup
    )
    _log.info("The filter is gone.")
    _sweep_after_crash(segment_name)


def _sweep_after_crash(segment_name: str) -> None:
    """Remove what an OBS that crashed leaves in shared memory, its last frames: nobody else may come by.

    A filter that goes in order has removed the name before. The system may need a moment to end a process.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    while Path(segment_name).exists() and time.monotonic() < deadline:
        Segment.sweep()
        time.sleep(SWEEP_INTERVAL_SECONDS)


def _installed_model_folders() -> list[Path]:
    try:
        return [Path(folder) for folder in read_install_record().models]
    except NotInstalledError as error:
        _log.info("No models of an installation: %s", error)
        return []


def _threads() -> int:
    """Half of the processors, because OBS needs the others."""
    return min(MOST_THREADS, max(1, (os.cpu_count() or 1) // 2))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "cleanplate.worker", description="The inference worker of one filter in OBS."
    )
    parser.add_argument("--segment", required=True, metavar="NAME", help="shared memory that the filter made")
    parser.add_argument("--log", type=Path, metavar="FILE", help="where to write the log")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    exit_status = main()
    logging.shutdown()
    # Not sys.exit: the filter waits, and taking down CUDA and its like takes long and sometimes crashes.
    os._exit(exit_status)
