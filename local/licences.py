"""Write ``docs/licences.md``: ``python -m local.licences``. What is installed in production, from its
lock, and under which licences, from what each distribution says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = _ROOT / "requirements-runtime.lock"
PAGE: Final = _ROOT / "docs" / "licences.md"

ACCEPTED: Final = frozenset(
    {
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Public-Domain",
    }
)
"""Those that ask for nothing but their notice, and the MPL: its own files stay open, ours do not
have to. Any other one is looked at by a person before it comes in, the GPL's family first."""

_SAID: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD, Public Domain": "BSD AND Public-Domain",
    # The last two words: PDFium's own, which are in the wheel, all permissive.
    "BSD-3-Clause, Apache-2.0, dependency licenses": "BSD-3-Clause AND Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""What is said in other words than SPDX's."""

_LONGEST: Final = 80
"""Characters: past them it is the text of a licence, not its name."""

_HEAD: Final = """\
# Licences

<!-- Written by « python -m local.licences »: do not edit by hand. -->

Everything that production installs (`requirements-runtime.lock`), as each distribution says it. A test
fails when a licence is unknown or not accepted (`local/licences.py`). Native code that a wheel carries
(qpdf, PDFium, OpenSSL…) has its own notices inside the wheel.

| distribution | licence |
|---|---|"""


@dataclass(frozen=True)
class Licensed:
    """A distribution, and its licence as an SPDX expression (or as it says it)."""

    name: str
    licence: str

    @property
    def is_accepted(self) -> bool:
        """Whether one of the choices it leaves asks for nothing that we do not accept."""
        choices = re.sub(r"[()]", "", self.licence).split(" OR ")
        return any(set(choice.split(" AND ")) <= ACCEPTED for choice in choices)


def locked() -> Iterator[str]:
    """The names in the lock of production."""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if named := re.match(r"([A-Za-z0-9._-]+)==", line):
            yield named[1]


def licences() -> list[Licensed]:
    """Each distribution that is locked and installed here: a few are for other systems only."""
    found = []
    for name in locked():
        try:
            said = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(Licensed(name, _field(said, "License-Expression") or _worded(said)))
    return found


def _worded(said: metadata.PackageMetadata) -> str:
    text = _field(said, "License")
    classified = [
        str(line).rpartition(" :: ")[2]
        for line in said.get_all("Classifier") or []
        if str(line).startswith("License")
    ]
    if 0 < len(text) <= _LONGEST and text != "Dual License":
        return _SAID.get(text, text)
    return " OR ".join(_SAID.get(one, one) for one in classified) or "unknown"


def _field(said: metadata.PackageMetadata, name: str) -> str:
    return str(said[name]) if name in said else ""


def page() -> str:
    """The whole page, as it must be in the repository."""
    return "\n".join([_HEAD, *(f"| {one.name} | {one.licence} |" for one in licences())]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
