"""From a changed row to the clients that look at its project: what, to whom, in which order."""

import asyncio
import json
import resource
import uuid

import pytest

from support import tokens
from support.clients import NodeClient, PythonClient, announce
from support.gateway import UNLIMITED
from support.raw import TEXT, RawSocket

RESOURCES = {"projects", "sprints", "tasks", "project_members"}


def assert_told(texts, payloads):
    """Clients get exactly these texts for payloads of the triggers, with a cursor that is no later."""
    assert len(texts) == len(payloads)
    for text, payload in zip(texts, payloads):
        cursor = json.loads(text)["cursor"]
        assert 0 < int(cursor) <= int(json.loads(payload)["cursor"])
        assert text == message_of(payload, cursor)


def message_of(payload, cursor):
    notified = json.loads(payload)
    message = {
        "type": "cache_invalidate", "resource": notified["resource"], "action": notified["action"],
        "project_id": notified["project_id"], "data": {"id": notified["id"], "timestamp": notified["timestamp"]}}
    message["cursor"] = cursor
    if "origin" in notified:
        message["origin"] = notified["origin"]
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


# Each changes rows of one table, in one project, after `prepare` made what it needs.
CHANGES = {
    "projects": ["UPDATE projects SET name = 'n' WHERE id = %(project)s", "DELETE FROM projects WHERE id = %(project)s"],
    "sprints": [
        "INSERT INTO sprints (project_id, name) VALUES (%(project)s, 's')",
        "UPDATE sprints SET name = 'n' WHERE project_id = %(project)s",
        "DELETE FROM sprints WHERE project_id = %(project)s"],
    "tasks": [
        "INSERT INTO tasks (project_id, title) VALUES (%(project)s, 't')",
        "UPDATE tasks SET title = 'n' WHERE project_id = %(project)s",
        "DELETE FROM tasks WHERE project_id = %(project)s"],
    "project_members": [
        "INSERT INTO project_members (project_id, user_id) VALUES (%(project)s, %(user)s)",
        "UPDATE project_members SET role = 'n' WHERE project_id = %(project)s",
        "DELETE FROM project_members WHERE project_id = %(project)s"],
}


@pytest.mark.parametrize("table", CHANGES)
async def test_every_change_of_every_table_byte_for_byte(gateway, database, listener, library, table):
    user, project, other = database.add_user(), database.add_project(), database.add_project()
    client, stranger = await library.connect(gateway, project), await library.connect(gateway, other)
    listener.take()
    for statement in CHANGES[table]:
        with database.transaction() as cursor:
            cursor.execute(statement, {"project": project, "user": user})
    payloads = listener.take()
    assert [json.loads(p)["action"] for p in payloads] == [s.split()[0] for s in CHANGES[table]]
    assert_told(await client.until_fence(database, project), payloads)
    assert await stranger.until_fence(database, other) == [], "it belongs to another project"
    await client.close()
    await stranger.close()


async def test_a_new_project_is_announced_to_who_waits_for_it(gateway, database, library):
    project = str(uuid.uuid4())
    client = await library.connect(gateway, project)
    database.execute("INSERT INTO projects (id, name) VALUES (%s, 'p')", project)
    message = await client.receive_json()
    assert (message["resource"], message["action"], message["data"]["id"]) == ("projects", "INSERT", project)
    await client.close()


@pytest.mark.parametrize("table", CHANGES)
async def test_truncate_reaches_every_project(gateway, database, library, table):
    projects = [database.add_project() for _ in range(3)]
    clients = [await library.connect(gateway, project) for project in projects]
    database.execute(f"TRUNCATE {table} CASCADE")
    for project, client in zip(projects, clients):
        messages = [json.loads(text) for text in await client.until_fence(database, project)]
        assert table in [m["resource"] for m in messages]
        assert {m["data"]["id"] for m in messages} == {"*"}
        assert {m["project_id"] for m in messages} == {project}
        await client.close()


@pytest.mark.parametrize("table", ["sprints", "tasks", "project_members"])
async def test_a_moved_row_is_told_to_both_projects(gateway, database, library, table):
    old, new, user = database.add_project(), database.add_project(), database.add_user()
    with database.silence():
        if table == "project_members":
            row, moved = database.add_member(old, user), f"{new}:{user}"
        else:
            row = moved = database.add_sprint(old) if table == "sprints" else database.add_task(old)
    left, entered = await library.connect(gateway, old), await library.connect(gateway, new)
    database.execute(f"UPDATE {table} SET project_id = %s", new)
    for client, project, action, identifier in ((left, old, "DELETE", row), (entered, new, "INSERT", moved)):
        (text,) = await client.until_fence(database, project)
        message = json.loads(text)
        assert (message["action"], message["project_id"], message["data"]["id"]) == (action, project, identifier)
        await client.close()


@pytest.mark.parametrize("action", ["INSERT", "UPDATE", "DELETE"])
async def test_a_bulk_change_of_10000_rows_is_33_messages(gateway, database, library, action):
    project = database.add_project()
    if action != "INSERT":
        with database.silence():
            database.add_tasks(project, 10_000)
    client = await library.connect(gateway, project)
    if action == "INSERT":
        database.add_tasks(project, 10_000)
    else:
        database.execute("UPDATE tasks SET status = 1" if action == "UPDATE" else "DELETE FROM tasks")
    messages = [json.loads(text) for text in await client.until_fence(database, project)]
    assert len(messages) == 33
    assert {m["action"] for m in messages} == {action}
    assert [m["data"]["id"] for m in messages].index("*") == 32
    await client.close()


async def test_the_origin_is_passed_on(gateway, database, library):
    project = database.add_project()
    client = await library.connect(gateway, project)
    with database.transaction() as cursor:
        cursor.execute("SELECT set_config('devhive.origin', %s, true)", ('tab "7" ä',))
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 't')", (project,))
    assert (await client.receive_json())["origin"] == 'tab "7" ä'
    await client.close()


async def test_malformed_payloads_are_skipped_and_counted(gateway, database):
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    good = {"resource": "tasks", "id": "1", "action": "UPDATE", "project_id": project, "timestamp": "t"}
    malformed = ["", "nonsense", "{", "[]", "null", '"x"', "x" * 7999, "[" * 7000]
    malformed += [json.dumps({k: v for k, v in good.items() if k != missing}) for missing in good]
    malformed += [json.dumps({**good, name: value}) for name in good for value in (None, 7, {}, [])]
    malformed += [json.dumps({**good, "project_id": "42"}), '{"resource":"\\ud800"' + json.dumps(good)[12:]]
    before = gateway.metrics()["devhive_notifications_invalid_total"]
    for payload in malformed:
        database.notify(payload)
    arrived = await client.until_fence(database, project)
    # A lone surrogate may be refused or replaced; what is passed on must be well-formed.
    assert len(arrived) <= 1
    skipped = gateway.metrics()["devhive_notifications_invalid_total"] - before
    assert skipped == len(malformed) - len(arrived)
    await client.close()


async def test_odd_payloads_pass(gateway, database):
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    row = 'quote " backslash \\ controls \x01\n slash / ä 😀'
    head = {"resource": "täsks", "id": row, "action": "UPDATE", "project_id": project.upper(), "timestamp": "t"}
    database.notify(json.dumps({"extra": [1, {"id": "no"}], **head, "more": None}, ensure_ascii=True))
    database.notify(json.dumps(dict(reversed(head.items())), ensure_ascii=False, indent=3))
    for _ in range(2):
        message = await client.receive_json()
        assert (message["resource"], message["data"]["id"], message["project_id"]) == ("täsks", row, project)
    await client.close()


async def test_both_libraries_get_the_same_in_the_same_order(gateway, database):
    project = database.add_project()
    clients = [await library.connect(gateway, project) for library in (PythonClient, NodeClient)]
    for number in range(200):
        announce(database, project, str(number))
    announce(database, project, "end")
    streams = await asyncio.gather(*(client.until("end") for client in clients))
    assert [json.loads(text)["data"]["id"] for text in streams[0]] == [str(number) for number in range(200)]
    assert streams[0] == streams[1]


async def test_the_order_holds_across_the_projects_of_a_connection(gateway, database, library):
    """Two hundred events by turns in one commit, and as many in commits of their own."""
    projects = [database.add_project() for _ in range(2)]
    client = await library.connect(gateway, projects[0])
    await client.join(projects[1], keep=True)
    database.execute(
        """
        SELECT pg_notify('cache_invalidate', json_build_object(
            'resource', 'tasks', 'id', n::text, 'action', 'UPDATE',
            'project_id', (%s::text[])[1 + n %% 2], 'timestamp', 't')::text)
        FROM generate_series(0, 199) n
        """, projects)
    for number in range(200, 400):
        announce(database, projects[number % 2], str(number))
    arrived = [int((await client.receive_json())["data"]["id"]) for _ in range(400)]
    assert arrived == list(range(400))


async def test_the_order_of_commit_is_the_order_of_arrival(gateway, database, listener):
    """Writers whose transactions overlap: what begins first need not commit first."""
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    listener.take()
    writers = [database.connect() for _ in range(4)]
    try:
        for number, writer in enumerate(writers):
            writer.autocommit = False
            for part in range(5):
                writer.cursor().execute(
                    "INSERT INTO tasks (project_id, title) VALUES (%s, %s)", (project, f"{number} {part}"))
        for writer in reversed(writers):
            writer.commit()
    finally:
        for writer in writers:
            writer.close()
    payloads = listener.take()
    assert len(payloads) == 20
    assert_told(await client.until_fence(database, project), payloads)
    await client.close()


async def test_10000_notifications_in_order_to_several_clients_none_twice(gateway, database):
    """In batches that fit the bound of a client's queue, so that none of them may collapse."""
    count, batch = 10_000, 200
    project = database.add_project()
    clients = [await PythonClient.connect(gateway, project) for _ in range(4)] + [
        await NodeClient.connect(gateway, project)]
    streams = [[] for _ in clients]
    for first in range(0, count, batch):
        database.execute(NUMBERED, project, first, first + batch - 1)
        announce(database, project, f"end {first}")
        arrived = await asyncio.gather(*(client.until(f"end {first}") for client in clients))
        for stream, part in zip(streams, arrived):
            stream.extend(part)
    for stream in streams:
        assert [json.loads(text)["data"]["id"] for text in stream] == [str(number) for number in range(count)]
    for client in clients:
        await client.close()


NUMBERED = """
    SELECT pg_notify('cache_invalidate', json_build_object(
        'resource', 'tasks', 'id', n::text, 'action', 'UPDATE', 'project_id', %s, 'timestamp', 't')::text)
    FROM generate_series(%s, %s) n
"""


async def test_10000_notifications_in_one_commit_arrive_in_order_or_end_in_a_resync(gateway, database, library):
    """As fast as PostgreSQL can: a client that can't follow is told so, and nothing is missed in silence."""
    project = database.add_project()
    client = await library.connect(gateway, project)
    database.execute(NUMBERED, project, 0, 9_999)
    expected, fences = 0, 1
    resynced = set()
    announce(database, project, "fence 1", resource="fence")
    while True:
        message = await client.receive_json()
        if message["action"] == "RESYNC":
            resynced.add(message["resource"])
            assert message["reason"] == "slow_consumer"
            if resynced == RESOURCES:
                # Its queue was dropped, our fence perhaps with it.
                fences += 1
                announce(database, project, f"fence {fences}", resource="fence")
        elif message["resource"] == "fence":
            if message["data"]["id"] == f"fence {fences}":
                break
        else:
            number = int(message["data"]["id"])
            assert number == expected or (number > expected and resynced == RESOURCES)
            expected, resynced = number + 1, set() if number > expected else resynced
    assert expected == 10_000 or fences > 1
    await client.close()


async def test_a_broadcast_reaches_2000_clients(start_gateway, database):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = min(2000, hard - 300)
    assert count > 200, f"RLIMIT_NOFILE is only {hard}"
    gateway = start_gateway(*UNLIMITED)
    project = database.add_project()
    token = tokens.token(str(uuid.uuid4()))
    clients = [RawSocket.upgrade(gateway, token=token, project=project) for _ in range(count)]
    try:
        for row in ("first", "second"):
            announce(database, project, row)
        for client in clients:
            for row in ("first", "second"):
                opcode, payload = client.read_frame()
                assert opcode == TEXT and json.loads(payload)["data"]["id"] == row
        metrics = gateway.metrics()
        assert metrics["devhive_connections"] == count
        assert metrics["devhive_deliveries_total"] == 2 * count
    finally:
        for client in clients:
            client.close()
    gateway.wait_for_metric("devhive_connections_closed_total{code=\"1006\"}", count)
    assert gateway.metrics()["devhive_connections"] == 0


def test_nobody_is_told_of_what_they_left_in_the_middle_of_a_burst(gateway, database):
    """join and leave while events of both projects pour in: after `ok` nothing of the left one arrives."""
    first, second = database.add_project(), database.add_project()
    with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=first) as raw:
        here, there = first, second
        for round_number in range(20):
            for number in range(10):
                announce(database, first if number % 2 else second, f"{round_number} {number}")
            raw.send_frame(TEXT, json.dumps({"type": "join_project", "project_id": there, "ref": round_number}).encode())
            while True:
                message = raw.read_message()
                if message["type"] == "ok":
                    break
                assert message["project_id"] == here
            here, there = there, here
