"""How a program that writes files begins."""

from __future__ import annotations

import os


def keep_private() -> None:
    """What this program and those it starts write from now on is for its user alone: registers,
    documents, mails and keys hold personal data and secrets."""
    os.umask(0o077)
