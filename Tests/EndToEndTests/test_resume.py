"""Clients that come back with a cursor, and the event log that they read."""

import asyncio
import contextlib
import json

import pytest

from support.clients import PythonClient, announce
from support.silences import MANY_TABLES, PARTITIONED, SILENCES
from support.waiting import wait_until

RESOURCES = ["project_members", "projects", "sprints", "tasks"]


def pairs(messages):
    """(resource, id) of each message, in order."""
    return [(message["resource"], message["data"]["id"]) for message in messages]


async def ready(client, **keys):
    """`init`, and what comes before its `ready`."""
    await client.send_json({"type": "init", **keys})
    return await until(client, "ready")


async def until(client, kind):
    before = []
    while True:
        message = await client.receive_json()
        if message["type"] == kind:
            return before, message
        before.append(message)


async def first_cursor(gateway, project):
    """The cursor that a new client gets, once there is one."""
    client = await PythonClient.connect(gateway, project=project)
    _, answer = await ready(client)
    await client.close()
    assert answer["cursor"] is not None
    return answer["cursor"]


async def test_ready_brings_a_cursor_and_a_change_brings_the_next(database, gateway):
    project = database.add_project()
    client = await PythonClient.connect(gateway, project=project)
    _, answer = await ready(client)
    database.add_task(project)
    event = await client.receive_json()
    assert int(event["cursor"]) >= int(answer["cursor"]) > 0
    assert list(event) == ["type", "resource", "action", "project_id", "data", "cursor"]


async def test_what_may_end_memberships_comes_first(database, gateway):
    """Whoever it concerns must hear of nothing that was committed behind it."""
    project = database.add_project()
    removed = [database.add_user(), database.add_user()]
    for user in removed:
        database.add_member(project, user)
    cursor = await first_cursor(gateway, project)
    task = database.add_task(project)
    added = database.add_member(project, database.add_user())
    for user in removed:
        database.execute("DELETE FROM project_members WHERE project_id = %s AND user_id = %s", project, user)
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    kinds = [(message["action"], message["data"]["id"]) for message in missed]
    assert kinds == [*(("DELETE", f"{project}:{user}") for user in removed), ("INSERT", task), ("INSERT", added)]
    await client.close()


async def test_a_client_that_was_away_gets_each_row_once_then_ready_then_what_comes(database, gateway):
    project, other = database.add_project(), database.add_project()
    cursor = await first_cursor(gateway, project)
    heard = gateway.metrics()["devhive_notifications_received_total"]
    first, second = database.add_task(project), database.add_task(project)
    for _ in range(5):
        database.execute("UPDATE tasks SET status = status + 1 WHERE id = %s", first)
    database.add_task(other)
    sprint = database.add_sprint(project)
    # What is still under way comes live too.
    gateway.wait_for_metric("devhive_notifications_received_total", heard + 9)
    client = await PythonClient.connect(gateway)
    missed, answer = await ready(client, project_id=project, since=cursor)
    assert pairs(missed) == [("tasks", second), ("tasks", first), ("sprints", sprint)], "by their last change"
    assert {message["data"]["id"]: message["action"] for message in missed}[first] == "UPDATE"
    assert {message["project_id"] for message in missed} == {project}
    assert not any("cursor" in message for message in missed), "half of them would be lost by a client that took it"
    assert answer["project_id"] == project and int(answer["cursor"]) > int(cursor)
    third = database.add_task(project)
    assert pairs([await client.receive_json()]) == [("tasks", third)]


async def test_memberships_do_not_wait_for_a_read_of_the_event_log(database, start_gateway):
    gateway = start_gateway("--membership", "on")
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    user = database.add_user()
    project, other = database.add_project(user), database.add_project(user)
    before = await PythonClient.connect(gateway, project, user)
    cursor = (await ready(before))[1]["cursor"]
    await before.close()
    task = database.add_task(project)
    resuming, joining = [await PythonClient.connect(gateway, user=user) for _ in range(2)]
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'cache_events'::regclass AND NOT granted"
    with database.transaction() as cursor_of_lock:
        cursor_of_lock.execute("LOCK TABLE cache_events IN ACCESS EXCLUSIVE MODE")
        await resuming.send_json({"type": "join_project", "project_id": project, "since": cursor, "ref": 1})
        wait_until(lambda: database.execute(waiting) == [(1,)], "the read waits for the lock")
        await joining.join(other)
        assert database.execute(waiting) == [(1,)], "the read still waits"
        assert not gateway.log("query session lost") and not gateway.log("read session lost")
    missed, answer = await until(resuming, "ok")
    assert pairs(missed) == [("tasks", task)] and answer["ref"] == 1


async def test_join_project_and_the_url_resume_too(database, gateway):
    project = database.add_project()
    cursor = await first_cursor(gateway, project)
    heard = gateway.metrics()["devhive_notifications_received_total"]
    task = database.add_task(project)
    # What is still under way comes live too.
    gateway.wait_for_metric("devhive_notifications_received_total", heard + 1)
    client = await PythonClient.connect(gateway)
    await client.send_json({"type": "join_project", "project_id": project, "since": cursor, "ref": 1})
    missed, answer = await until(client, "ok")
    assert pairs(missed) == [("tasks", task)]
    assert answer["ref"] == 1 and int(answer["cursor"]) > int(cursor)
    # The cursor of the answer leaves nothing to tell.
    await client.send_json({"type": "join_project", "project_id": project, "since": answer["cursor"], "ref": 2})
    missed, _ = await until(client, "ok")
    assert missed == []

    by_url = await PythonClient.connect(gateway, project, since=cursor)
    assert pairs([await by_url.receive_json()]) == [("tasks", task)]


async def test_a_malformed_cursor_is_an_error_and_a_resync(database, gateway):
    project = database.add_project()
    client = await PythonClient.connect(gateway)
    for since in ["", "x", "-1", "1.5", "18446744073709551616", "1'; DROP TABLE tasks; --"]:
        await client.send_json({"type": "join_project", "project_id": project, "since": since, "ref": 1})
        before, _ = await until(client, "ok")
        assert before[0]["type"] == "error" and before[0]["code"] == "invalid_cursor"
        assert [m["resource"] for m in before[1:]] == RESOURCES
        assert {(m["action"], m["reason"]) for m in before[1:]} == {("RESYNC", "cursor_invalid")}
    await client.send_json({"type": "join_project", "project_id": project, "since": 5, "ref": 2})
    assert (await client.receive_json())["code"] == "bad_message"


async def test_cursors_that_are_too_old_or_of_the_future_are_a_resync(database, gateway):
    project = database.add_project()
    client = await PythonClient.connect(gateway)
    for since in ["0", "3", "18446744073709551615"]:
        await client.send_json({"type": "join_project", "project_id": project, "since": since, "ref": 1})
        before, _ = await until(client, "ok")
        assert [m["resource"] for m in before] == RESOURCES
        assert {m["reason"] for m in before} == {"cursor_expired"}


async def test_a_thousand_rows_are_listed_and_more_are_a_resync(database, gateway):
    project = database.add_project()
    cursor = await first_cursor(gateway, project)
    # Each in a transaction of its own: a bulk change would be one `*`.
    with database.connection.cursor() as cur:
        for number in range(1000):
            cur.execute("INSERT INTO tasks (project_id, title) VALUES (%s, %s)", (project, str(number)))
    client = await PythonClient.connect(gateway)
    missed, answer = await ready(client, project_id=project, since=cursor)
    assert len(missed) == 1000 and len(set(pairs(missed))) == 1000
    # The queue's bounds hold again behind it.
    for number in range(300):
        announce(database, project, f"live-{number}")
    live = [(await client.receive_json())["data"]["id"] for _ in range(300)]
    assert live == [f"live-{number}" for number in range(300)]
    database.add_task(project)
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert [m["reason"] for m in missed] == ["too_many_changes"] * 4


async def test_without_the_event_log_a_cursor_is_a_resync_and_ready_has_none(database, start_gateway):
    database.drop_event_log()
    gateway = start_gateway()
    project = database.add_project()
    client = await PythonClient.connect(gateway, project=project)
    _, answer = await ready(client)
    assert answer["cursor"] is None
    task = database.add_task(project)
    event = await client.receive_json()
    assert event["data"]["id"] == task and "cursor" not in event
    missed, _ = await ready(client, project_id=project, since="5")
    assert [m["reason"] for m in missed] == ["cursor_expired"] * 4


async def test_a_client_that_resumes_a_hundred_times_misses_nothing(database, gateway):
    project = database.add_project()
    cursor = await first_cursor(gateway, project)
    written, heard = set(), set()
    open_writer = database.connect()  # Its transaction stays open over several resumes.
    open_writer.autocommit = False
    late = open_writer.cursor()
    for number in range(100):
        late.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'late') RETURNING id::text", (project,))
        written.add(late.fetchone()[0])
        written.add(database.add_task(project))
        if number % 7 == 6:
            open_writer.commit()
        client = await PythonClient.connect(gateway)
        missed, answer = await ready(client, project_id=project, since=cursor)
        heard |= {message["data"]["id"] for message in missed}
        cursor = answer["cursor"]
        if number % 3 == 0:
            live = database.add_task(project)
            written.add(live)
            event = await client.receive_json()
            heard.add(event["data"]["id"])
            cursor = event["cursor"]
        await client.abandon()
    open_writer.commit()
    open_writer.close()
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    heard |= {message["data"]["id"] for message in missed}
    assert written <= heard


async def test_old_events_are_pruned_and_the_horizon_rises(database, start_gateway):
    project = database.add_project()
    gateway = start_gateway()
    cursor = await first_cursor(gateway, project)
    for _ in range(3):
        database.add_task(project)
    database.execute("UPDATE cache_events SET created_at = now() - interval '25 hours'")
    kept = database.add_task(project)
    # Of the number that the turns were once taken by: any role can.
    other = database.connect()
    other.cursor().execute("SELECT pg_advisory_lock(7234318567258613104)")
    statement = "SELECT count(*) FROM cache_events"
    # By the gateway's own statement, which it sends once a minute.
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    wait_until(lambda: database.execute(statement)[0][0] == 1, "the old events are gone", seconds=75)
    other.close()
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert {m["reason"] for m in missed} == {"cursor_expired"}
    rows = database.execute("SELECT record_id FROM cache_events")
    assert rows == [(kept,)]


async def test_what_a_silent_table_hid_is_a_resync_for_who_resumes(database, start_gateway):
    """The gateway knows of it by a look at the catalogue, and so do one that is started later and all others."""
    project = database.add_project()
    gateway = start_gateway()
    cursor = await first_cursor(gateway, project)
    database.execute("ALTER TABLE tasks DISABLE TRIGGER USER")
    database.add_task(project)
    database.execute("ALTER TABLE tasks ENABLE TRIGGER USER")
    # It looks at once when the listener is back.
    wait_until(lambda: database.terminate_listener() == [(True,)], "a listener to end")
    wait_until(lambda: gateway.log("tables announce again"), "the gateway knows")
    horizon = "SELECT xid::text::bigint FROM cache_events_horizon"
    wait_until(lambda: database.execute(horizon)[0][0] >= int(cursor), "the horizon rises")
    for asked in [gateway, start_gateway()]:
        client = await PythonClient.connect(asked)
        missed, _ = await ready(client, project_id=project, since=cursor)
        assert [m["resource"] for m in missed] == RESOURCES
        assert {m["reason"] for m in missed} == {"cursor_expired"}
        await client.close()


@pytest.mark.parametrize("before, out, back, table", SILENCES)
async def test_what_a_silent_table_hid_while_no_gateway_ran_is_a_resync(
        database, start_gateway, before, out, back, table):
    if before:
        database.execute(before)
    project = database.add_project()
    gateway = start_gateway()
    cursor = await first_cursor(gateway, project)
    gateway.stop()
    database.execute(out)
    database.execute(back)
    gateway = start_gateway()
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert {m["reason"] for m in missed} == {"cursor_expired"} and table in {m["resource"] for m in missed}
    # What has been here since can resume.
    cursor = await first_cursor(gateway, project)
    task = database.add_task(project)
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert [m["data"]["id"] for m in missed] == [str(task)]


@pytest.mark.parametrize("before, out, back, table", SILENCES)
async def test_what_a_silent_table_hid_is_a_resync_of_that_table_for_who_is_here(
        database, start_gateway, before, out, back, table):
    """The others' rows are as they were, and nobody fetches them again."""
    if before:
        database.execute(before)
    project = database.add_project()
    gateway = start_gateway()
    cursor = await first_cursor(gateway, project)
    client = await PythonClient.connect(gateway, project=project)
    await ready(client)
    database.execute(out)
    database.execute(back)
    database.terminate_questions()
    gateway.wait_for_log("tables announce again")
    database.add_sprint(project)
    messages = [await client.receive_json()]
    while messages[-1]["resource"] != "sprints":
        messages.append(await client.receive_json())
    resyncs = [(m["resource"], m["action"], m["reason"]) for m in messages if m["action"] == "RESYNC"]
    # A table that was renamed may be listed under both names.
    assert (table, "RESYNC", "listener_reconnected") in resyncs
    assert {resource for resource, _, _ in resyncs} <= {table, "former_tasks"}
    other = await PythonClient.connect(gateway)
    missed, _ = await ready(other, project_id=project, since=cursor)
    assert {m["reason"] for m in missed} == {"cursor_expired"}


async def test_a_table_of_ones_own_that_is_silent_at_the_start_is_named_and_nobody_resumes(database, start_gateway):
    database.execute(PARTITIONED)
    database.execute("ALTER TABLE docs_b DISABLE TRIGGER docs_changes")
    project = database.add_project()
    gateway = start_gateway()
    assert gateway.wait_for_log("tables don't announce everything")["tables"] == "docs"
    assert "[!] tables that don't announce everything: docs" in gateway.request("/readyz?verbose", admin=True)[2]
    cursor = await first_cursor(gateway, project)
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert [m["resource"] for m in missed] == [*RESOURCES, "docs"]
    assert {m["reason"] for m in missed} == {"cursor_expired"}
    database.execute("ALTER TABLE docs_b ENABLE TRIGGER docs_changes")
    database.terminate_questions()
    gateway.wait_for_log("tables announce again", tables="docs")
    resync = await client.receive_json()
    assert (resync["resource"], resync["action"]) == ("docs", "RESYNC")


async def test_a_table_that_a_resync_has_no_room_for_is_told_and_its_silence_noticed(database, start_gateway):
    """Nobody knew of the 65th: who resumed across its silence missed what had changed in it."""
    database.execute(MANY_TABLES.format(count=61) + "; ALTER TABLE notes_061 DISABLE TRIGGER changes")
    project = database.add_project()
    gateway = start_gateway()
    assert gateway.wait_for_log("tables don't announce everything")["tables"] == "notes_061"
    line = gateway.wait_for_log("a resync doesn't name all tables", tables=65, named=64)
    assert line["level"] == "warning" and "DROP TRIGGER" in line["advice"]
    status = gateway.request("/readyz?verbose", admin=True)[2]
    assert "[!] tables that don't announce everything: notes_061\n" in status
    assert "[!] 65 tables have the trigger, and a resync names 64 of them\n" in status
    cursor = await first_cursor(gateway, project)
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert {m["reason"] for m in missed} == {"cursor_expired"}
    assert [m["resource"] for m in missed] == [*RESOURCES, *(f"notes_{number:03}" for number in range(1, 61))]
    database.execute("ALTER TABLE notes_061 ENABLE TRIGGER changes")
    gateway.wait_for_log("tables announce again", tables="notes_061")
    resync = await client.receive_json()
    assert (resync["resource"], resync["action"]) == ("notes_061", "RESYNC")
    database.execute("DROP TABLE notes_001")
    wait_until(lambda: "resync names" not in gateway.request("/readyz?verbose", admin=True)[2], "all are named")


async def test_partitions_that_come_and_go_cost_nobody_anything_and_a_new_table_no_more_than_itself(
        database, start_gateway):
    database.execute(PARTITIONED)
    project = database.add_project()
    gateway = start_gateway()
    cursor = await first_cursor(gateway, project)
    client = await PythonClient.connect(gateway, project=project)
    await ready(client)
    for statement in [
            "CREATE TABLE docs_c PARTITION OF docs FOR VALUES IN ('c')",
            "CREATE TABLE docs_d (LIKE docs); ALTER TABLE docs ATTACH PARTITION docs_d FOR VALUES IN ('d')",
            "ALTER TABLE docs DETACH PARTITION docs_d", "ALTER TABLE docs DETACH PARTITION docs_c CONCURRENTLY",
            "DROP TABLE docs_b", "ALTER TABLE docs ATTACH PARTITION docs_d FOR VALUES IN ('d')",
            "ALTER TABLE docs ADD COLUMN title text; CREATE INDEX ON docs (title)", "VACUUM FULL docs", "TRUNCATE docs_d"]:
        database.execute(statement)
    database.terminate_questions()
    missed, _ = await ready(await PythonClient.connect(gateway), project_id=project, since=cursor)
    assert missed == []
    database.execute(
        "CREATE TABLE notes (id uuid, project_id uuid); CREATE TRIGGER changes AFTER INSERT ON notes"
        " FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()")
    database.terminate_questions()
    assert gateway.wait_for_log("tables announce again")["tables"] == "notes"
    resync = await client.receive_json()
    assert (resync["resource"], resync["action"]) == ("notes", "RESYNC")
    database.add_sprint(project)
    assert (await client.receive_json())["resource"] == "sprints"


async def test_an_unlogged_log_is_not_relied_on(database, start_gateway):
    """After a crash it is empty, and nobody could tell that from nothing missed."""
    project = database.add_project()
    gateway = start_gateway()
    cursor = await first_cursor(gateway, project)
    database.execute("ALTER TABLE cache_events SET UNLOGGED")
    line = wait_until(
        lambda: [one for one in gateway.log("event log") if "unlogged" in one["state"]], "the gateway knows")[0]
    assert line["level"] == "warning" and "SET LOGGED" in line["advice"]
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert {m["action"] for m in missed} == {"RESYNC"}


async def test_what_a_short_silence_hid_is_a_resync_though_the_gateway_ends_soon_after_it(database, start_gateway):
    """A client's cursor goes on with the canaries: it mustn't be beyond a switch that nobody has looked at."""
    project = database.add_project()
    gateway = start_gateway()
    await first_cursor(gateway, project)
    client = await PythonClient.connect(gateway, project=project)
    await ready(client)
    database.execute(
        "ALTER TABLE tasks DISABLE TRIGGER USER;"
        f"INSERT INTO tasks (project_id, title) VALUES ('{project}', 'hidden');"
        "ALTER TABLE tasks ENABLE TRIGGER USER")
    switched = int(database.execute("SELECT max(xmin::text::bigint) FROM pg_trigger")[0][0])
    cursor, resyncs = 0, 0
    while cursor <= switched:
        database.add_task(project)
        while (event := await client.receive_json()).get("action") != "INSERT":
            resyncs += event.get("action") == "RESYNC"
        cursor = int(event["cursor"])
        await asyncio.sleep(0.05)
    with contextlib.suppress(asyncio.TimeoutError):
        # The look is under way then, for milliseconds.
        while not resyncs:
            resyncs += (await asyncio.wait_for(client.receive_json(), 2)).get("action") == "RESYNC"
    gateway.kill()
    gateway = start_gateway()
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=str(cursor))
    assert resyncs or {m["action"] for m in missed} == {"RESYNC"}


@pytest.mark.parametrize("is_up", [True, False])
@pytest.mark.parametrize("away, back", [
    ("ALTER TABLE cache_events RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO cache_events"),
    ("ALTER TABLE cache_events SET SCHEMA other", "ALTER TABLE other.cache_events SET SCHEMA public"),
    ("ALTER TABLE cache_events OWNER TO somebody", "ALTER TABLE cache_events OWNER TO CURRENT_USER"),
    ("ALTER TABLE cache_events_horizon RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO cache_events_horizon"),
    ("ALTER FUNCTION notify_cache_invalidation() OWNER TO somebody",
     "ALTER FUNCTION notify_cache_invalidation() OWNER TO CURRENT_USER"),
    ("ALTER SCHEMA public RENAME TO elsewhere", "ALTER SCHEMA elsewhere RENAME TO public"),
], ids=["renamed", "moved", "given", "horizon", "function", "schema"])
async def test_what_was_not_recorded_while_the_log_was_away_is_a_resync(database, start_gateway, away, back, is_up):
    """The triggers announce then, and record nothing."""
    database.execute("CREATE SCHEMA other; DROP ROLE IF EXISTS somebody; CREATE ROLE somebody SUPERUSER")
    try:
        project = database.add_project()
        gateway = start_gateway()
        cursor = await first_cursor(gateway, project)
        if not is_up:
            gateway.stop()
        database.execute(away)
        where = "elsewhere." if "SCHEMA public" in away else ""
        database.execute(f"INSERT INTO {where}tasks (project_id, title) VALUES ('{project}', 'x')")
        database.execute(back)
        if not is_up:
            gateway = start_gateway()
        gateway.wait_for_metric("devhive_event_log_usable", 1)
        client = await PythonClient.connect(gateway)
        missed, _ = await ready(client, project_id=project, since=cursor)
        assert {m["reason"] for m in missed} <= {"cursor_expired", "listener_reconnected"} and missed
        if not is_up:
            # One from behind it is good. (A gateway that ran gives one at its next canary.)
            cursor = await first_cursor(gateway, project)
            database.add_task(project)
            client = await PythonClient.connect(gateway)
            missed, _ = await ready(client, project_id=project, since=cursor)
            assert {m["action"] for m in missed} == {"INSERT"}
    finally:
        database.execute("DROP OWNED BY somebody; DROP ROLE somebody")


async def test_a_trigger_for_replicas_alone_announces_nothing_here(database, start_gateway):
    database.execute("ALTER TABLE tasks ENABLE REPLICA TRIGGER tasks_cache_invalidate")
    gateway = start_gateway()
    assert gateway.wait_for_log("tables don't announce everything")["tables"] == "tasks"


async def test_who_resumes_while_a_table_is_silent_gets_a_resync(database, start_gateway):
    project = database.add_project()
    database.execute("ALTER TABLE tasks DISABLE TRIGGER USER")
    gateway = start_gateway()
    cursor = await first_cursor(gateway, project)
    database.add_task(project)
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert {m["reason"] for m in missed} == {"cursor_expired"}


async def test_an_operator_can_make_all_cursors_expire_whatever_their_numbers(database, gateway):
    """After a failover transaction numbers are given again, and cursors from before are ahead of them (deployment.md)."""
    project = database.add_project()
    ahead = str(int(await first_cursor(gateway, project)) + 100)
    database.execute("TRUNCATE cache_events")
    database.execute(
        "UPDATE cache_events_horizon SET xid = (pg_current_xact_id()::text::bigint + 1000000)::text::xid8")
    for _ in range(150):
        database.add_task(project)
    for cursor in [ahead, await first_cursor(gateway, project)]:
        client = await PythonClient.connect(gateway)
        missed, _ = await ready(client, project_id=project, since=cursor)
        assert {m["reason"] for m in missed} == {"cursor_expired"}


async def test_a_log_that_somebody_emptied_is_a_resync_for_who_resumes(database, gateway):
    project = database.add_project()
    for statement in ["TRUNCATE cache_events", "DELETE FROM cache_events", "DELETE FROM cache_events_horizon"]:
        cursor = await first_cursor(gateway, project)
        database.add_task(project)
        database.execute(statement)
        client = await PythonClient.connect(gateway)
        missed, _ = await ready(client, project_id=project, since=cursor)
        assert [(message["resource"], message["reason"]) for message in missed] == [
            (resource, "cursor_expired") for resource in RESOURCES], statement
        await client.close()


async def test_an_open_transaction_hides_nothing_from_a_resume(database, gateway):
    """With a sequence number as the cursor, a transaction that commits late would be lost."""
    project = database.add_project()
    client = await PythonClient.connect(gateway, project=project)
    await ready(client)
    writer = database.connect()
    writer.autocommit = False
    with writer.cursor() as cur:
        cur.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'late') RETURNING id::text", (project,))
        late = cur.fetchone()[0]
    early = database.add_task(project)
    event = await client.receive_json()
    assert event["data"]["id"] == early
    await client.abandon()
    writer.commit()
    writer.close()
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=event["cursor"])
    assert ("tasks", late) in pairs(missed)


async def test_a_client_that_leaves_before_the_answer_is_not_subscribed(database, gateway):
    project = database.add_project()
    cursor = await first_cursor(gateway, project)
    client = await PythonClient.connect(gateway)
    await client.send_json({"type": "join_project", "project_id": project, "since": cursor, "ref": "join"})
    await client.send_json({"type": "leave_project", "ref": "leave"})
    answers = [json.loads(await client.receive()) for _ in range(2)]
    assert answers[-1] == {"type": "ok", "ref": "leave"}
    announce(database, project, "unheard")
    await client.send_json({"type": "ping"})
    assert (await client.receive_json())["type"] == "pong"


async def test_a_log_that_may_not_be_read_any_more_is_made_up_for_by_a_resync(database, start_gateway, role):
    url, name = role
    gateway = start_gateway(url=url)
    project = database.add_project()
    cursor = await first_cursor(gateway, project)
    database.add_task(project)
    database.execute(f"REVOKE SELECT ON cache_events FROM {name}")
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert [message["resource"] for message in missed if message["action"] == "RESYNC"] == RESOURCES
    line = gateway.wait_for_log("statement refused", what="reading the event log")
    assert "doctor" in line["advice"]
    line = gateway.wait_for_log("event log", state="not readable for this role")
    assert "GRANT SELECT" in line["advice"]


async def test_a_log_that_row_level_security_hides_is_made_up_for_by_a_resync(database, start_gateway, role):
    """Whoever resumed got nothing of what it had missed, and no resync."""
    gateway = start_gateway(url=role[0])
    project = database.add_project()
    cursor = await first_cursor(gateway, project)
    database.add_task(project)
    database.execute("ALTER TABLE cache_events ENABLE ROW LEVEL SECURITY")
    client = await PythonClient.connect(gateway)
    missed, _ = await ready(client, project_id=project, since=cursor)
    assert [message["resource"] for message in missed if message["action"] == "RESYNC"] == RESOURCES
    line = gateway.wait_for_log("event log", state="hidden from this role by row-level security")
    assert "DISABLE ROW LEVEL SECURITY" in line["advice"]
    missed, _ = await ready(await PythonClient.connect(gateway), project_id=project, since=cursor)
    assert [message["resource"] for message in missed if message["action"] == "RESYNC"] == RESOURCES


def test_a_canary_that_is_refused_is_reported_and_announcements_go_on(database, start_gateway, role):
    gateway = start_gateway(url=role[0])
    project = database.add_project()
    database.execute("REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC")
    assert "doctor" in gateway.wait_for_log("statement refused", what="canary")["advice"]
    before = gateway.metrics()["devhive_notifications_received_total"]
    database.add_task(project)
    gateway.wait_for_metric("devhive_notifications_received_total", before + 1)


async def test_a_resync_names_every_table_from_the_start(database, start_gateway):
    database.execute(
        "CREATE TABLE comments (id uuid, project_id uuid);"
        "CREATE TRIGGER comments_cache_invalidate AFTER INSERT ON comments"
        " FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()")
    project = database.add_project()
    gateway = start_gateway()
    gateway.wait_for_metric("devhive_event_log_usable", 1)  # It has asked the database.
    client = await PythonClient.connect(gateway)
    await client.send_json({"type": "join_project", "project_id": project, "since": "nonsense", "ref": 1})
    heard = []
    while (message := await client.receive_json())["type"] != "ok":
        heard.append(message)
    assert {one["resource"] for one in heard if one.get("action") == "RESYNC"} == {
        "comments", "project_members", "projects", "sprints", "tasks"}
