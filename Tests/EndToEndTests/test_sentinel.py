"""Gateways of several hosts that meet in the Redis which Sentinels name, and failovers of it."""

import asyncio
import contextlib
import os
import subprocess
import time

import pytest

from support import tokens
from support.certificates import Certificate
from support.clients import PythonClient
from support.gateway import BINARY
from support.ports import free_port
from support.redis import Redis
from support.sentinel import NAME, OddSentinel, Sentinel, WatchedRedis, address, url_of
from support.waiting import wait_until
from test_bus import status_of
from test_several_hosts import SECRET, Changes, Files, are_whole, counts, reload, until

HEALS_SECONDS = 15


@pytest.fixture
def watched():
    watched = WatchedRedis()
    yield watched
    watched.remove()


@pytest.fixture
def redis():
    redis = Redis()
    yield redis
    redis.remove()


@pytest.fixture
def start(start_gateway):
    def start(url, *options, **environment):
        return start_gateway(*options, environment={"REDIS_URL": url, "BUS_SECRET": SECRET, **environment})
    return start


@contextlib.contextmanager
def servers(*made):
    try:
        yield made
    finally:
        for one in made:
            getattr(one, "remove", getattr(one, "close", None))()


# Failovers

class Present:
    """A client that takes part in a project's presence, and everything that it hears."""

    @classmethod
    async def connect(cls, gateway, project):
        present = cls()
        present.client = await PythonClient.connect(gateway, project)
        present.user = present.client.user
        present.texts = []
        await present.client.send_json({"type": "presence", "project_id": project})
        present.task = asyncio.create_task(present._listen())
        await until(lambda: any("presence_state" in text for text in present.texts), "it is told who is there")
        return present

    async def _listen(self):
        while True:
            self.texts.append(await self.client.next_text())

    def told(self):
        return sum('"presence_' in text for text in self.texts)


class Failover:
    """Two gateways with two clients each, while the primary is another one."""

    def __init__(self, pair, project, changes, present):
        self.pair, self.project, self.changes, self.present = pair, project, changes, present
        self.users = sorted(one.user for one in (*changes.clients, *present))

    def _has_healed(self, primary):
        answers = [status_of(gateway, self.project) for gateway in self.pair]
        # Nobody left, so nobody may be missing meanwhile.
        assert all((one["project_clients"], one["nodes"]) == (4, 2) for one in answers), answers
        where = [gateway.log("bus up")[-1]["primary"] for gateway in self.pair]
        return where == [f"127.0.0.1:{primary.port}"] * 2 and not any(one["partial"] for one in answers)

    async def heals(self, primary):
        began = time.monotonic()
        while not await asyncio.to_thread(self._has_healed, primary):
            assert time.monotonic() - began < HEALS_SECONDS, [gateway.log("bus lost") for gateway in self.pair]
            await self.changes.go_on(0.1)
        took = time.monotonic() - began
        assert all(counts(gateway, self.project) == (4, 4, self.users) for gateway in self.pair)
        print(f"healed after {took:.1f} s; {self.changes.count} changes, the slowest after "
              f"{self.changes.slowest * 1000:.0f} ms")
        assert took < HEALS_SECONDS and self.changes.slowest < 2


async def test_the_bus_goes_on_with_the_primary_of_a_failover(watched, start, database):
    pair = [start(watched.url), start(watched.url)]
    project = database.add_project()
    await until(lambda: are_whole(pair, project), "each hears the other")
    for gateway in pair:
        line = gateway.wait_for_log("bus up")
        assert (line["at"], line["primary"]) == (watched.url, f"127.0.0.1:{watched.servers[0].port}")
        assert "asked_in_vain" not in line
    present = [await Present.connect(gateway, project) for gateway in pair]
    clients = [await PythonClient.connect(gateway, project) for gateway in pair]
    failover = Failover(pair, project, Changes(database, project, clients), present)
    await until(lambda: all(counts(one, project) == (4, 4, failover.users) for one in pair), "both count all")
    await until(lambda: all(one.task.done() or one.told() >= 1 for one in present), "presence is told")
    await failover.changes.go_on(0.5)
    told = [one.told() for one in present]

    # It is killed.
    first, second = watched.servers
    first.stop()
    await failover.heals(second)

    # It comes back, as a replica, and the other one stands still.
    first.start()
    returning = asyncio.create_task(asyncio.to_thread(watched.wait_until_ready))
    while not returning.done():
        await failover.changes.go_on(0.2)
    await returning
    assert watched.primary() is second
    assert all(len(gateway.log("bus up")) == 2 for gateway in pair)
    with second.standing_still():
        await failover.heals(first)
        # One more on one host is one more on the other.
        await PythonClient.connect(pair[0], project)
        await until(lambda: counts(pair[1], project)[:2] == (5, 5), "it is counted there", seconds=3)
    # It wakes up, believing that it is the primary, and nobody goes there.
    await failover.changes.go_on(6)
    assert are_whole(pair, project)
    for gateway in pair:
        assert len(gateway.log("bus up")) == 3 and gateway.is_ready() and not gateway.log("resync")
    for one, had in zip(present, told):
        assert not one.task.done() and one.told() == had, one.texts
        one.task.cancel()
    assert failover.changes.count > 50


# Sentinels that are of no use

def doctor(url, **environment):
    done = subprocess.run(
        [BINARY, "doctor"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "JWT_SECRET": tokens.SECRET, "REDIS_URL": url, "BUS_SECRET": SECRET, **environment})
    return " ".join(line for line in done.stdout.splitlines() if "bus" in line or "Sentinel" in line)


def test_what_is_wrong_is_said_in_the_log_by_readiness_and_by_the_doctor(redis, start, database):
    sentinel = Sentinel(redis, quorum=1)
    locked = Sentinel(redis, "requirepass hunter2", quorum=1)
    nobody = free_port()
    with servers(sentinel, locked):
        for url, error, advice in [
                (url_of(sentinel, name="other"), "watches no primary of that name", "correct the name"),
                (url_of(nobody, nobody), "Connection refused", "check the Sentinels' hosts"),
                (url_of(redis), "refused: ERR unknown command", "let REDIS_URL name Sentinels"),
                (url_of(locked), "refused: NOAUTH", "?sentinel-auth=same"),
                (url_of(locked, words=":other@") + "?sentinel-auth=same", "refused: WRONGPASS", "password"),
                (url_of(sentinel).replace("127.0.0.1", "nowhere.invalid"), "host name not resolved", "resolver"),
                (url_of(sentinel, nobody, name="other"), "; ", "correct the name")]:
            gateway = start(url)
            line = gateway.wait_for_log("bus lost")
            assert line["error"].startswith("no Sentinel says where the primary is: "), line
            assert error in line["error"] and advice in line["advice"], line
            wait_until(lambda gateway=gateway: "[i] bus doesn't reach other hosts: no Sentinel" in gateway.request(
                "/readyz?verbose", admin=True)[2], "readiness says it")
            assert gateway.is_ready() and gateway.metrics()["devhive_bus_sentinel_faults_total"] > 0
            text = doctor(url, DATABASE_URL=database.url)
            assert "warn" in text and error in text and "other@" not in text, text
            gateway.stop()
        line = start(sentinel.url).wait_for_log("bus lost")
        assert line["error"] == "it is a Sentinel" and "redis+sentinel://" in line["advice"], line
        text = doctor(url_of(sentinel), DATABASE_URL=database.url)
        assert f"(primary 127.0.0.1:{redis.port}): a frame came back" in text and "ok" in text, text
        text = doctor(url_of(nobody, sentinel), DATABASE_URL=database.url)
        assert f"asked in vain: 127.0.0.1:{nobody}: Connection refused" in text and "warn" in text, text


async def test_a_sentinel_of_no_use_is_passed_over(redis, start, database):
    with servers(
            OddSentinel(None), OddSentinel(b"*2\r\n$7\r\n0.0.0.0\r\n$4\r\n6379\r\n"), OddSentinel(b"HTTP/1.1 400\r\n"),
            OddSentinel(b"*1000000\r\n"), OddSentinel(address("127.0.0.1", "65536")), OddSentinel(b"+OK\r\n" * 1000),
            OddSentinel(b"-ERR " + b"x" * 10_000 + b"\r\n"), OddSentinel(address("127.0.0.1", redis.port))) as made:
        gateways = [start(url_of(*made)) for _ in range(2)]
        await until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
        line = gateways[0].log("bus up")[0]
        asked = line["asked_in_vain"].split("; ")
        assert len(asked) == 7 and "no answer in time" in asked[0] and "no address" in asked[1], asked
        assert "protocol" in asked[2] and "protocol" in asked[3] and len(asked[6]) < 300, asked
        assert line["primary"] == f"127.0.0.1:{redis.port}"
        assert gateways[0].metrics()["devhive_bus_sentinel_faults_total"] == 7
        assert not gateways[0].log("bus lost")


async def test_another_sentinel_is_asked_when_one_has_named_a_replica_or_nothing(redis, start, database):
    with servers(Redis("--replicaof", f"127.0.0.1 {redis.port}")) as (replica,), servers(
            OddSentinel(address("127.0.0.1", replica.port)), OddSentinel(address("127.0.0.1", free_port())),
            OddSentinel(address("nowhere.invalid", 1)), OddSentinel(address("localhost", redis.port))) as made:
        gateway = start(url_of(*made))
        await until(lambda: are_whole([gateway], database.add_project()), "it has found the primary")
        errors = [line["error"] for line in gateway.log("bus lost")]
        assert errors[0] == f"primary 127.0.0.1:{replica.port}: it is a replica", errors
        assert "Connection refused" in errors[1] and "primary nowhere.invalid:1: host name not resolved" in errors[2]
        assert gateway.log("bus up")[0]["primary"] == f"localhost:{redis.port}"
        assert [one.accepted for one in made] == [1, 1, 1, 1]


async def test_sentinels_are_told_the_password_of_redis_if_the_url_says_so(redis, start, database):
    redis.ask("CONFIG", "SET", "requirepass", "hunter2")
    with servers(
            Sentinel(redis, f"sentinel auth-pass {NAME} hunter2", "requirepass hunter2", quorum=1),
            Sentinel(redis, f"sentinel auth-pass {NAME} hunter2", quorum=1)) as (locked, open_one):
        url = url_of(locked, words=":hunter2@") + "?sentinel-auth=same"
        gateways = [start(url), start(url_of(open_one, words=":hunter2@"))]
        await until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
        for gateway in gateways:
            assert not gateway.log("bus lost") and "hunter2" not in "".join(gateway.lines)


async def test_by_tls_and_names_with_sentinels_too(start, database, tmp_path):
    certificate = Certificate(str(tmp_path))
    tls = ["--tls-cert-file", certificate.certificate, "--tls-key-file", certificate.key, "--tls-ca-cert-file",
           certificate.certificate, "--tls-auth-clients", "no"]
    redis_port, sentinel_port = free_port(), free_port()
    redis = Redis("--tls-port", str(redis_port), *tls)
    lines = [f"{name[2:]} {value}" for name, value in zip(tls[::2], tls[1::2])]
    with servers(redis, Sentinel(
            redis, f"tls-port {sentinel_port}", "tls-replication yes", *lines, "sentinel resolve-hostnames yes",
            "sentinel announce-hostnames yes", host="localhost", port=redis_port, quorum=1)):
        url = f"rediss+sentinel://localhost:{sentinel_port}/{NAME}"
        gateways = [start(url, SSL_CERT_FILE=certificate.certificate) for _ in range(2)]
        await until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
        assert gateways[0].log("bus up")[0]["primary"] == f"localhost:{redis_port}"
        line = start(url).wait_for_log("bus lost")
        assert f"localhost:{sentinel_port}: TLS: " in line["error"] and "SSL_CERT_FILE" in line["advice"], line
        line = start(url.replace("rediss", "redis")).wait_for_log("bus lost")
        assert line["error"].startswith("no Sentinel says"), line


async def test_sighup_leads_from_redis_to_sentinels_and_back(redis, start_gateway, database, tmp_path):
    with servers(Sentinel(redis, quorum=1)) as (sentinel,):
        files = Files(tmp_path / "one", redis.url)
        gateway = start_gateway(environment=files.environment)
        project = database.add_project()
        await until(lambda: are_whole([gateway], project), "it is there")
        for url in (url_of(sentinel), redis.url):
            files.write("url", url)
            reload(gateway)
            gateway.wait_for_log("bus up", at=url)
            await until(lambda: are_whole([gateway], project), "it is there again")
        files.write("url", url_of(sentinel, name="na me"))
        reload(gateway, "failed")
        assert are_whole([gateway], project) and not gateway.log("bus lost")


def test_the_command_line_takes_no_url_of_sentinels():
    done = subprocess.run(
        [BINARY, "serve", "redis+sentinel://user:hunter2@host/name"], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 64 and "not taken from the command line" in text and "hunter2" not in text
