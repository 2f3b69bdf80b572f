"""Why something from outside cannot be taken, in French, one problem a line."""

from __future__ import annotations

from typing import Final, NamedTuple

from pydantic import ValidationError

_MESSAGES: Final[dict[str, str]] = {
    "missing": "champ obligatoire absent",
    "extra_forbidden": "champ inconnu",
    "string_type": "texte attendu",
    "string_too_short": "texte vide ou trop court",
    "string_too_long": "texte trop long ({max_length} caractères au plus)",
    "string_pattern_mismatch": "forme invalide (lettres, chiffres, « . », « _ » ou « - »)",
    "list_type": "liste attendue",
    "too_short": "au moins {min_length} élément attendu",
    "too_long": "trop d'éléments ({max_length} au plus)",
    "dict_type": "objet JSON attendu",
    "model_type": "objet JSON attendu",
    "model_attributes_type": "objet JSON attendu",
    "bool_type": "true ou false attendu",
    "int_from_float": "nombre entier attendu",
    "greater_than_equal": "doit être au moins {ge}",
    "less_than_equal": "doit être au plus {le}",
    "literal_error": "valeur inconnue ; attendu : {expected}",
    "date_from_datetime_parsing": "date attendue (exemple : 2026-03-30)",
    "date_parsing": "date attendue (exemple : 2026-03-30)",
    "date_type": "date attendue (exemple : 2026-03-30)",
    "date_from_datetime_inexact": "date sans heure attendue (exemple : 2026-03-30)",
    "datetime_parsing": "instant attendu (exemple : 2026-03-30T08:00:00+02:00)",
    "datetime_from_date_parsing": "instant attendu (exemple : 2026-03-30T08:00:00+02:00)",
    "datetime_type": "instant attendu (exemple : 2026-03-30T08:00:00+02:00)",
    "timezone_aware": "fuseau manquant (exemple : 2026-03-30T08:00:00+02:00)",
    "invalid_key": "clé invalide",
}


_NAMED: Final = 100
"""How much of a key is shown."""

_TOLD: Final = 50
"""How many problems of one message are shown."""

_READ: Final = 5_000
"""How many are looked at: a thousand empty items could have a million, and a run that takes seconds
over one message is stopped as if it hung."""


class Problem(NamedTuple):
    """One thing wrong: where, and why, in French."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path} : {self.message}" if self.path else self.message


def problems(error: ValidationError) -> list[Problem]:
    """The problems of a validation, each with the path of its field (``sites[0].zone``)."""
    if (count := error.error_count()) > _READ:
        return [Problem("", f"contenu sans rapport avec ce qui est attendu : {count} problèmes")]
    found = []
    for detail in error.errors(include_url=False, include_input=False):
        kind, context = detail["type"], detail.get("ctx", {})
        if kind == "value_error":
            message = str(context["error"])
        elif kind in _MESSAGES:
            message = _MESSAGES[kind].format_map(
                {name: str(value).replace(" or ", " ou ") for name, value in context.items()}
            )
        else:
            message = "valeur invalide"
        found.append(Problem(_path(detail["loc"], unknown=kind == "extra_forbidden"), message))
    return told(list(dict.fromkeys(found)))


def told(found: list[Problem]) -> list[Problem]:
    """The first problems, and how many more there are: a refusal must fit in its answer."""
    more = len(found) - _TOLD
    return (
        found if more <= 0 else [*found[:_TOLD], Problem("", f"problèmes non détaillés : {more}")]
    )


def _path(location: tuple[int | str, ...], *, unknown: bool) -> str:
    path = ""
    for rank, part in enumerate(location, start=1):
        if isinstance(part, int):
            path += f"[{part}]"
        elif unknown and rank == len(location):
            # An unknown key is named whatever it looks like, on one line.
            name = " ".join(part[:_NAMED].split())
            path += f".{name}" if path else name
        # Branches of a union ("literal['on_acceptance']", "function-before[...]") are no fields.
        elif part.isidentifier() and part not in {"date", "str", "int"}:
            path += f".{part[:_NAMED]}" if path else part[:_NAMED]
    return path
