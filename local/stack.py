"""``make run``: the whole system on this machine, until Ctrl-C.

Temporal server with its web UI, mail catcher with its page, worker, and an onboarding to look at.
Everything lives under ``var/run/``, or the folder given, and is found again at the next start.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import logging
import os
import secrets
import shlex
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from beginning import keep_private
from connection import (
    SearchAttributesRefused,
    Unreachable,
    create_search_attributes,
    opened_register,
)
from encryption import converter_of
from ending import asked_to_stop, leave
from local.mailbox import Mailbox
from local.ports import LOOPBACK, free_port
from local.temporal_server import lasting_server
from reception import Refused, parse_contract, start_onboarding
from service.adapters import known_sources
from service.app import create_app, serving
from service.codec import app_of
from settings import PREFIX, SettingsError, load_settings
from storage.document_store import DocumentStore
from storage.links import link_key
from worker import build_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from process.contract import Contract

_ROOT: Final = Path(__file__).resolve().parent.parent
_EXAMPLE: Final = _ROOT / "examples" / "contract-remplacement.json"

# What the parts listen to, unless something else on this machine already does.
_USUAL_PORTS: Final = {
    "temporal": 7233,
    "api": 7243,
    "web": 8233,
    "page": 8025,
    "smtp": 1025,
    "http": 8080,
    "codec": 8081,
}
_NAMES: Final = {
    "temporal": "serveur Temporal",
    "api": "API HTTP de Temporal",
    "web": "interface web de Temporal",
    "page": "page des messages",
    "smtp": "serveur de messagerie",
    "http": "service HTTP",
    "codec": "serveur de déchiffrement",
}


class AlreadyRunning(Exception):  # noqa: N818 - it states a situation
    """Another stack uses the same folder; the message says so in French."""


async def run(folder: Path) -> None:
    """Bring everything up, print where it is, and take it down on SIGINT or SIGTERM."""
    stop = asked_to_stop()
    ports = _ports()
    _settle(folder, ports)
    settings = load_settings()
    encrypted = bool(settings.encryption_keys)

    # In order of need; taken down in the reverse order.
    async with AsyncExitStack() as parts:
        mailbox = Mailbox(folder / "mails")
        parts.enter_context(mailbox.smtp(ports["smtp"]))
        parts.enter_context(mailbox.page(ports["page"]))
        client = await parts.enter_async_context(
            lasting_server(
                folder,
                port=ports["temporal"],
                ui_port=ports["web"],
                http_port=ports["api"],
                converter=converter_of(settings.encryption_keys),
                codec_endpoint=f"http://{LOOPBACK}:{ports['codec']}" if encrypted else None,
            )
        )
        register = await parts.enter_async_context(opened_register(settings.database_url))
        await create_search_attributes(client)
        store = DocumentStore(settings.documents_url)
        key = await link_key(register)
        await parts.enter_async_context(
            build_worker(client, settings, register, store, links_key=key)
        )
        app = create_app(register, store, client, settings.webhook_secrets, settings.sources)
        await parts.enter_async_context(serving(app, LOOPBACK, ports["http"]))
        if encrypted:
            await parts.enter_async_context(serving(app_of(settings), LOOPBACK, ports["codec"]))
        contract = _example(folder)
        await start_onboarding(client, register, contract)
        _tell(folder, ports, contract.reference)
        if encrypted:
            _tell_how_to_read(folder, ports)
        await stop.wait()
        print("Arrêt en cours…", flush=True)
    print("Tout est arrêté.", flush=True)


def _ports() -> dict[str, int]:
    ports = {part: free_port(usual) for part, usual in _USUAL_PORTS.items()}
    for part, usual in _USUAL_PORTS.items():
        if ports[part] != usual:
            print(f"{_NAMES[part]} : port {usual} déjà pris, {ports[part]} à la place")
    return ports


def _settle(folder: Path, ports: dict[str, int]) -> None:
    """The settings of a stack that touches nothing outside its folder: whatever the environment
    says of a real database or mail server does not hold here."""
    for name in ("SMTP_USER", "SMTP_PASSWORD"):
        os.environ.pop(PREFIX + name, None)
    here = {
        "DATABASE_URL": f"sqlite:///{folder}/register.db",
        "DOCUMENTS_URL": str(folder / "documents"),
        "INBOX": str(folder / "inbox"),
        "SMTP_HOST": LOOPBACK,
        "SMTP_PORT": str(ports["smtp"]),
        "SMTP_SECURITY": "none",
        "PUBLIC_URL": f"http://{LOOPBACK}:{ports['http']}",
        "WEBHOOK_SECRETS": _secrets_of_callers(folder),
        "CODEC_TOKENS": f"local:act={_kept_secret(folder / 'codec-token', secrets.token_urlsafe)}",
        "CODEC_ORIGIN": f"http://{LOOPBACK}:{ports['web']}",
    }
    os.environ.update({PREFIX + name: value for name, value in here.items()})
    os.environ.setdefault(f"{PREFIX}MAIL_FROM", "Mileo Onboarding <onboarding@mileotech.example>")
    os.environ.setdefault(
        f"{PREFIX}HEAD_OF_PROJECTS", "Direction de projets <projets@mileotech.example>"
    )
    for name in ("documents", "inbox"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _secrets_of_callers(folder: Path) -> str:
    """One secret for all who call here: a service of ours, and each source, to be tried."""
    secret = _kept_secret(folder / "webhook-secret", _webhook_secret)
    own = os.environ.get(f"{PREFIX}SOURCES", "").strip()
    return ",".join(
        f"{name}={secret}" for name in ("local", *known_sources(Path(own) if own else None))
    )


def _webhook_secret() -> str:
    """What the callers of the HTTP service sign with here."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _kept_secret(kept: Path, make: Callable[[], str]) -> str:
    """A secret of this stack, the same at each start."""
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(make())
    return kept.read_text()


def _example(folder: Path) -> Contract:
    """The example, signed when the stack first ran; kept, so that it is the same ever after."""
    kept = folder / "contract.json"
    if not kept.exists():
        contract = json.loads(_EXAMPLE.read_text(encoding="utf-8"))
        now = datetime.now(ZoneInfo("Europe/Paris")).replace(microsecond=0)
        contract["signed_at"] = now.isoformat()
        kept.write_text(json.dumps(contract, ensure_ascii=False, indent=2), encoding="utf-8")
    return parse_contract(kept.read_bytes())


def _variables(folder: Path, ports: dict[str, int]) -> str:
    """What a shell reads to speak with this stack; a key of encryption is never written there."""
    lines = [*_keys(), f"export TEMPORAL_ADDRESS={LOOPBACK}:{ports['temporal']}"]
    lines += [
        f"export {name}={shlex.quote(os.environ[name])}"
        for name in (f"{PREFIX}DATABASE_URL", f"{PREFIX}DOCUMENTS_URL", f"{PREFIX}INBOX")
    ]
    # The names that the examples of docs/integration.md use.
    lines += [
        f"export SERVICE=http://{LOOPBACK}:{ports['http']}",
        f"export TEMPORAL_HTTP=http://{LOOPBACK}:{ports['api']}",
        f"export SECRET=$(cat {shlex.quote(str(folder / 'webhook-secret'))})",
    ]
    return "\n".join(lines) + "\n"


def _keys() -> list[str]:
    """Who speaks with the stack has its keys, or has none as it has: what one side encrypts the
    other must read, and nothing may leave in clear by mistake."""
    given, by_file = f"{PREFIX}ENCRYPTION_KEYS", f"{PREFIX}ENCRYPTION_KEYS_FILE"
    if path := os.environ.get(by_file, "").strip():
        return [f"unset {given}", f"export {by_file}={shlex.quote(str(Path(path).resolve()))}"]
    if not os.environ.get(given, "").strip():
        return [f"unset {given} {by_file}"]
    asked = f"{given} : à définir d'abord dans ce terminal, comme pour « make run »"
    return [
        f"unset {by_file}",
        f'if [ -z "${{{given}:-}}" ]; then echo {shlex.quote(asked)} >&2; return 1; fi',
        f"export {given}",
    ]


def _tell(folder: Path, ports: dict[str, int], reference: str) -> None:
    """The addresses, and the variables with which the commands reach this stack."""
    (folder / "env").write_text(_variables(folder, ports), encoding="utf-8")
    shown = _shown(folder)
    print(
        f"""
Tout est en marche.

  Interface web de Temporal   http://{LOOPBACK}:{ports["web"]}
  Messages envoyés            http://{LOOPBACK}:{ports["page"]}
  Service HTTP                http://{LOOPBACK}:{ports["http"]}
    et sa description         http://{LOOPBACK}:{ports["http"]}/docs
  Serveur Temporal            {LOOPBACK}:{ports["temporal"]}
    et son API HTTP           http://{LOOPBACK}:{ports["api"]}
  Serveur de messagerie       {LOOPBACK}:{ports["smtp"]}
  Messages, documents         {shown}/mails, {shown}/documents

L'onboarding {reference} est en cours. Dans un autre terminal :

  . {shown}/env
  .venv/bin/python starter.py status {reference}

Ctrl-C pour tout arrêter ; l'état est conservé dans {shown}.
""",
        flush=True,
    )


def _tell_how_to_read(folder: Path, ports: dict[str, int]) -> None:
    """What the web UI needs to show encrypted histories: its own flags cannot say it all."""
    print(
        f"""\
Les historiques sont chiffrés. L'autre terminal doit connaître les mêmes clés : si elles ne sont pas
dans un fichier (ONBOARDING_ENCRYPTION_KEYS_FILE), y définir aussi ONBOARDING_ENCRYPTION_KEYS.
Pour les lire dans l'interface web :

  1. se connecter sur            http://{LOOPBACK}:{ports["codec"]}
     avec le jeton de            {_shown(folder)}/codec-token
  2. dans l'interface web, une fois par navigateur : icône en forme de lunettes,
     « Use my browser setting… », y coller http://{LOOPBACK}:{ports["codec"]}
     et activer « Include cross-origin credentials »
""",
        flush=True,
    )


def _shown(folder: Path) -> str:
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two stacks on the same files would damage them. Raises ``AlreadyRunning``."""
    folder.mkdir(parents=True, exist_ok=True)
    # What an earlier version left open in it is closed with it.
    folder.chmod(0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"déjà en marche : un autre « make run » utilise {_shown(folder)}"
            raise AlreadyRunning(message) from error
        yield


def main(folder: Path) -> int:
    """Run the stack in that folder; the exit code."""
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        with _alone(folder):
            asyncio.run(run(folder))
    except (
        AlreadyRunning,
        SettingsError,
        Unreachable,
        SearchAttributesRefused,
        Refused,
        FileNotFoundError,
        RuntimeError,
    ) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    keep_private()
    leave(main(Path(sys.argv[1]).resolve() if sys.argv[1:] else _ROOT / "var" / "run"))
