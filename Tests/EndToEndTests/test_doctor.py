"""What `doctor` says of a host and a database, and its exit code."""

import contextlib
import os
import socket
import struct
import subprocess
import threading

import pytest

from support.certificates import Certificate
from support.doctor import examine
from support.gateway import BINARY
from support.ports import free_port
from support.seccomp import IO_URING_SETUP
from support.silences import MANY_TABLES, PARTITIONED

TABLES = ["projects", "sprints", "tasks", "project_members"]


def test_io_uring_that_is_forbidden_is_a_warning(role):
    code, findings = examine(role[0], "--max-connections", "100", forbidden=[IO_URING_SETUP])
    verdict, text = findings["io_uring"]
    assert (code, verdict) == (0, "warn")
    assert "seccomp" in text


def test_a_database_that_is_well(role):
    code, findings = examine(role[0], "--max-connections", "100")
    assert code == 0, findings
    for subject in ["open files", "fs.file-max", "net.core.somaxconn", "net.ipv4.tcp_mem", "net.ipv4.tcp_rmem, tcp_wmem",
                    "net.ipv4.ip_local_port_range", "net.netfilter.nf_conntrack_max", "io_uring", "processors"]:
        assert subject in findings
    for subject in ["database", "PostgreSQL", "primary server", "notification queue", "clock", "role", "database sessions",
                    "event log", "LISTEN", "announcements", "session timeouts", "oldest transaction that writes", "columns",
                    "canary's statement", "membership question", "event log's statements", "direct messages",
                    "triggers of other tables, and of partitions", "tables with the trigger", *(f"triggers of {table}" for table in TABLES)]:
        assert findings[subject][0] == "ok", findings[subject]


def test_triggers_that_are_missing_or_disabled(database):
    database.execute("ALTER TABLE tasks DISABLE TRIGGER tasks_cache_invalidate")
    database.execute("DROP TRIGGER sprints_cache_invalidate_truncate ON sprints")
    database.execute("DROP TRIGGER project_members_cache_invalidate ON project_members")
    code, findings = examine(database.url)
    assert code == 69
    assert findings["triggers of projects"][0] == "ok"
    assert findings["triggers of tasks"][0] == "FAIL" and "ENABLE TRIGGER" in findings["triggers of tasks"][1]
    assert findings["triggers of sprints"][0] == "FAIL" and "TRUNCATE" in findings["triggers of sprints"][1]
    verdict, text = findings["triggers of project_members"]
    assert verdict == "FAIL" and "INSERT, UPDATE, DELETE" in text and "migrate" in text


@pytest.mark.parametrize("statement, verdict, says", [
    ("ALTER TABLE tasks DISABLE TRIGGER tasks_cache_invalidate_truncate", "FAIL", "disabled for TRUNCATE; ALTER"),
    ("DROP TRIGGER tasks_cache_invalidate_truncate ON tasks", "FAIL", "none for TRUNCATE; run devhive-gateway migrate"),
    ("ALTER TABLE tasks DISABLE TRIGGER tasks_cache_invalidate_cascade", "FAIL", "disabled for what foreign keys change"),
    ("DROP TRIGGER tasks_cache_invalidate_cascade ON tasks", "warn", "none for what foreign keys change"),
])
def test_triggers_that_announce_a_part_are_told(database, role, statement, verdict, says):
    database.execute(statement)
    found, text = examine(role[0])[1]["triggers of tasks"]
    assert found == verdict and says in text


def test_triggers_of_partitions_and_of_tables_of_ones_own_are_told(database, role):
    subject = "triggers of other tables, and of partitions"
    database.execute(PARTITIONED)
    assert examine(role[0])[1][subject] == ("ok", "none is disabled")
    database.execute("ALTER TABLE docs_aa DISABLE TRIGGER ALL")
    verdict, text = examine(role[0])[1][subject]
    assert verdict == "FAIL" and "disabled: public.docs_aa (docs_changes): nobody is told" in text
    database.execute("ALTER TABLE docs DISABLE TRIGGER ALL")
    assert "disabled: public.docs (docs_changes), public.docs_a (docs_changes), " in examine(role[0])[1][subject][1]


def test_more_tables_than_a_resync_names_are_told(database, role):
    database.execute(MANY_TABLES.format(count=60))
    assert examine(role[0])[1]["tables with the trigger"] == ("ok", "64, and a resync names each")
    database.execute(MANY_TABLES.format(count=253).replace("1..", "61..") + "; ALTER TABLE notes_253 DISABLE TRIGGER changes")
    findings = examine(role[0])[1]
    verdict, text = findings["tables with the trigger"]
    assert verdict == "FAIL" and text.startswith("257, of which a resync names 64") and "DROP TRIGGER" in text
    # Whoever looks at 256 doesn't know of this one, and lets everybody resume.
    verdict, text = findings["triggers of other tables, and of partitions"]
    assert verdict == "FAIL" and "nobody is told of all that changes there" in text and "nobody can resume" not in text
    database.execute("DROP TABLE notes_001")
    assert "nobody can resume" in examine(role[0])[1]["triggers of other tables, and of partitions"][1]


def test_a_name_makes_no_line_and_turns_none_around(database, role):
    database.execute(
        'CREATE TABLE "a\nok  b: \u202e" (id uuid, project_id uuid); CREATE TRIGGER "t\u009b" AFTER INSERT ON "a\nok  b: \u202e"'
        ' FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation(); ALTER TABLE "a\nok  b: \u202e" DISABLE TRIGGER "t\u009b"')
    text = examine(role[0])[1]["triggers of other tables, and of partitions"][1]
    assert text.startswith(r'disabled: public."a\nok  b: \u202e" ("t\u009b"): nobody is told')


def test_its_advice_brings_back_what_was_dropped_after_migrate(database, run_command):
    run_command("migrate")
    database.execute("DROP TRIGGER project_members_cache_invalidate ON project_members")
    database.drop_event_log()
    findings = examine(database.url)[1]
    again = "run devhive-gateway migrate --again"
    assert findings["triggers of project_members"] == ("FAIL", f"none for INSERT, UPDATE, DELETE; {again}")
    assert findings["event log"][1].endswith(f"; {again}, or leave it so")
    assert "005_add_event_log.sql: already there" in run_command("migrate")
    assert "005_add_event_log.sql: applied again\n" in run_command("migrate", "--again")
    findings = examine(database.url)[1]
    assert findings["triggers of project_members"][0] == findings["event log"][0] == "ok"


def test_a_database_without_the_migrations(cluster):
    code, findings = examine(cluster.url("postgres"))
    assert code == 69
    for table in TABLES:
        assert findings[f"triggers of {table}"] == ("FAIL", "the table isn't there; run devhive-gateway migrate")
    assert findings["LISTEN"][0] == "ok"


def test_a_role_that_may_not_read_members_or_have_sessions(database, role):
    url, name = role
    database.execute(f"REVOKE SELECT ON project_members FROM {name}")
    database.execute(f"ALTER ROLE {name} CONNECTION LIMIT 3")
    code, findings = examine(url, "--workers", "2")
    assert code == 69
    assert findings["role"][0] == "FAIL"
    assert findings["database sessions"][0] == "FAIL" and findings["database sessions"][1].startswith("3 free, 6 needed")


def test_sessions_of_other_roles_are_counted(database, role):
    def free():
        return int(examine(role[0])[1]["database sessions"][1].split()[0])

    before = free()
    others = [database.connect() for _ in range(20)]
    # A session of the server's own may come or go.
    assert abs(before - free() - len(others)) < 5
    for other in others:
        other.close()


def test_a_role_that_row_level_security_hides_members_from(database, role):
    database.execute("ALTER TABLE project_members ENABLE ROW LEVEL SECURITY; CREATE POLICY part ON project_members USING (true)")
    code, findings = examine(role[0])
    assert (code, findings["role"][0]) == (0, "warn")
    assert "row-level security" in findings["role"][1]
    # Without a policy everybody was a stranger, and nothing more than a warning was said.
    database.execute("DROP POLICY part ON project_members")
    code, findings = examine(role[0])
    assert (code, findings["membership question"][0]) == (69, "FAIL")
    assert "row-level security, and no policy that shows this role any row" in findings["membership question"][1]


@pytest.mark.parametrize("table", ["cache_events", "cache_events_horizon"])
def test_an_event_log_that_row_level_security_hides_is_told(database, role, table):
    """It was said to be installed, readable, prunable, and every resume was empty."""
    database.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY part ON {table} USING (true)")
    code, findings = examine(role[0])
    assert (code, findings["event log"][0]) == (69, "FAIL")
    assert f"row-level security on {table} may hide its rows" in findings["event log"][1]


def test_row_level_security_that_binds_the_triggers_is_told(database, role):
    assert examine(role[0])[1]["row-level security"][0] == "ok"
    database.execute("ALTER TABLE projects ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    verdict, text = examine(role[0])[1]["row-level security"]
    assert verdict == "FAIL" and "public.projects" in text and "NO FORCE ROW LEVEL SECURITY" in text


def test_operators_of_somebody_else_are_told_and_not_run(database, role, overloads):
    """They ran with the rights of whoever had called the doctor."""
    for url in [role[0], database.url]:
        code, findings = examine(url)
        assert code == 0, findings
        told = {subject: finding for subject, finding in findings.items() if subject.startswith("operator or function ")}
        assert len(told) == 5, "not all of them"
        for verdict, text in told.values():
            assert verdict == "warn" and f"{overloads.role} made it on the search_path" in text
        assert findings["membership question"][0] == findings["canary's statement"][0] == "ok"
    assert overloads.were_run() == []


def test_what_the_triggers_could_not_do_is_told(database, role):
    project = database.add_project()
    database.execute("ALTER TABLE tasks RENAME project_id TO belongs_to")
    database.execute("INSERT INTO tasks (belongs_to, title) VALUES (%s, 't')", project)
    code, findings = examine(role[0])
    assert code == 69
    assert findings["announcements"][0] == "warn" and findings["announcements"][1].startswith("1 could not be by the row's id, 0 ")
    assert findings["columns"][0] == "FAIL" and "tasks.project_id not there" in findings["columns"][1]
    database.execute("ALTER TABLE tasks RENAME belongs_to TO project_id")
    database.execute("SELECT setval('cache_failures', 1, false), setval('cache_losses', 1, false)")
    assert examine(role[0])[0] == 0


def test_timeouts_of_the_role_are_named(database, role):
    url, name = role
    database.execute(f"ALTER ROLE {name} SET idle_session_timeout = '7s'; ALTER ROLE {name} SET statement_timeout = '2ms';"
                     f" ALTER ROLE {name} SET lock_timeout = '1s'")
    code, findings = examine(url)
    assert code == 0
    assert findings["session timeouts"][1].startswith(
        "idle_session_timeout 7000 ms, lock_timeout 1000 ms, statement_timeout 2 ms: the gateway sets its own")


def test_a_prepared_transaction_of_another_database_is_named(cluster, database, role):
    """It holds back every cursor, until nobody can resume any more."""
    cluster.create_database("devhive_elsewhere")
    other = cluster.connect("devhive_elsewhere")
    try:
        other.cursor().execute("CREATE TABLE t (n int)")
        other.cursor().execute("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'forgotten'")
        verdict, text = examine(role[0])[1]["oldest transaction that writes"]
        assert verdict == "ok" and text.startswith("prepared transaction 'forgotten' of postgres in database devhive_elsewhere")
    finally:
        other.cursor().execute("ROLLBACK PREPARED 'forgotten'")
        other.close()
        cluster.drop_database("devhive_elsewhere")


def test_children_and_publications_are_warned_of(database, role):
    database.execute("CREATE TABLE old_tasks () INHERITS (tasks); CREATE PUBLICATION everything FOR ALL TABLES")
    code, findings = examine(role[0])
    assert code == 0
    assert findings["table public.old_tasks"][0] == findings["publication everything"][0] == "warn"


def test_a_table_that_a_crash_empties_is_warned_of(database, role):
    database.execute("ALTER TABLE tasks SET UNLOGGED")
    code, findings = examine(role[0])
    verdict, text = findings["table public.tasks"]
    assert (code, verdict) == (0, "warn") and "it is UNLOGGED" in text and "ALTER TABLE public.tasks SET LOGGED" in text
    database.execute("ALTER TABLE tasks SET LOGGED")
    assert "table public.tasks" not in examine(role[0])[1]


def test_a_dropped_rule_is_named_until_vacuum_forgets_it(database, role):
    database.execute("CREATE RULE nothing AS ON INSERT TO cache_events DO INSTEAD NOTHING; DROP RULE nothing ON cache_events")
    code, findings = examine(role[0])
    verdict, text = findings["event log"]
    assert verdict == "FAIL" and code != 0 and "VACUUM cache_events" in text and "belong" not in text
    database.execute("VACUUM cache_events")
    assert examine(role[0])[1]["event log"][0] == "ok"


@pytest.mark.parametrize("kind, verdict", [("text", "ok"), ("varchar(36)", "ok"), ("char(36)", "ok"), ("bigint", "FAIL")])
def test_memberships_are_asked_for_as_serve_does(database, role, kind, verdict):
    """They were said to be fine where every handshake was refused."""
    database.execute("ALTER TABLE project_members DROP CONSTRAINT project_members_project_id_fkey,"
                     f" ALTER project_id TYPE {kind} USING {'1' if kind == 'bigint' else 'project_id'}")
    found, text = examine(role[0])[1]["membership question"]
    assert found == verdict, text
    if verdict == "FAIL":
        assert "project_members has project_id of type bigint, which holds no UUID" in text


def test_a_log_of_somebody_else_is_told(database, role):
    database.drop_event_log()
    database.execute("CREATE VIEW cache_events AS SELECT 1 AS seq; CREATE TABLE cache_events_horizon (xid xid8)")
    verdict, text = examine(database.url)[1]["event log"]
    assert verdict == "FAIL" and "does not belong to the owner of the triggers' functions" in text


def test_a_log_without_the_triggers_functions_is_not_read(cluster):
    """Before the first `migrate` anybody who may create things could have the doctor run code of his."""
    cluster.create_database("devhive_bare")
    connection = cluster.connect("devhive_bare")
    try:
        cursor = connection.cursor()
        cursor.execute(
            "CREATE SEQUENCE was_read; CREATE VIEW cache_events AS SELECT nextval('was_read') AS seq, now() AS created_at,"
            " '1'::xid8 AS xid; CREATE TABLE cache_events_horizon (xid xid8)")
        assert examine(cluster.url("devhive_bare"))[1]["event log"][0] == "FAIL"
        cursor.execute("SELECT is_called FROM was_read")
        assert cursor.fetchall() == [(False,)]
    finally:
        connection.close()
        cluster.drop_database("devhive_bare")


@pytest.mark.parametrize("statement", [
    "ALTER TABLE cache_events DISABLE TRIGGER USER", "DROP FUNCTION raise_cache_horizon CASCADE"])
def test_a_log_that_does_not_notice_removals_is_told(database, role, statement):
    database.execute(statement)
    verdict, text = examine(role[0])[1]["event log"]
    assert verdict == "warn" and "who resumes may miss what somebody deleted" in text


def test_old_events_that_stay_are_told(database, role):
    database.add_task(database.add_project())
    database.execute("UPDATE cache_events SET created_at = now() - interval '25 hours'")
    verdict, text = examine(role[0])[1]["event log"]
    assert verdict == "warn" and "nobody prunes" in text
    assert examine(role[0], "--event-retention", "48h")[1]["event log"][0] == "ok"


def test_a_superuser_is_more_than_is_needed(database):
    code, findings = examine(database.url)
    assert code == 0
    assert findings["role"][0] == "warn"


def check(*options):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DEVHIVE_", "PG", "JWT_"))}
    return subprocess.run(
        [BINARY, "check", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env={**clean, "DATABASE_URL": "postgresql://localhost/x", "JWT_SECRET": os.urandom(32).hex()})


def test_the_certificate_is_loaded(database, tmp_path):
    certificate = Certificate(str(tmp_path))
    verdict, text = examine(database.url, *certificate.options)[1]["certificate"]
    assert verdict == "ok" and text.startswith("valid until 2")
    assert "certificate" not in examine(database.url)[1]
    done = check(*certificate.options)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("begins, days, verdict, says", [
    (-60, 10, "warn", "valid until"), (-60, -1, "FAIL", "expired at"), (1, 90, "FAIL", "not valid before")])
def test_a_certificate_that_ends_or_has_not_begun(database, tmp_path, begins, days, verdict, says):
    certificate = Certificate(str(tmp_path), days=days, begins=begins)
    found, text = examine(database.url, *certificate.options)[1]["certificate"]
    assert found == verdict and text.startswith(says)
    done = check(*certificate.options)
    assert done.returncode == 0 and done.stderr.startswith(f"devhive-gateway: warning: certificate: {says}")


def test_a_certificate_that_can_not_be_used(database, tmp_path):
    one, other = Certificate(str(tmp_path), "one"), Certificate(str(tmp_path), "other")
    options = ["--tls-cert", one.certificate, "--tls-key", other.key]
    code, findings = examine(database.url, *options)
    assert code == 69
    assert findings["certificate"][0] == "FAIL" and "key values mismatch" in findings["certificate"][1]
    done = check(*options)
    assert done.returncode == 64 and "key values mismatch" in done.stderr and done.stdout == ""


def test_a_key_that_others_can_read_is_warned_about(database, tmp_path):
    certificate = Certificate(str(tmp_path))
    os.chmod(certificate.key, 0o640)
    assert examine(database.url, *certificate.options)[1]["TLS key"][0] == "warn"
    assert "TLS key: other users can read it" in check(*certificate.options).stderr


def test_a_database_that_is_not_there():
    port = free_port()
    code, findings = examine(f"postgresql://somebody:s3cret@127.0.0.1:{port}/nothing")
    assert code == 69
    assert findings["database"][0] == "FAIL"
    assert not any("s3cret" in text for _, text in findings.values())
    assert "LISTEN" not in findings


def test_more_connections_than_descriptors(database):
    _, findings = examine(database.url, "--max-connections", "10000000")
    assert findings["open files"][0] == "FAIL"
    assert "LimitNOFILE=10000128" in findings["open files"][1]


@contextlib.contextmanager
def transaction_pooler(database):
    """What a pooler in transaction mode looks like from a client: another backend's id, and no notifications."""
    upstream = ("127.0.0.1", database.cluster.port)

    def exactly(source, count):
        data = b""
        while len(data) < count:
            more = source.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def backward(server, client):
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, length = struct.unpack(">cI", exactly(server, 5))
                body = exactly(server, length - 4)
                if kind == b"K":
                    body = struct.pack(">I", 4_242_424) + body[4:]
                if kind != b"A":
                    client.sendall(kind + struct.pack(">I", length) + body)

    def forward(client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def accept(door):
        with contextlib.suppress(OSError):
            while True:
                client, _ = door.accept()
                server = socket.create_connection(upstream)
                for target, arguments in ((forward, (client, server)), (backward, (server, client))):
                    threads.append(threading.Thread(target=target, args=arguments, daemon=True))
                    threads[-1].start()
                sockets.extend((client, server))

    threads, sockets = [], []
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        acceptor = threading.Thread(target=accept, args=(door,), daemon=True)
        acceptor.start()
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/{database.name}?sslmode=disable"
        finally:
            door.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for used in sockets:
                with contextlib.suppress(OSError):
                    used.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for used in sockets:
                used.close()


def test_a_pooler_in_transaction_mode_is_found_out(database):
    with transaction_pooler(database) as url:
        code, findings = examine(url)
    assert code == 69
    verdict, text = findings["LISTEN"]
    assert verdict == "FAIL" and "a pooler in transaction mode" in text
