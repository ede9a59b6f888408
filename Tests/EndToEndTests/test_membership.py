"""Who may look at a project, and that nobody stays who was removed (fault 28)."""

import asyncio
import itertools
import json
import os
import random
import re
import time
import uuid

import pytest

from support import tokens
from support.clients import PythonClient, Refused
from support.gateway import REPOSITORY
from support.raw import PONG, TEXT, RawSocket, frame
from support.waiting import wait_until

# Removals in the storm; the full size takes a minute.
REMOVALS = int(os.environ.get("DEVHIVE_TEST_REMOVALS", "150"))


@pytest.fixture
def gateway(start_gateway):
    return start_gateway("--membership", "on")


@pytest.fixture
def user(database):
    return database.add_user()


@pytest.fixture
def project(database, user):
    return database.add_project(user)


def remove(database, project, user):
    database.execute("DELETE FROM project_members WHERE project_id = %s AND user_id = %s", project, user)


def codes(texts):
    return [json.loads(text).get("code") for text in texts if '"type":"error"' in text]


# The door


async def test_members_come_in_and_others_are_refused(gateway, database, project, user, library):
    client = await library.connect(gateway, project, user)
    with pytest.raises(Refused) as refused:
        await library.connect(gateway, project, database.add_user())
    assert refused.value.status == 403
    task = database.add_task(project)
    assert task in await client.receive()


async def test_the_documented_role_is_enough(start_gateway, database, project, user):
    with open(os.path.join(REPOSITORY, "docs", "deployment.md"), encoding="utf-8") as file:
        statements = re.search(r"```sql\n(.*?CREATE ROLE gateway.*?)```", file.read(), re.DOTALL)[1]
    name = f"documented_{database.name}"
    database.execute(re.sub(r"\bgateway\b", name, statements).replace("DATABASE app", f"DATABASE {database.name}"))
    try:
        gateway = start_gateway("--membership", "on", url=database.url.replace("postgres@", f"{name}@"))
        client = await PythonClient.connect(gateway, project, user=user)
        assert (await client.initialize())["cursor"]
        task = database.add_task(project)
        assert (await client.receive_json())["data"]["id"] == task
        gateway.stop()
    finally:
        database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize("kind", ["text", "varchar(36)", "char(36)", "char(40)"])
@pytest.mark.parametrize("case", ["lower", "upper"])
async def test_ids_of_text_are_compared_as_text(start_gateway, database, kind, case):
    """The default of a popular ORM: every handshake was answered with 503."""
    user, stranger = database.add_user(), database.add_user()
    project = database.add_project(user)
    database.execute(
        "ALTER TABLE project_members DROP CONSTRAINT project_members_project_id_fkey,"
        " DROP CONSTRAINT project_members_user_id_fkey,"
        f" ALTER project_id TYPE {kind} USING {case}(project_id::text), ALTER user_id TYPE {kind} USING {case}(user_id::text)")
    gateway = start_gateway("--membership", "on")
    client = await PythonClient.connect(gateway, project, user)
    with pytest.raises(Refused) as refused:
        await PythonClient.connect(gateway, project, stranger)
    assert refused.value.status == 403
    await client.close()


async def test_a_type_changed_while_the_gateway_runs_is_noticed(gateway, database, project, user):
    await (await PythonClient.connect(gateway, project, user)).close()
    database.execute("ALTER TABLE project_members DROP CONSTRAINT project_members_user_id_fkey, ALTER user_id TYPE text")

    async def comes_in():
        try:
            await (await PythonClient.connect(gateway, project, user)).close()
        except Refused as refused:
            assert refused.status == 503
            return False
        return True

    ends = time.monotonic() + 20
    while not await comes_in():
        assert time.monotonic() < ends
        await asyncio.sleep(0.2)


async def test_a_view_that_somebody_made_of_the_members_is_not_asked(start_gateway, database, project, user):
    """After the table was dropped, or renamed, whoever may create things in its schema could say who is a member."""
    name = f"maker_{database.name}"
    database.execute(f"CREATE ROLE {name}; GRANT CREATE ON SCHEMA public TO {name}; ALTER TABLE project_members RENAME TO old")
    database.execute(f"SET ROLE {name}; CREATE TABLE project_members (project_id uuid, user_id uuid); RESET ROLE")
    database.execute("INSERT INTO project_members VALUES (%s, %s)", project, user)
    gateway = start_gateway("--membership", "on", ready=False)
    reason = "does not belong to the owner of the triggers' functions"
    wait_until(lambda: reason in gateway.request("/readyz?verbose", admin=True)[2], "readiness tells of it")
    assert not gateway.is_ready()
    with pytest.raises(Refused) as refused:
        await PythonClient.connect(gateway, project, user)
    assert refused.value.status == 503
    assert reason in gateway.wait_for_log("statement refused", what="membership query")["error"]
    database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_operators_of_somebody_else_make_nobody_a_member_and_are_not_run(start_gateway, database, role, overloads):
    """One for the columns' own type said that everybody is."""
    user, stranger = database.add_user(), database.add_user()
    project = database.add_project(user)
    database.execute(
        "ALTER TABLE project_members DROP CONSTRAINT project_members_project_id_fkey,"
        " DROP CONSTRAINT project_members_user_id_fkey, ALTER project_id TYPE varchar(36), ALTER user_id TYPE varchar(36)")
    assert database.execute("SELECT 'a'::varchar = 'b'::varchar") == [(True,)]
    database.execute("TRUNCATE was_run")
    for url in [role[0], database.url]:
        gateway = start_gateway("--membership", "on", url=url)
        gateway.wait_for_metric("devhive_event_log_usable", 1)
        client = await PythonClient.connect(gateway, project, user)
        cursor = (await client.initialize())["cursor"]
        await client.close()
        task = database.add_task(project)
        client = await PythonClient.connect(gateway, user=user)
        await client.send_json({"type": "join_project", "project_id": project, "since": cursor, "ref": 1})
        assert (await client.receive_json())["data"]["id"] == task
        with pytest.raises(Refused) as refused:
            await PythonClient.connect(gateway, project, stranger)
        assert refused.value.status == 403
        gateway.stop()
    assert overloads.were_run() == []


async def test_members_that_row_level_security_hides_can_not_be_checked(start_gateway, database, role, project, user):
    """Everybody was a stranger, and nothing was said."""
    database.execute("ALTER TABLE project_members ENABLE ROW LEVEL SECURITY")
    gateway = start_gateway("--membership", "on", url=role[0], ready=False)
    reason = "has row-level security, and no policy that shows this role any row"
    wait_until(lambda: reason in gateway.request("/readyz?verbose", admin=True)[2], "readiness tells of it")
    with pytest.raises(Refused) as refused:
        await PythonClient.connect(gateway, project, user)
    assert refused.value.status == 503
    # A role may be meant to see members by a policy.
    database.execute(f"CREATE POLICY gateway ON project_members FOR SELECT TO {role[1]} USING (true)")
    wait_until(gateway.is_ready, "the policy is there")
    await (await PythonClient.connect(gateway, project, user)).close()


@pytest.mark.parametrize("change, reason", [
    ("DROP TABLE project_members", "is not there"), ("REVOKE SELECT ON project_members FROM {role}", "may not be read by this role")])
def test_why_members_can_not_be_checked_is_in_the_log_before_anybody_comes(start_gateway, database, role, change, reason):
    """Not a word was said, and readiness was told that they can be."""
    database.execute(change.format(role=role[1]))
    gateway = start_gateway("--membership", "on", url=role[0], ready=False)
    line = gateway.wait_for_log("memberships can't be checked")
    assert (line["level"], line["error"]) == ("error", f"project_members {reason}") and "doctor" in line["advice"]
    assert not gateway.is_ready()


@pytest.mark.parametrize(("change", "undo", "reason"), [
    ("ALTER TABLE project_members ENABLE ROW LEVEL SECURITY", "ALTER TABLE project_members DISABLE ROW LEVEL SECURITY",
     "has row-level security, and no policy that shows this role any row"),
    ("ALTER TABLE project_members RENAME TO members; CREATE VIEW project_members AS SELECT * FROM members WHERE false;"
     " GRANT SELECT ON project_members TO PUBLIC", "DROP VIEW project_members; ALTER TABLE members RENAME TO project_members",
     "is no table")])
async def test_members_that_are_hidden_while_the_gateway_runs_are_not_thrown_out(
        start_gateway, database, role, project, user, change, undo, reason):
    """Up to a minute, until the catalogue was looked at again, everybody who was asked for was a stranger."""
    gateway = start_gateway("--membership", "on", url=role[0])
    client = await PythonClient.connect(gateway, project, user)
    database.execute(change)
    with pytest.raises(Refused) as refused:
        await PythonClient.connect(gateway, project, user)
    assert refused.value.status == 503, "from the first question on"
    # Who is said to be removed is asked for.
    database.notify(json.dumps({"resource": "project_members", "id": f"{project}:{user}", "action": "DELETE",
                                "project_id": project, "timestamp": "2026-01-02T03:04:05.678901Z"}))
    assert gateway.wait_for_log("statement refused", what="membership query")["error"] == f"project_members {reason}"
    assert f"[-] memberships can't be checked: project_members {reason}\n" in gateway.request("/readyz?verbose", admin=True)[2]
    assert not gateway.is_ready()
    await client.send_json({"type": "ping"})
    assert await client.receive_json() == {"type": "pong"}
    database.execute(undo)
    wait_until(gateway.is_ready, "they can be asked for again")
    assert (await client.receive_json())["action"] == "RESYNC"
    await client.close()


async def test_a_session_that_is_ended_while_it_is_asked_is_asked_again(gateway, database, project, user):
    """Its last words were taken for a refusal, though the database was there."""
    client = await PythonClient.connect(gateway, user=user)
    asking = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    other = database.connect()
    other.autocommit = False
    other.cursor().execute("LOCK TABLE project_members IN ACCESS EXCLUSIVE MODE")
    await client.send_json({"type": "join_project", "project_id": project, "ref": 1})
    wait_until(lambda: database.execute(asking), "the question waits for the lock")
    assert database.execute(f"SELECT pg_terminate_backend(pid) FROM ({asking}) AS asking") == [(True,)]
    wait_until(lambda: not database.execute(asking), "its session has ended")
    other.close()
    answer = await client.receive_json()
    assert (answer["type"], answer["ref"]) == ("ok", 1)
    assert "57P01" in gateway.wait_for_log("query session lost")["error"]


async def test_a_refusal_is_json(gateway, database, project):
    token = tokens.token(database.add_user())
    status, _, body = gateway.request(
        f"/api/v1/messages/ws?token={token}&projectId={project}", headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert status == 403
    assert json.loads(body) == {"error": {"code": "forbidden", "message": "not a member of the project"}}


async def test_joins_and_init_are_checked(gateway, database, project, user):
    foreign = database.add_project()
    client = await PythonClient.connect(gateway, user=user, by="nothing")
    answer = await client.initialize(token=client.token, project_id=foreign, ref=1)
    assert (answer["ref"], answer["code"], answer["temporary"]) == (1, "forbidden", False)
    answer = await client.initialize(project_id=project)
    assert (answer["type"], answer["project_id"]) == ("ready", project)
    answer = await client.ask({"type": "join_project", "project_id": foreign, "ref": 2})
    assert (answer["ref"], answer["code"]) == (2, "forbidden")
    # It has stayed where it was.
    assert await client.until_fence(database, project) == []


async def test_the_status_is_for_members(gateway, database, project, user):
    path = f"/api/v1/projects/{project}/ws/status"
    client = await PythonClient.connect(gateway, project, user)
    for who, status in ((user, 200), (database.add_user(), 403)):
        answer = gateway.request(path, headers={"Authorization": f"Bearer {tokens.token(who)}"})
        assert answer[0] == status
        if status == 200:
            assert json.loads(answer[2])["user_ids"] == [client.user]


async def test_what_the_database_does_not_answer_is_no(gateway, database, project, user):
    client = await PythonClient.connect(gateway, user=user)
    with database.connect() as blocker, blocker.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE project_members IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        join = asyncio.create_task(client.ask({"type": "join_project", "project_id": project, "ref": 1}))
        with pytest.raises(Refused) as refused:
            await PythonClient.connect(gateway, project, user)
        assert refused.value.status == 503
        assert 0.9 < time.monotonic() - began < 12, "for a lock it waits a second"
        answer = await join
        assert (answer["code"], answer["temporary"]) == ("unavailable", True)
        # It watches nothing, and mustn't believe that it does.
        assert (await client.wait_until_closed())[0] == 1013
        cursor.execute("ROLLBACK")
    wait_until(gateway.is_ready, "the database answers again")
    again = await PythonClient.connect(gateway, user=user)
    await again.join(project)


def test_what_comes_behind_a_message_that_waits_is_kept_until_its_answer(gateway, project, user):
    with RawSocket.upgrade(gateway, token=tokens.token(user)) as raw:
        join = {"type": "join_project", "project_id": project, "ref": 1}
        # One segment, so that all of it is received before the question is asked.
        raw.send(frame(TEXT, json.dumps(join).encode()) + frame(TEXT, b'{"type":"ping"}'))
        answers = [json.loads(raw.read_frame()[1])["type"] for _ in range(2)]
        assert answers == ["ok", "pong"]


@pytest.mark.parametrize("end", ["drain", "expiry"])
def test_much_that_is_held_for_a_client_ends_with_it(start_gateway, cluster, project, user, end):
    gateway = start_gateway("--membership", "on", "--jwt-leeway", "0s", "--drain-seconds", "1")
    gateway.wait_until_ready()
    token = tokens.token(user, expires_in=3 if end == "expiry" else 3600)
    with RawSocket.upgrade(gateway, token=token) as raw:
        cluster.pause()
        try:
            join = frame(TEXT, json.dumps({"type": "join_project", "project_id": project}).encode())
            # More than a receive: the rest waits in the socket.
            raw.send(join + frame(PONG, b"x" * 125) * 2000)
            if end == "drain":
                gateway.terminate()
            assert raw.read_close()[0] == (1012 if end == "drain" else 4101)
        finally:
            cluster.resume()
        if end == "drain":
            assert gateway.wait() == 0
        else:
            wait_until(gateway.is_ready, "the database answers again")


async def test_what_the_database_refuses_to_answer_is_no(gateway, database, project, user):
    client = await PythonClient.connect(gateway, user=user)
    database.execute("ALTER TABLE project_members RENAME TO moved_away")
    with pytest.raises(Refused) as refused:
        await PythonClient.connect(gateway, project, user)
    assert refused.value.status == 503
    answer = await client.ask({"type": "join_project", "project_id": project, "ref": 1})
    assert (answer["code"], answer["temporary"]) == ("unavailable", True)
    assert (await client.wait_until_closed())[0] == 1013
    wait_until(lambda: not gateway.is_ready(), "readiness tells of it")
    assert "migrate" in gateway.wait_for_log("statement refused", what="membership query")["advice"]
    database.execute("ALTER TABLE moved_away RENAME TO project_members")
    wait_until(gateway.is_ready, "the table is back")
    again = await PythonClient.connect(gateway, user=user)
    await again.join(project)


async def test_a_crowd_costs_a_few_queries(gateway, database, project):
    users = [database.add_user() for _ in range(40)]
    with database.silence():
        for user in users:
            database.add_member(project, user)
    before = gateway.metrics()["devhive_membership_queries_total"]
    await asyncio.gather(*(PythonClient.connect(gateway, project, user) for user in users * 5))
    metrics = gateway.metrics()
    assert metrics["devhive_connections"] == 200
    assert metrics['devhive_membership_outcomes_total{outcome="member"}'] == 200
    assert metrics["devhive_membership_queries_total"] - before <= 50


# Removal


async def test_the_removed_hear_it_and_nothing_after_it(gateway, database, project, user, library):
    client = await library.connect(gateway, project, user)
    other_user = database.add_user()
    with database.silence():
        database.add_member(project, other_user)
    other = await library.connect(gateway, project, other_user)
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM project_members WHERE user_id = %s", (user,))
        cursor.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'after')", (project,))
    error = await client.receive_json()
    assert error == {
        "type": "error", "code": "membership_revoked", "project_id": project,
        "message": "the membership of the project has ended", "temporary": False}
    await other.until_fence(database, project)
    assert await client.ask({"type": "ping"}) == {"type": "pong"}
    answer = await client.ask({"type": "join_project", "project_id": project, "ref": 1})
    assert answer["code"] == "forbidden"
    database.add_member(project, user)
    await client.join(project)
    assert gateway.metrics()["devhive_revocations_total"] == 1


async def test_a_membership_written_anew_ends_nothing(gateway, database, project, user):
    client = await PythonClient.connect(gateway, project, user)
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM project_members WHERE user_id = %s", (user,))
        cursor.execute(
            "INSERT INTO project_members (project_id, user_id, role) VALUES (%s, %s, 'owner')", (project, user))
    for _ in range(4):
        message = await client.receive_json()
        assert (message["action"], message["reason"]) == ("RESYNC", "membership_checked")
    task = database.add_task(project)
    assert task in await client.receive()


@pytest.mark.parametrize("statement", [
    "DELETE FROM project_members WHERE project_id = %(project)s AND user_id <> %(user)s",
    "TRUNCATE project_members; INSERT INTO project_members (project_id, user_id) VALUES (%(project)s, %(user)s)",
], ids=["delete", "truncate"])
async def test_many_removed_at_once(gateway, database, project, user, statement):
    others = [database.add_user() for _ in range(50)]
    with database.silence():
        for other in others:
            database.add_member(project, other)
    stays = await PythonClient.connect(gateway, project, user)
    go = [await PythonClient.connect(gateway, project, other) for other in others]
    with database.transaction() as cursor:
        cursor.execute(statement, {"project": project, "user": user})
    database.add_task(project)
    for client in go:
        # Before its own removal it hears of those that stand before it in the transaction.
        while (message := await client.receive_json())["type"] == "cache_invalidate":
            assert (message["resource"], message["action"]) == ("project_members", "DELETE")
        assert message["code"] == "membership_revoked"
    while (await stays.receive_json()).get("action") != "RESYNC":
        pass
    task = database.add_task(project)
    await stays.until(task)
    for client in go:
        assert await client.ask({"type": "ping"}) == {"type": "pong"}


async def test_a_deleted_project_ends_for_everyone(gateway, database, project, user):
    client = await PythonClient.connect(gateway, project, user)
    database.execute("DELETE FROM projects WHERE id = %s", project)
    assert (await client.receive_json())["action"] == "DELETE"
    assert (await client.receive_json())["code"] == "project_deleted"
    answer = await client.ask({"type": "join_project", "project_id": project, "ref": 1})
    assert answer["code"] == "forbidden"


async def test_what_was_missed_without_a_listener_is_looked_up(without_event_log, gateway, database, project, user):
    stays_user = database.add_user()
    with database.silence():
        database.add_member(project, stays_user)
    goes = await PythonClient.connect(gateway, project, user)
    stays = await PythonClient.connect(gateway, project, stays_user)
    with database.silence():
        remove(database, project, user)  # Nobody is told.
    assert database.terminate_listener() == [(True,)]
    assert codes([await goes.receive()]) == ["membership_revoked"]
    message = await stays.receive_json()
    assert (message["action"], message["reason"]) == ("RESYNC", "listener_reconnected")
    gateway.wait_until_ready()
    await stays.until_fence(database, project)
    assert await goes.ask({"type": "ping"}) == {"type": "pong"}


async def test_a_list_of_members_that_is_written_anew_while_nobody_listens(gateway, database):
    users = [database.add_user() for _ in range(50)]  # More than a bulk change lists one by one.
    project = database.add_project()
    with database.silence():
        for member in users:
            database.add_member(project, member)
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    goes = await PythonClient.connect(gateway, project, users[-1])
    stays = await PythonClient.connect(gateway, project, users[0])
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM project_members WHERE project_id = %s", (project,))
        cursor.execute(
            "INSERT INTO project_members (project_id, user_id) SELECT %s, unnest(%s::uuid[])", (project, users[:-1]))
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN %%' AND pid <> pg_backend_pid()")
    while "membership_revoked" not in codes([await goes.receive()]):
        pass
    await stays.until_fence(database, project)
    assert await goes.ask({"type": "ping"}) == {"type": "pong"}


# Fault 28


class Ledger:
    """What was committed in one project, in which order: a row that every transaction updates gives it."""

    def __init__(self, database, project):
        self.database = database
        self.project = project
        self.place = {}  # By the id of a task: its place among the commits.
        self.out = {}  # By user: the place of its removal, while it is out.
        database.execute("CREATE TABLE ledger (place bigint NOT NULL)")
        database.execute("INSERT INTO ledger VALUES (0)")

    def commit(self, connection, statement, *values):
        """Runs it in a transaction of its own. Returns its place."""
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE ledger SET place = place + 1 RETURNING place")
            place = cursor.fetchone()[0]
            if statement.startswith("INSERT INTO tasks"):
                self.place[values[0]] = place  # Before anybody can hear of it.
            cursor.execute(statement, values)
            cursor.execute("COMMIT")
            return place

    def write(self, connection, stop):
        while not stop.is_set():
            task = str(uuid.uuid4())
            self.commit(connection, "INSERT INTO tasks (id, project_id, title) VALUES (%s, %s, 't')", task, self.project)
            time.sleep(random.random() / 200)


class Watcher:
    """Reads one client for ever, and holds every event against the ledger."""

    def __init__(self, ledger, client):
        self.ledger = ledger
        self.client = client
        self.heard = []
        self.violations = []
        self.errors = asyncio.Queue()
        self.answers = asyncio.Queue()
        self.changed = asyncio.Event()
        self.reader = asyncio.create_task(self._read())

    async def _read(self):
        while True:
            text = await self.client.next_text()
            message = json.loads(text)
            if message["type"] == "cache_invalidate":
                self._take(message)
            elif message.get("code") == "membership_revoked":
                await self.errors.put(message)
            elif "ref" in message:
                await self.answers.put(message)

    def _take(self, message):
        assert message["action"] != "RESYNC"
        if message["resource"] != "tasks":
            return
        place = self.ledger.place[message["data"]["id"]]
        if place > self.ledger.out.get(self.client.user, place):
            self.violations.append(place)
        self.heard.append(place)
        self.changed.set()

    async def wait_for_events(self, count):
        goal = len(self.heard) + count
        while len(self.heard) < goal:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 20)

    async def join(self, project, reference):
        await self.client.send_json({"type": "join_project", "project_id": project, "ref": reference})
        return await asyncio.wait_for(self.answers.get(), 20)


async def test_removals_in_a_storm_of_writes(gateway, database):
    project = database.add_project()
    users = [database.add_user() for _ in range(8)]
    with database.silence():
        for user in users:
            database.add_member(project, user)
    ledger = Ledger(database, project)
    watchers = [Watcher(ledger, await PythonClient.connect(gateway, project, user)) for user in users]
    witness, *removable = watchers[2:]
    stop = asyncio.Event()
    connections = [database.connect() for _ in range(4)]
    writers = [asyncio.create_task(asyncio.to_thread(ledger.write, connection, stop)) for connection in connections]
    left = itertools.count(1)

    async def come_and_go(watcher):
        user = watcher.client.user
        connection = database.connect()
        while next(left) <= REMOVALS:
            await asyncio.sleep(random.random() / 50)
            place = await asyncio.to_thread(
                ledger.commit, connection,
                "DELETE FROM project_members WHERE project_id = %s AND user_id = %s", project, user)
            ledger.out[user] = place
            await asyncio.wait_for(watcher.errors.get(), 20)
            # Long enough for what would reach it wrongly.
            await witness.wait_for_events(20)
            if random.random() < 0.05:  # Seldom: 30 errors within a minute end a connection.
                assert (await watcher.join(project, "early"))["code"] == "forbidden"
            await asyncio.to_thread(
                ledger.commit, connection,
                "INSERT INTO project_members (project_id, user_id) VALUES (%s, %s)", project, user)
            del ledger.out[user]
            assert (await watcher.join(project, "again"))["type"] == "ok"
        connection.close()

    try:
        await witness.wait_for_events(10)
        await asyncio.gather(*(come_and_go(watcher) for watcher in removable))
    finally:
        stop.set()  # Threads aren't cancelled.
        await asyncio.gather(*writers)
    expected = sorted(ledger.place.values())
    stayed = watchers[:3]
    for watcher in stayed:
        while len(watcher.heard) < len(expected):
            await watcher.wait_for_events(1)
    for watcher in watchers:
        watcher.reader.cancel()
    for connection in connections:
        connection.close()
    assert [watcher.violations for watcher in watchers] == [[]] * len(watchers)
    for watcher in stayed:
        assert watcher.heard == expected
    for watcher in removable:
        assert watcher.heard == sorted(set(watcher.heard))
        assert len(watcher.heard) > len(expected) / 10
    assert gateway.metrics()["devhive_revocations_total"] == REMOVALS
    print(f"{REMOVALS} removals among {len(expected)} events")


# Partitions


@pytest.mark.parametrize("statement", [
    "TRUNCATE its_members", "DROP TABLE its_members", "ALTER TABLE project_members DETACH PARTITION its_members",
    "ALTER TABLE project_members DETACH PARTITION its_members CONCURRENTLY", "TRUNCATE its_members_of_any"])
async def test_who_was_a_member_by_a_partition_that_went_does_not_stay(start_gateway, database, project, user, statement):
    """Nobody announces that. They heard on until memberships in use were looked at again, after ten minutes."""
    other = database.add_project(user)
    database.execute(f"""
        ALTER TABLE project_members RENAME TO former_members;
        CREATE TABLE project_members (LIKE former_members INCLUDING DEFAULTS) PARTITION BY LIST (project_id);
        CREATE TABLE its_members PARTITION OF project_members FOR VALUES IN ('{project}') PARTITION BY HASH (user_id);
        CREATE TABLE its_members_of_any PARTITION OF its_members FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE TABLE others PARTITION OF project_members FOR VALUES IN ('{other}');
        INSERT INTO project_members SELECT * FROM former_members;
        CREATE TRIGGER changes AFTER INSERT OR UPDATE OR DELETE ON project_members
            FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation();
        CREATE TRIGGER truncations BEFORE TRUNCATE ON project_members
            FOR EACH STATEMENT EXECUTE FUNCTION notify_cache_truncation()""")
    gateway = start_gateway("--membership", "on", "--membership-recheck", "off")
    gateway.wait_for_metric("devhive_event_log_usable", 1)
    client = await PythonClient.connect(gateway, project, user)
    stays = await PythonClient.connect(gateway, other, user)
    database.execute(statement)
    told = await client.receive_json()
    assert (told["type"], told["code"]) == ("error", "membership_revoked")
    task = database.add_task(other)
    assert (await stays.receive_json())["data"]["id"] == task, "nobody else is told of anything"
