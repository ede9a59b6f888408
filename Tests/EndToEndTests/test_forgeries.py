"""What a role that may do nothing but connect can bring about with NOTIFY (SECURITY.md)."""

import contextlib
import json
import uuid

import psycopg2
import pytest

from support.clients import PythonClient
from test_resume import pairs, ready


@pytest.fixture
def gateway(start_gateway):
    return start_gateway("--membership", "on")


@pytest.fixture
def forge(database):
    """Says that something happened, as such a role."""
    role = f"forger_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN")
    with contextlib.closing(psycopg2.connect(database.url.replace("postgres@", f"{role}@"))) as connection:
        connection.autocommit = True

        def say(resource, action, project, row, **more):
            payload = {"resource": resource, "id": row, "action": action, "project_id": project,
                       "timestamp": "2026-01-02T03:04:05.678901Z", **more}
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('cache_invalidate', %s)", (json.dumps(payload),))

        yield say
    database.execute(f"DROP ROLE {role}")


@pytest.fixture
def user(database):
    return database.add_user()


@pytest.fixture
def project(database, user):
    return database.add_project(user)


async def until_resync(client):
    """What comes before a resync, and nothing of that."""
    before = []
    while True:
        message = await client.receive_json()
        if message.get("action") == "RESYNC":
            if message["resource"] == "tasks":
                return before
        else:
            before.append(message)


async def test_an_end_that_is_none_throws_nobody_out(database, gateway, forge, user, project):
    client = await PythonClient.connect(gateway, project, user)
    for row in [project, "*"]:
        forge("projects", "DELETE", project, row)
        assert pairs(await until_resync(client)) == [("projects", row)]
        task = database.add_task(project)
        assert (await client.receive_json())["data"]["id"] == task


@pytest.mark.parametrize("everybody", [False, True], ids=["one", "everybody"])
async def test_a_removal_that_is_none_throws_nobody_out(database, gateway, forge, user, project, everybody):
    client = await PythonClient.connect(gateway, project, user)
    forge("project_members", "DELETE", project, "*" if everybody else f"{project}:{user}")
    await until_resync(client)
    task = database.add_task(project)
    assert (await client.receive_json())["data"]["id"] == task


async def test_a_storm_of_removals_that_are_none_ends_in_few_resyncs(database, gateway, forge, user, project):
    client = await PythonClient.connect(gateway, project, user)
    for _ in range(2_000):
        forge("project_members", "DELETE", project, f"{project}:{user}")
    task = database.add_task(project)
    resyncs = 0
    while True:
        message = await client.receive_json()
        if message["data"]["id"] == task:
            break
        if message.get("action") == "RESYNC" and message["resource"] == "tasks":
            resyncs += 1
            # The one before may have been kept back, and is what the resync stands for.
            task = database.add_task(project)
    assert 1 <= resyncs <= 20


async def test_a_cursor_of_the_future_passes_nobody_by(database, gateway, forge, user, project):
    client = await PythonClient.connect(gateway, project, user)
    _, answer = await ready(client)
    assert answer["cursor"] is not None
    forge("tasks", "UPDATE", project, "made up", cursor="18446744073709551615")
    event = await client.receive_json()
    assert event["data"]["id"] == "made up"
    cursor = event.get("cursor", answer["cursor"])
    assert int(cursor) < 2**63
    await client.close()
    task = database.add_task(project)
    other = await PythonClient.connect(gateway, user=user)
    missed, _ = await ready(other, project_id=project, since=cursor)
    heard = pairs(missed)
    assert ("tasks", task) in heard or ("tasks", "*") in heard
    # Nor does the gateway pass over a removal that comes now.
    database.execute("DELETE FROM project_members WHERE project_id = %s AND user_id = %s", project, user)
    while (message := await other.receive_json()).get("code") != "membership_revoked":
        assert message["type"] == "cache_invalidate"
