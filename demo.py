"""Whole onboardings in seconds, on the real Temporal server with time skipping.

Prints their timeline and leaves every mail (.eml) and every document (.pdf) under ``var/demo/``.
With ``KEEP=1`` the server and its web UI stay up, to look at the finished runs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from activities.working_days import read_worked_days
from beginning import keep_private
from ending import leave
from local import scenarios
from local.ports import free_port
from local.scenarios import Story
from local.stage import Stage, stage
from local.timeline import story
from process.calendar import WorkCalendar
from process.contract import Contract

FOLDER: Final = Path("var/demo")
UI_PORT: Final = 8233


async def main() -> int:
    """Play the onboardings one after the other; 0 when all went to their end."""
    keep = os.environ.get("KEEP", "") not in ("", "0")
    console = Console(width=None if sys.stdout.isatty() else 100)
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    ui_port = free_port(UI_PORT) if keep else None
    async with stage(FOLDER, ui_port=ui_port) as up:
        opens_at = scenarios.next_opening(datetime.now(UTC))
        for contract, scene in _programme(up, opens_at):
            await _play(up, contract, scene, opens_at, console)
        seconds = time.monotonic() - started
        console.print(
            f"Joué en {seconds:.0f} secondes. "
            f"Courriels : {FOLDER}/mails/ — documents : {FOLDER}/documents/"
        )
        if ui_port:
            console.print(f"Interface de Temporal : http://localhost:{ui_port} (Ctrl-C pour finir)")
            await _until_interrupted()
    return 0


def _calendar(up: Stage, contract: Contract, opens_at: datetime) -> WorkCalendar:
    zones = {site.zone for site in contract.sites}
    year = opens_at.year
    return WorkCalendar(read_worked_days(zones, year - 1, year + 3, up.settings.calendar))


def _programme(up: Stage, opens_at: datetime) -> list[tuple[Contract, scenarios.Scene]]:
    signed_at = opens_at - timedelta(minutes=30)
    first = scenarios.replacement(signed_at)
    days = _calendar(up, first, opens_at)
    effective_on = days.add(opens_at.date(), 40)
    return [
        (first, scenarios.play_replacement),
        (scenarios.new_installation(signed_at, effective_on), scenarios.play_new),
        (scenarios.extension(signed_at), scenarios.play_difficult),
    ]


async def _play(
    up: Stage,
    contract: Contract,
    scene: scenarios.Scene,
    opens_at: datetime,
    console: Console,
) -> None:
    play = await up.play(contract, opens_at)
    with console.status(f"{contract.client.name}…"):
        await scene(play, Story(contract, _calendar(up, contract, opens_at), opens_at.date()))
        await play.handle.result()
    mails = await up.register.mails(contract.reference)
    console.print(story(contract, play.told, mails, await play.status()))


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    keep_private()
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    leave(asyncio.run(main()))
