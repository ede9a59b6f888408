"""The gateway's job in Python, with websockets, uvloop and psycopg2."""

import asyncio
import base64
import binascii
import hmac
import http
import json
import os
import time
from urllib.parse import parse_qs, urlsplit

import psycopg2
import uvloop
import websockets

PATH = "/api/v1/messages/ws"
SECRET = os.environ["JWT_SECRET"].encode()
MESSAGE_BYTES_MAX = 512
PING_SECONDS = 54
PONG_SECONDS = 6

rooms = {}  # project id: set of connections


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def user_of(token):
    """The user id of a valid HS256 token, else None."""
    try:
        head, claims, signature = token.split(".")
        if json.loads(decode(head))["alg"] != "HS256":
            return None
        expected = hmac.digest(SECRET, f"{head}.{claims}".encode(), "sha256")
        if not hmac.compare_digest(decode(signature), expected):
            return None
        claims = json.loads(decode(claims))
        return claims["sub"] if claims["exp"] > time.time() else None
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None


def refusal(target):
    """The status with which a handshake is refused, else None."""
    url = urlsplit(target)
    if url.path != PATH:
        return http.HTTPStatus.NOT_FOUND
    if user_of(parse_qs(url.query).get("token", [""])[0]) is None:
        return http.HTTPStatus.UNAUTHORIZED
    return None


if int(websockets.__version__.split(".")[0]) < 14:

    async def check(target, _headers):
        status = refusal(target)
        return None if status is None else (status, [], b"")

else:

    async def check(connection, request):
        connection.path = request.path
        status = refusal(request.path)
        return None if status is None else connection.respond(status, "")


def leave(connection):
    room = rooms.get(connection.project)
    if room is not None:
        room.discard(connection)
        if not room:
            del rooms[connection.project]
    connection.project = None


def join(connection, project):
    leave(connection)
    if project:
        connection.project = project
        rooms.setdefault(project, set()).add(connection)


async def serve_client(connection):
    connection.project = None
    join(connection, parse_qs(urlsplit(connection.path).query).get("projectId", [None])[0])
    try:
        async for text in connection:
            try:
                message = json.loads(text)
            except ValueError:
                continue
            if message.get("type") == "join_project":
                join(connection, message.get("project_id"))
            elif message.get("type") == "leave_project":
                leave(connection)
    except websockets.ConnectionClosedError:
        pass
    finally:
        leave(connection)


def broadcast(payload):
    fields = json.loads(payload)
    room = rooms.get(fields["project_id"])
    if not room:
        return
    message = {
        "type": "cache_invalidate",
        "resource": fields["resource"],
        "action": fields["action"],
        "project_id": fields["project_id"],
        "data": {"id": fields["id"], "timestamp": fields["timestamp"]},
    }
    message.update((key, fields[key]) for key in ("cursor", "origin") if key in fields)
    websockets.broadcast(room, json.dumps(message, separators=(",", ":"), ensure_ascii=False))


def read_database(database, descriptor, lost):
    try:
        database.poll()
    except psycopg2.Error as error:
        asyncio.get_running_loop().remove_reader(descriptor)
        lost.set_exception(error)
        return
    notifications, database.notifies = database.notifies, []
    for notification in notifications:
        broadcast(notification.payload)


async def main():
    loop = asyncio.get_running_loop()
    database = psycopg2.connect(os.environ["DATABASE_URL"])
    database.autocommit = True
    database.cursor().execute("LISTEN cache_invalidate")
    lost = loop.create_future()
    # A lost connection doesn't know its descriptor any more.
    descriptor = database.fileno()
    loop.add_reader(descriptor, read_database, database, descriptor, lost)
    await websockets.serve(
        serve_client,
        "127.0.0.1",
        int(os.environ["PORT"]),
        process_request=check,
        backlog=4096,
        compression=None,
        max_size=MESSAGE_BYTES_MAX,
        ping_interval=PING_SECONDS,
        ping_timeout=PONG_SECONDS,
    )
    await lost


uvloop.install()
asyncio.run(main())
