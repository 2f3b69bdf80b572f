"""The offset of the other season: ``08:00+01:00`` in April, said of a site whose clocks show +02:00.

The instant that was written counts; whoever wrote it is told which hour that is, and decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from process import facts as f
from process import french
from process.calendar import PARIS
from process.contract import Site
from process.facts import FACTS, Fact
from process.fields import HELD
from process.onboarding import Onboarding

_TOWN: Final = re.compile(r"(?:^|,)\s*[0-9]{5}\s+(?P<town>\S[^,\n]*?)\s*(?:,|$)", re.MULTILINE)
"""The last line of a French address."""


def slips(o: Onboarding, fact: Fact) -> list[str]:
    """What is to be told of each instant of a fact with the offset of the other season, on the
    clock of its site, or of Paris."""
    return list(_slips(o, fact, _site(o, fact), ""))


def warning(o: Onboarding, fact: Fact) -> str:
    """The same as what follows an answer: nothing, or one sentence."""
    found = slips(o, fact)
    return f" Attention : {' ; '.join(found)}." if found else ""


def _slips(o: Onboarding, value: object, site: Site | None, path: str) -> Iterator[str]:
    if isinstance(value, datetime):
        if told := _slip(value, site):
            yield f"{path} {value.isoformat()}, {told}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _slips(o, item, site, f"{path}[{index}]")
    elif isinstance(value, f.FactCorrected):
        try:
            new = FACTS[value.fact].model_validate(value.payload, context=HELD)
        except (KeyError, ValidationError):
            return
        yield from _slips(o, new, _site(o, new), "payload")
    elif isinstance(value, BaseModel):
        own = _site(o, value) or site
        for name in type(value).model_fields:
            yield from _slips(o, getattr(value, name), own, f"{path}.{name}" if path else name)


def _site(o: Onboarding, fact: BaseModel) -> Site | None:
    """The site of which it speaks, by itself or by its phase."""
    if isinstance(code := getattr(fact, "site", None), str):
        return o.contract.site(code)
    phase = o.phases.get(str(getattr(fact, "id", None) or getattr(fact, "phase", None)))
    return o.contract.site(phase.slot.site) if phase else None


def _slip(instant: datetime, site: Site | None) -> str | None:
    clock = site.clock if site else PARIS
    local = instant.astimezone(clock)
    written = instant.utcoffset()
    if written == local.utcoffset() or written not in _offsets(clock, local.year):
        return None
    day = "" if local.date() == instant.date() else f" le {french.full_date(local)}"
    season = "d'été" if local.dst() else "d'hiver"
    return f"soit {french.short_hour(local)}{day} {_at(site)} : décalage {season} attendu"


def _offsets(clock: ZoneInfo, year: int) -> set[timedelta | None]:
    """Those of winter and summer."""
    return {datetime(year, month, 15, tzinfo=clock).utcoffset() for month in (1, 7)}


def _at(site: Site | None) -> str:
    """``à Angers``, ``au Mans``: the town of the address, else the name of the site."""
    if site is None:
        return "à Paris"
    found = _TOWN.search(site.address)
    town = found["town"] if found else site.name
    for article, contracted in (("Le ", "au "), ("Les ", "aux ")):
        if town.startswith(article):
            return contracted + town.removeprefix(article)
    return f"à {town}"
