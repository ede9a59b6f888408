"""What a product puts before its users: its pages, a tiny API, and the gateway behind the same address."""

import asyncio
import json
import os
from urllib.parse import parse_qs, urlsplit

from . import tokens
from .gateway import PATH, REPOSITORY

_CLIENT = os.path.join(REPOSITORY, "Clients", "javascript")
_TYPES = {".js": "text/javascript", ".html": "text/html"}


def readme_page():
    """The page of the client's README."""
    with open(os.path.join(_CLIENT, "README.md"), encoding="utf-8") as file:
        return file.read().split("```html\n", 1)[1].split("```", 1)[0]


class Web:
    """`gateway` may be replaced while it runs."""

    def __init__(self, gateway, database, user):
        self.gateway = gateway
        self.database = database
        self.user = user
        self.tokens = []
        self.token_count = 0
        self.fetches = {}
        self._tunnels = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = "http://127.0.0.1:%d" % self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self):
        """Every WebSocket is gone, without a word."""
        for writer in list(self._tunnels):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, headers = _parse(head)
                if target.startswith(PATH):
                    await self._tunnel(head, reader, writer)
                    return
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, kind, content = self._answer(method, target, headers, body)
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nCache-Control: no-store\r\n"
                    f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, method, target, headers, body):
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/token":
            self.token_count += 1
            token = self.tokens.pop(0) if self.tokens else tokens.token(self.user)
            return "200 OK", "text/plain", token.encode()
        if url.path == "/api/tasks" and method == "GET":
            page = query.get("page", "")
            self.fetches[page] = self.fetches.get(page, 0) + 1
            rows = self.database.execute(
                "SELECT title FROM tasks WHERE project_id = %s ORDER BY created_at, id", query["project"])
            return "200 OK", "application/json", json.dumps([{"title": title} for title, in rows]).encode()
        if url.path == "/api/tasks":
            with self.database.transaction() as cursor:
                cursor.execute("SELECT set_config('devhive.origin', %s, true)", [headers["x-origin"]])
                cursor.execute(
                    "INSERT INTO tasks (project_id, title) VALUES (%s, %s)", [query["project"], body.decode()])
            return "200 OK", "text/plain", b""
        return self._file(url.path)

    @staticmethod
    def _file(path):
        if path == "/readme.html":
            return "200 OK", "text/html", readme_page().encode()
        for prefix, folder in (("/devhive/", os.path.join(_CLIENT, "src")),
                               ("/support/", os.path.join(_CLIENT, "test", "support")),
                               ("/", os.path.join(os.path.dirname(__file__), "web"))):
            file = os.path.join(folder, path.removeprefix(prefix))
            if path.startswith(prefix) and os.path.isfile(file):
                with open(file, "rb") as content:
                    return "200 OK", _TYPES[os.path.splitext(file)[1]], content.read()
        return "404 Not Found", "text/plain", b""

    async def _tunnel(self, head, reader, writer):
        try:
            behind_reader, behind_writer = await asyncio.open_connection(*self.gateway.address)
        except ConnectionError:
            return
        self._tunnels |= {writer, behind_writer}
        behind_writer.write(head)
        try:
            await asyncio.gather(_copy(reader, behind_writer), _copy(behind_reader, writer))
        finally:
            self._tunnels -= {writer, behind_writer}
            behind_writer.close()


def _parse(head):
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = dict(line.split(":", 1) for line in lines[1:] if line)
    return method, target, {name.lower(): value.strip() for name, value in headers.items()}


async def _copy(reader, writer):
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        if not writer.is_closing():
            writer.close()
