"""FAULTS: the listener's backend is killed in a storm of writes, the gateway dies, clients come and go (17, 27).

A smaller storm in the ordinary run; DEVHIVE_STORM=full for the whole one (and DEVHIVE_TEST_SECONDS=900).
"""

import asyncio
import os
import random
import signal
import time

import pytest

from support.clients import PythonClient, announce
from support.storm import Ledger, Viewer, Writers
from support.waiting import wait_until

FULL = os.environ.get("DEVHIVE_STORM") == "full"
KILLS, RESTARTS = (100, 20) if FULL else (12, 3)
VIEWERS_PER_PROJECT = 3


def kill_listener(database):
    """Ends the backend that LISTENs, as an operator or a failover does."""
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'LISTEN%%' AND pid <> pg_backend_pid()")


async def storm(database, start_gateway, kills, restarts, seed):
    print(f"seed {seed}")
    chance = random.Random(seed)
    projects = [database.add_project() for _ in range(3)]
    gateways = [start_gateway()]
    ledger = Ledger()
    viewers = [
        Viewer(lambda: gateways[-1], project, seed + number)
        for number in range(VIEWERS_PER_PROJECT) for project in projects]
    tasks = [asyncio.create_task(viewer.run()) for viewer in viewers]
    await until(lambda: all(viewer.member_since for viewer in viewers), "everyone has joined")
    writers = Writers(database, projects, ledger, seed)
    trouble = ["kill"] * kills + ["restart"] * restarts
    chance.shuffle(trouble)
    try:
        for what in trouble:
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            if what == "kill":
                kill_listener(database)
            else:
                gateways[-1].process.send_signal(signal.SIGKILL)
                gateways[-1].process.wait()
                gateways.append(await asyncio.to_thread(start_gateway, ready=False))
    finally:
        await asyncio.to_thread(writers.stop)
    await until(gateways[-1].is_ready, "the last gateway is ready")
    for viewer in viewers:
        viewer.expect_fence("fence")
    # Until each has heard it: a viewer may just be between two connections.
    async def fences():
        while not all(viewer.fenced.is_set() for viewer in viewers):
            for project in projects:
                announce(database, project, "fence")
            await asyncio.sleep(0.3)
    await asyncio.wait_for(fences(), 40)
    await asyncio.gather(*tasks)
    rows = ledger.rows()
    assert {row for (row,) in database.execute("SELECT id::text FROM tasks")} == set(rows)
    missed = {viewer.user: len(viewer.missed(rows)) for viewer in viewers}
    print(f"{len(rows)} rows, {sum(v.sessions for v in viewers)} sessions, {sum(v.resumed_rows for v in viewers)} rows"
          f" by resuming, {sum(len(v.heard) for v in viewers)} heard, {sum(len(v.resyncs) for v in viewers)} resyncs")
    assert not any(missed.values()), missed
    return viewers


async def until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)


async def test_nothing_is_missed_when_the_listener_and_the_gateway_die_in_a_storm_of_writes(database, start_gateway):
    viewers = await storm(database, start_gateway, KILLS, RESTARTS, seed=int(os.environ.get("DEVHIVE_SEED", "7")))
    # It is the event log that did it, not resyncs.
    assert sum(viewer.resumed_rows for viewer in viewers) > 0


async def test_nothing_is_missed_without_the_event_log_either(database, start_gateway):
    database.drop_event_log()
    await storm(database, start_gateway, KILLS // 3, 1, seed=11)


async def test_those_who_stay_connected_get_what_was_announced_while_the_listener_was_away(database, start_gateway):
    project = database.add_project()
    gateway = start_gateway()
    client = await PythonClient.connect(gateway, project=project)
    await client.initialize()
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    # The announcement of this transaction is lost with the listener that it would have come to.
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'x') RETURNING id::text", (project,))
        missed = cursor.fetchone()[0]
        kill_listener_of(database, gateway)
    gateway.wait_for_metric("devhive_listener_reconnects_total", 1)
    live = database.add_task(project)
    heard = []
    while live not in heard:
        event = await client.receive_json()
        assert event["action"] != "RESYNC"
        heard.append(event["data"]["id"])
    assert missed in heard
    # In the order of their commits, and hardly anything twice.
    assert heard.index(missed) < heard.index(live)


def kill_listener_of(database, gateway):
    other = database.connect()
    try:
        with other.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN%%' AND pid <> pg_backend_pid()")
    finally:
        other.close()
    gateway.wait_for_log("listener lost")


@pytest.mark.parametrize("seconds", [60 if FULL else 25])
async def test_a_server_that_stands_still_is_found_out_and_nothing_is_missed(cluster, database, start_gateway, seconds):
    """SIGSTOP: the kernel goes on to acknowledge, so that no keepalive finds it."""
    project = database.add_project()
    gateway = start_gateway()
    client = await PythonClient.connect(gateway, project=project)
    await client.initialize()
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    began = time.monotonic()
    cluster.pause()
    try:
        await asyncio.to_thread(
            wait_until, lambda: gateway.log("listener lost"), "the listener is given up", 30)
        found = time.monotonic() - began
        print(f"found after {found:.1f} s")
        assert found < 30
        assert gateway.request("/livez", admin=True)[0] == 200
        assert gateway.request("/readyz", admin=True)[0] == 503
        await asyncio.sleep(max(0, seconds - found))
    finally:
        cluster.resume()
    task = await asyncio.to_thread(database.add_task, project)
    await asyncio.to_thread(wait_until, gateway.is_ready, "ready again", 40)
    heard = []
    while True:
        event = await client.receive_json()
        if event["type"] == "ping":
            continue
        heard.append(event)
        if event["data"]["id"] == task or event["action"] == "RESYNC":
            break
    assert gateway.process.poll() is None
