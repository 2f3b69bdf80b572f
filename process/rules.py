"""What may be accepted, what must wait, what PROC-CRM-003 refuses (PROCESS, section 4).

``judge`` takes a fact as it came and answers with the fact to take, or raises one of
``Refused``, ``Waits`` and ``AlreadyKnown``. It changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from process import codes, editions, french, open_points
from process import facts as f
from process.calendar import elapsed_hours, iso_week, paris_day, start_of
from process.facts import FACTS, Fact
from process.fields import HELD, canonical
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding, Phase, ReserveStory
from process.record import TakenFact, WaitingFact
from process.refusals import Problem, problems
from process.vocabulary import DOE_FAMILY_NAMES

MAX_PAYLOAD_BYTES: Final = 128_000
MAX_TAKEN_BYTES: Final = 800_000
"""What a run of the first edition may retain in all; ``carrying`` weighs it since."""

MAX_WAITING_BYTES: Final = 200_000
MAX_WAITING: Final = 200
"""Facts: each that is accepted has them all judged again."""


class Refused(Exception):  # noqa: N818 - named after the outcome it stands for
    """The fact cannot be accepted; the message tells a person why, one problem a line."""

    def __init__(self, *reasons: Problem | str) -> None:
        super().__init__("\n".join(str(reason) for reason in reasons))


class Waits(Exception):  # noqa: N818
    """The fact names something that is not known yet; the message is the fact it waits for, or the
    day that it states when that day has not come (``until``). ``about`` says in French what is not
    known, and what is."""

    def __init__(self, waits_for: str, until: datetime | None = None, about: str = "") -> None:
        super().__init__(waits_for)
        self.until = until
        self.about = about


class AlreadyKnown(Exception):  # noqa: N818
    """The fact states what is already held, or its ``fact_id`` was counted."""


def read(
    name: str, arguments: tuple[Any, ...], *, held: bool = False
) -> tuple[Fact, dict[str, Any]]:
    """Check the shape of a fact: exactly one JSON object with known, well-formed fields; ``held``
    by the rules under which it was taken before (see ``process.fields``).

    Returns:
        The fact, and its payload in canonical form (as the record keeps it).

    Raises:
        Refused: with the path of each field.
    """
    model = FACTS.get(name)
    if model is None:
        raise Refused(f"fait inconnu : « {name[:100]} »")
    if len(arguments) != 1 or not isinstance(arguments[0], dict):
        raise Refused("un seul objet JSON est attendu")
    try:
        if len(canonical(arguments[0])) > MAX_PAYLOAD_BYTES:
            raise Refused(f"contenu trop volumineux ({MAX_PAYLOAD_BYTES} octets au plus)")
        fact = model.model_validate(arguments[0], context=HELD if held else None)
    except ValidationError as error:
        raise Refused(*problems(error)) from None
    except (TypeError, ValueError, RecursionError):
        raise Refused("le contenu n'est pas du JSON valide") from None
    return fact, fact.model_dump(mode="json", exclude_unset=True)


def reads_as_before(o: Onboarding) -> bool:
    """Whether facts are read by the form and compared by the letter, as in the first edition."""
    return not o.since(editions.SECOND)


def fingerprint(name: str, payload: dict[str, Any]) -> str:
    """The SHA-256 of a name and plain data."""
    return hashlib.sha256(canonical([name, payload])).hexdigest()


def id_taken(fact_id: str) -> str:
    """The refusal of another fact under an id that was counted."""
    return f"fact_id : « {fact_id} » a déjà servi pour un autre fait"


def counted_as(o: Onboarding, name: str, fact: Fact, payload: dict[str, Any]) -> str:
    """What tells whether two facts of one ``fact_id`` are the same, however they are written."""
    return fingerprint(name, payload if reads_as_before(o) else fact.stated())


def same_statement(o: Onboarding, name: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two payloads that were taken or read state the same."""
    if reads_as_before(o):
        return one == other
    model = FACTS[name]
    return (
        model.model_validate(one, context=HELD).stated()
        == model.model_validate(other, context=HELD).stated()
    )


def waiting_id(waiting: WaitingFact) -> str:
    """The id under which a fact that waits is settled, from the moment it waits."""
    return f"waiting:{waiting.fact}:{fingerprint(waiting.fact, waiting.payload)[:8]}"


def judge(o: Onboarding, name: str, fact: Fact, payload: dict[str, Any], now: datetime) -> None:
    """Whether a well-formed fact can be accepted now.

    Raises:
        Refused: it breaks a rule, or names what the contract excludes.
        Waits: it comes too early.
        AlreadyKnown: it is held already.
    """
    if fact.fact_id is not None and (counted := o.record.fact_ids.get(fact.fact_id)):
        # Of before editions: by the letter.
        if counted not in (counted_as(o, name, fact, payload), fingerprint(name, payload)):
            raise Refused(id_taken(fact.fact_id))
        raise AlreadyKnown
    if o.cancelled and not isinstance(fact, f.OnboardingCancelled | f.OpenPointSettled):
        raise Refused("l'onboarding est annulé")
    if o.record.taken_bytes > MAX_TAKEN_BYTES and not o.since(editions.SECOND):
        raise Refused("l'onboarding a reçu trop de données pour en retenir davantage")
    _check_horizon(o, fact)
    _RULES[type(fact)](o, fact, now)


def check_happened(fact: Fact, now: datetime) -> None:
    """Facts state what happened: one that states a day to come waits for it, and a mistyped month
    is seen before it moves every later limit.

    Raises:
        Waits: until the day that the fact states.
    """
    stated = [day for name, day in _days_in(fact, "") if name in _HAPPENED]
    if stated and max(stated) > paris_day(now):
        raise Waits(f"le {french.full_date(max(stated))}", start_of(max(stated)))


_HAPPENED: Final = frozenset(
    {
        "held_on",
        "concluded_on",
        "answered_on",
        "completed_at",
        "commissioned_on",
        "found_on",
        "fixed_on",
        "lifted_on",
        "refused_on",
        "on",
        "released_on",
        "received_on",
        "tried_on",
    }
)
"""The fields that say when something happened; plans and effective dates may be ahead."""


def _check_horizon(o: Onboarding, fact: Fact) -> None:
    """Limits are counted on the recorded calendar: a date beyond it is a mistyped year."""
    first, last = o.calendar.horizon
    found = []
    for path, day in _days_in(fact, ""):
        if not first <= day.year <= last:
            found.append(Problem(path, f"date hors du calendrier de l'onboarding ({first}-{last})"))
    if found:
        raise Refused(*found)


def _days_in(value: object, path: str) -> list[tuple[str, date]]:
    if isinstance(value, datetime):
        return [(path, paris_day(value))]
    if isinstance(value, date):
        return [(path, value)]
    if isinstance(value, list):
        return [hit for i, item in enumerate(value) for hit in _days_in(item, f"{path}[{i}]")]
    if isinstance(value, BaseModel):
        return [
            hit
            for name in type(value).model_fields
            for hit in _days_in(getattr(value, name), f"{path}.{name}" if path else name)
        ]
    return []


_Rule = Callable[[Onboarding, Any, datetime], None]
_RULES: Final[dict[type[Fact], _Rule]] = {}
_F = TypeVar("_F", bound=Fact)


def _rule(model: type[_F]) -> Callable[[Callable[[Onboarding, _F, datetime], None]], None]:
    def register(rule: Callable[[Onboarding, _F, datetime], None]) -> None:
        _RULES[model] = rule

    return register


def _once(held: Fact | None, fact: Fact) -> None:
    """A fact that happens once: the same again is known, another value is refused."""
    if held is None:
        return
    if _same(held, fact):
        raise AlreadyKnown
    raise Refused("déjà enregistré avec une autre valeur : utiliser fact_corrected")


def _same(held: BaseModel | None, fact: BaseModel) -> bool:
    """Whether two facts state the same thing; their ``fact_id`` states nothing."""
    return held is not None and (
        held.model_dump(exclude={"fact_id"}) == fact.model_dump(exclude={"fact_id"})
    )


def _known_site(o: Onboarding, code: str | None, path: str = "site") -> None:
    if code is not None and o.contract.site(code) is None:
        sites = codes.listed(o.sites_of(None))
        raise Refused(Problem(path, f"le contrat n'a pas de site « {code} » (sites : {sites})"))


def _known_equipment(o: Onboarding, tags: list[str], path: str) -> None:
    tagged = {item.tag: None for item in o.contract.equipment}
    if unknown := [tag for tag in tags if tag not in tagged]:
        named = f"équipement absent du contrat ({codes.listed(unknown)})"
        raise Refused(Problem(path, f"{named} ; équipements : {codes.listed(tagged) or 'aucun'}"))


def _known_phase(o: Onboarding, id_: str, path: str = "id") -> Phase:
    """The phase of that id; one that may be planned later is waited for."""
    if phase := o.phases.get(id_):
        return phase
    _well_typed(o, id_, o.phases, Problem(path, f"il n'y a pas de phase « {id_} » ; phases"))
    about = _unknown(f"la phase {id_} n'est pas connue", "phases connues", o.phases)
    raise Waits("phase_planned" if o.kickoff else "kickoff_held", about=about)


def _well_typed(o: Onboarding, code: str, known: Collection[str], problem: Problem) -> None:
    """What exists nowhere and is something that does, written otherwise, is a slip of the hand: no
    later fact will bring it."""
    if o.since(editions.SECOND) and codes.mistyped(code, known):
        raise Refused(Problem(problem.path, f"{problem.message} : {codes.listed(known)}"))


def _unknown(what: str, others: str, known: Collection[str]) -> str:
    return f"{what} ({others} : {codes.listed(known)})" if known else what


def _open_site(o: Onboarding, code: str, instants: dict[str, datetime]) -> None:
    """No training or intervention is planned on the site's holiday."""
    site = o.site(code)
    for path, instant in instants.items():
        day = instant.astimezone(site.clock).date()
        if o.calendar.is_holiday(day, site.calendar):
            raise Refused(Problem(path, f"{french.full_date(day)} est férié sur le site {code}"))


# Step 1


@_rule(f.KickoffPlanned)
def _(o: Onboarding, fact: f.KickoffPlanned, now: datetime) -> None:
    if _same(o.kickoff_plan, fact):
        raise AlreadyKnown
    if o.kickoff:
        _not_held(o, "le kick-off a été tenu", o.kickoff.held_on, fact.starts_at, now)


def _not_held(o: Onboarding, what: str, on: date, starts_at: datetime, now: datetime) -> None:
    """What was held is not planned again. A plan may become known after what it led to, as long as
    it states the past."""
    was_held = on <= paris_day(now) and starts_at > now
    if o.since(editions.SECOND) and (was_held or paris_day(starts_at) > on):
        why = f"{what} le {french.full_date(on)} : ce qui est tenu ne se planifie plus"
        raise Refused(Problem("starts_at", why))


@_rule(f.KickoffHeld)
def _(o: Onboarding, fact: f.KickoffHeld, _now: datetime) -> None:
    for index, phase in enumerate(fact.phases):
        _known_site(o, phase.site, f"phases[{index}].site")
    _once(o.kickoff, fact)


@_rule(f.AuditConcluded)
def _(o: Onboarding, fact: f.AuditConcluded, _now: datetime) -> None:
    if not o.contract.audit_is_owed:
        raise Refused("le contrat est une installation neuve : aucun audit n'est dû")
    if not o.kickoff:
        raise Waits("kickoff_held")
    if fact.scope_change:
        for index, phase in enumerate(fact.scope_change.phases):
            if phase not in o.phases:
                path = f"scope_change.phases[{index}]"
                unknown = f"il n'y a pas de phase « {phase} » ; phases"
                _well_typed(o, phase, o.phases, Problem(path, unknown))
                about = _unknown(f"la phase {phase} n'est pas connue", "phases connues", o.phases)
                raise Waits(f"la phase {phase}", about=about)
    _once(o.audit, fact)


@_rule(f.ScopeChangeAnswered)
def _(o: Onboarding, fact: f.ScopeChangeAnswered, _now: datetime) -> None:
    if not o.contract.audit_is_owed or (o.audit and not o.audit.scope_change):
        raise Refused("aucun avenant n'a été proposé")
    if not o.audit:
        raise Waits("audit_concluded")
    _once(o.scope_answer, fact)


# Step 2


@_rule(f.PhasePlanned)
def _(o: Onboarding, fact: f.PhasePlanned, now: datetime) -> None:
    _known_site(o, fact.site)
    _open_site(o, fact.site, {"starts_at": fact.starts_at, "ends_at": fact.ends_at})
    if not o.kickoff:
        raise Waits("kickoff_held")
    if fact.id in o.phases_awaiting_scope:
        raise Waits("scope_change_answered")
    phase = o.phases.get(fact.id)
    if not phase:
        alike = f"« {fact.id} » se confond avec une phase du plan de travaux ; phases"
        _well_typed(o, fact.id, o.phases, Problem("id", alike))
    if phase and phase.slot.plan and _same(phase.slot.plan, fact):
        raise AlreadyKnown
    # A completion may be known before the schedules it answers to, moves included as long as they
    # are ahead; not a schedule after it.
    done = phase.completed_at if phase else None
    again = phase and phase.slot.plan and fact.starts_at <= now
    if phase and (phase.cancelled or (done and (again or fact.starts_at > done))):
        what = "annulée" if phase.cancelled else "terminée"
        raise Refused(f"la phase {fact.id} est {what} : une autre phase demande un autre id")
    in_force = phase.slot if phase else None
    if fact.notice_sent_at and now > o.record.started_at:
        reason = "seulement dans l'historique d'un contrat repris en cours"
        raise Refused(Problem("notice_sent_at", reason))
    starts_anew = not (
        in_force
        and in_force.plan
        and (in_force.starts_at, in_force.site) == (fact.starts_at, fact.site)
    )
    notice = elapsed_hours(now, fact.starts_at)
    if starts_anew and notice < o.policy.notice_hours and not (fact.waiver or fact.notice_sent_at):
        raise Refused(Problem("starts_at", _too_late(o, fact, phase, notice)))


def _too_late(o: Onboarding, fact: f.PhasePlanned, phase: Phase | None, notice: float) -> str:
    """Why a schedule that leaves that many hours of notice is refused."""
    start = french.full_instant(o.local(fact.starts_at, fact.site))
    if notice <= 0 and phase and phase.completed_at:
        over = french.full_date(paris_day(phase.completed_at))
        return f"la phase {fact.id} est terminée depuis le {over} : ce planning n'a plus d'objet"
    if notice <= 0:
        return (
            f"la phase devait débuter le {start}, qui est passé ; donner un début à venir, ou "
            "joindre la dérogation du client (waiver)"
        )
    return (
        f"préavis de {french.hours(notice)}, inférieur aux {o.policy.notice_hours} h dues ; "
        "déplacer la phase ou joindre la dérogation du client (waiver)"
    )


@_rule(f.PhaseCancelled)
def _(o: Onboarding, fact: f.PhaseCancelled, _now: datetime) -> None:
    phase = _known_phase(o, fact.id)
    if phase.completed_at:
        raise Refused(f"la phase {fact.id} est déjà terminée")
    _once(phase.cancelled, fact)


@_rule(f.PhaseCompleted)
def _(o: Onboarding, fact: f.PhaseCompleted, _now: datetime) -> None:
    phase = _known_phase(o, fact.id)
    if phase.cancelled:
        raise Refused(f"la phase {fact.id} est annulée")
    if phase.completed_at == fact.completed_at:
        raise AlreadyKnown
    if phase.completed_at:
        raise Refused("déjà enregistré avec une autre valeur : utiliser fact_corrected")


@_rule(f.ProgressReported)
def _(o: Onboarding, fact: f.ProgressReported, _now: datetime) -> None:
    if not o.kickoff:
        raise Waits("kickoff_held")
    _once(o.reports.get(iso_week(fact.held_on)), fact)


@_rule(f.DeviationDeclared)
def _(o: Onboarding, fact: f.DeviationDeclared, _now: datetime) -> None:
    phase = _known_phase(o, fact.phase, "phase")
    if phase.declarations and _same(phase.declarations[-1][0], fact):
        raise AlreadyKnown
    starts_at = fact.new_starts_at or phase.slot.starts_at
    if o.since(editions.SECOND) and fact.new_ends_at and fact.new_ends_at <= starts_at:
        raise Refused(Problem("new_ends_at", f"doit suivre le début de la phase {phase.id}"))


# Step 3


@_rule(f.TrainingPlanned)
def _(o: Onboarding, fact: f.TrainingPlanned, now: datetime) -> None:
    _known_site(o, fact.site)
    instants = {"starts_at": fact.starts_at}
    if fact.ends_at:
        if fact.ends_at <= fact.starts_at:
            raise Refused(Problem("ends_at", "doit suivre starts_at"))
        instants["ends_at"] = fact.ends_at
    _open_site(o, fact.site, instants)
    if any(_same(training.plans[-1], fact) for training in o.trainings):
        raise AlreadyKnown
    held = o.trainings[-1].held if o.trainings else None
    # On a later day, it is another session.
    if held and paris_day(fact.starts_at) <= held.held_on:
        _not_held(o, "cette formation a été tenue", held.held_on, fact.starts_at, now)


@_rule(f.TrainingHeld)
def _(o: Onboarding, fact: f.TrainingHeld, _now: datetime) -> None:
    if any(_same(training.held, fact) for training in o.trainings):
        raise AlreadyKnown
    if not o.trainings or o.trainings[-1].held:
        raise Waits("training_planned")


@_rule(f.Commissioned)
def _(o: Onboarding, fact: f.Commissioned, _now: datetime) -> None:
    _once(o.commissioned, fact)
    if not o.trainings and not fact.override_reason:
        raise Refused(
            "aucune formation n'est planifiée : la formation se planifie avant la mise en service "
            "(sinon, donner override_reason)"
        )


# Step 4


@_rule(f.RecettePlanned)
def _(o: Onboarding, fact: f.RecettePlanned, now: datetime) -> None:
    _known_site(o, fact.site)
    if any(_same(recette.plans[-1], fact) for recette in o.recettes):
        raise AlreadyKnown
    accepted = [o.accepted_sites.get(site) for site in o.sites_of(fact.site)]
    if all(accepted):
        if not o.recette_of(fact, now):
            raise Refused("la recette de ce périmètre est déjà prononcée")
        effective_on = max(day for day in accepted if day)
        what = "la recette de ce périmètre est prononcée, avec effet"
        _not_held(o, what, effective_on, fact.starts_at, now)


@_rule(f.RecetteSignedOff)
def _(o: Onboarding, fact: f.RecetteSignedOff, _now: datetime) -> None:
    for index, site in enumerate(fact.sites):
        _known_site(o, site, f"sites[{index}]")
    _check_present(fact)
    if fact.decision == "accepted" and fact.reserves:
        raise Refused(Problem("reserves", "une recette acceptée sans réserve n'en porte aucune"))
    if fact.decision == "accepted_with_reserves" and not fact.reserves:
        raise Refused(
            Problem("reserves", "une recette acceptée avec réserves en porte au moins une")
        )
    if any(_same(minutes, fact) for recette in o.recettes for minutes in recette.signed):
        raise AlreadyKnown
    for index, reserve in enumerate(fact.reserves):
        _check_reserve(o, reserve, f"reserves[{index}].", fact.reserves[:index])
    named = fact.sites or o.sites_of(None)
    _check_named(o, fact, named)
    if done := [site for site in named if site in o.accepted_sites]:
        raise Refused(
            Problem(
                "sites", f"recette déjà prononcée ({', '.join(done)}) : utiliser fact_corrected"
            )
        )
    planned = [site for r in o.recettes_to_hold for site in o.sites_of(r.plans[-1].site)]
    if not all(site in planned for site in named):
        raise Waits("recette_planned")


def _check_named(o: Onboarding, fact: f.RecetteSignedOff, named: list[str]) -> None:
    """The réserves are on the sites of the minutes, the grid refers to réserves that exist."""
    for index, reserve in enumerate(fact.reserves):
        if reserve.site and reserve.site not in named:
            why = f"le procès-verbal ne porte pas sur le site « {reserve.site} »"
            raise Refused(Problem(f"reserves[{index}].site", why))
    numbers = {reserve.number for reserve in fact.reserves} | set(o.reserves)
    for index, line in enumerate(fact.grid):
        if line.reserve is not None and line.reserve not in numbers:
            why = f"la réserve n° {line.reserve} n'existe pas"
            raise Refused(Problem(f"grid[{index}].reserve", why))


def _check_present(fact: f.RecetteSignedOff) -> None:
    """The project manager and the technical lead, or a delegate of each with a mandate."""
    delegates = 0
    for index, person in enumerate(fact.present):
        if person.role == "delegate":
            if not person.mandate:
                raise Refused(Problem(f"present[{index}].mandate", "un délégué apporte un mandat"))
            delegates += 1
    roles = {person.role for person in fact.present}
    missing = [role for role in ("project_manager", "technical_lead") if role not in roles]
    if len(missing) > delegates:
        names = {
            "project_manager": "le chef de projet Mileo",
            "technical_lead": "le responsable technique du client",
        }
        absent = french.enumeration([names[role] for role in missing])
        raise Refused(
            Problem("present", f"la recette est contradictoire : il manque {absent}, ou un délégué")
        )


def _check_reserve(o: Onboarding, reserve: f.Reserve, path: str, before: list[f.Reserve]) -> None:
    if reserve.number in o.reserves or reserve.number in {other.number for other in before}:
        raise Refused(Problem(f"{path}number", f"la réserve n° {reserve.number} existe déjà"))
    _known_site(o, reserve.site, f"{path}site")
    if reserve.equipment:
        _known_equipment(o, [reserve.equipment], f"{path}equipment")


@_rule(f.ReserveAdded)
def _(o: Onboarding, fact: f.ReserveAdded, _now: datetime) -> None:
    if not o.accepted_sites:
        raise Waits("recette_signed_off")
    story = o.reserves.get(fact.number)
    if story and _same(story.reserve, fact):
        raise AlreadyKnown
    _check_reserve(o, fact, "", [])


def _reserve(o: Onboarding, number: int) -> ReserveStory:
    story = o.reserves.get(number)
    if not story:
        known = [f"n° {one}" for one in o.reserves]
        about = _unknown(f"la réserve n° {number} n'est pas connue", "réserves connues", known)
        waits_for = "reserve_added" if o.accepted_sites else "recette_signed_off"
        raise Waits(waits_for, about=about)
    return story


@_rule(f.ReserveFixed)
def _(o: Onboarding, fact: f.ReserveFixed, _now: datetime) -> None:
    if any(_same(fix, fact) for fix, _ in _reserve(o, fact.number).fixes):
        raise AlreadyKnown


@_rule(f.ReserveLifted)
def _(o: Onboarding, fact: f.ReserveLifted, _now: datetime) -> None:
    story = _reserve(o, fact.number)
    if fact.lifted_on < story.noted_on:
        when = french.full_date(story.noted_on)
        raise Refused(Problem("lifted_on", f"la réserve n'est notée que le {when}"))
    if story.is_over:
        if story.lifted_on == fact.lifted_on:
            raise AlreadyKnown
        raise Refused("déjà enregistré avec une autre valeur : utiliser fact_corrected")


@_rule(f.ReserveLiftingRefused)
def _(o: Onboarding, fact: f.ReserveLiftingRefused, _now: datetime) -> None:
    story = _reserve(o, fact.number)
    refusal = {"on": fact.refused_on.isoformat(), "by": fact.by, "reason": fact.reason}
    if any(refusal.items() <= entry.items() for entry in story.history):
        raise AlreadyKnown
    if story.ended_on and fact.refused_on > story.ended_on:
        raise Refused(f"la réserve n° {fact.number} est levée : la noter à nouveau (reserve_added)")
    refusals = sum(event.what.startswith("Levée refusée") for event in story.events)
    if refusals >= len(story.fixes):
        raise Waits("reserve_fixed")


@_rule(f.ReserveContested)
def _(o: Onboarding, fact: f.ReserveContested, _now: datetime) -> None:
    story = _reserve(o, fact.number)
    _not_logged(story, fact)
    if story.ended_on and fact.on > story.ended_on:
        raise Refused(f"la réserve n° {fact.number} n'est plus ouverte")


@_rule(f.ReserveWithdrawn)
def _(o: Onboarding, fact: f.ReserveWithdrawn, _now: datetime) -> None:
    story = _reserve(o, fact.number)
    _not_logged(story, fact)
    if story.is_over:
        raise Refused(f"la réserve n° {fact.number} n'est plus ouverte")


def _not_logged(story: ReserveStory, fact: f.ReserveContested | f.ReserveWithdrawn) -> None:
    stated = {"on": fact.on.isoformat(), "by": fact.by, "reason": fact.reason}
    if any(stated.items() <= entry.items() for entry in story.history):
        raise AlreadyKnown


# Step 5


@_rule(f.DoePieceFiled)
def _(o: Onboarding, fact: f.DoePieceFiled, _now: datetime) -> None:
    _known_equipment(o, fact.equipment, "equipment")
    held = o.pieces.get(o.place_of(fact))
    if held is None or not _same(held, fact):
        return
    # What was refused may have been put right since.
    read = o.read(o.stated(held))
    if read is None or not read.refused:
        raise AlreadyKnown


@_rule(f.DoeReleased)
def _(o: Onboarding, fact: f.DoeReleased, _now: datetime) -> None:
    if not o.doe_changed or len(o.doe_releases) > len(o.doe_deliveries):
        if o.doe_deliveries and o.doe_released is None:
            raise AlreadyKnown  # It left by itself.
        _once(o.doe_released, fact)
    elif fact.fact_id is None and any(_same(release, fact) for release in o.doe_releases):
        # The same words again need a fact_id of their own to be told from a repeat.
        raise AlreadyKnown
    if o.doe_missing:
        raise Refused(f"DOE incomplet, il manque : {_doe_lacks(o)}")
    if o.doe_is_being_read:
        raise Waits("la lecture des pièces déjà versées")


def _doe_lacks(o: Onboarding) -> str:
    """What is missing, as a person says it: families, then the items without a datasheet."""
    names = [DOE_FAMILY_NAMES.get(lacking, lacking) for lacking in o.doe_missing]
    tags = [name.removeprefix("datasheets:") for name in names if name.startswith("datasheets:")]
    families = [name for name in names if ":" not in name]
    families += [
        f"la pièce « {name.removeprefix('piece:')} », dont le fichier est refusé"
        for name in names
        if name.startswith("piece:")
    ]
    if tags:
        families.append(f"la fiche technique de {french.enumeration(tags)}")
    return ", ".join(families)


@_rule(f.DoeReceived)
def _(o: Onboarding, fact: f.DoeReceived, _now: datetime) -> None:
    _once(o.doe_received, fact)
    if not o.doe_delivered_at:
        raise Waits("doe_released")


# Step 6


def _maintained(o: Onboarding) -> None:
    if not o.contract.maintenance:
        raise Refused("le contrat ne comprend pas de maintenance")


@_rule(f.MaintenanceDateSet)
def _(o: Onboarding, fact: f.MaintenanceDateSet, _now: datetime) -> None:
    _maintained(o)
    if o.maintenance_dates and _same(o.maintenance_dates[-1], fact):
        raise AlreadyKnown
    if o.record.activated_at:
        raise Refused("la maintenance est déjà activée")


@_rule(f.PresentationPlanned)
def _(o: Onboarding, fact: f.PresentationPlanned, _now: datetime) -> None:
    _maintained(o)
    if o.presentation_plans and _same(o.presentation_plans[-1], fact):
        raise AlreadyKnown
    if o.presented:
        raise Refused("le service de maintenance a déjà été présenté")


@_rule(f.MaintenancePresented)
def _(o: Onboarding, fact: f.MaintenancePresented, _now: datetime) -> None:
    _maintained(o)
    if not o.record.activated_at:
        raise Waits("activation")
    _once(o.presented, fact)


# Step 7


@_rule(f.InterviewPlanned)
def _(o: Onboarding, fact: f.InterviewPlanned, _now: datetime) -> None:
    if o.interview_base is None:
        raise Waits("activation" if o.contract.maintenance else "recette_signed_off")
    if o.interview_plans and _same(o.interview_plans[-1], fact):
        raise AlreadyKnown
    if o.verdict:
        raise Refused("l'entretien à 30 jours est clos")


@_rule(f.InterviewHeld)
def _(o: Onboarding, fact: f.InterviewHeld, _now: datetime) -> None:
    if o.interview_base is None:
        raise Waits("activation" if o.contract.maintenance else "recette_signed_off")
    if any(_same(interview, fact) for interview in o.interviews):
        raise AlreadyKnown
    if o.interview and fact.held_on:
        raise Refused("déjà enregistré avec une autre valeur : utiliser fact_corrected")


# Any step


@_rule(f.ContactReplaced)
def _(o: Onboarding, fact: f.ContactReplaced, _now: datetime) -> None:
    if fact.role == "delegate":
        raise Refused(Problem("role", "un délégué se déclare au procès-verbal de recette"))
    held = o.persons.get(fact.role)
    if _same(held, fact.person):
        raise AlreadyKnown
    if held and not reads_as_before(o) and held.stated() == fact.person.stated():
        raise AlreadyKnown


@_rule(f.OpenPointSettled)
def _(o: Onboarding, fact: f.OpenPointSettled, _now: datetime) -> None:
    points = [point.id for point in o.record.open_points]
    # A fact that waits may be taken back before it becomes a point.
    if fact.id not in {*points, *map(waiting_id, o.record.waiting)}:
        if any(_same(settled, fact) for settled in o.settled):
            raise AlreadyKnown
        none = _unknown(f"aucun point ouvert « {fact.id} »", "points ouverts", points)
        raise Refused(Problem("id", none))
    if reason := open_points.refusal(fact.id, fact.action):
        raise Refused(Problem("action", reason))
    if fact.secrets is not None:
        about = [point.id for point in o.record.open_points if point.kind == "piece_secrets"]
        if fact.id not in about:
            raise Refused(Problem("secrets", "ce point ne porte pas sur des secrets trouvés"))
        if fact.action != "done_otherwise":
            raise Refused(Problem("action", "secrets se décide avec done_otherwise"))


@_rule(f.LimitMoved)
def _(o: Onboarding, fact: f.LimitMoved, now: datetime) -> None:
    if fact.obligation in _FIXED_LIMITS:
        raise Refused(Problem("obligation", _FIXED_LIMITS[fact.obligation]))
    if _same(o.moved_limits.get((fact.obligation, fact.key)), fact):
        raise AlreadyKnown
    limits = list(OBLIGATIONS[fact.obligation].limits(o, now))
    if limits and all(limit.void for limit in limits):
        raise Refused(Problem("obligation", f"{fact.obligation} n'est pas due dans ce contrat"))
    if fact.key not in [limit.key for limit in limits if limit.due_at]:
        known = [limit.key for limit in limits if limit.due_at and limit.key]
        unknown = f"{fact.obligation} n'a pas d'échéance « {fact.key} » ; clés"
        _well_typed(o, fact.key or "", known, Problem("key", unknown))
        waits_for = f"l'échéance {fact.obligation} {fact.key or ''}".rstrip()
        raise Waits(waits_for, about=_unknown(f"{waits_for} n'est pas connue", "clés", known))


_FIXED_LIMITS: Final = {
    "O5": "le préavis de 72 h ne se déplace pas : planifier la phase (phase_planned)",
    "O6": "le point de la semaine ne se déplace pas",
    "O11": "la recette n'a pas d'échéance",
    "O14": "la date d'effet se fixe avec maintenance_date_set",
    "O15": "la date d'effet se fixe avec maintenance_date_set",
}
"""The limits that follow from a date which has its own fact."""


@_rule(f.OnboardingSuspended)
def _(o: Onboarding, fact: f.OnboardingSuspended, _now: datetime) -> None:
    if o.suspension:
        if o.suspension.reason == fact.reason:
            raise AlreadyKnown
        raise Refused("l'onboarding est déjà suspendu")


@_rule(f.OnboardingResumed)
def _(o: Onboarding, _fact: f.OnboardingResumed, _now: datetime) -> None:
    if not o.suspension:
        # The same resumption twice must not wait for the next suspension and undo it.
        if o.suspensions:
            raise AlreadyKnown
        raise Waits("onboarding_suspended")


@_rule(f.OnboardingCancelled)
def _(o: Onboarding, fact: f.OnboardingCancelled, _now: datetime) -> None:
    _once(o.cancelled, fact)


@_rule(f.FactCorrected)
def _(o: Onboarding, fact: f.FactCorrected, now: datetime) -> None:
    corrected(o, fact, now)


_NOT_CORRECTED: Final = frozenset(
    {
        "fact_corrected",
        "open_point_settled",
        "onboarding_suspended",
        "onboarding_resumed",
        "onboarding_cancelled",
    }
)
_KEYS: Final = ("id", "number", "phase", "role", "name", "obligation")


def key_of(name: str, payload: dict[str, Any]) -> str | None:
    """What tells apart two facts of one name: phase id, réserve number, week…"""
    if name == "progress_reported":
        return iso_week(date.fromisoformat(payload["held_on"]))
    return next((str(payload[key]) for key in _KEYS if key in payload), None)


def corrected(o: Onboarding, fact: f.FactCorrected, now: datetime) -> tuple[int, dict[str, Any]]:
    """Where in the record the corrected fact is, and what it must state now.

    Raises:
        Refused: the new payload breaks a rule, or later facts need what it takes away.
        Waits: nothing of the kind has been stated yet.
        AlreadyKnown: the fact states that already.
    """
    if fact.fact in _NOT_CORRECTED or fact.fact not in FACTS:
        raise Refused(Problem("fact", f"« {fact.fact[:100]} » ne se corrige pas"))
    try:
        new, payload = read(fact.fact, (fact.payload,), held=reads_as_before(o))
    except Refused as refused:
        lines = str(refused).splitlines()
        raise Refused(*(f"payload.{line}" for line in lines)) from None
    record = o.record
    positions = [
        index
        for index, taken in enumerate(record.facts)
        if taken.fact == fact.fact
        and (fact.key is None or key_of(taken.fact, taken.payload) == fact.key)
    ]
    if not positions:
        keys = [key_of(one.fact, one.payload) for one in record.facts if one.fact == fact.fact]
        known = list(dict.fromkeys(key for key in keys if key))
        unknown = f"aucun « {fact.fact} » n'a la clé « {fact.key} » ; clés"
        _well_typed(o, fact.key or "", known, Problem("key", unknown))
        about = _unknown(f"aucun « {fact.fact} » de cette clé n'est connu", "clés", known)
        raise Waits(fact.fact, about=about if fact.key else "")
    index = positions[-1]
    before = record.facts[index]
    if same_statement(o, fact.fact, _without_id(before.payload), _without_id(payload)):
        raise AlreadyKnown
    _check_horizon(o, new)
    earlier = o.as_of(record.facts[:index])
    try:
        check_happened(new, now)
        _RULES[type(new)](earlier, new, _judged_at(new, before, now))
    except (Waits, AlreadyKnown):
        raise Refused(Problem("payload", "ce fait serait prématuré, ou déjà connu")) from None
    replaced = before.model_copy(update={"payload": payload})
    try:
        o.as_of([*record.facts[:index], replaced, *record.facts[index + 1 :]])
    except (LookupError, ValueError):
        reason = "des faits postérieurs dépendent de ce que cette correction retire"
        raise Refused(Problem("payload", reason)) from None
    return index, payload


def _judged_at(new: Fact, before: TakenFact, now: datetime) -> datetime:
    """A correction is judged as of the fact it corrects, but a start that changes is announced
    now: the notice runs from now."""
    if isinstance(new, f.PhasePlanned):
        old = f.PhasePlanned.model_validate(before.payload, context=HELD)
        if (old.starts_at, old.site) != (new.starts_at, new.site):
            return now
    return before.received_at


def _without_id(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "fact_id"}
