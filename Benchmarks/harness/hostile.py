"""A thousand hostile connections of one kind after the other, beside a client that behaves well."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from contestants import REPOSITORY, Contestant, Server, ServerFailure, free_port
from hostile_clients import MEMBER, MEMBERS_PROJECT, PROJECTS, USERS
from witness import PROJECT, USER, Client, Probe, Writer, ask

CONNECTIONS = 1_000
SECONDS = 10
# How much longer a process may need to end.
PATIENCE_SECONDS = 60

# A turn's processor time, and all of its time.
TURN = "devhive_loop_turn_cpu_seconds"
WHOLE_TURN = "devhive_loop_turn_seconds"

# What must hold, whatever they send.
TURN_SECONDS_MAX = 0.010
PING_SECONDS_MAX = 0.020
LIVEZ_SECONDS_MAX = 0.100
MEMORY_BYTES_MAX = 256 << 20
# How often a kind is measured that was slow the first time: it holds if most of them do. A machine that stops for
# 20 ms shows in one of them, and what the gateway does in each.
TRIES = 3

# Kind, its words in the table, and what the gateway needs for it.
KINDS = (
    ("documents", "8 KiB of JSON before init", ()),
    ("compressed", "the same, compressed", ("--compression", "on")),
    ("headers", "6 KB in a token's header", ()),
    ("halves", "a header's byte a second", ()),
    ("hellos", "a ClientHello again and again", ("--tls-cert", "{certificate}", "--tls-key", "{key}")),
    ("pings", "floods of pings", ()),
    ("joins", "members join and leave", ()),
    ("bytes", "frames of one byte", ()),
)

# Without triggers: nobody is told, and no user has to exist.
STATEMENT = f"""
    SET session_replication_role = replica;
    INSERT INTO projects (id, name) VALUES ('{PROJECT}', 'witness') ON CONFLICT DO NOTHING;
    INSERT INTO project_members (project_id, user_id) VALUES ('{PROJECT}', '{USER}') ON CONFLICT DO NOTHING;
    INSERT INTO projects (id, name) SELECT format(:'project', lpad(to_hex(n), 12, '0'))::uuid, 'hostile'
        FROM generate_series(0, {PROJECTS - 1}) AS n ON CONFLICT DO NOTHING;
    INSERT INTO project_members (project_id, user_id)
        SELECT format(:'project', lpad(to_hex(n), 12, '0'))::uuid, format(:'member', lpad(to_hex(u), 12, '0'))::uuid
        FROM generate_series(0, {PROJECTS - 1}) AS n CROSS JOIN generate_series(0, {USERS - 1}) AS u
        ON CONFLICT DO NOTHING;
    ANALYZE project_members;
"""


@dataclass
class Outcome:
    words: str
    # Bounds of the histogram's highest bucket that grew; the upper one is infinite beyond its last. Of a turn's
    # processor time, and of all of it.
    turn: tuple = (0.0, 0.0)
    whole_turn: tuple = (0.0, 0.0)
    pings: list = field(default_factory=list)
    events: list = field(default_factory=list)
    livez: float = 0.0
    memory: int = 0
    # Seconds for which the gateway could run and the machine did something else.
    waited: float = 0.0
    crowd: dict = field(default_factory=dict)
    # What was slow once, and what must never be.
    delays: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    def judge(self):
        if self.turn[0] >= TURN_SECONDS_MAX:
            self.delays.append(f"a turn of over {milliseconds(self.turn[0])} ms")
        if percentile(self.pings, 99) >= PING_SECONDS_MAX:
            self.delays.append(f"a ping's p99 of {milliseconds(percentile(self.pings, 99))} ms")
        if not self.pings:
            self.faults.append("no ping was answered")
        if self.livez > LIVEZ_SECONDS_MAX:
            self.faults.append(f"/livez took {milliseconds(self.livez)} ms")
        if self.memory > MEMORY_BYTES_MAX:
            self.faults.append(f"{self.memory >> 20} MiB of memory")

    def cells(self):
        return [
            self.words, bound(*self.turn), bound(*self.whole_turn),
            milliseconds(percentile(self.pings, 99)), milliseconds(max(self.pings, default=0)),
            milliseconds(percentile(self.events, 99)), milliseconds(self.livez), f"{self.memory / 2**20:.0f}",
            milliseconds(self.waited), f"{self.crowd.get('opened', 0):,}", f"{self.crowd.get('bytes', 0) / 2**20:,.0f}",
            "; ".join(self.faults + self.delays) or "holds",
        ]  # fmt: skip


HEADINGS = [
    "", "longest turn", "with waiting", "ping p99", "ping max", "event p99", "/livez max", "memory, MiB", "kept waiting",
    "connections", "MiB sent", "",
]  # fmt: skip


def measure_hostile(contestant):
    """A result as the load generator gives it; prints a table of the kinds."""
    folder = REPOSITORY / ".state" / "bench" / "hostile"
    folder.mkdir(parents=True, exist_ok=True)
    make_certificate(folder)
    subprocess.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", f"project={words_of(MEMBERS_PROJECT)}", "-v",
         f"member={words_of(MEMBER)}", "-d", os.environ["DATABASE_URL"]],
        input=STATEMENT, text=True, check=True, timeout=60,
    )  # fmt: skip
    kinds = [measure_tries(contestant, *kind, folder) for kind in KINDS]
    print_table([HEADINGS, *(each.cells() for tries in kinds for each in tries)])
    print(
        "Times are in milliseconds. The longest turn is the highest bucket of devhive_loop_turn_cpu_seconds that grew, and the\n"
        "next column that of devhive_loop_turn_seconds, which has what the turn was kept waiting for a processor, too."
    )
    outcomes = [each for tries in kinds for each in tries]
    return {
        "failures": [tries[0].words for tries in kinds if not holds(tries)],
        "figures": {
            "longest_turn": {"value": worst(kinds, lambda each: each.turn[0]) * 1e3, "unit": "ms"},
            "ping_p99": {"value": worst(kinds, lambda each: percentile(each.pings, 99)) * 1e3, "unit": "ms"},
            "ping_max": {"value": worst(kinds, lambda each: max(each.pings, default=0)) * 1e3, "unit": "ms"},
            "livez_max": {"value": max(each.livez for each in outcomes) * 1e3, "unit": "ms"},
            "memory_peak": {"value": max(each.memory for each in outcomes) / 2**20, "unit": "MiB"},
        },
        "histograms_ns": {}, "parameters": {},
        "notes": [f"{each.words}: {words}" for each in outcomes for words in each.faults + each.delays],
    }  # fmt: skip


def measure_tries(contestant, kind, words, options, folder):
    """Once; and if that was slow, as often as it takes to tell the machine's doing from the gateway's."""
    tries = []
    while not tries or tries[0].delays and not tries[-1].faults and len(tries) < TRIES:
        print(f"hostile: {words}{', again' * bool(tries)}", file=sys.stderr, flush=True)
        tries.append(measure_kind(contestant, kind, words, options, folder))
    return tries


def holds(tries):
    return not any(each.faults for each in tries) and 2 * sum(bool(each.delays) for each in tries) < len(tries)


def worst(kinds, figure):
    """Of the kinds; of each the median."""
    return max(statistics.median_low(figure(each) for each in tries) for tries in kinds)


def measure_kind(contestant, kind, words, options, folder):
    outcome = Outcome(words)
    admin_port = free_port(28080)
    places = {"certificate": folder / "certificate.pem", "key": folder / "key.pem"}
    # With the limits that it has by default; those of the other scenarios are off.
    command = [
        contestant.command[0], "serve", "--listen", "127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin_port}",
        "--log-level", "error", "--drain-seconds", "0", *(word.format(**places) for word in options), *contestant.variant,
    ]  # fmt: skip
    try:
        with Server(Contestant(contestant.name, command), folder / f"{kind}.log") as server:
            measure(server, admin_port, kind, outcome)
            if server.process.poll() is not None:
                outcome.faults.append(f"the gateway ended with {server.process.returncode}")
    except (ServerFailure, OSError, ValueError) as failure:
        outcome.faults.append(f"no figures: {failure!r}")
    outcome.judge()
    return outcome


def measure(server, admin_port, kind, outcome):
    pid = server.process.pid
    with hostile_crowd(kind, server.port) as crowd:
        client = Client(("127.0.0.1", server.port), is_secure=kind == "hellos")
        writer, probe = Writer(client), Probe(admin_port, pid)
        turns, waited = turn_counts(admin_port), seconds_waited(pid)
        whole_turns = turn_counts(admin_port, WHOLE_TURN)
        for each in (client, writer, probe):
            each.start()
        crowd.begin()
        outcome.crowd = crowd.figures()
        for each in (writer, client, probe):
            each.stop()
        outcome.turn = highest_grown(turns, turn_counts(admin_port))
        outcome.whole_turn = highest_grown(whole_turns, turn_counts(admin_port, WHOLE_TURN))
        outcome.waited = seconds_waited(pid) - waited
    outcome.pings, outcome.events = client.pings, client.events
    outcome.livez, outcome.memory = probe.longest, probe.memory
    outcome.faults += client.faults + probe.faults[:1]


class hostile_crowd:
    """The hostile clients' process; less eager than the well-behaved one, should they share a processor."""

    def __init__(self, kind, port):
        self._command = [
            "nice", "-n", "5", sys.executable, str(Path(__file__).with_name("hostile_clients.py")), kind, "127.0.0.1",
            str(port), str(CONNECTIONS), str(SECONDS),
        ]  # fmt: skip
        cores = os.sched_getaffinity(0)
        if len(cores) > 1:
            self._command = ["taskset", "-c", str(max(cores)), *self._command]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "ready\n":
            raise ServerFailure("the hostile clients couldn't connect")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def begin(self):
        self._process.stdin.close()
        self._process.stdin = None

    def figures(self):
        """When they have ended."""
        try:
            output, _ = self._process.communicate(timeout=SECONDS + PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise ServerFailure("the hostile clients did not end") from None
        return json.loads(output)


def turn_counts(admin_port, histogram=TURN):
    """How many turns took that long at most, by seconds."""
    _, text = ask(admin_port, "/metrics")
    found = re.findall(rf'^{histogram}_bucket\{{le="([^"]+)"\}} (\d+)', text, re.MULTILINE)
    return [(float(bound.replace("+Inf", "inf")), int(count)) for bound, count in found]


def highest_grown(before, after):
    low, highest, grown_below = 0.0, (0.0, 0.0), 0
    for (bound, count), (_, count_before) in zip(after, before):
        grown = count - count_before
        if grown > grown_below:
            highest = (low, bound)
        low, grown_below = bound, grown
    return highest


def seconds_waited(pid):
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[1]) / 1e9


def make_certificate(folder):
    if not (folder / "key.pem").exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
             "-subj", "/CN=localhost", "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip


def bound(low, high):
    return f"> {milliseconds(low)}" if high == float("inf") else f"<= {milliseconds(high)}"


def words_of(identifier):
    """A form of Python's as PostgreSQL's format() takes it."""
    return identifier.replace("{:012x}", "%s")


def percentile(values, share):
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def milliseconds(seconds):
    return f"{seconds * 1e3:,.1f}" if seconds < 0.1 else f"{seconds * 1e3:,.0f}"


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(flush=True)
