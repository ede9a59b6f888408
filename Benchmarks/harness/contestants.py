"""Who is measured, and how each is started and stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
REPOSITORY = BENCHMARKS.parent
START_SECONDS = 120  # The first start of some builds them.
STOP_SECONDS = 8


class Contestant:
    """A server that can be started. `environment` is added to what it inherits; `variant` is what `--variant` adds."""

    def __init__(self, name, command, environment=None, description="", checks_members=False, variant=()):
        self.name = name
        self.variant = variant
        self.checks_members = checks_members
        self.command = command
        self.environment = environment or {}
        self.description = description

    @property
    def is_own(self):
        """Whether it is the gateway; the others have a script that starts them."""
        return not self.command[0].endswith("/start")

    @property
    def is_plain(self):
        """Whether it is the gateway as it is, or with what `--variant` adds."""
        return self.name == "gateway" or bool(self.variant)

    def missing(self):
        """Names the Debian packages without which it can't run; an empty text when all are there."""
        if self.is_own:
            return ""
        check = subprocess.run(
            [self.command[0], "--check"], capture_output=True, text=True, timeout=60, check=False
        )
        if check.returncode == 0:
            return ""
        return " ".join(check.stdout.split()) or check.stderr.strip() or "it says no more"


def contestants(binary, variants):
    """The gateway first: the others are compared with it."""
    gateway = [
        str(binary), "serve", "--listen", "127.0.0.1:{port}",
        "--admin-listen", "127.0.0.1:0", "--membership", "off", "--log-level", "error",
        "--drain-seconds", "0",
        # All clients come from a few addresses of this host, at once; what is measured isn't that.
        "--connections-per-address", "off", "--connections-per-user", "off", "--handshakes-per-second", "off",
        # Round trips are measured with a ping for each message.
        "--messages-per-second", "off",
    ]  # fmt: skip
    found = [
        Contestant("gateway", gateway, description="this program, with io_uring where the kernel lets it"),
        Contestant("gateway-send", [*gateway, "--io-uring", "off"], description="this program, with send(2)"),
        Contestant(
            "gateway-members", [*gateway, "--membership", "on"], checks_members=True,
            description="this program, which asks the database who is a member",
        ),
    ]  # fmt: skip
    for name, options in variants:
        description = f"this program, {' '.join(options)}"
        found.append(Contestant(name, gateway + options, description=description, variant=options))
    floor = BENCHMARKS / "floor" / "start"
    if floor.exists():
        for method in ("send", "uring"):
            found.append(
                Contestant(
                    f"floor-{method}", [str(floor)], {"SEND_METHOD": method},
                    f"the least that a C program can do, with {'io_uring' if method == 'uring' else 'send(2)'}",
                )  # fmt: skip
            )
    for start in sorted((BENCHMARKS / "peers").glob("*/start")):
        found.append(Contestant(start.parent.name, [str(start)], description=PEERS.get(start.parent.name, "")))
    return found


PEERS = {
    "go": "gorilla/websocket and pgx, a goroutine pair for each connection",
    "nchan": "nginx with Nchan, behind a bridge from LISTEN; checks no token",
    "node": "Node's ws and pg",
    "python": "Python's websockets, with uvloop where it is installed",
}


class Server:
    """A contestant that runs. Use it with `with`: it is stopped at the end, whatever happens."""

    def __init__(self, contestant, log):
        self.contestant = contestant
        self.port = free_port(18080)
        self.log = log
        self.process = None

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/api/v1/messages/ws?token={{token}}&projectId={{project}}"

    def __enter__(self):
        command = [word.format(port=self.port) for word in self.contestant.command]
        cores = os.environ.get("BENCH_SERVER_CORES")
        if cores:
            command = ["taskset", "-c", cores, *command]
        environment = {**os.environ, "PORT": str(self.port), **self.contestant.environment}
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            # A session of its own, so that all of its processes can be ended together.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                start_new_session=True,
            )  # fmt: skip
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def await_ready(self):
        """Until it accepts connections and listens to the database."""
        deadline = time.monotonic() + START_SECONDS
        while not accepts(self.port):
            if self.process.poll() is not None:
                raise ServerFailure(f"ended while starting, see {self.log}")
            if time.monotonic() > deadline:
                raise ServerFailure(f"not ready within {START_SECONDS} s, see {self.log}")
            time.sleep(0.05)
        deadline = time.monotonic() + 3
        while not somebody_listens() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        # The next one's LISTEN must not be taken for this one's.
        deadline = time.monotonic() + 5
        while somebody_listens() and time.monotonic() < deadline:
            time.sleep(0.05)


def end_in_order():
    """Lets SIGTERM unwind the program, so that the server that runs is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class ServerFailure(Exception):
    pass


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def somebody_listens():
    """Whether a database connection's last statement is LISTEN."""
    outcome = subprocess.run(
        [
            "psql", "-XAtq", "-d", os.environ["DATABASE_URL"], "-c",
            "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'listen%'",
        ],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return outcome.stdout.strip() not in ("", "0")


def free_port(first):
    for port in range(first, 65_536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailure("no free port")
