"""The command line's errors: one tree, each message ends with what to do next.

OfflineError
+-- InputError        a video, picture or folder cannot be read
+-- OutputError       the result cannot be written
+-- BackgroundError   the replacement background cannot be used
+-- PlateError        no background sample, and none could be estimated
+-- CameraError       the camera gives no picture
"""

from cleanplate.engine.errors import EngineError


class OfflineError(Exception):
    """Base of all errors of this package."""


class InputError(OfflineError):
    """A video, picture or folder is missing, damaged or of an unknown kind."""


class OutputError(OfflineError):
    """The result cannot be written: unknown ending, folder missing, disk full."""


class BackgroundError(OfflineError):
    """The replacement background is no colour, no readable picture and no known word."""


class PlateError(OfflineError):
    """The engine needs a background sample, none was given and none could be estimated."""


class CameraError(OfflineError):
    """The camera cannot be opened or stopped giving pictures."""


EXPLAINED = (OfflineError, EngineError)
"""The errors whose message tells a user all that is known."""
