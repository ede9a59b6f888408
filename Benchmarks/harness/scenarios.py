"""What is measured: the load generator's options, and which of its figures matter."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    name: str
    # What the figures answer.
    question: str
    options: dict
    figures: tuple
    # Shorter forms of `options` for --quick; None: not part of it.
    quick: dict | None = None
    # Runs only when it is asked for by name: not everybody can do it.
    is_extra: bool = False
    # Only for the gateway itself; the others begin with a script that may build them.
    is_own: bool = False
    # It says what must hold: once is enough, of the gateway as it is.
    is_once: bool = False

    def suits(self, contestant, is_named):
        """`is_named`: whether the contestant was asked for by name."""
        if not self.is_own:
            return True
        return contestant.is_own and (is_named or not self.is_once or contestant.is_plain)

    def arguments(self, is_quick):
        options = {**self.options, **(self.quick or {})} if is_quick else self.options
        words = []
        for name, value in options.items():
            words += [f"--{name}", str(value)]
        return words


THROUGHPUT = ("deliveries_per_second", "server_cpu_per_delivery", "last_receiver_p50", "last_receiver_p99")
LATENCY = ("delivery_p50", "delivery_p99", "delivery_p99.9", "server_cpu_per_delivery")


def fan_out(clients, label, quick=None):
    return Scenario(
        f"fanout-{label}",
        f"{clients:,} clients of one project; the next message when the last client has the one before",
        {"scenario": "fanout", "clients": clients, "seconds": 6},
        THROUGHPUT,
        quick,
    )


SCENARIOS = (
    fan_out(100, "100"),
    fan_out(1_000, "1k", {"seconds": 1.5, "warm-up": 0.3}),
    fan_out(3_000, "3k"),
    fan_out(10_000, "10k"),
    fan_out(18_000, "18k"),
    Scenario(
        "burst-1k",
        "20 notifications in one commit, 1,000 clients of one project",
        {"scenario": "burst", "clients": 1_000, "burst": 20, "seconds": 6},
        THROUGHPUT,
        {"seconds": 1.5, "warm-up": 0.3},
    ),
    Scenario(
        "projects-10k",
        "100 projects of 100 clients, a message for one after the other, closed loop",
        {"scenario": "projects", "clients": 10_000, "projects": 100, "seconds": 6},
        THROUGHPUT,
    ),
    Scenario(
        "projects-rate",
        "100 projects of 100 clients, 20,000 deliveries a second, whatever becomes of those before",
        {"scenario": "projects", "clients": 10_000, "projects": 100, "rate": 20_000, "seconds": 6},
        LATENCY,
    ),
    Scenario(
        "single",
        "from the commit to one client, beside a listener with no server in between",
        {"scenario": "single", "seconds": 6},
        ("delivery_p50", "delivery_p99", "bare_listener_p50", "delivery_to_bare", "to_socket_to_bare"),
        {"seconds": 1.5, "warm-up": 0.3},
    ),
    Scenario(
        "fairness-10k",
        "another project's event for its one client during a continuous fan-out to 10,000",
        {"scenario": "fairness", "clients": 10_000, "seconds": 8},
        ("probe_p50", "probe_p99", "probe_max", "deliveries_per_second"),
    ),
    Scenario(
        "storm-10k",
        "10,000 clients connect at once; a project's event for its one client meanwhile",
        {"scenario": "handshake", "clients": 10_000},
        ("upgrades_per_second", "server_cpu_per_upgrade", "handshake_p99", "probe_p99", "probe_max"),
    ),
    Scenario(
        "idle-10k",
        "memory that 10,000 idle connections add to a server that has seen 200",
        {"scenario": "idle", "clients": 10_000},
        ("memory_per_connection", "memory_after"),
    ),
    Scenario(
        "idle-18k",
        "the same with 18,000",
        {"scenario": "idle", "clients": 18_000},
        ("memory_per_connection", "memory_after"),
    ),
    Scenario(
        "idle-cpu-18k",
        "processor time of 18,000 idle connections over a minute, keepalive included",
        {"scenario": "idlecpu", "clients": 18_000, "seconds": 60},
        ("server_core_share",),
    ),
    Scenario(
        "start",
        "from exec(3) until connections are accepted, and until the database is heard; ten starts",
        {"scenario": "start"},
        ("exec_to_listening", "exec_to_hearing"),
        is_own=True,
    ),
    Scenario(
        "hostile",
        "1,000 hostile connections of eight kinds, one kind after the other, beside a client that behaves well",
        {"scenario": "hostile"},
        ("longest_turn", "ping_p99", "ping_max", "livez_max", "memory_peak"),
        is_extra=True,
        is_own=True,
        is_once=True,
    ),
    Scenario(
        "scale-100k",
        "100,000 clients of one project, for servers of several processes",
        {"scenario": "fanout", "clients": 100_000, "seconds": 15, "window": 512},
        (*THROUGHPUT, "server_memory"),
        is_extra=True,
    ),
    Scenario(
        "scale-300k",
        "300,000 clients of one project, for servers of several processes",
        {"scenario": "fanout", "clients": 300_000, "seconds": 20, "window": 512},
        (*THROUGHPUT, "server_memory"),
        is_extra=True,
    ),
    Scenario(
        "slow-200",
        "20 of 200 clients read nothing while the others get all they can",
        {"scenario": "slow", "clients": 200, "burst": 100, "seconds": 8},
        ("messages_per_second", "memory_growth", "slow_complete", "slow_told", "slow_disconnected"),
    ),
    Scenario(
        "churn-1k",
        "fan-out to 1,000 clients while 500 others a second are reset and come back",
        {"scenario": "churn", "clients": 1_000, "resets": 500, "seconds": 6},
        ("deliveries_per_second", "reconnects_per_second", "handshake_p99", "memory_growth"),
    ),
)

UNITS = {"us": "µs", "1/s": "/s", "%": "%", "x": "×", "B": "B", "MiB": "MiB", "ms": "ms", "s": "s", "": ""}
