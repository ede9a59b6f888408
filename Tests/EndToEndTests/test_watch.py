"""Benchmarks/watch.py, which shows what a gateway tells."""

import asyncio
import json
import os
import sys

import pytest

from support import tokens
from support.waiting import DEADLINE_SECONDS, wait_until

_SCRIPT = os.path.join(os.path.dirname(__file__), "..", "..", "Benchmarks", "watch.py")


class Watch:
    """The script as a process, for one user."""

    def __init__(self, process):
        self._process = process

    @classmethod
    async def start(cls, gateway, user, project, *options):
        url = f"ws://{gateway.address[0]}:{gateway.address[1]}"
        return cls(await asyncio.create_subprocess_exec(
            sys.executable, _SCRIPT, "--url", url, "--token", tokens.token(user), "--project", project, *options,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE))

    async def until(self, *lines):
        """Until it has printed these lines, in whichever order; returns the message above each."""
        above, before = {}, None

        async def read():
            nonlocal before
            while len(above) < len(lines):
                printed = (await self._process.stdout.readline()).decode().rstrip("\n")
                assert printed, (await self._process.stderr.read()).decode()
                if printed in lines:
                    above[printed] = json.loads(before)
                before = printed
        await asyncio.wait_for(read(), DEADLINE_SECONDS)
        return [above[line] for line in lines]

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


@pytest.fixture
def two(database):
    """Two users and their project."""
    first, second = database.add_user(), database.add_user()
    project = database.add_project(first)
    database.add_member(project, second)
    return first, second, project


async def test_it_shows_who_is_present_who_types_and_direct_messages(gateway, two, database):
    ada, ben, project = two
    async with await Watch.start(gateway, ada, project, "--presence", "users", "--ack") as first:
        [state] = await first.until(f"  1 present: {ada} active")
        assert state["type"] == "presence_state"
        options = ("--presence", "count", "--away", "--typing", "task:1", "--direct", ada, "tea?")
        async with await Watch.start(gateway, ben, project, *options) as second:
            [state] = await second.until("  2 present")
            assert state["users"] == []
            diff, typing, direct = await first.until(
                f"  2 present: {ada} active, {ben} away", f"  typing in task:1: {ben}", f'  {ben} to {ada}: {{"text": "tea?"}}')
            assert (diff["type"], typing["type"], direct["from"]) == ("presence_diff", "typing", ben)
            await asyncio.to_thread(wait_until, lambda: database.execute(
                "SELECT count(*) FROM devhive_direct_messages WHERE acknowledged_at IS NOT NULL") == [(1,)], "acknowledged")
        # It was killed: the gateway ends its typing, and keeps it as present for a while.
        await first.until("  typing in task:1: nobody")


async def test_it_wants_a_project_for_presence():
    process = await asyncio.create_subprocess_exec(
        sys.executable, _SCRIPT, "--token", "x", "--presence", "users", stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 2 and b"add --project" in errors
