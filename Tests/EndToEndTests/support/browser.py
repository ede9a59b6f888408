"""Chromium without a window, driven over its debugging protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import asyncio
import itertools
import json
import os
import shutil
import tempfile

from .sockets import connect
from .waiting import DEADLINE_SECONDS

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    def __init__(self, *options):
        self._options = options

    async def __aenter__(self):
        self._folder = tempfile.mkdtemp(prefix="devhive-chromium-")
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={self._folder}",
            *self._options, "about:blank", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL)
        try:
            port, path = await self._address()
            self._socket = await connect(
                f"ws://127.0.0.1:{port}{path}", max_size=2**24, ping_interval=None, compression=None)
        except BaseException:
            await self._end()
            raise
        self._numbers = itertools.count(1)
        self._waiting = {}
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        self._reader.cancel()
        await self._socket.close()
        await self._end()

    async def _end(self):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _address(self):
        file = os.path.join(self._folder, "DevToolsActivePort")
        for _ in range(DEADLINE_SECONDS * 50):
            if os.path.exists(file):
                with open(file, encoding="ascii") as content:
                    lines = content.read().split("\n")
                if len(lines) == 2:
                    return lines
            assert self._process.returncode is None, "chromium ended"
            await asyncio.sleep(0.02)
        raise AssertionError("chromium doesn't listen")

    async def _read(self):
        async for text in self._socket:
            message = json.loads(text)
            waiting = self._waiting.pop(message.get("id"), None)
            if waiting and not waiting.done():
                waiting.set_result(message)

    async def command(self, method, session=None, **parameters):
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        await self._socket.send(json.dumps(message))
        answer = await asyncio.wait_for(answer, DEADLINE_SECONDS)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    async def open(self, url):
        """A tab with this page."""
        target = (await self.command("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.command("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, session)
        # In a browser without a window each tab is looked at.
        await page.command("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.command("Network.enable")
        await page.command("Page.enable")
        await page.command("Page.navigate", url=url)
        return page


class Page:
    def __init__(self, browser, session):
        self._browser = browser
        self._session = session

    async def command(self, method, **parameters):
        return await self._browser.command(method, self._session, **parameters)

    async def value(self, expression):
        """Of a JavaScript expression, a promise's included."""
        answer = await self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression, what=None):
        """Until the expression is true. A page that is still loading may not know its words."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_SECONDS
        while not await self.value(f"(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()"):
            assert loop.time() < deadline, what or expression
            await asyncio.sleep(0.005)

    async def set_offline(self, is_offline):
        await self.command(
            "Network.emulateNetworkConditions", offline=is_offline, latency=0, downloadThroughput=-1, uploadThroughput=-1)
