"""The browser's client (Clients/javascript) in Node, with the gateway and PostgreSQL."""

import asyncio
import time

import pytest

from support import tokens
from support.gateway import UNLIMITED, Gateway
from support.javascript import JavaScriptClients

TOKEN_LEEWAY_SECONDS = 30


@pytest.fixture
def member(database):
    return database.add_user()


@pytest.fixture
def project(database, member):
    return database.add_project(member)


def restart(gateway, database, *options):
    """Another gateway at the address of one that has ended."""
    return Gateway(database.url, "--listen", f"{gateway.address[0]}:{gateway.address[1]}", *options)


async def test_hears_changes_and_knows_its_own(gateway, database, member, project):
    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)], projects=[project]) as clients:
        connection = (await clients.until_state("open"))["connection"]
        resync = await clients.until_event("*")
        assert (resync["event"]["action"], resync["event"]["reason"]) == ("RESYNC", "joined")
        # Before the news of the joining, so that who fetches because of that does so once.
        assert (await clients.next())["joined"] is True
        with database.transaction() as cursor:
            cursor.execute("SET LOCAL devhive.origin = '%s'" % connection)
            cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'own') RETURNING id::text", [project])
            own = cursor.fetchone()[0]
        other = database.add_task(project)
        assert (await clients.until_event(own))["isOwn"] is True
        assert (await clients.until_event(other))["isOwn"] is False


async def test_joins_and_leaves_at_run_time(gateway, database, member, project):
    second = database.add_project(member)
    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)], projects=[project]) as clients:
        await clients.until_joined()
        assert (await clients.call("join", second))["result"] is None
        for one in (project, second):
            await clients.until_event(database.add_task(one))
        assert (await clients.call("leave", project))["result"] is None
        database.add_task(project)
        row = database.add_task(second)
        await clients.until_event(row)
        heard = [told["event"]["project_id"] for told in clients.told[-2:] if "event" in told]
        assert heard == [second]


async def test_what_was_missed_comes_by_its_cursor(start_gateway, database, member, project):
    gateway = start_gateway()
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)], projects=[project]) as clients:
        await clients.until_joined()
        await clients.until_event(database.add_task(project))
        gateway.kill()
        await clients.until_state("waiting")
        told_before = len(clients.told)
        missed = {database.add_task(project) for _ in range(3)}
        successor = restart(gateway, database)
        try:
            while missed:
                missed.discard((await clients.until(lambda told: "event" in told))["event"]["data"]["id"])
            await clients.until_event(database.add_task(project))
            events = [told["event"] for told in clients.told[told_before:] if "event" in told]
            assert not [event for event in events if event["action"] == "RESYNC"], "nothing else had to be fetched"
        finally:
            successor.stop()
            successor.kill()


async def test_whoever_is_removed_is_told_so(start_gateway, database, member, project):
    gateway = start_gateway("--membership", "on")
    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)], projects=[project]) as clients:
        await clients.until_joined()
        database.execute("DELETE FROM project_members WHERE user_id = %s", member)
        told = await clients.until(lambda told: told.get("joined") is False)
        assert told["project"] == project
        assert (await clients.call("join", project))["error"] == "forbidden"


async def test_a_gateway_that_was_killed_is_joined_again(without_event_log, start_gateway, database, member, project):
    gateway = start_gateway()
    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)], projects=[project]) as clients:
        await clients.until_joined()
        gateway.kill()
        lost = await clients.until_state("waiting")
        assert (lost["change"]["closeCode"], lost["change"]["retryInMs"] <= 500) == (1006, True)
        missed = database.add_task(project)
        successor = restart(gateway, database)
        try:
            resync = await clients.until_event("*")
            assert resync["event"]["action"] == "RESYNC", f"{missed} is within what is fetched again"
            await clients.until_joined()
            await clients.until_event(database.add_task(project))
        finally:
            successor.stop()
            successor.kill()


async def test_an_expired_token_is_replaced(gateway, database, member, project):
    # It is accepted, and the connection closed when the leeway is over too.
    old = tokens.token(member, expires_in=2 - TOKEN_LEEWAY_SECONDS)
    async with await JavaScriptClients.start(
            gateway.url, [old, tokens.token(member)], projects=[project]) as clients:
        await clients.until_joined()
        assert (await clients.until_state("waiting"))["change"]["closeCode"] == 4101
        assert (await clients.until_state("open"))["calls"] == 2
        await clients.until_joined()
        await clients.until_event(database.add_task(project))


async def test_a_token_is_renewed_without_a_new_connection(gateway, database, member, project):
    short, long = tokens.token(member, expires_in=3), tokens.token(member)
    async with await JavaScriptClients.start(gateway.url, [short, long], projects=[project]) as clients:
        await clients.until_joined()
        gateway.wait_for_metric('devhive_client_messages_total{type="init"}', 2)
        await clients.until_event(database.add_task(project))
        assert [told["state"] for told in clients.told if "state" in told] == ["connecting", "open"]


def bad_token(member, letter):
    return tokens.token(member, secret=letter * 32)


async def test_a_token_that_is_bad_for_a_moment_is_replaced(gateway, database, member, project):
    given = ["<html>502 Bad Gateway</html>", bad_token(member, "x"), tokens.token(member)]
    async with await JavaScriptClients.start(gateway.url, given, projects=[project]) as clients:
        await clients.until(lambda told: told.get("error") == "token_unavailable")
        refused = await clients.until(lambda told: told.get("closeCode"))
        assert (refused["error"], refused["closeCode"]) == ("token_refused", 4001)
        assert (await clients.until_state("open"))["calls"] == 3
        await clients.until_joined()
        await clients.until_event(database.add_task(project))


async def test_three_bad_tokens_end_it(gateway, member):
    async with await JavaScriptClients.start(gateway.url, [bad_token(member, letter) for letter in "xyz"]) as clients:
        stopped = await clients.until(lambda told: told.get("error") == "stopped")
        assert stopped["closeCode"] == 4001
        closed = await clients.until_state("closed")
        assert (closed["error"], closed["calls"]) == ("stopped", 3)


async def test_when_another_user_signs_in_it_comes_back_as_that_user(start_gateway, database, member, project):
    gateway = start_gateway("--membership", "on")
    other = database.add_user()
    theirs = database.add_project(other)
    given = [tokens.token(member, expires_in=3), tokens.token(other)]
    async with await JavaScriptClients.start(gateway.url, given, projects=[project]) as clients:
        await clients.until_joined()
        await clients.until_state("waiting")
        await clients.until_state("open")
        assert (await clients.until(lambda told: told.get("error")))["error"] == "forbidden", "the first one's project"
        assert (await clients.call("join", theirs))["result"] is None
        await clients.until_event(database.add_task(theirs))
        gateway.wait_for_metric('devhive_connections_closed_total{code="1000"}', 1)


async def test_direct_messages_that_nobody_takes_reject_and_end_nothing(gateway, database, member, project):
    other = database.add_user()
    database.add_member(project, other)
    half_of_a_pair, nul = "\ud83d", "\0"
    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)], projects=[project]) as clients:
        await clients.until_joined()
        # The first are refused by the client, the last by the gateway.
        for data, options, code in [
                ({"t": half_of_a_pair}, {}, "bad_message"), ({"t": nul}, {}, "bad_message"),
                ({"t": half_of_a_pair + "x" * 1000}, {}, "bad_message"), ({"n": 1e20}, {}, "bad_message"),
                ({"t": "x" * 4_089}, {}, "too_large"), ({"t": "x" * 9_000}, {}, "too_large"),
                ({"n": [1] * 1_100}, {}, "too_large"), ({}, {"ttl": 0.5}, "bad_message"),
                ({"t": "x" * 1000}, {"id": "mine"}, "bad_message")]:
            assert (await clients.call("direct.send", other, data, options))["error"] == code
        # What is just taken arrives as it is.
        for data in ({"t": "x" * 4_088}, {"t": "\U0001f600", "n": [1] * 1_000}):
            assert len((await clients.call("direct.send", other, data))["result"]) == 36
            stored = database.execute("SELECT data FROM devhive_direct_messages ORDER BY seq DESC LIMIT 1")
            assert stored == [(data,)]
        assert [told["state"] for told in clients.told if "state" in told] == ["connecting", "open"]


async def test_views_show_who_is_present_and_who_types(gateway, database, member, project):
    other = database.add_user()
    database.add_member(project, other)

    async def until_shown(clients, key, holds):
        """Until what the client told last under the key is as it should be."""
        def last():
            return next((told[key] for told in reversed(clients.told) if key in told), None)
        while not holds(last()):
            await clients.next()

    async def until_users(clients, *users):
        await until_shown(clients, "presence", lambda presence: presence and presence["isCurrent"] and [
            (user["user_id"], user["state"]) for user in presence["users"]] == list(users)
            and presence["count"] == len(users))

    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)]) as first:
        await first.until_state("open")
        await first.call("people.presence", project, {})
        await until_users(first, (member, "active"))
        async with await JavaScriptClients.start(gateway.url, [tokens.token(other)]) as second:
            await second.until_state("open")
            await second.call("people.presence", project, {"state": "away"})
            await until_users(first, (member, "active"), (other, "away"))
            for clients in (first, second):
                await clients.call("people.typing", project, "task:1")
            await second.call("people.type", project, "task:1")
            await until_shown(first, "typists", lambda users: users == [other])
            await second.call("disconnect")
            await until_shown(first, "typists", lambda users: users == [])
            await until_users(first, (member, "active"))
            await second.call("connect")
            await until_users(first, (member, "active"), (other, "away"))
            await second.call("people.release")
            await until_users(first, (member, "active"))
        seen = [told["presence"]["users"] for told in first.told if "presence" in told]
        assert len(seen) <= 6, "nothing was asked for again"


async def test_signing_out_and_in(gateway, database, member, project):
    async with await JavaScriptClients.start(gateway.url, [tokens.token(member)], projects=[project]) as clients:
        await clients.until_joined()
        await clients.call("disconnect")
        gateway.wait_for_metric('devhive_connections_closed_total{code="1000"}', 1)
        await clients.call("connect")
        await clients.until_joined()
        await clients.until_event(database.add_task(project))


async def test_a_drain_makes_no_herd(start_gateway, database, member, project, record_property):
    count, bucket_ms = 200, 100
    gateway = start_gateway("--drain-seconds", "0", *UNLIMITED)
    async with await JavaScriptClients.start(
            gateway.url, [tokens.token(member)], count=count, projects=[project]) as clients:
        await clients.until_joined(count)
        began = time.time() * 1000
        mark = len(clients.told)
        gateway.terminate()
        await asyncio.to_thread(gateway.wait)
        successor = restart(gateway, database, *UNLIMITED)
        try:
            await clients.until_joined(count)
            told = clients.told[mark:]
            closes = {t["change"]["closeCode"] for t in told if t.get("state") == "waiting"}
            assert 1012 in closes
            # The first attempt of each: what would arrive at whoever takes over.
            first = {}
            for t in told:
                if t.get("state") == "connecting":
                    first.setdefault(t["client"], t["at"] - began)
            assert len(first) == count
            buckets = [0] * (int(max(first.values()) // bucket_ms) + 1)
            for at in first.values():
                buckets[int(at // bucket_ms)] += 1
            record_property("arrivals_per_100_ms", buckets)
            print("arrivals in 100 ms each:", buckets)
            # Within a window of a second, 20 are the mean of 100 ms. 3 times that is a herd.
            assert max(buckets) <= 60, buckets
            row = database.add_task(project)
            for _ in range(count):
                await clients.until_event(row)
        finally:
            successor.stop()
            successor.kill()


async def test_a_large_audience_is_told_to_spread(start_gateway, database, member, project):
    gateway = start_gateway("--refetch-rate", "100")
    async with await JavaScriptClients.start(
            gateway.url, [tokens.token(member)], count=20, projects=[project]) as clients:
        await clients.until_joined(20)
        row = database.add_task(project)
        spreads = [(await clients.until_event(row))["event"]["spread_ms"] for _ in range(20)]
        assert spreads == [200] * 20
