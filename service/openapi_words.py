"""The words of the description of the service, in French: what its routes and models are for."""

from __future__ import annotations

from typing import Any, Final

from process.facts import FACTS

Json = dict[str, Any]

ABOUT: Final = """\
Un contrat signé devient un **onboarding**, qui avance par les **faits** qu'on lui dit et dit à tout
moment où il en est. Cette page décrit ce service ; elle n'envoie rien, puisqu'un navigateur n'a pas
de secret pour signer.

## Signer

Chaque message est signé selon [Standard Webhooks](https://www.standardwebhooks.com), avec le secret
`whsec_…` que Mileo Technology vous a confié, et qui dit aussi qui vous êtes. Trois en-têtes :

- `webhook-id` : l'identifiant du message, unique parmi tous vos messages, le même à chaque renvoi ;
- `webhook-timestamp` : l'instant de l'envoi, en secondes depuis 1970, à cinq minutes près ;
- `webhook-signature` : `v1,` suivi du HMAC-SHA256, en base64, de `id.timestamp.contenu`, octet pour
  octet. Une lecture (`GET`) signe un contenu vide.

Des bibliothèques le font dans la plupart des langages. En Python :

```
from datetime import UTC, datetime
from standardwebhooks import Webhook

now = datetime.now(UTC)
headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": str(int(now.timestamp())),
    "webhook-signature": Webhook(secret).sign(id, now, body),
}
```

## Envoyer de nouveau

Rien n'est acquitté qui ne soit durable. Après un 503, ou sans réponse, renvoyez **le même message**
sous le **même** `webhook-id` : il compte une seule fois. Le même identifiant pour un autre message est
refusé (409). Un message refusé n'est pas retenu : corrigé ou renvoyé, il est jugé de nouveau.

## Écrire

Un message est un seul objet JSON en UTF-8, d'un mégaoctet au plus, sans clé répétée ni champ inconnu.
Un instant porte son décalage (`2026-12-03T14:00:00+01:00`), une date n'en a pas (`2026-12-03`). Une
erreur est un `application/problem+json` (RFC 9457) qui nomme chaque champ par son chemin.
"""

TAGS: Final[list[Json]] = [
    {"name": "contrats", "description": "Un contrat signé démarre son onboarding."},
    {"name": "onboardings", "description": "Dire ce qui est arrivé, demander où on en est."},
    {"name": "documents", "description": "Remettre un document, par le lien d'un courriel."},
    {"name": "santé", "description": "Pour ceux qui veillent sur le service."},
]

SIGNED_HEADERS: Final[dict[str, Json]] = {
    "webhook-id": {
        "description": "L'identifiant du message, unique parmi les vôtres, le même à chaque renvoi",
        "example": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    },
    "webhook-timestamp": {
        "description": "L'instant de l'envoi, en secondes depuis 1970",
        "example": "1796302800",
    },
    "webhook-signature": {
        "description": "Une ou plusieurs signatures « v1,… », séparées par une espace",
        "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
}

SECURITY: Final[dict[str, Json]] = {
    name: {"type": "apiKey", "in": "header", "name": name, "description": told["description"]}
    for name, told in SIGNED_HEADERS.items()
}
"""Standard Webhooks, as far as OpenAPI can say it: three headers, always together."""

DETAILS: Final[dict[str, str]] = {
    "/contracts": "Trois messages sont possibles : un contrat signé, qui démarre son onboarding ; "
    "un **brouillon**, le même sans `signed_at`, gardé jusqu'à sa signature ; une **signature**, "
    "`reference` et `signed_at` seuls, gardée jusqu'à son contrat. Le même contrat transmis deux "
    "fois est un seul onboarding ; un contrat différent sous la même référence est refusé.",
    "/contracts/{source}": "Pour un service qui écrit à sa façon. Un fichier déclare comment ses "
    "événements sont signés, lesquels comptent et où s'y trouve chaque champ du contrat ; ils sont "
    "signés selon son propre schéma, non par les en-têtes des autres routes. Un événement qui "
    "n'est pas suivi est acquitté, sans effet.",
    "/onboardings/{reference}/facts/{name}": "Le fait compte aussitôt (`accepted`), attend d'avoir "
    "un sens (`waiting`), est déjà su (`known`), ou est refusé avec sa raison. Sans `fact_id`, "
    "`webhook-id` en tient lieu.",
    "/onboardings/{reference}": "L'étape, la santé, les échéances, les phases, les réserves, les "
    "documents, les courriels et ce qui est attendu, de qui. Une fois l'onboarding clos, son "
    "dernier état.",
    "/documents/{sha256}": "Le lien d'un courriel porte sa propre signature et expire. Une "
    "personne reçoit, s'il le faut, une page qui lui explique ce qui ne va pas.",
    "/health/live": "Ne demande rien à personne.",
    "/health/ready": "Interroge la base de données, les documents et le serveur Temporal, cinq "
    "secondes au plus.",
}

ANSWERS: Final[dict[str, dict[str, str]]] = {
    "/contracts": {
        "200": "Déjà connu : rien n'a changé",
        "202": "Durable : onboarding démarré, ou brouillon ou signature gardé",
    },
    "/contracts/{source}": {
        "200": "Déjà connu, ou événement qui n'est pas suivi : rien n'a changé",
        "202": "Durable : onboarding démarré, ou brouillon ou signature gardé",
        "401": "Non signé, ou mal signé, selon le schéma de la source",
        "404": "Source non déclarée",
    },
    "/onboardings/{reference}/facts/{name}": {
        "200": "Pris en compte, ou déjà connu",
        "202": "Gardé : il comptera quand il aura un sens",
    },
    "/onboardings/{reference}": {
        "200": "Où en est l'onboarding",
        "404": "Onboarding inconnu",
    },
    "/documents/{sha256}": {
        "200": "Le document : un PDF, ou une archive ZIP chiffrée",
        "401": "Lien incomplet ou modifié",
        "404": "Aucun document à ce lien",
        "410": "Lien expiré",
        "503": "Le document ne peut être lu pour l'instant : réessayer après Retry-After secondes",
    },
    "/health/live": {"200": "Le service tourne"},
    "/health/ready": {
        "200": "Tout répond",
        "503": "L'un des trois au moins ne répond pas : celui qui est `unavailable`",
    },
}

NEVER: Final[dict[str, set[str]]] = {
    "/onboardings/{reference}": {"409", "413", "422"},
    "/contracts": {"404"},
}
"""What the routes share, and these never answer."""


def _answer(outcome: str, message: str, *, started: bool = True) -> Json:
    reference = "MIL-2026-052"
    value = {"reference": reference, "outcome": outcome, "message": message}
    if started:
        value["workflow_id"] = f"onboarding-{reference}"
    return {"summary": message[0].upper() + message[1:], "value": value}


def _problem(status: int, title: str, detail: str, *errors: tuple[str, str]) -> Json:
    value: Json = {"title": title, "status": status, "detail": detail}
    if errors:
        value["errors"] = [{"path": path, "reason": reason} for path, reason in errors]
    return {"problem": {"summary": title, "value": value}}


_PROBLEM: Final = "application/problem+json"
_TAKEN: Final[Json] = {
    "started": _answer("started", "onboarding démarré"),
    "draft": _answer("draft", "brouillon gardé : il attend la signature", started=False),
    "signature": _answer("signature", "signature gardée : elle attend le contrat", started=False),
}
_KNOWN: Final = _answer("known", "contrat déjà connu")

EXAMPLES: Final[dict[tuple[str, str], Json]] = {
    ("/contracts", "200"): {"known": _KNOWN},
    ("/contracts", "202"): _TAKEN,
    ("/contracts/{source}", "200"): {
        "known": _KNOWN,
        "ignored": {
            "summary": "Événement non suivi",
            "value": {"outcome": "ignored", "message": "non suivi : event_name"},
        },
    },
    ("/contracts/{source}", "202"): _TAKEN,
    ("/onboardings/{reference}/facts/{name}", "200"): {
        "accepted": _answer("accepted", "pris en compte"),
        "known": _answer("known", "message déjà reçu"),
    },
    ("/onboardings/{reference}/facts/{name}", "202"): {
        "waiting": _answer("waiting", "en attente : la phase P9 n'est pas connue"),
    },
    ("/contracts/{source}", "401"): _problem(
        401,
        "Cet événement n’est pas signé comme attendu",
        "la signature ne correspond à aucun secret de « yousign »",
    ),
    ("/contracts/{source}", "404"): _problem(
        404, "Cette source n’est pas déclarée", "source : yousing"
    ),
    ("/documents/{sha256}", "401"): _problem(
        401,
        "Ce lien est incomplet ou a été modifié",
        "Merci de l’ouvrir à nouveau depuis le message que vous avez reçu…",
    ),
    ("/documents/{sha256}", "404"): _problem(
        404, "Ce document est introuvable", "Aucun document ne correspond à ce lien…"
    ),
    ("/documents/{sha256}", "410"): _problem(
        410,
        "Ce lien a expiré",
        "Pour protéger vos documents, chaque lien n’est valable qu’un temps…",
    ),
    ("/health/ready", "200"): {
        "ready": {
            "summary": "Tout répond",
            "value": {"database": "ok", "documents": "ok", "temporal": "ok"},
        }
    },
    ("/health/ready", "503"): {
        "wanting": {
            "summary": "Temporal ne répond pas",
            "value": {"database": "ok", "documents": "ok", "temporal": "unavailable"},
        }
    },
    (_PROBLEM, "400"): _problem(400, "Ce message est illisible", "JSON invalide"),
    (_PROBLEM, "401"): _problem(
        401,
        "Ce message n’est pas signé comme attendu",
        "la signature ne correspond à aucun secret",
    ),
    (_PROBLEM, "404"): _problem(404, "Inconnu ici", "aucun onboarding MIL-2026-999"),
    (_PROBLEM, "409"): _problem(
        409, "Ce message est refusé", "webhook-id : a déjà servi pour un autre message"
    ),
    (_PROBLEM, "413"): _problem(
        413, "Ce message est trop volumineux", "Un message compte au plus 1 Mo."
    ),
    (_PROBLEM, "422"): _problem(
        422,
        "Ce message est invalide",
        "client.decision_maker.email : adresse de courriel attendue",
        ("client.decision_maker.email", "adresse de courriel attendue"),
        ("sites[0].zone", "champ obligatoire absent"),
    ),
    (_PROBLEM, "503"): _problem(
        503,
        "Le service est momentanément indisponible",
        "Nous vous prions de nous en excuser. Merci de réessayer dans quelques minutes.",
    ),
}
"""By route and status, else by media type and status."""

DOCUMENT: Final[Json] = {
    media: {"schema": {"type": "string", "format": "binary"}}
    for media in ("application/pdf", "application/zip")
}

IGNORED: Final[Json] = {
    "type": "object",
    "description": "Un événement que la source ne suit pas.",
    "properties": {
        "outcome": {"const": "ignored", "description": "Acquitté, sans effet"},
        "message": {"type": "string", "description": "Où il diffère de ce qui est suivi"},
    },
    "required": ["outcome", "message"],
}

EVENT_BODY: Final[Json] = {
    "required": True,
    "description": "L'événement, tel que le service l'écrit.",
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "examples": {
                "crm": {
                    "summary": "Un événement d'un CRM",
                    "value": {
                        "evenement": {"id": "evt-1042", "type": "affaire.signee"},
                        "affaire": {"numero": "MIL-2026-052", "signee_le": 1794834000000},
                    },
                }
            },
        }
    },
}

MODELS: Final[dict[str, str]] = {
    "Answer": "Ce qu'il est advenu d'un message.",
    "FieldError": "Une chose à corriger dans ce qui a été envoyé.",
    "Live": "Le service tourne.",
    "ProblemDetails": "Une erreur (RFC 9457), dont le `type` est `about:blank`.",
    "Ready": "Ce dont le service a besoin : `ok`, ou `unavailable` s'il ne répond pas.",
    "SignatureEvent": "La signature d'un brouillon.",
}

FIELDS: Final[dict[str, Json]] = {
    "/contracts/{source} source": {"description": "Le nom de la source", "example": "yousign"},
    "/onboardings/{reference}/facts/{name} name": {
        "description": "Le nom du fait",
        "schema": {"type": "string", "enum": list(FACTS)},
        "example": "kickoff_planned",
    },
    "/documents/{sha256} reference": {"required": True},
    "/documents/{sha256} expires": {"required": True},
    "/documents/{sha256} signature": {"required": True},
    "FieldError.reason": {"description": "Ce qui ne va pas"},
    "ProblemDetails.title": {"description": "En quelques mots, pour une personne"},
    "ProblemDetails.status": {"description": "Le code HTTP"},
    "ProblemDetails.detail": {"description": "La première raison, ou ce qu'il faut faire"},
    "ProblemDetails.errors": {"description": "Chaque champ à corriger"},
    "SignatureEvent.reference": {"description": "La référence du contrat"},
    "SignatureEvent.signed_at": {"description": "L'instant de la dernière signature"},
}
"""Of a model's field, or of a route's parameter."""
