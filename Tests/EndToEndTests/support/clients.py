"""WebSocket clients of two libraries behind one interface, so that each claim is tried with both."""

import asyncio
import itertools
import json
import os
import uuid
from urllib.parse import urlencode

import websockets

from . import tokens
from .sockets import connect, refused_status
from .waiting import DEADLINE_SECONDS

_NODE_DRIVER = os.path.join(os.path.dirname(__file__), "ws_client.js")
_fence_numbers = itertools.count(1)
_connected = []


class Refused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status):
        super().__init__(f"HTTP {status}")
        self.status = status


class Closed(Exception):
    def __init__(self, code, reason):
        super().__init__(f"closed with {code} {reason!r}")
        self.code = code
        self.reason = reason


async def abandon_all():
    """What a test that failed, or didn't care, has left open."""
    while _connected:
        await _connected.pop().abandon()


class Client:
    """Subclasses bring `open`, `send`, `next_text` (`receive` without a deadline), `close` and `abandon`."""

    @classmethod
    async def connect(cls, gateway, project=None, user=None, token=None, by="query", headers=None, since=None):
        """Connects with a token of `user` (anybody, if not given) in the URL or in a header, or with none.

        A token in the first message is what `by="nothing"` and `init` are for.
        """
        client = cls()
        client.gateway = gateway
        client.user = user or str(uuid.uuid4())
        client.token = token or tokens.token(client.user)
        query = {}
        headers = dict(headers or {})
        if by == "query":
            query["token"] = client.token
        elif by == "header":
            headers["Authorization"] = f"Bearer {client.token}"
        if project is not None:
            query["projectId"] = project
        if since is not None:
            query["since"] = since
        url = gateway.url + ("?" + urlencode(query) if query else "")
        _connected.append(client)
        await asyncio.wait_for(client.open(url, headers), DEADLINE_SECONDS)
        return client

    async def receive(self):
        """The next text message; raises Closed instead at the end of the connection."""
        return await asyncio.wait_for(self.next_text(), DEADLINE_SECONDS)

    async def receive_json(self):
        return json.loads(await self.receive())

    async def send_json(self, message):
        await self.send(json.dumps(message))

    async def ask(self, message):
        """Sends it, and returns the next message, which is the answer when nothing else is going on."""
        await self.send_json(message)
        return await self.receive_json()

    async def join(self, project, keep=False):
        message = {"type": "join_project", "project_id": project, "ref": "join"}
        if keep:
            message["keep"] = True
        answer = await self.ask(message)
        answer.pop("cursor", None)  # With an event log.
        assert answer == {"type": "ok", "ref": "join"}

    async def leave(self, project=None):
        message = {"type": "leave_project", "ref": "leave"}
        if project is not None:
            message["project_id"] = project
        assert await self.ask(message) == {"type": "ok", "ref": "leave"}

    async def initialize(self, **keys):
        return await self.ask({"type": "init", **keys})

    async def wait_until_closed(self):
        """The close code and reason; what else arrives is skipped."""
        while True:
            try:
                await self.receive()
            except Closed as closed:
                return closed.code, closed.reason

    async def until_fence(self, database, project):
        """Everything that arrives before an event of the project that is announced only now.

        Events arrive in the order of commit, so what was announced before and isn't in the result never comes.
        """
        fence = f"fence-{next(_fence_numbers)}"
        announce(database, project, fence, resource="fence")
        return await self.until(fence)

    async def until(self, fence):
        arrived = []
        while True:
            text = await self.receive()
            if f'"{fence}"' in text:
                return arrived
            arrived.append(text)


def announce(database, project, row, resource="tasks", action="UPDATE"):
    """Notifies as a trigger does, without a row."""
    database.notify(json.dumps({
        "resource": resource, "id": row, "action": action, "project_id": project,
        "timestamp": "2026-01-02T03:04:05.678901Z"}))


class PythonClient(Client):
    _socket = None

    async def open(self, url, headers):
        try:
            self._socket = await connect(
                url, headers, ping_interval=None, compression=None, max_queue=None,
                open_timeout=DEADLINE_SECONDS, close_timeout=DEADLINE_SECONDS)
        except websockets.InvalidHandshake as refused:
            status = refused_status(refused)
            if status is None:
                raise
            raise Refused(status) from None

    async def send(self, text):
        await self._socket.send(text)

    async def next_text(self):
        try:
            return await self._socket.recv()
        except websockets.ConnectionClosed:
            raise Closed(self._socket.close_code, self._socket.close_reason) from None

    async def close(self, code=1000, reason=""):
        await self._socket.close(code, reason)
        return self._socket.close_code, self._socket.close_reason

    async def abandon(self):
        if self._socket is not None:
            self._socket.transport.abort()
            await self._socket.wait_closed()


class NodeClient(Client):
    _process = None

    async def open(self, url, headers):
        environment = {**os.environ, "NODE_PATH": os.environ.get("NODE_PATH", "/usr/share/nodejs")}
        self._process = await asyncio.create_subprocess_exec(
            "node", _NODE_DRIVER, url, json.dumps(headers), env=environment, limit=2**24,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        self._end = None
        event = await self._next()
        if event["event"] == "refused":
            raise Refused(event["status"])
        assert event["event"] == "open", event

    async def _next(self):
        line = await self._process.stdout.readline()
        assert line, "the Node client ended"
        return json.loads(line)

    async def _command(self, command):
        self._process.stdin.write(json.dumps(command).encode("utf-8") + b"\n")
        await self._process.stdin.drain()

    async def send(self, message):
        if isinstance(message, bytes):
            await self._command({"binary": message.hex()})
        else:
            await self._command({"text": message})

    async def next_text(self):
        while self._end is None:
            event = await self._next()
            if event["event"] == "message":
                return event["text"]
            if event["event"] == "close":
                self._end = event
                await self._process.wait()
        raise Closed(self._end["code"], self._end["reason"])

    async def close(self, code=1000, reason=""):
        if self._end is None:
            await self._command({"close": code, "reason": reason})
        return await self.wait_until_closed()

    async def abandon(self):
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.kill()
        # To the end of its output: only then does asyncio close the pipe.
        await self._process.communicate()


LIBRARIES = {"python": PythonClient, "node": NodeClient}
