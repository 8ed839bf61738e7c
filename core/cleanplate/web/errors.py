"""The web service's errors: one tree, each message ends with what to do next.

WebError
+-- UploadError        a form, or a file in it, cannot be taken
|   +-- TooLargeError    it is larger than the service allows, or than the disk
+-- QueueFullError     no further job is taken at present
+-- JobError           a job came to nothing
    +-- ArchiveError     an archive is damaged, or holds what it may not
"""


class WebError(Exception):
    """Base of all errors of this package."""


class UploadError(WebError):
    """A form is not what the page sends, or a file in it is of an unknown kind."""


class TooLargeError(UploadError):
    """An upload is larger than the service allows, or than what is free on its disk."""


class QueueFullError(WebError):
    """As many jobs wait as may."""


class JobError(WebError):
    """No film of a job could be converted."""


class ArchiveError(JobError):
    """An archive is damaged or holds what it may not, or that of the results cannot be written."""
