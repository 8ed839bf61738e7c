"""Moved to cleanplate.studio.exit_report; import from there. This file goes once nothing imports it."""

from cleanplate.studio.exit_report import *  # noqa: F403
