"""Many connections that do nothing, that come at once, or for which there are no descriptors.

DEVHIVE_FLOOD_CONNECTIONS scales them: 1,000 by default, 20,000 for a soak on a host whose limits allow it.
"""

import os
import resource
import select
import socket
import time
import uuid

import pytest

from support import tokens
from support.clients import announce
from support.gateway import PATH, UNLIMITED, VISIBLE
from support.raw import TEXT, RawSocket, handshake
from support.waiting import wait_until

MANY = int(os.environ.get("DEVHIVE_FLOOD_CONNECTIONS", "1000"))


def connect_many(gateway, count, request=b""):
    """From several addresses: one has 28,232 ports. Each sends the request at once: many take longer than a handshake may."""
    sockets = []
    for number in range(count):
        one = socket.socket()
        one.bind((f"127.0.{1 + number // 10_000}.1", 0))
        one.connect(gateway.address)
        one.sendall(request)
        sockets.append(one)
    return sockets


def close_all(sockets):
    for one in sockets:
        one.close()


def cpu_seconds(gateway):
    with open(f"/proc/{gateway.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def can_upgrade(gateway):
    with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))):
        return True


def test_slow_and_silent_connections_are_closed_in_time_and_others_go_on(start_gateway):
    """The deadline is absolute: a byte now and then doesn't move it."""
    gateway = start_gateway(*UNLIMITED, "--handshake-timeout", "3s")
    began = time.monotonic()
    silent, slow = connect_many(gateway, MANY // 2), connect_many(gateway, MANY // 2)
    opened = time.monotonic()
    request = handshake(PATH)
    waiting, position = set(silent + slow), 0
    try:
        while waiting:
            assert time.monotonic() < opened + 3 + 5, f"{len(waiting)} are still there"
            for one in slow:
                try:
                    one.send(request[position:position + 1])
                except OSError:
                    pass  # It was answered and closed.
            position += 1
            assert can_upgrade(gateway)
            # In rounds of half a second: that is the byte's rate.
            until = time.monotonic() + 0.5
            while waiting and (left := until - time.monotonic()) > 0:
                poller = select.poll()
                numbers = {one.fileno(): one for one in waiting}
                for number in numbers:
                    poller.register(number, select.POLLIN)
                for number, _ in poller.poll(left * 1000):
                    one = numbers[number]
                    try:
                        if not (answer := one.recv(4096)):
                            waiting.discard(one)
                        else:
                            assert answer.startswith(b"HTTP/1.1 408 ")
                    except ConnectionResetError:
                        waiting.discard(one)  # A byte of ours came after the end.
        assert time.monotonic() - began > 2.9, "nobody was closed early"
        assert gateway.metrics()['devhive_handshakes_refused_total{reason="timeout"}'] == len(silent + slow)
        assert can_upgrade(gateway)
    finally:
        close_all(silent + slow)


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 6_000, reason="TOO FEW DESCRIPTORS FOR A CROWD")
def test_the_memory_of_a_crowd_that_has_left_is_given_back(start_gateway, database):
    """From 4,096 places on; and of the places behind the last client alone, so who stays came first."""
    gateway = start_gateway(*UNLIMITED)
    project = database.add_project()
    token = tokens.token(str(uuid.uuid4()))
    with RawSocket.upgrade(gateway, token=token, project=project) as steady:
        crowd = connect_many(gateway, 5_000, handshake(f"{PATH}?token={token}&projectId={project}"))
        try:
            gateway.wait_for_metric("devhive_connections", 5_001)
            most = gateway.metrics()["process_resident_memory_bytes"]
        finally:
            close_all(crowd)
        wait_until(lambda: gateway.metrics()["devhive_connections"] == 1, "the crowd has left")
        if "DEVHIVE_TEST_SANITIZER" not in os.environ:  # Its own memory would be judged.
            wait_until(
                lambda: gateway.metrics()["process_resident_memory_bytes"] < most - 5_000 * 128, "its memory is given back")
        announce(database, project, "still here")
        assert b'"still here"' in steady.read_frame()[1]
        assert can_upgrade(gateway)


def test_one_address_can_not_take_all_places(start_gateway):
    """With the limits that hold by default, scaled down."""
    gateway = start_gateway("--connections-per-address", "50")
    flood = connect_many(gateway, 300)
    try:
        wait_until(
            lambda: gateway.metrics()['devhive_connections_dropped_total{reason="address"}'] == 300 - 58,
            "what is beyond the limit and its refusals is closed")
        assert can_upgrade_from(gateway, "127.0.0.9")
    finally:
        close_all(flood)


def can_upgrade_from(gateway, address):
    with RawSocket(gateway.address, source=address) as raw:
        raw.send(handshake(f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"))
        return raw.read_answer(head_only=True)[0] == 101


def descriptor_count(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


def answers_operators(gateway):
    return [gateway.request(path, admin=True)[0] for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]


def status_of_upgrade(gateway, address="127.0.0.9"):
    """`None` when it is closed unanswered, as may be in the first eighth of a second."""
    try:
        with RawSocket(gateway.address, source=address) as raw:
            raw.send(handshake(f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"))
            return raw.read_answer(head_only=True)[0]
    except (ConnectionError, EOFError):
        return None


def test_silent_connections_of_one_address_lock_nobody_out(start_gateway):
    """All places, and those for refusals too: operators are answered, clients get 503 and later the places."""
    gateway = start_gateway("--max-connections", "900", *VISIBLE)
    gateway.wait_until_ready()
    flood = connect_many(gateway, 932)
    try:
        wait_until(lambda: descriptor_count(gateway) >= 932, "all are accepted")
        assert answers_operators(gateway)
        wait_until(lambda: status_of_upgrade(gateway) in (101, 503), "clients are answered")
        wait_until(lambda: status_of_upgrade(gateway) == 101, "the silent ones give way")
        assert answers_operators(gateway)
    finally:
        close_all(flood)


def test_silent_connections_leave_descriptors_for_operators(start_gateway):
    gateway = start_gateway(*UNLIMITED, *VISIBLE, limits={resource.RLIMIT_NOFILE: (200, 200)})
    gateway.wait_until_ready()
    flood = connect_many(gateway, 300)
    try:
        # Half of the limit, and an eighth that is only refused.
        wait_until(lambda: descriptor_count(gateway) >= 100 + 25, "as many as may be are accepted")
        assert answers_operators(gateway)
        assert gateway.metrics()["process_open_fds"] < 200
        wait_until(lambda: status_of_upgrade(gateway) == 101, "the silent ones give way")
        assert not gateway.log("accept paused")
    finally:
        close_all(flood)


def test_silent_operators_lock_nobody_out(start_gateway):
    gateway = start_gateway()
    gateway.wait_until_ready()
    crowd = [socket.create_connection(gateway.admin_address) for _ in range(64)]
    try:
        assert answers_operators(gateway)
        assert can_upgrade(gateway)
    finally:
        close_all(crowd)


def test_few_descriptors_and_many_connections(start_gateway, database):
    """RLIMIT_NOFILE 64 and 200 connects: no spin, the database can reconnect, service resumes."""
    gateway = start_gateway(*UNLIMITED, limits={resource.RLIMIT_NOFILE: (64, 64)})
    crowd = connect_many(gateway, 200)
    try:
        before, began = cpu_seconds(gateway), time.monotonic()
        # The listener is told to go, and has to come back although clients took all that they may.
        assert database.terminate_listener() == [(True,)]
        wait_until(lambda: len(gateway.log("listener up")) == 2, "the listener comes back")
        while time.monotonic() < began + 2:
            select.select([], [], [], 0.1)
        used = cpu_seconds(gateway) - before
        assert used / (time.monotonic() - began) < 0.05, "it spins"
    finally:
        close_all(crowd)
    gateway.wait_until_ready()
    wait_until(lambda: can_upgrade(gateway), "service resumes")


def test_many_that_come_and_drop_at_once(start_gateway):
    """Served, or a clean 503; afterwards descriptors and memory are what they were."""
    gateway = start_gateway(*UNLIMITED)
    token = tokens.token(str(uuid.uuid4()))

    def round_of_all():
        sockets = connect_many(gateway, MANY, handshake(f"{PATH}?token={token}"))
        statuses = {}
        for one in sockets:
            one.settimeout(20)
            status = one.recv(4096)[9:12]
            statuses[status] = statuses.get(status, 0) + 1
        close_all(sockets)
        wait_until(lambda: gateway.metrics()["devhive_connections"] == 0, "everybody is gone")
        return statuses

    before = gateway.metrics()
    for _ in range(3):
        assert set(round_of_all()) <= {b"101", b"503"}
    # Before, the connection that asked whether the gateway is ready may still have been open.
    wait_until(
        lambda: gateway.metrics()["process_open_fds"] <= before["process_open_fds"], "as few descriptors as before")
    first = gateway.metrics()["process_resident_memory_bytes"]
    for _ in range(3):
        round_of_all()
    if "DEVHIVE_TEST_SANITIZER" not in os.environ:  # It keeps more.
        # What stays is what the largest crowd has touched; it doesn't grow with their number. That of the last one may be
        # about to be given back.
        wait_until(
            lambda: gateway.metrics()["process_resident_memory_bytes"] < first + (2 << 20), "no more memory than before")


@pytest.mark.skipif("DEVHIVE_TEST_SANITIZER" in os.environ, reason="it looks at 70 million members")
def test_a_storm_of_removals_is_dropped_for_a_resync_of_everybody(start_gateway, database):
    """Each looks at a large audience, so they come faster than they can be acted on."""
    gateway = start_gateway("--membership", "on", *UNLIMITED)
    user = database.add_user()
    project, other = database.add_project(user), database.add_project(user)
    token = tokens.token(user)
    # Of so many as many removals as are looked at in a turn fit in it exactly: no storm of one turn.
    crowd = [RawSocket.upgrade(gateway, token=token, project=project) for _ in range(1_000)]
    try:
        with RawSocket.upgrade(gateway, token=token, project=other) as bystander:
            # As many as may wait are acted on first, each with a look at the audience: a debug build takes its time.
            for client in (bystander, crowd[0]):
                client.socket.settimeout(60)
            before = gateway.most_memory()
            database.execute(
                "SELECT count(pg_notify('cache_invalidate', json_build_object('resource', 'project_members',"
                " 'id', %s || ':' || gen_random_uuid(), 'action', 'DELETE', 'project_id', %s,"
                " 'timestamp', '2026-01-02T03:04:05.678901Z')::text)) FROM generate_series(1, 200000)", project, project)
            bystander.send_frame(TEXT, b'{"type":"ping"}')
            messages = []
            while not ({"pong", "RESYNC"} <= {m.get("action", m["type"]) for m in messages}):
                messages.append(bystander.read_message())
            assert gateway.metrics()["devhive_notifications_dropped_total"] >= 10_000
            assert gateway.log("notifications dropped")
            assert gateway.most_memory() - before < 80 << 20
            # What is announced behind it reaches everybody.
            announce(database, other, "behind")
            while bystander.read_message()["data"]["id"] != "behind":
                pass
            while crowd[0].read_message()["action"] != "RESYNC":
                pass  # Removals that were heard before.
    finally:
        for client in crowd:
            client.close()
