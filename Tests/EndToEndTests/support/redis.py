"""A private Redis: a folder and a port of its own, nothing kept on disk."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from .ports import free_port
from .waiting import DEADLINE_SECONDS, wait_until


def server_program():
    """Tests of the bus between hosts need it, and say so where it isn't there."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        pytest.skip("Redis isn't installed: apt-get install redis-server")
    return found


class RedisError(Exception):
    """The server's word."""


class RedisConnection:
    """As much of the protocol as the tests speak (RESP2), in bytes."""

    def __init__(self, server):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_SECONDS)
        try:
            self._socket.connect(server.path)
        except OSError:
            self._socket.close()
            raise
        self._file = self._socket.makefile("rb")

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def receive(self):
        line = self._file.readline()
        if not line:
            raise EOFError
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            return self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.receive() for _ in range(int(rest))]
        return rest.decode()

    def ask(self, *words):
        self.send(*words)
        return self.receive()

    def close(self):
        self._file.close()
        self._socket.close()


class Redis:
    def __init__(self, *options, addresses=("127.0.0.1", "127.0.0.2"), entering=()):
        """`entering`: the words of a command that starts another elsewhere, such as `nsenter`."""
        self._command = [*entering, server_program()]
        self._addresses = addresses
        self._options = options
        # The path of a Unix socket has at most 107 bytes.
        self._folder = tempfile.mkdtemp(prefix="devhive-redis-", dir="/tmp")
        self.path = os.path.join(self._folder, "socket")
        self.port = free_port()
        self._process = None
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        with open(os.path.join(self._folder, "server.log"), "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self.port), "--bind", *self._addresses, "--unixsocket", self.path,
                 "--dir", self._folder, "--save", "", "--appendonly", "no", *self._options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        wait_until(self._answers, "Redis answers")

    def _answers(self):
        assert self._process.poll() is None, f"Redis ended with {self._process.returncode}"
        with contextlib.suppress(OSError, EOFError, RedisError):
            self.ask("PING")
            return True
        return False

    def connect(self):
        return RedisConnection(self)

    def ask(self, *words):
        connection = self.connect()
        try:
            return connection.ask(*words)
        finally:
            connection.close()

    @contextlib.contextmanager
    def standing_still(self):
        """It answers nothing, and the kernel goes on to accept for it."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self):
        """At once, as a crash does."""
        self._process.kill()
        self._process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
