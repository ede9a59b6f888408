#!/usr/bin/env python3
"""Watches projects through a gateway: prints what arrives, or how much of it.

With --presence, --typing and --inbox it takes part in who is present, types, and gets direct messages, and says below such a
message what it means. The token goes in the first message, not into the URL, so that it stands in no log. Connections that
end come back as docs/protocol.md tells clients to. Needs python3-websockets.
"""

import argparse
import asyncio
import json
import random
import sys
import time
import uuid
from urllib.parse import urlsplit

import websockets

PATH = "/api/v1/messages/ws"
RECONNECT_SECONDS_FIRST = 0.5
RECONNECT_SECONDS_MAX = 20
# A connection that held for so long ends the count of failures.
STABLE_SECONDS = 10
# Connecting all at once would fill the gateway's listen queue.
CONNECTING_AT_ONCE = 64
# Who types on says so as often as counts.
TYPING_SECONDS = 3


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="ws://127.0.0.1:8080", help="the gateway (default: %(default)s)")
    parser.add_argument("--token", required=True, help="as `devhive-gateway token --user UUID` prints it")
    parser.add_argument("--project", action="append", default=[], help="a project's UUID; may be repeated")
    parser.add_argument("--presence", choices=("users", "count"),
                        help="take part in who is present in the projects, and be told who is, or how many")
    parser.add_argument("--away", action="store_true", help="with --presence: as one who is away")
    parser.add_argument("--typing", metavar="TOPIC", help="type there, in each project")
    parser.add_argument("--inbox", action="store_true", help="get direct messages, and leave them in the inbox")
    parser.add_argument("--ack", action="store_true", help="get direct messages, and acknowledge them")
    parser.add_argument("--direct", nargs=2, metavar=("USER", "TEXT"), help="send a direct message, once")
    parser.add_argument("--count", type=int, default=1, help="connections (default: 1)")
    parser.add_argument("--rates", action="store_true", help="print messages per second instead of messages")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    options = parser.parse_args()
    if (options.presence or options.typing) and not options.project:
        parser.error("--presence and --typing are about projects: add --project")
    return options


class People:
    """Who is present in the projects of a connection, by what it was told."""

    def __init__(self):
        self.present = {}

    def meaning(self, message):
        """What a message says of people, in words; None when it says nothing of them."""
        kind = message["type"]
        if kind == "presence_state":
            self.present[message["project_id"]] = {user["user_id"]: user["state"] for user in message["users"]}
        elif kind == "presence_diff":
            present = self.present.setdefault(message["project_id"], {})
            for user in message["left"]:
                present.pop(user, None)
            for user in message["joined"] + message["changed"]:
                present[user["user_id"]] = user["state"]
        elif kind == "typing":
            return f"typing in {message['topic']}: {', '.join(message['user_ids']) or 'nobody'}"
        elif kind == "direct":
            return f"{message['from']} to {message['to']}: {json.dumps(message['data'])}"
        else:
            return None
        users = self.present[message["project_id"]]
        names = ", ".join(f"{user} {state}" for user, state in users.items())
        return f"{message['count']} present{': ' if names else ''}{names}"


class Counts:
    def __init__(self):
        self.open = 0
        self.messages = 0
        self.bytes = 0
        self.connects = 0
        # Ids of direct messages that are to be sent, with their data. A message keeps its id when it is sent once more.
        self.unsent = {}


def told_seconds(reason, key):
    """What the reason of a close says in milliseconds, or None."""
    try:
        return max(0, json.loads(reason)[key] / 1000)
    except (ValueError, KeyError, TypeError):
        return None


def reconnect_delay(code, reason, attempt):
    """Seconds until the next attempt, or None when there must be none (docs/protocol.md, close codes)."""
    if code == 1000 or code in (1002, 1003, 1007, 1009) or 4000 < code < 4100:
        return None
    # From some number of attempts on it stays as it is; without that, 2 to their power gets out of hand.
    jitter = random.uniform(0, min(RECONNECT_SECONDS_MAX, RECONNECT_SECONDS_FIRST * 2 ** min(attempt, 10)))
    if code == 1012:
        window = told_seconds(reason, "window_ms")
        return jitter if window is None else random.uniform(0, window)
    if 4300 <= code < 4400:
        # Not before; and those who were sent away together don't come back together.
        return (told_seconds(reason, "retry_after_ms") or 0) + jitter
    return jitter


def refused_status(error):
    """The HTTP status with which a handshake was refused, or None when it failed otherwise."""
    # InvalidStatus, which websockets 14 and newer raises, has the response; InvalidStatusCode the number.
    return getattr(getattr(error, "response", error), "status_code", None)


async def type_on(connection, options):
    while True:
        for project in options.project:
            await connection.send(json.dumps({"type": "typing", "project_id": project, "topic": options.typing}))
        await asyncio.sleep(TYPING_SECONDS)


async def begin(connection, options, counts):
    """Says who we are and what we want."""
    first, *others = options.project or [None]
    init = {"type": "init", "token": options.token}
    if first is not None:
        init["project_id"] = first
    messages = [init, *({"type": "join_project", "project_id": project, "keep": True} for project in others)]
    if options.presence:
        state = "away" if options.away else "active"
        messages += [{"type": "presence", "project_id": project, "mode": options.presence, "state": state}
                     for project in options.project]
    if options.inbox or options.ack:
        messages.append({"type": "inbox"})
    messages += [{"type": "direct", "id": name, "to": to, "data": data}
                 for name, (to, data) in counts.unsent.items()]
    for message in messages:
        await connection.send(json.dumps(message))


async def watch_once(options, url, counts, gate):
    """One connection from its beginning to its end: the close code, its reason, the seconds that it held."""
    async with gate:
        connection = await websockets.connect(url, ping_interval=None, max_size=2**20)
    counts.open += 1
    counts.connects += 1
    opened = time.monotonic()
    people, typist = People(), None
    try:
        await begin(connection, options, counts)
        if options.typing:
            typist = asyncio.create_task(type_on(connection, options))
        async for text in connection:
            counts.messages += 1
            counts.bytes += len(text)
            if options.rates and not (options.ack or counts.unsent):
                continue
            message = json.loads(text)
            if not message.get("temporary"):
                counts.unsent.pop(message.get("id"), None)
            if not options.rates:
                meaning = people.meaning(message)
                print(text if meaning is None else f"{text}\n  {meaning}", flush=True)
            if options.ack and message["type"] == "direct":
                await connection.send(json.dumps({"type": "ack", "ids": [message["id"]]}))
    except websockets.ConnectionClosed:
        pass  # The connection knows the code.
    finally:
        if typist is not None:
            typist.cancel()
            await asyncio.gather(typist, return_exceptions=True)
        counts.open -= 1
        await connection.close()
    held = time.monotonic() - opened
    return connection.close_code or 1005, connection.close_reason or "", held


async def watch(options, url, counts, gate):
    attempt = 0
    while True:
        held = 0
        try:
            code, reason, held = await watch_once(options, url, counts, gate)
        except websockets.InvalidHandshake as error:
            code, reason, status = 1006, str(error), refused_status(error)
            if status is not None and status < 500 and status not in (408, 429):
                print(f"refused with HTTP {status}", file=sys.stderr)
                return
        except (OSError, asyncio.TimeoutError) as error:
            code, reason = 1006, str(error)
        attempt = 0 if held >= STABLE_SECONDS else attempt + 1
        delay = reconnect_delay(code, reason, attempt)
        if delay is None:
            print(f"closed with {code} {reason}", file=sys.stderr)
            return
        if not options.rates:
            print(f"closed with {code} {reason}; again in {delay:.1f} s", file=sys.stderr)
        await asyncio.sleep(delay)


async def report_rates(counts):
    last_time, last_messages, last_bytes = time.monotonic(), 0, 0
    while True:
        await asyncio.sleep(1)
        now, messages, size = time.monotonic(), counts.messages, counts.bytes
        elapsed = now - last_time
        print(f"{counts.open} open, {(messages - last_messages) / elapsed:,.0f} messages/s, "
              f"{(size - last_bytes) / elapsed / 1e6:,.2f} MB/s, {messages:,} in all, "
              f"{counts.connects:,} connects", flush=True)
        last_time, last_messages, last_bytes = now, messages, size


async def main():
    options = arguments()
    url = options.url.rstrip("/")
    if urlsplit(url).path in ("", "/"):
        url += PATH
    counts = Counts()
    if options.direct:
        to, text = options.direct
        counts.unsent[str(uuid.uuid4())] = (to, {"text": text})
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
    watchers = [asyncio.create_task(watch(options, url, counts, gate)) for _ in range(options.count)]
    rates = asyncio.create_task(report_rates(counts)) if options.rates else None
    _, still_open = await asyncio.wait(watchers, timeout=options.seconds)
    if rates is not None:
        rates.cancel()
    for watcher in still_open:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    # Given up by the gateway's wish, though nobody here asked for the end.
    return 0 if still_open else 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        sys.exit(130)
