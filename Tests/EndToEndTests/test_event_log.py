"""What the triggers record, seen from the database: the log needs no gateway."""

import json

import psycopg2
import pytest

from support.database import Database, Listener

LOG = "SELECT resource, action, record_id FROM cache_events ORDER BY seq"


def test_what_is_announced_is_recorded_and_the_payload_has_a_cursor(database, listener):
    project = database.add_project()
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'x') RETURNING id::text", (project,))
        task = cursor.fetchone()[0]
        cursor.execute("SELECT pg_current_xact_id()::text")
        xid = cursor.fetchone()[0]
    payload = json.loads(listener.take()[0])
    assert list(payload) == ["resource", "id", "action", "project_id", "timestamp", "cursor"]
    assert int(payload["cursor"]) <= int(xid)
    assert database.execute("SELECT project_id::text, resource, record_id, action, xid::text FROM cache_events") == [
        (project, "tasks", task, "INSERT", xid)]
    stamp = database.execute(
        "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM cache_events")
    assert stamp == [(payload["timestamp"],)]


def test_a_row_that_moves_is_recorded_for_both_projects(database, listener):
    old, new = database.add_project(), database.add_project()
    task = database.add_task(old)
    database.execute("UPDATE tasks SET project_id = %s WHERE id = %s", new, task)
    assert database.execute("SELECT project_id::text, action FROM cache_events ORDER BY seq") == [
        (old, "INSERT"), (old, "DELETE"), (new, "INSERT")]


@pytest.mark.parametrize("count", [32, 33, 20_000])
def test_a_bulk_change_is_a_few_dozen_records_and_notifications(database, listener, count):
    project = database.add_project()
    database.add_tasks(project, count)
    announced = [json.loads(p)["id"] for p in listener.take()]
    recorded = [row for _, _, row in database.execute(LOG)]
    assert len(announced) == min(count, 33)
    assert recorded == announced
    assert recorded.count("*") == (1 if count > 32 else 0)


def test_many_projects_by_turns_are_one_star_each(database, listener):
    """More of them than the trigger can remember: the log keeps to one, and so does PostgreSQL."""
    projects = [database.add_project() for _ in range(500)]
    database.execute(
        "INSERT INTO tasks (project_id, title) SELECT p::uuid, 't' FROM generate_series(1, 6) n, unnest(%s) p", projects)
    stars = database.execute(
        "SELECT count(*), count(DISTINCT project_id) FROM cache_events WHERE record_id = '*'")[0]
    assert stars[0] == stars[1] <= 500
    announced = [p for p in listener.take() if '"id":"*"' in p]
    assert len(announced) == len(set(announced)) == stars[0]


def test_what_is_rolled_back_leaves_nothing(database, listener):
    project = database.add_project()
    with database.connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'x')", (project,))
        cursor.execute("SAVEPOINT here")
        cursor.execute("INSERT INTO tasks (project_id, title) SELECT %s, 't' FROM generate_series(1, 50)", (project,))
        cursor.execute("ROLLBACK TO SAVEPOINT here")
        cursor.execute("COMMIT")
    assert len(listener.take()) == 1
    assert len(database.execute(LOG)) == 1


def test_a_writer_without_rights_to_the_log_and_with_another_search_path_is_recorded(database, listener):
    project = database.add_project()
    role = f"writer_{database.name}"
    database.execute(f"CREATE ROLE {role}; GRANT INSERT ON tasks TO {role}; CREATE SCHEMA elsewhere")
    database.execute(f"GRANT USAGE ON SCHEMA elsewhere TO {role}")
    try:
        with database.transaction() as cursor:
            cursor.execute(f"SET LOCAL ROLE {role}")
            cursor.execute("SET LOCAL search_path = elsewhere")
            cursor.execute("INSERT INTO public.tasks (project_id, title) VALUES (%s, 'x')", (project,))
        assert len(listener.take()) == 1
        assert len(database.execute(LOG)) == 1
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_writer_through_a_view_who_may_not_use_the_tables_schema_is_recorded(cluster):
    cluster.create_database("devhive_view")
    database = Database(cluster, "devhive_view")
    database.execute("CREATE SCHEMA app; CREATE SCHEMA api; CREATE ROLE web_view; ALTER DATABASE devhive_view SET search_path = app")
    database.close()
    cluster.apply_migrations(database.name)
    database.execute("CREATE VIEW api.tasks AS SELECT id, project_id, title FROM app.tasks")
    database.execute("GRANT USAGE ON SCHEMA api TO web_view; GRANT SELECT, INSERT, UPDATE, DELETE ON api.tasks TO web_view")
    listener = Listener(database)
    try:
        project = database.add_project()
        with database.transaction() as cursor:
            cursor.execute("SET LOCAL ROLE web_view")
            cursor.execute("INSERT INTO api.tasks (project_id, title) VALUES (%s, 'x') RETURNING id::text", (project,))
            task = cursor.fetchone()[0]
        payload = json.loads(listener.take()[0])
        assert payload["id"] == task and "cursor" in payload
        assert database.execute(LOG) == [("tasks", "INSERT", task)]
        assert database.connection.notices == []
    finally:
        listener.close()
        database.execute("DROP OWNED BY web_view; DROP ROLE web_view")
        database.close()
        cluster.drop_database(database.name)


def test_nobody_else_can_write_to_the_log(database):
    """A transaction number of the far future would make every cursor expire."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), database.transaction() as cursor:
        cursor.execute("CREATE ROLE stranger; SET LOCAL ROLE stranger")
        cursor.execute("INSERT INTO cache_events (xid, project_id, resource, record_id, action)"
                       " VALUES ('9223372036854775807', gen_random_uuid(), 'tasks', '*', 'DELETE')")


def test_a_log_of_another_owner_than_the_tables_is_written(cluster, database, listener):
    role = f"owner_{database.name}"
    database.execute(f"CREATE ROLE {role}")
    for table in ["users", "projects", "sprints", "tasks", "project_members"]:
        database.execute(f"ALTER TABLE {table} OWNER TO {role}")
    try:
        cluster.apply_migrations(database.name)
        assert database.execute("SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE proname LIKE 'notify_cache_%%'") == [(role,)]
        project = database.add_project()
        task = database.add_task(project)
        database.execute("TRUNCATE tasks")
        assert database.execute(LOG) == [("tasks", "INSERT", task), ("tasks", "DELETE", "*")]
    finally:
        database.execute(f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_log_that_cannot_be_written_fails_nobody(database, listener):
    project = database.add_project()
    database.execute("ALTER TABLE cache_events ADD CHECK (record_id IS NULL) NOT VALID")
    task = database.add_task(project)
    assert [json.loads(p)["id"] for p in listener.take()] == [task]
    assert any("could not be recorded" in notice for notice in database.connection.notices)
    assert database.execute("SELECT xid > pg_snapshot_xmax(pg_current_snapshot()) FROM cache_events_horizon") == [(True,)], \
        "whoever resumes is told to fetch all"


def test_recording_takes_one_subtransaction_at_most(database, listener):
    """Beyond 64 of a transaction everybody's snapshots overflow: then each look at a row asks the disk."""
    projects = [database.add_project() for _ in range(200)]
    with database.transaction() as cursor:
        for project in projects:
            cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'x')", (project,))
        cursor.execute("SELECT pg_current_xact_id()::xid::text")
        xid = cursor.fetchone()[0]
    rows = dict(database.execute("SELECT xmin::text, count(*) FROM cache_events GROUP BY 1"))
    assert len(rows) <= 2 and rows[xid] >= 199 and sum(rows.values()) == 200


@pytest.mark.parametrize("change", [
    "DROP COLUMN action", "RENAME record_id TO row_id", "ALTER action TYPE char(3)", "ADD extra text NOT NULL DEFAULT ''",
    "ADD UNIQUE (resource)", "ADD CHECK (resource <> 'tasks') NOT VALID", "ALTER resource TYPE char(3) USING ''"])
def test_a_log_that_its_owner_has_changed_fails_nobody(database, listener, change):
    project = database.add_project()
    database.execute("ALTER TABLE cache_events " + change)
    for count in (1, 3, 40):
        database.add_tasks(project, count)
    assert len(listener.take()) == 1 + 3 + 33
    assert database.execute("SELECT count(*) FROM tasks") == [(44,)]
    # In a session that has its plans already.
    database.execute("ALTER TABLE cache_events ADD CHECK (project_id IS NULL) NOT VALID")
    database.add_tasks(project, 3)
    assert len(listener.take()) == 3


def test_a_lock_on_the_log_that_is_not_to_be_had_fails_nobody(database, listener):
    project = database.add_project()
    other = database.connect()
    other.autocommit = False
    other.cursor().execute("LOCK TABLE cache_events IN ACCESS EXCLUSIVE MODE")
    before = database.execute("SELECT xid::text::bigint FROM cache_events_horizon")[0][0]
    with database.transaction() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
        cursor.execute("INSERT INTO tasks (project_id, title) SELECT %s, 'x' FROM generate_series(1, 40)", (project,))
    other.rollback()
    other.close()
    announced = [json.loads(p) for p in listener.take()]
    assert len(announced) == 33 and "cursor" not in announced[0]
    assert len(database.connection.notices) == 1
    assert database.execute("SELECT xid::text::bigint FROM cache_events_horizon")[0][0] > before, "all cursors are too old"
    assert database.execute("SELECT last_value, is_called FROM cache_losses") == [(1, True)]


def test_truncate_is_recorded_for_every_project(database, listener):
    projects = sorted(database.add_project() for _ in range(3))
    database.execute("TRUNCATE tasks")
    assert database.execute("SELECT project_id::text, record_id, action FROM cache_events ORDER BY 1") == [
        (project, "*", "DELETE") for project in projects]


def test_without_the_log_the_triggers_go_on_without_a_cursor(database, listener):
    database.drop_event_log()
    project = database.add_project()
    task = database.add_task(project)
    payload = json.loads(listener.take()[0])
    assert payload["id"] == task
    assert list(payload) == ["resource", "id", "action", "project_id", "timestamp"]


def test_migrate_leaves_the_log_out_when_told(database, run_command):
    database.drop_event_log()
    assert "005_add_event_log.sql" not in run_command("migrate", "--event-log", "off")
    assert database.execute("SELECT to_regclass('cache_events')") == [(None,)]
    assert "005_add_event_log.sql: applied" in run_command("migrate")
    assert database.execute("SELECT to_regclass('cache_events')") == [("cache_events",)]


def horizon(database):
    return database.execute("SELECT xid::text::bigint FROM cache_events_horizon")[0][0]


def newest(database):
    return database.execute("SELECT xid::text::bigint FROM cache_events ORDER BY xid DESC LIMIT 1")[0][0]


@pytest.mark.parametrize("statement", [
    "TRUNCATE cache_events", "DELETE FROM cache_events", "DELETE FROM cache_events WHERE resource = 'tasks'",
    "WITH gone AS (DELETE FROM cache_events RETURNING 1) SELECT count(*) FROM gone",
    "TRUNCATE cache_events, cache_events_horizon"])
def test_whoever_removes_records_makes_the_cursors_below_them_expire(database, statement):
    database.add_task(database.add_project())
    removed = newest(database)
    assert horizon(database) < removed
    database.execute(statement)
    assert horizon(database) >= removed, "a cursor has to be above it"


def test_removing_old_records_leaves_newer_cursors(database):
    project = database.add_project()
    database.add_task(project)
    old = newest(database)
    database.add_task(project)
    database.execute("DELETE FROM cache_events WHERE xid = %s::text::xid8", str(old))
    assert horizon(database) == old < newest(database)
    database.execute("DELETE FROM cache_events WHERE false")
    assert horizon(database) == old
    with pytest.raises(ZeroDivisionError), database.transaction() as cursor:
        cursor.execute("TRUNCATE cache_events")
        raise ZeroDivisionError
    assert horizon(database) == old < newest(database), "what is rolled back removes nothing"


def test_a_role_that_may_delete_records_alone_makes_cursors_expire(database):
    role = f"cleaner_{database.name}"
    database.execute(f"CREATE ROLE {role}; GRANT SELECT, DELETE ON cache_events TO {role}")
    try:
        database.add_task(database.add_project())
        removed = newest(database)
        database.execute(f"SET ROLE {role}; DELETE FROM cache_events; RESET ROLE")
        assert horizon(database) == removed
        database.execute("CREATE TABLE another (xid xid8)")
        database.execute(f"ALTER TABLE another OWNER TO {role}")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.execute(
                f"SET ROLE {role}; CREATE TRIGGER t AFTER TRUNCATE ON another"
                " EXECUTE FUNCTION public.raise_cache_horizon()")
    finally:
        database.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")


def test_records_that_are_being_removed_hold_up_nobody_who_prunes(cluster, database):
    """A gateway takes its turn by the horizon's row, so that the row is to be locked before any record is."""
    database.add_task(database.add_project())
    other = Database(cluster, database.name)
    try:
        with database.transaction() as cursor:
            cursor.execute("DELETE FROM cache_events")
            assert other.execute("SELECT 1 FROM cache_events_horizon FOR UPDATE SKIP LOCKED") == []
        assert len(other.execute("SELECT 1 FROM cache_events_horizon FOR UPDATE SKIP LOCKED")) == 1
    finally:
        other.close()


def test_a_log_that_is_made_anew_knows_nothing_of_what_was_before(cluster, database):
    database.add_task(database.add_project())
    lost = newest(database)
    database.execute("DROP TABLE cache_events")
    cluster.apply_migrations(database.name)
    assert horizon(database) >= lost
    before = horizon(database)
    cluster.apply_migrations(database.name)
    assert horizon(database) == before, "applied once more it expires nothing"
