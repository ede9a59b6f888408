"""The built gateway as a process: its addresses, its log, its metrics, its end."""

import contextlib
import http.client
import json
import os
import re
import resource
import signal
import subprocess
import threading

from . import tokens
from .seccomp import forbid
from .waiting import DEADLINE_SECONDS, wait_until

REPOSITORY = os.path.join(os.path.dirname(__file__), "..", "..", "..")
BINARY = os.environ.get("DEVHIVE_GATEWAY_BIN", os.path.join(REPOSITORY, ".build/debug/devhive-gateway"))
# How gateways send where a test doesn't say: `on` or `off`; without it as they choose.
SEND_METHOD = os.environ.get("DEVHIVE_TEST_IO_URING")
PATH = "/api/v1/messages/ws"
# Whoever runs the tests may then look at what /proc has of the gateway, where only root may otherwise.
VISIBLE = ("--core-dumps", "on")
# For crowds that come from one address, as those of a test do.
UNLIMITED = ("--connections-per-address", "off", "--handshakes-per-second", "off", "--connections-per-user", "off")

# Variables that a gateway reads, itself or by libpq; the exceptions are for the tests.
SETTINGS = ("DATABASE_URL", "JWT_SECRET", "REDIS_URL", "BUS_SECRET", "DEVHIVE_", "PG")
SWITCHES = ("DEVHIVE_TEST_", "DEVHIVE_GATEWAY_BIN", "DEVHIVE_STORM", "DEVHIVE_SEED", "DEVHIVE_FLOOD_", "DEVHIVE_SOAK_")


def forget_settings():
    """What the caller's shell exports for a gateway of its own must not reach those of the tests."""
    for name in list(os.environ):
        if name.startswith(SETTINGS) and not name.startswith(SWITCHES):
            del os.environ[name]


class Gateway:
    def __init__(self, database_url, *options, environment=None, limits=None, forbidden=(), ignored=()):
        """`limits`: soft and hard by resource, as `resource.setrlimit` has them; `forbidden`: numbers of system calls;
        `ignored`: signals that it finds ignored."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
             "--log-format", "json", "--log-level", "debug", *self._with_defaults(options)],
            env={**clean, "DATABASE_URL": database_url, "JWT_SECRET": tokens.SECRET, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: self._confine(limits or {}, forbidden, ignored))
        self.lines = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            self.address = self._bound("public")
            self.admin_address = self._bound("admin")
        except BaseException:
            self.kill()
            raise

    @staticmethod
    def _confine(limits, forbidden, ignored):
        for limit in limits.items():
            resource.setrlimit(*limit)
        for number in forbidden:
            forbid(number)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    @staticmethod
    def _with_defaults(options):
        """Nobody waits for a drain that no test looks at; and members are what test_membership.py is about."""
        defaults = {"--drain-seconds": "0", "--membership": "off"}
        if SEND_METHOD:
            defaults["--io-uring"] = SEND_METHOD
        return (*options, *(word for name, value in defaults.items() if name not in options for word in (name, value)))

    # The log

    def _read_log(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def log(self, message, **fields):
        """The lines with this message and these fields."""
        found = []
        for line in list(self.lines):
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # A line of the runtime, such as a trap's.
            if entry.get("message") == message and all(entry.get(name) == value for name, value in fields.items()):
                found.append(entry)
        return found

    def wait_for_log(self, message, **fields):
        def look():
            has_ended = self.process.poll() is not None
            if has_ended:
                # Its last lines may still be on their way; a worker that is left may keep the pipe open.
                self._reader.join(2)
            found = self.log(message, **fields)
            assert found or not has_ended, f"ended with {self.process.returncode}:\n{self.tail()}"
            return found
        return wait_until(look, f"a log line {message!r} with {fields}\n{self.tail()}")[0]

    def tail(self):
        return "".join(self.lines[-30:])

    def _bound(self, listener):
        host, port = self.wait_for_log("listening", listener=listener)["address"].rsplit(":", 1)
        return host.strip("[]"), int(port)

    # What it offers

    @property
    def url(self):
        host, port = self.address
        return f"ws://[{host}]:{port}{PATH}" if ":" in host else f"ws://{host}:{port}{PATH}"

    def request(self, path, method="GET", admin=False, headers=None):
        """One plain HTTP request: status, headers, body."""
        connection = http.client.HTTPConnection(
            *(self.admin_address if admin else self.address), timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode("utf-8")
        finally:
            connection.close()

    def is_ready(self):
        return self.request("/readyz", admin=True)[0] == 200

    def wait_until_ready(self):
        wait_until(self.is_ready, f"/readyz is 200\n{self.tail()}")

    def metrics(self):
        """Value by name and labels, as they stand in the exposition."""
        values = {}
        for line in self.request("/metrics", admin=True)[2].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def wait_for_metric(self, name, at_least):
        wait_until(lambda: self.metrics().get(name, 0) >= at_least, f"{name} >= {at_least}\n{self.tail()}")

    def most_memory(self):
        """Bytes: the most that it ever had resident."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))

    # Its end

    @contextlib.contextmanager
    def standing_still(self):
        """Stops the process, so that what comes meanwhile is all there in its next turn."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=DEADLINE_SECONDS):
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def stop(self):
        """Ends it as an operator does, and checks what must hold of every run."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError(f"SIGTERM didn't end it:\n{self.tail()}") from None
        self._reader.join(DEADLINE_SECONDS)
        text = "".join(self.lines)
        assert not any(token in text for token in tokens.issued), "a token stands in the log"
        assert tokens.SECRET not in text, "the secret stands in the log"
        assert not re.search(r"Fatal error|Crash|\*\*\* |Sanitizer: ", text), f"it crashed:\n{self.tail()}"

    def kill(self):
        """Ends it if it still runs, and frees what the test holds of it."""
        self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE_SECONDS)
        self.process.stderr.close()
