"""Errors of the training data.

DataError
├── SourceMissingError    an archive or a packed store is not there
├── SourceDamagedError    it is there and cannot be read
└── TargetError           a file cannot be written
"""


class DataError(Exception):
    """Something is wrong with the training or evaluation data."""


class SourceMissingError(DataError):
    """A file that the data needs does not exist."""


class SourceDamagedError(DataError):
    """A file exists but its content is not what it should be."""


class TargetError(DataError):
    """A file cannot be written, as on a full disk."""
