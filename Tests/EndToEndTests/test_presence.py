"""Who is present, and who types."""

import asyncio
import json
import time
import uuid

import pytest

from support.clients import PythonClient


class Watcher:
    """A client that takes part, and what it makes of what it is told."""

    def __init__(self, client, project):
        self.client, self.project = client, project
        self.users, self.count, self.sequence, self.messages, self.typing = {}, None, None, 0, []

    @classmethod
    async def connect(cls, gateway, project, user=None, client=PythonClient, **keys):
        watcher = cls(await client.connect(gateway, project, user), project)
        await watcher.say(**keys)
        await watcher.until(lambda: watcher.count is not None)
        return watcher

    async def say(self, **keys):
        await self.client.send_json({"type": "presence", "project_id": self.project, **keys})

    async def type(self, topic, **keys):
        await self.client.send_json({"type": "typing", "project_id": self.project, "topic": topic, **keys})

    async def hear(self):
        message = json.loads(await self.client.next_text())
        if message["type"] == "typing":
            self.typing.append((message["topic"], message["user_ids"]))
        elif message["type"] in ("presence_state", "presence_diff"):
            self.messages += 1
            self.take(message)

    def take(self, message):
        if message["type"] == "presence_state":
            self.users = {user["user_id"]: user["state"] for user in message["users"]}
        else:
            assert message["seq"] == self.sequence + 1
            for user in message["joined"] + message["changed"]:
                self.users[user["user_id"]] = user["state"]
            for user in message["left"]:
                del self.users[user]
        self.sequence, self.count = message["seq"], message["count"]

    async def until(self, holds, seconds=10):
        async def listen():
            while not holds():
                await self.hear()
        await asyncio.wait_for(listen(), seconds)

    async def for_a_while(self, seconds):
        try:
            await self.until(lambda: False, seconds)
        except asyncio.TimeoutError:
            pass

    @property
    def user(self):
        return self.client.user


@pytest.fixture
def project(database):
    return database.add_project()


async def test_who_joins_and_who_leaves(gateway, project, library):
    first = await Watcher.connect(gateway, project, client=library)
    assert first.users == {first.user: "active"}
    second = await Watcher.connect(gateway, project, client=library, state="away")
    assert second.users == {first.user: "active", second.user: "away"}
    await first.until(lambda: len(first.users) == 2)
    await second.say(state="active")
    await first.until(lambda: first.users[second.user] == "active")
    await second.client.close()
    await first.until(lambda: first.users == {first.user: "active"})
    await first.client.close()


async def test_who_asks_for_nothing_hears_nothing(gateway, database, project):
    plain = await PythonClient.connect(gateway, project)
    watcher = await Watcher.connect(gateway, project)
    await watcher.type("t")
    other = await Watcher.connect(gateway, project)
    await watcher.until(lambda: len(watcher.users) == 2)
    assert await plain.until_fence(database, project) == []
    for client in (plain, watcher.client, other.client):
        await client.close()


async def test_two_devices_and_an_invisible_one(gateway, project):
    watcher = await Watcher.connect(gateway, project)
    user = str(uuid.uuid4())
    phone = await Watcher.connect(gateway, project, user, state="away")
    laptop = await Watcher.connect(gateway, project, user)
    await watcher.until(lambda: watcher.users.get(user) == "active")
    await laptop.client.close()
    await watcher.until(lambda: watcher.users.get(user) == "away")
    await phone.say(state="away", invisible=True)
    await watcher.until(lambda: user not in watcher.users)
    assert watcher.count == 1
    for client in (phone.client, watcher.client):
        await client.close()


async def test_a_lost_connection_lingers_and_who_comes_back_never_left(gateway, project):
    watcher = await Watcher.connect(gateway, project)
    lost = await Watcher.connect(gateway, project)
    await watcher.until(lambda: len(watcher.users) == 2)
    told = watcher.messages
    await lost.client.abandon()
    await watcher.for_a_while(3)
    back = await Watcher.connect(gateway, project, lost.user)
    assert set(back.users) == {watcher.user, lost.user}
    await watcher.for_a_while(14)
    assert watcher.messages == told
    began = time.monotonic()
    await back.client.abandon()
    await watcher.until(lambda: len(watcher.users) == 1, 20)
    assert 14.5 < time.monotonic() - began < 18
    await watcher.client.close()


async def test_who_is_removed_is_gone_and_sees_no_more(start_gateway, database):
    gateway = start_gateway("--membership", "on")
    users = [database.add_user() for _ in range(3)]
    project = database.add_project(users[0])
    for user in users[1:]:
        database.add_member(project, user)
    watcher = await Watcher.connect(gateway, project, users[0])
    removed = await Watcher.connect(gateway, project, users[1])
    await watcher.until(lambda: len(watcher.users) == 2)
    await removed.until(lambda: len(removed.users) == 2)
    database.execute("DELETE FROM project_members WHERE project_id = %s AND user_id = %s", project, users[1])
    await watcher.until(lambda: set(watcher.users) == {users[0]}, 3)
    told = removed.messages
    third = await Watcher.connect(gateway, project, users[2])
    await watcher.until(lambda: len(watcher.users) == 2)
    await removed.for_a_while(2)
    assert removed.messages == told
    answer = await removed.client.ask({"type": "presence", "project_id": project, "ref": 1})
    assert answer["code"] == "not_subscribed"
    for client in (watcher.client, removed.client, third.client):
        await client.close()


async def test_typing_is_told_to_others_and_ends_by_itself(gateway, project, library):
    watcher = await Watcher.connect(gateway, project, client=library)
    typist = await Watcher.connect(gateway, project, client=library)
    await typist.type("task:1")
    await watcher.until(lambda: watcher.typing == [("task:1", [typist.user])])
    began = time.monotonic()
    await watcher.until(lambda: watcher.typing[-1] == ("task:1", []), 10)
    assert 6 < time.monotonic() - began < 9
    await typist.for_a_while(0.2)
    assert typist.typing == []
    for client in (watcher.client, typist.client):
        await client.close()


async def test_changes_are_told_once_a_second_at_most(gateway, project):
    watcher = await Watcher.connect(gateway, project)
    told = watcher.messages
    others = [await Watcher.connect(gateway, project) for _ in range(10)]

    async def fidget(other):
        for step in range(20):
            await other.say(state="away" if step % 2 else "active")
            await asyncio.sleep(0.2)

    listening = asyncio.ensure_future(watcher.for_a_while(4.5))
    await asyncio.gather(*[fidget(other) for other in others])
    await listening
    assert 3 <= watcher.messages - told <= 6
    assert len(watcher.users) == 11
    for client in [watcher.client] + [other.client for other in others]:
        await client.close()


async def test_it_can_tell_the_number_alone_or_nothing(start_gateway, database):
    project = database.add_project()
    gateway = start_gateway("--presence", "count")
    watcher = await Watcher.connect(gateway, project)
    other = await Watcher.connect(gateway, project, mode="count")
    await watcher.until(lambda: watcher.count == 2)
    assert watcher.users == {}
    for client in (watcher.client, other.client):
        await client.close()
    gateway = start_gateway("--presence", "off")
    client = await PythonClient.connect(gateway, project)
    answer = await client.ask({"type": "presence", "project_id": project, "ref": 1})
    assert (answer["code"], answer["temporary"]) == ("presence_off", False)
    await client.close()
