"""Étape 4 — Recette et levée des réserves (O10 to O12).

« La recette est un processus contradictoire au cours duquel le client vérifie que le système
livré est conforme au cahier des charges contractuel. […] Les réserves éventuellement émises
lors de la recette sont consignées dans un procès-verbal et donnent lieu à un plan de levée de
réserves avec échéances. »
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

from process.calendar import paris_day
from process.facts import RecettePlanned, RecetteSignedOff, Reserve, ReserveFixed
from process.french import enumeration
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding, Recette, ReserveStory
from process.orders import Sending
from process.vocabulary import Party
from workflows import invitations
from workflows.sendings import Expected, document, mail, owed, plain


def sendings(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """The convocation with the grid, the minutes, and the life of each réserve."""
    for rank, recette in enumerate(o.recettes, start=1):
        if recette.concluded_on is None or now < recette.plans[-1].starts_at:
            key = f"recette_convocation:{rank}:{len(recette.plans)}"
            yield from owed(gone, key, _convocation, o, rank, recette)
        for subject, minutes in _signed(rank, recette):
            key = f"recette_minutes:{subject}"
            yield from owed(gone, key, _minutes, o, recette.plans[-1], minutes, subject)
    for number, story in o.reserves.items():
        yield from _reserve(o, number, story, gone)


def _planned(o: Onboarding, plan: RecettePlanned) -> dict[str, Any]:
    data: dict[str, Any] = plain(o, plan, o.sites_of(plan.site)[0])
    return data


def _convocation(o: Onboarding, rank: int, recette: Recette) -> Sending:
    plan = recette.plans[-1]
    data = {
        **_planned(o, plan),
        "results": [],
        "moved": len(recette.plans) > 1,
        "incident_sheet": o.contract.maintenance is not None,
    }
    return mail(
        o,
        "recette_convocation",
        OBLIGATIONS["O10"].recipients,
        data,
        subject=f"{rank}:{len(recette.plans)}",
        documents=(document("grille_recette", str(rank), data, o.sites_of(plan.site)),),
        events=[invitations.recette(o, rank, recette)],
    )


def _signed(rank: int, recette: Recette) -> Iterator[tuple[str, RecetteSignedOff]]:
    """Each minutes of a recette, with what tells it from the others."""
    for nth, minutes in enumerate(recette.signed, start=1):
        yield (str(rank) if nth == 1 else f"{rank}-{nth}"), minutes


def minutes_are_under_way(o: Onboarding) -> bool:
    """Whether minutes that belong to the DOE are on their way: it waits for them."""
    recettes = enumerate(o.recettes, start=1)
    keys = [f"recette_minutes:{subject}" for r, held in recettes for subject, _ in _signed(r, held)]
    keys += [f"reserve_lifted:{n}" for n, story in o.reserves.items() if story.state == "lifted"]
    sent = o.record.sendings
    return any(key not in sent or sent[key].state in ("doing", "again") for key in keys)


def _minutes(
    o: Onboarding, plan: RecettePlanned, minutes: RecetteSignedOff, subject: str
) -> Sending:
    planned, sites = _planned(o, plan), minutes.sites or o.sites_of(plan.site)
    reserves = [_with_due(o, reserve, minutes.effective_on) for reserve in minutes.reserves]
    data = {
        **plain(o, minutes),
        "starts_at": planned["starts_at"],
        "sites": sites,
        "reserves": reserves,
    }
    grid = {**planned, "effective_on": data["effective_on"], "results": data["grid"]}
    documents = [
        document("grille_recette", subject.partition("-")[0], grid, sites),
        document("pv_recette", subject, data, sites),
    ]
    if minutes.decision == "accepted_with_reserves":
        plan_data = {"effective_on": data["effective_on"], "reserves": reserves}
        documents.append(document("plan_levee", subject, plan_data, sites))
    return mail(
        o,
        "recette_minutes",
        OBLIGATIONS["O11"].recipients,
        data,
        subject=subject,
        documents=tuple(documents),
    )


def _with_due(o: Onboarding, reserve: Reserve, noted_on: date) -> dict[str, Any]:
    return {**plain(o, reserve), "due_on": plain(o, o.reserve_due_on(reserve, noted_on))}


def _reserve(
    o: Onboarding, number: int, story: ReserveStory, gone: Collection[str]
) -> Iterator[Sending]:
    if story.added:
        yield from owed(gone, f"levee_plan_updated:{number}", _plan_updated, o, number, story)
    state = story.state
    if state == "fixed" and story.fixed:
        subject = _of_fix(number, story)
        key = f"reserve_fixed:{subject}"
        yield from owed(gone, key, _fixed, o, story, story.fixed, subject)
    elif state == "open" and (refusals := _said(story, "Levée refusée")):
        subject = f"{number}:{len(refusals)}"
        yield from owed(
            gone, f"reserve_reopened:{subject}", _reopened, o, story, refusals[-1], subject
        )
    elif state == "lifted":
        yield from owed(gone, f"reserve_lifted:{number}", _lifted, o, number, story)


def _said(story: ReserveStory, beginning: str) -> list[dict[str, Any]]:
    """What happened to a réserve under that name, in order."""
    return [event.entry for event in story.events if event.what.startswith(beginning)]


def _stated(o: Onboarding, story: ReserveStory) -> dict[str, Any]:
    return {**plain(o, story.reserve), "due_on": plain(o, story.due_on)}


def _fixed(o: Onboarding, story: ReserveStory, fixed: ReserveFixed, subject: str) -> Sending:
    data = {
        "reserve": _stated(o, story),
        "fixed_on": plain(o, fixed.fixed_on),
        "evidence": fixed.evidence,
    }
    return mail(o, "reserve_fixed", ["technical_lead"], data, subject=subject)


def _reopened(o: Onboarding, story: ReserveStory, refusal: dict[str, Any], subject: str) -> Sending:
    data = {
        "reserve": _stated(o, story),
        "refused_on": refusal["on"],
        "by": refusal["by"],
        "reason": refusal["reason"],
    }
    return mail(o, "reserve_reopened", ["project_manager"], data, subject=subject)


def _lifted(o: Onboarding, number: int, story: ReserveStory) -> Sending:
    data = {
        "reserve": _stated(o, story),
        "lifted_on": plain(o, story.lifted_on),
        "by": _said(story, "Levée constatée")[-1]["by"],
        "history": story.history,
    }
    return mail(
        o,
        "reserve_lifted",
        OBLIGATIONS["O12"].recipients,
        data,
        subject=str(number),
        documents=(document("pv_levee", str(number), data, o.sites_of(story.reserve.site)),),
    )


def _of_fix(number: int, story: ReserveStory) -> str:
    """What tells one declared fix from another: its day, and its rank on that day."""
    days = [fix.fixed_on for fix, _ in story.fixes]
    last = max(days)
    rank = f":{days.count(last)}" if days.count(last) > 1 else ""
    return f"{number}:{last.isoformat()}{rank}"


def _plan_updated(o: Onboarding, number: int, story: ReserveStory) -> Sending:
    """A réserve that appears after the recette joins the plan de levée, as its next version."""
    reserves = [
        _stated(o, held) for other, held in o.reserves.items() if other <= number or not held.added
    ]
    data = {
        "effective_on": plain(o, max(o.accepted_sites.values(), default=None)),
        "reserves": reserves,
    }
    return mail(
        o,
        "levee_plan_updated",
        OBLIGATIONS["O12"].recipients,
        {**data, "reserve": _stated(o, story)},
        subject=str(number),
        documents=(document("plan_levee", "1", data, o.sites_of(None)),),
    )


def expected(o: Onboarding, _now: datetime) -> Iterator[Expected]:
    """The recette planned and signed off for every site, then each levée."""
    if not finished(o) and o.deployment_over_at:
        pending = {site for r in o.recettes_to_hold for site in o.sites_of(r.plans[-1].site)}
        missing = [s for s in o.sites_of(None) if s not in o.accepted_sites and s not in pending]
        if missing:
            since = paris_day(o.deployment_over_at)
            about = enumeration(missing) if len(o.sites_of(None)) > 1 else ""
            yield Expected("recette_planned", "project_manager", since, about)
    if o.recettes_to_hold:
        day = min(paris_day(recette.plans[-1].starts_at) for recette in o.recettes_to_hold)
        yield Expected("recette_signed_off", "technical_lead", day)
    yield from _expected_of("open", "reserve_fixed", "project_manager", o)
    yield from _expected_of("fixed", "reserve_lifted", "technical_lead", o)


def _expected_of(state: str, fact: str, owed_by: Party, o: Onboarding) -> Iterator[Expected]:
    """What is awaited of the réserves in that state, since the earliest came to it."""
    stories = {number: story for number, story in o.reserves.items() if story.state == state}
    if stories:
        since = min(story.events[-1].on for story in stories.values())
        about = enumeration([f"n°\u00a0{number}" for number in stories])
        yield Expected(fact, owed_by, since, about)


def finished(o: Onboarding) -> bool:
    """Every site accepted, every réserve lifted or withdrawn."""
    return o.fully_accepted_on is not None
