"""Users with two devices each who send one another direct messages, whatever dies meanwhile, and what became of each.

The devices do what the browser's client does: what isn't answered, or not for good, is sent again under the same id;
the inbox is asked for after each connect; a message is shown once, and acknowledged after it was shown.
"""

import asyncio
import collections
import dataclasses
import datetime
import json
import time
import uuid

from . import tokens
from .clients import PythonClient

# What is no answer to the message, as in Clients/javascript/src/direct.js.
AGAIN = ("unavailable", "too_fast")
ANSWER_SECONDS = 5
ACK_SECONDS = 0.05
ACKS_MAX = 100


@dataclasses.dataclass
class Letter:
    """One message: what its sender wants, and what became of it."""

    sender: str
    to: str
    due: float = 0  # Seconds from the start.
    ttl: int | None = None
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    outcome: str | None = None  # `ok`, or an error's code.
    attempts: int = 0

    @property
    def data(self):
        return {"text": f"to {self.to}", "id": self.id}


class Post:
    """All users, all messages, and what was seen to be wrong."""

    def __init__(self, chance):
        self.chance = chance
        self.gateway = None
        self.letters = {}
        self.began = time.monotonic()
        self.lag = 0
        self.is_over = False
        # By user: the messages that were shown by some device, and those whose acknowledgment was seen to be committed.
        self.shown = collections.defaultdict(set)
        self.acknowledged = collections.defaultdict(set)
        self.faults = []
        self.counts = collections.Counter()

    def add(self, letter):
        self.letters[letter.id] = letter
        return letter

    @property
    def seconds(self):
        return time.monotonic() - self.began

    def lost(self):
        """What was confirmed, never ends, and wasn't shown."""
        return [
            letter for letter in self.letters.values()
            if letter.outcome == "ok" and not letter.ttl and letter.id not in self.shown[letter.to]]

    def unsettled(self):
        return [letter for letter in self.letters.values() if letter.outcome is None]

    async def watch_the_clock(self):
        """How late this process looks at what has arrived."""
        while not self.is_over:
            before = time.monotonic()
            await asyncio.sleep(0.05)
            self.lag = max(self.lag, time.monotonic() - before - 0.05)


class Device:
    """One of a user's. `pauses` are the seconds, from and to, for which it is away."""

    def __init__(self, post, user, token, letters=(), pauses=()):
        self.post, self.user, self.token, self.pauses = post, user, token, pauses
        self.letters = sorted(letters, key=lambda letter: letter.due)
        self.shown = set()

    async def live(self):
        while not self.post.is_over:
            pause = next((end for start, end in self.pauses if start <= self.post.seconds < end), None)
            if pause is not None:
                await asyncio.sleep(min(0.1, pause - self.post.seconds))
                continue
            try:
                client = await self.connect()
            except Exception:  # Nobody is there, or no longer.
                await asyncio.sleep(self.post.chance.uniform(0.05, 0.3))
                continue
            await Session(self, client).run()

    async def connect(self):
        return await PythonClient.connect(self.post.gateway, user=self.user, token=self.token)

    def away_from(self):
        """When its next pause begins."""
        return min((start for start, _ in self.pauses if start > self.post.seconds), default=float("inf"))


class Session:
    """One connection of a device."""

    def __init__(self, device, client):
        self.device, self.post, self.client = device, device.post, client
        self.asked = {}  # When each message was sent on this connection.
        self.acks, self.acking, self.refs = [], {}, 0
        # What need not come any more when the inbox was first asked for.
        self.over = frozenset()

    async def run(self):
        self.post.counts["sessions"] += 1
        tasks = [asyncio.create_task(part) for part in (self.hear(), self.speak(), self.acknowledge())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            # A connection ends however it ends; a fault of the test is none of that.
            if isinstance(outcome, (AssertionError, KeyError, TypeError, ValueError, AttributeError)):
                self.post.faults.append(repr(outcome))
        await self.client.abandon()

    async def speak(self):
        self.over = frozenset(self.post.acknowledged[self.device.user])
        await self.read_inbox()
        away = self.device.away_from()
        while not self.post.is_over and self.post.seconds < away:
            now = self.post.seconds
            for letter in self.device.letters:
                if letter.due > now:
                    break
                if letter.outcome is None and self.asked.get(letter.id, float("-inf")) < now - ANSWER_SECONDS:
                    await self.send(letter)
            await asyncio.sleep(0.05)

    async def read_inbox(self):
        await self.client.send_json({"type": "inbox", "ref": "inbox"})

    async def send(self, letter):
        self.asked[letter.id] = self.post.seconds
        letter.attempts += 1
        message = {"type": "direct", "id": letter.id, "to": letter.to, "data": letter.data, "ref": letter.id}
        await self.client.send_json({**message, "ttl_s": letter.ttl} if letter.ttl else message)

    async def hear(self):
        while True:
            message = json.loads(await self.client.next_text())
            if message["type"] == "direct":
                self.receive(message)
            elif message["type"] in ("ok", "error"):
                await self.answered(message)

    def receive(self, message):
        post, user = self.post, self.device.user
        name, letter = message["id"], post.letters.get(message["id"])
        words = message["from"], message["to"], message["data"]
        if letter is None or words != (letter.sender, letter.to, letter.data):
            post.faults.append(f"{user} got what nobody sent: {message}")
            return
        if user != letter.to:
            if user != letter.sender:
                post.faults.append(f"{user} got somebody else's: {message}")
            return
        if name in self.over:
            post.faults.append(f"{user} got {name} again, which was acknowledged before the inbox was asked for")
        if letter.ttl:
            sent_at = datetime.datetime.fromisoformat(message["timestamp"].replace("Z", "+00:00")).timestamp()
            late = time.time() - sent_at - letter.ttl
            if late > 1 + post.lag:
                post.faults.append(f"{user} got {name} {late:.2f} s after its time to live")
            post.counts["in time"] += 1
        if name in self.device.shown:
            post.counts["repeats"] += 1
        self.device.shown.add(name)
        post.shown[user].add(name)
        self.acks.append(name)

    async def acknowledge(self):
        while True:
            await asyncio.sleep(ACK_SECONDS)
            while self.acks:
                self.refs += 1
                names, self.acks = self.acks[:ACKS_MAX], self.acks[ACKS_MAX:]
                self.acking[self.refs] = names
                await self.client.send_json({"type": "ack", "ids": names, "ref": self.refs})

    async def answered(self, message):
        is_ok, reference = message["type"] == "ok", message["ref"]
        code = "ok" if is_ok else message["code"]
        if reference == "inbox":
            if not is_ok:
                await self.again(code)
                await self.read_inbox()
        elif reference in self.acking:
            names = self.acking.pop(reference)
            if is_ok:
                self.post.acknowledged[self.device.user].update(names)
            else:
                await self.again(code)
                self.acks.extend(names)
        else:
            letter = self.post.letters[reference]
            assert message["id"] == letter.id
            self.post.counts[code] += 1
            if code in AGAIN:
                assert message["temporary"], message
                # From when it is sent again.
                self.asked[letter.id] = self.post.seconds - ANSWER_SECONDS + self.post.chance.uniform(0, 0.5)
            elif letter.outcome not in (None, code):
                self.post.faults.append(f"{letter.id} was {letter.outcome}, and is {code}")
            else:
                letter.outcome = code

    async def again(self, code):
        assert code in AGAIN, code
        await asyncio.sleep(self.post.chance.uniform(0.05, 0.5))


def devices_of(post, user, letters=(), pauses=((), ())):
    """Two, who share what the user sends. Each has its own pauses."""
    token = tokens.token(user)
    return [Device(post, user, token, list(letters)[number::2], pauses[number]) for number in range(2)]
