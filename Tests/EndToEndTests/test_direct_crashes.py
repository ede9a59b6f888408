"""Direct messages while gateways are killed and PostgreSQL crashes: what was confirmed arrives, and nothing else does."""

import asyncio
import json
import os
import random
import uuid

import pytest

from support.clients import PythonClient
from support.gateway import UNLIMITED

USERS = 20
MESSAGES = int(os.environ.get("DEVHIVE_DIRECT_MESSAGES", "1000"))
CRASH_SECONDS = 20


class Everybody:
    """What all users have sent, and got."""

    def __init__(self, users):
        self.users = users
        self.confirmed = set()
        self.sent = {}  # The id's sender and recipient.
        self.got = {user: set() for user in users}
        self.repeats = 0
        self.gateway = None
        self.is_over = False
        self.random = random.Random(7)


class Tab:
    """One user's client: it comes back whenever its connection ends, and sends what wasn't confirmed once more."""

    def __init__(self, everybody, user, count):
        self.everybody, self.user = everybody, user
        others = [other for other in everybody.users if other != user]
        self.waiting = [(str(uuid.uuid4()), everybody.random.choice(others)) for _ in range(count)]
        for name, to in self.waiting:
            everybody.sent[name] = (user, to)

    async def live(self):
        while not self.everybody.is_over:
            try:
                client = await PythonClient.connect(self.everybody.gateway, None, self.user)
                await client.send_json({"type": "inbox", "ref": "inbox"})
                await asyncio.gather(self.hear(client), self.speak(client))
            except Exception:  # However it ends: it begins anew.
                await asyncio.sleep(0.05 + 0.2 * self.everybody.random.random())

    async def hear(self, client):
        while True:
            message = json.loads(await client.next_text())
            if message["type"] == "direct":
                assert message["to"] == self.user, "somebody else's message"
                got = self.everybody.got[self.user]
                self.everybody.repeats += message["id"] in got
                got.add(message["id"])
                await client.send_json({"type": "ack", "ids": [message["id"]]})
            elif message["type"] == "ok" and "id" in message:
                self.everybody.confirmed.add(message["id"])
                self.waiting = [wish for wish in self.waiting if wish[0] != message["id"]]
            elif message["type"] == "error":
                if message["code"] == "direct_off":
                    raise ConnectionError
                assert message["temporary"], message

    async def speak(self, client):
        while not self.everybody.is_over:
            for name, to in self.waiting[:1]:
                await client.send_json({"type": "direct", "id": name, "to": to, "data": {"text": name}, "ref": 1})
            await asyncio.sleep(0.11)
        await client.close()


async def crash(everybody, start_gateway, cluster):
    """Gateways one after the other, each killed; in between PostgreSQL loses its processes."""
    loop = asyncio.get_running_loop()
    until = loop.time() + CRASH_SECONDS
    crashes = 0
    while loop.time() < until:
        await asyncio.sleep(0.5 + 1.5 * everybody.random.random())
        crashes += 1
        if crashes % 4 == 0:
            await asyncio.to_thread(cluster.stop, "immediate")
            await asyncio.sleep(0.3)
            await asyncio.to_thread(cluster.start)
            continue
        everybody.gateway.kill()
        everybody.gateway = await asyncio.to_thread(start_gateway, *UNLIMITED, ready=False)
    return crashes


@pytest.fixture
def crowd(database):
    users = [str(uuid.uuid4()) for _ in range(USERS)]
    project = database.add_project()
    with database.silence():
        for user in users:
            database.add_member(project, user)
    return users


async def test_what_was_confirmed_arrives_whatever_is_killed(start_gateway, cluster, database, crowd):
    everybody = Everybody(crowd)
    everybody.gateway = start_gateway(*UNLIMITED)
    tabs = [Tab(everybody, user, MESSAGES // USERS) for user in crowd]
    lives = [asyncio.create_task(tab.live()) for tab in tabs]
    crashes = await crash(everybody, start_gateway, cluster)
    loop = asyncio.get_running_loop()
    until = loop.time() + 60
    while len(everybody.confirmed) < len(everybody.sent) or any(
            name not in everybody.got[to] for name, (_, to) in everybody.sent.items()):
        missing = len(everybody.sent) - len(everybody.confirmed)
        lost = [name for name in everybody.confirmed if name not in everybody.got[everybody.sent[name][1]]]
        assert loop.time() < until, f"{missing} weren't confirmed, {len(lost)} were lost, after {crashes} crashes"
        await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    everybody.is_over = True
    await asyncio.wait(lives, timeout=10)
    for life in lives:
        life.cancel()
    for user, names in everybody.got.items():
        assert all(everybody.sent[name][1] == user for name in names)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT acknowledged_at IS NOT NULL, count(*) FROM devhive_direct_messages GROUP BY 1")
        rows = dict(cursor.fetchall())
    print(f"{crashes} crashes, {len(everybody.sent)} messages, {everybody.repeats} came again")
    assert rows == {True: len(everybody.sent)}, "acknowledged"
