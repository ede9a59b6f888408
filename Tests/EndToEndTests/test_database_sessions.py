"""Workers of a host that share one worker's sessions with the database: the leader's."""

import asyncio
import contextlib
import json
import os
import random
import signal

import pytest

from support.clients import PythonClient, announce
from support.storm import Ledger, Viewer, Writers
from support.waiting import wait_until
from support.workers import clients_of_both, process_of
from test_direct import Person, new_id
from test_resume import first_cursor, ready

SHARED = ("--database-sessions", "host")
# What a session is told that lasts for as long as nobody reads a link (DatabaseLimits.swift).
BEAT_SILENCE_SECONDS = 3
WAITING_BYTES_MAX = 16 << 20


def leader_of(gateway):
    return gateway.log("leader named")[-1]["worker"]


def other_than(worker):
    return 3 - worker


def session_count(database):
    return database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'")[0][0]


@contextlib.contextmanager
def stopped(process):
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture
def start_pair(start_gateway):
    def start(*options, workers=2, **more):
        gateway = start_gateway("--workers", str(workers), *SHARED, *options, **more)
        # Each has its place.
        wait_until(
            lambda: gateway.metrics()["devhive_database_followers"] == workers - 1, "the others follow the leader")
        gateway.wait_until_ready()
        return gateway
    return start


@pytest.fixture
def pair(start_pair):
    return start_pair()


def each_follows(gateway, count=1):
    wait_until(
        lambda: gateway.metrics().get("devhive_database_followers") == count and gateway.is_ready(),
        f"one leads and {count} follow\n{gateway.tail()}", 40)


async def until_all_hear(gateway, clients, database, project):
    for client in clients:
        await client.until_fence(database, project)


@pytest.mark.parametrize("workers", [2, 4])
def test_three_sessions_serve_all_workers(start_pair, database, workers):
    gateway = start_pair(workers=workers)
    assert session_count(database) == 3
    metrics = gateway.metrics()
    assert metrics["devhive_database_leaders"] == 1
    assert metrics["devhive_database_sessions_alone"] == 0
    body = gateway.request("/readyz?verbose", admin=True)[2]
    assert f"[i] database sessions of its own, for other workers: {workers - 1}" in body
    assert body.count("[i] database sessions of the leader") == workers - 1


def test_with_one_process_or_sessions_of_each_nothing_is_shared(start_gateway, database):
    alone = start_gateway(*SHARED)
    assert session_count(database) == 3
    assert "database sessions" not in alone.request("/readyz?verbose", admin=True)[2]
    alone.stop()
    gateway = start_gateway("--workers", "2", "--database-sessions", "process")
    assert session_count(database) == 6
    assert "database sessions" not in gateway.request("/readyz?verbose", admin=True)[2]
    assert "devhive_database_leaders" not in gateway.metrics() and not gateway.log("leader named")


async def test_events_reach_the_clients_of_all_workers_in_order(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    for _ in range(30):
        database.add_tasks(project, 10)
    first = None
    for client in clients[1] + clients[2]:
        heard = [json.loads(text)["data"]["id"] for text in await client.until_fence(database, project)
                 if '"fence-' not in text]
        first = first or heard
        assert len(heard) == 300 and heard == first
    assert pair.metrics()["devhive_notifications_relayed_total"] >= 300


async def test_members_join_and_others_are_refused_by_a_follower(start_pair, database):
    gateway = start_pair("--membership", "on")
    user = database.add_user()
    mine, other = database.add_project(user), database.add_project()
    seen, count = set(), 0
    while len(seen) < 2:
        client = await PythonClient.connect(gateway, user=user)
        count += 1
        wait_until(lambda: len(gateway.log("client registered", user=user)) == count, "it is known where")
        seen.add(gateway.log("client registered", user=user)[-1]["worker"])
        await client.join(mine)
        answer = await client.ask({"type": "join_project", "project_id": other, "ref": 1})
        assert (answer["type"], answer["code"]) == ("error", "forbidden")
        await client.until_fence(database, mine)
    assert gateway.metrics()["devhive_database_questions_relayed_total"] > 0


async def test_a_removed_member_of_a_follower_hears_it(start_pair, database):
    gateway = start_pair("--membership", "on")
    users = [database.add_user() for _ in range(12)]
    project = database.add_project()
    for user in users:
        database.add_member(project, user)
    clients = [await PythonClient.connect(gateway, project, user) for user in users]
    assert len({line["worker"] for line in gateway.log("client registered")}) == 2
    for client in clients:
        await client.until_fence(database, project)
    database.execute("DELETE FROM project_members WHERE project_id = %s", project)
    for client in clients:
        while (await client.receive_json()).get("code") != "membership_revoked":
            pass


async def test_who_was_away_resumes_by_any_worker(pair, database):
    project = database.add_project()
    cursor = await first_cursor(pair, project)
    missed = {database.add_task(project) for _ in range(5)}
    workers = set()
    while len(workers) < 2:
        client = await PythonClient.connect(pair)
        found, answer = await ready(client, project_id=project, since=cursor)
        assert {message["data"]["id"] for message in found} == missed
        assert int(answer["cursor"]) > int(cursor)
        workers.add(pair.wait_for_log("client registered", user=client.user)["worker"])


async def test_direct_messages_go_between_workers(pair, database):
    ann, ben = database.add_user(), database.add_user()
    database.add_member(database.add_project(ann), ben)
    at = {1: [], 2: []}
    count = 0
    while not (at[1] and at[2]):
        person = await Person.connect(pair, ben)
        count += 1
        wait_until(lambda: len(pair.log("client registered", user=ben)) == count, "it is known where")
        at[pair.log("client registered", user=ben)[-1]["worker"]].append(person)
    senders = [await Person.connect(pair, ann, inbox=False) for _ in range(6)]
    names = []
    for sender in senders:
        names.append(new_id())
        answer = await sender.ask({"type": "direct", "to": ben, "id": names[-1], "data": {"n": 1}})
        assert answer["type"] == "ok", answer
    for person in at[1] + at[2]:
        await person.until(lambda person=person: {m["id"] for m in person.messages} >= set(names))


async def test_another_takes_over_when_the_leader_is_killed(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    leader = leader_of(pair)
    left = clients[other_than(leader)]
    os.kill(process_of(pair, leader), signal.SIGKILL)
    missed = [database.add_task(project) for _ in range(20)]
    for client in left:
        heard = set()
        while not heard.issuperset(missed):
            event = await client.receive_json()
            assert event["action"] != "RESYNC"
            heard.add(event["data"]["id"])
    assert leader_of(pair) == other_than(leader)
    each_follows(pair)
    assert session_count(database) == 3
    assert pair.metrics()["devhive_database_takeovers_total"] == 1


async def test_another_takes_over_when_the_leader_stands_still(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    leader = leader_of(pair)
    with stopped(process_of(pair, leader)):
        missed = [database.add_task(project) for _ in range(20)]
        for client in clients[other_than(leader)]:
            heard = set()
            while not heard.issuperset(missed):
                event = await client.receive_json()
                assert event["action"] != "RESYNC"
                heard.add(event["data"]["id"])
        assert leader_of(pair) == other_than(leader)
    # It follows now, and its clients get what they missed.
    for client in clients[leader]:
        heard = set()
        while not heard.issuperset(missed):
            event = await client.receive_json()
            assert event["action"] != "RESYNC"
            heard.add(event["data"]["id"])
    each_follows(pair)
    wait_until(lambda: session_count(database) == 3, "the former leader's sessions are closed")


async def test_a_follower_that_stood_still_goes_on_or_catches_up(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    follower = other_than(leader_of(pair))
    with stopped(process_of(pair, follower)):
        missed = [database.add_task(project) for _ in range(50)]
        await asyncio.sleep(BEAT_SILENCE_SECONDS + 1)
    for client in clients[follower]:
        heard = []
        while len(heard) < len(missed):
            event = await client.receive_json()
            assert event["action"] != "RESYNC"
            heard.append(event["data"]["id"])
        assert heard == missed
    assert pair.metrics()["devhive_database_takeovers_total"] == 0, "nobody took its silence for the leader's"


async def test_a_follower_that_does_not_read_is_cut_and_catches_up(pair, database):
    project, far = database.add_project(), database.add_project()
    clients = await clients_of_both(pair, project)
    leader = leader_of(pair)
    follower = other_than(leader)
    with stopped(process_of(pair, follower)):
        missed = database.add_task(project)
        text = "x" * 7_000
        for _ in range(WAITING_BYTES_MAX // 7_000 // 100 + 10):
            database.execute(
                "SELECT pg_notify('cache_invalidate', %s || n) FROM generate_series(1, 100) n",
                f'{{"project_id":"{far}","padding":"{text}"}}')
        pair.wait_for_log("follower cut")
    for client in clients[follower]:
        event = await client.receive_json()
        assert event["data"].get("id") == missed or event["action"] == "RESYNC"
        await client.until_fence(database, project)
    each_follows(pair)
    assert pair.metrics()["devhive_database_links_cut_total"] == 1


async def test_a_restarted_database_is_caught_up_with_by_all(pair, database, cluster):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    await until_all_hear(pair, clients[1] + clients[2], database, project)
    database.close()
    cluster.restart()
    missed = database.add_task(project)
    for client in clients[1] + clients[2]:
        heard = set()
        while missed not in heard:
            event = await client.receive_json()
            assert event["action"] != "RESYNC"
            heard.add(event["data"]["id"])
    each_follows(pair)
    assert session_count(database) == 3
    assert pair.metrics()["devhive_database_takeovers_total"] == 0


async def test_without_its_parent_s_word_a_worker_has_sessions_of_its_own(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    leader = leader_of(pair)
    follower = other_than(leader)
    with pair.standing_still():
        os.kill(process_of(pair, leader), signal.SIGKILL)
        missed = database.add_task(project)
        for client in clients[follower]:
            assert (await client.receive_json())["data"]["id"] == missed
    each_follows(pair)
    wait_until(lambda: session_count(database) == 3, "there are no more sessions than before")
    for client in clients[follower]:
        await client.until_fence(database, project)


@pytest.mark.parametrize("workers", [2, 3])
async def test_nothing_is_missed_when_leaders_end_in_a_storm_of_writes(start_pair, database, workers):
    gateway = start_pair(workers=workers)
    seed = int(os.environ.get("DEVHIVE_SEED", "5"))
    chance = random.Random(seed)
    projects = [database.add_project() for _ in range(3)]
    ledger = Ledger()
    viewers = [Viewer(lambda: gateway, project, seed + n) for n in range(4) for project in projects]
    tasks = [asyncio.create_task(viewer.run()) for viewer in viewers]
    await until(lambda: all(viewer.member_since for viewer in viewers), "everyone has joined")
    writers = Writers(database, projects, ledger, seed)
    try:
        for what in ["kill", "stop", "listener", "kill", "listener", "stop follower", "kill"]:
            await asyncio.sleep(chance.uniform(0.3, 1.5))
            process = process_of(gateway, leader_of(gateway))
            if what == "kill":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            elif what == "listener":
                database.terminate_listener()
            else:
                if what == "stop follower":
                    process = process_of(gateway, leader_of(gateway) % workers + 1)
                with contextlib.suppress(ProcessLookupError), stopped(process):
                    await asyncio.sleep(BEAT_SILENCE_SECONDS + 1)
    finally:
        await asyncio.to_thread(writers.stop)
    await until(gateway.is_ready, "all are ready")
    for viewer in viewers:
        viewer.expect_fence("fence")

    async def fences():
        while not all(viewer.fenced.is_set() for viewer in viewers):
            for project in projects:
                announce(database, project, "fence")
            await asyncio.sleep(0.3)
    await asyncio.wait_for(fences(), 40)
    await asyncio.gather(*tasks)
    rows = ledger.rows()
    missed = {viewer.user: len(viewer.missed(rows)) for viewer in viewers}
    print(f"{len(rows)} rows, {sum(len(v.heard) for v in viewers)} heard, {sum(len(v.resyncs) for v in viewers)} resyncs")
    assert not any(missed.values()), missed


async def until(condition, what, seconds=30):
    async def poll():
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.02)
    try:
        await asyncio.wait_for(poll(), seconds)
    except asyncio.TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
