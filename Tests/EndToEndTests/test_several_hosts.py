"""Gateways of several hosts that meet in Redis, and what happens when that fails."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
import uuid

import pytest

from support import tokens
from support.certificates import Certificate
from support.clients import PythonClient, announce
from support.false_redis import DribblingRedis, ManyCertificates
from support.gateway import BINARY
from support.ports import free_port
from support.preloaded import Preloaded
from support.redis import Redis
from support.waiting import wait_until
from test_bus import status_of

SECRET = "a secret of the bus that is long enough to be one"
PASSWORD = "pass:word/of@redis"


@pytest.fixture
def redis():
    redis = Redis()
    yield redis
    redis.remove()


@pytest.fixture
def start(start_gateway, redis):
    """Starts a gateway that meets others in Redis."""
    def start(*options, url=None, secret=SECRET, environment=None):
        return start_gateway(*options, environment={
            "REDIS_URL": url or redis.url, **({"BUS_SECRET": secret} if secret else {}), **(environment or {})})
    return start


def are_whole(gateways, project, nodes=None):
    """Whether each counts all, and knows it."""
    answers = [status_of(gateway, project) for gateway in gateways]
    return all(not one["partial"] and one["nodes"] == (nodes or len(gateways)) for one in answers)


@pytest.fixture
def pair(start, database):
    gateways = [start(), start()]
    wait_until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
    return gateways


def counts(gateway, project):
    answer = status_of(gateway, project)
    return answer["project_clients"], answer["total_clients"], answer["user_ids"]


async def one_on_each(gateways, project):
    clients = [await PythonClient.connect(gateway, project) for gateway in gateways]
    users = sorted(client.user for client in clients)
    expected = (len(clients), len(clients), users)
    await until(lambda: all(counts(gateway, project) == expected for gateway in gateways), "each counts all")
    return clients


async def until(condition, what, seconds=20):
    """Like `wait_until`, and lets clients go on."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)


class Changes:
    """Announces a change after the other, each of which must arrive, in its order and at once."""

    def __init__(self, database, project, clients):
        self.database, self.project, self.clients = database, project, clients
        self.slowest = 0
        self.count = 0

    @staticmethod
    async def next_of(client):
        """The next that is no ping, which comes now and then."""
        while (message := await client.receive_json())["type"] == "ping":
            pass
        return message

    async def go_on(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.count += 1
            name = f"change-{self.count}"
            began = time.monotonic()
            await asyncio.to_thread(announce, self.database, self.project, name)
            for client in self.clients:
                event = await self.next_of(client)
                assert event["type"] == "cache_invalidate" and event["data"]["id"] == name, event
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.1)


# Together

async def test_the_status_is_that_of_all_gateways(pair, database):
    project = database.add_project()
    clients = await one_on_each(pair, project)
    # From a connection on one to the number on the other, several times: a batch leaves after 75 ms at most.
    slowest = 0
    for _ in range(5):
        clients.append(await PythonClient.connect(pair[0], project))
        began = time.monotonic()
        expected = len(clients), len(clients), sorted(client.user for client in clients)
        await until(lambda: counts(pair[1], project) == expected, "the other counts it")
        slowest = max(slowest, time.monotonic() - began)
    print(f"slowest {slowest * 1000:.0f} ms")
    assert slowest < 1, slowest
    metrics = pair[0].metrics()
    assert metrics["devhive_bus_carrier_up"] == 1 and metrics["devhive_bus_nodes"] == 1
    assert 0 < metrics["devhive_bus_round_trip_seconds"] < 1
    assert metrics["devhive_bus_carrier_frames_sent_total"] > 0
    # What is said before the carrier is up is dropped, and made up for by the next snapshot.
    for name in ("invalid", "unauthentic", "repeated"):
        assert metrics[f"devhive_bus_carrier_frames_{name}_total"] == 0, name
    assert metrics["devhive_bus_carrier_frames_dropped_total"] <= 1


async def test_workers_of_several_gateways_count_together(start, database):
    gateways = [start("--workers", "2"), start("--workers", "2"), start()]
    project = database.add_project()
    await until(lambda: are_whole(gateways, project, 5), "each of five hears the others")
    clients = [await PythonClient.connect(gateway, project) for gateway in gateways for _ in range(3)]
    expected = len(clients), len(clients), sorted(client.user for client in clients)
    await until(
        lambda: all(counts(gateway, project) == expected for gateway in gateways for _ in range(4)), "all count all")
    lines = gateways[0].request("/readyz?verbose", admin=True)[2]
    assert lines.count("worker ") >= 2 and lines.count("node ") == 6, lines


def test_the_readiness_names_the_others(pair):
    status, _, text = pair[0].request("/readyz?verbose", admin=True)
    assert status == 200 and "[i] bus reaches other hosts" in text
    assert "[i] bus hears node " in text, text


async def test_a_gateway_that_ends_in_order_is_gone_at_once(pair, database):
    project = database.add_project()
    clients = await one_on_each(pair, project)
    pair[1].stop()
    expected = 1, 1, [clients[0].user]
    await until(lambda: counts(pair[0], project) == expected, "its clients are gone", seconds=2)
    assert are_whole(pair[:1], project)


async def test_a_killed_gateway_is_partial_after_10_s_and_gone_after_30(pair, database):
    project = database.add_project()
    clients = await one_on_each(pair, project)
    os.kill(pair[1].process.pid, signal.SIGKILL)
    began = time.monotonic()
    # It doesn't say who its users are, and its clients count until it has been silent for long.
    answer = status_of(pair[0], project)
    assert (answer["project_clients"], answer["nodes"], answer["partial"]) == (2, 2, True)
    await until(
        lambda: "(silent)" in pair[0].request("/readyz?verbose", admin=True)[2], "it is known to be silent", seconds=11)
    assert time.monotonic() - began > 6
    answer = status_of(pair[0], project)
    assert (answer["project_clients"], answer["nodes"], answer["partial"]) == (2, 2, True)
    expected = 1, 1, [clients[0].user]
    await until(lambda: counts(pair[0], project) == expected, "its clients are gone", seconds=25)
    took = time.monotonic() - began
    print(f"gone after {took:.1f} s")
    assert took < 31.5 and are_whole(pair[:1], project)


# When Redis fails

@contextlib.asynccontextmanager
async def while_changes_arrive(pair, database):
    """Both gateways have a client, to which every change must come whatever the bus does."""
    project = database.add_project()
    clients = await one_on_each(pair, project)
    changes = Changes(database, project, clients)
    yield project, changes
    assert changes.count > 0 and changes.slowest < 2, changes.slowest
    print(f"{changes.count} changes, the slowest after {changes.slowest * 1000:.0f} ms")
    for gateway in pair:
        assert gateway.is_ready()
        assert not gateway.log("resync")
    began = time.monotonic()
    await until(lambda: are_whole(pair, project), "both are whole again", seconds=15)
    print(f"whole again after {time.monotonic() - began:.1f} s")
    expected = 2, 2, sorted(client.user for client in clients)
    await until(lambda: all(counts(gateway, project) == expected for gateway in pair), "both count all")


async def test_redis_that_stands_still_stops_no_event_and_heals(pair, redis, database):
    async with while_changes_arrive(pair, database) as (project, changes):
        with redis.standing_still():
            await changes.go_on(12)
            assert all(status_of(gateway, project)["partial"] for gateway in pair)
            assert all(gateway.log("bus lost") for gateway in pair)
            assert pair[0].is_ready()
            text = pair[0].request("/readyz?verbose", admin=True)[2]
            assert "[i] bus doesn't reach other hosts" in text, text
    assert pair[0].metrics()["devhive_bus_carrier_deaf_total"] == 1


async def test_redis_that_is_killed_and_started_again_heals(pair, redis, database):
    async with while_changes_arrive(pair, database) as (project, changes):
        redis.stop()
        await changes.go_on(3)
        assert all(status_of(gateway, project)["partial"] for gateway in pair)
        redis.start()
        await changes.go_on(1)
    assert pair[0].log("bus up")[-1]["down_ms"] > 0


async def test_redis_that_cuts_a_slow_reader_off_heals(pair, redis, database):
    redis.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    async with while_changes_arrive(pair, database) as (project, changes):
        with pair[0].standing_still():
            publisher = redis.connect()
            for _ in range(2_000):
                publisher.ask("PUBLISH", "devhive:bus", b"x" * 16_384)
            publisher.close()
        pair[0].wait_for_log("bus lost")
        await changes.go_on(1)


async def test_a_gateway_that_starts_without_redis_says_so_and_serves(start, redis, database):
    redis.stop()
    gateway = start()
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    announce(database, project, "x")
    assert (await client.receive_json())["data"]["id"] == "x"
    assert status_of(gateway, project)["partial"]
    line = gateway.wait_for_log("bus lost")
    assert "Connection refused" in line["error"] and "doctor" in line["advice"]
    redis.start()
    await until(lambda: are_whole([gateway], project), "it has found Redis")


# Who may take part

def channel_frames(redis, count):
    """What is said on the channel for all."""
    connection = redis.connect()
    connection.ask("SUBSCRIBE", "devhive:bus")
    frames = [connection.receive()[2] for _ in range(count)]
    connection.close()
    return frames


def skipped(gateway, name):
    return gateway.metrics()[f"devhive_bus_carrier_frames_{name}_total"]


async def test_frames_of_strangers_are_skipped_and_counted(pair, start, redis, database):
    project = database.add_project()
    await one_on_each(pair, project)
    before = [counts(gateway, project) for gateway in pair]
    stranger = start(secret="another secret that is long enough to be one too")
    await until(lambda: skipped(pair[0], "unauthentic") > 0, "frames of another secret are noticed")
    assert status_of(stranger, project)["nodes"] == 1
    for name, frame in {
            "invalid": [b"", b"\xde", b"\xde\x01\x01\x00", os.urandom(100), b"\xde" * 900_000],
            "unauthentic": [b"\xde\x01\x01\x00" + bytes(200)]}.items():
        for one in frame:
            had = skipped(pair[0], name)
            redis.ask("PUBLISH", "devhive:bus", one)
            await until(lambda had=had, name=name: skipped(pair[0], name) > had, f"{name}: {one[:20]}")
    assert [counts(gateway, project) for gateway in pair] == before
    assert are_whole(pair, project)
    assert not pair[0].log("bus lost")


async def test_frames_that_are_said_again_raise_nobody_from_the_dead(pair, redis, database):
    project = database.add_project()
    clients = await one_on_each(pair, project)
    recorded = await asyncio.to_thread(channel_frames, redis, 4)
    had = skipped(pair[0], "repeated")
    for frame in recorded:
        redis.ask("PUBLISH", "devhive:bus", frame)
    await until(lambda: skipped(pair[0], "repeated") > had, "they are known")
    pair[1].stop()
    expected = 1, 1, [clients[0].user]
    await until(lambda: counts(pair[0], project) == expected, "its clients are gone", seconds=2)
    # And to one that has never heard of the process that they are of.
    third = [*pair[:1], pair[0].__class__(
        database.url, environment={"REDIS_URL": redis.url, "BUS_SECRET": SECRET})][1]
    try:
        third.wait_until_ready()
        await until(lambda: are_whole([pair[0], third], project), "the third has come")
        for frame in recorded * 3:
            redis.ask("PUBLISH", "devhive:bus", frame)
        await until(lambda: skipped(third, "unproven") > 3, "it believes none of them")
        for gateway in (pair[0], third):
            assert counts(gateway, project) == expected and are_whole([gateway], project, 2)
    finally:
        third.stop()
        third.kill()


def test_without_a_secret_only_this_host_will_do(database):
    def check(url, secret=None):
        done = subprocess.run(
            [BINARY, "check"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET, "REDIS_URL": url,
                 **({"BUS_SECRET": secret} if secret else {})})
        return done.returncode, done.stdout + done.stderr
    for url in ("redis://redis.example:6379", "rediss://10.0.0.1", "redis://127.example"):
        code, text = check(url)
        assert code == 64 and "BUS_SECRET: not set" in text, text
        assert check(url, SECRET)[0] == 0
    for url in ("redis://127.0.0.1", "redis://[::1]:1", "redis://localhost/3", "unix:///run/redis.sock"):
        assert check(url)[0] == 0
    code, text = check(f"redis://somebody:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@127.0.0.1")
    assert code == 0 and "redis://somebody:****@127.0.0.1:6379" in text and "word" not in text
    code, text = check("redis://127.0.0.1", "short")
    assert code == 64 and "short" not in text.replace("too short", "")
    code, text = check("http://secret-host")
    assert code == 64 and "secret-host" not in text


@pytest.mark.parametrize("words", [
    ["redis://user:hunter2@host"], ["--redis-url", "rediss://user:hunter2@host"], ["--bus-secret=hunter2hunter2"]])
def test_neither_the_url_nor_the_secret_is_taken_from_the_command_line(words):
    done = subprocess.run(
        [BINARY, "serve", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 64 and "not taken from the command line" in text and "hunter2" not in text


async def test_by_a_unix_socket_without_a_secret(start, redis, database):
    gateways = [start(url=f"unix://{redis.path}", secret=None) for _ in range(2)]
    await until(lambda: are_whole(gateways, database.add_project()), "each hears the other")


async def test_a_user_of_redis_with_no_more_rights_than_it_needs(start, redis, database):
    redis.ask(
        "ACL", "SETUSER", "gateway", "on", f">{PASSWORD}", "resetchannels", "&devhive:*", "-@all",
        "+publish", "+subscribe", "+role")
    word = PASSWORD.replace("/", "%2F").replace("@", "%40")
    gateways = [start(url=f"redis://gateway:{word}@127.0.0.1:{redis.port}") for _ in range(2)]
    await until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
    # Neither a wrong password nor a missing right is a secret told.
    wrong = start(url=f"redis://gateway:{word}x@127.0.0.1:{redis.port}")
    line = wrong.wait_for_log("bus lost")
    assert "WRONGPASS" in line["error"] and "password" in line["advice"]
    elsewhere = start("--bus-prefix", "other", url=f"redis://gateway:{word}@127.0.0.1:{redis.port}")
    line = elsewhere.wait_for_log("bus lost")
    assert "NOPERM" in line["error"] and "+publish" in line["advice"]
    for gateway in (*gateways, wrong, elsewhere):
        text = "".join(gateway.lines)
        assert PASSWORD not in text and word not in text and SECRET not in text


def test_redis_that_listens_at_one_address_of_its_host_is_found_at_once(start, redis, tmp_path):
    names = Preloaded(tmp_path, "names.c", b"")
    for _ in range(2):
        gateway = start(url=f"redis://localhost:{redis.port}", environment=names.environment)
        gateway.wait_for_log("bus up")
        assert not gateway.log("bus lost")


async def test_by_tls_with_a_certificate_that_is_trusted(start_gateway, tmp_path, database):
    certificate = Certificate(str(tmp_path))
    port = free_port()
    redis = Redis(
        "--tls-port", str(port), "--tls-cert-file", certificate.certificate, "--tls-key-file", certificate.key,
        "--tls-auth-clients", "no")
    try:
        def start(**environment):
            return start_gateway(environment={
                "REDIS_URL": f"rediss://localhost:{port}", "BUS_SECRET": SECRET, **environment})
        gateways = [start(SSL_CERT_FILE=certificate.certificate) for _ in range(2)]
        await until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
        line = start().wait_for_log("bus lost")
        assert "TLS: " in line["error"] and "self-signed" in line["error"].replace("self signed", "self-signed"), line
        assert "SSL_CERT_FILE" in line["advice"]
        # A certificate that is trusted, of another name.
        other = start_gateway(environment={
            "REDIS_URL": f"rediss://127.0.0.2:{port}", "BUS_SECRET": SECRET, "SSL_CERT_FILE": certificate.certificate})
        line = other.wait_for_log("bus lost")
        assert "TLS: " in line["error"] and "mismatch" in line["error"], line
    finally:
        redis.remove()


@pytest.fixture
def secure_redis(tmp_path):
    """One with TLS: its certificate and port."""
    certificate = Certificate(str(tmp_path))
    port = free_port()
    redis = Redis(
        "--tls-port", str(port), "--tls-cert-file", certificate.certificate, "--tls-key-file", certificate.key,
        "--tls-auth-clients", "no")
    yield certificate, port
    redis.remove()


async def changes_arrive(gateway, database, seconds):
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    changes = Changes(database, project, [client])
    await changes.go_on(seconds)
    print(f"{changes.count} changes, the slowest after {changes.slowest * 1000:.0f} ms")
    assert changes.count > 10 and changes.slowest < 1, changes.slowest
    assert gateway.is_ready()
    await client.close()


@pytest.mark.parametrize("seconds, comes_up", [(0.0005, True), (0.02, False)])
async def test_a_handshake_that_comes_a_byte_at_a_time_stops_nothing(
        start_gateway, secure_redis, database, seconds, comes_up):
    certificate, port = secure_redis
    dribbling = DribblingRedis(port, seconds)
    try:
        gateway = start_gateway(environment={
            "REDIS_URL": f"rediss://localhost:{dribbling.port}", "BUS_SECRET": SECRET,
            "SSL_CERT_FILE": certificate.certificate})
        await changes_arrive(gateway, database, 6)
        assert dribbling.passed > 200
        if comes_up:
            gateway.wait_for_log("bus up")
            assert not gateway.log("bus lost")
            assert dribbling.accepted == 2
        else:
            # The second connection waits for the first, so that no turn has two handshakes.
            assert dribbling.accepted <= 2
            assert gateway.wait_for_log("bus lost")["error"] == "not connected in time"
            assert not gateway.log("bus up")
    finally:
        dribbling.close()


@pytest.mark.parametrize("count, error", [(9, "TLS: "), (300, "TLS: excessive message size")])
async def test_certificates_without_end_stop_nothing(start_gateway, database, tmp_path, count, error):
    server = ManyCertificates(Certificate(str(tmp_path)), tmp_path, count)
    try:
        gateway = start_gateway(environment={
            "REDIS_URL": f"rediss://localhost:{server.port}", "BUS_SECRET": SECRET})
        await changes_arrive(gateway, database, 4)
        line = gateway.wait_for_log("bus lost")
        assert line["error"].startswith(error) and "SSL_CERT_FILE" in line["advice"], line
        assert server.accepted >= 2
    finally:
        server.close()


async def test_other_prefixes_are_other_systems(start, redis, database):
    one, other = start(), start("--bus-prefix", "staging:devhive")
    project = database.add_project()
    await until(lambda: are_whole([one], project, 1) and are_whole([other], project, 1), "each is on its own")
    assert skipped(one, "unauthentic") == 0
    assert one.metrics()["devhive_bus_nodes"] == 0


async def test_a_replica_is_not_taken(start, redis, database):
    second = Redis("--replicaof", f"127.0.0.1 {redis.port}")
    try:
        gateway = start(url=second.url)
        line = gateway.wait_for_log("bus lost")
        assert "replica" in line["error"] and "primary" in line["advice"]
        second.ask("REPLICAOF", "NO", "ONE")
        await until(lambda: are_whole([gateway], database.add_project()), "it is a primary now")
        second.ask("REPLICAOF", "127.0.0.1", redis.port)
        await until(lambda: len(gateway.log("bus lost", error="it is a replica")) > 1 or
                    gateway.metrics()["devhive_bus_carrier_up"] == 0, "it has become a replica")
    finally:
        second.remove()


def test_the_doctor_tries_a_round_trip(redis, database):
    def doctor(url):
        done = subprocess.run(
            [BINARY, "doctor"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET, "REDIS_URL": url,
                 "BUS_SECRET": SECRET})
        return [line for line in done.stdout.splitlines() if "bus" in line]
    assert any(line.startswith("ok") and "came back" in line for line in doctor(redis.url)), doctor(redis.url)
    redis.stop()
    assert any(line.startswith("warn") and "Connection refused" in line for line in doctor(redis.url))


# Without Redis, by the database

@pytest.fixture
def start_by_database(start_gateway):
    def start(*options, secret=SECRET):
        return start_gateway(*options, environment={"BUS_SECRET": secret})
    return start


async def test_with_a_secret_alone_they_meet_in_the_database(start_by_database, database):
    gateways = [start_by_database(), start_by_database("--workers", "2")]
    project = database.add_project()
    await until(lambda: are_whole(gateways, project, 3), "each hears the others")
    clients = await one_on_each(gateways, project)
    slowest = 0
    for _ in range(4):
        clients.append(await PythonClient.connect(gateways[0], project))
        began = time.monotonic()
        expected = len(clients), len(clients), sorted(client.user for client in clients)
        await until(lambda: counts(gateways[1], project) == expected, "the other counts it")
        slowest = max(slowest, time.monotonic() - began)
    print(f"slowest {slowest * 1000:.0f} ms")
    assert slowest < 2.5, slowest
    metrics = gateways[0].metrics()
    assert metrics["devhive_bus_carrier_up"] == 1 and metrics["devhive_bus_nodes"] == 2
    assert metrics["devhive_bus_carrier_frames_dropped_total"] == 0
    gateways[1].stop()
    left = [client for client in clients if client.gateway is gateways[0]]
    expected = len(left), len(left), sorted(client.user for client in left)
    await until(lambda: counts(gateways[0], project) == expected, "its clients are gone", seconds=3)


async def test_a_gateway_says_no_more_than_four_things_a_second_in_the_database(start_by_database, database):
    gateways = [start_by_database() for _ in range(2)]
    project = database.add_project()
    await until(lambda: are_whole(gateways, project), "each hears the other")
    said = {}
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute('LISTEN "devhive:bus"')
        end = time.monotonic() + 5
        while time.monotonic() < end:
            client = await PythonClient.connect(gateways[0], project)
            await client.close()
            connection.poll()
            for notification in connection.notifies:
                times = said.setdefault(notification.pid, [])
                now = time.monotonic()
                if not times or now - times[-1] > 0.02:
                    times.append(now)
            connection.notifies.clear()
            await asyncio.sleep(0.01)
    assert len(said) == 2
    for times in said.values():
        assert len(times) <= 4 * 6, times
    assert max(len(times) for times in said.values()) > 8
    await until(lambda: are_whole(gateways, project), "they go on")


async def test_what_others_notify_is_skipped_and_a_lost_database_heals(start_by_database, cluster, database):
    gateways = [start_by_database() for _ in range(2)]
    project = database.add_project()
    await until(lambda: are_whole(gateways, project), "each hears the other")
    with contextlib.closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute('LISTEN "devhive:bus"')
        await until(lambda: connection.poll() or len(connection.notifies) >= 2, "something is said")
        recorded = [one.payload for one in connection.notifies]
        for payload in ("", "x", "11", "12AAAA", "22AAAA", "99AAAA", "11" + "A" * 7_000, "11?", *recorded):
            cursor.execute("SELECT pg_notify('devhive:bus', %s)", (payload,))
    await until(lambda: skipped(gateways[0], "repeated") >= 1 and skipped(gateways[0], "invalid") >= 6, "all are counted")
    assert are_whole(gateways, project) and not gateways[0].log("bus lost")
    cluster.restart()
    gateways[0].wait_for_log("bus lost")
    await until(lambda: are_whole(gateways, project), "both are whole again")


def test_without_redis_nothing_of_it_is_there(start_gateway):
    gateway = start_gateway()
    assert not any(name.startswith("devhive_bus") for name in gateway.metrics())
    assert json.dumps(gateway.log("bus up")) == "[]"


# What SIGHUP reads again

NEW_SECRET = "the next secret of the bus, which is long enough to be one"


class Files:
    """The URL and the secret of one gateway, each in a file that is replaced as an operator does."""

    def __init__(self, folder, url, secret=SECRET):
        folder.mkdir()
        self.folder = folder
        self.write("url", url)
        self.write("secret", secret)
        self.environment = {"REDIS_URL_FILE": str(folder / "url"), "BUS_SECRET_FILE": str(folder / "secret")}

    def write(self, name, text):
        new = self.folder / f"{name}.new"
        new.write_text(text + "\n", encoding="ascii")
        new.chmod(0o600)
        new.rename(self.folder / name)


def reload(gateway, result="ok"):
    name = f'devhive_reloads_total{{result="{result}"}}'
    had = gateway.metrics()[name]
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for_metric(name, had + 1)


@pytest.fixture
def filed_pair(start_gateway, redis, database, tmp_path):
    """Two gateways with files, and these."""
    files = [Files(tmp_path / name, redis.url) for name in ("one", "two")]
    gateways = [start_gateway(environment=one.environment) for one in files]
    wait_until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
    yield gateways, files
    for gateway in gateways:
        text = "".join(gateway.lines)
        assert SECRET not in text and NEW_SECRET not in text and "hunter2" not in text


async def stay_whole(gateways, project, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert await asyncio.to_thread(are_whole, gateways, project)
        await asyncio.sleep(0.2)


async def test_a_secret_is_changed_on_one_host_after_the_other_and_no_status_is_partial(
        filed_pair, start_gateway, redis, database, tmp_path):
    gateways, files = filed_pair
    project = database.add_project()
    clients = await one_on_each(gateways, project)
    expected = counts(gateways[0], project)
    files[0].write("secret", NEW_SECRET)
    reload(gateways[0])
    line = gateways[0].wait_for_log("reloaded", what="bus")
    assert line["changed"] == "BUS_SECRET" and line["former_secret_s"] == 600
    # For longer than after which who isn't heard is silent.
    await stay_whole(gateways, project, 12)
    assert all(counts(gateway, project) == expected for gateway in gateways)
    assert skipped(gateways[0], "former") > 0 and skipped(gateways[1], "former") == 0
    files[1].write("secret", NEW_SECRET)
    reload(gateways[1])
    had = skipped(gateways[0], "former")
    await stay_whole(gateways, project, 4)
    assert skipped(gateways[0], "former") <= had + 1
    # One that starts now has the new one alone.
    gateways.append(start_gateway(environment=Files(tmp_path / "three", redis.url, NEW_SECRET).environment))
    await until(lambda: are_whole(gateways, project), "the third has come")
    for gateway in gateways:
        assert skipped(gateway, "unauthentic") == 0 and not gateway.log("bus lost")
    for client in clients:
        await client.close()


async def test_another_redis_is_connected_to_at_once(filed_pair, redis, database):
    gateways, files = filed_pair
    project = database.add_project()
    clients = await one_on_each(gateways, project)
    second = Redis()
    try:
        # By a name, which has to be looked up.
        for gateway, one in zip(gateways, files):
            one.write("url", f"redis://localhost:{second.port}")
            reload(gateway)
            gateway.wait_for_log("reloaded", what="bus", changed="REDIS_URL")
            gateway.wait_for_log("bus up", at=f"redis://localhost:{second.port}")
        redis.stop()
        await until(lambda: are_whole(gateways, project), "both have met there", seconds=5)
        expected = 2, 2, sorted(client.user for client in clients)
        assert all(counts(gateway, project) == expected for gateway in gateways)
        announce(database, project, "x")
        for client in clients:
            assert (await client.receive_json())["data"]["id"] == "x"
        # And back, to an address, which has nothing to be looked up.
        redis.start()
        for gateway, one in zip(gateways, files):
            one.write("url", redis.url)
            reload(gateway)
        second.stop()
        await until(lambda: are_whole(gateways, project), "both have met here again", seconds=5)
        for gateway in gateways:
            assert not gateway.log("bus lost")
            assert gateway.metrics()["devhive_bus_carrier_losses_total"] == 0
    finally:
        second.remove()


async def test_a_new_password_of_redis_ends_what_the_old_one_caused(filed_pair, redis, database):
    gateways, files = filed_pair
    redis.ask("CONFIG", "SET", "requirepass", "hunter2")
    gateways[0].wait_for_log("listening")
    connection = redis.connect()
    connection.ask("AUTH", "hunter2")
    for kind in ("normal", "pubsub"):
        connection.ask("CLIENT", "KILL", "TYPE", kind)
    connection.close()
    for gateway in gateways:
        assert "NOAUTH" in gateway.wait_for_log("bus lost", error="refused: NOAUTH Authentication required.")["error"]
    for gateway, one in zip(gateways, files):
        one.write("url", redis.url.replace("://", "://:hunter2@"))
        reload(gateway)
    await until(lambda: are_whole(gateways, database.add_project()), "each hears the other", seconds=5)


@pytest.mark.parametrize("name, text", [
    ("url", None), ("url", ""), ("url", "http://hunter2"), ("secret", None), ("secret", "hunter2")])
async def test_a_broken_file_of_the_bus_keeps_url_and_secret(filed_pair, database, name, text):
    gateways, files = filed_pair
    for other, content in (("url", "redis://127.0.0.1:1"), ("secret", NEW_SECRET)):
        files[0].write(other, content)
    if text is None:
        (files[0].folder / name).unlink()
    else:
        files[0].write(name, text)
    reload(gateways[0], "failed")
    line = gateways[0].wait_for_log("reload failed, the old ones stay in use", what="bus")
    assert line["level"] == "error" and {"url": "REDIS_URL", "secret": "BUS_SECRET"}[name] in line["error"], line
    assert are_whole(gateways, database.add_project()) and not gateways[0].log("bus lost")


async def test_workers_change_the_secret_too_and_without_redis_as_well(start_gateway, database, tmp_path):
    files = [Files(tmp_path / name, "unused") for name in ("one", "two")]
    gateways = [
        start_gateway("--workers", "2", environment={"BUS_SECRET_FILE": files[0].environment["BUS_SECRET_FILE"]}),
        start_gateway(environment={"BUS_SECRET_FILE": files[1].environment["BUS_SECRET_FILE"]})]
    project = database.add_project()
    await until(lambda: are_whole(gateways, project, 3), "each hears the others")
    for gateway, one, count in zip(gateways, files, (2, 1)):
        one.write("secret", NEW_SECRET)
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda gateway=gateway, count=count: len(gateway.log(
            "reloaded", what="bus", changed="BUS_SECRET")) == count, "each process has it")
        end = time.monotonic() + 11
        while time.monotonic() < end:
            assert await asyncio.to_thread(are_whole, gateways, project, 3)
            await asyncio.sleep(0.2)
    gateways[1].process.send_signal(signal.SIGHUP)
    gateways[1].wait_for_log("reloaded", what="bus", changed="nothing")
