"""Who is present, and who types, seen across the workers of a host and across hosts."""

import asyncio
import contextlib
import os
import signal
import time

import pytest

from support.redis import Redis
from support.waiting import wait_until
from support.workers import process_of
from test_presence import Watcher
from test_several_hosts import SECRET, are_whole

# Of the gateway: a user stays so long whose connection ended without a goodbye.
GRACE_SECONDS = 15
# And a process that was silent for so long takes its users along.
REMOVAL_SECONDS = 30


@pytest.fixture(params=["redis", "database"])
def start(request, start_gateway):
    """Starts a gateway that meets others, as hosts do."""
    redis = Redis() if request.param == "redis" else None

    def start(*options):
        environment = {"BUS_SECRET": SECRET, **({"REDIS_URL": redis.url} if redis else {})}
        return start_gateway(*options, environment=environment)
    yield start
    if redis:
        redis.remove()


@pytest.fixture
def pair(start, database):
    gateways = [start(), start()]
    wait_until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
    return gateways


@pytest.fixture
def project(database):
    return database.add_project()


async def until_seen(watcher, *others, seconds=10):
    everyone = {watcher.user, *(other.user for other in others)}
    await watcher.until(lambda: set(watcher.users) == everyone, seconds)


async def close(*watchers):
    for watcher in watchers:
        with contextlib.suppress(Exception):
            await watcher.client.close()


async def test_who_joins_is_away_types_and_leaves_is_seen_at_the_other(pair, project):
    first = await Watcher.connect(pair[0], project)
    second = await Watcher.connect(pair[1], project)
    await until_seen(first, second)
    await until_seen(second, first)
    await second.say(state="away")
    await first.until(lambda: first.users[second.user] == "away")
    await second.type("task:1")
    await first.until(lambda: ("task:1", [second.user]) in first.typing)
    await second.type("task:1", stop=True)
    await first.until(lambda: first.typing[-1] == ("task:1", []))
    hidden = await Watcher.connect(pair[1], project, invisible=True)
    await first.for_a_while(3)
    assert set(first.users) == {first.user, second.user}
    await second.client.close()
    await first.until(lambda: set(first.users) == {first.user}, 5)
    assert pair[0].metrics()["devhive_bus_present_elsewhere"] == 0
    await close(first, hidden)


async def test_who_connects_to_another_gateway_never_left(pair, project):
    watcher = await Watcher.connect(pair[0], project)
    lost = await Watcher.connect(pair[1], project)
    await until_seen(watcher, lost)
    told = watcher.messages
    await lost.client.abandon()
    await watcher.for_a_while(2)
    back = await Watcher.connect(pair[0], project, lost.user)
    assert set(back.users) == {watcher.user, lost.user}
    await watcher.for_a_while(GRACE_SECONDS + 2)
    assert watcher.messages == told
    await close(watcher, back)


async def test_a_killed_gateway_takes_its_users_along_and_leaves_no_ghost(pair, project):
    watcher = await Watcher.connect(pair[0], project)
    lost = await Watcher.connect(pair[1], project)
    await until_seen(watcher, lost)
    began = time.monotonic()
    pair[1].process.kill()
    await watcher.until(lambda: set(watcher.users) == {watcher.user}, REMOVAL_SECONDS + 5)
    took = time.monotonic() - began
    # Of its last heartbeat, 3 s before at most, and a look each second.
    assert REMOVAL_SECONDS - 4 < took < REMOVAL_SECONDS + 2, took
    await watcher.for_a_while(5)
    assert set(watcher.users) == {watcher.user}
    assert pair[0].metrics()["devhive_bus_present_elsewhere"] == 0
    await close(watcher)


async def test_a_gateway_that_stands_still_for_a_while_makes_nobody_flicker(pair, project):
    watcher = await Watcher.connect(pair[0], project)
    other = await Watcher.connect(pair[1], project)
    await until_seen(watcher, other)
    told = watcher.messages
    os.kill(pair[1].process.pid, signal.SIGSTOP)
    try:
        await watcher.for_a_while(15)
    finally:
        os.kill(pair[1].process.pid, signal.SIGCONT)
    await watcher.for_a_while(5)
    assert watcher.messages == told and set(watcher.users) == {watcher.user, other.user}
    await other.say(state="away")
    await watcher.until(lambda: watcher.users[other.user] == "away")
    await close(watcher, other)


async def test_a_removed_member_disappears_everywhere(start, database):
    gateways = [start("--membership", "on"), start("--membership", "on")]
    users = [database.add_user() for _ in range(3)]
    project = database.add_project(users[0])
    for user in users[1:]:
        database.add_member(project, user)
    await asyncio.to_thread(
        wait_until, lambda: all(gateway.metrics()["devhive_bus_nodes"] == 1 for gateway in gateways),
        "each hears the other")
    first = await Watcher.connect(gateways[0], project, users[0])
    second = await Watcher.connect(gateways[1], project, users[1])
    removed = await Watcher.connect(gateways[1], project, users[2])
    await until_seen(first, second, removed)
    await until_seen(second, first, removed)
    database.execute("DELETE FROM project_members WHERE project_id = %s AND user_id = %s", project, users[2])
    await until_seen(first, second, seconds=3)
    await until_seen(second, first, seconds=3)
    await first.for_a_while(3)
    assert set(first.users) == {users[0], users[1]}
    database.add_member(project, users[2])
    again = await Watcher.connect(gateways[1], project, users[2])
    await until_seen(first, second, again)
    await close(first, second, removed, again)


@pytest.fixture
def workers(start_gateway):
    gateway = start_gateway("--workers", "3")
    wait_until(lambda: gateway.metrics()["devhive_bus_nodes"] == 2, "each hears the others")
    return gateway


async def watchers_of_all(gateway, project):
    """Connects until each of three workers has a client; returns one of each."""
    found = {}
    for _ in range(64):
        watcher = await Watcher.connect(gateway, project)
        worker = gateway.wait_for_log("client registered", user=watcher.user)["worker"]
        if worker in found:
            await watcher.client.close()
        else:
            found[worker] = watcher
        if len(found) == 3:
            return [found[worker] for worker in (1, 2, 3)]
    raise AssertionError("64 connections left a worker without one")


async def test_the_users_of_all_workers_are_in_each_list(workers, project):
    first, second, third = await watchers_of_all(workers, project)
    for one, *others in ((first, second, third), (second, first, third), (third, first, second)):
        await until_seen(one, *others)
    await second.say(state="away")
    await first.until(lambda: first.users[second.user] == "away")
    await third.until(lambda: third.users[second.user] == "away")
    await third.type("task:2")
    await first.until(lambda: ("task:2", [third.user]) in first.typing)
    await first.until(lambda: first.typing[-1] == ("task:2", []), 9)
    await third.client.close()
    await until_seen(first, second)
    state = await Watcher.connect(workers, project)
    assert {first.user, second.user} < set(state.users)
    await close(first, second, state)


async def test_a_killed_worker_s_users_have_their_time_to_come_back(workers, project):
    first, second, third = await watchers_of_all(workers, project)
    await until_seen(first, second, third)
    os.kill(process_of(workers, 2), signal.SIGKILL)
    await first.for_a_while(3)
    assert second.user in first.users, "it may be back soon"
    back = await Watcher.connect(workers, project, second.user)
    await first.for_a_while(GRACE_SECONDS)
    assert set(first.users) == {first.user, second.user, third.user}
    os.kill(process_of(workers, 3), signal.SIGKILL)
    began = time.monotonic()
    await first.until(lambda: third.user not in first.users, REMOVAL_SECONDS)
    assert time.monotonic() - began < GRACE_SECONDS + 3
    await close(first, back)


async def test_who_asks_for_nothing_costs_no_frame(workers):
    """Frames of a process at rest are heartbeats, one in 3 s."""
    before = workers.metrics()["devhive_bus_frames_sent_total"]
    assert workers.metrics()["devhive_bus_present_elsewhere"] == 0
    await asyncio.sleep(6.5)
    assert workers.metrics()["devhive_bus_frames_sent_total"] - before <= 9
