"""Prints the line coverage of each file, and holds it against the list of exceptions: see scripts/coverage."""

import json
import os
import sys

LINES_PERCENT_MIN = 90
# What is excused is taken off the list from here on: which lines a run reaches depends a little on time.
LINES_PERCENT_GOOD = 95


def read_exceptions(path):
    """By file: the least percentage that it may have, and why it isn't more."""
    exceptions = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, percent, reason = line.split(maxsplit=2)
                exceptions[name] = (int(percent), reason.strip())
    return exceptions


def main():
    summary, exceptions, swift_only = sys.argv[1], read_exceptions(sys.argv[2]), sys.argv[3] != ""
    with open(summary, encoding="utf-8") as file:
        files = json.load(file)["data"][0]["files"]
    lines = {os.path.relpath(file["filename"]): file["summary"]["lines"] for file in files}
    faults = [f"{name} is excused, and isn't there" for name in exceptions if name not in lines]
    for name, counts in sorted(lines.items()):
        percent = counts["percent"]
        least, reason = exceptions.get(name, (LINES_PERCENT_MIN, ""))
        print(f"{percent:6.1f} %  {counts['covered']:4d} of {counts['count']:4d}  {name}  {reason}".rstrip())
        if percent < least:
            faults.append(f"{name}: {percent:.1f} % of its lines, less than {least}")
        elif name in exceptions and percent >= LINES_PERCENT_GOOD:
            faults.append(f"{name} is excused, and has {percent:.1f} %")
    covered = sum(counts["covered"] for counts in lines.values())
    total = sum(counts["count"] for counts in lines.values())
    print(f"{100 * covered / total:6.1f} %  {covered} of {total} lines in {len(lines)} files")
    if faults and not swift_only:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
