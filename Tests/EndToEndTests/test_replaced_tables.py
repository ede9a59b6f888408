"""A role with CREATE in the tables' schema puts something of its own in the place of ours, at the worst moment.

The moments are made, not waited for: what is locked is seen in pg_locks, and what comes between two statements of a
migration is done by an event trigger.
"""

import contextlib
import os
import subprocess
import threading

import psycopg2
import pytest

from support.cluster import migration_files
from support.database import Database, Listener
from support.gateway import BINARY
from support.waiting import wait_until

MADE, TRIGGERS, LOG, DIRECT = migration_files()


class Maker:
    """The role; what runs as somebody else by what it made is noted in `loot`."""

    def __init__(self, database):
        self._database = database
        self.role = f"maker_{database.name}"
        self.url = database.url.replace("postgres@", f"{self.role}@")
        database.execute(f"CREATE ROLE {self.role} LOGIN; GRANT CREATE ON SCHEMA public TO {self.role}")
        database.execute(f"CREATE SCHEMA made AUTHORIZATION {self.role}; GRANT USAGE ON SCHEMA made TO PUBLIC")
        self._connection = psycopg2.connect(self.url)
        self._connection.autocommit = True
        self.execute("""
            CREATE TABLE made.loot (who text); GRANT INSERT ON made.loot TO PUBLIC;
            CREATE FUNCTION made.run() RETURNS boolean LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO made.loot VALUES (current_user); RETURN true; END $$;
            CREATE FUNCTION made.run_trigger() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM made.run(); RETURN NEW; END $$""")

    def execute(self, statement):
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def loot(self):
        return self._database.execute("SELECT who FROM made.loot")

    def remove(self):
        self._connection.close()
        self._database.execute("SET client_min_messages = error; SET lock_timeout = '10s'")
        self._database.execute(f"DROP OWNED BY {self.role} CASCADE; DROP ROLE {self.role}")


@pytest.fixture
def maker(database):
    maker = Maker(database)
    yield maker
    maker.remove()


@pytest.fixture
def other(database):
    """Another session, whose statements are one transaction."""
    connection = database.connect()
    connection.autocommit = False
    yield connection
    connection.close()


@contextlib.contextmanager
def waiting_for_a_lock(database, url, statement):
    """Executes the statement beside, and goes on when it waits for a lock. At the end it has ended, without an error."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    failures = []

    def run():
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        except psycopg2.Error as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    pid = connection.info.backend_pid
    wait_until(lambda: database.execute("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", pid), "it waits for a lock")
    yield
    thread.join(30)
    assert not thread.is_alive() and failures == []
    connection.close()


FALSE_LOG = """
    CREATE TABLE public.cache_events (
        seq bigint GENERATED ALWAYS AS IDENTITY, xid xid8 DEFAULT pg_current_xact_id(), project_id uuid, resource text,
        record_id text, action text, created_at timestamptz DEFAULT now());
    CREATE TRIGGER evil BEFORE INSERT ON public.cache_events FOR EACH ROW EXECUTE FUNCTION made.run_trigger();
    GRANT ALL ON public.cache_events TO PUBLIC"""
FALSE_HORIZON = """
    CREATE TABLE public.cache_events_horizon (only_row boolean PRIMARY KEY DEFAULT true, xid xid8 NOT NULL);
    CREATE TRIGGER evil BEFORE INSERT ON public.cache_events_horizon FOR EACH ROW EXECUTE FUNCTION made.run_trigger();
    GRANT ALL ON public.cache_events_horizon TO PUBLIC"""
FALSE_MESSAGES = """
    CREATE TABLE public.devhive_direct_messages (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        sender uuid NOT NULL, recipient uuid NOT NULL, id uuid NOT NULL, data json NOT NULL, receipt boolean NOT NULL,
        sent_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL, acknowledged_at timestamptz,
        origin uuid, acknowledged_by uuid, CONSTRAINT devhive_direct_messages_id UNIQUE (sender, id));
    CREATE TRIGGER evil BEFORE INSERT ON public.devhive_direct_messages FOR EACH ROW EXECUTE FUNCTION made.run_trigger()"""
FUNCTION = "CREATE FUNCTION public.{name} LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"


# What writers do.

@pytest.mark.parametrize("mode", "fpg")
@pytest.mark.parametrize("rows", [1, 3])
def test_a_lock_given_back_by_a_savepoint_leaves_no_trust_in_what_comes_in_its_place(database, maker, rows, mode):
    """The sequence that says that the log was looked at isn't rolled back."""
    project = database.add_project()
    database.execute(f"GRANT INSERT ON sprints TO {maker.role}")
    insert = f"INSERT INTO sprints (project_id, name) VALUES ('{project}', 's')"
    writer = psycopg2.connect(maker.url)
    with writer, writer.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        for _ in range(rows):
            cursor.execute(insert)
        cursor.execute("ROLLBACK TO SAVEPOINT before")
        database.execute("SET lock_timeout = '5s'; ALTER TABLE cache_events RENAME TO old_events; RESET lock_timeout")
        maker.execute(FALSE_LOG)
        cursor.execute("SELECT set_config('devhive.cursor', timestamptz_send(now())::text || %s, true)", (f"{mode}1",))
        cursor.execute(insert)
        cursor.execute(insert)
    writer.close()
    assert maker.loot() == []
    assert database.execute("SELECT count(*) FROM sprints") == [(2,)]
    assert database.execute("SELECT count(*) FROM public.cache_events") == [(0,)]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("replaced", [None, "ALTER TABLE cache_events RENAME TO old_events",
                                      "ALTER TABLE cache_events ALTER action TYPE varchar, ADD other text"])
def test_a_writer_goes_on_behind_a_savepoint(database, listener, rows, replaced):
    """Whatever became of the log meanwhile, where one of the changes comes before the savepoint's and others behind it."""
    project = database.add_project()
    listener.take()
    writer = database.connect()
    writer.autocommit = False
    insert = f"INSERT INTO tasks (project_id, title) VALUES ('{project}', 't')"
    with writer, writer.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        for _ in range(rows):
            cursor.execute(insert)
        cursor.execute("SELECT current_setting('devhive.cursor')")
        setting = cursor.fetchone()[0]
        cursor.execute("ROLLBACK TO SAVEPOINT before")
        # What a ROLLBACK TO takes back a writer may set again.
        cursor.execute("SELECT set_config('devhive.cursor', %s, true)", (setting.replace("p", "f"),))
        if replaced is not None:
            database.execute("SET lock_timeout = '5s'")
            database.execute(replaced)
        cursor.execute(insert)
        cursor.execute(insert)
    assert not [notice for notice in writer.notices if "WARNING" in notice]
    writer.close()
    announced = listener.take()
    assert len(announced) == 2 and not [payload for payload in announced if '"id":"*"' in payload]
    is_gone = replaced is not None and "RENAME" in replaced
    assert [payload for payload in announced if "cursor" in payload] == ([] if is_gone else announced)
    if not is_gone:
        assert database.execute("SELECT count(*) FROM cache_events") == [(2,)]


def test_projects_replaced_while_a_truncation_waits_for_the_log_are_not_read(database, maker, other):
    project = database.add_project()
    other.cursor().execute("LOCK TABLE cache_events IN ACCESS EXCLUSIVE MODE")
    with waiting_for_a_lock(database, database.url, "TRUNCATE tasks"):
        database.execute("SET lock_timeout = '300ms'")
        with contextlib.suppress(psycopg2.errors.LockNotAvailable):
            database.execute("ALTER TABLE projects RENAME TO old_projects")
            maker.execute("CREATE VIEW public.projects AS SELECT gen_random_uuid() AS id WHERE made.run();"
                          "GRANT SELECT ON public.projects TO PUBLIC")
        other.commit()
    assert maker.loot() == []
    assert database.execute("SELECT project_id::text, record_id FROM cache_events") == [(project, "*")]


@contextlib.contextmanager
def taken_away(other, maker, table, statement):
    """The owner takes the table away, and the maker's stands there at the same moment: the end of the block."""
    cursor = other.cursor()
    cursor.execute(f"ALTER TABLE {table} RENAME TO old_table; SET LOCAL ROLE {maker.role}; {statement}")
    try:
        yield
    finally:
        other.commit()


PROJECTS_VIEW = ("CREATE VIEW public.projects AS SELECT gen_random_uuid() AS id WHERE made.run();"
                 " GRANT SELECT ON public.projects TO PUBLIC")


@pytest.mark.parametrize("statement", [
    "TRUNCATE tasks",
    # A row whose project can't be found is everybody's.
    "INSERT INTO tasks (belongs_to, title) VALUES ('{project}', 't')"])
def test_projects_replaced_behind_the_look_at_them_are_not_read(database, maker, other, statement):
    project = database.add_project()
    database.execute("ALTER TABLE tasks RENAME project_id TO belongs_to; ALTER TABLE tasks DROP CONSTRAINT tasks_project_id_fkey")
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(contextlib.ExitStack())
        waiting = waiting_for_a_lock(database, database.url, statement.format(project=project))
        taken.enter_context(taken_away(other, maker, "projects", PROJECTS_VIEW))
        with waiting:
            taken.close()
    assert maker.loot() == []


@pytest.mark.parametrize("statement", ["DELETE FROM cache_events WHERE false", "DELETE FROM cache_events"])
@pytest.mark.parametrize("false_horizon", [
    FALSE_HORIZON,
    "CREATE VIEW public.cache_events_horizon AS SELECT true AS only_row, '3'::xid8 AS xid WHERE made.run();"
    " GRANT ALL ON public.cache_events_horizon TO PUBLIC", None])
def test_a_horizon_replaced_behind_the_look_at_it_is_not_used(database, maker, other, statement, false_horizon):
    """Without one, or with one of somebody else's, there is no log, and who deletes goes on."""
    database.add_task(database.add_project())
    with contextlib.ExitStack() as taken:
        taken.enter_context(taken_away(other, maker, "cache_events_horizon", false_horizon or "SELECT"))
        with waiting_for_a_lock(database, database.url, statement):
            taken.close()
    assert maker.loot() == []


# What migrations do.

def psql(database, *files, role="postgres"):
    """Each statement in a transaction of its own. The exit code, and the errors."""
    for path in files:
        done = subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url.replace("postgres@", f"{role}@"), "-f", path],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            break
    return done.returncode, done.stderr


def program(database, *_, options=("--again",)):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DEVHIVE_", "PG"))}
    done = subprocess.run(
        [BINARY, "migrate", *options], env={**clean, "DATABASE_URL": database.url}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


APPLIED_BY = pytest.mark.parametrize("apply", [psql, program], ids=["psql", "program"])


@contextlib.contextmanager
def ahead_of(database, maker, command, file, statement):
    """The maker executes the statement, and commits it, whenever the file is about to execute such a command."""
    of_file = {LOG: "~ 'cache_events' AND current_query() !~ 'cache_failures'", DIRECT: "~ 'devhive_direct_messages|devhive_send_direct'",
               TRIGGERS: "~ 'cache_failures'", MADE: "~ 'email text NOT NULL UNIQUE'"}[file]
    shell = f'psql -X -q -h 127.0.0.1 -p {database.cluster.port} -U {maker.role} -d {database.name} -c "{statement}" 2>&1'
    database.execute(f"""
        CREATE SCHEMA ahead;
        CREATE FUNCTION ahead.act() RETURNS event_trigger LANGUAGE plpgsql AS $act$
        BEGIN
            IF session_user <> '{maker.role}' AND current_query() {of_file} THEN
                EXECUTE $copy$COPY (SELECT) TO PROGRAM '{shell.replace("'", "''")} | cat >> {database.cluster.folder}/ahead.log'$copy$;
            END IF;
        END
        $act$;
        CREATE EVENT TRIGGER ahead ON ddl_command_start WHEN TAG IN ('{command}') EXECUTE FUNCTION ahead.act()""")
    try:
        yield
    finally:
        database.execute("DROP EVENT TRIGGER ahead; DROP SCHEMA ahead CASCADE")


DROP_LOG = "DROP TABLE cache_events, cache_events_horizon; DROP FUNCTION raise_cache_horizon()"
CASES = {
    "log": (LOG, DROP_LOG, "CREATE TABLE", FALSE_LOG),
    "horizon": (LOG, DROP_LOG, "CREATE TABLE", FALSE_HORIZON),
    "log's function": (
        LOG, DROP_LOG, "CREATE FUNCTION", FUNCTION.format(name="raise_cache_horizon() RETURNS trigger")),
    "messages": (DIRECT, "DROP TABLE devhive_direct_messages", "CREATE TABLE", FALSE_MESSAGES),
    "send": (
        DIRECT, "DROP FUNCTION devhive_send_direct", "CREATE FUNCTION",
        "CREATE FUNCTION public.devhive_send_direct(sender uuid, recipient uuid, id uuid, data json, receipt boolean DEFAULT"
        " false, ttl_s integer DEFAULT 604800, origin uuid DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS"
        " 'BEGIN RETURN NULL; END'"),
    "sequence": (TRIGGERS, "DROP SEQUENCE cache_marks", "CREATE SEQUENCE", "CREATE SEQUENCE public.cache_marks"),
    "row function": (
        TRIGGERS, "DROP FUNCTION notify_cache_invalidation() CASCADE", "CREATE FUNCTION",
        FUNCTION.format(name="notify_cache_invalidation() RETURNS trigger")),
}


@APPLIED_BY
@pytest.mark.parametrize("case", CASES)
def test_what_comes_between_the_look_and_the_making_is_refused(database, maker, apply, case):
    """A superuser's migration took it for ours, and wrote to it."""
    file, dropped, command, statement = CASES[case]
    database.execute(dropped)
    with ahead_of(database, maker, command, file, statement):
        code, complaints = apply(database, file)
    assert code != 0
    assert "is there already and" in complaints and f"belongs to {maker.role}" in complaints
    assert "Find out who made it" in complaints
    assert maker.loot() == []
    owned = f"""
        SELECT count(*) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgname = 'evil' AND relowner <> '{maker.role}'::regrole"""
    assert database.execute(owned) == [(0,)]
    # When the owner has removed it everything is as it should be.
    database.execute(f"DROP OWNED BY {maker.role} CASCADE")
    database.execute("CREATE SCHEMA IF NOT EXISTS made; CREATE TABLE IF NOT EXISTS made.loot (who text)")
    assert apply(database, file)[0] == 0
    database.execute("DROP SCHEMA made CASCADE")
    database.execute("CREATE SCHEMA made; CREATE TABLE made.loot (who text)")


def test_a_horizon_made_while_psql_waits_for_writers_is_refused(database, maker, other):
    project = database.add_project()
    database.execute("DROP TABLE cache_events, cache_events_horizon")
    other.cursor().execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'open')", (project,))
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(psql(database, LOG)), daemon=True)
    thread.start()
    wait_until(lambda: database.execute("SELECT 1 FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted"), "it waits")
    maker.execute(FALSE_HORIZON)
    other.commit()
    thread.join(30)
    code, complaints = outcome[0]
    assert code != 0 and f"cache_events_horizon is there already and not what the event log can be: it belongs to {maker.role}" in complaints
    assert maker.loot() == []
    assert database.execute("SELECT to_regclass('cache_events')") == [(None,)], "nothing of it stays"


@APPLIED_BY
@pytest.mark.parametrize("part", [
    "ALTER TABLE {table} ALTER {column} SET DEFAULT made.{kind}()",
    "CREATE INDEX ON {table} (made.same({column}))",
    "ALTER TABLE {table} ADD CHECK (made.run())",
    "CREATE POLICY evil ON {table} USING (made.run())",
    "ALTER TABLE {table} ADD other made.domain",
    "ALTER TABLE {table} ADD other made.domain[]",
    "CREATE TABLE made.child () INHERITS ({table}); ALTER TABLE made.child OWNER TO {role}"])
@pytest.mark.parametrize("table, column, kind", [
    ("cache_events", "project_id", "uuid"), ("cache_events_horizon", "only_row", "run"),
    ("devhive_direct_messages", "sender", "uuid")])
def test_tables_with_parts_of_somebody_else_are_refused(database, maker, apply, part, table, column, kind):
    """As an earlier version's migration may have taken them over."""
    maker.execute("""
        CREATE FUNCTION made.uuid() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
        CREATE FUNCTION made.same(uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS 'SELECT $1';
        CREATE FUNCTION made.same(boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1';
        CREATE DOMAIN made.domain AS text CHECK (made.run())""")
    database.execute(part.format(table=table, column=column, kind=kind, role=maker.role))
    database.execute("TRUNCATE made.loot")
    code, complaints = apply(database, LOG if table.startswith("cache") else DIRECT)
    assert code != 0
    assert f"{table} is there already and not what" in complaints and f"it uses what belongs to {maker.role}" in complaints
    assert maker.loot() == []


@pytest.mark.parametrize("file", [LOG, DIRECT])
def test_triggers_functions_of_somebody_else_make_nothing_his(database, maker, file):
    """The log and the direct messages belong to the owner of the triggers' functions."""
    database.execute("DROP FUNCTION notify_cache_invalidation() CASCADE")
    maker.execute(FUNCTION.format(name="notify_cache_invalidation() RETURNS trigger"))
    code, complaints = psql(database, file)
    assert code != 0 and f"belongs to {maker.role}, who is not the owner of projects" in complaints
    assert database.execute(f"SELECT count(*) FROM pg_class WHERE relowner = '{maker.role}'::regrole AND relnamespace = 2200") == [(0,)]


@pytest.fixture
def empty(cluster, database):
    name = f"empty_{database.name}"
    cluster.create_database(name)
    empty = Database(cluster, name)
    yield empty
    empty.close()
    cluster.drop_database(name)


@APPLIED_BY
@pytest.mark.parametrize("statement, table", [
    ("CREATE TABLE public.project_members (project_id uuid, user_id uuid)", "project_members"),
    ("CREATE TABLE public.sprints (id uuid PRIMARY KEY, project_id uuid)", "sprints"),
    ("CREATE TABLE public.tasks (id uuid PRIMARY KEY, project_id uuid)", "tasks")])
def test_a_table_that_somebody_made_before_the_first_migration_is_not_trusted(empty, apply, statement, table):
    """A superuser's triggers on it would read its columns with the rights of the owner of projects."""
    maker = Maker(empty)
    try:
        maker.execute(statement)
        code, complaints = apply(empty, *migration_files())
        assert code != 0
        # Tasks are to refer to sprints: that isn't made in the first place.
        said = "is there already and belongs to {}" if table == "sprints" else "belongs to {}, and projects to postgres"
        assert f"{table} {said.format(maker.role)}" in complaints
        assert "give it to the owner of projects" in complaints
        assert empty.execute(f"SELECT count(*) FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal") == [(0,)]
        empty.execute(f"ALTER TABLE {table} OWNER TO postgres")
        assert apply(empty, *migration_files())[0] == 0
    finally:
        maker.remove()


@APPLIED_BY
def test_users_that_somebody_made_before_the_first_migration_are_refused(empty, apply):
    """Members end with their users."""
    maker = Maker(empty)
    try:
        maker.execute("CREATE TABLE public.users (id uuid PRIMARY KEY)")
        code, complaints = apply(empty, *migration_files())
        assert code != 0 and f"users is there already and belongs to {maker.role}" in complaints
        assert empty.execute("SELECT to_regclass('project_members')::text") == [(None,)]
        maker.execute("DROP TABLE public.users")
        assert apply(empty, *migration_files())[0] == 0
    finally:
        maker.remove()


@APPLIED_BY
@pytest.mark.parametrize("table", ["users", "projects"])
def test_a_table_that_comes_between_the_look_and_the_making_is_referred_to_by_nothing(empty, apply, table):
    """Members would have ended with the users of somebody else, or all with his projects."""
    maker = Maker(empty)
    try:
        statement = f"CREATE TABLE public.{table} (id uuid PRIMARY KEY, email text, name text); GRANT ALL ON public.{table} TO PUBLIC"
        with ahead_of(empty, maker, "CREATE TABLE", MADE, statement):
            code, complaints = apply(empty, MADE)
        assert code != 0 and f"{table} is there already and belongs to {maker.role}" in complaints
        assert "Find out who made it" in complaints
        assert empty.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(0,)]
        assert empty.execute("SELECT to_regclass('project_members')::text, to_regclass('sprints')::text") == [(None, None)]
        maker.execute(f"DROP TABLE public.{table}")
        assert apply(empty, *migration_files())[0] == 0
    finally:
        maker.remove()


def test_projects_that_somebody_made_are_referred_to_by_nothing(empty):
    """The tables that referred to them stayed without their keys when those were dropped."""
    maker, role = Maker(empty), f"owner_{empty.name}"
    empty.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}")
    try:
        maker.execute("CREATE TABLE public.projects (id uuid PRIMARY KEY, name text); GRANT ALL ON public.projects TO PUBLIC")
        code, complaints = psql(empty, MADE, role=role)
        assert code != 0 and f"projects is there already and belongs to {maker.role}" in complaints
        assert empty.execute("SELECT to_regclass('users')::text, to_regclass('tasks')::text") == [(None, None)]
        maker.execute("DROP TABLE public.projects")
        assert psql(empty, *migration_files(), role=role)[0] == 0
        assert empty.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(5,)]
    finally:
        maker.remove()
        empty.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


INDEXES = {"cache_events_project_xid": LOG, "cache_events_bulk": LOG,
           "devhive_direct_messages_inbox": DIRECT, "devhive_direct_messages_expiry": DIRECT}


@APPLIED_BY
@pytest.mark.parametrize("index", INDEXES)
def test_a_relation_under_the_name_of_an_index_of_ours_is_refused(database, maker, apply, index):
    """The migrations went without the index, and said nothing."""
    database.execute(f"DROP INDEX {index}")
    maker.execute(f"CREATE TABLE public.{index} ()")
    code, complaints = apply(database, INDEXES[index])
    assert code != 0 and f"{index} is there already and no valid index of public." in complaints
    assert f"it belongs to {maker.role}" in complaints and "Find out who made it" in complaints
    maker.execute(f"DROP TABLE public.{index}")
    assert apply(database, INDEXES[index])[0] == 0
    assert database.execute(f"SELECT relkind FROM pg_class WHERE relname = '{index}'") == [("i",)]


@pytest.mark.parametrize("place", ["public", "made"])
def test_a_function_named_as_one_of_ours_is_refused(database, maker, role, place):
    """It ran in place of devhive_send_direct, with the caller's rights, where a call fits it better."""
    url, name = role
    if place == "made":
        database.execute(f"ALTER DATABASE {database.name} SET search_path = made, public; ALTER ROLE {maker.role} SET search_path = public")
    assert program(database)[0] == 0
    maker.execute(f"CREATE FUNCTION {place}.devhive_send_direct(sender text, recipient text, id uuid, data text) RETURNS text"
                  " LANGUAGE plpgsql AS 'BEGIN PERFORM made.run(); RETURN NULL; END'")
    # Also where everything is recorded.
    for options in [[], ["--again"], ["--dry-run"]]:
        code, complaints = program(database, options=options)
        assert code != 0 and "named as one of ours" in complaints and maker.role in complaints
    for file in migration_files():
        code, complaints = psql(database, file)
        assert code != 0 and f"stands on the search_path and belongs to {maker.role}" in complaints
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DEVHIVE_", "PG"))}
    told = subprocess.run(
        [BINARY, "doctor"], env={**clean, "DATABASE_URL": url, "JWT_SECRET": "0" * 40}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode != 0
    assert any(line.startswith("FAIL") and "devhive_send_direct(text" in line and maker.role in line
               for line in told.stdout.splitlines()), told.stdout
    # The call that is documented isn't taken over.
    ids = ["00000000-0000-4000-8000-00000000000" + digit for digit in "123"]
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT public.devhive_send_direct(%s::uuid, %s::uuid, %s::uuid, %s::json, false, 604800, NULL::uuid)", (*ids, "{}"))
        assert cursor.fetchone() == ("not_allowed",)
    connection.close()
    assert maker.loot() == []


def test_projects_of_somebody_else_are_no_place_for_functions_of_who_migrates(empty):
    """By a cast of its own, each insert would run code of whoever made the table, as the owner of the functions."""
    maker, role = Maker(empty), f"owner_{empty.name}"
    empty.execute(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}")
    try:
        for table, columns in [("projects", "id uuid PRIMARY KEY"), ("sprints", "id uuid, project_id uuid"),
                               ("tasks", "id uuid, project_id uuid"), ("project_members", "project_id uuid, user_id uuid")]:
            maker.execute(f"CREATE TABLE public.{table} ({columns}); GRANT ALL ON public.{table} TO PUBLIC")
        code, complaints = psql(empty, *migration_files(), role=role)
        assert code != 0 and f"projects belongs to {maker.role}, and {role} is not a member of that role" in complaints
        empty.execute(f"GRANT {maker.role} TO {role}")
        assert psql(empty, *migration_files(), role=role) == (0, "")
    finally:
        maker.remove()
        empty.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@APPLIED_BY
def test_a_table_of_another_owner_that_announces_already_goes_on(database, maker, apply):
    database.execute(f"ALTER TABLE tasks OWNER TO {maker.role}")
    assert apply(database, *migration_files())[0] == 0
    database.execute("DROP TRIGGER tasks_cache_invalidate ON tasks")
    code, complaints = apply(database, *migration_files())
    assert code != 0 and f"tasks belongs to {maker.role}" in complaints
    database.execute(f"GRANT EXECUTE ON FUNCTION notify_cache_invalidation(), notify_cache_truncation() TO {maker.role}")
    maker.execute("CREATE TRIGGER tasks_cache_invalidate AFTER INSERT OR UPDATE OR DELETE ON public.tasks"
                  " FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()")
    assert apply(database, *migration_files())[0] == 0
    database.execute("ALTER TABLE tasks OWNER TO postgres")


def test_direct_messages_are_migrated_while_somebody_sends(database, other):
    """Nobody waits, neither who sends nor who migrates."""
    other.cursor().execute("LOCK TABLE devhive_direct_messages IN ROW EXCLUSIVE MODE")
    assert psql(database, DIRECT)[0] == 0
