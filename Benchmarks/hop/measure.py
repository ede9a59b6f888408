"""Single events, each to a client of every worker, one after the other: what `run` starts. Prints Markdown."""

import argparse
import json
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid

import psycopg2

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
import wire  # noqa: E402

ATTEMPTS_MAX = 64
WARM_UP = 20
SECONDS_MAX = 20
PAUSE_SECONDS = 0.003


class Gateway:
    def __init__(self, path, workers, mode):
        self.process = subprocess.Popen(
            [path, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--workers", str(workers),
             "--database-sessions", mode, "--membership", "off", "--drain-seconds", "0", "--log-format", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.workers = {}
        self.port = self.leader = None
        live = 0
        while live < workers or self.port is None:
            line = json.loads(self.process.stderr.readline())
            match line["message"]:
                case "listening" if line["listener"] == "public":
                    self.port = int(line["address"].rsplit(":", 1)[1])
                case "worker started":
                    self.workers[line["worker"]] = line["process"]
                case "leader named":
                    self.leader = line["worker"]
                case "listener up":
                    live += 1

    def worker_of(self, connection):
        """The one that accepted it, by the number of its socket there."""
        local = "0100007F:%04X" % connection.getsockname()[1]
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            with open("/proc/net/tcp", encoding="ascii") as table:
                inodes = {row.split()[9] for row in table if row.split()[2] == local}
            for worker, process in self.workers.items():
                folder = f"/proc/{process}/fd"
                for name in os.listdir(folder):
                    try:
                        target = os.readlink(f"{folder}/{name}")
                    except OSError:
                        continue
                    if re.fullmatch(r"socket:\[(\d+)\]", target) and target[8:-1] in inodes - {"0"}:
                        return worker
        raise RuntimeError("no worker has the connection")

    def connect(self, project):
        connection = socket.create_connection(("127.0.0.1", self.port), SECONDS_MAX)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(wire.handshake(f"{wire.PATH}?token={wire.token(str(uuid.uuid4()))}&projectId={project}"))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4_096)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return connection

    def client_of_each(self, project):
        found = {}
        for _ in range(ATTEMPTS_MAX):
            connection = self.connect(project)
            worker = self.worker_of(connection)
            if worker in found:
                connection.close()
            else:
                found[worker] = connection
            if len(found) == len(self.workers):
                return found
        raise RuntimeError("some worker gets no connection")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=SECONDS_MAX)


def events(gateway, database, project, count):
    """Nanoseconds from before the statement, which commits, to each worker's client, one list for each event."""
    clients = gateway.client_of_each(project)
    by_descriptor = {connection.fileno(): worker for worker, connection in clients.items()}
    poll = select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    found = []
    for number in range(WARM_UP + count):
        time.sleep(PAUSE_SECONDS)
        mark = str(uuid.uuid4()).encode()
        payload = json.dumps({
            "resource": "tasks", "id": mark.decode(), "action": "UPDATE", "project_id": project,
            "timestamp": "2026-01-02T03:04:05.678901Z"})
        times = {}
        began = time.monotonic_ns()
        database.execute("SELECT pg_notify('cache_invalidate', %s)", (payload,))
        while len(times) < len(clients):
            for descriptor, _ in poll.poll(SECONDS_MAX * 1_000):
                now = time.monotonic_ns()
                if mark in clients[by_descriptor[descriptor]].recv(65_536):
                    times[by_descriptor[descriptor]] = now - began
        if number >= WARM_UP:
            found.append(times)
    for connection in clients.values():
        connection.close()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--events", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    database = connection.cursor()
    project = str(uuid.uuid4())
    # Each worker of `process` alone, the leader, and the followers.
    kinds = {"process": [], "host, leader": [], "host, followers": []}
    hops = []
    for _ in range(options.rounds):
        for mode in ("process", "host"):
            gateway = Gateway(options.gateway, options.workers, mode)
            for times in events(gateway, database, project, options.events // options.rounds):
                for worker, nanoseconds in times.items():
                    name = mode if mode == "process" else (
                        "host, leader" if worker == gateway.leader else "host, followers")
                    kinds[name].append(nanoseconds / 1e3)
                if mode == "host":
                    hops += [
                        (nanoseconds - times[gateway.leader]) / 1e3
                        for worker, nanoseconds in times.items() if worker != gateway.leader]
            gateway.stop()
    print("| microseconds from before the commit to | p50 | p90 | p99 | events |\n| --- | --- | --- | --- | --- |")
    for name, values in kinds.items():
        parts = statistics.quantiles(values, n=100)
        print(f"| a client, `{name}` | {parts[49]:.0f} | {parts[89]:.0f} | {parts[98]:.0f} | {len(values)} |")
    parts = statistics.quantiles(hops, n=100)
    print(f"| the follower's client behind the leader's | {parts[49]:.0f} | {parts[89]:.0f} | {parts[98]:.0f} | {len(hops)} |")


if __name__ == "__main__":
    main()
