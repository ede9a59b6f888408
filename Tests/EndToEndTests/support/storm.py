"""Writers, trouble and clients for the tests that nothing is ever silently missed.

The ledger is kept from the database's side: what a writer committed, and when. It knows nothing of the gateway.
"""

import asyncio
import json
import random
import threading
import time
import uuid
from datetime import datetime

from . import tokens
from .clients import Closed, PythonClient, Refused

WRITERS = 8


class Ledger:
    """Row by row: its project, and the wall clock before its commit began."""

    def __init__(self):
        self._lock = threading.Lock()
        self._rows = {}

    def add(self, rows, project, before_commit):
        with self._lock:
            for row in rows:
                self._rows[row] = (project, before_commit)

    def rows(self):
        with self._lock:
            return dict(self._rows)


class Writers:
    """Threads that insert tasks in transactions which overlap; one in six stays open for a while."""

    def __init__(self, database, projects, ledger, seed):
        self._database = database
        self._projects = projects
        self._ledger = ledger
        self._end = threading.Event()
        self.failures = []
        self._threads = [threading.Thread(target=self._run, args=(random.Random(seed + n),)) for n in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._end.set()
        for thread in self._threads:
            thread.join(30)
        assert not self.failures, self.failures

    def _run(self, chance):
        try:
            connection = self._database.connect()
            connection.autocommit = False
            while not self._end.is_set():
                project = chance.choice(self._projects)
                rows = []
                with connection.cursor() as cursor:
                    for _ in range(chance.randint(1, 4)):
                        cursor.execute(
                            "INSERT INTO tasks (project_id, title) VALUES (%s, 'x') RETURNING id::text", (project,))
                        rows.append(cursor.fetchone()[0])
                        if chance.random() < 1 / 6:
                            self._end.wait(chance.uniform(0.05, 0.8))
                before = time.time()
                connection.commit()
                self._ledger.add(rows, project, before)
                self._end.wait(chance.uniform(0.0, 0.02))
            connection.close()
        except Exception as failure:  # For the test to report: a thread's own would only be printed.
            self.failures.append(repr(failure))


class Viewer:
    """One user who looks at one project, is cut off again and again, and resumes with a cursor."""

    def __init__(self, current_gateway, project, seed):
        self._gateway = current_gateway
        self.project = project
        self._chance = random.Random(seed)
        self.user = str(uuid.uuid4())
        self.heard = set()
        # Wall clocks: from when on everything must be heard, and of what was told to fetch all.
        self.member_since = None
        self.resyncs = []
        self.cursor = None
        self.sessions = 0
        self.resumed_rows = 0
        self._fence = None
        self.fenced = asyncio.Event()

    def expect_fence(self, row):
        """The row after which it has all. It stays connected from now on."""
        self._fence = row

    async def run(self):
        while not self.fenced.is_set():
            client = PythonClient()
            try:
                gateway = self._gateway()
                await asyncio.wait_for(client.open(gateway.url, {}), 5)
                await self._session(client)
            except (Closed, Refused, OSError, asyncio.TimeoutError, EOFError):
                await asyncio.sleep(self._chance.uniform(0.01, 0.1))
            except Exception as failure:
                if not type(failure).__module__.startswith("websockets"):
                    raise
                await asyncio.sleep(self._chance.uniform(0.01, 0.1))
            finally:
                await client.abandon()

    async def _session(self, client):
        message = {"type": "init", "token": tokens.token(self.user), "project_id": self.project}
        if self.cursor is not None:
            message["since"] = self.cursor
        await client.send_json(message)
        self.sessions += 1
        end = time.monotonic() + self._chance.uniform(0.1, 3.0)
        is_ready = False
        while not self.fenced.is_set():
            if self._fence is None and time.monotonic() > end:
                return
            try:
                text = await asyncio.wait_for(client.next_text(), 0.2)
            except asyncio.TimeoutError:
                continue
            event = json.loads(text)
            if event["type"] == "ready":
                is_ready = True
                now = time.time()
                if self.member_since is None:
                    self.member_since = now
                elif "since" not in message:
                    self.resyncs.append(now)  # It had nothing to resume from, and fetches all.
                self.cursor = event["cursor"] or self.cursor
            elif event["type"] == "cache_invalidate":
                self._take(event, is_ready)

    def _take(self, event, is_ready):
        assert event["project_id"] == self.project
        if event["action"] == "RESYNC":
            if event["resource"] == "tasks":
                self.resyncs.append(datetime.fromisoformat(event["data"]["timestamp"].replace("Z", "+00:00")).timestamp())
            return
        row = event["data"]["id"]
        self.heard.add(row)
        if not is_ready:
            self.resumed_rows += 1
            return
        self.cursor = event.get("cursor", self.cursor)
        if row == self._fence:
            self.fenced.set()

    def missed(self, ledger):
        """Rows that were committed while it was there, and that nothing told it of."""
        last_resync = max(self.resyncs, default=0)
        return {
            row for row, (project, before_commit) in ledger.items()
            if project == self.project and before_commit > self.member_since
            and row not in self.heard and before_commit > last_resync
        }
