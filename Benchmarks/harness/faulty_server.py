#!/usr/bin/python3
"""A server that delivers wrongly on purpose, to check that the load generator notices.

    FAULT=none|lose|double|swap|misdirect|garble|silent   PORT=…   DATABASE_URL=…

It makes each mistake once in a hundred messages, towards every client. Needs python3-websockets and
python3-psycopg2. `check_faults.py` beside this runs all of them.
"""

import asyncio
import json
import os
from urllib.parse import parse_qs, urlsplit

import psycopg2
import websockets

FAULT = os.environ.get("FAULT", "none")
EVERY = 100
clients = {}
count = 0
held = {}


def text_of(event):
    return json.dumps(
        {
            "type": "cache_invalidate",
            "resource": event["resource"],
            "action": event["action"],
            "project_id": event["project_id"],
            "data": {"id": event["id"], "timestamp": event["timestamp"]},
        }
    )


def deliver(project, text):
    for client in clients.get(project, ()):
        asyncio.ensure_future(client.send(text))


def handle(payload):
    global count
    event = json.loads(payload)
    project, text = event["project_id"], text_of(event)
    count += 1
    if count % EVERY or FAULT == "none":
        deliver(project, text)
        if project in held:
            deliver(project, held.pop(project))
    elif FAULT == "lose":
        pass
    elif FAULT == "double":
        deliver(project, text)
        deliver(project, text)
    elif FAULT == "swap":
        held[project] = text  # Behind the project's next one.
    elif FAULT == "misdirect":
        for other in clients:
            deliver(other, text)
    elif FAULT == "garble":
        deliver(project, text)
        deliver(project, '{"type":"nonsense"}')
    elif FAULT == "silent":
        for client in clients.get(project, ()):
            client.transport.abort()


async def serve_client(socket):
    # Since websockets 14 the path is the request's.
    path = socket.request.path if hasattr(socket, "request") else socket.path
    project = parse_qs(urlsplit(path).query)["projectId"][0]
    clients.setdefault(project, set()).add(socket)
    try:
        async for _ in socket:
            pass
    except websockets.ConnectionClosed:
        pass
    finally:
        clients[project].discard(socket)


async def main():
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    connection.cursor().execute("LISTEN cache_invalidate")

    def readable():
        connection.poll()
        while connection.notifies:
            handle(connection.notifies.pop(0).payload)

    asyncio.get_running_loop().add_reader(connection.fileno(), readable)
    async with websockets.serve(serve_client, "127.0.0.1", int(os.environ["PORT"]), compression=None):
        await asyncio.Future()


asyncio.run(main())
