"""Moved to cleanplate.studio.config; import from there. This file goes once nothing imports it."""

from cleanplate.studio.config import *  # noqa: F403
