"""The editions of the process: an onboarding lives by the edition in which it was opened.

The opening records the number (``Opening.edition``); what a later edition brings asks
``Onboarding.since``, so that the runs opened before never see it and their histories replay
untouched, without a marker in the timeline. What concerns a run opened before and must change all
the same goes behind ``workflow.patched`` (docs/upgrades.md).
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 1
"""What was there before editions were told apart."""

SECOND: Final = 2
"""Nothing stops a run, nothing leaves twice: one activity a mail with its whole patience, a record
bounded by its bytes, those who were invited told when they are replaced."""

CURRENT: Final = SECOND
"""The edition in which onboardings are opened today."""
