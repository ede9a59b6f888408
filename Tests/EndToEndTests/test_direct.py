"""Direct messages: from user to user, by way of the database."""

import asyncio
import json
import uuid

import psycopg2
import pytest

from support.clients import PythonClient
from support.cluster import migration_files
from support.doctor import examine


def new_id():
    return str(uuid.uuid4())


class Person:
    """A connection that gets direct messages, and what it was told."""

    def __init__(self, client):
        self.client, self.user = client, client.user
        self.messages, self.acked, self.receipts, self.answers = [], [], [], {}
        self._refs = 0

    @classmethod
    async def connect(cls, gateway, user=None, project=None, inbox=True, client=PythonClient):
        person = cls(await client.connect(gateway, project, user))
        if inbox:
            answer = await person.inbox()
            assert answer["type"] == "ok", answer
        return person

    async def hear(self):
        message = json.loads(await self.client.next_text())
        if message["type"] == "direct":
            self.messages.append(message)
        elif message["type"] == "acked":
            self.acked.extend(message["ids"])
        elif message["type"] == "receipt":
            self.receipts.extend((name, message["by"]) for name in message["ids"])
        elif "ref" in message:
            self.answers[message["ref"]] = message

    async def until(self, holds, seconds=20):
        async def listen():
            while not holds():
                await self.hear()
        await asyncio.wait_for(listen(), seconds)

    async def for_a_while(self, seconds=0.5):
        try:
            await self.until(lambda: False, seconds)
        except asyncio.TimeoutError:
            pass

    async def ask(self, message):
        self._refs += 1
        reference = self._refs
        await self.client.send_json({**message, "ref": reference})
        await self.until(lambda: reference in self.answers)
        return self.answers.pop(reference)

    async def send(self, to, data=None, name=None, **keys):
        """Returns the message's id when it was sent, else the error's code."""
        name = name or new_id()
        answer = await self.ask({"type": "direct", "id": name, "to": to, "data": data or {"text": "hello"}, **keys})
        if answer["type"] == "ok":
            assert answer["id"] == name
            return name
        return answer["code"]

    async def ack(self, *names):
        return await self.ask({"type": "ack", "ids": list(names)})

    async def inbox(self, since=None):
        return await self.ask({"type": "inbox", "since": since})

    @property
    def ids(self):
        return [message["id"] for message in self.messages]


@pytest.fixture
def two(database):
    """Two users who share a project."""
    first, second = new_id(), new_id()
    project = database.add_project(first)
    with database.silence():
        database.add_member(project, second)
    return first, second


def add_to_their_project(database):
    """A third user, who shares it with both."""
    user = database.add_user()
    database.add_member(database.execute("SELECT project_id::text FROM project_members LIMIT 1")[0][0], user)
    return user


def send(database, sender, recipient, name=None, data='{"from":"the application"}', more=""):
    return database.execute(
        f"SELECT devhive_send_direct(%s, %s, %s, %s{more})", sender, recipient, name or new_id(), data)[0][0]


async def test_a_message_reaches_every_connection_of_the_recipient_and_the_sender_s_others(gateway, two, library):
    sender = await Person.connect(gateway, two[0], client=library)
    other = await Person.connect(gateway, two[0], client=library)
    receivers = [await Person.connect(gateway, two[1], client=library) for _ in range(2)]
    without = await Person.connect(gateway, two[1], inbox=False, client=library)
    name = await sender.send(two[1], {"text": "tea?", "n": [1, 2.50, None]})
    for person in [*receivers, other]:
        await person.until(lambda: person.messages)
        message = person.messages[0]
        assert message.pop("timestamp").endswith("Z")
        assert message == {
            "type": "direct", "id": name, "from": two[0], "to": two[1], "data": {"text": "tea?", "n": [1, 2.5, None]}}
    for person in [sender, without]:
        await person.for_a_while()
        assert not person.messages


async def test_what_waits_is_in_the_inbox_until_it_is_acknowledged(gateway, two):
    sender = await Person.connect(gateway, two[0])
    names = [await sender.send(two[1]) for _ in range(3)]
    first = await Person.connect(gateway, two[1])
    assert first.ids == names
    second = await Person.connect(gateway, two[1])
    assert (await first.ack(names[0], names[1]))["type"] == "ok"
    await second.until(lambda: len(second.acked) == 2)
    assert second.acked == names[:2] and not first.acked
    third = await Person.connect(gateway, two[1])
    assert third.ids == names[2:]
    # Nothing of it is news to somebody with the cursor of now.
    cursor = (await third.inbox())["cursor"]
    again = await Person.connect(gateway, two[1], inbox=False)
    await again.inbox(cursor)
    assert again.ids == []
    # One of the future is somebody else's.
    await again.inbox("1" + "0" * 18)
    assert again.ids == names[2:]


async def test_a_receipt_reaches_the_sender_who_asked(gateway, two):
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    asked = await sender.send(two[1], receipt=True)
    unasked = await sender.send(two[1])
    await receiver.until(lambda: len(receiver.messages) == 2)
    await receiver.ack(asked, unasked)
    await sender.until(lambda: sender.receipts)
    await sender.for_a_while()
    assert sender.receipts == [(asked, two[1])]


async def test_an_invisible_receiver_gives_no_receipt(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    project = database.execute("SELECT project_id::text FROM project_members LIMIT 1")[0][0]
    hidden = await Person.connect(gateway, two[1], project=project)
    await hidden.ask({"type": "presence", "project_id": project, "invisible": True})
    name = await sender.send(two[1], receipt=True)
    await receiver.until(lambda: receiver.messages)
    await receiver.ack(name)
    await hidden.until(lambda: hidden.acked == [name])
    await sender.for_a_while()
    assert sender.receipts == []


async def test_the_same_id_again_is_answered_alike_and_sent_once(gateway, two):
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    name = await sender.send(two[1])
    assert await sender.send(two[1], name=name) == name
    await receiver.until(lambda: receiver.messages)
    await receiver.for_a_while()
    assert receiver.ids == [name]


async def test_an_id_that_is_sent_by_two_gateways_at_once_is_one_message(start_gateway, two, database):
    gateways = [start_gateway(), start_gateway()]
    senders = [await Person.connect(gateway, two[0]) for gateway in gateways]
    receivers = [await Person.connect(gateway, two[1]) for gateway in gateways]
    names = [new_id() for _ in range(5)]
    for name in names:
        assert await asyncio.gather(*[sender.send(two[1], name=name) for sender in senders]) == [name, name]
    for receiver in receivers:
        await receiver.until(lambda: len(receiver.messages) >= len(names))
        assert receiver.ids == names
    assert database.execute("SELECT count(*), count(DISTINCT id) FROM devhive_direct_messages") == [(5, 5)]


async def test_the_same_id_of_two_senders_is_two_messages(gateway, two, database):
    third = add_to_their_project(database)
    senders = [await Person.connect(gateway, user) for user in (two[0], third)]
    receiver = await Person.connect(gateway, two[1])
    name = await senders[0].send(two[1], {"n": 1})
    assert await senders[1].send(two[1], {"n": 2}, name=name) == name
    await receiver.until(lambda: len(receiver.messages) == 2)
    assert [(message["from"], message["data"]["n"]) for message in receiver.messages] == [(two[0], 1), (third, 2)]
    # An acknowledgment names ids alone.
    await receiver.ack(name)
    assert (await Person.connect(gateway, two[1])).ids == []


async def test_nobody_acknowledges_what_is_somebody_else_s(gateway, two, database):
    third = await Person.connect(gateway, add_to_their_project(database))
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    name = await sender.send(two[1], receipt=True)
    # It is answered as an id that there isn't.
    for person in (third, sender):
        assert (await person.ack(name))["type"] == "ok"
    for person in (sender, receiver):
        await person.for_a_while()
    assert sender.receipts == [] and receiver.acked == []
    assert (await Person.connect(gateway, two[1])).ids == [name]


async def test_an_acknowledgment_is_of_its_ids_and_not_of_what_came_before(gateway, two):
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    names = [await sender.send(two[1]) for _ in range(3)]
    await receiver.until(lambda: receiver.ids == names)
    await receiver.ack(names[2])
    assert (await Person.connect(gateway, two[1])).ids == names[:2]


async def test_a_cursor_does_not_pass_over_what_commits_late(gateway, two, database):
    early, late = new_id(), new_id()
    other = database.connect()
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute("SELECT devhive_send_direct(%s, %s, %s, '{}')", (*two, late))
        # This one has the higher numbers, and is there first.
        send(database, *two, early)
        receiver = await Person.connect(gateway, two[1], inbox=False)
        place = (await receiver.inbox())["cursor"]
        assert receiver.ids == [early]
        await receiver.client.close()
        other.commit()
    other.close()
    again = await Person.connect(gateway, two[1], inbox=False)
    assert (await again.inbox(place))["type"] == "ok"
    assert late in again.ids


async def test_a_project_is_shared_when_it_is_sent(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    name = await sender.send(two[1])
    database.execute("DELETE FROM project_members WHERE user_id = %s", two[1])
    assert await sender.send(two[1]) == "not_allowed"
    # The same once more is what was sent, and it waits.
    assert await sender.send(two[1], name=name) == name
    assert (await Person.connect(gateway, two[1])).ids == [name]
    project = database.add_project(two[0])
    with database.silence():
        database.add_member(project, two[1])
    assert len(await sender.send(two[1])) == 36


async def test_what_is_over_takes_no_place_in_an_inbox(two, database):
    assert [send(database, *two) for _ in range(1_001)][-1] == "inbox_full"
    database.execute(
        "UPDATE devhive_direct_messages SET expires_at = now()"
        " WHERE seq = (SELECT min(seq) FROM devhive_direct_messages)")
    assert [send(database, *two) for _ in range(2)] == ["sent", "inbox_full"]


async def test_a_message_is_kept_for_a_week_if_nothing_is_said_and_for_a_month_at_most(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    names = [await sender.send(two[1]), await sender.send(two[1], ttl_s=2_592_000)]
    assert await sender.send(two[1], ttl_s=2_592_001) == "bad_message"
    kept = dict(database.execute(
        "SELECT id::text, extract(epoch FROM expires_at - sent_at)::int FROM devhive_direct_messages"))
    assert kept == {names[0]: 7 * 86_400, names[1]: 30 * 86_400}


async def test_what_is_acknowledged_is_kept_for_a_day_at_most(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    names = [await sender.send(two[1]), await sender.send(two[1], ttl_s=60)]
    await receiver.ack(*names)
    kept = dict(database.execute(
        "SELECT id::text, extract(epoch FROM expires_at - acknowledged_at)::int FROM devhive_direct_messages"))
    assert kept[names[0]] == 86_400 and kept[names[1]] <= 60
    # It is known until then, and nobody gets it again.
    assert await sender.send(two[1], name=names[0]) == names[0]
    await receiver.for_a_while()
    assert receiver.ids.count(names[0]) <= 1


async def test_no_such_user_and_a_stranger_look_alike(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    stranger = new_id()
    database.add_project(stranger)
    answers = []
    for to in (stranger, new_id()):
        answer = await sender.ask({"type": "direct", "id": new_id(), "to": to, "data": {}})
        del answer["ref"], answer["id"]
        answers.append(answer)
    assert answers[0] == answers[1] == {
        "type": "error", "code": "not_allowed", "message": "there is no such user in your projects", "temporary": False}


async def test_a_full_inbox_is_told_to_the_sender(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    outcomes = [send(database, two[0], two[1]) for _ in range(1_001)]
    assert outcomes == ["sent"] * 1_000 + ["inbox_full"]
    assert await sender.send(two[1]) == "inbox_full"
    await receiver.until(lambda: len(receiver.messages) == 1_000)
    await receiver.ack(receiver.ids[0])
    assert len(await sender.send(two[1])) == 36


async def test_an_inbox_of_many_pages_is_read_whole_and_in_order(gateway, two, database):
    names = [new_id() for _ in range(250)]
    with database.transaction() as cursor:
        for name in names[:150]:
            cursor.execute("SELECT devhive_send_direct(%s, %s, %s, '{}')", (*two, name))
    for name in names[150:]:
        send(database, *two, name)
    receiver = await Person.connect(gateway, two[1])
    assert receiver.ids == names


async def test_a_mebibyte_fills_an_inbox(two, database):
    data = json.dumps({"text": "x" * 4_000})
    outcomes = [send(database, *two, data=data) for _ in range(280)]
    held = outcomes.count("sent")
    assert held * len(data) <= 1 << 20 < (held + 1) * len(data)
    assert set(outcomes[held:]) == {"inbox_full"}


async def test_what_is_too_large_or_wrong_is_refused(gateway, two):
    sender = await Person.connect(gateway, two[0])
    assert len(await sender.send(two[1], {"t": "x" * 4_087})) == 36  # 4,096 bytes, as json.dumps writes it.
    assert await sender.send(two[1], {"t": "x" * 4_088}) == "too_large"
    assert await sender.send(two[1], {"t": "1"}, ttl_s=0) == "bad_message"
    assert await sender.send("nobody") == "bad_message"
    assert (await sender.ask({"type": "ack", "ids": [new_id()] * 101}))["code"] == "bad_message"
    assert (await sender.ask({"type": "ack", "ids": [new_id()] * 100}))["type"] == "ok"
    assert (await sender.ask({"type": "inbox", "since": "x"}))["code"] == "invalid_cursor"


@pytest.mark.parametrize("filler", [0, 600, 3_000])
async def test_what_cannot_be_read_is_refused_by_name_and_ends_nothing(gateway, two, filler):
    sender = await Person.connect(gateway, two[0])
    for number, (value, code) in enumerate([
            (r'"\u0000"', "bad_message"), (r'"\ud800"', "bad_message"), ("1e999", "bad_message"),
            ("9223372036854775808", "bad_message"), ('{"a":1,"a":2}', "bad_message"),
            ("[" * 1_100 + "]" * 1_100, "too_large")]):
        name, reference = new_id(), f"r{number}"
        await sender.client.send(
            f'{{"type":"direct","id":"{name}","to":"{two[1]}","data":{{"t":"{"x" * filler}","v":{value}}},'
            f'"ref":"{reference}"}}')
        await sender.until(lambda: reference in sender.answers)
        answer = sender.answers.pop(reference)
        assert (answer["code"], answer["id"], answer["temporary"]) == (code, name, False)
    assert len(await sender.send(two[1])) == 36


async def test_an_id_that_is_used_again_for_somebody_else_is_the_first_message(gateway, two, database):
    third = add_to_their_project(database)
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, third)
    name = await sender.send(two[1], {"n": 1})
    assert await sender.send(third, {"n": 2}, name=name) == name
    await receiver.for_a_while()
    assert receiver.ids == []
    assert database.execute("SELECT recipient::text, data FROM devhive_direct_messages") == [(two[1], {"n": 1})]


async def test_who_sends_too_fast_is_told_so(gateway, two):
    sender = await Person.connect(gateway, two[0])
    outcomes = []
    for _ in range(30):
        await sender.client.send_json({"type": "direct", "id": new_id(), "to": two[1], "data": {}, "ref": 100})
    for _ in range(30):
        await sender.until(lambda: 100 in sender.answers)
        outcomes.append(sender.answers.pop(100))
    codes = [answer.get("code", "ok") for answer in outcomes]
    assert set(codes) == {"ok", "too_fast"} and 10 <= codes.count("ok") <= 15
    assert all(answer["temporary"] for answer in outcomes if answer["type"] == "error")


async def test_who_asks_for_inboxes_too_often_is_told_so_and_goes_on_hearing(gateway, two):
    sender = await Person.connect(gateway, two[0])
    receiver = await Person.connect(gateway, two[1])
    for number in range(120):
        await receiver.client.send_json({"type": "inbox", "ref": f"i{number}"})
    await receiver.until(lambda: len(receiver.answers) == 120)
    codes = [answer.get("code", "ok") for answer in receiver.answers.values()]
    assert 15 <= codes.count("too_fast") <= 21 and "ok" in codes
    gateway.wait_for_metric("devhive_direct_inboxes_refused_total", 15)
    name = await sender.send(two[1])
    await receiver.until(lambda: name in receiver.ids)


async def test_nothing_is_delivered_after_its_time_to_live(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    name = await sender.send(two[1], ttl_s=1)
    assert len(name) == 36
    await asyncio.sleep(1.2)
    receiver = await Person.connect(gateway, two[1])
    assert receiver.ids == []
    # Nor when it is announced late.
    database.execute("SELECT pg_notify('devhive_direct', 'm ' || recipient || ' ' || sender || ' ' || seq)"
                     " FROM devhive_direct_messages")
    await receiver.for_a_while()
    assert receiver.ids == []


async def test_an_application_sends_in_its_own_transaction(gateway, two, database):
    receiver = await Person.connect(gateway, two[1])
    with pytest.raises(ZeroDivisionError):
        with database.transaction() as cursor:
            cursor.execute("SELECT devhive_send_direct(%s, %s, %s, '{}')", (*two, new_id()))
            raise ZeroDivisionError
    name = new_id()
    with database.transaction() as cursor:
        cursor.execute("SELECT devhive_send_direct(%s, %s, %s, '{\"n\": 1}')", (*two, name))
        await receiver.for_a_while(0.3)
        assert receiver.ids == []
    await receiver.until(lambda: receiver.messages)
    assert receiver.ids == [name] and receiver.messages[0]["data"] == {"n": 1}


async def test_ok_comes_only_after_the_commit(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    assert len(await sender.send(two[1])) == 36
    # It fails as late as can be.
    database.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END';
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON devhive_direct_messages
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()""")
    assert await sender.send(two[1]) == "unavailable"
    gateway.wait_for_log("statement refused", what="sending direct messages")
    assert not gateway.log("read session lost"), "the session goes on"
    database.execute("DROP TRIGGER refuse ON devhive_direct_messages")
    name = new_id()
    for _ in range(100):
        if await sender.send(two[1], name=name) == name:
            break
        await asyncio.sleep(0.1)
    assert database.execute("SELECT count(*) FROM devhive_direct_messages") == [(2,)]


async def test_without_the_table_there_are_none(start_gateway, two, database):
    database.execute("DROP TABLE devhive_direct_messages")
    gateway = start_gateway()
    client = await PythonClient.connect(gateway, None, two[0])
    person = Person(client)
    for message in ({"type": "direct", "id": new_id(), "to": two[1], "data": {}},
                    {"type": "ack", "ids": [new_id()]}, {"type": "inbox"}):
        for _ in range(100):
            answer = await person.ask(message)
            if answer["code"] != "unavailable":  # It hasn't looked yet.
                break
        assert answer["code"] == "direct_off" and not answer["temporary"]


async def test_what_may_come_back_is_unavailable_and_not_off(start_gateway, two, database, role):
    """A page took that for final, and had no direct messages until it was loaded again."""
    gateway = start_gateway(url=role[0])
    person = await Person.connect(gateway, two[0])
    for away, state, back in [
            ("ALTER FUNCTION notify_cache_invalidation() RENAME TO elsewhere", "not installed",
             "ALTER FUNCTION elsewhere() RENAME TO notify_cache_invalidation"),
            ("ALTER TABLE devhive_direct_messages ENABLE ROW LEVEL SECURITY", "hidden from this role by row-level security",
             "ALTER TABLE devhive_direct_messages DISABLE ROW LEVEL SECURITY")]:
        database.execute(away)
        gateway.wait_for_log("direct messages", state=state)
        for message in ({"type": "direct", "id": new_id(), "to": two[1], "data": {}},
                        {"type": "ack", "ids": [new_id()]}, {"type": "inbox"}):
            answer = await person.ask(message)
            assert answer["code"] == "unavailable" and answer["temporary"]
        database.execute(back)
        gateway.wait_for_metric("devhive_direct_usable", 1)
    assert (await person.inbox())["type"] == "ok"


async def test_ids_of_another_type_are_told_with_what_to_do(start_gateway, two, database, role, run_command):
    """The function compares them by the type that they had."""
    gateway = start_gateway(url=role[0])
    sender = await Person.connect(gateway, two[0])
    assert examine(role[0])[1]["direct messages"][0] == "ok"
    database.execute("ALTER TABLE project_members DROP CONSTRAINT project_members_user_id_fkey, ALTER user_id TYPE text")
    assert await sender.send(two[1]) == "unavailable"
    line = gateway.wait_for_log("statement refused", what="sending direct messages")
    assert "migrate --again" in line["advice"]
    verdict, text = examine(role[0])[1]["direct messages"]
    assert verdict == "FAIL" and "42883" in text and text.endswith("run devhive-gateway migrate --again")
    run_command("migrate", "--again")
    name = new_id()
    for _ in range(100):
        if await sender.send(two[1], name=name) == name:
            break
        await asyncio.sleep(0.1)
    assert database.execute("SELECT count(*) FROM devhive_direct_messages") == [(1,)], "the doctor has sent nothing"
    assert examine(role[0])[1]["direct messages"][0] == "ok"


async def test_forged_announcements_bring_nothing_that_was_not_sent(gateway, two, database):
    receiver = await Person.connect(gateway, two[1])
    sender = await Person.connect(gateway, two[0])
    name = await sender.send(two[1], receipt=True)
    await receiver.until(lambda: receiver.messages)
    sequence = database.execute("SELECT seq FROM devhive_direct_messages")[0][0]
    stranger = await Person.connect(gateway)
    forged = [
        f"m {two[1]} {two[0]} 424242", f"m {stranger.user} {two[0]} {sequence}",
        f"m {two[1]} {two[0]} 424242 {name}", f"m {stranger.user} {two[0]} {sequence} {name}",
        f"m {two[1]} {two[0]} {sequence} {new_id()}",
        f"a {two[1]} {two[0]} {sequence}", f"a {two[1]} {two[0]} 424242",
        "", "m", "x" * 7_999, f"m {two[1]} {two[0]} ", f"m {two[1]} {two[0]} x", f"m {two[1]} {two[0]} -1",
        f"m {two[1]} {two[0]} 99999999999999999999", json.dumps({"to": two[1], "data": {"text": "forged"}}),
    ]
    for payload in forged:
        database.execute("SELECT pg_notify('devhive_direct', %s)", payload)
    last = await sender.send(two[1])
    await receiver.until(lambda: last in receiver.ids)
    await stranger.for_a_while()
    # The row itself may come again, as what it is, to whom it is for.
    assert set(receiver.ids) == {name, last} and not stranger.messages
    assert receiver.acked == [] and sender.receipts == []
    assert all(message["data"] == {"text": "hello"} for message in receiver.messages)


async def test_a_message_under_way_is_given_to_nobody_whoever_announces_it(gateway, two, database):
    receiver = await Person.connect(gateway, two[1])
    sender = await Person.connect(gateway, two[0])
    name = new_id()
    with database.transaction() as cursor:
        # The statement waits for this, and gives up.
        cursor.execute("LOCK TABLE project_members")
        answer = asyncio.create_task(sender.send(two[1], name=name))
        await asyncio.sleep(0.1)
        for _ in range(3):
            database.execute("SELECT pg_notify('devhive_direct', %s)", f"m {two[1]} {two[0]} 1 {name}")
        assert await answer == "unavailable"
    await receiver.for_a_while()
    assert receiver.ids == []
    # The same once more is sent, and comes once.
    assert await sender.send(two[1], name=name) == name
    await receiver.until(lambda: receiver.messages)
    await receiver.for_a_while()
    assert receiver.ids == [name]


@pytest.fixture
def outsider(database):
    """A session of a role that may do nothing but connect."""
    name = f"connected_{database.name}"
    database.execute(f"CREATE ROLE {name} LOGIN")
    connection = psycopg2.connect(database.url.replace("postgres@", f"{name}@"))
    yield connection
    connection.close()
    database.execute(f"DROP ROLE {name}")


async def test_a_role_with_connect_alone_can_neither_read_nor_send(database, two, outsider):
    name = new_id()
    send(database, *two, name)
    outsider.autocommit = True
    with outsider.cursor() as cursor:
        for statement in ("SELECT * FROM devhive_direct_messages", "DELETE FROM devhive_direct_messages",
                          "INSERT INTO devhive_direct_messages DEFAULT VALUES",
                          f"SELECT devhive_send_direct('{two[0]}', '{two[1]}', '{name}', '{{}}')"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
        # What it can hear says who sends to whom, and nothing of what.
        cursor.execute("LISTEN devhive_direct")
        send(database, *two, data='{"secret":"tea"}')
        cursor.execute("SELECT 1")
        outsider.poll()
        payload = outsider.notifies[0].payload
        assert payload.startswith(f"m {two[1]} {two[0]} ") and "tea" not in payload and len(payload) < 150


async def test_the_gateway_s_role_needs_no_more_than_is_documented(start_gateway, two, database, role):
    url, name = role
    database.execute(f"REVOKE EXECUTE ON FUNCTION devhive_send_direct FROM {name}")
    gateway = start_gateway(url=url)
    gateway.wait_for_log("direct messages", state="not readable for this role")
    person = await Person.connect(gateway, two[0], inbox=False)
    assert (await person.inbox())["code"] == "direct_off"
    database.execute(f"GRANT EXECUTE ON FUNCTION devhive_send_direct TO {name}")
    gateway.wait_for_log("direct messages", state="in use")
    receiver = await Person.connect(gateway, two[1])
    sent = await person.send(two[1], receipt=True)
    await receiver.until(lambda: receiver.ids == [sent])
    assert (await receiver.ack(sent))["type"] == "ok"
    assert gateway.metrics()["devhive_direct_usable"] == 1


async def test_what_could_not_be_read_for_a_while_arrives_when_it_can(start_gateway, two, database, role):
    """Nobody who was answered before would ask again."""
    url, name = role
    gateway = start_gateway(url=url)
    gateway.wait_for_log("direct messages", state="in use")
    receiver = await Person.connect(gateway, two[1])
    database.execute(f"REVOKE SELECT ON devhive_direct_messages FROM {name}")
    missed = new_id()
    assert send(database, *two, missed) == "sent"
    gateway.wait_for_log("statement refused", what="reading direct messages")
    database.execute(f"GRANT SELECT ON devhive_direct_messages TO {name}")
    await receiver.until(lambda: receiver.ids == [missed], 30)
    later = new_id()
    assert send(database, *two, later) == "sent"
    await receiver.until(lambda: receiver.ids == [missed, later])


async def test_a_client_that_does_not_read_gets_all_when_it_does(gateway, two, database):
    """What waits for it is in the database, not in the gateway."""
    receiver = await Person.connect(gateway, two[1])
    names = [new_id() for _ in range(900)]
    data = json.dumps({"text": "x" * 1_000})
    for name in names:
        assert send(database, *two, name, data) == "sent"
    await asyncio.sleep(0.5)
    await receiver.until(lambda: set(receiver.ids) == set(names), 60)


async def test_a_message_goes_by_whichever_gateway(start_gateway, two):
    first, second = start_gateway(), start_gateway()
    sender = await Person.connect(first, two[0])
    receiver = await Person.connect(second, two[1])
    name = await sender.send(two[1], receipt=True)
    await receiver.until(lambda: receiver.ids == [name])
    await receiver.ack(name)
    await sender.until(lambda: sender.receipts == [(name, two[1])])


async def test_what_is_over_is_deleted(gateway, two, database):
    sender = await Person.connect(gateway, two[0])
    await sender.send(two[1])
    database.execute("UPDATE devhive_direct_messages SET expires_at = now() - interval '1 second'")
    # Once a minute, at a time of the gateway's own.
    for _ in range(70):
        if database.execute("SELECT count(*) FROM devhive_direct_messages") == [(0,)]:
            break
        await asyncio.sleep(1)
    assert gateway.metrics()["devhive_direct_pruned_total"] == 1


async def test_a_table_that_somebody_put_in_its_place_is_not_used(start_gateway, two, database):
    """What is written to it would run with the rights of the function's owner."""
    name = f"maker_{database.name}"
    database.execute("DROP TABLE devhive_direct_messages")
    database.execute(f"CREATE ROLE {name}; GRANT CREATE ON SCHEMA public TO {name}; SET ROLE {name}")
    database.execute("CREATE TABLE devhive_direct_messages (seq bigint, sender uuid, id uuid); RESET ROLE")
    try:
        with pytest.raises(psycopg2.errors.UndefinedTable, match="is not the table that it was"):
            send(database, *two)
        file = next(file for file in migration_files() if "006" in file)
        with pytest.raises(psycopg2.errors.RaiseException, match="is there already.*belongs to maker_"), \
                open(file, encoding="utf-8") as text:
            database.execute(text.read())
        start_gateway().wait_for_log("direct messages", state="not installed")
    finally:
        database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_what_is_put_in_its_place_while_the_gateway_runs_is_neither_written_nor_believed(start_gateway, two, database, role):
    """Until the gateway has looked again, up to 5 s, its acknowledgments ran what belonged to the table that stood there."""
    gateway = start_gateway(url=role[0])
    sender, receiver = await Person.connect(gateway, two[0]), await Person.connect(gateway, two[1])
    name, made_up = f"maker_{database.name}", new_id()
    database.execute(f"CREATE ROLE {name}; GRANT CREATE ON SCHEMA public TO {name}; CREATE TABLE was_run (what text)")
    try:
        database.execute(
            "ALTER TABLE devhive_direct_messages RENAME TO old; GRANT INSERT ON was_run TO PUBLIC;"
            "CREATE TABLE devhive_direct_messages (LIKE old INCLUDING DEFAULTS);"
            f"ALTER TABLE devhive_direct_messages OWNER TO {name}; SET ROLE {name};"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO public.was_run VALUES (current_user); RETURN NULL; END';"
            "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON devhive_direct_messages"
            " FOR EACH STATEMENT EXECUTE FUNCTION note();"
            "GRANT ALL ON devhive_direct_messages TO PUBLIC; RESET ROLE;")
        database.execute(
            "ALTER TABLE devhive_direct_messages DISABLE TRIGGER t;"
            "INSERT INTO devhive_direct_messages (seq, xid, sender, recipient, id, data, receipt, expires_at)"
            f" VALUES (1, '5', '{two[0]}', '{two[1]}', '{made_up}', '{{}}', false, now() + interval '1 hour');"
            "ALTER TABLE devhive_direct_messages ENABLE TRIGGER t;"
            f"SELECT pg_notify('devhive_direct', 'm {two[1]} {two[0]} 1')")
        answers = [await receiver.ack(made_up), await receiver.inbox()]
        codes = [answer.get("code") for answer in answers] + [await sender.send(two[1])]
        assert set(codes) == {"unavailable"}, codes
        gateway.wait_for_log("direct messages", state="not installed")
        assert receiver.messages == [] and database.execute("SELECT * FROM was_run") == []
        database.execute("DROP TABLE devhive_direct_messages; ALTER TABLE old RENAME TO devhive_direct_messages")
        gateway.wait_for_metric("devhive_direct_usable", 1)
        name_sent = await sender.send(two[1])
        assert (await receiver.inbox())["type"] == "ok"
        await receiver.until(lambda: receiver.ids == [name_sent])
    finally:
        database.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
