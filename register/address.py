"""The address of the database, as people write it and as SQLAlchemy wants it."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def with_driver(url: str) -> str:
    """The same address with the asynchronous driver; an address that has it is unchanged.

    Raises ``ValueError``, in French and without the address (it may hold a password).
    """
    scheme, separator, rest = url.partition("://")
    driver = _DRIVERS.get(scheme) if separator else None
    if driver is None:
        raise ValueError("adresse attendue : sqlite:///… ou postgresql://…")
    if driver.startswith("sqlite"):
        if not rest.startswith("/") or rest == "/" or ":memory:" in rest:
            raise ValueError("fichier attendu : sqlite:///dossier/registre.db")
        return f"{driver}://{rest}"
    authority, _, options = rest.partition("?")
    try:
        readable = bool(authority) and urlsplit(f"//{authority}").port != 0
    except ValueError:
        readable = False
    if not readable:
        raise ValueError(
            "adresse PostgreSQL illisible (les caractères spéciaux d'un mot de passe s'écrivent %XX)"
        )
    # libpq calls it sslmode, as hosted databases do in the address they give; asyncpg, ssl.
    query = [
        ("ssl" if name == "sslmode" else name, value)
        for name, value in parse_qsl(options, keep_blank_values=True)
    ]
    return f"{driver}://{authority}" + (f"?{urlencode(query)}" if query else "")
