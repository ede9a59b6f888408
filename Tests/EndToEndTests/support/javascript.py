"""The browser's client in Node: a process with some of them, and what they say."""

import asyncio
import json
import os

from .waiting import DEADLINE_SECONDS

_DRIVER = os.path.join(os.path.dirname(__file__), "js_clients.mjs")


class JavaScriptClients:
    def __init__(self, process):
        self._process = process
        self.told = []

    @classmethod
    async def start(cls, url, tokens, count=1, **options):
        environment = {**os.environ, "NODE_PATH": os.environ.get("NODE_PATH", "/usr/share/nodejs")}
        process = await asyncio.create_subprocess_exec(
            "node", _DRIVER, json.dumps({"url": url, "tokens": tokens, "count": count, **options}),
            env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24)
        return cls(process)

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        """Closes all of them; that the process then ends shows that they left nothing behind."""
        self._process.stdin.close()
        if error is None:
            await asyncio.wait_for(self._drain(), DEADLINE_SECONDS)
            assert await self._process.wait() == 0
        elif self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    async def _drain(self):
        while await self._process.stdout.readline():
            pass

    async def next(self):
        line = await asyncio.wait_for(self._process.stdout.readline(), DEADLINE_SECONDS)
        assert line, "the clients ended"
        self.told.append(json.loads(line))
        return self.told[-1]

    async def until(self, condition):
        """The next thing told for which it holds."""
        while True:
            told = await self.next()
            if condition(told):
                return told

    async def until_state(self, state):
        return await self.until(lambda told: told.get("state") == state)

    async def until_joined(self, count=1):
        for _ in range(count):
            await self.until(lambda told: told.get("joined"))

    async def until_event(self, row):
        return await self.until(lambda told: "event" in told and told["event"]["data"]["id"] == row)

    async def call(self, name, *parameters, client=0):
        self._process.stdin.write(json.dumps({"client": client, "call": name, "parameters": parameters}).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.until(lambda told: "result" in told or "error" in told and "state" not in told)
