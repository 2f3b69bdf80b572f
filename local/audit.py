"""``make audit``: known vulnerabilities in what production installs, by pip-audit.

pip-audit says that it found none, with exit code 0, when it could look nothing up: hence this.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from local.licences import LOCK

_SECONDS: Final = 300
FOUND: Final = 1
UNKNOWN: Final = 2


def told(report: dict[str, Any]) -> tuple[int, list[str]]:
    """What a report of pip-audit says: the exit code, and a French line a problem."""
    named = [(one["name"], one) for one in report["dependencies"]]
    vulnerable = [
        f"{name} {one['version']} : {flaw['id']}, corrigé dans "
        f"{', '.join(flaw['fix_versions']) or 'aucune version'}"
        for name, one in named
        for flaw in one.get("vulns", [])
    ]
    skipped = [name for name, one in named if "skip_reason" in one]
    lines = list(vulnerable)
    if skipped:
        lines.append(f"non vérifiés ({len(skipped)} sur {len(named)}) : {', '.join(skipped)}")
    if vulnerable:
        return FOUND, lines
    if skipped or not named:
        return UNKNOWN, lines or ["rien n'a été vérifié"]
    return 0, [f"{len(named)} paquets vérifiés, aucune faille connue"]


def main(lock: Path = LOCK) -> int:
    """Look up every distribution of the lock: 0 none is vulnerable, 1 some are, 2 not known."""
    command = (sys.executable, "-m", "pip_audit", "--requirement", str(lock))
    options = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command + options, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        print(
            "rien n'a été vérifié : pip-audit absent, ou son service injoignable", file=sys.stderr
        )
        return UNKNOWN
    code, lines = told(report)
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
