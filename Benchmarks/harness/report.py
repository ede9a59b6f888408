"""Medians and ratios of many runs, as text and as Markdown."""

import os
import subprocess
from collections import defaultdict
from datetime import datetime, timezone
from statistics import median

from contestants import REPOSITORY
from scenarios import UNITS

REFERENCE = "gateway"


class Report:
    def __init__(self, field, scenarios, rounds, is_quick):
        self.field = field
        self.scenarios = scenarios
        self.rounds = rounds
        self.is_quick = is_quick
        self.results = defaultdict(list)
        self.skipped = set()

    def add(self, scenario, contestant, result):
        self.results[scenario.name, contestant.name].append(result)

    def skip(self, scenario, contestant):
        self.skipped.add((scenario.name, contestant.name))

    # What came out.

    def good(self, scenario, contestant):
        return [each for each in self.results[scenario, contestant] if not each["failures"]]

    def failures(self, scenario, contestant):
        return [", ".join(each["failures"]) for each in self.results[scenario, contestant] if each["failures"]]

    def has_failures(self, contestant):
        return any(self.failures(scenario.name, contestant) for scenario in self.scenarios)

    def value(self, scenario, contestant, figure):
        """The median over the rounds, or None."""
        values = [
            each["figures"][figure]["value"]
            for each in self.good(scenario, contestant)
            if figure in each["figures"]
        ]
        return median(values) if values else None

    def unit(self, scenario, figure):
        for contestant in self.field:
            for each in self.good(scenario, contestant.name):
                if figure in each["figures"]:
                    return each["figures"][figure]["unit"]
        return ""

    def histogram(self, scenario, contestant, name):
        """Counts by upper bound in nanoseconds, all rounds together."""
        counts = defaultdict(int)
        for each in self.good(scenario, contestant):
            for bound, count in each["histograms_ns"].get(name, []):
                counts[bound] += count
        return sorted(counts.items())

    def told(self):
        """The scenarios of which there is anything to say."""
        return [
            scenario
            for scenario in self.scenarios
            if any(self.is_told(scenario, each) for each in self.field)
        ]

    def is_told(self, scenario, contestant):
        key = (scenario.name, contestant.name)
        return bool(self.results[key]) or key in self.skipped

    # Rows of a scenario's table.

    def rows(self, scenario):
        for contestant in self.field:
            if not self.is_told(scenario, contestant):
                continue
            cells = []
            for figure in scenario.figures:
                own = self.value(scenario.name, contestant.name, figure)
                reference = self.value(scenario.name, REFERENCE, figure)
                if own is None:
                    cells.append("")
                    continue
                cell = number(own)
                if contestant.name != REFERENCE and reference:
                    cell += f" ({own / reference:.2f})"
                cells.append(cell)
            yield contestant.name, cells, self.remark(scenario, contestant)

    def remark(self, scenario, contestant):
        runs = self.results[scenario.name, contestant.name]
        remarks = []
        failures = self.failures(scenario.name, contestant.name)
        if failures:
            remarks.append(f"failed {len(failures)} of {len(runs)}: {failures[0]}")
        if any(each.get("loader_bound") for each in runs):
            remarks.append("loader-bound")
        if (scenario.name, contestant.name) in self.skipped:
            remarks.append("not run: time was up")
        return "; ".join(remarks)

    def heading(self, scenario, figure):
        unit = UNITS.get(self.unit(scenario.name, figure), "")
        return figure.replace("_", " ") + (f", {unit}" if unit else "")

    # Output.

    def text(self):
        lines = [
            f"Medians of {self.rounds} round{'s' if self.rounds > 1 else ''}; "
            f"in parentheses the multiple of the figure of {REFERENCE}."
        ]
        for scenario in self.told():
            table = [["", *(self.heading(scenario, figure) for figure in scenario.figures), ""]]
            table += [[name, *cells, remark] for name, cells, remark in self.rows(scenario)]
            widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
            lines += ["", f"{scenario.name}: {scenario.question}"]
            lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
        return "\n".join(lines)

    def markdown(self, plots):
        lines = [
            "# Results",
            "",
            f"Made by `scripts/bench` on {datetime.now(timezone.utc):%Y-%m-%d}, revision {revision()}; medians of "
            f"{self.rounds} round{'s' if self.rounds > 1 else ''}, the contestants in turn. In parentheses the multiple of the gateway's own figure. "
            "What each figure means is in [README.md](README.md). Read the ratios: the figures themselves are the machine's.",
            "",
            "## Machine",
            "",
            *(f"- {line}" for line in machine()),
            "",
            "## Contestants",
            "",
            *(f"- **{each.name}**: {each.description}" for each in self.field),
        ]
        for scenario in self.told():
            lines += ["", f"## {scenario.name}", "", f"{scenario.question[0].upper()}{scenario.question[1:]}.", ""]
            headings = [self.heading(scenario, figure) for figure in scenario.figures]
            lines += [f"| | {' | '.join(headings)} | |", "| --- " * (len(headings) + 2) + "|"]
            lines += [f"| {name} | {' | '.join(cells)} | {remark} |" for name, cells, remark in self.rows(scenario)]
        if plots:
            lines += ["", "## Plots", ""]
            lines += [f"![{plot.stem.replace('-', ' ')}](plots/{plot.name})\n" for plot in plots]
        return "\n".join(lines).rstrip() + "\n"


def number(value):
    """Three digits that mean something."""
    size = abs(value)
    if size >= 1_000:
        return f"{value:,.0f}"
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if size >= limit:
            return f"{value:.{digits}f}"
    return f"{value:.3f}" if value else "0"


def machine():
    """What the figures depend on."""
    yield f"{os.cpu_count()} processors, {first_value('/proc/cpuinfo', 'model name')}"
    memory = first_value("/proc/meminfo", "MemTotal").split()
    yield f"{int(memory[0]) / 1_048_576:.0f} GiB of memory" if memory else "memory unknown"
    yield f"Linux {os.uname().release}, {os.uname().machine}"
    yield said_by("psql", "--version")
    yield said_by("swift", "--version").splitlines()[0]
    server, loader = os.environ.get("BENCH_SERVER_CORES"), os.environ.get("BENCH_LOADER_CORES")
    if server:
        yield f"the server on processor {server}, load generator and database on {loader}; loopback"


def revision():
    return said_by("git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD")


def said_by(*command):
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return f"{command[0]} unknown"
    return outcome.stdout.strip() or f"{command[0]} unknown"


def first_value(path, key):
    with open(path) as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
