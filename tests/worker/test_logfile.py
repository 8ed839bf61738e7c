"""The log file: rotation, and crashes after one."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import faulthandler, logging, pathlib, sys
from cleanplate.worker.logfile import log_to

log_to(pathlib.Path(sys.argv[1]))
for _ in range(45):
    logging.info("x" * 100_000)
logging.info("the last line")
faulthandler._sigabrt()
"""


def test_three_files_of_a_megabyte_and_the_crash_in_the_newest(tmp_path: Path) -> None:
    log = tmp_path / "new folder" / "worker.log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run([sys.executable, "-c", SCRIPT, str(log)], env=environment, check=False)

    assert process.returncode != 0
    files = sorted(file.name for file in log.parent.iterdir())
    assert files == ["worker.log", "worker.log.1", "worker.log.2"]
    assert all(file.stat().st_size < 1_100_000 for file in log.parent.iterdir())
    assert "the last line" in log.read_text()
    assert "Fatal Python error: Aborted" in log.read_text()
