"""Runs gateways with and without the bus, and their clients, by turns: what `run` starts. Prints Markdown."""

import argparse
import json
import os
import random
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import wire  # noqa: E402

WARM_UP_SECONDS = 2.5  # Until those who went first come back: from then on as many come as go.
AWAY_SECONDS = 2.0
CHANGES = 17  # After each of which all statuses are looked at.
OBSERVERS_PER_WORKER = 8  # Connections that ask for statuses: the kernel chooses the worker.
POLL_SECONDS = 0.003


def say(text):
    print(f"{time.monotonic() - BEGAN:6.1f} s: {text}", file=sys.stderr, flush=True)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


# What the kernel knows of a process

def run_seconds(pid):
    """On a processor, of all its threads."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    except FileNotFoundError:
        pass
    return total / 1e9


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(one) for one in file.read().split()]


def resident(pid):
    """Bytes, those that it shares with others included."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Redis:
    def __init__(self, port):
        self.port = port

    def traffic(self):
        """Bytes in, out."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as one:
            one.sendall(b"INFO stats\r\n")
            text = b""
            while b"total_net_output_bytes:" not in text or not text.endswith(b"\r\n"):
                text += one.recv(1 << 16)
        fields = dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
        return int(fields["total_net_input_bytes"]), int(fields["total_net_output_bytes"])


class Gateway:
    def __init__(self, options, name, arguments, environment):
        self.port, self.admin_port = free_ports(2)
        self.log = os.path.join(options.folder, f"{name}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [options.gateway, "serve", "--listen", f"127.0.0.1:{self.port}", "--admin-listen",
                 f"127.0.0.1:{self.admin_port}", "--membership", "off", "--log-level", "warning",
                 "--connections-per-address", "off", "--connections-per-user", "off", "--handshakes-per-second", "off",
                 # Nobody is pinged meanwhile: pings come all at once a while after all have connected.
                 "--ping-interval", "1h", "--read-timeout", "2h", "--drain-seconds", "0", *arguments],
                env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        STARTED.append(self.process)
        self.pids = []

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def is_ready(self):
        try:
            return self.get("/readyz") is not None
        except OSError:
            return False

    def metrics(self):
        lines = (line.rpartition(" ") for line in self.get("/metrics").splitlines() if line.startswith("devhive_bus_"))
        return {name: float(value) for name, _, value in lines}


class System:
    """Gateways that meet, or don't, and their clients."""

    def __init__(self, options, is_on):
        self.options, self.is_on = options, is_on
        environment = {"DATABASE_URL": f"{options.database}/bus_{'on' if is_on else 'off'}"}
        arguments = [] if is_on else ["--bus", "off"]
        if options.carrier == "workers":
            environment["BUS_SECRET"] = ""
            arguments += ["--workers", str(options.nodes)]
        elif options.carrier == "redis":
            environment["REDIS_URL"] = f"redis://127.0.0.1:{options.redis_port}"
        count = 1 if options.carrier == "workers" else options.nodes
        self.gateways = [Gateway(options, f"{is_on}-{n}", arguments, environment) for n in range(count)]
        self.crowds = []

    def wait(self):
        until(lambda: all(one.is_ready() for one in self.gateways), "all gateways are ready")
        for one in self.gateways:
            one.pids = children(one.process.pid) if self.options.carrier == "workers" else [one.process.pid]
        self.pids = [pid for one in self.gateways for pid in one.pids]
        assert len(self.pids) == self.options.nodes, self.pids
        self.memory_empty = [resident(pid) for pid in self.pids]

    def start_crowds(self):
        options = self.options
        for n in range(options.nodes):
            self.crowds.append(subprocess.Popen(
                [sys.executable, os.path.join(HERE, "crowd.py"), "--port", str(self.gateways[n % len(self.gateways)].port),
                 "--source", f"127.5.{n + 1}.1", "--first", str(n), "--step", str(options.nodes),
                 "--count", str(options.clients), "--team", str(options.team), "--share", str(options.share)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            STARTED.append(self.crowds[-1])

    def tell(self, **asked):
        for one in self.crowds:
            one.stdin.write(json.dumps(asked) + "\n")
            one.stdin.flush()

    def answers(self):
        answers = [json.loads(one.stdout.readline()) for one in self.crowds]
        turn = f"{time.monotonic() - BEGAN:.0f} s, {'with' if self.is_on else 'without'} the bus"
        for one in answers:
            for what, count in one["failures"].items():
                FAILURES.append(f"{turn}: {count} {what}")
            if one["there"] != self.options.clients:
                FAILURES.append(f"{turn}: {self.options.clients - one['there']} clients aren't there")
        return answers

    def metrics(self):
        """Sums, but of what is a gauge the greatest."""
        all_of = [one.metrics() for one in self.gateways]
        return {name: (sum if name.endswith("_total") else max)(one.get(name, 0) for one in all_of)
                for name in all_of[0]}

    def sample(self):
        options = self.options
        backends = children(options.database_pid)
        return {
            "at": time.monotonic(),
            "nodes": [run_seconds(pid) for pid in self.pids],
            "parent": run_seconds(self.gateways[0].process.pid) if options.carrier == "workers" else 0,
            "redis": run_seconds(options.redis_pid),
            "database": run_seconds(options.database_pid) + sum(map(run_seconds, backends)),
            "crowds": sum(run_seconds(one.pid) for one in self.crowds),
        }

    def turn(self, redis):
        """One turn of load: shares of a core, and what went over the bus in a second."""
        options = self.options
        self.tell(do="load", seconds=WARM_UP_SECONDS + options.seconds + 0.5, away=AWAY_SECONDS,
                  churn=options.churn / options.nodes, typing=options.typing / options.nodes)
        time.sleep(WARM_UP_SECONDS)
        figures, traffic = self.metrics(), redis.traffic()
        before = self.sample()
        time.sleep(options.seconds)
        after = self.sample()
        seconds = after["at"] - before["at"]
        traffic = [(b - a) / seconds for a, b in zip(traffic, redis.traffic(), strict=True)]
        later = self.metrics()
        result = {name: (after[name] - before[name]) / seconds for name in ("parent", "redis", "database", "crowds")}
        result["nodes"] = [(b - a) / seconds for a, b in zip(before["nodes"], after["nodes"], strict=True)]
        result["node"] = statistics.mean(result["nodes"])
        result["redis_bytes"] = traffic
        result["rates"] = {name: (later[name] - figures[name]) / seconds for name in later if name.endswith("_total")}
        result["round_trip_ms"] = later.get("devhive_bus_round_trip_seconds", 0) * 1e3
        answers = self.answers()
        for name in ("went", "came", "typed"):
            result[name] = sum(one[name] for one in answers)
        result["lag_ms"] = max(one["lag_ms"] for one in answers)
        result["heard"] = {}
        for one in answers:
            for kind, count in one["heard"].items():
                result["heard"][kind] = result["heard"].get(kind, 0) + count
        return result

    def idle(self):
        before = self.sample()
        time.sleep(self.options.seconds)
        after = self.sample()
        return [(b - a) / (after["at"] - before["at"]) for a, b in zip(before["nodes"], after["nodes"], strict=True)]


def until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.05)


# How soon a status knows

class Observer:
    """Asks one process for statuses, one request after the other on a connection that stays."""

    def __init__(self, port):
        self.port = port
        self.token = wire.token(str(uuid.uuid4()))
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.asked_at = 0.0

    def ask(self, project):
        self.asked_at = time.monotonic()
        self.socket.sendall(wire.request(f"/api/v1/projects/{project}/ws/status", Authorization=f"Bearer {self.token}"))

    def take(self):
        """The answer, when it is whole."""
        taken = self.socket.recv(1 << 20)
        if not taken:
            raise SystemExit("a connection for statuses was closed")
        self.received += taken
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        if len(body) < length:
            return None
        self.received = body[length:]
        if b" 200 " not in head.split(b"\r\n")[0] + b" ":
            raise SystemExit(self.received.decode() or head.decode())
        return json.loads(body[:length])


def connect(port, project):
    one = socket.create_connection(("127.0.0.1", port))
    one.sendall(wire.handshake(f"{wire.PATH}?token={wire.token(str(uuid.uuid4()))}&projectId={project}"))
    text = one.recv(4096)
    if b" 101 " not in text:
        raise SystemExit(text.decode())
    return one


def seconds_until(observers, project, expected, nodes):
    """From now until each says so, and until each says it with nothing missing; the slowest answer, and our own longest pause."""
    began = time.monotonic()
    told, whole = {}, {}
    with selectors.DefaultSelector() as selector:
        for one in observers:
            selector.register(one.socket, selectors.EVENT_READ, one)
            one.ask(project)
        asks, slowest, paused, last = [], 0, 0, began
        while len(whole) < len(observers):
            now = time.monotonic()
            paused, last = max(paused, now - last), now
            if now - began > 5:
                FAILURES.append("a status wasn't whole within 5 s")
                break
            while asks and asks[0][0] <= now:
                asks.pop(0)[1].ask(project)
            for key, _ in selector.select(0.001):
                one, now = key.data, time.monotonic()
                answer = one.take()
                if answer is None:
                    continue
                slowest = max(slowest, now - one.asked_at)
                if answer["project_clients"] == expected:
                    told.setdefault(one, now - began)
                    if not answer["partial"] and len(answer["user_ids"]) == expected and answer["nodes"] == nodes:
                        whole[one] = now - began
                        continue
                asks.append((now + POLL_SECONDS, one))
    return max(told.values(), default=5), max(whole.values(), default=5), slowest, paused


def statuses(ports, nodes, observer_count):
    """After each of so many clients that come and go, each of a project of its own; and after all of them at once."""
    observers = [Observer(port) for port in ports for _ in range(observer_count)]
    comes, goes = [], []
    for n in range(CHANGES):
        project = str(uuid.uuid4())
        time.sleep(random.uniform(0, 0.15))
        client = connect(ports[n % len(ports)], project)
        comes.append(seconds_until(observers, project, 1, nodes))
        time.sleep(random.uniform(0, 0.15))
        client.close()
        goes.append(seconds_until(observers, project, 0, nodes))
    projects = [str(uuid.uuid4()) for _ in range(CHANGES)]
    clients = [connect(ports[n % len(ports)], project) for n, project in enumerate(projects)]
    began = time.monotonic()
    for project in projects:
        seconds_until(observers, project, 1, nodes)
    together = time.monotonic() - began
    for one in clients:
        one.close()
    for one in observers:
        one.socket.close()
    return {"comes": comes, "goes": goes, "together": together, "observers": len(observers)}


def total_status(ports):
    """What each says of all clients."""
    answers = []
    for port in ports:
        one = Observer(port)
        one.ask(str(uuid.uuid4()))
        answer = None
        while answer is None:
            answer = one.take()
        one.socket.close()
        answers.append((answer["total_clients"], answer["nodes"], answer["partial"]))
    return answers


# Idle connections, for who uses none of it

def idle_connections(options):
    """Memory of a connection at one gateway, with the bus and without it."""
    found = {}
    for name, arguments, url in (("with", [], f"redis://127.0.0.1:{options.redis_port}"),
                                 ("without", ["--bus", "off", "--presence", "off"], "")):
        gateway = Gateway(options, f"idle-{name}", arguments,
                          {"DATABASE_URL": f"{options.database}/bus_on", "REDIS_URL": url})
        until(gateway.is_ready, "the gateway is ready")
        file = os.path.join(options.folder, f"idle-{name}.json")
        subprocess.run(
            [options.load_generator, "--scenario", "idle", "--clients", str(options.idle), "--quiet", "--json", file,
             "--server-pid", str(gateway.process.pid), "--url",
             f"ws://127.0.0.1:{gateway.port}{wire.PATH}?token={{token}}&projectId={{project}}"],
            env={**os.environ, "DATABASE_URL": f"{options.database}/bus_on"}, stdout=subprocess.DEVNULL, check=True)
        with open(file, encoding="utf-8") as lines:
            result = json.loads(lines.readline())
        before = run_seconds(gateway.process.pid)
        time.sleep(3)
        found[name] = {
            "bytes": result["figures"]["memory_per_connection"]["value"],
            "empty_share": (run_seconds(gateway.process.pid) - before) / 3}
        end(gateway.process)
    return found


# All of it

def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_all():
    for one in STARTED:
        if one.poll() is None:
            one.terminate()
    for one in STARTED:
        end(one)


def measure(options, result):
    redis = Redis(options.redis_port)
    if options.idle:
        result["idle_connections"] = idle_connections(options)
        say(f"idle connections: {result['idle_connections']}")
    workers = Gateway(options, "two-workers", ["--workers", "2"],
                      {"DATABASE_URL": f"{options.database}/bus_on", "BUS_SECRET": ""})
    until(workers.is_ready, "two workers are ready")
    time.sleep(1.5)
    result["two_workers"] = statuses([workers.port], 2, 2 * OBSERVERS_PER_WORKER)
    end(workers.process)
    say("two workers measured")
    on, off = System(options, True), System(options, False)
    for system in (on, off):
        system.wait()
        system.start_crowds()
    result["connecting"] = {}
    for system in (on, off):
        began = time.monotonic()
        before = [run_seconds(pid) for pid in system.pids]
        system.tell(do="connect")
        answers = system.answers()
        seconds = time.monotonic() - began
        name = "on" if system.is_on else "off"
        result["connecting"][name] = {
            "seconds": seconds, "watchers": sum(one["watchers"] for one in answers),
            "cpu": [run_seconds(pid) - a for pid, a in zip(system.pids, before, strict=True)]}
        say(f"{name}: {options.nodes * options.clients} connected within {seconds:.1f} s")
    result["memory"] = {name: {"empty": system.memory_empty, "full": [resident(pid) for pid in system.pids]}
                        for name, system in (("on", on), ("off", off))}
    time.sleep(1)
    result["status"] = total_status([one.port for one in on.gateways])
    say(f"statuses: {result['status']}")
    result["idle"] = {"on": on.idle(), "off": off.idle()}
    result["rounds"] = []
    for n in range(options.rounds):
        pair = {}
        for system in (on, off) if n % 2 == 0 else (off, on):
            pair["on" if system.is_on else "off"] = turn = system.turn(redis)
            say(f"{'with' if system.is_on else 'without'}: {turn['node'] * 100:.2f} % of a core a node")
        result["rounds"].append(pair)
    on.tell(do="load", seconds=8, away=AWAY_SECONDS,
            churn=options.churn / options.nodes, typing=options.typing / options.nodes)
    time.sleep(1)
    ports = [one.port for one in on.gateways]
    result["statuses"] = statuses(
        ports, options.nodes, OBSERVERS_PER_WORKER * options.nodes if options.carrier == "workers" else 1)
    on.answers()
    result["memory_after"] = {"on": list(map(resident, on.pids)), "off": list(map(resident, off.pids))}
    result["metrics"] = on.metrics()


def milliseconds(pairs, place):
    values = sorted(pair[place] * 1e3 for pair in pairs)
    return f"{statistics.median(values):.0f}, {values[-1]:.0f}"


def report(options, result):
    rounds = result.get("rounds", [])
    of = lambda name: [result_of(pair) for pair in rounds for result_of in [name]]
    median = lambda values: statistics.median(values) if values else float("nan")
    print(f"{options.nodes} {'workers' if options.carrier == 'workers' else 'gateways'} with {options.clients:,} clients each, "
          f"carrier {options.carrier}, {options.share:.0%} with presence, teams of {options.team}; "
          f"{options.churn:g} go and come and {options.typing:g} type a second in all; "
          f"{len(rounds)} rounds of {options.seconds:g} s\n")
    lines = []
    if rounds:
        difference = of(lambda pair: pair["on"]["node"] - pair["off"]["node"])
        lines += [
            ("a gateway's share of a core, with the bus, without",
             f"{median(of(lambda p: p['on']['node'])):.2%}, {median(of(lambda p: p['off']['node'])):.2%}"),
            ("of that the bus: median, least and most of the rounds",
             f"{median(difference):.2%} ({min(difference):.2%} to {max(difference):.2%})"),
            ("the gateway with the most, with and without",
             f"{median(of(lambda p: max(p['on']['nodes']))):.2%}, {median(of(lambda p: max(p['off']['nodes']))):.2%}"),
            ("the parent's, with and without",
             f"{median(of(lambda p: p['on']['parent'])):.2%}, {median(of(lambda p: p['off']['parent'])):.2%}"),
            ("Redis' share of a core, with and without",
             f"{median(of(lambda p: p['on']['redis'])):.2%}, {median(of(lambda p: p['off']['redis'])):.2%}"),
            ("PostgreSQL's, with and without",
             f"{median(of(lambda p: p['on']['database'])):.2%}, {median(of(lambda p: p['off']['database'])):.2%}"),
        ]
        rate = lambda name: median(of(lambda p: p["on"]["rates"].get(f"devhive_bus_{name}_total", 0)))
        carrier = "" if options.carrier == "workers" else "carrier_"
        lines += [
            ("said by all, bytes a second", f"{rate(carrier + 'sent_bytes'):,.0f}"),
            ("heard by all, bytes a second", f"{rate(carrier + 'received_bytes'):,.0f}"),
            ("Redis' own count, in, out",
             ", ".join(f"{median(of(lambda p, n=n: p['on']['redis_bytes'][n])):,.0f}" for n in (0, 1))),
            ("frames a second, said, heard",
             f"{rate(carrier + 'frames_sent'):,.0f}, {rate(carrier + 'frames_received'):,.0f}"),
            ("round trip, ms, the slowest gateway's: median, most",
             f"{median(of(lambda p: p['on']['round_trip_ms'])):.1f}, {max(of(lambda p: p['on']['round_trip_ms'])):.1f}"),
            ("went, came, typed in a turn, with, without",
             "; ".join(f"{median(of(lambda p, k=k: p[k]['went'])):.0f}, {median(of(lambda p, k=k: p[k]['came'])):.0f}, "
                       f"{median(of(lambda p, k=k: p[k]['typed'])):.0f}" for k in ("on", "off"))),
            ("presence and typing heard in a turn, with, without",
             "; ".join(str({kind: int(median(of(lambda p, k=k, kind=kind: p[k]["heard"].get(kind, 0))))
                            for kind in sorted({kind for p in rounds for kind in p[k]["heard"]})}) for k in ("on", "off"))),
            ("clients' own share of two processors", f"{median(of(lambda p: p['on']['crowds'])) / 2:.0%}"),
            ("latest step of the clients, ms", f"{max(of(lambda p: max(p['on']['lag_ms'], p['off']['lag_ms'])))}"),
        ]
    if "idle" in result:
        lines.append(("idle: a gateway's share of a core, with, without", ", ".join(
            f"{statistics.mean(result['idle'][name]):.2%}" for name in ("on", "off"))))
    if "connecting" in result:
        lines.append(("while all connect: a gateway's processor time, with, without", ", ".join(
            f"{statistics.mean(one['cpu']) / options.clients * 1e6:.0f} µs a client" for one in result["connecting"].values())))
    if "memory" in result:
        lines.append(("memory of a gateway, empty, full, MiB, with; without", "; ".join(
            f"{median(one['empty']) / 2**20:.1f}, {median(one['full']) / 2**20:.1f}" for one in result["memory"].values())))
    if "memory_after" in result:
        lines.append(("the same at the end, with, without", ", ".join(
            f"{median(one) / 2**20:.1f}" for one in result["memory_after"].values())))
    if "status" in result:
        lines.append(("clients, gateways, partial, by the statuses", "; ".join(
            f"{all_of:,}, {nodes}, {partial}" for all_of, nodes, partial in sorted(set(result["status"])))))
    for name, words in (("two_workers", "two workers, idle"), ("statuses", "all, under load")):
        if name in result:
            one = result[name]
            for what in ("comes", "goes"):
                lines.append((f"{words}: one {what}, ms until all count it; until all are whole (median, most of {CHANGES})",
                              f"{milliseconds(one[what], 0)}; {milliseconds(one[what], 1)}"))
            lines.append((f"{words}: ms until all are whole of {CHANGES} projects at once", f"{one['together'] * 1e3:.0f}"))
            lines.append((f"{words}: the slowest answer, and the longest that who asks didn't run, ms", ", ".join(
                f"{max(change[place] for change in one['comes'] + one['goes']) * 1e3:.0f}" for place in (2, 3))))
    if "idle_connections" in result:
        lines.append((f"{options.idle:,} idle connections at one gateway: bytes each, with bus and presence, without", ", ".join(
            f"{one['bytes']:.0f}" for one in result["idle_connections"].values())))
    if "metrics" in result:
        lines.append(("at the end", ", ".join(
            f"{name} {result['metrics'].get(f'devhive_bus_{name}_total', 0):.0f}" for name in (
                "gaps", "snapshots", "frames_dropped", "frames_stale", "frames_invalid", "partial_statuses", "nodes_gone",
                "carrier_frames_dropped", "carrier_losses", "carrier_frames_repeated", "carrier_frames_unproven"))))
    print("| | |\n| --- | --- |")
    for name, value in lines:
        print(f"| {name} | {value} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--carrier", choices=("redis", "notify", "workers"), default="redis")
    for name, value in (("nodes", 8), ("clients", 12500), ("team", 50), ("rounds", 4), ("idle", 10000),
                        ("database-pid", 0), ("redis-port", 0), ("redis-pid", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in (("share", 0.1), ("churn", 400), ("typing", 400), ("seconds", 6)):
        parser.add_argument(f"--{name}", type=float, default=value)
    for name in ("gateway", "load-generator", "database", "folder"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--json")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped before all was measured"))
    result = {"options": vars(options)}
    try:
        measure(options, result)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_all()
        for name in sorted(os.listdir(options.folder)) if FAILURES else ():
            with open(os.path.join(options.folder, name), encoding="utf-8") as file:
                for line in file if name.endswith(".log") and name != "redis.log" else ():
                    print(f"{name}: {line}", end="", file=sys.stderr)
        report(options, result)
        if options.json:
            with open(options.json, "a", encoding="utf-8") as file:
                file.write(json.dumps({**result, "failures": FAILURES}) + "\n")
    sys.exit("\n".join(FAILURES) or 0)


BEGAN = time.monotonic()
STARTED, FAILURES = [], []
main()
