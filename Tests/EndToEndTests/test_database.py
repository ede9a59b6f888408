"""The database goes away and comes back: clients stay, and are told that they may have missed something."""

import json
import os
import subprocess

import psycopg2
import pytest

from support.clients import NodeClient, PythonClient
from support.cluster import TEMPLATE
from support.database import Database
from support.false_postgres import FalsePostgres, long_row, parameters, rows
from support.gateway import BINARY, Gateway
from support.waiting import wait_until

RESOURCES = {"projects", "sprints", "tasks", "project_members"}


async def resync_of(client, projects):
    """Reads until each of the projects has had a resync; returns its reasons."""
    missing = {(project, resource) for project in projects for resource in RESOURCES}
    reasons = set()
    while missing:
        message = await client.receive_json()
        assert (message["type"], message["action"], message["data"]["id"]) == ("cache_invalidate", "RESYNC", "*")
        assert message["project_id"] in projects
        missing.discard((message["project_id"], message["resource"]))
        reasons.add(message["reason"])
    return reasons


async def test_clients_outlive_a_restart_of_postgresql(without_event_log, cluster, gateway, database):
    first, second = database.add_project(), database.add_project()
    one = await PythonClient.connect(gateway, first)
    both = await NodeClient.connect(gateway, first)
    await both.join(second, keep=True)
    idle = await PythonClient.connect(gateway)
    cluster.stop()
    gateway.wait_for_log("listener lost")
    assert gateway.request("/readyz", admin=True)[0] == 503
    assert gateway.request("/livez", admin=True)[0] == 200
    assert gateway.metrics()["devhive_listener_up"] == 0
    late = await PythonClient.connect(gateway, second)
    cluster.start()
    assert await resync_of(one, [first]) == {"listener_reconnected"}
    assert await resync_of(both, [first, second]) == {"listener_reconnected"}
    await resync_of(late, [second])
    gateway.wait_until_ready()
    database.close()
    task = database.add_task(first)
    for client in (one, both):
        assert (await client.receive_json())["data"]["id"] == task
    assert await idle.ask({"type": "ping"}) == {"type": "pong"}, "who watches nothing has missed nothing"
    assert gateway.metrics()["devhive_listener_reconnects_total"] == 1
    for client in (one, both, idle, late):
        await client.close()


async def test_a_terminated_listener_comes_back_with_a_resync(without_event_log, gateway, database, library):
    project = database.add_project()
    client = await library.connect(gateway, project)
    for times in range(1, 4):
        assert database.terminate_listener() == [(True,)]
        assert await resync_of(client, [project]) == {"listener_reconnected"}
        gateway.wait_for_metric("devhive_listener_reconnects_total", times)
        task = database.add_task(project)
        assert (await client.receive_json())["data"]["id"] == task
    await client.close()


async def test_nothing_is_missed_in_silence_while_the_listener_dies_again_and_again(without_event_log, gateway, database):
    """Every row either arrives or is followed by a resync."""
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    written = []
    for round_number in range(10):
        written += [database.add_task(project) for _ in range(10)]
        if round_number % 2:
            wait_until(lambda: database.terminate_listener() == [(True,)], "a listener to end")
        written += [database.add_task(project) for _ in range(10)]
    gateway.wait_for_metric("devhive_listener_reconnects_total", 5)
    gateway.wait_until_ready()
    # Row by row: those before the last resync are fetched with it, those after it have to arrive.
    arrived = [json.loads(text) for text in await client.until_fence(database, project)]
    resyncs = [n for n, m in enumerate(arrived) if (m["action"], m["resource"]) == ("RESYNC", "tasks")]
    assert len(resyncs) == 5
    rows = [m["data"]["id"] for m in arrived if m["resource"] == "tasks" and m["action"] == "INSERT"]
    assert rows == [row for row in written if row in set(rows)], "in order, none twice"
    after = [m["data"]["id"] for m in arrived[resyncs[-1]:] if m["action"] == "INSERT"]
    assert after == written[len(written) - len(after):], "no gap after the last resync"
    await client.close()


async def test_a_gateway_may_start_before_its_database_exists(cluster, start_gateway, database):
    name = "devhive_later"
    gateway = start_gateway(ready=False, url=cluster.url(name))
    gateway.wait_for_log("listener lost")
    assert gateway.request("/readyz", admin=True)[0] == 503
    assert gateway.request("/livez", admin=True)[0] == 200
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    cluster.create_database(name, TEMPLATE)
    try:
        gateway.wait_until_ready()
        await resync_of(client, [project])
        with psycopg2.connect(cluster.url(name)) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO projects (id, name) VALUES (%s, 'p')", (project,))
        assert (await client.receive_json())["action"] == "INSERT"
        await client.close()
        gateway.stop()
    finally:
        cluster.drop_database(name)


async def test_a_unix_socket_and_key_value_form_work_too(cluster, start_gateway, database, library):
    gateway = start_gateway(url=f"host={cluster.folder} port={cluster.port} user=postgres dbname={database.name}")
    project = database.add_project()
    client = await library.connect(gateway, project)
    task = database.add_task(project)
    assert (await client.receive_json())["data"]["id"] == task
    await client.close()


async def test_the_name_of_the_databases_host_is_resolved_without_standing_still(start_gateway, database):
    gateway = start_gateway(url=database.url.replace("127.0.0.1", "localhost"))
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    task = database.add_task(project)
    assert (await client.receive_json())["data"]["id"] == task


def test_a_name_that_nobody_has_is_tried_again(start_gateway, database):
    # RFC 6761 §6.4: a name under it never exists.
    gateway = start_gateway(url=database.url.replace("127.0.0.1", "database.invalid"), ready=False)
    gateway.wait_for_log("listener lost")
    assert gateway.request("/readyz", admin=True)[0] == 503
    wait_until(lambda: len(gateway.log("listener lost")) > 1, "it is tried again")


# The command `migrate`


def migrate(url, folder=None):
    arguments = ["migrate"] + (["--migrations", str(folder)] if folder else [])
    return subprocess.run(
        [BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "DATABASE_URL": url}, cwd=os.path.join(os.path.dirname(__file__), "..", ".."))


@pytest.fixture
def empty_url(cluster):
    cluster.create_database("devhive_empty")
    yield cluster.url("devhive_empty")
    cluster.drop_database("devhive_empty")


def test_migrate_makes_everything_and_again_nothing(empty_url):
    assert migrate(empty_url).returncode == 0
    with psycopg2.connect(empty_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM devhive_migrations ORDER BY name")
        assert cursor.fetchall() == [
            ("001_create_tables.sql",), ("004_add_cache_invalidation_triggers.sql",),
            ("005_add_event_log.sql",), ("006_add_direct_messages.sql",)]
        cursor.execute("INSERT INTO projects (name) VALUES ('p')")
    connection.close()
    assert migrate(empty_url).returncode == 0


def test_migrate_says_what_is_wrong_and_leaves_nothing_half_done(empty_url, tmp_path):
    (tmp_path / "001_good.sql").write_text("CREATE TABLE good (n integer);")
    (tmp_path / "002_bad.sql").write_text("CREATE TABLE half (n integer);\nSELECT nonsense;")
    done = migrate(empty_url, tmp_path)
    assert done.returncode == 69
    assert "002_bad.sql" in done.stderr and "nonsense" in done.stderr
    with psycopg2.connect(empty_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('good') IS NOT NULL, to_regclass('half') IS NULL")
        assert cursor.fetchone() == (True, True)
    connection.close()


def test_migrate_without_a_database_says_so(cluster):
    done = migrate(cluster.url("nonexistent"))
    assert done.returncode != 0
    assert "nonexistent" in done.stderr


def test_timeouts_of_the_role_do_not_cut_the_sessions(database, start_gateway, role):
    """Every few seconds the listener was lost, for ever, and everybody was told to fetch anew."""
    url, name = role
    for timeout in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        database.execute(f"ALTER ROLE {name} SET {timeout} = '300ms'")
    gateway = start_gateway(url=url)
    old = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND backend_start < clock_timestamp() - interval '2 s'"
    wait_until(lambda: database.execute(old, name) == [(3,)], "all sessions grow older than the timeouts")
    assert gateway.metrics()["devhive_listener_reconnects_total"] == 0
    assert not any(gateway.log(line) for line in ["listener lost", "query session lost", "read session lost"])
    assert database.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", name) == [(3,)]


async def test_timeouts_of_the_role_end_no_statement_of_ours(database, start_gateway, role):
    """Also where they are so short that they end the one that sets others."""
    url, name = role
    user = database.add_user()
    project = database.add_project(user)
    for timeout, value in [("lock_timeout", "100ms"), ("statement_timeout", "1ms"), ("idle_session_timeout", "1s")]:
        database.execute(f"ALTER ROLE {name} SET {timeout} = '{value}'")
    gateway = start_gateway("--membership", "on", url=url)
    client = await PythonClient.connect(gateway, user=user)
    with database.transaction() as cursor:
        cursor.execute("LOCK TABLE project_members IN ACCESS EXCLUSIVE MODE")
        await client.send_json({"type": "join_project", "project_id": project, "ref": 1})
        with database.connect() as other, other.cursor() as watching:
            def waits():
                watching.execute(
                    "SELECT FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'"
                    " AND query_start < clock_timestamp() - interval '0.5 s'", (name,))
                return watching.rowcount == 1
            wait_until(waits, "the question waits for longer than the timeouts")
    answer = await client.receive_json()
    assert (answer["type"], answer["ref"]) == ("ok", 1)
    await client.close()


async def test_bytes_that_are_not_utf8_do_not_cut_the_listener(cluster):
    """A database without an encoding takes any byte; PostgreSQL refused to send them to a client of UTF-8."""
    cluster.create_database("devhive_ascii", encoding="SQL_ASCII")
    database = Database(cluster, "devhive_ascii")
    cluster.apply_migrations(database.name)
    gateway = Gateway(database.url)
    try:
        gateway.wait_until_ready()
        project = database.add_project()
        client = await PythonClient.connect(gateway, project)
        database.execute("ALTER TABLE tasks ALTER id TYPE text")
        invalid = "devhive_notifications_invalid_total"
        before = gateway.metrics()[invalid]
        database.execute(f"INSERT INTO tasks (id, project_id, title) VALUES (E'a\\377b', '{project}', 't')")
        gateway.wait_for_metric(invalid, before + 1)
        database.notify("{}")
        database.execute(f"INSERT INTO tasks (id, project_id, title) VALUES ('good', '{project}', 't')")
        assert (await client.receive_json())["data"]["id"] == "good"
        metrics = gateway.metrics()
        assert metrics["devhive_listener_reconnects_total"] == 0
        assert metrics[invalid] == before + 2
        await client.close()
        gateway.stop()
    finally:
        gateway.kill()
        database.close()
        cluster.drop_database("devhive_ascii")


async def test_a_role_with_connect_alone_hears_announcements_and_can_make_some(database, gateway):
    """LISTEN and NOTIFY need no privilege (SECURITY.md)."""
    role = f"connected_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN")
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    connection = psycopg2.connect(database.url.replace("postgres@", f"{role}@"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("LISTEN cache_invalidate")
            task = database.add_task(project)
            wait_until(lambda: connection.poll() or connection.notifies, "it hears the insert")
            assert any(task in heard.payload for heard in connection.notifies)
            made = {"resource": "tasks", "id": "made up", "action": "UPDATE", "project_id": project,
                    "timestamp": "2026-01-02T03:04:05.678901Z"}
            cursor.execute("SELECT pg_notify('cache_invalidate', %s)", (json.dumps(made),))
        assert (await client.receive_json())["data"]["id"] == task
        assert (await client.receive_json())["data"]["id"] == "made up"
    finally:
        connection.close()
        database.execute(f"DROP ROLE {role}")


async def test_a_log_that_somebody_put_in_place_is_not_believed(database, start_gateway):
    """A view of its name was run as the gateway's role."""
    name = f"maker_{database.name}"
    database.drop_event_log()
    database.execute(f"CREATE ROLE {name}; GRANT CREATE ON SCHEMA public TO {name}; SET ROLE {name}")
    database.execute(
        "CREATE VIEW cache_events AS SELECT 1::bigint AS seq, '1'::xid8 AS xid, gen_random_uuid() AS project_id, 'tasks' AS resource,"
        " '*' AS record_id, 'UPDATE' AS action, now() AS created_at;"
        " CREATE TABLE cache_events_horizon AS SELECT true AS only_row, '1'::xid8 AS xid; RESET ROLE")
    database.execute("GRANT SELECT ON cache_events, cache_events_horizon TO PUBLIC")
    gateway = start_gateway()
    gateway.wait_for_log("event log", state="not installed")
    assert gateway.metrics()["devhive_event_log_usable"] == 0
    database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_a_log_that_is_put_in_place_while_the_gateway_runs_is_not_read(database, start_gateway, role):
    """Until the gateway has looked again, up to 5 s, what resumed ran a view of that name."""
    name, project = f"maker_{database.name}", database.add_project()
    gateway = start_gateway(url=role[0])
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    client = await PythonClient.connect(gateway, project)
    cursor = (await client.initialize())["cursor"]
    await client.close()
    database.execute(f"CREATE ROLE {name}; GRANT CREATE ON SCHEMA public TO {name}; CREATE TABLE was_run (what text)")
    try:
        database.execute(
            "ALTER TABLE cache_events RENAME TO old; GRANT INSERT ON was_run TO PUBLIC;"
            f"SET ROLE {name}; CREATE FUNCTION note(text) RETURNS text LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO public.was_run VALUES (current_user); RETURN $1; END';"
            f"CREATE VIEW cache_events AS SELECT 1::bigint AS seq, '{cursor}'::xid8 AS xid, '{project}'::uuid AS project_id,"
            " note('tasks') AS resource, 'x' AS record_id, 'UPDATE' AS action, now() AS created_at;"
            "GRANT ALL ON cache_events TO PUBLIC; RESET ROLE")
        client = await PythonClient.connect(gateway, project, since=cursor)
        assert (await client.receive_json())["action"] == "RESYNC"
        assert database.execute("SELECT * FROM was_run") == []
        await client.close()
    finally:
        database.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.mark.parametrize("pieces", [rows, long_row])
def test_a_server_that_answers_without_end_is_given_up(start_gateway, pieces):
    with FalsePostgres(to_question=pieces) as server:
        gateway = start_gateway("--membership", "on", url=server.url, ready=False)
        before = gateway.most_memory()
        for line in ("query session lost", "read session lost"):
            loss = gateway.wait_for_log(line)
            assert loss["error"] == "more than 32 MiB sent without an answer or a notification"
            assert "DATABASE_URL" in loss["advice"]
        # Of three sessions, each with a buffer of libpq's that is doubled beyond 32 MiB, and copied. A sanitizer's own
        # memory would be judged.
        assert gateway.most_memory() - before < 3 * 96 + 16 << 20 or "DEVHIVE_TEST_SANITIZER" in os.environ
        assert gateway.request("/livez", admin=True)[0] == 200


def test_a_server_that_tells_the_listener_other_things_without_end_is_given_up(start_gateway):
    with FalsePostgres(to_listener=parameters) as server:
        gateway = start_gateway(url=server.url, ready=False)
        before = gateway.most_memory()
        assert gateway.wait_for_log("listener lost")["error"] == "more than 1 MiB sent without an answer or a notification"
        assert gateway.most_memory() - before < 64 << 20 or "DEVHIVE_TEST_SANITIZER" in os.environ
        assert gateway.request("/livez", admin=True)[0] == 200
