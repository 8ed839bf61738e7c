"""Types of what the fixtures in conftest.py give."""

from collections.abc import Callable

from cleanplate.studio.exit_report import ExitReport
from cleanplate.studio.session import ObsSession

StartObs = Callable[..., ObsSession]
CloseCleanly = Callable[[ObsSession], ExitReport]
