"""What the host itself does to a gateway: its wall clock jumps (FAULTS 23), its table of open files is full (14), it has
no io_uring, or one that fails (16)."""

import os
import select
import struct
import subprocess
import time
import uuid

import pytest

from support import tokens
from support.gateway import BINARY, PATH, UNLIMITED
from support.preloaded import Preloaded
from support.raw import PING, PONG, TEXT, RawSocket, handshake
from support.seccomp import IO_URING_ENTER, IO_URING_SETUP, forbid
from support.waiting import wait_until
from test_floods import cpu_seconds

DAY = 86_400


class Host(Preloaded):
    def __init__(self, folder):
        super().__init__(folder, "host.c", self._settings())

    @staticmethod
    def _settings(wall_seconds=0, are_files_full=False, more_seconds=0):
        return struct.pack("=qqq", wall_seconds, are_files_full, more_seconds)

    def set(self, **settings):
        self.write(self._settings(**settings))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def hears(client, task):
    """Whether the next event is the task's; keepalives are answered."""
    while True:
        opcode, payload = client.read_frame()
        if opcode == PING:
            client.send_frame(PONG, payload)
        elif b'"ping"' not in payload:
            return opcode == TEXT and task.encode() in payload


def upgrade_status(gateway, token):
    with RawSocket(gateway.address) as raw:
        raw.send(handshake(f"{PATH}?token={token}"))
        return raw.read_answer(head_only=True)[0]


@pytest.mark.parametrize("jump", [DAY, -DAY, 400 * DAY], ids=["forward", "backward", "far"])
def test_a_jump_of_the_wall_clock_drops_nobody(start_gateway, database, host, jump):
    gateway = start_gateway(
        *UNLIMITED, "--ping-interval", "1s", "--read-timeout", "3s", environment=host.environment)
    project = database.add_project()
    clients = [RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project) for _ in range(5)]
    for seconds in (jump, 0, jump):
        host.set(wall_seconds=seconds)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            # Longer than a client may be silent, and each answers its pings.
            task = database.add_task(project)
            assert all(hears(client, task) for client in clients)
    # Who comes now is judged by the clock of now.
    status = upgrade_status(gateway, tokens.token(str(uuid.uuid4())))
    assert status == (101 if jump < 0 else 401)
    host.set(wall_seconds=0)
    assert upgrade_status(gateway, tokens.token(str(uuid.uuid4()))) == 101
    wait_until(lambda: gateway.metrics()["devhive_connections"] == len(clients), "they are all there, and nobody else")
    assert gateway.metrics()['devhive_resyncs_total{cause="listener_reconnected"}'] == 0
    assert gateway.is_ready()
    for client in clients:
        client.close()


def test_a_full_table_of_open_files(start_gateway, database, host):
    """Whoever is there goes on, nothing spins, and service resumes."""
    gateway = start_gateway(*UNLIMITED, environment=host.environment)
    project = database.add_project()
    client = RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project)
    host.set(are_files_full=True)
    used, began = cpu_seconds(gateway), time.monotonic()
    with RawSocket(gateway.address) as waiting:
        waiting.send(handshake(f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"))
        gateway.wait_for_log("accepting paused")
        while time.monotonic() < began + 2.5:
            # It tries again each second.
            task = database.add_task(project)
            assert hears(client, task)
            select.select([], [], [], 0.1)
        assert (cpu_seconds(gateway) - used) / (time.monotonic() - began) < 0.05, "it spins"
        host.set()
        assert waiting.read_answer(head_only=True)[0] == 101
    assert gateway.metrics()["devhive_accept_pauses_total"] < 10
    client.close()


@pytest.mark.parametrize("call", [IO_URING_SETUP, IO_URING_ENTER], ids=["absent", "failing"])
def test_without_io_uring_broadcasts_go_out_all_the_same(start_gateway, database, call):
    """As in a container, whose runtime forbids it."""
    gateway = start_gateway("--io-uring", "auto", forbidden=[call])
    project = database.add_project()
    clients = [RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project) for _ in range(8)]
    for _ in range(20):
        task = database.add_task(project)
        for client in clients:
            assert hears(client, task)
    gateway.wait_for_log("send method changed", send_method="send")
    for client in clients:
        client.close()


def test_io_uring_that_is_demanded_and_absent_is_an_error_that_says_so(database):
    done = subprocess.run(
        [BINARY, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--io-uring", "on"],
        env={**os.environ, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20, check=False, preexec_fn=lambda: forbid(IO_URING_SETUP))
    assert done.returncode > 0
    assert "--io-uring on" in done.stderr and "not permitted" in done.stderr
