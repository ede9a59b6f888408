"""The life of a connection: keepalive, slow readers, protocol errors, the close handshake, the drain."""

import asyncio
import contextlib
import json
import resource
import signal
import socket
import time
import uuid

import pytest

from support import tokens
from support.clients import PythonClient, Refused, announce
from support.gateway import PATH
from support.raw import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, close_of, handshake
from support.waiting import wait_until

RESOURCES = ["project_members", "projects", "sprints", "tasks"]


def upgraded(gateway, project=None, **options):
    return RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project, **options)


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="THERE IS NO IPv6 HERE")
async def test_ipv6_is_served_like_ipv4(start_gateway, database):
    project = database.add_project()
    gateway = start_gateway("--listen", "[::1]:0", "--admin-listen", "[::1]:0")
    client = await PythonClient.connect(gateway, project)
    announce(database, project, "heard")
    assert (await client.receive_json())["data"]["id"] == "heard"
    # Of an IPv6 address the network counts, and that of ::1 is this host.
    assert gateway.wait_for_log("client registered")["address"] == "local"


def test_the_limit_on_descriptors_is_raised_as_far_as_it_goes(start_gateway):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    gateway = start_gateway(limits={resource.RLIMIT_NOFILE: (256, hard)})
    assert gateway.metrics()["process_max_fds"] == hard


# Keepalive


def test_a_ping_frame_and_a_text_ping_go_out_together(start_gateway):
    gateway = start_gateway("--ping-interval", "200ms")
    with upgraded(gateway) as raw:
        for _ in range(3):
            opcode, payload = raw.read_frame()
            assert opcode == PING
            raw.send_frame(PONG, payload)
            assert raw.read_frame() == (TEXT, b'{"type":"ping"}')


def test_without_text_pings_only_frames_go_out(start_gateway):
    gateway = start_gateway("--ping-interval", "200ms", "--text-ping", "off")
    with upgraded(gateway) as raw:
        for _ in range(3):
            opcode, payload = raw.read_frame()
            assert opcode == PING
            raw.send_frame(PONG, payload)


async def test_a_client_that_answers_pings_stays(start_gateway, library):
    gateway = start_gateway("--ping-interval", "200ms", "--read-timeout", "600ms")
    client = await library.connect(gateway)
    with upgraded(gateway) as silent:
        # The library answers while it reads; ten pings are more than three read timeouts.
        for _ in range(10):
            assert await client.receive_json() == {"type": "ping"}
        assert silent.read_close()[0] == 4201
    assert await client.ask({"type": "pong", "ref": 1}) == {"type": "ok", "ref": 1}
    await client.close()


def test_whoever_says_anything_is_heard(start_gateway):
    """Any frame is a sign of life, not only a pong."""
    gateway = start_gateway("--ping-interval", "200ms", "--read-timeout", "600ms")
    with upgraded(gateway) as raw:
        for _ in range(10):
            assert raw.read_frame()[0] == PING
            raw.send_frame(TEXT, b'{"type":"pong"}')
            assert raw.read_frame()[0] == TEXT


@pytest.mark.parametrize("payload", [b"", b"x", b"y" * 125])
def test_a_client_s_ping_is_answered_with_its_payload(gateway, payload):
    with upgraded(gateway) as raw:
        raw.send_frame(PING, payload)
        assert raw.read_frame() == (PONG, payload)


# Slow readers


def stuff(database, project, count):
    """Events of about 7 KB each."""
    database.execute(
        """
        SELECT pg_notify('cache_invalidate', json_build_object(
            'resource', 'tasks', 'id', n || repeat('x', 7000), 'action', 'UPDATE',
            'project_id', %s, 'timestamp', 't')::text)
        FROM generate_series(1, %s) n
        """, project, count)


async def stuff_until(gateway, database, project, metric, fast_client):
    """Sends until the metric counts somebody; the fast client reads all of it and must lose nothing."""
    for _ in range(200):
        stuff(database, project, 20)
        assert len(await fast_client.until_fence(database, project)) == 20
        if gateway.metrics()[metric] >= 1:
            return
    raise AssertionError(f"{metric} stayed at 0 after 28 MB")


async def test_the_queue_of_a_slow_client_collapses_into_a_resync(gateway, database):
    project = database.add_project()
    fast = await PythonClient.connect(gateway, project)
    with upgraded(gateway, project, receive_buffer=4096) as slow:
        await stuff_until(gateway, database, project, "devhive_collapsed_clients_total", fast)
        announce(database, project, "while it doesn't read")
        resynced, numbers = [], []
        while len(resynced) < len(RESOURCES):
            opcode, payload = slow.read_frame()
            assert opcode == TEXT
            message = json.loads(payload)
            if message["action"] == "RESYNC":
                assert (message["data"]["id"], message["reason"]) == ("*", "slow_consumer")
                assert message["project_id"] == project
                resynced.append(message["resource"])
            else:
                assert not resynced, "what comes before a resync stands before all of it"
                numbers.append(message["data"]["id"])
        assert sorted(resynced) == RESOURCES
        assert numbers, "what the kernel had taken arrives whole"
        announce(database, project, "afterwards")
        while (message := slow.read_message())["data"]["id"] != "afterwards":
            pass
    assert [json.loads(text)["data"]["id"] for text in await fast.until_fence(database, project)] == [
        "while it doesn't read", "afterwards"]
    await fast.close()


async def test_a_slow_client_is_disconnected_if_so_configured(start_gateway, database):
    gateway = start_gateway("--slow-consumer", "disconnect")
    project = database.add_project()
    fast = await PythonClient.connect(gateway, project)
    with upgraded(gateway, project, receive_buffer=4096) as slow:
        await stuff_until(gateway, database, project, "devhive_slow_consumers_disconnected_total", fast)
        assert slow.read_close()[0] == 4202
    gateway.wait_for_metric('devhive_connections_closed_total{code="4202"}', 1)
    await fast.close()


# Protocol errors


@pytest.mark.parametrize("frame, code", [
    ({"opcode": TEXT, "payload": b"{}", "masked": False}, 1002),
    ({"opcode": TEXT, "first_byte": 0xC1}, 1002),
    ({"opcode": TEXT, "first_byte": 0x83}, 1002),
    ({"opcode": TEXT, "first_byte": 0x8B}, 1002),
    ({"opcode": PING, "first_byte": 0x09}, 1002),
    ({"opcode": PING, "payload": b"x" * 126}, 1002),
    ({"opcode": TEXT, "first_byte": 0x80}, 1002),
    ({"opcode": BINARY, "payload": b"x"}, 1003),
    ({"opcode": TEXT, "payload": b"\xff\xfe"}, 1007),
    ({"opcode": TEXT, "payload": b"x" * 70_000}, 1009),
    ({"opcode": CLOSE, "payload": b"\x03"}, 1002),
    ({"opcode": CLOSE, "payload": (1005).to_bytes(2, "big")}, 1002),
    ({"opcode": CLOSE, "payload": (1000).to_bytes(2, "big") + b"\xff"}, 1007),
], ids=str)
def test_protocol_errors_close_with_their_code(gateway, frame, code):
    with upgraded(gateway) as raw:
        try:
            raw.send_frame(**frame)
        except ConnectionError:
            pass  # It needn't wait for the end of what is too big.
        assert raw.read_close()[0] == code


def test_an_announced_length_of_2_to_the_63_is_refused_at_its_header(gateway):
    with upgraded(gateway) as raw:
        raw.send(bytes([0x81, 0xFF]) + (2**63 - 1).to_bytes(8, "big"))
        assert raw.read_close()[0] == 1009


def test_a_fragmented_message_with_a_ping_in_between(gateway):
    with upgraded(gateway) as raw:
        raw.send_frame(TEXT, b'{"type":', first_byte=0x01)
        raw.send_frame(PING, b"now")
        raw.send_frame(TEXT, b'"ping"}', first_byte=0x80)
        assert raw.read_frame() == (PONG, b"now")
        assert raw.read_frame() == (TEXT, b'{"type":"pong"}')


# The close handshake


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_is_answered_with_its_code(gateway, library, code):
    client = await library.connect(gateway)
    assert (await client.close(code, "bye"))[0] == code


def test_after_a_close_the_gateway_answers_nothing_and_ends(gateway):
    with upgraded(gateway) as raw:
        raw.send_frame(CLOSE)
        raw.send_frame(TEXT, b'{"type":"ping"}')
        opcode, payload = raw.read_frame()
        assert (opcode, close_of(payload)[0]) in ((CLOSE, None), (CLOSE, 1000))
        assert raw.read_to_end() == b""


def test_a_client_that_never_answers_a_close_is_cut_off(start_gateway):
    gateway = start_gateway("--close-timeout", "300ms")
    with upgraded(gateway) as raw:
        raw.send_frame(BINARY, b"x")
        assert raw.read_close()[0] == 1003
        assert raw.read_to_end() == b""


async def test_a_client_that_vanishes_is_counted_out(gateway, database, library):
    project = database.add_project()
    client, other = await library.connect(gateway, project), await library.connect(gateway, project)
    await client.abandon()
    gateway.wait_for_metric('devhive_connections_closed_total{code="1006"}', 1)
    task = database.add_task(project)
    assert (await other.receive_json())["data"]["id"] == task
    await other.close()


def test_a_gateway_that_was_stopped_for_a_while_throws_nobody_out(start_gateway):
    """Neither those whose bytes are still to be read, nor those whom nobody has asked meanwhile."""
    gateway = start_gateway("--ping-interval", "600ms", "--read-timeout", "1200ms")
    clients = [upgraded(gateway) for _ in range(20)]
    gateway.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    for one in clients[:10]:
        one.send_frame(TEXT, b'{"type":"pong"}')
    time.sleep(stopped + 3 - time.monotonic())  # How long it stands still is what is tested.
    gateway.process.send_signal(signal.SIGCONT)
    for one in clients:
        # Those whose ping was due have one before them.
        one.send_frame(PING, b"there?")
        frame = None
        while frame != (PONG, b"there?"):
            frame = one.read_frame()
            assert frame[0] != CLOSE, close_of(frame[1])
        one.close()


# The drain


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "workers"])
def test_signals_that_mean_nothing_to_it_end_nothing(start_gateway, options):
    gateway = start_gateway(*options)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        gateway.process.send_signal(number)
    assert gateway.request("/livez", admin=True)[0] == 200
    assert gateway.process.poll() is None


async def test_sigterm_sends_everybody_away_and_ends_with_0(start_gateway, library):
    gateway = start_gateway("--drain-seconds", "1")
    clients = [await library.connect(gateway) for _ in range(5)]
    gateway.terminate()
    for client in clients:
        code, reason = await client.wait_until_closed()
        assert code == 1012
        assert json.loads(reason) == {"window_ms": 1000}
    assert gateway.wait() == 0
    assert gateway.log("stopped", exit_code=0, connections_left=0)


async def test_an_idle_gateway_ends_at_once(start_gateway):
    gateway = start_gateway("--drain-seconds", "60")
    gateway.terminate()
    assert gateway.wait() == 0


async def test_while_draining_nobody_comes_in_and_a_second_sigterm_ends_it(start_gateway, database):
    gateway = start_gateway("--drain-seconds", "600")
    project = database.add_project()
    clients = [await PythonClient.connect(gateway, project) for _ in range(50)]
    gateway.terminate()
    gateway.wait_for_log("draining")
    assert gateway.request("/readyz", admin=True)[0] == 503
    assert gateway.request("/livez", admin=True)[0] == 200
    with pytest.raises((Refused, OSError)) as refused:
        await PythonClient.connect(gateway)
    if isinstance(refused.value, Refused):
        assert refused.value.status == 503
    task = database.add_task(project)
    assert (await clients[-1].receive_json())["data"]["id"] == task, "those who are left are served"
    gateway.terminate()
    gateway.wait(5)
    for client in clients:
        await client.abandon()


async def test_an_http_connection_that_idles_does_not_hold_the_drain(start_gateway):
    gateway = start_gateway("--drain-seconds", "1")
    with RawSocket(gateway.address) as idle, RawSocket(gateway.address) as begun:
        # Without a first byte it would still be the kernel's (TCP_DEFER_ACCEPT).
        idle.send(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
        assert b" 404 " in idle.read_through(b"\r\n")
        begun.send(handshake(PATH)[:20])
        gateway.request("/")
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait() == 0
        idle.read_to_end()


async def test_many_that_come_and_go_leave_nothing_behind(gateway, database):
    project = database.add_project()
    first = await PythonClient.connect(gateway, project)
    before = gateway.metrics()["process_open_fds"]
    for _ in range(10):
        clients = await asyncio.gather(*(PythonClient.connect(gateway, project) for _ in range(20)))
        await asyncio.gather(*(client.abandon() if number % 2 else client.close()
                               for number, client in enumerate(clients)))
    gateway.wait_for_metric("devhive_connections_opened_total", 201)

    def everything_is_back():
        metrics = gateway.metrics()
        return (metrics["devhive_connections"], metrics["process_open_fds"]) == (1, before)
    wait_until(everything_is_back, "one connection and as many descriptors as before")
    assert await first.until_fence(database, project) == []
    await first.close()
