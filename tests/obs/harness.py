"""Moved to cleanplate.studio.session; import from there. This file goes once nothing imports it."""

from cleanplate.studio.session import *  # noqa: F403
