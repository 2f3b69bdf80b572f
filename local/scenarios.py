"""Whole onboardings as they are played by the demonstration, the tests and the histories.

Days are counted from the signature in jours ouvrés of every site (``j(4)``), so that the same
story can be told from any date.
"""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.pieces import write_pieces
from process.calendar import MILEO, PARIS, WorkCalendar, at, iso_week
from process.contract import Contract

if TYPE_CHECKING:
    from local.stage import Play


_POINTS: Final = (
    Path(__file__).resolve().parent.parent / "templates" / "documents" / "points_recette.toml"
)


@dataclass(frozen=True)
class Story:
    """The dates of one onboarding."""

    contract: Contract
    calendar: WorkCalendar
    signed_on: date

    def j(self, jours_ouvres: int) -> date:
        """The n-th jour ouvré, at Mileo and at every site, after the signature."""
        names = (MILEO, *(site.zone for site in self.contract.sites))
        return self.calendar.add(self.signed_on, jours_ouvres, names)

    def day(self, jours_ouvres: int) -> str:
        """The same as an ISO date."""
        return self.j(jours_ouvres).isoformat()

    def instant(self, jours_ouvres: int, hour: int, minute: int = 0) -> datetime:
        """An hour of that day, in Paris."""
        return at(self.j(jours_ouvres), time(hour, minute))

    def iso(self, jours_ouvres: int, hour: int, minute: int = 0) -> str:
        """The same, in ISO 8601."""
        return self.instant(jours_ouvres, hour, minute).isoformat()


def next_opening(now: datetime) -> datetime:
    """A Monday morning soon: onboardings are played in the near future, on virtual clocks."""
    day = (now + timedelta(days=2)).astimezone(PARIS).date()
    return at(day + timedelta(days=-day.weekday() % 7), time(9, 30))


def replacement(signed_at: datetime) -> Contract:
    """A system replaced on two sites, with an audit; maintenance on acceptance."""
    return _contract(
        "MIL-2026-041",
        signed_at,
        "replacement",
        client="Laiteries du Val d'Authion",
        domain="laiteries-authion.example",
        people={
            "decision_maker": ("Hélène Marchand", "Directrice générale"),
            "technical_lead": ("Karim Belkacem", "DSI"),
            "primary_user": ("Sophie Le Goff", "Responsable sûreté"),
            "technical_contact": ("Yann Trévidic", "Technicien de maintenance"),
        },
        sites=[
            (
                "ANGERS",
                "Laiterie d'Angers",
                "12 boulevard de l'Industrie\n49000 Angers",
                "metropole",
            ),
            (
                "COLMAR",
                "Plateforme de Colmar",
                "4 rue des Artisans\n68000 Colmar",
                "alsace-moselle",
            ),
        ],
        equipment=[
            ("VMS-01", "vms", "Milestone", "XProtect Corporate", "ANGERS"),
            ("CAM-01", "vms", "Axis", "P3268-LVE", "ANGERS"),
            ("CAM-02", "vms", "Axis", "P3268-LVE", "COLMAR"),
            ("CTA-01", "access_control", "TIL Technologies", "UTiL NEO", "ANGERS"),
            ("HYP-01", "hypervision", "Prysm", "AppVision", "ANGERS"),
            ("SW-01", "network", "Cisco", "Catalyst 9200L", "COLMAR"),
        ],
        effective="on_acceptance",
    )


def new_installation(signed_at: datetime, effective_on: date) -> Contract:
    """A new installation on one site, without audit; maintenance at a fixed date."""
    return _contract(
        "MIL-2026-042",
        signed_at,
        "new",
        client="Clinique Saint-Aubin",
        domain="clinique-saint-aubin.example",
        people={
            "decision_maker": ("Bertrand Lacaze", "Directeur"),
            "technical_lead": ("Inès Haddad", "Responsable technique"),
        },
        sites=[("TOURS", "Clinique de Tours", "8 rue des Halles\n37000 Tours", "metropole")],
        equipment=[
            ("CTA-01", "access_control", "TIL Technologies", "UTiL NEO", "TOURS"),
            ("CAM-01", "vms", "Hanwha Vision", "XNV-8083R", "TOURS"),
        ],
        effective=effective_on.isoformat(),
    )


def extension(signed_at: datetime) -> Contract:
    """A system extended, without a maintenance contract: the difficult one."""
    return _contract(
        "MIL-2026-043",
        signed_at,
        "extension",
        client="Ville de Saint-Cyprien",
        domain="saint-cyprien.example",
        people={
            "decision_maker": ("Michel Azéma", "Directeur général des services"),
            "technical_lead": ("Fatou Diallo", "DSI"),
        },
        sites=[
            ("MAIRIE", "Hôtel de ville", "Place de la République\n66750 Saint-Cyprien", "metropole")
        ],
        equipment=[
            ("CAM-01", "vms", "Bosch", "FLEXIDOME 5100i", "MAIRIE"),
            ("HYP-01", "hypervision", "Prysm", "AppVision", "MAIRIE"),
        ],
        effective=None,
    )


def _contract(
    reference: str,
    signed_at: datetime,
    kind: str,
    *,
    client: str,
    domain: str,
    people: dict[str, tuple[str, str]],
    sites: list[tuple[str, str, str, str]],
    equipment: list[tuple[str, str, str, str, str]],
    effective: str | None,
) -> Contract:
    team = {
        "project_manager": ("Claire Fontaine", "CFO"),
        "technical_referent": ("Julien Moreau", "JMO"),
        "sales": ("Nathalie Perrin", "NPE"),
        "account_manager": ("Olivier Garnier", "OGA"),
    }
    return Contract.model_validate(
        {
            "reference": reference,
            "signed_at": signed_at.isoformat(),
            "project_kind": kind,
            "client": {
                "name": client,
                **{
                    role: {"name": name, "email": _address(name, domain), "job": job}
                    for role, (name, job) in people.items()
                },
            },
            "team": {
                role: {
                    "name": name,
                    "email": _address(name, "mileotech.example"),
                    "phone": "01 84 00 20 11",
                    "code": code,
                }
                for role, (name, code) in team.items()
            },
            "sites": [
                {"code": code, "name": name, "address": address, "zone": zone}
                for code, name, address, zone in sites
            ],
            "equipment": [
                {"tag": tag, "family": family, "manufacturer": maker, "model": model, "site": site}
                for tag, family, maker, model, site in equipment
            ],
            "maintenance": effective
            and {
                "effective": effective,
                "phones": ["01 84 00 20 99"],
                "emails": ["support@mileotech.example"],
                "portal": "https://support.mileotech.example",
            },
        }
    )


_ASCII: Final = str.maketrans("éèêëàâîïôöûüùç", "eeeeaaiioouuuc")


def _address(name: str, domain: str) -> str:
    first, _, last = name.lower().translate(_ASCII).partition(" ")
    return f"{first[0]}.{last.replace(' ', '')}@{domain}"


def _phase(story: Story, id_: str, title: str, site: str, first: int, last: int) -> dict[str, Any]:
    return {
        "id": id_,
        "title": title,
        "site": site,
        "starts_at": story.iso(first, 8),
        "ends_at": story.iso(last, 18),
        "works": ["Pose et raccordement", "Paramétrage", "Essais unitaires"],
    }


_ON_SITE: Final[dict[str, Any]] = {
    "crew": ["Équipe Ouest, deux techniciens"],
    "access": "Par le poste de garde ; un accompagnateur du client en zone de production.",
    "outages": "Images de la zone concernée, une heure au plus par caméra.",
    "counter_measures": "Ronde renforcée par le client pendant la bascule.",
    "prerequisites": ["Ports du commutateur libérés", "Nacelle disponible sur place"],
}
"""What a schedule says beside its dates."""


def _grid(contract: Contract) -> list[dict[str, Any]]:
    """Every point that concerns the contract, tested at the recette: two found wanting, one left
    for later."""
    found: dict[str, dict[str, Any]] = {
        "A-01": {"result": "not_conform", "reserve": 2, "remark": "Portillon nord"},
        "G-05": {"result": "not_tested", "remark": "Coupure générale à programmer avec le client"},
    }
    themes = tomllib.loads(_POINTS.read_text(encoding="utf-8"))["theme"]
    points = [
        point["id"]
        for theme in themes
        for point in theme["point"]
        if not (wanted := point.get("families", theme.get("families")))
        or set(wanted) & set(contract.families)
    ]
    grid = [{"point": id_, "result": "conform", **found.get(id_, {})} for id_ in points]
    return [*grid, {"point": "V-01/CAM-02", "result": "not_conform", "reserve": 1}]


_FRIDAY: Final = 4
Scene = Callable[["Play", Story], Awaitable[None]]


async def play_replacement(play: Play, story: Story) -> None:
    """The full life: audit, scope change, a phase moved inside its 72 h, a deviation, a forgotten
    weekly point, réserves of which one levée is refused, DOE, maintenance, interview."""
    j = story
    p1 = _phase(j, "P1", "Vidéosurveillance d'Angers", "ANGERS", 14, 16)
    p2 = _phase(j, "P2", "Plateforme de Colmar", "COLMAR", 20, 22)
    p3 = _phase(j, "P3", "Hypervision", "ANGERS", 27, 28)

    await play.at(j.instant(1, 10))
    await play.fact(
        "kickoff_planned",
        starts_at=j.iso(4, 14),
        place="Laiterie d'Angers, salle du conseil",
        objectives=["Partager les objectifs du projet", "Arrêter le calendrier prévisionnel"],
        access_hours="Du lundi au vendredi, de 7 h 30 à 18 h 30 ; samedi sur demande.",
        badges="Badges visiteurs remis à l'accueil sur présentation d'une pièce d'identité.",
        safety_plan="Plan de prévention à signer par les deux parties avant la phase P1.",
        audit_arrangements="Visite des deux sites avec M. Belkacem, une demi-journée par site.",
        to_bring=["Plans des bâtiments", "Liste des accès existants", "Plan d'adressage IP"],
    )
    await play.at(j.instant(4, 17))
    await play.fact(
        "kickoff_held",
        held_on=j.day(4),
        place="Laiterie d'Angers, salle du conseil",
        attendees=["Hélène Marchand", "Karim Belkacem", "Claire Fontaine", "Julien Moreau"],
        phases=[p1, p2, p3],
        decisions=["Les interventions ont lieu entre 8 h et 18 h."],
        actions=[
            {
                "what": "Transmettre le plan d'adressage IP",
                "who": "Karim Belkacem",
                "due_on": j.day(6),
            }
        ],
    )
    await play.at(j.instant(6, 16))
    await play.fact(
        "audit_concluded",
        concluded_on=j.day(6),
        conclusions="Le câblage cuivre est réutilisable ; deux commutateurs sont à remplacer.",
        equipment_in_place="14 caméras analogiques, un enregistreur, 6 lecteurs de badges.",
        network="Réseau VLAN existant, deux commutateurs en fin de vie à Colmar.",
        plans="Plans des bâtiments de 2019, fournis ; aucun synoptique de câblage.",
        accesses="212 badges actifs, sans revue des droits depuis 2022.",
        gaps=["Huit caméras sans repère", "Aucune séparation du réseau de sûreté à Colmar"],
        risks=["Baie de Colmar sans onduleur"],
        work_plan_effect="La phase P3 attend la réponse à la proposition d'avenant.",
        contract_effect="Un onduleur et un commutateur s'ajoutent à la fourniture.",
        scope_change={
            "title": "Onduleur et commutateur à Colmar",
            "reason": "La baie de Colmar n'est pas secourue.",
            "phases": ["P3"],
            "price": "4 860 € hors taxes, pose comprise.",
            "schedule_effect": "Aucun, si la réponse parvient sous cinq jours ouvrés.",
        },
    )
    await play.at(j.instant(7, 11))
    await play.fact("phase_planned", **p1, **_ON_SITE)
    await play.at(j.instant(9, 15))
    await play.fact(
        "scope_change_answered", accepted=True, answered_on=j.day(9), by="Hélène Marchand"
    )
    # Inside its 72 hours: refused, then accepted with the client's waiver.
    moved = {**p1, **_ON_SITE, "starts_at": j.iso(14, 13)}
    await play.at(j.instant(12, 16))
    await play.fact("phase_planned", **moved)
    await play.fact(
        "phase_planned",
        **moved,
        waiver={
            "by": "Karim Belkacem",
            "on": j.day(12),
            "reason": "Livraison du matériel décalée au matin même.",
        },
    )
    await play.at(j.instant(13, 10))
    await play.fact("phase_planned", **p2, **_ON_SITE)
    await _until(play, j, 16, 17)
    await play.fact("phase_completed", id="P1", completed_at=j.iso(16, 17))
    await _until(play, j, 19, 9)
    await play.fact("phase_planned", **p3, **_ON_SITE)
    await play.fact(
        "training_planned",
        starts_at=j.iso(30, 9),
        ends_at=j.iso(30, 17),
        site="ANGERS",
        trainer="Julien Moreau",
        trainees=["Sophie Le Goff", "Didier Aubry"],
    )
    # One deviation, told before it happens, with its causes and the catch-up measures.
    await _until(play, j, 22, 10, forgotten=iso_week(j.j(24)))
    await play.fact(
        "deviation_declared",
        phase="P2",
        cause="Deux caméras livrées avec un support non conforme.",
        measures=["Supports remplacés sous 24 heures", "Une équipe supplémentaire le lendemain"],
        new_ends_at=j.iso(23, 18),
        effect="Aucun : la phase P3 garde ses dates.",
    )
    await play.fact("phase_planned", **{**p2, **_ON_SITE, "ends_at": j.iso(23, 18)})
    await _until(play, j, 23, 16, forgotten=iso_week(j.j(24)))
    await play.fact("phase_completed", id="P2", completed_at=j.iso(23, 16))
    await _until(play, j, 25, 9, forgotten=iso_week(j.j(24)))
    await play.fact("recette_planned", starts_at=j.iso(34, 10))
    await _until(play, j, 28, 17, forgotten=iso_week(j.j(24)))
    await _hold_weekly_point(play, None, from_weekday=0)
    await play.fact("phase_completed", id="P3", completed_at=j.iso(28, 17))
    await play.at(j.instant(29, 17))
    await play.fact("commissioned", commissioned_on=j.day(29))
    await play.at(j.instant(30, 17))
    await play.fact("training_held", held_on=j.day(30), trainees=["Sophie Le Goff", "Didier Aubry"])
    await play.at(j.instant(34, 16))
    await play.fact(
        "recette_signed_off",
        effective_on=j.day(34),
        decision="accepted_with_reserves",
        pv_uri=_pieces(play)["signed"],
        place="Laiterie d'Angers",
        present=[
            {"name": "Claire Fontaine", "role": "project_manager"},
            {"name": "Karim Belkacem", "role": "technical_lead"},
        ],
        reserves=[
            {
                "number": 1,
                "title": "Image floue sur CAM-02",
                "severity": "major",
                "equipment": "CAM-02",
                "site": "COLMAR",
                "action": "Régler l'objectif, sinon remplacer la caméra.",
                "who": "Julien Moreau",
            },
            {
                "number": 2,
                "title": "Badge refusé au portillon nord",
                "severity": "blocking",
                "equipment": "CTA-01",
                "site": "ANGERS",
                "action": "Remplacer le lecteur.",
                "who": "Julien Moreau",
            },
            {
                "number": 3,
                "title": "Étiquette de baie manquante",
                "severity": "minor",
                "action": "Poser l'étiquette.",
                "who": "Claire Fontaine",
            },
        ],
        client_remarks="Nous saluons le soin apporté au chantier.",
        mileo_remarks="Les réserves seront levées avant la fin du mois.",
        grid=_grid(play.contract),
    )
    await play.at(j.instant(36, 11))
    await play.fact(
        "reserve_fixed", number=2, fixed_on=j.day(36), evidence="Lecteur remplacé, 20 essais."
    )
    await play.fact(
        "reserve_fixed", number=1, fixed_on=j.day(36), evidence="Objectif nettoyé et réglé."
    )
    await play.at(j.instant(37, 15))
    await play.fact("reserve_lifted", number=2, lifted_on=j.day(37), by="Karim Belkacem")
    await play.fact(
        "reserve_lifting_refused",
        number=1,
        refused_on=j.day(37),
        by="Karim Belkacem",
        reason="L'image reste floue de nuit.",
    )
    await play.at(j.instant(40, 11))
    await play.fact(
        "reserve_fixed", number=1, fixed_on=j.day(40), evidence="Caméra remplacée, essai de nuit."
    )
    await play.fact("reserve_fixed", number=3, fixed_on=j.day(40), evidence="Étiquette posée.")
    await play.at(j.instant(42, 14))
    await play.fact("reserve_lifted", number=3, lifted_on=j.day(42), by="Karim Belkacem")
    await play.fact("reserve_lifted", number=1, lifted_on=j.day(42), by="Karim Belkacem")
    await play.at(j.instant(46, 10))
    await _file_doe(play, but="SW-01")
    # Incomplete: not handed over, and what is missing is listed.
    await play.fact("doe_released", released_on=j.day(46), by="Claire Fontaine")
    await _file_datasheet(play, _pieces(play), "SW-01")
    await play.fact("doe_released", released_on=j.day(46), by="Claire Fontaine")
    await play.at(j.instant(48, 10))
    await play.fact("doe_received", received_on=j.day(48), by="Karim Belkacem")
    await _maintained(play, j, score=9, actions=[])


async def play_new(play: Play, story: Story, longer: int = 0) -> None:
    """The short way: no audit, accepted without réserve, maintenance at a fixed date. The works
    last two jours ouvrés, and as many more as ``longer``."""
    j = story
    p1 = _phase(j, "P1", "Contrôle d'accès et vidéosurveillance", "TOURS", 13, 15 + longer)
    await play.at(j.instant(2, 11))
    await play.fact("kickoff_planned", starts_at=j.iso(5, 10), place="Clinique de Tours")
    await play.at(j.instant(5, 12))
    await play.fact(
        "kickoff_held",
        held_on=j.day(5),
        attendees=["Bertrand Lacaze", "Inès Haddad", "Claire Fontaine"],
        phases=[p1],
    )
    await play.at(j.instant(6, 9))
    await play.fact("phase_planned", **p1)
    await play.fact(
        "training_planned",
        starts_at=j.iso(16 + longer, 14),
        site="TOURS",
        trainer="Julien Moreau",
        trainees=["Inès Haddad"],
    )
    await play.at(j.instant(10, 9))
    await play.fact("recette_planned", starts_at=j.iso(19 + longer, 10), site="TOURS")
    await _until(play, j, 15 + longer, 17)
    await _hold_weekly_point(play, None, from_weekday=0)
    await play.fact("phase_completed", id="P1", completed_at=j.iso(15 + longer, 17))
    await play.at(j.instant(16 + longer, 18))
    await play.fact("commissioned", commissioned_on=j.day(16 + longer))
    await play.fact("training_held", held_on=j.day(16 + longer), trainees=["Inès Haddad"])
    await play.at(j.instant(19 + longer, 12))
    await play.fact(
        "recette_signed_off",
        effective_on=j.day(19 + longer),
        sites=["TOURS"],
        decision="accepted",
        present=[
            {"name": "Claire Fontaine", "role": "project_manager"},
            {"name": "Paul Renard", "role": "delegate", "mandate": "pour Inès Haddad"},
        ],
        reserves=[],
    )
    await play.at(j.instant(24 + longer, 10))
    await _file_doe(play, but=None)
    await play.fact("doe_released", released_on=j.day(24 + longer), by="Claire Fontaine")
    await play.fact("doe_received", received_on=j.day(24 + longer), by="Inès Haddad")
    await _maintained(play, j, score=7, actions=[{"what": "Former un second utilisateur"}])


async def play_difficult(play: Play, story: Story) -> None:
    """Life happens: facts that come too early, a kick-off that is late, a project manager who
    leaves, a wrong entry corrected, a suspension, a phase cancelled, a recette refused then held
    again, a réserve contested then withdrawn, an interview held at the third try."""
    j = story
    # The planning tool speaks before the project manager: the fact waits.
    p1 = _phase(j, "P1", "Caméras de la place", "MAIRIE", 24, 25)
    p2 = _phase(j, "P2", "Caméras du parc", "MAIRIE", 30, 31)
    await play.at(j.instant(3, 9))
    await play.fact("phase_planned", **p1)
    # Nobody plans the kick-off: reminders, then the head of projects.
    await play.at(j.instant(12, 15))
    kickoff: dict[str, Any] = {
        "held_on": j.day(12),
        "attendees": ["Michel Azéma", "Fatou Diallo", "Claire Fontaine"],
        "phases": [p1, p2],
    }
    await play.fact("kickoff_held", **kickoff)
    # It had been held in time: the entry was wrong.
    await play.at(j.instant(13, 10))
    await play.fact(
        "fact_corrected",
        fact="kickoff_held",
        payload={**kickoff, "held_on": j.day(9)},
        by="Claire Fontaine",
        reason="Erreur de saisie : la réunion s'est tenue trois jours ouvrés plus tôt",
    )
    await play.fact(
        "audit_concluded", concluded_on=j.day(13), conclusions="Le câblage existant est conforme."
    )
    await play.at(j.instant(14, 9))
    await play.fact(
        "contact_replaced",
        role="project_manager",
        person={
            "name": "Léa Roux",
            "email": "l.roux@mileotech.example",
            "phone": "01 84 00 20 12",
            "code": "LRO",
        },
    )
    await play.at(j.instant(16, 9))
    await play.fact(
        "onboarding_suspended", reason="Place inaccessible : fouilles archéologiques", by="Léa Roux"
    )
    await play.at(j.instant(36, 9))
    await play.fact("onboarding_resumed", reason="Fouilles achevées", by="Léa Roux")
    # The limit of the audit is behind; those that run are moved by a fact, never in silence.
    await play.fact("phase_planned", **_phase(j, "P1", "Caméras de la place", "MAIRIE", 42, 43))
    await play.fact("phase_cancelled", id="P2", reason="Parc retiré du projet par la ville")
    await play.fact(
        "training_planned",
        starts_at=j.iso(45, 9),
        site="MAIRIE",
        trainer="Julien Moreau",
        trainees=["Fatou Diallo"],
    )
    await play.fact("recette_planned", starts_at=j.iso(47, 10))
    await _until(play, j, 43, 17)
    await _hold_weekly_point(play, None, from_weekday=0)
    await play.fact("phase_completed", id="P1", completed_at=j.iso(43, 17))
    await play.at(j.instant(45, 17))
    await play.fact("commissioned", commissioned_on=j.day(45))
    await play.fact("training_held", held_on=j.day(45), trainees=["Fatou Diallo"])
    present = [
        {"name": "Léa Roux", "role": "project_manager"},
        {"name": "Fatou Diallo", "role": "technical_lead"},
    ]
    await play.at(j.instant(47, 12))
    await play.fact(
        "recette_signed_off",
        effective_on=j.day(47),
        decision="refused",
        present=present,
        reserves=[],
        client_remarks="L'hypervision ne remonte pas les alarmes.",
    )
    await play.fact("recette_planned", starts_at=j.iso(54, 10))
    await play.at(j.instant(54, 12))
    await play.fact(
        "recette_signed_off",
        effective_on=j.day(54),
        decision="accepted_with_reserves",
        present=present,
        reserves=[{"number": 1, "title": "Reflet sur CAM-01", "severity": "minor"}],
    )
    await play.at(j.instant(56, 10))
    await play.fact(
        "reserve_contested",
        number=1,
        on=j.day(56),
        by="Léa Roux",
        reason="Reflet d'une vitrine voisine, hors du marché",
    )
    await play.at(j.instant(58, 10))
    await play.fact(
        "reserve_withdrawn",
        number=1,
        on=j.day(58),
        by="Fatou Diallo",
        reason="La vitrine a été occultée",
    )
    await play.at(j.instant(62, 10))
    await _file_doe(play, but=None)
    # A file that was cut on its way is refused; put right, the same piece is filed again.
    diagram = _pieces(play)["wiring"]
    path = play.stage.settings.inbox / diagram
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    revised = {"family": "wiring", "name": "Synoptique du parc", "uri": diagram}
    await play.fact("doe_piece_filed", **revised)
    path.write_bytes(whole)
    await play.fact("doe_piece_filed", **revised)
    await play.fact("doe_released", released_on=j.day(62), by="Léa Roux")
    # Without maintenance the interview counts from the final acceptance.
    base = j.j(58)
    for days in (22, 24):
        tried = at(story.calendar.worked_from(base + timedelta(days=days)), time(11))
        await play.at(tried)
        await play.fact(
            "interview_held",
            tried_on=tried.date().isoformat(),
            not_held_reason="Interlocuteur absent",
        )
    held = at(story.calendar.worked_from(base + timedelta(days=27)), time(11))
    await play.at(held)
    await play.fact(
        "interview_held",
        held_on=held.date().isoformat(),
        score=6,
        masters_system=True,
        masters_incident_procedure=False,
        strengths=["Franchise sur les difficultés"],
        improvements=["Prévoir l'accès à la place"],
        actions=[{"what": "Rappeler la procédure d'incident", "who": "Léa Roux"}],
    )


async def _until(
    play: Play, story: Story, jours: int, hour: int, forgotten: str | None = None
) -> None:
    """Let time pass to that hour, holding the weekly point of each week but the forgotten one."""
    end = story.instant(jours, hour)
    while (now := await play.now()) < end:
        today = now.astimezone(PARIS).date()
        evening = at(today, time(17))
        if evening <= now:
            evening = at(today + timedelta(days=1), time(17))
        await play.at(min(end, evening))
        await _hold_weekly_point(play, forgotten, from_weekday=1)


async def _hold_weekly_point(play: Play, forgotten: str | None, from_weekday: int) -> None:
    today = (await play.now()).astimezone(PARIS).date()
    awaited = [expected["fact"] for expected in (await play.status())["waiting_for"]]
    is_day = from_weekday <= today.weekday() <= _FRIDAY
    if "progress_reported" in awaited and is_day and iso_week(today) != forgotten:
        await play.fact(
            "progress_reported",
            held_on=today.isoformat(),
            done=["Travaux conformes au plan de travaux"],
            next=["Poursuite de la phase en cours"],
            decisions=["Point suivant à la même heure"],
        )


def _pieces(play: Play) -> dict[str, str]:
    """The files of the contract's DOE, in the inbox; the ``uri`` of each."""
    return write_pieces(play.stage.settings.inbox, play.contract)


async def _file_doe(play: Play, but: str | None) -> None:
    """File the six families, and a datasheet for each item of equipment but one."""
    uris = _pieces(play)
    for family, name in (
        ("plans", "Plans d'implantation"),
        ("wiring", "Synoptique de câblage"),
        ("configurations", "Sauvegardes de configuration"),
        ("certificates", "Attestations de conformité"),
    ):
        await play.fact("doe_piece_filed", family=family, name=name, uri=uris[family])
    await play.fact(
        "doe_piece_filed",
        family="warranties",
        name="Garanties constructeur",
        not_applicable_reason="Garanties portées par le contrat-cadre du client.",
    )
    for item in play.contract.equipment:
        if item.tag != but:
            await _file_datasheet(play, uris, item.tag)


async def _file_datasheet(play: Play, uris: dict[str, str], tag: str) -> None:
    await play.fact(
        "doe_piece_filed",
        family="datasheets",
        name=f"Fiche technique {tag}",
        uri=uris[f"datasheet:{tag}"],
        equipment=[tag],
    )


async def _maintained(play: Play, story: Story, score: int, actions: list[dict[str, str]]) -> None:
    """From the activation to the interview."""
    status = await play.status()
    activation = date.fromisoformat(status["maintenance"]["activation_on"])
    call = at(story.calendar.add(activation, 3), time(11))
    await play.at(at(activation, time(10)))
    await play.fact("presentation_planned", starts_at=call.isoformat())
    await play.at(call)
    await play.fact(
        "maintenance_presented",
        held_on=call.date().isoformat(),
        attendees=["Le contact technique du client", "Olivier Garnier"],
        topics=["Portail client, essayé ensemble", "Niveaux de criticité", "Escalade"],
        remarks="Le client souhaite deux comptes sur le portail.",
    )
    interview = at(story.calendar.worked_from(activation + timedelta(days=25)), time(15))
    await play.at(interview - timedelta(days=2))
    await play.fact("interview_planned", starts_at=interview.isoformat())
    await play.at(interview)
    await play.fact(
        "interview_held",
        held_on=interview.date().isoformat(),
        score=score,
        masters_system=True,
        masters_incident_procedure=True,
        strengths=["Équipe disponible", "Planning tenu"],
        improvements=["Prévoir la formation plus tôt"],
        scores_by_step={"Déploiement": score, "Formation": score - 1, "Recette": score},
        actions=actions,
    )
