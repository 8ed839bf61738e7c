"""Moved to cleanplate.studio.display; import from there. This file goes once nothing imports it."""

from cleanplate.studio.display import *  # noqa: F403
