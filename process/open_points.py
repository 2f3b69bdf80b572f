"""How a person settles an open point: the actions of ``open_point_settled`` that each family takes.

The family of a point is the beginning of its id: ``mail:welcome``, ``piece:plans``…
"""

from __future__ import annotations

from typing import Final

ACTIONS: Final = {
    "retry": "réessayer",
    "done_otherwise": "fait par un autre moyen",
    "abandon": "y renoncer",
}

_NEEDED: Final = ("user_guide", "doe_delivery", "incident_sheet")
"""Sendings that a step is not finished without: they are never given up."""

_SENT_ANYWAY: Final = "l'envoi est déjà retenté sans relâche"
_REFUSED: Final[dict[str, dict[str, str]]] = {
    "silence": {"retry": _SENT_ANYWAY},
    "mailbox": {"retry": "le prochain rappel essaiera de nouveau cette adresse"},
    "remise": {"retry": "à remettre par un autre moyen, puis done_otherwise"},
    "afflux": {"retry": "il n'y a rien à réessayer"},
    "calendrier": {"abandon": "réessayer, ou garder ce qui est appliqué : done_otherwise"},
    "registre": {"abandon": "l'onboarding doit être au registre : le restaurer, puis retry"},
    "waiting": {"retry": "ce fait est jugé de nouveau à chaque fait reçu"},
}
_ADVICE: Final = {
    "registre": "restaurer le registre, puis « retry »",
    "piece": "« retry » une fois le fichier remis en ordre, ou verser la pièce de nouveau",
    "waiting": "dire le fait qu'il attend, ou « abandon »",
    "calendrier": "décider (ONBOARDING_UNUSUAL_HOLIDAYS), puis « retry » pour relire à partir "
    "de cette année, ou « done_otherwise » pour garder les jours appliqués",
    "silence": "se règle de lui-même dès que l'envoi aboutit",
    "mailbox": "corriger l'adresse (contact_replaced), puis « done_otherwise »",
    "afflux": "vérifier l'émetteur des messages, puis « done_otherwise »",
    "remise": "remettre le document par un autre moyen, puis « done_otherwise »",
}


_SECRETS_ADVICE: Final = (
    "« done_otherwise » avec secrets : « redact » (copie caviardée au dossier, original au "
    "conteneur), « container » (au conteneur seulement) ou « harmless » (sans danger, dire "
    "pourquoi) ; « retry » une fois le fichier remplacé"
)


def refusal(id_: str, action: str) -> str | None:
    """Why a point of that id does not take that action; None when it does."""
    family, _, subject = id_.partition(":")
    if family in {"mail", "document"} and action == "abandon" and subject.startswith(_NEEDED):
        return "cet envoi est dû : retry, ou done_otherwise"
    return _REFUSED.get(family, {}).get(action)


def taken_by(id_: str) -> list[str]:
    """The actions that a point of that id takes, the most likely first."""
    likely = list(ACTIONS)
    if id_.startswith("waiting:"):
        likely.reverse()
    return [action for action in likely if refusal(id_, action) is None]


def advice(id_: str, kind: str = "") -> str:
    """How to settle the point of that id, for a person; ``kind`` where one family has several."""
    family = id_.partition(":")[0]
    if kind == "piece_secrets":
        return _SECRETS_ADVICE
    if family in _ADVICE:
        return _ADVICE[family]
    *others, last = [f"« {action} » ({ACTIONS[action]})" for action in taken_by(id_)]
    return f"{', '.join(others)} ou {last}"
