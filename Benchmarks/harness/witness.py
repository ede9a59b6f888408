"""Who must not feel that others are hostile: a client that pings and gets events, and a probe of `/livez`."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import uuid

from wire import CLOSE, PATH, TEXT, frame, handshake, token

PINGS_PER_SECOND = 40
EVENTS_PER_SECOND = 10
PROBES_PER_SECOND = 20
# Of pings under way; the gateway takes 200 messages at once. Those left out count from when they were due.
PINGS_WAITING_MAX = 120
SOURCE = "127.0.0.9"
USER = str(uuid.UUID(int=0xBE7C4000_0000_4000_A000_000000000001))
PROJECT = str(uuid.UUID(int=0xBE7C4000_0000_4000_B000_000000000001))
ANSWER_SECONDS = 5
LIVEZ_SECONDS = 10


class Client:
    """One WebSocket: its pings' and events' times in seconds, and what went wrong."""

    def __init__(self, address, is_secure):
        self.pings, self.events, self.faults = [], [], []
        self._sent, self._skipped = [], []
        self.expected, self._lock = {}, threading.Lock()
        self._buffer = b""
        self._socket = socket.create_connection(address, timeout=10, source_address=(SOURCE, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_secure:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._socket.sendall(handshake(f"{PATH}?projectId={PROJECT}", Authorization=f"Bearer {token(USER)}"))
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._receive()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head.decode("latin-1").splitlines()[0])
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        """Waits for what is on its way."""
        deadline = time.monotonic() + ANSWER_SECONDS
        self._end.set()
        while (self._sent or self.expected) and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._sent or self._skipped:
            self.faults.append(f"{len(self._sent) + len(self._skipped)} pings weren't answered")
        if self.expected:
            self.faults.append(f"{len(self.expected)} events didn't arrive")
        self._socket.close()

    def expect(self, row):
        with self._lock:
            self.expected[row] = time.monotonic()

    def _receive(self):
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError("the connection ended")
        return data

    def _run(self):
        due = time.monotonic()
        try:
            while True:
                now = time.monotonic()
                if now >= due and not self._end.is_set():
                    self._ping(due)
                    due += 1 / PINGS_PER_SECOND
                self._socket.settimeout(max(due - time.monotonic(), 0.001) if not self._end.is_set() else 0.1)
                try:
                    self._buffer += self._receive()
                except TimeoutError:
                    continue
                self._take(time.monotonic())
        except (ConnectionError, OSError) as failure:
            if not self._end.is_set() or self._sent:
                self.faults.append(f"the well-behaved client: {failure}")

    def _ping(self, due):
        if len(self._sent) >= PINGS_WAITING_MAX:
            self._skipped.append(due)
            return
        self._sent.append(due)
        self._socket.settimeout(10)
        self._socket.sendall(frame(TEXT, b'{"type":"ping"}'))

    def _take(self, now):
        while len(self._buffer) >= 2:
            opcode, length = self._buffer[0] & 0xF, self._buffer[1]
            start = 2
            if length == 126:
                length, start = int.from_bytes(self._buffer[2:4], "big"), 4
            if len(self._buffer) < start + length:
                return
            payload, self._buffer = self._buffer[start : start + length], self._buffer[start + length :]
            if opcode == CLOSE:
                raise ConnectionError(f"closed with {int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}")
            if opcode == TEXT:
                self._hear(json.loads(payload), now)

    def _hear(self, message, now):
        if message["type"] == "pong":
            self.pings.append(now - self._sent.pop(0))
            self.pings += [now - due for due in self._skipped]
            self._skipped.clear()
        elif message["type"] == "error":
            self.faults.append(f"the well-behaved client got an error: {message}")
        elif message["type"] == "cache_invalidate":
            if message["action"] == "RESYNC":
                self.faults.append("the well-behaved client was told to fetch everything")
                return
            with self._lock:
                began = self.expected.pop(message["data"]["id"], None)
            if began is not None:
                self.events.append(now - began)


class Writer(threading.Thread):
    """Writes rows of the client's project, each in a transaction of its own."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self._client = client
        self._end = threading.Event()
        self._psql = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", os.environ["DATABASE_URL"]], stdin=subprocess.PIPE, text=True
        )

    def run(self):
        while not self._end.wait(1 / EVENTS_PER_SECOND):
            row = str(uuid.uuid4())
            self._client.expect(row)
            print(
                f"INSERT INTO tasks (id, project_id, title) VALUES ('{row}', '{PROJECT}', 'x');",
                file=self._psql.stdin, flush=True,
            )  # fmt: skip

    def stop(self):
        self._end.set()
        self.join()
        self._psql.stdin.close()
        self._psql.wait(20)


class Probe(threading.Thread):
    """Asks /livez as an orchestrator does, and looks at the memory of the process."""

    def __init__(self, admin_port, pid):
        super().__init__(daemon=True)
        self._port = admin_port
        self._pid = pid
        self._end = threading.Event()
        self.longest, self.memory, self.faults = 0.0, resident_bytes(pid), []

    def run(self):
        while not self._end.wait(1 / PROBES_PER_SECOND):
            self.memory = max(self.memory, resident_bytes(self._pid))
            began = time.monotonic()
            try:
                status, _ = ask(self._port, "/livez")
            except (OSError, http.client.HTTPException) as failure:
                status = repr(failure)
            self.longest = max(self.longest, time.monotonic() - began)
            if status != 200:
                self.faults.append(f"/livez: {status}")

    def stop(self):
        self._end.set()
        self.join()


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIVEZ_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8")
    finally:
        connection.close()


def resident_bytes(pid):
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
