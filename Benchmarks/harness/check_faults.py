#!/usr/bin/python3
"""Checks the load generator against servers that lose, double, reorder or misdirect messages.

Started by `scripts/bench --check-faults`. A benchmark that counts what never arrived is worth nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from contestants import Contestant, Server, end_in_order

OUTPUT = Path(__file__).resolve().parent.parent.parent / ".state" / "bench"
# What the result's failures must speak of; None: there must be none.
EXPECTED = {
    "none": None,
    "lose": "lost",
    "double": "duplicates",
    "swap": "out of order",
    "misdirect": "of another project",
    "garble": "unknown messages",
    "silent": "clients were disconnected",
}


def outcome(programs, fault):
    command = ["/usr/bin/python3", str(Path(__file__).with_name("faulty_server.py"))]
    contestant = Contestant(f"fault-{fault}", command, {"FAULT": fault})
    output = OUTPUT / "fault.json"
    output.unlink(missing_ok=True)
    with Server(contestant, OUTPUT / "logs" / "faults.log") as server:
        finished = subprocess.run(
            [
                f"{programs}/LoadGenerator", "--scenario", "projects", "--clients", "20", "--projects", "2",
                "--depth", "4", "--seconds", "1", "--warm-up", "0", "--processes", "2", "--deadline", "40",
                "--url", server.url, "--json", str(output),
            ],
            stdout=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
    result = json.loads(output.read_text())
    return finished.returncode, ", ".join(result["failures"]), result["figures"]


def main(programs):
    end_in_order()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for fault, expected in EXPECTED.items():
        status, failures, figures = outcome(programs, fault)
        if expected is None:
            is_right = status == 0 and not failures and figures
        else:
            is_right = status == 1 and expected in failures and not figures
        wrong += not is_right
        print(f"{'right' if is_right else 'WRONG'}  {fault:<10} {failures or 'no failures'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    if "DATABASE_URL" not in os.environ:
        sys.exit("start it with scripts/bench --check-faults")
    sys.exit(main(sys.argv[1]))
