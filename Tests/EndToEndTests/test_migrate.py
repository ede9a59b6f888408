"""The command `migrate`: it gives way to writers, warns, says what it would do, and takes over what was there before."""

import glob
import json
import os
import subprocess
import threading
import time

import psycopg2
import pytest

from support.database import Database, Listener
from support.gateway import BINARY
from support.overloads import overloads
from support.waiting import wait_until

EARLIER = os.path.join(os.path.dirname(__file__), "earlier")
FILES = ["001_create_tables.sql", "004_add_cache_invalidation_triggers.sql", "005_add_event_log.sql",
         "006_add_direct_messages.sql"]


def migrate(database, *options, url=None, folder=None):
    """The exit code, and the lines of both outputs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DEVHIVE_", "PG"))}
    done = subprocess.run(
        [BINARY, "migrate", *options], env={**clean, "DATABASE_URL": url or database.url}, stdin=subprocess.DEVNULL,
        cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@pytest.fixture
def other(database):
    """Another session, whose statements are one transaction."""
    connection = database.connect()
    connection.autocommit = False
    yield connection
    connection.close()


def test_the_earlier_triggers_and_log_are_upgraded(cluster, run_command):
    """What they recorded stays, and what they announced wrongly is right."""
    name = "devhive_earlier"
    cluster.create_database(name)
    database = Database(cluster, name)
    try:
        role = "owner_earlier"
        database.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}")
        with open(os.path.join(EARLIER, "..", "..", "..", "Migrations", FILES[0]), encoding="utf-8") as file:
            database.execute(f"SET ROLE {role}; " + file.read() + "; RESET ROLE")
        for path in sorted(glob.glob(os.path.join(EARLIER, "*.sql"))):
            with open(path, encoding="utf-8") as file:
                database.execute(file.read())
        project = database.add_project()
        database.add_task(project)
        assert database.execute("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'cache_events'") == [("postgres",)]
        database.execute("CREATE ROLE reader_earlier; GRANT SELECT, DELETE ON cache_events TO reader_earlier")
        # As `migrate` of that version would have recorded it.
        database.execute("CREATE TABLE devhive_migrations (name text PRIMARY KEY, checksum text NOT NULL,"
                         " applied_at timestamptz NOT NULL DEFAULT now())")
        database.execute("INSERT INTO devhive_migrations VALUES (%s, 'earlier'), (%s, 'earlier')", *FILES[1:3])

        code, lines, complaints = migrate(database)
        assert (code, complaints) == (0, [])
        assert lines[1:] == [
            *[f"{file}: applied again, because it has changed" for file in FILES[1:3]], f"{FILES[3]}: applied"]
        assert database.execute("SELECT relowner::regrole::text FROM pg_class WHERE relname LIKE 'cache\\_%%' AND relkind IN ('r', 'S')"
                                " AND relname NOT LIKE '%%seq' GROUP BY 1") == [(role,)]
        assert database.execute("SELECT has_table_privilege('reader_earlier', 'cache_events', 'DELETE')") == [(True,)]
        listener = Listener(database)
        task = database.add_task(project)
        payload = json.loads(listener.take()[0])
        listener.close()
        assert payload["id"] == task and "cursor" in payload
        assert database.execute("SELECT count(*) FROM cache_events") == [(2,)]
        assert migrate(database)[1] == [f"{file}: already there" for file in FILES]
    finally:
        database.close()
        cluster.drop_database(name)
        with cluster.connect("postgres") as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("DROP ROLE owner_earlier, reader_earlier")


def test_it_needs_no_folder_beside_it(database, tmp_path):
    """Started elsewhere, it said that there is no folder Migrations."""
    code, lines, complaints = migrate(database, folder=tmp_path)
    assert (code, lines, complaints) == (0, [f"{file}: applied" for file in FILES], [])
    # It is the same as the folder of the repository, and as a record of that.
    repository = os.path.join(os.path.dirname(__file__), "..", "..")
    there = [f"{file}: already there" for file in FILES]
    assert migrate(database, "--migrations", "Migrations", folder=repository) == (0, there, [])
    assert migrate(database, folder=tmp_path) == (0, there, [])


def test_a_folder_that_is_named_is_used_instead(database, tmp_path):
    (tmp_path / "one.sql").write_text("CREATE TABLE one_of_ours (n int);", encoding="ascii")
    assert migrate(database, "--migrations", ".", folder=tmp_path) == (0, ["one.sql: applied"], [])
    assert database.execute("SELECT count(*) FROM one_of_ours") == [(0,)]
    assert migrate(database, "--migrations", "nowhere", folder=tmp_path) == (
        69, [], ["devhive-gateway: migrate: nowhere: No such file or directory"])


def test_it_gives_way_to_writers(database, other):
    """One open transaction made it wait, and every writer behind it, for as long as that was open."""
    project = database.add_project()
    other.cursor().execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'open')", (project,))
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(migrate(database, "--again")), daemon=True)
    thread.start()
    longest = 0.0
    database.execute("SET statement_timeout = '5s'")
    ends = time.monotonic() + 6
    while time.monotonic() < ends:
        began = time.monotonic()
        database.add_task(project)
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.01)
    assert thread.is_alive() and not outcome, "it waits for the open transaction"
    assert longest < 2, "writers wait for it a moment at most"
    other.commit()
    thread.join(60)
    assert outcome[0][0] == 0, outcome


def test_a_deadlock_with_it_is_not_the_application_s_end(database, other):
    """It has locked projects when it waits for tasks, and the application wants them the other way round."""
    project = database.add_project()
    task = database.add_task(project)
    cursor = other.cursor()
    outcome = []
    cursor.execute("UPDATE tasks SET status = status + 1 WHERE id = %s", (task,))
    thread = threading.Thread(target=lambda: outcome.append(migrate(database, "--again")), daemon=True)
    thread.start()
    held_up = """
        SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted AND
            database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
    for number in range(10):
        wait_until(lambda: outcome or database.execute(held_up) == [(True,)], "it waits for tasks, or has ended")
        cursor.execute("UPDATE projects SET name = %s WHERE id = %s", (str(number), project))
        other.commit()
        cursor.execute("UPDATE tasks SET status = status + 1 WHERE id = %s", (task,))
    other.commit()
    thread.join(60)
    assert outcome[0][0] == 0, outcome


def test_it_gives_up_in_the_end_and_says_who_is_in_the_way(database, other):
    other.cursor().execute("SET application_name = 'old report'; LOCK TABLE tasks IN ROW EXCLUSIVE MODE")
    code, lines, complaints = migrate(database, "--again", "--wait", "2s")
    assert code == 69 and lines == []
    assert "locks could not be had" in complaints[0] and "old report" in complaints[0] and "tasks" in complaints[0]


@pytest.mark.parametrize("count", [2, 8])
def test_several_at_once_apply_everything_once(cluster, count):
    """Eight meet in the making of the record nearly each time, whose table has a type of its own."""
    name = f"devhive_at_once_{count}"
    cluster.create_database(name)
    database = Database(cluster, name)
    try:
        outcomes = []
        threads = [threading.Thread(target=lambda: outcomes.append(migrate(database))) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [code for code, _, _ in outcomes] == [0] * count, outcomes
        lines = [line for _, lines, _ in outcomes for line in lines]
        there = [f"{file}: already there" for file in FILES]
        assert sorted(lines) == sorted([f"{file}: applied" for file in FILES] + there * (count - 1))
    finally:
        database.close()
        cluster.drop_database(name)


def test_a_type_in_the_way_of_the_record_is_told_at_once(cluster):
    """Of two that make the record's table at once, the later one fails in this way, and then finds the table."""
    cluster.create_database("devhive_type")
    database = Database(cluster, "devhive_type")
    try:
        database.execute("CREATE DOMAIN devhive_migrations AS text")
        code, lines, complaints = migrate(database)
        assert code == 69 and lines == []
        assert complaints == [
            'devhive-gateway: migrate: devhive_migrations: type "devhive_migrations" already exists (SQLSTATE 42710)']
    finally:
        database.close()
        cluster.drop_database("devhive_type")


def test_an_advisory_lock_does_not_hold_it_up(database, other):
    """Any role can take one, and the number was known."""
    other.cursor().execute("SELECT pg_advisory_lock(7234318567258613101)")
    other.cursor().execute("SELECT pg_advisory_lock(%s)", (0x6465_7668_6976_656D,))
    assert migrate(database, "--wait", "5s")[0] == 0


def test_a_dry_run_changes_nothing(cluster, database):
    code, lines, _ = migrate(database, "--dry-run")
    assert (code, lines) == (0, [f"{file}: would be applied" for file in FILES])
    assert database.execute("SELECT to_regclass('devhive_migrations')") == [(None,)]
    migrate(database)
    database.execute("UPDATE devhive_migrations SET checksum = 'x' WHERE name LIKE '004%%'")
    expected = [f"{FILES[0]}: already there", f"{FILES[1]}: would be applied again, because it has changed",
                f"{FILES[2]}: already there", f"{FILES[3]}: already there"]
    assert migrate(database, "--dry-run")[1] == expected
    assert migrate(database, "--dry-run", "--again")[1][0] == f"{FILES[0]}: would be applied again"


def test_a_record_that_somebody_made_before_is_refused(database):
    database.execute("CREATE ROLE maker_before LOGIN; GRANT CREATE ON SCHEMA public TO maker_before")
    try:
        maker = psycopg2.connect(database.url.replace("postgres@", "maker_before@"))
        maker.autocommit = True
        maker.cursor().execute(
            "CREATE TABLE devhive_migrations (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz);"
            "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN ALTER ROLE maker_before SUPERUSER; RETURN NEW; END $$;"
            "CREATE TRIGGER evil BEFORE INSERT ON devhive_migrations FOR EACH ROW EXECUTE FUNCTION evil()")
        maker.close()
        for options in [(), ("--dry-run",)]:
            code, lines, complaints = migrate(database, *options)
            assert code == 69 and lines == []
            assert "devhive_migrations: it belongs to maker_before" in complaints[0]
        assert database.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'maker_before'") == [(False,)]
    finally:
        database.execute("DROP OWNED BY maker_before; DROP ROLE maker_before")


def test_the_tables_owner_can_migrate_after_a_superuser(database):
    """The record was the superuser's alone."""
    database.execute("CREATE ROLE owner_after LOGIN; GRANT CREATE ON SCHEMA public TO owner_after")
    url = database.url.replace("postgres@", "owner_after@")
    try:
        assert migrate(database)[0] == 0
        code, _, complaints = migrate(database, url=url)
        assert code == 69 and "permission denied" in complaints[0] and "as a superuser" in complaints[0]
        for table in ("users", "projects", "sprints", "tasks", "project_members"):
            database.execute(f"ALTER TABLE {table} OWNER TO owner_after")
        assert migrate(database, "--again")[0] == 0
        assert migrate(database, url=url) == (0, [f"{file}: already there" for file in FILES], [])
        assert migrate(database, "--again", url=url)[0] == 0
        assert migrate(database, "--again")[0] == 0
    finally:
        database.execute("DROP OWNED BY owner_after CASCADE; DROP ROLE owner_after")


@pytest.mark.parametrize("again", [False, True])
def test_operators_of_somebody_else_are_refused_and_not_run(database, again):
    """One whose types fit better than those of PostgreSQL's own ran with the rights of who migrated."""
    if again:
        assert migrate(database)[0] == 0
    with overloads(database) as made:
        for options in [("--again",), ("--again", "--dry-run")]:
            code, lines, complaints = migrate(database, *options)
            assert any(f"{made.role} made it on the search_path" in line for line in complaints)
            assert (code, lines) == (69, [])
            refused = "made it" if "--dry-run" in options else "stands on the search_path and belongs to " + made.role
            assert [line for line in complaints if refused in line and "drop it" in line]
        if again:
            # Nothing is there to be refused.
            assert migrate(database, "--dry-run")[:2] == (0, [f"{file}: already there" for file in FILES])
        assert made.were_run() == []
    assert migrate(database, "--again") == (0, [f"{file}: applied{' again' if again else ''}" for file in FILES], [])


def test_operators_of_the_tables_owner_are_no_hindrance(database):
    database.execute("CREATE ROLE owns_them; GRANT CREATE ON SCHEMA public TO owns_them; ALTER TABLE projects OWNER TO owns_them")
    try:
        database.execute(
            "SET ROLE owns_them; CREATE FUNCTION like_it(text, integer) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
            "CREATE OPERATOR = (leftarg = text, rightarg = integer, function = like_it); RESET ROLE")
        assert migrate(database)[0] == 0
    finally:
        database.execute("RESET ROLE; DROP OWNED BY owns_them CASCADE; DROP ROLE owns_them")


def test_it_warns_of_what_it_disturbs_or_does_not_reach(database):
    database.execute("CREATE TABLE old_tasks () INHERITS (tasks); CREATE PUBLICATION everything FOR ALL TABLES")
    code, _, complaints = migrate(database)
    assert code == 0
    assert [line.split(": warning: ")[1].split(";")[0] for line in complaints] == [
        "table public.old_tasks: it inherits from public.tasks and announces nothing",
        "publication everything: it is FOR ALL TABLES, ours among them"]


@pytest.mark.parametrize("kind, warned", [("text", False), ("bigint", True)])
def test_it_says_when_memberships_can_not_be_asked_for(cluster, kind, warned):
    cluster.create_database("devhive_kinds")
    database = Database(cluster, "devhive_kinds")
    try:
        database.execute(f"CREATE TABLE project_members (project_id {kind}, user_id {kind})")
        code, _, complaints = migrate(database)
        assert code == 0
        assert bool(complaints) == warned
        if warned:
            assert "project_members has project_id of type bigint, which holds no UUID" in complaints[0]
    finally:
        database.close()
        cluster.drop_database("devhive_kinds")
