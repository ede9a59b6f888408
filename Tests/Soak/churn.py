"""Connections come and go for minutes, beside many that are held: memory and descriptors stay what they were.

    churn.py LOAD_GENERATOR MINUTES

The load generator checks every delivery to those who are held. DEVHIVE_SOAK_CLIENTS: how many, 18,000 by default or
what the limit of descriptors allows.
"""

import os
import resource
import statistics
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "EndToEndTests"))
from support import tokens  # noqa: E402
from support.cluster import TEMPLATE, Cluster  # noqa: E402
from support.gateway import UNLIMITED, VISIBLE, Gateway  # noqa: E402
from support.waiting import wait_until  # noqa: E402

RESETS_PER_SECOND = 500
SAMPLE_SECONDS = 2
# Of resident memory, from the second quarter of the time to the last.
GROWTH_MAX = 4 << 20
# Nothing is sent to a connection that was reset, so nothing of it may stay.
SETTLING_SECONDS = 30


def held_clients():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A tenth more of them comes and goes; the gateway needs some for itself.
    return int(os.environ.get("DEVHIVE_SOAK_CLIENTS", min(18_000, (hard - 500) * 10 // 11)))


def resident_bytes(gateway):
    with open(f"/proc/{gateway.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


class Samples(threading.Thread):
    """Resident memory, again and again."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self._gateway = gateway
        self._end = threading.Event()
        self.bytes = []

    def run(self):
        while not self._end.wait(SAMPLE_SECONDS):
            self.bytes.append(resident_bytes(self._gateway))

    def stop(self):
        self._end.set()
        self.join()


def slope(samples):
    """Bytes a minute, by least squares."""
    line = statistics.linear_regression(range(len(samples)), samples)
    return line.slope * 60 / SAMPLE_SECONDS


def churn(gateway, database_url, load_generator, minutes):
    samples = Samples(gateway)
    samples.start()
    host, port = gateway.address
    try:
        subprocess.run(
            [load_generator, "--scenario", "churn", "--clients", str(held_clients()), "--resets", str(RESETS_PER_SECOND),
             "--seconds", str(minutes * 60), "--deadline", str(minutes * 60 + 300),
             "--server-pid", str(gateway.process.pid), "--url",
             f"ws://{host}:{port}/api/v1/messages/ws?token={{token}}&projectId={{project}}"],
            env={**os.environ, "DATABASE_URL": database_url, "JWT_SECRET": tokens.SECRET},
            stdin=subprocess.DEVNULL, check=True)
    finally:
        samples.stop()
    return samples.bytes


def main():
    load_generator, minutes = sys.argv[1], int(sys.argv[2])
    cluster = Cluster()
    try:
        cluster.create_database(TEMPLATE)
        cluster.apply_migrations(TEMPLATE)
        url = cluster.url(TEMPLATE)
        gateway = Gateway(url, *UNLIMITED, *VISIBLE, "--log-level", "info")
        try:
            gateway.wait_until_ready()
            before = descriptors(gateway)
            samples = churn(gateway, url, load_generator, minutes)
            wait_until(
                lambda: descriptors(gateway) == before, "no descriptor is lost", SETTLING_SECONDS)
            quarter = len(samples) // 4
            early, late = samples[quarter:2 * quarter], samples[3 * quarter:]
            growth = statistics.median(late) - statistics.median(early)
            print(
                f"{held_clients()} held, {RESETS_PER_SECOND} a second come and go, {minutes} minutes: resident memory"
                f" {statistics.median(late) / 2**20:.1f} MiB, grown by {growth / 2**20:.2f} MiB from the second quarter"
                f" to the last, {slope(samples[quarter:]) / 2**10:.1f} KiB a minute; {before} descriptors before"
                f" and after; {resident_bytes(gateway) / 2**20:.1f} MiB when all are gone")
            assert growth < GROWTH_MAX, "memory grows"
            gateway.stop()
        finally:
            gateway.kill()
    finally:
        cluster.remove()


main()
