"""What the triggers announce, heard by a plain LISTEN. No gateway takes part."""

import json
import os
import re
import subprocess

import psycopg2
import pytest

from support.cluster import migration_files
from support.database import Database, Listener
from support.overloads import overloads as made_overloads

ROWS_BY_ID_MAX = 32
TABLES = ["projects", "sprints", "tasks", "project_members"]


def heads(payloads):
    """(resource, action, id) of each payload."""
    return [(p["resource"], p["action"], p["id"]) for p in map(json.loads, payloads)]


def row_of(database, table):
    """A new row of the table: its project, its id as announced, a statement that changes it and one that deletes it."""
    project = database.add_project()
    if table == "projects":
        row = project = database.execute("INSERT INTO projects (name) VALUES ('p') RETURNING id::text")[0][0]
        where = f"id = '{row}'"
    elif table == "project_members":
        user = database.add_user()
        row, where = database.add_member(project, user), f"project_id = '{project}' AND user_id = '{user}'"
    else:
        row = database.add_sprint(project) if table == "sprints" else database.add_task(project)
        where = f"id = '{row}'"
    column = {"projects": "name", "sprints": "name", "tasks": "title", "project_members": "role"}[table]
    return project, row, f"UPDATE {table} SET {column} = 'changed' WHERE {where}", f"DELETE FROM {table} WHERE {where}"


@pytest.mark.parametrize("table", TABLES)
def test_insert_update_and_delete_are_announced(database, listener, table):
    project, row, update, delete = row_of(database, table)
    assert heads(listener.take())[-1] == (table, "INSERT", row)
    database.execute(update)
    assert heads(listener.take()) == [(table, "UPDATE", row)]
    database.execute(delete)
    announced = listener.take()
    assert heads(announced) == [(table, "DELETE", row)]
    assert json.loads(announced[0])["project_id"] == project


@pytest.mark.parametrize("table", TABLES)
def test_an_update_that_changes_nothing_is_silent(database, listener, table):
    _, _, update, _ = row_of(database, table)
    database.execute(update)
    listener.take()
    database.execute(update)
    assert listener.take() == []


def test_the_payload_has_its_keys_in_order_and_no_white_space(database, listener):
    database.execute("DROP TABLE cache_events")  # With it comes a cursor: test_event_log.py.
    project = database.add_project()
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Kathmandu'; SET LOCAL DateStyle = 'German'")
        cursor.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        started = cursor.fetchone()[0]
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'x') RETURNING id::text", (project,))
        task = cursor.fetchone()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", started)
    assert listener.take() == [
        f'{{"resource":"tasks","id":"{task}","action":"INSERT","project_id":"{project}","timestamp":"{started}"}}'
    ]


def test_the_origin_is_copied_when_the_writer_set_one(database, listener):
    project = database.add_project()
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("SET LOCAL devhive.origin = 'tab \"7\"'")
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'x')", (project,))
    payload = json.loads(listener.take()[0])
    assert list(payload) == ["resource", "id", "action", "project_id", "timestamp", "cursor", "origin"]
    assert payload["origin"] == 'tab "7"'
    database.add_task(project)
    assert "origin" not in json.loads(listener.take()[0]), "SET LOCAL ends with its transaction"


def test_what_cascades_has_no_origin(database, listener):
    """The tab that deleted a sprint doesn't know which tasks were in it."""
    project = database.add_project()
    sprint = database.add_sprint(project)
    task = database.add_task(project)
    database.execute("UPDATE tasks SET sprint_id = %s", sprint)
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("SET LOCAL devhive.origin = 'tab'")
        cursor.execute("DELETE FROM sprints")
    announced = [json.loads(p) for p in listener.take()]
    assert {(p["resource"], p["action"], p["id"], p.get("origin")) for p in announced} == {
        ("sprints", "DELETE", sprint, "tab"), ("tasks", "UPDATE", task, None)}


def test_a_star_of_one_origin_hides_nothing_of_another(database, listener):
    """Nor what cascades behind it."""
    project = database.add_project()
    database.add_tasks(project, 100)
    sprint = database.add_sprint(project)
    database.execute("UPDATE tasks SET sprint_id = %s", sprint)
    listener.take()

    def stars():
        return [(p["resource"], p.get("origin")) for p in map(json.loads, listener.take()) if p["id"] == "*"]

    with database.transaction() as cursor:
        cursor.execute("SET LOCAL devhive.origin = 'tab;UPDATE:'; UPDATE tasks SET status = 1")
        cursor.execute("SET LOCAL devhive.origin = 'other'; UPDATE tasks SET status = 2")
        cursor.execute("SET LOCAL devhive.origin = 'tab;UPDATE:'; UPDATE tasks SET status = 3")
        cursor.execute("DELETE FROM sprints")
    assert stars() == [("tasks", "tab;UPDATE:"), ("tasks", "other"), ("tasks", None)]
    with database.transaction() as cursor:
        cursor.execute("UPDATE tasks SET status = 4; SET LOCAL devhive.origin = 'tab'; UPDATE tasks SET status = 5")
    assert stars() == [("tasks", None)], "one without an origin is for everybody"


def test_an_endless_origin_is_cut(database, listener):
    project = database.add_project()
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("SELECT set_config('devhive.origin', repeat('ä', 100000), true)")
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'x')", (project,))
    assert json.loads(listener.take()[0])["origin"] == "ä" * 64


def test_a_row_that_moves_leaves_the_old_project_and_enters_the_new(database, listener):
    old, new = database.add_project(), database.add_project()
    task = database.add_task(old)
    listener.take()
    database.execute("UPDATE tasks SET project_id = %s WHERE id = %s", new, task)
    announced = [json.loads(p) for p in listener.take()]
    assert [(p["action"], p["id"], p["project_id"]) for p in announced] == [("DELETE", task, old), ("INSERT", task, new)]


def test_a_row_that_gets_another_id_is_a_delete_and_an_insert(database, listener):
    """A membership given to another user must be seen as the first one's removal."""
    project, first, second = database.add_project(), database.add_user(), database.add_user()
    database.add_member(project, first)
    listener.take()
    database.execute("UPDATE project_members SET user_id = %s WHERE user_id = %s", second, first)
    assert heads(listener.take()) == [
        ("project_members", "DELETE", f"{project}:{first}"), ("project_members", "INSERT", f"{project}:{second}")]


def test_a_deleted_project_announces_what_goes_with_it(database, listener):
    user = database.add_user()
    project = database.add_project(user)
    sprint, task = database.add_sprint(project), database.add_task(project)
    listener.take()
    database.execute("DELETE FROM projects WHERE id = %s", project)
    assert sorted(heads(listener.take())) == sorted([
        ("projects", "DELETE", project), ("sprints", "DELETE", sprint), ("tasks", "DELETE", task),
        ("project_members", "DELETE", f"{project}:{user}")])


@pytest.mark.parametrize("count", [ROWS_BY_ID_MAX - 1, ROWS_BY_ID_MAX, ROWS_BY_ID_MAX + 1, 10_000])
@pytest.mark.parametrize("action", ["INSERT", "UPDATE", "DELETE"])
def test_from_the_33rd_row_on_the_id_is_a_star(database, listener, action, count):
    project = database.add_project()
    if action == "INSERT":
        listener.take()
        database.add_tasks(project, count)
    else:
        database.add_tasks(project, count)
        listener.take()
        database.execute("UPDATE tasks SET status = 1" if action == "UPDATE" else "DELETE FROM tasks")
    announced = heads(listener.take())
    ids = [row for _, _, row in announced]
    by_id = min(count, ROWS_BY_ID_MAX)
    assert len(set(ids)) == len(ids)
    assert ids[by_id:] == (["*"] if count > ROWS_BY_ID_MAX else [])
    assert "*" not in ids[:by_id] and len(ids[:by_id]) == by_id
    assert {a for _, a, _ in announced} == {action}


def test_each_table_of_a_transaction_has_its_own_32_rows(database, listener):
    project = database.add_project()
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO tasks (project_id, title) SELECT %s, 't' FROM generate_series(1, 40)", (project,))
        cursor.execute("INSERT INTO sprints (project_id, name) VALUES (%s, 's')", (project,))
    assert [row == "*" for _, _, row in heads(listener.take())] == [False] * 32 + [True] + [False]


def test_the_next_transaction_begins_at_its_first_row_again(database, listener):
    project = database.add_project()
    database.add_tasks(project, 40)
    listener.take()
    task = database.add_task(project)
    assert heads(listener.take()) == [("tasks", "INSERT", task)]


def test_a_star_of_one_action_does_not_hide_another(database, listener):
    project = database.add_project()
    database.add_tasks(project, 100)
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("UPDATE tasks SET status = 1")
        cursor.execute("DELETE FROM tasks")
    assert heads(listener.take())[ROWS_BY_ID_MAX:] == [("tasks", "UPDATE", "*"), ("tasks", "DELETE", "*")]


def test_rows_that_change_nothing_do_not_count(database, listener):
    project = database.add_project()
    database.add_tasks(project, 100)
    listener.take()
    database.execute("UPDATE tasks SET status = 0")
    with database.transaction() as cursor:
        cursor.execute("UPDATE tasks SET status = 0")
        cursor.execute("UPDATE tasks SET status = 1 WHERE title = 'task 7'")
    assert [row == "*" for _, _, row in heads(listener.take())] == [False]


def test_every_project_of_a_bulk_change_hears_of_it(database, listener):
    """200 projects by turns: more than the trigger remembers."""
    database.execute("INSERT INTO projects (name) SELECT 'p' FROM generate_series(1, 200)")
    database.execute(
        "INSERT INTO tasks (project_id, title) SELECT id, 't ' || n FROM projects, generate_series(1, 20) n ORDER BY n")
    listener.take()
    database.execute("UPDATE tasks SET status = 1")
    announced = [json.loads(p) for p in listener.take()]
    stars = [p["project_id"] for p in announced if p["id"] == "*"]
    assert len(announced) == ROWS_BY_ID_MAX + 200
    assert len(set(stars)) == 200


def test_a_bulk_move_announces_both_sides(database, listener):
    old, new = database.add_project(), database.add_project()
    database.add_tasks(old, 1000)
    listener.take()
    database.execute("UPDATE tasks SET project_id = %s", new)
    announced = [json.loads(p) for p in listener.take()]
    stars = [(p["action"], p["project_id"]) for p in announced if p["id"] == "*"]
    assert stars == [("DELETE", old), ("INSERT", new)]


@pytest.mark.parametrize("before", [0, 10, 31, 32, 33, 50])
@pytest.mark.parametrize("inside", [1, 10, 32, 40])
def test_a_savepoint_rolled_back_hides_nothing_of_what_comes_after(database, listener, before, inside):
    """Rows after the rollback are announced by id or by a star that was sent, never by one that was taken back."""
    project = database.add_project()
    listener.take()
    kept = []
    with database.transaction() as cursor:
        def insert(count):
            cursor.execute(
                "INSERT INTO tasks (project_id, title) SELECT %s, 't' FROM generate_series(1, %s) RETURNING id::text",
                (project, count))
            return [row for (row,) in cursor.fetchall()]
        kept += insert(before)
        cursor.execute("SAVEPOINT inner_work")
        lost = insert(inside)
        cursor.execute("ROLLBACK TO SAVEPOINT inner_work")
        kept += insert(5)
    ids = [row for _, _, row in heads(listener.take())]
    assert ids == kept[:ROWS_BY_ID_MAX] + (["*"] if len(kept) > ROWS_BY_ID_MAX else [])
    assert not set(ids) & set(lost)


def test_a_released_savepoint_is_remembered(database, listener):
    project = database.add_project()
    listener.take()
    with database.transaction() as cursor:
        for _ in range(40):
            cursor.execute("SAVEPOINT s")
            cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 't')", (project,))
            cursor.execute("RELEASE SAVEPOINT s")
    assert [row == "*" for _, _, row in heads(listener.take())] == [False] * 32 + [True]


def test_a_transaction_rolled_back_announces_nothing(database, listener):
    project = database.add_project()
    listener.take()
    with pytest.raises(ZeroDivisionError), database.transaction() as cursor:
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 't')", (project,))
        raise ZeroDivisionError
    assert listener.take() == []


@pytest.mark.parametrize("table", TABLES)
def test_truncate_is_announced_to_every_project(database, listener, table):
    projects = {database.add_project() for _ in range(50)}
    listener.take()
    database.execute(f"TRUNCATE {table} CASCADE")
    announced = [json.loads(p) for p in listener.take()]
    mine = [p for p in announced if p["resource"] == table]
    assert {p["project_id"] for p in mine} == projects and len(mine) == 50
    assert {(p["action"], p["id"]) for p in mine} == {("DELETE", "*")}
    assert re.fullmatch(r".*\.\d{6}Z", mine[0]["timestamp"])
    if table == "projects":
        assert {p["resource"] for p in announced} == set(TABLES), "CASCADE truncates the others too"


def test_truncate_by_a_role_that_may_not_read_projects_is_announced(database, listener):
    project = database.add_project()
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("CREATE ROLE cleaner; GRANT TRUNCATE ON tasks TO cleaner; SET LOCAL ROLE cleaner; TRUNCATE tasks")
        cursor.execute("RESET ROLE; DROP OWNED BY cleaner; DROP ROLE cleaner")
    assert [json.loads(p)["project_id"] for p in listener.take()] == [project]


@pytest.fixture
def web(database):
    """A role without any rights, and a cursor of its own."""
    name = f"web_{database.name}"
    database.execute(f"CREATE ROLE {name} LOGIN")
    connection = psycopg2.connect(database.url.replace("postgres@", f"{name}@"))
    connection.autocommit = True
    yield name, connection.cursor()
    connection.close()
    database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_nobody_can_make_a_trigger_with_the_rights_of_the_migrations_owner(database, web):
    functions = database.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc p"
        " WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace AND p.prorettype = 'trigger'::regtype")
    assert {("notify_cache_truncation()",), ("notify_cache_invalidation()",)} <= set(functions)
    _, cursor = web
    cursor.execute("CREATE TEMP TABLE mine (id text, project_id text)")
    for (function,) in functions:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(f"CREATE TRIGGER mine BEFORE TRUNCATE ON mine EXECUTE FUNCTION public.{function}")


def test_a_trigger_of_somebody_who_may_use_the_function_runs_nothing_of_his(database, web):
    name, cursor = web
    database.execute(f"GRANT EXECUTE ON FUNCTION notify_cache_truncation() TO {name}")
    cursor.execute("CREATE TEMP TABLE mine ()")
    cursor.execute(
        "CREATE FUNCTION pg_temp.evil() RETURNS text LANGUAGE plpgsql AS"
        f" $$ BEGIN ALTER ROLE {name} SUPERUSER; RETURN current_user; END $$")
    cursor.execute("CREATE TEMP VIEW projects AS SELECT pg_temp.evil() AS id")
    cursor.execute("CREATE TEMP TABLE cache_events"
                   " (project_id text, resource text, record_id text, action text CHECK (pg_temp.evil() <> action))")
    cursor.execute("CREATE TRIGGER mine BEFORE TRUNCATE ON mine EXECUTE FUNCTION public.notify_cache_truncation()")
    cursor.execute("TRUNCATE mine")
    assert database.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", name) == [(False,)]


def test_the_owner_of_the_tables_does_not_get_the_rights_of_who_migrates(cluster, database, web):
    name, cursor = web
    database.execute("; ".join(f"ALTER TABLE {table} OWNER TO {name}" for table in [*TABLES, "users"]))
    cluster.apply_migrations(database.name)
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    cursor.execute(
        "CREATE FUNCTION evil() RETURNS uuid LANGUAGE plpgsql AS"
        f" $$ BEGIN ALTER ROLE {name} SUPERUSER; RETURN gen_random_uuid(); END $$")
    cursor.execute("ALTER TABLE projects RENAME TO really_projects; CREATE VIEW projects AS SELECT evil() AS id")
    cursor.execute("TRUNCATE tasks")
    assert database.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", name) == [(False,)]


@pytest.fixture
def maker(database, web):
    """The cursor of a role that may create things in the tables' schema, and a way to see whether it got more."""
    name, cursor = web
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    cursor.execute(
        "CREATE FUNCTION public.evil() RETURNS text LANGUAGE plpgsql AS"
        f" $$ BEGIN ALTER ROLE {name} SUPERUSER; RETURN 'evil'; EXCEPTION WHEN OTHERS THEN RETURN 'tame'; END $$")
    cursor.execute(
        "CREATE FUNCTION public.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM public.evil(); RETURN NEW; END $$")

    def is_superuser():
        return database.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", name)[0][0]

    return cursor, is_superuser


FALSE_LOG = """CREATE TABLE public.cache_events (seq bigint, xid xid8, project_id uuid, resource text, record_id text, action text,
        created_at timestamptz, UNIQUE (project_id));
    CREATE TRIGGER evil BEFORE INSERT ON public.cache_events FOR EACH ROW EXECUTE FUNCTION public.evil_trigger()"""


def test_a_log_that_somebody_put_in_place_of_a_dropped_one_is_not_written(database, listener, maker):
    cursor, is_superuser = maker
    project = database.add_project()
    database.drop_event_log()
    cursor.execute(FALSE_LOG)
    database.add_task(project)
    database.execute("TRUNCATE tasks")
    for mode in "fpg-":
        # A transaction may say of itself what it likes.
        with database.transaction() as writer:
            writer.execute("SELECT set_config('devhive.cursor', timestamptz_send(now())::text || %s, true)", (f"{mode}1",))
            writer.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 't')", (project,))
    database.execute("TRUNCATE tasks")
    assert not is_superuser()
    assert heads(listener.take())[-1] == ("tasks", "DELETE", "*")
    assert database.execute("SELECT count(*) FROM cache_events") == [(0,)]


def test_a_log_that_somebody_made_before_is_refused(cluster, database, maker):
    cursor, is_superuser = maker
    database.drop_event_log()
    cursor.execute(FALSE_LOG)
    log = next(file for file in migration_files() if file.endswith("005_add_event_log.sql"))
    with pytest.raises(psycopg2.errors.RaiseException, match="cache_events is there already.*belongs to web_"), \
            open(log, encoding="utf-8") as file:
        database.execute(file.read())
    assert not is_superuser()


def test_the_log_s_function_that_somebody_made_before_is_refused(database, maker):
    cursor, _ = maker
    database.drop_event_log()
    database.execute("DROP FUNCTION raise_cache_horizon")
    cursor.execute("CREATE FUNCTION public.raise_cache_horizon() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    with pytest.raises(psycopg2.errors.RaiseException, match="raise_cache_horizon.* is there already and belongs to web_"), \
            open(migration_files()[2], encoding="utf-8") as file:
        database.execute(file.read())


@pytest.mark.parametrize("what", [
    "CREATE FUNCTION public.notify_cache_invalidation() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE SEQUENCE public.cache_failures"])
def test_what_somebody_made_before_the_triggers_is_refused(cluster, database, maker, what):
    """Its owner could change it later."""
    cursor, _ = maker
    database.execute("DROP FUNCTION notify_cache_invalidation CASCADE; DROP SEQUENCE cache_failures")
    cursor.execute(what)
    with pytest.raises(psycopg2.errors.RaiseException, match="is there already and belongs to web_"), \
            open(migration_files()[1], encoding="utf-8") as file:
        database.execute(file.read())


def test_a_trigger_from_before_that_would_get_the_owner_s_rights_is_refused(cluster, database, maker):
    """The functions of the first version were for everybody."""
    cursor, _ = maker
    database.execute("GRANT EXECUTE ON FUNCTION notify_cache_invalidation() TO PUBLIC")
    cursor.execute("CREATE TABLE public.mine (id text, project_id text)")
    cursor.execute("CREATE TRIGGER mine AFTER INSERT ON public.mine FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()")
    with pytest.raises(psycopg2.errors.RaiseException, match="the trigger mine of public.mine would run with rights"), \
            open(migration_files()[1], encoding="utf-8") as file:
        database.execute(file.read())


def test_a_view_in_place_of_the_projects_is_not_run(database, listener, maker):
    cursor, is_superuser = maker
    database.execute("ALTER TABLE projects RENAME TO projects_old")
    cursor.execute("CREATE VIEW public.projects AS SELECT public.evil() AS id")
    database.execute("TRUNCATE tasks")
    assert not is_superuser()
    assert listener.take() == []
    assert failures(database) == (1, 1)


@pytest.mark.parametrize("value", ["", "x", "x" * 10_000, "UPDATE:;", "∆" * 40, "1e400"])
def test_odd_settings_fail_no_writer(database, listener, value):
    project = database.add_project()
    listener.take()
    database.execute("SELECT set_config('devhive.announced_' || 'tasks'::regclass::oid, %s, false)", value)
    task = database.add_task(project)
    assert heads(listener.take()) == [("tasks", "INSERT", task)]


@pytest.mark.parametrize("word", ["{dots}", "INSERT:{project};", "INSERT:{project}@;", "1 INSERT:{project}@;"])
def test_settings_of_a_session_hide_nothing(database, listener, word):
    """A pooled session keeps them for its next customer."""
    project = database.add_project()
    oid = database.execute("SELECT 'tasks'::regclass::oid")[0][0]
    value = word.format(dots="." * 40, project=project)
    database.execute(f"SELECT set_config('devhive.announced_{oid}', %s, false)", value)
    database.execute("SET devhive.cursor = '18446744073709551615'")
    task = database.add_task(project)
    payload = json.loads(listener.take()[0])
    assert (payload["action"], payload["id"]) == ("INSERT", task)
    assert int(payload["cursor"]) <= database.execute("SELECT pg_current_xact_id()::text::bigint")[0][0]


def test_settings_of_a_session_hide_no_transaction_to_come(database, listener):
    """The number of the next transaction can be told, and was all that the settings were known by."""
    project = database.add_project()
    task = database.add_task(project)
    user = database.add_user()
    database.add_member(project, user)
    oid, members = database.execute("SELECT 'tasks'::regclass::oid, 'project_members'::regclass::oid")[0]
    words = f"UPDATE:{project}@;DELETE:{project}@;INSERT:{project}@;"
    listener.take()

    def next_number():
        return database.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0][0]

    def taken_with(number, statement, *parameters):
        with database.transaction() as cursor:
            cursor.execute(statement, parameters)
            cursor.execute("SELECT pg_current_xact_id()::text")
            assert cursor.fetchone()[0] == number, "it was told"
        return heads(listener.take())

    number = next_number()
    database.execute(f"SELECT set_config('devhive.announced_{oid}', %s, false)", f"{number} {words}")
    assert taken_with(number, "UPDATE tasks SET title = 'x' WHERE id = %s", task) == [("tasks", "UPDATE", task)]
    number = next_number()
    database.execute(f"SELECT set_config('devhive.announced_{members}', %s, false)", f"{number} {words}")
    assert taken_with(number, "DELETE FROM project_members WHERE user_id = %s", user) == [
        ("project_members", "DELETE", f"{project}:{user}")]
    number = next_number()
    database.execute("SELECT set_config('devhive.cursor', %s, false)", f"{number} -0")
    recorded = database.execute("SELECT count(*) FROM cache_events")[0][0]
    assert taken_with(number, "UPDATE tasks SET title = 'y' WHERE id = %s", task) == [("tasks", "UPDATE", task)]
    assert database.execute("SELECT count(*) FROM cache_events")[0][0] == recorded + 1
    # Nor by the start of another, in whatever way the session has times and bytes written.
    database.execute("SET extra_float_digits = -15; SET datestyle = 'SQL, DMY'; SET bytea_output = escape")
    number = next_number()
    database.execute(f"SELECT set_config('devhive.announced_{oid}', timestamptz_send(now())::text || %s, false)", words)
    assert taken_with(number, "UPDATE tasks SET title = 'z' WHERE id = %s", task) == [("tasks", "UPDATE", task)]


def test_who_writes_can_hide_what_the_own_transaction_changes_and_nothing_else(database, listener):
    """The settings that count a transaction's announcements are the writer's to set (SECURITY.md)."""
    project = database.add_project()
    task = database.add_task(project)
    oid = database.execute("SELECT 'tasks'::regclass::oid")[0][0]
    listener.take()
    with database.transaction() as cursor:
        cursor.execute(f"SELECT set_config('devhive.announced_{oid}', timestamptz_send(now())::text || 'UPDATE:{project}@;', false)")
        cursor.execute("UPDATE tasks SET title = 'hidden' WHERE id = %s", (task,))
        with database.connect() as other, other.cursor() as another:
            another.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 't') RETURNING id::text", (project,))
            heard = another.fetchone()[0]
    assert heads(listener.take()) == [("tasks", "INSERT", heard)]
    database.execute("UPDATE tasks SET title = 'seen' WHERE id = %s", task)
    assert heads(listener.take()) == [("tasks", "UPDATE", task)], "the next transaction of the session"


@pytest.mark.parametrize("search_path", ["''", "pg_catalog", "evil, public, pg_catalog"])
def test_the_search_path_of_the_writer_does_not_matter(database, listener, search_path):
    project = database.add_project()
    database.execute("CREATE SCHEMA evil; CREATE TABLE evil.projects (id text)")
    listener.take()
    with database.transaction() as cursor:
        cursor.execute(f"SET LOCAL search_path = {search_path}")
        cursor.execute("INSERT INTO public.tasks (project_id, title) VALUES (%s, 't')", (project,))
        cursor.execute("TRUNCATE public.tasks")
    assert [row == "*" for _, _, row in heads(listener.take())] == [False, True]
    assert database.connection.notices == []


@pytest.mark.parametrize("search_path", ["public", "public, pg_catalog"])
def test_overloads_on_the_writer_s_search_path_are_not_run(database, listener, search_path):
    project = database.add_project()
    database.execute("CREATE TABLE evidence (what text)")
    for name, arguments, result in [
            ("format", "text, name", "text"), ("join_texts", "text, name", "text"), ("left", "text, integer", "text"),
            ("strpos", "text, text", "integer"), ("current_setting", "text, boolean", "text"), ("now", "", "timestamptz")]:
        database.execute(
            f"CREATE FUNCTION public.{name}({arguments}) RETURNS {result} LANGUAGE plpgsql AS"
            f" $$ BEGIN INSERT INTO public.evidence VALUES ('{name}'); RETURN NULL; END $$")
    database.execute("CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = name, FUNCTION = public.join_texts)")
    listener.take()
    with database.transaction() as cursor:
        cursor.execute(f"SET LOCAL search_path = {search_path}")
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 't') RETURNING id::text", (project,))
        task = cursor.fetchone()[0]
        cursor.execute("UPDATE tasks SET title = 'u'; TRUNCATE tasks")
    assert heads(listener.take()) == [("tasks", "INSERT", task), ("tasks", "UPDATE", task), ("tasks", "DELETE", "*")]
    assert database.execute("SELECT count(*) FROM cache_events") == [(3,)]
    assert database.execute("SELECT DISTINCT what FROM evidence") == []


@pytest.mark.parametrize("name", ["task-comments", "Ärger", "9lives", "a.b", "with space", 'quo"te', "it's", "x" * 63])
def test_a_table_of_any_name_is_announced(database, listener, name):
    project = database.add_project()
    quoted = '"' + name.replace('"', '""') + '"'
    database.execute(f"CREATE TABLE {quoted} (id text, project_id uuid)")
    database.execute(f"CREATE TRIGGER announce AFTER INSERT ON {quoted} FOR EACH ROW"
                     " EXECUTE FUNCTION notify_cache_invalidation()")
    database.execute(f"INSERT INTO {quoted} SELECT n::text, %s FROM generate_series(1, 40) n", project)
    assert heads(listener.take()) == [(name, "INSERT", str(n)) for n in range(1, 33)] + [(name, "INSERT", "*")]
    assert database.connection.notices == []


def test_a_schema_of_any_name_is_served(cluster, plain_database):
    database = plain_database
    schema = '"it\'s %I ""odd"""'
    database.execute("CREATE SCHEMA " + schema + "; ALTER DATABASE devhive_plain SET search_path = " + schema)
    database.close()
    cluster.apply_migrations(database.name)
    listener = Listener(database)
    try:
        project = database.add_project()
        task = database.add_task(project)
        database.execute("UPDATE tasks SET status = 2; TRUNCATE tasks; ALTER TABLE tasks RENAME project_id TO p")
        database.execute("INSERT INTO tasks (p, title) VALUES (%s, 't')", project)
        assert heads(listener.take()) == [("tasks", "INSERT", task), ("tasks", "UPDATE", task), ("tasks", "DELETE", "*"),
                                          ("tasks", "INSERT", "*")]
        assert database.execute("SELECT count(*) FROM cache_events") == [(4,)]
        assert failures(database) == (1, 0)
    finally:
        listener.close()


def test_tables_whose_names_differ_in_case_have_32_rows_each(database, listener):
    project = database.add_project()
    database.execute('CREATE TABLE "Tasks" (LIKE tasks INCLUDING DEFAULTS)')
    database.execute('CREATE TRIGGER announce AFTER INSERT ON "Tasks" FOR EACH ROW'
                     " EXECUTE FUNCTION notify_cache_invalidation()")
    listener.take()
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO tasks (project_id, title) SELECT %s, 't' FROM generate_series(1, 40)", (project,))
        cursor.execute("INSERT INTO \"Tasks\" (project_id, title) VALUES (%s, 't')", (project,))
    assert [row == "*" for _, _, row in heads(listener.take())] == [False] * 32 + [True, False]


@pytest.mark.parametrize("value", ["", None])
def test_a_row_without_an_id_is_announced_as_any(database, listener, value):
    project = database.add_project()
    database.execute("CREATE TABLE notes (id text, project_id uuid)")
    database.execute("CREATE TRIGGER announce AFTER INSERT OR DELETE ON notes FOR EACH ROW"
                     " EXECUTE FUNCTION notify_cache_invalidation()")
    database.execute("INSERT INTO notes VALUES (%s, %s), (%s, %s)", value, project, value, project)
    database.execute("DELETE FROM notes")
    assert heads(listener.take()) == [("notes", "INSERT", "*"), ("notes", "DELETE", "*")]
    assert database.execute("SELECT action, record_id FROM cache_events ORDER BY seq") == [("INSERT", "*"), ("DELETE", "*")]
    assert database.connection.notices == []


def failures(database):
    """How often a row couldn't be announced by its id, and how often not everybody was told."""
    return tuple(
        database.execute(f"SELECT coalesce(pg_sequence_last_value('{name}'), 0)")[0][0]
        for name in ("cache_failures", "cache_losses"))


def test_a_column_dropped_later_is_a_star_and_fails_no_writer(database, listener):
    project = database.add_project()
    database.execute("ALTER TABLE tasks DROP COLUMN id")
    listener.take()
    database.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 't')", project)
    assert database.execute("SELECT count(*) FROM tasks") == [(1,)]
    assert any("could not be announced" in notice for notice in database.connection.notices)
    announced = [json.loads(p) for p in listener.take()]
    assert [(p["resource"], p["action"], p["id"], p["project_id"]) for p in announced] == [("tasks", "INSERT", "*", project)]
    assert failures(database) == (1, 0)


def test_a_type_changed_while_a_session_is_open_is_announced_all_the_same(database, listener):
    """The session's plans were made for the former type: each of its writes was a warning and nothing else."""
    old, new = database.add_project(), database.add_project()
    database.add_tasks(old, 100)
    database.execute("UPDATE tasks SET status = 1 WHERE title = 'task 1'")
    other = database.connect()
    other.cursor().execute("ALTER TABLE tasks ALTER id TYPE text")
    other.close()
    database.execute("TRUNCATE cache_events")
    listener.take()
    database.execute("UPDATE tasks SET status = 2")
    database.execute("UPDATE tasks SET status = 2")
    database.execute("UPDATE tasks SET project_id = %s WHERE title = 'task 1'", new)
    database.execute("DELETE FROM tasks WHERE project_id = %s", new)
    expected = [(old, "UPDATE"), (old, "DELETE"), (new, "INSERT"), (new, "DELETE")]
    assert [(p["project_id"], p["action"]) for p in map(json.loads, listener.take()) if p["id"] == "*"] == expected
    assert database.execute("SELECT project_id::text, action FROM cache_events WHERE record_id = '*' ORDER BY seq") == expected
    assert len(database.connection.notices) == 3, "one for each statement that announced something"
    assert failures(database) == (3, 0)
    with database.transaction() as cursor:
        cursor.execute("CREATE ROLE nobody_special; SET LOCAL ROLE nobody_special")
        cursor.execute("SELECT last_value FROM cache_failures")
        assert cursor.fetchall() == [(3,)]
        cursor.execute("RESET ROLE; DROP ROLE nobody_special")


def test_a_member_removed_after_its_type_was_changed_is_looked_up(database, listener):
    """As `*`, which makes the gateway ask for everybody's membership: who was removed heard what was committed after."""
    project, user = database.add_project(), database.add_user()
    database.add_member(project, user)
    other = database.connect()
    other.cursor().execute(
        "ALTER TABLE project_members DROP CONSTRAINT project_members_user_id_fkey, ALTER user_id TYPE text")
    other.close()
    listener.take()
    database.execute("DELETE FROM project_members")
    assert heads(listener.take()) == [("project_members", "DELETE", "*")]


def test_a_renamed_project_column_tells_every_project_once(database, listener):
    projects = sorted(database.add_project() for _ in range(5))
    database.execute("ALTER TABLE tasks RENAME project_id TO belongs_to")
    listener.take()
    database.execute("INSERT INTO tasks (belongs_to, title) SELECT %s, 't' FROM generate_series(1, 100)", projects[0])
    announced = [json.loads(p) for p in listener.take()]
    assert sorted(p["project_id"] for p in announced) == projects
    assert {(p["resource"], p["action"], p["id"]) for p in announced} == {("tasks", "INSERT", "*")}
    assert database.execute("SELECT project_id::text, record_id FROM cache_events ORDER BY 1") == [(p, "*") for p in projects]
    assert failures(database) == (1, 0)


def test_what_not_everybody_can_be_told_is_counted_and_expires_all_cursors(database, listener):
    with database.silence():
        database.execute("INSERT INTO projects (name) SELECT 'p' FROM generate_series(1, 1001)")
    project = database.add_project()
    database.execute("ALTER TABLE tasks RENAME project_id TO belongs_to")
    listener.take()
    database.execute("INSERT INTO tasks (belongs_to, title) VALUES (%s, 't')", project)
    assert len(listener.take()) == 1000
    assert failures(database) == (1, 1)
    assert database.execute("SELECT xid > pg_snapshot_xmax(pg_current_snapshot()) FROM cache_events_horizon") == [(True,)]
    database.execute("ALTER TABLE projects RENAME id TO number")
    database.execute("UPDATE tasks SET status = 3")
    assert listener.take() == []
    assert failures(database) == (2, 2)


def test_a_lost_counter_fails_no_writer(database, listener):
    project = database.add_project()
    database.execute("DROP SEQUENCE cache_failures, cache_losses")
    database.execute("ALTER TABLE tasks RENAME project_id TO belongs_to")
    database.execute("INSERT INTO tasks (belongs_to, title) VALUES (%s, 't')", project)
    assert [json.loads(p)["project_id"] for p in listener.take()] == [project]


def test_a_column_type_without_equality_fails_no_writer(database, listener):
    project = database.add_project()
    task = database.add_task(project)
    database.execute("ALTER TABLE tasks ADD COLUMN extra json")
    database.execute("UPDATE tasks SET extra = '{\"a\":1}'")
    listener.take()
    database.execute("UPDATE tasks SET extra = '{\"a\":1}'")
    assert listener.take() == []
    database.execute("UPDATE tasks SET extra = '{\"a\":2}'")
    assert heads(listener.take()) == [("tasks", "UPDATE", task)]


@pytest.fixture
def plain_database(cluster):
    """A database without our tables."""
    cluster.create_database("devhive_plain")
    database = Database(cluster, "devhive_plain")
    yield database
    database.close()
    cluster.drop_database("devhive_plain")


def test_keys_of_text_too_long_for_a_payload_become_a_star(cluster, plain_database):
    """A product may have had tables of its own before: nothing of them is changed."""
    plain_database.execute("CREATE TABLE tasks (id text, project_id text, title text)")
    cluster.apply_migrations(plain_database.name)
    listener = Listener(plain_database)
    try:
        plain_database.execute("INSERT INTO tasks VALUES (repeat('i', 9000), 'p', 't')")
        plain_database.execute("INSERT INTO tasks VALUES ('i', repeat('p', 9000), 't')")
        plain_database.execute("INSERT INTO tasks VALUES ('i', NULL, 't')")
        assert heads(listener.take()) == [("tasks", "INSERT", "*")]
        assert plain_database.execute("SELECT count(*) FROM tasks") == [(3,)]
    finally:
        listener.close()


def test_partitions_are_announced_under_the_name_of_their_table(cluster, plain_database):
    database = plain_database
    for table, columns in [("tasks", "id uuid DEFAULT gen_random_uuid(), project_id uuid, title text"),
                           ("project_members", "project_id uuid, user_id uuid, role text")]:
        database.execute(f"CREATE TABLE {table} ({columns}) PARTITION BY HASH (project_id)")
        for number in range(2):
            database.execute(
                f"CREATE TABLE {table}_{number} PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER {number})"
                " PARTITION BY HASH (project_id)")
            database.execute(
                f"CREATE TABLE {table}_{number}_0 PARTITION OF {table}_{number} FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
    cluster.apply_migrations(database.name)
    listener = Listener(database)
    try:
        projects = [database.add_project() for _ in range(8)]
        expected = []
        for project in projects:
            user = database.add_user()
            task, member = database.add_task(project), database.add_member(project, user)
            database.execute("DELETE FROM project_members")
            expected += [("tasks", "INSERT", task), ("project_members", "INSERT", member), ("project_members", "DELETE", member)]
        assert heads(listener.take()) == expected
        assert database.execute("SELECT resource, action, record_id FROM cache_events ORDER BY seq") == expected
        with database.transaction() as cursor:
            for project in projects:
                cursor.execute("INSERT INTO tasks (project_id) SELECT %s FROM generate_series(1, 10)", (project,))
        assert [row == "*" for _, _, row in heads(listener.take())].index(True) == ROWS_BY_ID_MAX, "counted together"
        database.execute("TRUNCATE tasks")
        assert set(heads(listener.take())) == {("tasks", "DELETE", "*")}
        assert database.connection.notices == []
    finally:
        listener.close()


def test_truncate_is_announced_where_project_ids_are_text(cluster, plain_database):
    database = plain_database
    database.execute("CREATE TABLE projects (id text PRIMARY KEY, name text)")
    database.execute("CREATE TABLE tasks (id text, project_id text, title text)")
    database.execute("CREATE TABLE sprints (id text, project_id text); CREATE TABLE project_members (project_id text, user_id text)")
    cluster.apply_migrations(database.name)
    listener = Listener(database)
    try:
        project = database.add_project()
        database.execute("TRUNCATE tasks")
        assert [(p["project_id"], p["id"]) for p in map(json.loads, listener.take())] == [(project, "*")]
        with database.silence():
            database.execute("INSERT INTO projects VALUES ('no uuid', 'p')")
        database.execute("TRUNCATE tasks")
        assert {json.loads(p)["project_id"] for p in listener.take()} == {project, "no uuid"}
        assert database.execute("SELECT project_id::text FROM cache_events") == [(project,)] * 2
        assert database.connection.notices == []
        database.execute("ALTER TABLE cache_events ADD CHECK (record_id IS NULL) NOT VALID")
        database.execute("TRUNCATE tasks")
        assert len(listener.take()) == 2
        assert any("could not be recorded" in notice for notice in database.connection.notices)
    finally:
        listener.close()


def test_the_migration_says_which_columns_are_missing(cluster, plain_database):
    plain_database.execute("CREATE TABLE tasks (number integer, project_id integer)")
    with pytest.raises(psycopg2.errors.RaiseException, match="tasks.id"):
        for path in migration_files():
            with open(path, encoding="utf-8") as file:
                plain_database.execute(file.read())


def test_applying_the_migrations_twice_is_harmless(cluster, database, listener):
    project = database.add_project()
    task = database.add_task(project)
    cluster.apply_migrations(database.name)
    listener.take()
    database.execute("UPDATE tasks SET status = 5")
    assert heads(listener.take()) == [("tasks", "UPDATE", task)]


def test_the_seed_s_triggers_are_replaced_in_place(database):
    """An installation that has them keeps their names, so that none fires twice."""
    rows = database.execute(
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid <> 'cache_events'::regclass")
    names = {name for (name,) in rows}
    assert names == {f"{table}_cache_invalidate{kind}" for table in TABLES for kind in ("", "_truncate", "_cascade")}


@pytest.mark.parametrize("first", [True, False])
def test_overloads_on_the_path_of_who_migrates_are_refused_by_each_file(plain_database, first):
    """They ran with his rights, and he may be a superuser."""
    if not first:
        plain_database.cluster.apply_migrations(plain_database.name)
    with made_overloads(plain_database) as made:
        for path in migration_files()[:1 if first else None]:
            done = subprocess.run(
                ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", plain_database.url, "-f", path],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            assert done.returncode != 0
            assert f"stands on the search_path and belongs to {made.role}" in done.stderr and "Find out who made it" in done.stderr
        assert made.were_run() == []


@pytest.mark.parametrize("once", [True, False])
def test_overloads_that_come_behind_the_look_for_them_are_not_run(plain_database, once):
    """Whoever makes them may do so while the files are applied."""
    with made_overloads(plain_database) as made:
        for path in migration_files() * (1 if once else 2):
            with open(path, encoding="ascii") as file:
                text, looks = re.subn(r"    FOR found IN\n        SELECT made\.kind.*?    END LOOP;\n", "", file.read(), count=1, flags=re.DOTALL)
            assert looks == 1 and "stands on the search_path" not in text
            plain_database.execute(text)
        assert plain_database.execute("SHOW search_path") == [('"$user", public',)]
        assert made.were_run() == []
        assert plain_database.add_task(plain_database.add_project())
        plain_database.execute("TRUNCATE tasks")
        assert made.were_run() == []


@pytest.fixture
def owned_database(cluster, database):
    """One whose tables belong to a role that is no superuser."""
    name = f"owner_{database.name}"
    database.execute(f"CREATE ROLE {name}; GRANT CREATE ON SCHEMA public TO {name}")
    for table in TABLES:
        database.execute(f"ALTER TABLE {table} OWNER TO {name}")
    cluster.apply_migrations(database.name)
    yield database
    database.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_projects_that_row_level_security_hides_from_the_triggers_are_no_silence(owned_database):
    """FORCE binds the owner too: TRUNCATE was announced to nobody, and nothing was said or counted."""
    database = owned_database
    project = database.add_project()
    database.execute("ALTER TABLE projects ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON projects USING (false)")
    listener = Listener(database)
    database.execute("TRUNCATE tasks")
    assert [json.loads(p)["project_id"] for p in listener.take()] == [project], "without FORCE the owner sees all"
    assert failures(database) == (0, 0)
    database.execute("ALTER TABLE projects FORCE ROW LEVEL SECURITY")
    horizon = "SELECT xid::text::bigint FROM cache_events_horizon"
    before = database.execute(horizon)
    database.execute("TRUNCATE tasks")
    assert any("row-level security" in notice for notice in database.connection.notices)
    assert failures(database) == (1, 1)
    assert database.execute(horizon) > before, "every cursor expires"
    # A row whose project can't be found is everybody's.
    database.execute("ALTER TABLE tasks RENAME project_id TO belongs_to")
    database.execute("INSERT INTO tasks (belongs_to, title) VALUES (%s, 't')", project)
    assert failures(database) == (2, 2)
    assert listener.take() == []
    listener.close()


@pytest.mark.parametrize("path", migration_files(), ids=os.path.basename)
def test_the_files_are_ascii(path):
    """A LATIN1 database refuses what it can't write, in comments too."""
    with open(path, "rb") as file:
        assert file.read().isascii()


@pytest.mark.parametrize("path", migration_files(), ids=os.path.basename)
def test_the_files_are_plain_sql_in_no_transaction_of_their_own(path):
    """The gateway sends each file whole, with its own BEGIN around it: no psql commands in it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert re.match(r"\d{3}_[a-z_]+\.sql", os.path.basename(path))
    assert not re.search(r"(?im)^\s*(\\|begin\s*;|commit\s*;|start transaction)", text)


@pytest.mark.parametrize("options", [["-v", "ON_ERROR_STOP=1", "--single-transaction"], []], ids=["as documented", "without options"])
def test_psql_that_is_refused_leaves_nothing_of_the_file(plain_database, options):
    """Without options it went on behind the refusal."""
    with made_overloads(plain_database) as made:
        for path in migration_files():
            name = os.path.basename(path)
            if options:
                with open(path, encoding="ascii") as file:
                    assert f"psql {' '.join(options)} -f {name}\n" in file.read()
            done = subprocess.run(
                ["psql", "-X", *options, "-d", plain_database.url, "-f", path],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            assert (done.returncode != 0) == bool(options)
            assert f"stands on the search_path and belongs to {made.role}" in done.stderr
        assert made.were_run() == []
        assert plain_database.execute(
            f"SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner <> '{made.role}'::regrole") == []


def test_plain_psql_applies_the_files_without_options(cluster, plain_database):
    for path in migration_files() * 2:
        done = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", plain_database.url, "-f", path],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert plain_database.add_project()
