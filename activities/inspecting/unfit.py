"""Why a file cannot be part of the DOE."""

from __future__ import annotations

import errno
from typing import Final

_CONTENT: Final = frozenset({None, errno.EINVAL, errno.EOVERFLOW})


class Unfit(Exception):  # noqa: N818 - it states a situation
    """A file is refused for good: the message is a short French sentence for a project manager,
    without any path of this machine."""


def is_by_content(error: OSError) -> bool:
    """Whether it is what the file says that failed, as a place before its beginning or data that
    a library cannot undo, and not the machine, which always says why."""
    return error.errno in _CONTENT
