"""Small helpers that build an onboarding and the facts it learns, without Temporal."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

import pytest

from activities.working_days import read_worked_days
from process import editions, invited, reminders, rules
from process.calendar import PARIS, WorkCalendar, at, days, paris_day
from process.contract import Contract
from process.obligations import Deadline, deadlines
from process.onboarding import Onboarding
from process.orders import Sending, SentMail
from process.policy import Policy
from process.record import IssuedSending, Record
from process.vocabulary import Zone
from settings import CalendarSettings
from workflows.agenda import everything
from workflows.steps import STEPS

Payload = dict[str, Any]


def t(text: str) -> datetime:
    """``2026-04-13 08:00`` on the clocks of Paris."""
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def d(text: str) -> date:
    return date.fromisoformat(text)


def iso(text: str) -> str:
    """The same as ``t``, as it travels in JSON."""
    return t(text).isoformat()


@lru_cache
def calendar(
    *zones: Zone, mileo: Zone = "metropole", first: int = 2025, last: int = 2029
) -> WorkCalendar:
    """The calendar as an onboarding records it."""
    settings = CalendarSettings(mileo_zone=mileo)
    return WorkCalendar(read_worked_days(zones or ("metropole",), first, last, settings))


def person(name: str, domain: str = "client.example") -> Payload:
    return {"name": name.title(), "email": f"{name.lower().replace(' ', '.')}@{domain}"}


_MILEO: Final = "mileo.example"
_CONTRACT: Final[Payload] = {
    "reference": "MIL-2026-001",
    "signed_at": "2026-03-16T11:20:00+01:00",
    "project_kind": "replacement",
    "client": {
        "name": "Laiteries du Val d'Authion",
        "decision_maker": person("decideuse"),
        "technical_lead": person("dsi"),
        "primary_user": person("utilisatrice"),
        "technical_contact": person("mainteneur"),
    },
    "team": {
        "project_manager": {**person("chef", _MILEO), "code": "CHF"},
        "technical_referent": person("referent", _MILEO),
        "sales": person("commerciale", _MILEO),
        "account_manager": person("compte", _MILEO),
    },
    "sites": [
        {"code": "ANGERS", "name": "Angers", "address": "1 rue A", "zone": "metropole"},
        {"code": "COLMAR", "name": "Colmar", "address": "2 rue C", "zone": "alsace-moselle"},
    ],
    "equipment": [
        {"tag": tag, "family": family, "manufacturer": "M", "model": "X", "site": "ANGERS"}
        for tag, family in (("VMS-01", "vms"), ("SW-01", "network"))
    ],
    "maintenance": {"effective": "on_acceptance", "phones": ["01 84 00 20 99"]},
}


def contract(**changes: Any) -> Payload:
    """A replacement on two sites, maintained on acceptance, signed on Monday 16 March 2026.

    ``client__sales=None`` removes ``client.sales``; other values replace.
    """
    made = deepcopy(_CONTRACT)
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = made
        for parent in parents:
            place = place[parent]
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value
    return made


def one_site(**changes: Any) -> Payload:
    """A new installation on one site, without audit."""
    return contract(project_kind="new", sites=contract()["sites"][:1], **changes)


def phase(
    id_: str = "P1",
    starts: str = "2026-04-13 08:00",
    ends: str = "2026-04-15 18:00",
    site: str = "ANGERS",
    **more: Any,
) -> Payload:
    """A phase, as the work plan and ``phase_planned`` give it."""
    return {
        "id": id_,
        "title": f"Phase {id_}",
        "site": site,
        "starts_at": iso(starts),
        "ends_at": iso(ends),
        "works": ["Pose"],
        **more,
    }


PRESENT: Final = [
    {"name": "Chef", "role": "project_manager"},
    {"name": "Dsi", "role": "technical_lead"},
]


def reserve(number: int, severity: str = "minor", **more: Any) -> Payload:
    return {"number": number, "title": f"Défaut {number}", "severity": severity, **more}


class Case:
    """An onboarding under test: what it is told, what it is supposed to have sent."""

    def __init__(
        self,
        source: Payload | None = None,
        policy: Policy | None = None,
        mileo: Zone = "metropole",
        started: str | None = None,
    ) -> None:
        read = Contract.model_validate(source or contract())
        start = t(started) if started else read.signed_at
        years = (paris_day(read.signed_at).year, start.year)
        days = calendar(
            *sorted({site.zone for site in read.sites}),
            mileo=mileo,
            first=min(years) - 1,
            last=max(years) + 3,
        )
        record = Record(started_at=start, looked_at=start, edition=editions.CURRENT)
        self.o = Onboarding(read, days, policy or Policy(), record)

    # What it is told

    def judge(self, name: str, at: str, /, **payload: Any) -> None:
        """Only judge a fact, as it comes from outside."""
        fact, canonical = rules.read(name, (payload,))
        rules.judge(self.o, name, fact, canonical, t(at))

    def take(self, name: str, at: str, /, **payload: Any) -> Case:
        """A fact that is accepted at that instant."""
        fact, canonical = rules.read(name, (payload,))
        rules.judge(self.o, name, fact, canonical, t(at))
        if fact.fact_id:
            self.o.record.fact_ids[fact.fact_id] = rules.counted_as(self.o, name, fact, canonical)
        self.o.take(name, fact, canonical, t(at))
        return self

    def refused(self, name: str, at: str, /, **payload: Any) -> str:
        """The reason for which a fact is refused."""
        with pytest.raises(rules.Refused) as refusal:
            self.judge(name, at, **payload)
        return str(refusal.value)

    def waits(self, name: str, at: str, /, **payload: Any) -> str:
        """The fact that this one waits for."""
        with pytest.raises(rules.Waits) as waits:
            self.judge(name, at, **payload)
        return str(waits.value)

    def is_known(self, name: str, at: str, /, **payload: Any) -> bool:
        try:
            self.judge(name, at, **payload)
        except rules.AlreadyKnown:
            return True
        return False

    # What it is supposed to have done

    def sent(self, key: str, at: str) -> Case:
        """The mail of that key was accepted by every mail server at that instant."""
        self._invited(key, at)
        mails = [
            SentMail(
                to="dsi@client.example", role="technical_lead", message_id=key, accepted_at=t(at)
            )
        ]
        kind = key.partition(":")[0]
        self.o.record.sendings[key] = IssuedSending(
            kind=kind, started_at=t(at), state="done", mails=mails
        )
        return self

    def _invited(self, key: str, at: str) -> None:
        """Whoever it invites holds its event from then on."""
        found = [one for one in everything(self.o, t(at)) if one.key == key and one.invitations]
        for sending in found:
            told = invited.ask(self.o.record, sending, 0, t(at))
            mails = [
                SentMail(to=one.email or "", role=one.role, message_id=key, accepted_at=t(at))
                for one in told.to
            ]
            invited.answer(self.o.record, told, 0, mails)

    def started(self, key: str, at: str) -> Case:
        """The mail of that key is on its way, not accepted yet."""
        kind = key.partition(":")[0]
        self.o.record.sendings[key] = IssuedSending(kind=kind, started_at=t(at))
        return self

    def activated(self, at: str) -> Case:
        self.o.record.activated_at = t(at)
        return self

    # Usual beginnings

    def kickoff(self, *phases: Payload, held_on: str = "2026-03-25") -> Case:
        return self.take(
            "kickoff_held",
            f"{held_on} 17:00",
            held_on=held_on,
            attendees=["Chef"],
            phases=list(phases) or [phase()],
        )

    def firm(self, at: str, *arguments: str, **more: Any) -> Case:
        return self.take("phase_planned", at, **phase(*arguments, **more))

    def recette(self, on: str, *reserves: Payload, **more: Any) -> Case:
        """Minutes of the recette of every site (planned here if need be)."""
        if not self.o.recettes_to_hold:
            planned = (t(f"{on} 10:00") - timedelta(days=20)).strftime("%Y-%m-%d %H:%M")
            self.take("recette_planned", planned, starts_at=iso(f"{on} 10:00"))
        decision = "accepted_with_reserves" if reserves else "accepted"
        given = {"effective_on": on, "decision": decision, "present": PRESENT, **more}
        return self.take("recette_signed_off", f"{on} 12:00", reserves=list(reserves), **given)

    # What is owed

    def limits(self, code: str, now: str) -> dict[str | None, Deadline]:
        """The limits of an obligation by their keys."""
        held = deadlines(self.o, t(now))
        return {one.limit.key: one for one in held if one.obligation.code == code}

    def limit(self, code: str, now: str, key: str | None = None) -> Deadline:
        return self.limits(code, now)[key]

    def sendings(self, step: int, now: str) -> dict[str, Sending]:
        """What a step has to send, by key."""
        found = list(STEPS[step].sendings(self.o, t(now)))
        assert len({one.key for one in found}) == len(found), "one key, one mail"
        return {one.key: one for one in found}

    def expected(self, step: int, now: str) -> list[tuple[str, str]]:
        return [(one.fact, one.owed_by) for one in STEPS[step].expected(self.o, t(now))]


def boxes(sending: Sending) -> list[str]:
    """Who receives a mail: the beginning of each address, or the role without one."""
    return [(one.email or one.role).partition("@")[0] for one in sending.to]


def stated(deadline: Deadline) -> tuple[str | None, str | None, str]:
    """Due, met and state of a limit, on the clocks it is shown in."""

    def written(instant: datetime | None) -> str | None:
        return f"{instant:%Y-%m-%d %H:%M:%S}" if instant else None

    met = deadline.limit.met_at
    due = deadline.limit.due_at
    return written(due), written(met.astimezone(PARIS) if met else None), deadline.state


def _next_rung(case: Case, now: datetime) -> datetime | None:
    rung = reminders.next_rung(reminders.chases(case.o, deadlines(case.o, now), now), now)
    return rung.at if rung else None


def diary(case: Case, first: str, last: str) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """The reminders of each day, as the run would send them: by day, by mailbox, each thing
    owed (its id) with its level.

    The run looks at midnight (limits that pass) and at the hour of reminders.
    """
    o = case.o
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    start = t(f"{first} 00:00")
    o.record.rung_at = _next_rung(case, start)
    for day in days(d(first), d(last)):
        for hour in (time(0, 0, 1), o.policy.reminder_hour):
            now = at(day, hour)
            held = deadlines(o, now)
            reminders.note_known(o, held, now)
            chased = reminders.chases(o, held, now)
            mails = reminders.due_reminders(chased, o.record.rung_at, now)
            o.record.rung_at = _next_rung(case, now)
            for mail in mails:
                box = (mail.to.email or mail.to.role).partition("@")[0]
                of_the_day = found.setdefault(day.isoformat(), {})
                assert box not in of_the_day, "at most one mail a person and a day"
                of_the_day[box] = [(chase.id, level) for chase, level in mail.chases]
    return found
