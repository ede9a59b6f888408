"""The browser's client (Clients/javascript) in a real browser, with the gateway and PostgreSQL."""

import asyncio
import contextlib
import json
import statistics
import time

import pytest

from support import tokens
from support.browser import PROGRAM, Browser
from support.web import Web

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="THERE IS NO BROWSER: apt-get install chromium")

TOKEN_LEEWAY_SECONDS = 30
CHANGES = 20
COMMIT_TO_PAGE_MS_MAX = 50


class Product:
    """A browser, what it looks at, and the row changes of a test."""

    def __init__(self, browser, web, database, project):
        self.browser, self.web, self.database, self.project = browser, web, database, project

    async def tab(self, name):
        page = await self.browser.open(f"{self.web.url}/tab.html?project={self.project}&page={name}")
        await page.until("window.tab")
        # Its joining is a resync, and what it fetched before that it fetches again.
        await page.until("tab.tasks.fetches >= 1 && tab.tasks.state.fetchStatus == 'idle'")
        return page

    async def add(self, title):
        await asyncio.to_thread(
            self.database.execute, "INSERT INTO tasks (project_id, title) VALUES (%s, %s)", self.project, title)


@contextlib.asynccontextmanager
async def product(gateway, database):
    user = database.add_user()
    project = database.add_project(user)
    async with Web(gateway, database, user) as web, Browser() as browser:
        yield Product(browser, web, database, project)


def shows(title):
    return f"tab.titles().includes({json.dumps(title)})"


async def test_the_page_of_the_readme_shows_a_change_within_50_ms_of_its_commit(
        gateway, database, record_property):
    async with product(gateway, database) as it:
        page = await it.browser.open(f"{it.web.url}/readme.html?project={it.project}")
        await it.add("first")
        await page.until("document.querySelector('#tasks')?.textContent == 'first\\n'")
        await page.value("""
            window.shownAt = {};
            new MutationObserver(() => {
                const { lastChild } = document.querySelector('#tasks');
                window.shownAt[lastChild?.textContent.trim()] ??= performance.timeOrigin + performance.now();
            }).observe(document.querySelector('#tasks'), { childList: true });
            undefined""")
        taken = []
        for number in range(CHANGES):
            # Before the statement that commits: PostgreSQL's own time is in it.
            began = time.time() * 1000
            await it.add(f"change {number}")
            await page.until(f"shownAt['change {number}']")
            taken.append(await page.value(f"shownAt['change {number}']") - began)
        record_property("commit_to_page_ms", [round(one, 1) for one in taken])
        print("from commit to page, ms:", [round(one, 1) for one in sorted(taken)])
        assert statistics.median(taken) < COMMIT_TO_PAGE_MS_MAX


async def test_the_tab_that_made_a_change_does_not_fetch_it(gateway, database):
    async with product(gateway, database) as it:
        mine, other = await it.tab("mine"), await it.tab("other")
        before = dict(it.web.fetches)
        await mine.value("tab.add('mine').then(() => 0)")
        await other.until(shows("mine"))
        assert it.web.fetches["other"] == before["other"] + 1
        # The next change comes after it, so the first one has been through.
        await it.add("somebody's")
        await mine.until(shows("somebody's"))
        assert it.web.fetches["mine"] == before["mine"] + 1


async def test_a_gateway_that_is_restarted_is_found_again(start_gateway, database):
    gateway = start_gateway()
    async with product(gateway, database) as it:
        tab = await it.tab("tab")
        it.web.gateway = start_gateway()
        gateway.terminate()
        await tab.until("tab.states.some(({ closeCode }) => closeCode == 1012)")
        await it.add("meanwhile")
        await tab.until(shows("meanwhile"))
        await it.add("afterwards")
        await tab.until(shows("afterwards"))
        assert await tab.value("tab.gateway.counters.connections") == 2
        assert await tab.value("tab.errors") == []


async def test_a_gateway_that_is_killed_is_found_again(start_gateway, database):
    gateway = start_gateway()
    async with product(gateway, database) as it:
        tab = await it.tab("tab")
        gateway.kill()
        await tab.until("tab.gateway.state == 'waiting'")
        it.web.gateway = start_gateway()
        await it.add("meanwhile")
        await tab.until(shows("meanwhile"))


async def test_offline_it_rests_and_online_it_catches_up(gateway, database):
    async with product(gateway, database) as it:
        tab = await it.tab("tab")
        await tab.set_offline(True)
        await tab.until("!navigator.onLine")
        it.web.cut()
        await tab.until("tab.gateway.state == 'paused'")
        assert await tab.value("tab.states.at(-1).reason") == "offline"
        attempts = await tab.value("tab.gateway.counters.attempts")
        await it.add("meanwhile")
        await asyncio.sleep(1)
        assert await tab.value("tab.gateway.counters.attempts") == attempts
        await tab.set_offline(False)
        await tab.until(shows("meanwhile"))
        assert await tab.value("tab.gateway.counters.attempts") == attempts + 1


async def test_an_expired_token_is_replaced(gateway, database):
    async with product(gateway, database) as it:
        # It is accepted, and the connection closed when the leeway is over too.
        it.web.tokens = [tokens.token(it.web.user, expires_in=2 - TOKEN_LEEWAY_SECONDS)]
        tab = await it.tab("tab")
        await tab.until("tab.states.some(({ closeCode }) => closeCode == 4101)")
        await tab.until("tab.gateway.state == 'open'")
        assert it.web.token_count == 2
        await it.add("afterwards")
        await tab.until(shows("afterwards"))


async def test_closing_is_told_to_the_gateway(gateway, database):
    async with product(gateway, database) as it:
        tab = await it.tab("tab")
        await tab.value("tab.gateway.close()")
        # In a thread: what stands between the browser and the gateway is of this loop.
        await asyncio.to_thread(gateway.wait_for_metric, 'devhive_connections_closed_total{code="1000"}', 1)
        assert await tab.value("tab.gateway.state") == "closed"
