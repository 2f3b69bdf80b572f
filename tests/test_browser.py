"""What a project manager sees and does in Temporal's web UI, in a real browser.

Without Chromium the tests fail with the command that installs it; ``ONBOARDING_TEST_BROWSER=skip``
leaves them out.
"""

from __future__ import annotations

import asyncio
import os
import re
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from local.moments import (
    LATE,
    LEVEE,
    PUBLIC_URL,
    WAITING_ON_CLIENT,
    Moment,
    Morning,
    make_it_eventful,
    morning,
)
from local.ports import free_port
from local.stage import Play
from local.web_ui import WebUi, chromium, web_ui
from process.calendar import at
from process.vocabulary import HEALTH_NAMES, STEP_TITLES
from storage.links import check_link, link_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

INSTALL: Final = "sudo apt-get install --no-install-recommends chromium"
SKIP: Final = "ONBOARDING_TEST_BROWSER"
PLAYED: Final = (LEVEE, LATE, WAITING_ON_CLIENT)

_PATIENCE_SECONDS: Final = 15


class Scene:
    """The onboardings of one morning, and a window on them."""

    def __init__(self, up: Morning, ui: WebUi, plays: dict[Moment, Play]) -> None:
        self.up = up
        self.ui = ui
        self.plays = plays

    async def until(self, moment: Moment, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the ``status`` of that onboarding is so; a signal is answered before it is
        read."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not holds(await self.plays[moment].status()):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    if os.environ.get(SKIP) == "skip":
        pytest.skip(f"{SKIP}=skip")
    if chromium() is None:
        pytest.fail(f"Chromium is not installed: {INSTALL}   (or {SKIP}=skip)", pytrace=False)
    port = free_port()
    async with morning(tmp_path_factory.mktemp("browser"), port) as up:
        plays = {moment: await up.play(moment) for moment in PLAYED}
        await make_it_eventful(up, plays[LEVEE])
        async with web_ui(port, now=up.at) as ui:
            yield Scene(up, ui, plays)


async def test_the_list_shows_every_client_its_step_and_its_health(scene: Scene) -> None:
    await scene.ui.open_list()
    await expect(scene.ui.rows()).to_have_count(len(PLAYED))
    for moment, play in scene.plays.items():
        status = await play.status()
        cells = await scene.ui.cells(moment.reference)
        assert cells["ClientName"] == moment.client
        assert cells["ProjectManager"] == moment.manager[1]
        assert cells["OnboardingStep"] == str(status["step"])
        assert cells["OnboardingHealth"] == status["health"]
    assert (await scene.ui.cells(LEVEE.reference))["OpenReserves"] == "2"
    assert re.search(r"\d{4}", (await scene.ui.cells(LEVEE.reference))["NextDeadline"])


async def test_the_list_answers_a_query_that_is_typed(scene: Scene) -> None:
    await scene.ui.open_list()
    for query, found in {
        "OnboardingHealth = 'late'": [LATE],
        "OnboardingHealth = 'waiting_on_client'": [WAITING_ON_CLIENT],
        "ProjectManager = 'LRO'": [LATE, WAITING_ON_CLIENT],
        f"ClientName = '{WAITING_ON_CLIENT.client}'": [WAITING_ON_CLIENT],
        "OnboardingHealth = 'suspended'": [],
        "OpenReserves > 0": [LEVEE],
    }.items():
        await scene.ui.type_query(query)
        await expect(scene.ui.rows()).to_have_count(len(found))
        for moment in found:
            await expect(scene.ui.rows().filter(has_text=moment.client)).to_be_visible()


async def test_the_page_of_a_run_says_where_the_client_stands(scene: Scene) -> None:
    status = await scene.plays[LEVEE].status()
    await scene.ui.open_run(LEVEE.reference, "User Metadata")
    await expect(scene.ui.part("summary").locator("main")).to_contain_text(LEVEE.reference)
    details = scene.ui.part("details").locator("main")
    for told in ("Laiteries du Val", "Claire Fontaine", "Karim Belkacem", "Plateforme de Colmar"):
        await expect(details).to_contain_text(told)

    page = scene.ui.part("current-details").locator("main")
    await expect(page).to_contain_text(f"Étape 4 sur 7 — {STEP_TITLES[4]}")
    text = await page.inner_text()
    assert HEALTH_NAMES[status["health"]] in text.strip().splitlines()[0]
    for title, told in {
        "Attendu": "doe_piece_filed",
        "Points ouverts": status["open_points"][0]["id"],
        "Prochaines échéances": "O12",
        "Échéances manquées": "O6",
        "Réserves ouvertes": "Image floue sur CAM-02",
        "Faits en attente": "reserve_added",
        "Derniers faits": "Mileo déclare une réserve corrigée",
        "Faits refusés": "lifted_on : champ obligatoire absent",
        "Documents": f"PVR-{LEVEE.reference}-1-v1",
    }.items():
        assert told in _section(text, title)


async def test_the_documents_of_the_page_are_links_that_open(scene: Scene) -> None:
    [minutes] = [
        document
        for document in (await scene.plays[LEVEE].status())["documents"]
        if document["reference"] == f"PVR-{LEVEE.reference}-1-v1"
    ]
    await scene.ui.open_run(LEVEE.reference, "User Metadata")
    shown = scene.ui.part("current-details").get_by_role("link", name=minutes["reference"])
    address = await shown.get_attribute("href")
    assert address is not None
    assert address.startswith(f"{PUBLIC_URL}/documents/{minutes['sha256']}?")
    given = {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}
    key = await link_key(scene.up.stage.register)
    assert check_link(key, sha256=minutes["sha256"], now=datetime.now(UTC), **given) == "valid"


async def test_the_timeline_says_in_french_what_was_done(scene: Scene) -> None:
    await scene.ui.open_run(LEVEE.reference, "Timeline")
    done = scene.ui.page.get_by_text(re.compile("courriel.*Levée refusée", re.IGNORECASE))
    await expect(done.first).to_be_visible()


@pytest.mark.parametrize("kind", ["signal", "update"])
async def test_the_form_says_in_french_what_each_fact_is_and_takes(scene: Scene, kind: Any) -> None:
    await scene.ui.open_run(LEVEE.reference)
    options = await scene.ui.open_names(await scene.ui.open_form(kind))
    fixed = options.filter(has=scene.ui.page.get_by_text("reserve_fixed", exact=True))
    await expect(fixed).to_contain_text("Mileo déclare une réserve corrigée")
    for field in ("number", "fixed_on", "evidence"):
        await expect(fixed).to_contain_text(field)


async def test_a_signal_sent_by_the_form_changes_the_run(scene: Scene) -> None:
    assert await _reserve(scene, 1) == "open"
    await scene.ui.open_run(LEVEE.reference, "User Metadata")
    fixed = {"number": 1, "fixed_on": scene.up.today, "evidence": "Essai de nuit concluant."}
    answer = await scene.ui.send("signal", "reserve_fixed", fixed)
    assert answer.accepted, answer
    await scene.until(LEVEE, lambda status: status["reserves"][0]["state"] == "fixed")


async def test_an_update_sent_by_the_form_changes_the_run_and_its_page(scene: Scene) -> None:
    starts_at = at(scene.up.at.date() + timedelta(days=4), time(14))
    planned = {"starts_at": starts_at.isoformat(), "place": "Au siège de Transports Guérin"}
    await scene.ui.open_run(LATE.reference, "User Metadata")
    page = scene.ui.part("current-details").locator("main")
    assert "kickoff_planned" in _section(await page.inner_text(), "Attendu")
    answer = await scene.ui.send("update", "kickoff_planned", planned)
    assert answer.accepted, answer
    await scene.until(LATE, lambda status: "kickoff_planned" not in _expected(status))
    await scene.ui.refresh()
    await expect(page).not_to_contain_text("kickoff_planned")


async def test_an_update_that_is_refused_says_why_in_french(scene: Scene) -> None:
    before = await scene.plays[LEVEE].status()
    await scene.ui.open_run(LEVEE.reference)
    answer = await scene.ui.send(
        "update", "doe_released", {"released_on": scene.up.today, "par": "Claire"}
    )
    assert not answer.accepted
    assert "by : champ obligatoire absent" in answer.text
    assert "par : champ inconnu" in answer.text
    assert "File " not in answer.text, "the reason alone, without our files and lines"
    await scene.ui.open_run(LEVEE.reference)
    answer = await scene.ui.send(
        "update", "doe_released", {"released_on": scene.up.today, "by": "Claire Fontaine"}
    )
    assert not answer.accepted
    assert "DOE incomplet, il manque" in answer.text
    assert await scene.plays[LEVEE].status() == before


async def test_an_open_point_is_settled_from_the_form(scene: Scene) -> None:
    [point] = (await scene.plays[LEVEE].status())["open_points"]
    await scene.ui.open_run(LEVEE.reference, "User Metadata")
    page = scene.ui.part("current-details").locator("main")
    await expect(page).to_contain_text(point["id"])
    settled = {"id": point["id"], "action": "retry", "by": "Claire Fontaine", "reason": "Rouverte."}
    answer = await scene.ui.send("update", "open_point_settled", settled)
    assert answer.accepted, answer
    await scene.until(LEVEE, lambda status: not status["open_points"])
    await scene.plays[LEVEE].quiet()
    await scene.ui.refresh()
    await expect(page).not_to_contain_text("Points ouverts")
    # The mail that had been refused has left.
    last = (await scene.plays[LEVEE].status())["emails"][-1]
    assert last["kind"] == "reserve_fixed"
    assert last["accepted_at"]


async def _reserve(scene: Scene, number: int) -> str:
    reserves = (await scene.plays[LEVEE].status())["reserves"]
    return str(next(one["state"] for one in reserves if one["number"] == number))


def _expected(status: dict[str, Any]) -> list[str]:
    return [expected["fact"] for expected in status["waiting_for"]]


def _section(text: str, title: str) -> str:
    """What follows a title of the page, up to the next one."""
    parts = re.split(r"\n{4,}", text)
    starts = [n for n, part in enumerate(parts) if part.strip().startswith(title)]
    assert starts, f"« {title} » is not on the page:\n{text}"
    return "\n".join(parts[starts[0] : starts[0] + 2])
