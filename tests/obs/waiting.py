"""Moved to cleanplate.studio.waiting; import from there. This file goes once nothing imports it."""

from cleanplate.studio.waiting import *  # noqa: F403
