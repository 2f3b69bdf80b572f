"""The pictures of ``docs/guide-exploitation.md`` and of the README: ``python -m local.screens``.

Onboardings are played for the occasion (``local.moments``) and looked at in Temporal's web UI by
headless Chromium (Debian's ``chromium``, with ``fonts-dejavu`` and ``fonts-liberation``).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from playwright.async_api import expect

from ending import leave
from local.moments import LEVEE, MOMENTS, Morning, make_it_eventful, morning
from local.ports import free_port
from local.web_ui import WebUi, web_ui

if TYPE_CHECKING:
    from email.message import EmailMessage

    from playwright.async_api import FloatRect, Locator

_ROOT: Final = Path(__file__).resolve().parent.parent
GUIDE: Final = _ROOT / "docs" / "guide"
_IMAGES: Final = _ROOT / "docs" / "images"
_QUALITY: Final = 70
_WIDTH: Final = 1440
_WIDE: Final = 1760
"""Enough for every column of the list."""
_HEIGHT: Final = 800
_SCALE: Final = 1.25
_MARGIN: Final = 16
_PATIENCE_SECONDS: Final = 60
_PAUSE_MS: Final = 200
_MAIL_WIDTH: Final = 680

VIEWS: Final = {
    "Mes onboardings": "ProjectManager = 'CFO' AND ExecutionStatus = 'Running'",
    "En retard": "OnboardingHealth = 'late' AND ExecutionStatus = 'Running'",
    "En attente du client": (
        "OnboardingHealth = 'waiting_on_client' AND ExecutionStatus = 'Running'"
    ),
    "Reserves ouvertes": "OpenReserves > 0 AND ExecutionStatus = 'Running'",
}


class Photographer:
    """Takes the pictures of one window."""

    def __init__(self, ui: WebUi) -> None:
        self._ui = ui
        self._page = ui.page

    async def all(self, up: Morning, levee: str, point: str) -> None:
        """Every picture; the onboarding ``levee`` has that open point."""
        await self.the_list()
        await self.the_page(levee)
        await self.the_queries(levee)
        await self.the_open_point(levee, point)
        await self.the_gestures(levee, up.today)
        await self.the_cancellation(levee)
        await self.the_timeline(levee)
        reminders = [name for name in up.mailbox.names() if "-reminder-c-fontaine" in name]
        await self.a_mail(up.mailbox.message(reminders[-1]))

    async def the_list(self) -> None:
        """All the onboardings, the saved views, those that a query asks for."""
        ui = self._ui
        await self._size(width=_WIDE)
        await ui.open_list()
        await expect(ui.rows()).to_have_count(len(MOMENTS))
        await self._take(GUIDE / "liste.jpg", height=520, width=_WIDE)
        await self._page.get_by_test_id("saved-views-button").click()
        await expect(self._page.get_by_text(next(iter(VIEWS)))).to_be_visible()
        await self._take(GUIDE / "vues.jpg", height=520, width=_WIDE)
        await ui.open_list()
        await ui.type_query("OnboardingHealth = 'late' AND ProjectManager = 'LRO'")
        await expect(ui.rows()).to_have_count(1)
        await self._take(GUIDE / "liste-requete.jpg", height=400, width=_WIDE)

    async def the_page(self, reference: str) -> None:
        """Where the onboarding stands, and its open points."""
        await self._size()
        await self._ui.open_run(reference, "User Metadata")
        frame = self._page.locator("iframe#user-metadata-current-details")
        text = self._ui.part("current-details")
        await expect(text.get_by_text("Documents", exact=True)).to_be_visible()
        whole = await _box(frame)
        await self._size(round(whole["y"] + whole["height"]) + _MARGIN)
        await self._take(GUIDE / "situation.jpg", height=round(whole["y"] + whole["height"]))
        await self._take(_IMAGES / "temporal-situation.png", height=960)
        title = await _box(text.get_by_text("Points ouverts", exact=True))
        last = await _box(text.get_by_text("open_point_settled").last)
        above = title["y"] - _MARGIN
        part: FloatRect = {
            "x": whole["x"],
            "y": above,
            "width": whole["width"],
            "height": last["y"] + 4 * _MARGIN - above,
        }
        await self._take(GUIDE / "point-ouvert.jpg", part)

    async def the_timeline(self, reference: str) -> None:
        """What happened since the first day."""
        await self._size()
        await self._ui.open_run(reference, "Timeline")
        await expect(self._page.get_by_text("send_mail").first).to_be_visible()
        await self._page.mouse.move(_WIDTH / 2, _HEIGHT / 2)
        # The latest comes first, and the UI draws the rows that come into view while it scrolls.
        first = self._page.get_by_text("open_onboarding")
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await first.count():
                await self._page.mouse.wheel(0, _HEIGHT / 4)
                await self._page.wait_for_timeout(_PAUSE_MS)
        await first.scroll_into_view_if_needed()
        await self._page.wait_for_timeout(5 * _PAUSE_MS)
        await self._take(GUIDE / "chronologie.jpg")
        await self._take(_IMAGES / "temporal-timeline.png")

    async def the_queries(self, reference: str) -> None:
        """The whole state, asked for."""
        await self._size()
        await self._ui.open_run(reference, "Queries")
        await self._ui.ask("status")
        await expect(self._page.get_by_text(f'"{reference}"').first).to_be_visible()
        await expect(self._page.get_by_role("button", name="Refresh Query")).to_be_enabled()
        await self._take(GUIDE / "requetes.jpg")

    async def the_open_point(self, reference: str, id_: str) -> None:
        """How it is settled; not sent."""
        await self._size()
        await self._ui.open_run(reference, "User Metadata")
        settled = {
            "id": id_,
            "action": "retry",
            "by": "Claire Fontaine",
            "reason": "Boîte du client rouverte ce matin.",
        }
        form = await self._ui.fill("update", "open_point_settled", settled)
        await self._take(GUIDE / "point-regle.jpg", await _box(form, _MARGIN))

    async def the_gestures(self, reference: str, today: str) -> None:
        """The menu, the forms, the answers."""
        ui, page = self._ui, self._page
        fixed = {
            "number": 1,
            "fixed_on": today,
            "evidence": "Caméra remplacée, essai de nuit avec le client.",
        }
        await self._size(640)
        await ui.open_run(reference, "User Metadata")
        await ui.open_menu()
        await expect(page.locator("[data-testid=signal-button]:visible")).to_be_visible()
        await self._take(GUIDE / "menu-actions.jpg", height=460)

        await self._size(900)
        await ui.open_run(reference, "User Metadata")
        form = await ui.open_form("signal")
        options = await ui.open_names(form)
        await options.filter(has_text="reserve_fixed").first.evaluate(
            "node => node.scrollIntoView({block: 'start'})"
        )
        await self._take(GUIDE / "signal-choix.jpg", await _box(form, _MARGIN))

        await ui.open_run(reference, "User Metadata")
        form = await ui.fill("signal", "reserve_fixed", fixed)
        await self._take(GUIDE / "signal-rempli.jpg", await _box(form, _MARGIN))

        await ui.open_run(reference, "User Metadata")
        form = await ui.fill("update", "reserve_fixed", {**fixed, "fixed_on": "hier"})
        await ui.submit(form)
        await self._take(GUIDE / "mise-a-jour-refusee.jpg", await _box(form, _MARGIN))

        await self._size(640)
        await ui.open_run(reference, "User Metadata")
        await ui.send("update", "reserve_fixed", fixed)
        await self._take(GUIDE / "mise-a-jour-acceptee.jpg", height=640)

    async def the_cancellation(self, reference: str) -> None:
        """What Temporal asks before it cancels."""
        await self._size()
        await self._ui.open_run(reference, "User Metadata")
        await self._page.get_by_role("button", name="Request Cancellation").first.click()
        form = self._page.locator("dialog[open]")
        await expect(form).to_be_visible()
        await self._take(GUIDE / "annulation.jpg", await _box(form, _MARGIN))

    async def a_mail(self, message: EmailMessage) -> None:
        """A mail as its reader sees it."""
        body = message.get_body(("html",))
        await self._page.set_viewport_size({"width": _MAIL_WIDTH, "height": _HEIGHT})
        await self._page.set_content(str(body.get_content()) if body else "")
        await self._take(GUIDE / "courriel-rappel.jpg", await _box(self._page.locator("body")))

    async def _size(self, height: int = _HEIGHT, width: int = _WIDTH) -> None:
        await self._page.set_viewport_size({"width": width, "height": height})

    async def _take(
        self,
        path: Path,
        box: FloatRect | None = None,
        *,
        height: int = _HEIGHT,
        width: int = _WIDTH,
    ) -> None:
        """That part of the window, enlarged if it is small; by default what its top shows."""
        clip: FloatRect = box or {"x": 0, "y": 0, "width": width, "height": height}
        scale: Literal["device", "css"] = "device" if clip["width"] < _HEIGHT else "css"
        kind: Literal["jpeg", "png"] = "jpeg" if path.suffix == ".jpg" else "png"
        await self._page.screenshot(
            path=path,
            clip=clip,
            scale=scale,
            type=kind,
            quality=_QUALITY if kind == "jpeg" else None,
            animations="disabled",
        )
        print(path.relative_to(_ROOT))


async def _box(of: Locator, margin: int = 0) -> FloatRect:
    box = await of.bounding_box()
    if box is None:
        raise RuntimeError(f"not on the page: {of}")
    return {
        "x": max(box["x"] - margin, 0),
        "y": max(box["y"] - margin, 0),
        "width": box["width"] + 2 * margin,
        "height": box["height"] + 2 * margin,
    }


async def main() -> int:
    """Play the onboardings and make the pictures anew."""
    GUIDE.mkdir(exist_ok=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        async with morning(Path(folder), port) as up:
            plays = [await up.play(moment) for moment in MOMENTS]
            levee = plays[MOMENTS.index(LEVEE)]
            await make_it_eventful(up, levee)
            [point] = (await levee.status())["open_points"]
            async with web_ui(
                port, width=_WIDTH, height=_HEIGHT, scale=_SCALE, views=VIEWS, now=up.at
            ) as ui:
                await Photographer(ui).all(up, LEVEE.reference, point["id"])
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    leave(asyncio.run(main()))
