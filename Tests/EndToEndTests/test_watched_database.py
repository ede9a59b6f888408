"""What a gateway finds out about its database besides the changes: what the triggers could not do, what holds cursors
back, and tables that announce nothing."""

import re

from support.clients import PythonClient
from support.waiting import wait_until

RESOURCES = ["project_members", "projects", "sprints", "tasks"]
# The triggers tell that many projects of a change whose project they can't name; of more not all.
PROJECTS_TOLD = 1_000


def readiness(gateway):
    return gateway.request("/readyz?verbose", admin=True)[2].splitlines()


async def until_resync(client):
    """What comes before the resync, and the resources that this names."""
    before = []
    while (message := await client.receive_json()).get("action") != "RESYNC":
        before.append(message)
    resync = [message] + [await client.receive_json() for _ in RESOURCES[1:]]
    assert {one["action"] for one in resync} == {"RESYNC"}
    return before, [one["resource"] for one in resync]


async def test_what_the_triggers_could_not_do_is_told_and_a_loss_is_a_resync(database, start_gateway):
    """The counters, and what holds cursors back, are read by their places in one answer."""
    project = database.add_project()
    # It goes on from before the gateway is there: how long, the gateway only knows from the database.
    writer = database.connect()
    writer.cursor().execute("BEGIN; INSERT INTO users (email, name) VALUES ('late@example.org', 'late')")
    gateway = start_gateway()
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    assert "[i] triggers failed 0 times, and lost 0 changes" in readiness(gateway)
    client = await PythonClient.connect(gateway, project)
    database.execute("ALTER TABLE tasks RENAME project_id TO belongs_to")
    for _ in range(3):
        database.execute("INSERT INTO tasks (belongs_to, title) VALUES (%s, 't')", project)
    with database.silence():
        database.execute("INSERT INTO projects (name) SELECT 'p' FROM generate_series(1, %s)", PROJECTS_TOLD)
    database.execute("INSERT INTO tasks (belongs_to, title) VALUES (%s, 't')", project)
    line = gateway.wait_for_log("triggers failed")
    assert (line["level"], line["failures"], line["losses"]) == ("warning", 4, 1) and "doctor" in line["advice"]
    assert "[!] triggers failed 4 times, and lost 1 changes" in readiness(gateway)
    metrics = gateway.metrics()
    assert (metrics["devhive_trigger_failures"], metrics["devhive_trigger_losses"]) == (4, 1)
    before, resync = await until_resync(client)
    assert resync == RESOURCES
    assert {(one["resource"], one["data"]["id"]) for one in before} == {("tasks", "*")} and len(before) in (3, 4)

    # One that has just come hasn't seen for itself how long the transaction goes on.
    other = start_gateway()

    def first_figures():
        found = other.metrics()
        return found if found["devhive_event_log_usable"] == 1 else None
    figures = wait_until(first_figures, "the database has answered")
    assert figures["devhive_cursor_age_seconds"] >= 4
    # Each statement since it began was a transaction of its own.
    assert 5 <= figures["devhive_cursor_lag_transactions"] < 100
    assert (figures["devhive_trigger_failures"], figures["devhive_trigger_losses"]) == (4, 1)
    assert any(re.fullmatch(r"\[i\] cursors are held back for \d+ s, by \d+ transactions", line)
               for line in readiness(other))
    assert not other.log("triggers failed"), "what was so before it came is no news"
    writer.close()


async def test_who_was_removed_from_a_table_that_was_swapped_is_found_when_it_announces_again(database, start_gateway):
    """Nothing tells of it but the other trigger in the catalogue."""
    stays, goes = database.add_user(), database.add_user()
    project = database.add_project(stays)
    with database.silence():
        database.add_member(project, goes)
    gateway = start_gateway("--membership", "on")
    clients = [await PythonClient.connect(gateway, project, user) for user in (stays, goes)]
    assert "[i] no table is silent" in readiness(gateway)
    # While the members can't be asked for the catalogue is looked at every second.
    database.execute("DROP TRIGGER tasks_cache_invalidate ON tasks;"
                     "ALTER TABLE project_members RENAME TO former_members")
    await (await PythonClient.connect(gateway, user=stays)).ask({"type": "join_project", "project_id": project, "ref": 1})
    line = gateway.wait_for_log("tables don't announce everything", tables="project_members, tasks")
    assert line["level"] == "warning" and "migrate" in line["advice"]
    assert gateway.metrics()["devhive_tables_silent"] == 2
    assert "[!] tables that don't announce everything: project_members, tasks" in readiness(gateway)
    with database.transaction() as cursor:
        cursor.execute("CREATE TABLE project_members (LIKE former_members INCLUDING ALL)")
        cursor.execute("INSERT INTO project_members SELECT * FROM former_members WHERE user_id <> %s", (goes,))
        for table in ("project_members", "tasks"):
            cursor.execute(
                f"CREATE TRIGGER {table}_cache_invalidate AFTER INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()")
        cursor.execute("CREATE TRIGGER project_members_cache_invalidate_truncate BEFORE TRUNCATE ON project_members"
                       " FOR EACH STATEMENT EXECUTE FUNCTION notify_cache_truncation()")
    gateway.wait_for_log("tables announce again", tables="project_members, tasks")
    # The renamed table goes on under its other name, which is new.
    for client in clients:
        told = await client.receive_json()
        assert (told["resource"], told["action"]) == ("former_members", "RESYNC")
    assert await until_resync(clients[0]) == ([], RESOURCES)
    told = await clients[1].receive_json()
    assert (told["type"], told["code"]) == ("error", "membership_revoked")
    metrics = gateway.metrics()
    assert metrics["devhive_tables_silent"] == 0
    # Nothing else could have told of it.
    assert metrics["devhive_notifications_received_total"] == metrics["devhive_listener_reconnects_total"] == 0


def test_a_name_makes_no_line_and_turns_none_around(database, start_gateway):
    database.execute(
        'CREATE TABLE "a\n[+] b\u202e" (id uuid, project_id uuid); CREATE TRIGGER t AFTER INSERT ON "a\n[+] b\u202e"'
        ' FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation(); ALTER TABLE "a\n[+] b\u202e" DISABLE TRIGGER t')
    gateway = start_gateway()
    gateway.wait_for_log("tables don't announce everything", tables="a\n[+] b\u202e")
    assert r"[!] tables that don't announce everything: a\n[+] b\u202e" in readiness(gateway)


def test_cursors_expire_though_the_log_is_locked_when_they_are_to(database, start_gateway):
    """What was refused once was never written: whoever resumed at another gateway missed what wasn't announced."""
    def horizon():
        return database.execute("SELECT xid::text::bigint FROM cache_events_horizon")[0][0]
    gateway = start_gateway()
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    before = horizon()
    blocker = database.connect()
    blocker.cursor().execute("BEGIN; LOCK TABLE cache_events_horizon IN ACCESS EXCLUSIVE MODE")
    database.execute("SELECT nextval('cache_losses')")
    assert "lock timeout" in gateway.wait_for_log("statement refused", what="expiring cursors")["error"]
    blocker.cursor().execute("ROLLBACK")
    wait_until(lambda: horizon() > before, "the horizon rises after all")
    blocker.close()
