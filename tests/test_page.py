"""What a person reads in Temporal's web UI, and the answer to ``status``: French, bounded,
without mark-up of others."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process.facts import OpenPointSettled
from process.obligations import deadlines
from process.orders import IssuedDocument
from process.record import OpenPoint, RejectedFact, WaitingFact
from process.status import Status
from tests.builders import Case, contract, d, one_site, person, phase, reserve, t
from tests.test_rules import INTERVIEW
from workflows.page import contract_details, contract_summary, details, summary
from workflows.reporting import projection, status

HOSTILE = (
    "<img src=x onerror=a> [clic](https://x) `code` **gras** | # titre ~~x~~ \\ @tous\n- liste"
)


def page(case: Case, now: str) -> str:
    held = deadlines(case.o, t(now))
    return details(case.o, held, t(now), completed=False).replace("\u00a0", " ")


def answer(case: Case, now: str, **more: Any) -> Status:
    return status(case.o, deadlines(case.o, t(now)), t(now), **more)


def unescaped(text: str, marks: str) -> list[str]:
    """The characters of mark-up that nothing takes the meaning from."""
    # In code nothing has a meaning, and no text of others can end it.
    outside = re.sub(r"(?<!\\)`[^`\n]*`", "", text)
    return re.findall(rf"(?<!\\)[{re.escape(marks)}]", outside.replace("\\\\", ""))


# The page


def test_the_page_says_where_it_stands_what_is_awaited_and_the_limits() -> None:
    owed = "- chef de projet (Chef), depuis le lundi 16 mars 2026"
    assert page(Case(), "2026-03-16 12:00") == "\n".join(
        [
            "**Étape 1 sur 7 — Kick-off projet et audit de l'existant** · dans les temps",
            "",
            "**Attendu de Mileo**",
            "",
            f"{owed} : Le kick-off est planifié — `kickoff_planned`",
            f"{owed} : Le kick-off s'est tenu ; il fixe le plan de travaux — `kickoff_held`",
            "",
            "**Prochaines échéances**",
            "",
            "- lundi 30 mars 2026 à 23 h 59 (10 jours ouvrés) — O1 Tenue du kick-off",
        ]
    )


def test_the_page_lists_what_was_missed_and_whether_it_was_done_since() -> None:
    case = Case(one_site()).kickoff(held_on="2026-04-01")
    shown = page(case, "2026-04-03 12:00")
    assert "· en retard" in shown
    assert "- O1 Tenue du kick-off — lundi 30 mars 2026 à 23 h 59 (fait depuis)" in shown
    assert "- O2 Remise du plan de travaux — mercredi 1er avril 2026 à 23 h 59" in shown


def test_the_page_lists_the_open_reserves_and_who_is_waited_for() -> None:
    case = Case().recette("2026-05-05", reserve(1), reserve(2, "blocking"))
    case.take("reserve_lifted", "2026-05-06 10:00", number=2, lifted_on="2026-05-06", by="Dsi")
    case.take("reserve_fixed", "2026-05-07 10:00", number=1, fixed_on="2026-05-07", evidence="x")
    shown = page(case, "2026-05-07 12:00")
    assert "- n° 1 (mineure) — Défaut 1, échéance jeudi 4 juin 2026" in shown
    assert "— Défaut 2" not in shown
    assert "**Attendu du client**" in shown
    assert (
        "- responsable technique (Dsi), depuis le jeudi 7 mai 2026 : Le client constate la levée "
        "d'une réserve (n° 1) — `reserve_lifted`" in shown
    )


def test_the_page_tells_what_is_awaited_on_a_day_to_come() -> None:
    case = Case()
    case.take(
        "kickoff_planned", "2026-03-17 10:00", starts_at="2026-03-20T10:00:00+01:00", place="x"
    )
    [line] = [one for one in page(case, "2026-03-18 12:00").splitlines() if "kickoff_held" in one]
    assert "à partir du vendredi 20 mars 2026" in line


def test_the_days_left_are_jours_ouvres() -> None:
    def left(now: str) -> str:
        [line] = [one for one in page(Case(), now).splitlines() if "O1 Tenue" in one]
        return line.partition("(")[2].partition(")")[0]

    assert left("2026-03-26 12:00") == "2 jours ouvrés"
    assert left("2026-03-28 12:00") == "1 jour ouvré"
    assert left("2026-03-30 12:00") == "aujourd'hui"


def test_the_page_tells_the_last_facts_and_the_documents_with_their_links() -> None:
    case = Case().recette("2026-05-05", reserve(1))
    at = t("2026-05-05 18:00")
    case.o.record.documents += [
        IssuedDocument(
            kind="pv_recette",
            reference=f"PVR-MIL-2026-001-1-v{version}",
            version=version,
            sha256=str(version) * 64,
            size=1,
            issued_at=at,
        )
        for version in (1, 2)
    ]
    now = t("2026-05-05 19:00")
    shown = details(
        case.o,
        deadlines(case.o, now),
        now,
        completed=False,
        link=lambda one: f"https://documents.example/documents/{one.sha256}?reference=x",
    ).replace("\u00a0", " ")
    last, documents = shown.partition("**Derniers faits**")[2].split("**Documents**")
    assert last.splitlines()[2].startswith("- mardi 5 mai 2026 à ")
    assert last.splitlines()[2].endswith(" : Le procès-verbal de recette est signé")
    link = f"https://documents.example/documents/{'2' * 64}?reference=x"
    assert documents.split("\n")[2:] == [
        f"- [PVR-MIL-2026-001-1-v2]({link}) : Procès-verbal de recette, mardi 5 mai 2026"
    ], "the last version alone"
    assert "](http" not in page(case, "2026-05-05 19:00"), "no public address, no link"


def test_long_lists_say_how_many_more_there_are() -> None:
    case = Case().recette("2026-05-05", *(reserve(n + 1) for n in range(20)))
    shown = page(case, "2026-05-05 12:00").partition("**Réserves ouvertes**")[2]
    assert shown.count("- n° ") == 8
    assert "- … et 12 autres" in shown


def test_the_page_lists_open_points_waiting_and_refused_facts() -> None:
    case = Case()
    at = t("2026-03-20 10:00")
    record = case.o.record
    record.open_points.append(
        OpenPoint(
            id="mail:welcome",
            kind="mail",
            message="Refusé",
            since=at,
            owed_by="project_manager",
        )
    )
    record.waiting.append(
        WaitingFact(fact="doe_received", payload={}, waits_for="doe_released", received_at=at)
    )
    record.rejected += [
        RejectedFact(fact=f"fait_{n}", payload="", reason="motif", received_at=at) for n in range(5)
    ]
    shown = page(case, "2026-03-20 12:00")
    assert (
        "- `mail:welcome` depuis le vendredi 20 mars 2026, chef de projet : Refusé → « retry » "
        "\\(réessayer\\), « done\\_otherwise » \\(fait par un autre moyen\\) ou « abandon » "
        "\\(y renoncer\\)" in shown
    )
    answer = re.search(r"`open_point_settled` : `(.*)`", shown)
    assert answer is not None
    settled = OpenPointSettled.model_validate_json(answer[1])
    assert (settled.id, settled.action) == ("mail:welcome", "retry"), "to be pasted as it is"
    assert (
        "- `doe_received`, reçu le vendredi 20 mars 2026, pas encore retenu : attend `doe_released` "
        "→ « abandon » de `waiting:doe_received:" in shown
    )
    assert "`fait_4` : motif" in shown
    assert "`fait_1`" not in shown, "the last three"


def test_a_completed_run_says_so() -> None:
    case = Case()
    now = t("2026-03-20 12:00")
    assert "Onboarding terminé" in details(case.o, [], now, completed=True)


# Texts that came from outside


def hostile() -> Case:
    case = Case(one_site())
    title = HOSTILE.replace("\n", " ")
    case.kickoff({**phase(), "title": title})
    case.recette("2026-05-05", {**reserve(1), "title": title})
    case.take("reserve_fixed", "2026-05-06 10:00", number=1, fixed_on="2026-05-06", evidence="x")
    at = t("2026-05-06 10:00")
    case.o.record.open_points.append(
        OpenPoint(id="mail:x", kind="mail", message=HOSTILE, since=at, owed_by="x")
    )
    case.o.record.rejected.append(
        RejectedFact(fact=HOSTILE, payload="", reason=HOSTILE, received_at=at)
    )
    return case


def test_untrusted_text_has_no_mark_up_of_its_own() -> None:
    shown = page(hostile(), "2026-05-06 12:00")
    assert shown.count("img src=x") >= 5
    assert unescaped(shown, "<>[]~|#") == []
    assert "\n- liste" not in shown, "on one line"
    # Bold only where the page itself says so: one pair a heading.
    headings = [line for line in shown.splitlines() if line.startswith("**")]
    outside = re.sub(r"(?<!\\)`[^`\n]*`", "", shown)
    assert len(re.findall(r"(?<!\\)\*\*", outside)) == 2 * len(headings)


@given(st.text(max_size=300))
def test_any_text_keeps_to_its_line(text: str) -> None:
    case = Case()
    case.o.record.open_points.append(
        OpenPoint(id=text, kind="mail", message=text, since=t("2026-03-20 10:00"), owed_by="x")
    )
    shown = page(case, "2026-03-20 12:00")
    assert len(shown.splitlines()) == len(page(Case(), "2026-03-20 12:00").splitlines()) + 6
    [line] = [
        line for line in shown.splitlines() if " depuis le vendredi 20 mars 2026, x : " in line
    ]
    assert unescaped(line, "<>[]*_~|#") == []


def test_the_page_is_bounded_in_bytes() -> None:
    case = Case()
    case.o.record.open_points += [
        OpenPoint(
            id=f"x{n}", kind="mail", message="é" * 1000, since=t("2026-03-20 10:00"), owed_by="x"
        )
        for n in range(20)
    ]
    long = "a" * 200
    sites = [{**contract()["sites"][0], "code": f"S{n}", "name": long} for n in range(200)]
    whole = contract_details(Case(contract(sites=sites, equipment=[])).o.contract)
    assert 19_000 < len(whole.encode()) <= 20_000
    assert whole.endswith("\n…"), "whole lines"
    shown = page(case, "2026-03-20 12:00")
    assert len(shown.encode()) <= 20_000


@given(st.text(max_size=400))
def test_a_summary_is_one_line_of_at_most_200_bytes(text: str) -> None:
    short = summary(text)
    assert len(short.encode()) <= 200
    assert len(short.splitlines()) <= 1
    line = " ".join(text.split())
    if len(line.encode()) <= 190:
        assert short.casefold() == line.casefold(), "its first letter may be a capital"
    assert summary(text, 4).startswith("Étape 4 · ")


@pytest.mark.parametrize("name", ["Laiteries du Val d'Authion", "é" * 200, "<b>*x*</b>" * 20])
def test_the_summary_of_a_run_names_the_client_and_the_contract(name: str) -> None:
    line = contract_summary(Case(contract(client__name=name)).o.contract)
    assert line.endswith(" — contrat MIL-2026-001")
    assert len(line.encode()) <= 200
    assert unescaped(line, "<>*") == []


def test_the_details_of_a_run_name_people_without_address_or_telephone() -> None:
    lead = {**person("dsi"), "phone": "06 00 00 00 01", "name": "Karim <b>Belkacem</b>"}
    shown = contract_details(Case(contract(client__technical_lead=lead)).o.contract)
    assert "- responsable technique : Karim \\<b\\>Belkacem\\</b\\>" in shown
    assert "signé le lundi 16 mars 2026" in shown
    assert "- Angers (ANGERS)" in shown
    assert "@" not in shown
    assert "06 00" not in shown


# The answer to status


def test_the_status_of_a_young_onboarding() -> None:
    told = answer(Case(), "2026-03-16 12:00").model_dump(mode="json")
    assert (told["reference"], told["step"], told["health"]) == ("MIL-2026-001", 1, "on_time")
    assert told["deadlines"][0] == {
        "obligation": "O1",
        "key": None,
        "due_at": "2026-03-30T23:59:59+02:00",
        "met_at": None,
        "state": "running",
    }
    assert told["doe"]["missing"][0] == "plans"
    assert told["waiting_for"] == [
        {"fact": "kickoff_planned", "owed_by": "project_manager"},
        {"fact": "kickoff_held", "owed_by": "project_manager"},
    ]


def test_instants_carry_the_offset_of_paris_or_of_their_site() -> None:
    sites = [{**contract()["sites"][0], "code": "R", "zone": "la-reunion"}]
    case = Case(contract(sites=sites, equipment=[])).kickoff(phase(site="R"))
    case.firm("2026-04-01 10:00", site="R").sent("intervention_schedule:P1:1", "2026-04-01 10:01")
    case.sent("kickoff_minutes", "2026-03-25 18:00")
    case.o.record.sendings["kickoff_minutes"].mails[0] = (
        case.o.record.sendings["kickoff_minutes"]
        .mails[0]
        .model_copy(
            update={"accepted_at": t("2026-03-25 18:00").astimezone(t("2026-01-01").tzinfo)}
        )
    )
    told = answer(case, "2026-04-02 12:00").model_dump(mode="json")
    assert told["phases"][0] == {
        "id": "P1",
        "starts_at": "2026-04-13T10:00:00+04:00",
        "ends_at": "2026-04-15T20:00:00+04:00",
        "notice_accepted_at": "2026-04-01T12:01:00+04:00",
        "notice_hours": 285.98,
        "state": "firm",
    }
    [o5] = [one for one in told["deadlines"] if one["obligation"] == "O5"]
    assert o5["due_at"] == "2026-04-10T10:00:00+04:00"
    assert told["emails"][1]["accepted_at"] == "2026-03-25T18:00:00+01:00"


def test_the_state_of_a_phase_through_its_life() -> None:
    case = Case().kickoff(phase(), phase("P2"))

    def states(now: str) -> list[str]:
        return [one.state for one in answer(case, now).phases]

    assert states("2026-04-13 12:00") == ["provisional", "provisional"]
    case.firm("2026-04-01 10:00")
    assert states("2026-04-13 07:59") == ["firm", "provisional"]
    assert states("2026-04-13 08:00") == ["open", "provisional"]
    done = {"id": "P1", "completed_at": "2026-04-15T17:00:00+02:00"}
    case.take("phase_completed", "2026-04-15 17:00", **done)
    case.take("phase_cancelled", "2026-04-15 17:00", id="P2", reason="x")
    assert states("2026-04-16 08:00") == ["completed", "cancelled"]


def test_the_projection_for_the_register_and_the_search_attributes() -> None:
    case = Case(one_site()).recette("2026-05-05", reserve(1), reserve(2))
    case.take("reserve_lifted", "2026-05-06 10:00", number=2, lifted_on="2026-05-06", by="Dsi")
    now = t("2026-05-06 12:00")
    shown = projection(case.o, deadlines(case.o, now), now)
    assert (shown.step, shown.health, shown.project_manager) == ("1", "late", "CHF")
    assert (shown.open_reserves, shown.missed_deadlines) == (1, 2)  # O1, and O10
    assert shown.last_missed_at == t("2026-04-27 23:59:59")
    assert shown.next_deadline == t("2026-06-04 23:59:59")
    assert projection(Case(contract(team__project_manager=None)).o, [], now).project_manager is None


def test_the_status_of_a_completed_onboarding() -> None:
    case = Case().activated("2026-06-01 08:00")
    case.take("interview_held", "2026-06-24 18:00", **INTERVIEW)
    told = answer(case, "2026-06-24 18:00", completed=True)
    assert (told.step, told.health, told.waiting_for) == ("completed", "on_time", [])
    assert told.interview.verdict == "succeeded"
    assert told.maintenance.activation_on == d("2026-06-01")
