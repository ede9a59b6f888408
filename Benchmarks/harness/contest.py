#!/usr/bin/python3
"""Runs contestants and scenarios in turn. Started by scripts/bench, which says how."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from contestants import BENCHMARKS, REPOSITORY, Server, ServerFailure, contestants, end_in_order
from hostile import measure_hostile
from members import add_members
from plot import write_plots
from report import Report
from scenarios import SCENARIOS
from start import measure_start

OUTPUT = REPOSITORY / ".state" / "bench"
QUICK_SECONDS = 105  # Of two minutes; the database's start and end need some too.
RUN_SECONDS_EXTRA = 90  # Beyond what a scenario measures, for connecting and settling.
CLIENTS_PER_SECOND = 1_000  # Of the largest crowds, which need longer to connect.

# What is measured without the load generator.
OWN = {"start": measure_start, "hostile": measure_hostile}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round of few scenarios")
    parser.add_argument("--rounds", type=int, help="rounds of everything (default: 3)")
    parser.add_argument("--scenario", action="append", default=[], metavar="NAME", help="only this; repeatable")
    parser.add_argument("--contestant", action="append", default=[], metavar="NAME", help="only this; repeatable")
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=OPTIONS",
        help="the gateway with further options, as a contestant of its own; repeatable",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say what can be chosen")
    parser.add_argument("--write-results", action="store_true", help="keep the outcome in Benchmarks/")
    parser.add_argument("--gateway", metavar="FILE", help="another build of the gateway than this checkout's")
    parser.add_argument("--programs", default=".", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return parser, options


def chosen(parser, every, names):
    unknown = set(names) - {each.name for each in every}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; --list says what there is")
    return [each for each in every if not names or each.name in names]


def available(field):
    """Those that can run; says what the others lack."""
    able = []
    for contestant in field:
        missing = contestant.missing()
        if missing:
            print(f"skipped: {contestant.name} needs {missing}", file=sys.stderr)
        else:
            able.append(contestant)
    return able


def run_once(programs, contestant, scenario, is_quick):
    """One scenario against a fresh server: the load generator's result, or why there is none."""
    if scenario.is_own:
        return OWN[scenario.options["scenario"]](contestant)
    words = scenario.arguments(is_quick)
    seconds = float(words[words.index("--seconds") + 1]) if "--seconds" in words else 10
    bound = int(seconds + (20 if is_quick else RUN_SECONDS_EXTRA))
    bound += scenario.options.get("clients", 0) // CLIENTS_PER_SECOND
    output = OUTPUT / "run.json"
    output.unlink(missing_ok=True)
    environment = dict(os.environ)
    if contestant.checks_members:
        add_members(scenario)
    try:
        with Server(contestant, OUTPUT / "logs" / f"{contestant.name}.log") as server:
            finished = subprocess.run(
                [
                    f"{programs}/LoadGenerator", *words, "--url", server.url, "--server-pid",
                    str(server.process.pid), "--json", str(output), "--deadline", str(bound),
                ],
                stdout=subprocess.PIPE, text=True, timeout=bound + 10, check=False, env=environment,
            )  # fmt: skip
    except ServerFailure as failure:
        return failed(str(failure))
    except subprocess.TimeoutExpired:
        return failed("the load generator did not end")
    if not output.exists():
        return failed(f"the load generator ended with {finished.returncode} and no result")
    return json.loads(output.read_text().splitlines()[-1])


def failed(reason):
    return {"failures": [reason], "figures": {}, "histograms_ns": {}, "notes": [], "parameters": {}}


def main():
    parser, options = arguments()
    variants = []
    for text in options.variant:
        name, _, words = text.partition("=")
        if not name or not words:
            parser.error("--variant must be NAME=OPTIONS")
        variants.append((name, words.split()))
    binary = Path(options.gateway or Path(options.programs) / "devhive-gateway").resolve()
    field = chosen(parser, contestants(binary, variants), options.contestant)
    scenarios = [
        each
        for each in chosen(parser, SCENARIOS, options.scenario)
        if options.scenario or options.list or (each.quick is not None if options.quick else not each.is_extra)
    ]
    if options.list:
        for each in field:
            print(f"contestant  {each.name:<14} {each.description}")
        for each in scenarios:
            extra = " (only if named)" if each.is_extra else ""
            print(f"scenario    {each.name:<14} {each.question}{extra}")
        return 0

    end_in_order()
    field = available(
        [one for one in field if any(each.suits(one, one.name in options.contestant) for each in scenarios)]
    )
    rounds = options.rounds or (1 if options.quick or all(each.is_once for each in scenarios) else 3)
    deadline = time.monotonic() + QUICK_SECONDS if options.quick else None
    report = Report(field, scenarios, rounds, options.quick)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    lines = open(OUTPUT / "results.jsonl", "w")
    matches = [
        (number, scenario, contestant)
        for number in range(1, rounds + 1)
        for scenario in scenarios
        if number == 1 or not scenario.is_once
        for contestant in field
        if scenario.suits(contestant, contestant.name in options.contestant)
    ]
    for done, (number, scenario, contestant) in enumerate(matches, 1):
        if deadline and time.monotonic() > deadline - 6:
            report.skip(scenario, contestant)
            continue
        show(f"[{done}/{len(matches)}] round {number}: {scenario.name}, {contestant.name}")
        result = run_once(options.programs, contestant, scenario, options.quick)
        report.add(scenario, contestant, result)
        record = {"round": number, "name": scenario.name, "contestant": contestant.name, **result}
        print(json.dumps(record), file=lines, flush=True)
    lines.close()
    show("")
    text = report.text()
    print(text)
    folder = BENCHMARKS / "plots" if options.write_results else OUTPUT / "plots"
    plots = write_plots(report, folder)
    if options.write_results:
        (BENCHMARKS / "RESULTS.md").write_text(report.markdown(plots))
    for plot in plots:
        print(f"plot: {plot}", file=sys.stderr)
    return 1 if report.has_failures("gateway") else 0


def show(text):
    """On a terminal one line that changes; elsewhere a line each."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
