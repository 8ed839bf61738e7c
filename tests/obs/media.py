"""Moved to cleanplate.studio.scene; import from there. This file goes once nothing imports it."""

from cleanplate.studio.scene import *  # noqa: F403
