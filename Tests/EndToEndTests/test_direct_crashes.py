"""FAULTS: direct messages while the gateway and PostgreSQL are killed: what was confirmed arrives, nothing else does (38).

A thousand messages in the ordinary run; ten thousand with DEVHIVE_STORM=full (and DEVHIVE_TEST_SECONDS=900).
DEVHIVE_SEED chooses another course of things.
"""

import asyncio
import collections
import contextlib
import json
import os
import random
import uuid

import pytest

from support.cluster import TEMPLATE, Cluster
from support.gateway import UNLIMITED
from support.post import Letter, Post, devices_of

FULL = os.environ.get("DEVHIVE_STORM") == "full"
SEED = int(os.environ.get("DEVHIVE_SEED", "7"))
MESSAGES, CRASH_SECONDS = (10_000, 60) if FULL else (1_000, 20)
SETTLE_SECONDS = 60
USERS, PROJECTS = 100, 10
FILLED = 2  # Users whose inbox is full, and who come when all who write to them know it.
AWAY = 8  # Others who are away until the crashes are over.


@pytest.fixture(scope="module")
def cluster():
    """One that keeps what it has confirmed."""
    cluster = Cluster(durable=True)
    try:
        cluster.create_database(TEMPLATE)
        cluster.apply_migrations(TEMPLATE)
        yield cluster
    finally:
        cluster.remove()


class Town:
    """The users: each shares a project with some of the others."""

    def __init__(self, database, chance):
        self.chance = chance
        self.users = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(USERS)]
        self.filled, self.away = self.users[:FILLED], self.users[FILLED:FILLED + AWAY]
        self.senders = self.users[FILLED + AWAY:]
        self.projects = {user: {number % PROJECTS} for number, user in enumerate(self.users)}
        for user in chance.sample(self.users, USERS // 5):
            self.projects[user].add(chance.randrange(PROJECTS))
        names = [database.add_project() for _ in range(PROJECTS)]
        with database.silence():
            for user, numbers in self.projects.items():
                for number in numbers:
                    database.add_member(names[number], user)

    def pick(self, user, shared, among):
        """Somebody with whom the user shares a project, or doesn't; `None` if there is nobody."""
        found = [
            other for other in among
            if other != user and bool(self.projects[other] & self.projects[user]) == shared]
        return self.chance.choice(found) if found else None

    def pair(self, kind):
        if kind in ("full", "missed"):
            to = self.chance.choice(self.filled if kind == "full" else self.away)
            return self.pick(to, True, self.senders), to
        sender = self.chance.choice(self.senders)
        return sender, self.pick(sender, kind != "stranger", self.away + self.senders)

    def letter(self):
        """Mostly plain ones; some to strangers and to full inboxes; some are over soon, or before they are read."""
        kind = self.chance.choices(["plain", "stranger", "full", "short", "missed"], [76, 6, 6, 6, 6])[0]
        sender, to = self.pair(kind)
        ttl = self.chance.randint(1, 4) if kind in ("short", "missed") else None
        return Letter(
            sender, to, self.chance.uniform(0, CRASH_SECONDS), ttl,
            str(uuid.UUID(int=self.chance.getrandbits(128), version=4)))

    def pauses(self, user):
        """When each of the user's devices is away."""
        if user in self.away:
            return ([(0, CRASH_SECONDS + 1)],) * 2
        return [self.some_pauses() if self.chance.random() < 0.4 else [] for _ in range(2)]

    def some_pauses(self):
        pauses, at = [], 0
        while at < CRASH_SECONDS:
            start = at + self.chance.uniform(0.5, 5)
            at = start + self.chance.uniform(0.5, 5)
            pauses.append((start, min(at, CRASH_SECONDS + 1)))
        return pauses


def fill(database, post, town, user):
    """The application sends until the user's inbox takes nothing more, not even little."""
    sender = town.pick(user, True, town.senders)
    with database.transaction() as cursor:
        while True:
            letter = Letter(sender, user)
            cursor.execute(
                "SELECT devhive_send_direct(%s, %s, %s, %s)", (sender, user, letter.id, json.dumps(letter.data)))
            if cursor.fetchone()[0] == "inbox_full":
                return
            letter.outcome = "ok"
            post.add(letter)


async def kill_gateways(post, start_gateway, chance):
    while True:
        await asyncio.sleep(chance.uniform(0.5, 3))
        if post.seconds > CRASH_SECONDS:
            return
        post.counts["gateways killed"] += 1
        post.gateway.kill()
        post.gateway = await asyncio.to_thread(start_gateway, *UNLIMITED, ready=False)


async def kill_servers(post, cluster, chance):
    """All of PostgreSQL, or one session of the gateway, whose death makes PostgreSQL end all others and recover."""
    while True:
        await asyncio.sleep(chance.uniform(1.5, 5))
        if post.seconds > CRASH_SECONDS:
            return
        if chance.random() < 0.5:
            post.counts["sessions killed"] += await asyncio.to_thread(kill_session, cluster, chance)
            continue
        post.counts["databases killed"] += 1
        await asyncio.to_thread(cluster.kill)
        await asyncio.sleep(chance.uniform(0, 1.5))
        await asyncio.to_thread(cluster.start)


def kill_session(cluster, chance):
    """Whether there was one."""
    pids = cluster.sessions()
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), 9)
    return bool(pids)


async def until(condition, what, seconds=SETTLE_SECONDS):
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, f"not within {seconds} s: {what()}"
        await asyncio.sleep(0.1)


async def test_what_was_confirmed_arrives_whatever_is_killed(start_gateway, cluster, database):
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    town, post = Town(database, chance), Post(random.Random(SEED + 1))
    for user in town.filled:
        fill(database, post, town, user)
    by_sender = collections.defaultdict(list)
    for letter in [town.letter() for _ in range(MESSAGES)]:
        by_sender[letter.sender].append(post.add(letter))
    post.gateway = await asyncio.to_thread(start_gateway, *UNLIMITED)
    devices = [
        device for user in town.away + town.senders
        for device in devices_of(post, user, by_sender[user], town.pauses(user))]
    post.began = asyncio.get_running_loop().time()
    lives = [asyncio.create_task(device.live()) for device in devices]
    clock = asyncio.create_task(post.watch_the_clock())
    await asyncio.gather(
        kill_gateways(post, start_gateway, random.Random(SEED + 2)),
        kill_servers(post, cluster, random.Random(SEED + 3)))
    database.close()  # It died with the server.
    await until(lambda: not post.unsettled(), lambda: f"{len(post.unsettled())} aren't answered")
    lives += [asyncio.create_task(device.live()) for user in town.filled for device in devices_of(post, user)]
    await until(lambda: not post.lost(), lambda: f"{len(post.lost())} are lost")

    # What was answered is what is kept, and all of it is acknowledged in the end.
    await until(lambda: not waiting(database), lambda: f"{len(waiting(database))} aren't acknowledged")
    post.is_over = True
    await asyncio.wait([*lives, clock], timeout=10)
    summary = ", ".join(f"{count} {what}" for what, count in sorted(post.counts.items()))
    print(f"{MESSAGES} messages: {summary}; looked up to {post.lag:.2f} s late")
    assert not post.faults, post.faults[:10]
    assert all(life.done() for life in lives)
    check_outcomes(post, town, database)
    await check_inboxes(post, town)


def waiting(database):
    return database.execute(
        "SELECT recipient FROM devhive_direct_messages WHERE acknowledged_at IS NULL AND expires_at > now()")


def check_outcomes(post, town, database):
    strangers = full = 0
    for letter in post.letters.values():
        if not town.projects[letter.sender] & town.projects[letter.to]:
            expected = "not_allowed"
            strangers += 1
        elif letter.to in town.filled and letter.attempts:
            expected = "inbox_full"
            full += 1
        else:
            expected = "ok"
        assert letter.outcome == expected, letter
    assert strangers > MESSAGES // 50 and full > MESSAGES // 50
    kept = collections.Counter(
        database.execute("SELECT sender::text, recipient::text, id::text FROM devhive_direct_messages"))
    confirmed = {
        (letter.sender, letter.to, letter.id): letter for letter in post.letters.values() if letter.outcome == "ok"}
    assert set(kept) <= set(confirmed) and set(kept.values()) == {1}
    # Those that were soon over may be deleted.
    assert all(letter.ttl for key, letter in confirmed.items() if key not in kept)
    for user, names in post.shown.items():
        assert all(post.letters[name].to == user and post.letters[name].outcome == "ok" for name in names)


async def check_inboxes(post, town):
    """Whoever comes now gets nothing, and an inbox that was full takes messages again."""
    post.is_over = False
    for user in town.users:
        device = devices_of(post, user)[0]
        await empty_inbox(post, device)
    letters = [
        post.add(Letter(town.pick(user, True, town.senders), user, post.seconds)) for user in town.filled]
    lives = [
        asyncio.create_task(device.live())
        for letter in letters
        for device in devices_of(post, letter.sender, [letter]) + devices_of(post, letter.to)]
    await until(lambda: not post.unsettled() and not post.lost(), lambda: [letter.outcome for letter in letters])
    assert [letter.outcome for letter in letters] == ["ok"] * FILLED
    post.is_over = True
    await asyncio.wait(lives, timeout=10)
    assert not post.faults, post.faults[:10]


async def empty_inbox(post, device):
    client = await device.connect()
    answer = await client.ask({"type": "inbox", "ref": 1})
    assert answer["type"] == "ok", answer
    await client.close()
