"""Why a file cannot be part of the DOE."""

from __future__ import annotations


class Unfit(Exception):  # noqa: N818 - it states a situation
    """A file is refused for good: the message is a short French sentence for a project manager,
    without any path of this machine."""
