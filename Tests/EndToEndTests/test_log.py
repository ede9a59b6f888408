"""The log when nobody reads it, and when there is none."""

import http.client
import json
import os
import re
import select
import socket
import subprocess
import uuid

import pytest

from support import tokens
from support.clients import announce
from support.gateway import BINARY, SETTINGS
from support.ports import free_port
from support.raw import RawSocket
from support.waiting import DEADLINE_SECONDS, wait_until


class UnreadGateway:
    """A gateway whose standard error is a pipe, of which only what the addresses need is read."""

    def __init__(self, database_url, *options):
        self.reader, writer = os.pipe()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json",
             "--log-level", "debug", "--membership", "off", "--drain-seconds", "0", *options],
            env={**clean, "DATABASE_URL": database_url, "JWT_SECRET": tokens.SECRET},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        self.text = b""
        self.address, self.admin_address = self._bound(b"public"), self._bound(b"admin")

    def _bound(self, listener):
        pattern = rb'"address":"([0-9.]+):(\d+)","listener":"%s"' % listener

        def look():
            self.read()
            return re.search(pattern, self.text)
        found = wait_until(look, f"it listens: {self.text}")
        return found[1].decode(), int(found[2])

    def read(self):
        """What is in the pipe now."""
        while select.select([self.reader], [], [], 0)[0]:
            block = os.read(self.reader, 65536)
            if not block:
                return
            self.text += block

    def figure(self, name):
        connection = http.client.HTTPConnection(*self.admin_address, timeout=DEADLINE_SECONDS)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])

    def end(self):
        self.process.terminate()
        try:
            return self.process.wait(DEADLINE_SECONDS)
        finally:
            self.process.kill()
            os.close(self.reader)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_log_that_nobody_reads_holds_nothing_up(database, workers):
    gateway = UnreadGateway(database.url, "--workers", str(workers))
    project = database.add_project()
    try:
        wait_until(lambda: gateway.figure("devhive_listener_up") == 1, "all listen to the database")
        with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project) as client:
            number = 0
            while gateway.figure("devhive_log_lines_dropped_total") < 10:
                for _ in range(20):
                    number += 1
                    announce(database, project, f"event {number}")
                    # A worker that listens only now has a resync first.
                    while f"event {number}".encode() not in client.read_frame()[1]:
                        pass
        gateway.read()
        announce(database, project, "once more")
        dropped = b'"message":"log lines dropped"'

        def is_reported():
            gateway.read()
            return dropped in gateway.text
        wait_until(is_reported, "the loss is reported")
        for line in gateway.text.splitlines():
            json.loads(line)
    finally:
        assert gateway.end() == 0


@pytest.mark.parametrize("closed", [(0, 1, 2), (2,), (0,)])
def test_descriptors_that_are_closed_at_the_start_become_nobodys_socket(database, closed):
    """With `2>&-` the next thing to be opened would be the log."""
    port, admin_port = free_port(), free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    process = subprocess.Popen(
        [BINARY, "serve", "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin_port}",
         "--membership", "off", "--drain-seconds", "0", "--core-dumps", "on", "--log-level", "debug"],
        env={**clean, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: [os.close(number) for number in closed])
    try:
        gateway = type("Address", (), {"address": ("127.0.0.1", port)})

        def is_there():
            with socket.socket() as one:
                return one.connect_ex(gateway.address) == 0
        wait_until(is_there, "it listens")
        with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))) as client:
            for number in range(3):
                assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
            client.send_frame(0x1, b'{"type":"ping"}')
            assert client.read_frame() == (0x1, b'{"type":"pong"}')
    finally:
        process.terminate()
        try:
            assert process.wait(DEADLINE_SECONDS) == 0
        finally:
            process.kill()


def figures(address):
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE_SECONDS)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_a_disk_that_is_full_costs_lines_alone(database):
    """/dev/full answers every write(2) as a file system without room does."""
    port, admin_port = free_port(), free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    with open("/dev/full", "wb", buffering=0) as full:
        process = subprocess.Popen(
            [BINARY, "serve", "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin_port}",
             "--membership", "off", "--drain-seconds", "0", "--log-level", "debug"],
            env={**clean, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET},
            stdin=subprocess.DEVNULL, stdout=full, stderr=full)
    try:
        def lost():
            return int(figures(("127.0.0.1", admin_port))["devhive_log_lines_dropped_total"])

        def is_ready():
            try:
                return figures(("127.0.0.1", admin_port))["devhive_listener_up"] == "1"
            except OSError:
                return False
        wait_until(is_ready, "it listens to the database")
        project, before = database.add_project(), lost()
        assert before > 0, "what it said as it started"
        gateway = type("Address", (), {"address": ("127.0.0.1", port)})
        with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project) as client:
            for number in range(20):
                announce(database, project, f"event {number}")
                while f"event {number}".encode() not in client.read_frame()[1]:
                    pass
        assert lost() > before
    finally:
        process.terminate()
        try:
            assert process.wait(DEADLINE_SECONDS) == 0
        finally:
            process.kill()
