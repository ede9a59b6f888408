"""How long the gateway takes from exec(3) until it accepts connections, and until it hears the database."""

import os
import signal
import statistics
import subprocess
import time

from contestants import free_port

STARTS = 10
SECONDS_MAX = 20


def measure_start(contestant):
    """A result as the load generator gives it."""
    listening, hearing = zip(*(one_start(contestant) for _ in range(STARTS)))
    figures = {
        "exec_to_listening": {"value": statistics.median(listening) * 1e3, "unit": "ms"},
        "exec_to_hearing": {"value": statistics.median(hearing) * 1e3, "unit": "ms"},
    }
    return {"failures": [], "figures": figures, "histograms_ns": {}, "notes": [], "parameters": {}}


def one_start(contestant):
    words = [word.format(port=free_port(18080)) for word in contestant.command]
    # Its log says when; the last of an option counts.
    words += ["--log-level", "info", "--log-format", "text"]
    cores = os.environ.get("BENCH_SERVER_CORES")
    began = time.monotonic()
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {int(cores)}) if cores else None,
    )  # fmt: skip
    try:
        return await_line(process, " listening ", began), await_line(process, " listener up ", began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS_MAX)


def await_line(process, words, began):
    for line in process.stderr:
        if words in line:
            return time.monotonic() - began
    raise RuntimeError(f"the gateway ended before it said{words}")
