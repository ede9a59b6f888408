"""Who may come in and how much they may do: origins, addresses, users, rates."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import uuid

import pytest

from support import tokens
from support.clients import PythonClient
from support.gateway import PATH, UNLIMITED
from support.raw import PING, TEXT, RawSocket, handshake

OVER_RATE = (4301, '{"retry_after_ms":5000}')


def ask_for_upgrade(gateway, user=None, address="127.0.0.1", token=True, **headers):
    """The socket of a handshake and the answer's status, headers and body."""
    raw = RawSocket(gateway.address, source=address)
    query = f"?token={tokens.token(user or str(uuid.uuid4()))}" if token else ""
    raw.send(handshake(PATH + query, **headers))
    status, fields, body = raw.read_answer(head_only=True)
    return raw, status, fields, "" if status == 101 else raw.read(int(fields["content-length"])).decode()


def code_of(body):
    return json.loads(body)["error"]["code"]


# Origin


@pytest.mark.parametrize("origin, status", [
    ("http://gateway.example", 101), ("https://GATEWAY.example:443", 101),
    ("https://evil.example", 403), ("http://gateway.example:8080", 403), ("null", 403)])
def test_by_default_only_scripts_of_the_same_host_may_connect(gateway, origin, status):
    raw, answered, _, body = ask_for_upgrade(gateway, Origin=origin)
    with raw:
        assert answered == status
        if status == 403:
            assert code_of(body) == "forbidden"


async def test_browsers_that_say_their_origin_and_programs_that_say_none(start_gateway, library):
    gateway = start_gateway("--allow-origin", "https://app.example.com", "--allow-origin", "https://*.example.org")
    for origin in ("https://app.example.com", "https://a.b.example.org"):
        await (await library.connect(gateway, headers={"Origin": origin})).close()
    await (await library.connect(gateway)).close()
    for origin in ("https://example.org", "http://app.example.com"):
        raw, status, _, _ = ask_for_upgrade(gateway, Origin=origin)
        with raw:
            assert status == 403
    assert gateway.metrics()['devhive_limits_reached_total{limit="origin"}'] == 2


# Connections


def test_one_connection_too_many_of_an_address(start_gateway):
    gateway = start_gateway("--connections-per-address", "2")
    first, second = RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))), RawSocket(gateway.address)
    second.send(b"G")  # It hasn't asked for anything yet, and counts.
    third, status, headers, body = ask_for_upgrade(gateway)
    with first, second, third:
        assert (status, code_of(body), headers["connection"]) == (429, "too_many_connections", "close")
        assert int(headers["retry-after"]) > 0
        other, status, _, _ = ask_for_upgrade(gateway, address="127.0.0.2")
        with other:
            assert status == 101, "others have a limit of their own"
    assert gateway.metrics()['devhive_limits_reached_total{limit="connections_per_address"}'] == 1


def test_one_connection_too_many_of_a_user(start_gateway):
    gateway = start_gateway("--connections-per-user", "1")
    user = str(uuid.uuid4())
    with RawSocket.upgrade(gateway, token=tokens.token(user)):
        raw, status, headers, body = ask_for_upgrade(gateway, user)
        with raw:
            assert (status, code_of(body), int(headers["retry-after"])) == (429, "too_many_connections", 30)
        with RawSocket.upgrade(gateway) as late:
            late.send_frame(TEXT, json.dumps({"type": "init", "token": tokens.token(user)}).encode())
            assert late.read_close() == (4302, '{"retry_after_ms":30000}')
        with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))):
            pass


def test_too_many_that_have_yet_to_show_a_token(start_gateway):
    gateway = start_gateway("--unauthenticated-connections", "1")
    with RawSocket.upgrade(gateway):
        raw, status, headers, body = ask_for_upgrade(gateway, token=False)
        with raw:
            assert (status, code_of(body)) == (503, "unavailable")
            assert int(headers["retry-after"]) > 0
        with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))):
            assert gateway.metrics()["devhive_connections_unauthenticated"] == 1


def test_handshakes_beyond_the_rate(start_gateway):
    """Ten seconds' worth may come at once. A handshake that fails counts too."""
    gateway = start_gateway("--handshakes-per-second", "1")
    answers = []
    for _ in range(12):
        with RawSocket(gateway.address) as raw:
            raw.send(handshake(f"{PATH}?token=nonsense"))
            answers.append(raw.read_answer())
    statuses = [status for status, _, _ in answers]
    assert statuses[:10] == [401] * 10
    assert 429 in statuses[10:]
    assert int(answers[-1][1].get("retry-after", "1")) > 0


# Messages


@pytest.mark.parametrize("opcode, payload", [(TEXT, b'{"type":"ping"}'), (PING, b"x")], ids=["messages", "pings"])
def test_too_many_messages_close_with_4301(start_gateway, opcode, payload):
    gateway = start_gateway("--messages-per-second", "5")
    with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))) as raw:
        for _ in range(30):
            raw.send_frame(opcode, payload)
        assert raw.read_close() == OVER_RATE
    gateway.wait_for_metric('devhive_connections_closed_total{code="4301"}', 1)


async def test_a_flood_harms_nobody_else(gateway, database):
    """100,000 pings whose answers nobody reads: bounded, and the others go on."""
    project = database.add_project()
    other = await PythonClient.connect(gateway, project)
    flood = RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())))
    with flood:
        ping = bytes([0x89, 0x81, 0, 0, 0, 0, 0x78])
        try:
            for _ in range(100):
                flood.send(ping * 1000)
        except OSError:
            pass  # It was closed in the middle.
        task = database.add_task(project)
        assert (await other.receive_json())["data"]["id"] == task
    gateway.wait_for_metric('devhive_limits_reached_total{limit="messages_per_second"}', 1)
    await other.close()


PING_FLOOD = os.path.join(os.path.dirname(__file__), "support", "ping_flood.py")


@contextlib.contextmanager
def ping_flood(gateway, pings_per_second):
    target = f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"
    flood = subprocess.Popen([sys.executable, PING_FLOOD, *map(str, gateway.address), target, str(pings_per_second)])
    try:
        yield
    finally:
        flood.kill()
        flood.wait()


@pytest.mark.skipif("DEVHIVE_TEST_LATENCY" not in os.environ, reason="it measures; scripts/soak runs it")
@pytest.mark.parametrize("limit", ["off", "20"])
def test_a_flood_less_than_doubles_the_latency_of_others(start_gateway, database, limit):
    """100,000 pings a second and no answer read, with the limit on messages and without; in turn with quiet rounds."""
    gateway = start_gateway(*UNLIMITED, "--messages-per-second", limit, "--log-level", "info")
    project = database.add_project()
    client = RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project)

    def latency():
        began = time.monotonic()
        task = database.add_task(project)
        while task.encode() not in client.read_frame()[1]:
            pass
        return time.monotonic() - began

    quiet, flooded = [], []
    for _ in range(10):
        quiet += [latency() for _ in range(100)]
        before = gateway.metrics()["devhive_received_bytes_total"]
        with ping_flood(gateway, 100_000):
            gateway.wait_for_metric("devhive_received_bytes_total", before + 1000)
            flooded += [latency() for _ in range(100)]
    ratio = statistics.median(flooded) / statistics.median(quiet)
    print(f"median latency in a flood of pings, limit {limit}: {ratio:.2f} times that without")
    assert ratio < 2
    client.close()


def test_too_many_errors_close_with_4301(start_gateway):
    gateway = start_gateway("--errors-per-minute", "3")
    with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))) as raw:
        for _ in range(3):
            raw.send_frame(TEXT, b"{")
        for _ in range(3):
            assert json.loads(raw.read_frame()[1])["code"] == "bad_message"
        assert raw.read_close() == OVER_RATE


async def test_a_client_of_the_seed_meets_no_limit(gateway, database, library):
    """It joins, leaves and answers pings, as fast as it likes at the beginning."""
    projects = [database.add_project() for _ in range(20)]
    client = await library.connect(gateway)
    for project in projects:
        await client.send_json({"type": "join_project", "project_id": project})
        await client.send_json({"type": "pong"})
    assert await client.ask({"type": "pong", "ref": 1}) == {"type": "ok", "ref": 1}
    task = database.add_task(projects[-1])
    assert (await client.receive_json())["data"]["id"] == task
    await client.close()


def test_pipelined_requests_are_answered_one_after_the_other(gateway):
    with RawSocket(gateway.address) as raw:
        raw.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        answers = [raw.read_answer() for _ in range(300)]
        assert [status for status, _, _ in answers] == [404] * 300
        assert not any("connection" in headers for _, headers, _ in answers)
