"""How a person settles an open point: what `open_point_settled` may say of each family of them."""

from __future__ import annotations

from typing import Final

_BY_FAMILY: Final = {
    "piece": "« retry » une fois le fichier remis en ordre, ou verser la pièce de nouveau",
    "waiting_fact": "dire le fait attendu, ou « abandon »",
    "silence": "de lui-même, dès que le serveur de messagerie accepte l'envoi",
    "remise": "remettre le document par un autre moyen, puis « done_otherwise »",
}
_OTHERWISE: Final = "« retry » (réessayer), « abandon » ou « done_otherwise » (fait par ailleurs)"


def settled_by(id_: str, kind: str) -> str:
    """How to settle the point of that id and kind."""
    family = id_.partition(":")[0]
    return _BY_FAMILY.get(family) or _BY_FAMILY.get(kind, _OTHERWISE)
