"""A hand on Temporal's web UI: what a project manager does there, done by headless Chromium.

The pictures of the guide and the tests use it. It needs Debian's ``chromium``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from playwright.async_api import async_playwright, expect

from local.ports import LOOPBACK
from workflows.names import workflow_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from playwright.async_api import FrameLocator, Locator, Page

Kind = Literal["signal", "update"]
Tab = Literal["Timeline", "Queries", "User Metadata", "Search Attributes"]

COLUMNS: Final = (
    "Workflow ID",
    "ClientName",
    "OnboardingStep",
    "OnboardingHealth",
    "NextDeadline",
    "ProjectManager",
    "OpenReserves",
)
"""The columns of the list that tell something to a project manager."""

_PATIENCE_MS: Final = 15_000
_DONE: Final = re.compile(r"Workflow signaled|Update successful")
_COLUMNS_KEY: Final = "namespace-workflow-table-columns"
"""Where the UI keeps the columns that its reader chose, in the browser."""
_VIEWS_KEY: Final = "saved-workflow-queries"


def chromium() -> str | None:
    """Where Debian's Chromium is; none if it is not installed."""
    return shutil.which("chromium")


@dataclass(frozen=True)
class Answer:
    """What the UI said of a form that was sent."""

    accepted: bool
    text: str


class WebUi:
    """One window on the namespace ``default``."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self._workflows = f"{address}/namespaces/default/workflows"

    # The list

    async def open_list(self, query: str | None = None) -> None:
        """The list of the runs, all or those that the query asks for."""
        asked = "?" + urlencode({"query": query}) if query else ""
        await self.page.goto(self._workflows + asked)
        await self.page.locator("tbody").wait_for()

    def rows(self) -> Locator:
        """The rows of the list."""
        return self.page.get_by_test_id("workflows-summary-configurable-table-row")

    async def cells(self, reference: str) -> dict[str, str]:
        """The row of that onboarding, by the title of each column."""
        heads = self.page.locator("[data-testid^=workflows-summary-table-header-cell]")
        cells = (
            self.rows()
            .filter(has_text=workflow_id(reference))
            .locator("[data-testid=workflows-summary-table-body-cell]")
        )
        await expect(cells.first).to_be_visible()
        pairs = zip(await heads.all_inner_texts(), await cells.all_inner_texts(), strict=True)
        return {head.strip(): cell.strip() for head, cell in pairs}

    async def type_query(self, query: str) -> None:
        """Type a query above the list, as a person does, and search."""
        field = self.page.get_by_test_id("workflow-manual-search-input")
        if not await field.is_visible():
            await self.page.get_by_test_id("toggle-manual-query").click()
        await field.fill(query)
        await self.page.get_by_role("button", name="Search", exact=True).click()

    # One run

    async def open_run(self, reference: str, tab: Tab = "Timeline") -> None:
        """The page of that onboarding, on that tab."""
        await self.page.goto(f"{self._workflows}/{workflow_id(reference)}")
        wanted = self.page.get_by_role("tab", name=tab).first
        await wanted.click()
        await expect(wanted).to_have_attribute("aria-selected", "true")

    def part(self, name: Literal["summary", "details", "current-details"]) -> FrameLocator:
        """One of the texts of the tab ``User Metadata``."""
        return self.page.frame_locator(f"iframe#user-metadata-{name}")

    async def refresh(self) -> None:
        """Ask for the current details anew, as the UI says: by the key R."""
        await self.page.keyboard.press("r")

    async def ask(self, query: str) -> None:
        """Run a query by its form (tab ``Queries``)."""
        await self.page.locator("button[data-testid$=select-button]:visible").first.click()
        await self.page.get_by_role("option").filter(has_text=query).first.click()
        await self.page.get_by_role("button", name="Run Query").click()

    # Its forms

    async def open_menu(self) -> None:
        """Open the menu of what can be done to the run."""
        await self.page.get_by_text("More Actions").locator("visible=true").first.click()

    async def open_form(self, kind: Kind) -> Locator:
        """Open the form that sends a signal or an update."""
        await self.open_menu()
        await self.page.locator(f"[data-testid={kind}-button]:visible").click()
        form = self.page.locator("dialog[open]")
        await form.locator("button[data-testid$=select-button]").first.wait_for()
        return form

    async def open_names(self, form: Locator) -> Locator:
        """Open the list of the facts that can be sent; its options."""
        await form.locator("button[data-testid$=select-button]").first.click()
        options = form.get_by_role("option")
        await options.first.wait_for()
        return options

    async def fill(self, kind: Kind, name: str, payload: dict[str, Any]) -> Locator:
        """Open the form, choose a fact and type its payload; not sent yet."""
        form = await self.open_form(kind)
        options = await self.open_names(form)
        exactly = self.page.get_by_text(name, exact=True)
        await options.filter(has=exactly).first.click()
        await form.get_by_role("textbox", name="Data").click()
        # Laid out as the UI does when the field is left: the button must not move under the hand.
        await self.page.keyboard.insert_text(json.dumps(payload, ensure_ascii=False, indent=2))
        await form.get_by_role("heading").or_(form.get_by_text("Send a")).first.click()
        return form

    async def submit(self, form: Locator) -> Answer:
        """Send the form; what the UI answers."""
        await form.get_by_role("button", name="Submit").click()
        done = self.page.get_by_text(_DONE).locator("visible=true")
        refused = form.get_by_role("alert").filter(has_text=re.compile(r"\w"))
        await expect(done.or_(refused).first).to_be_visible()
        accepted = await done.count() > 0
        said = done if accepted else refused
        return Answer(accepted, (await said.first.inner_text()).strip())

    async def send(self, kind: Kind, name: str, payload: dict[str, Any]) -> Answer:
        """Send a fact by the form."""
        return await self.submit(await self.fill(kind, name, payload))


@asynccontextmanager
async def web_ui(  # noqa: PLR0913 - what a window is, each by its name
    port: int,
    *,
    width: int = 1400,
    height: int = 1000,
    scale: float = 1,
    views: dict[str, str] | None = None,
    now: datetime | None = None,
) -> AsyncIterator[WebUi]:
    """Chromium on the web UI of this machine, in French, by Paris's clock, with the columns that
    tell something and these saved views. ``now`` is the time that it believes it is.

    Raises ``FileNotFoundError``, in French, without Chromium."""
    path = chromium()
    if path is None:
        message = "Chromium est introuvable (Debian : apt-get install chromium)"
        raise FileNotFoundError(message)
    kept = {
        _COLUMNS_KEY: {"default": [{"label": label} for label in COLUMNS]},
        _VIEWS_KEY: {
            "default": [
                {"id": name, "name": name, "query": query, "type": "user"}
                for name, query in (views or {}).items()
            ]
        },
    }
    # Chromium's sandbox refuses to run as root, which is who runs it in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            locale="fr-FR",
            timezone_id="Europe/Paris",
        )
        context.set_default_timeout(_PATIENCE_MS)
        expect.set_options(timeout=_PATIENCE_MS)
        if now:
            await context.clock.install(time=now)
        for key, value in kept.items():
            await context.add_init_script(
                f"localStorage.setItem({json.dumps(key)}, {json.dumps(json.dumps(value))})"
            )
        try:
            yield WebUi(await context.new_page(), f"http://{LOOPBACK}:{port}")
        finally:
            await browser.close()
