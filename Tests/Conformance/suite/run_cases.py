"""Runs cases of Autobahn|Testsuite against an echo server, and compares what comes out.

Run with the Python of the environment that install.py makes. Cases are named as the suite names
them: `6.4.1`, or `6.4`, or `6`; without a name, all of them. Each must end as the file of results
says, a line for each case: its id, its behavior, and the behavior of its close.

Exit codes: 0 all as expected; 1 not so; 2 cases could not be run; 3 an error of this client.
"""

import argparse
import collections
import contextlib
import io
import re
import sys
import time
import zlib
from pathlib import Path

import autobahntestsuite  # noqa: F401  (first: it chooses the loop)
from autobahntestsuite import fuzzing
from twisted.internet import reactor
from twisted.logger import globalLogBeginner

EXPECTED, UNEXPECTED, NOT_RUN, BROKEN = 0, 1, 2, 3
# How long a server may take to listen, in seconds.
PATIENCE = 5
# Data that can't be inflated or decoded are the server's fault, and the case says so. Whatever else
# is raised is this client's.
FAULTS_OF_SERVER = (zlib.error, UnicodeDecodeError)


def by_number(name):
    return tuple(map(int, name.split(".")))


def patterns(names):
    """The names as the suite understands them: the sections `6` and `6.4` are `6.*` and `6.4.*`."""
    known = {case.__name__[len(fuzzing.CaseBasename):].replace("_", ".") for case in fuzzing.Cases}
    for name in names:
        if name in known:
            yield name
        elif re.fullmatch(r"\d+(\.\d+)*", name) and any(i.startswith(name + ".") for i in known):
            yield name + ".*"
        else:
            sys.exit(f"there is no case {name}")


def read_results(path):
    """What each case is expected to do."""
    results = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, behavior, close = line.split("\t")
            results[name] = (behavior, close)
    return results


def write_results(path, results):
    lines = ["# case\tbehavior\tbehavior of the close\n"]
    for name in sorted(results, key=by_number):
        lines.append("\t".join((name, *results[name])) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


class Client(fuzzing.FuzzingClientProtocol):
    """One case. The suite's own, without its lines of output."""

    def onConnect(self, response):
        pass

    def connectionLost(self, reason):
        try:
            super().connectionLost(reason)
        except Exception as error:  # Otherwise there would be no next case.
            self.factory.note(error)


class Run(fuzzing.FuzzingClientFactory):
    """The cases one after the other, each again up to `retries` times while it ends otherwise than
    expected: many have half a second, which a busy machine may not have. Where nothing is expected,
    `None`, anything is right."""

    protocol = Client
    noisy = False

    def __init__(self, url, cases, expected, retries, folder):
        self.expected = expected
        self.retries = retries
        self.outcomes = {}
        self.details = {}
        self.attempts = collections.Counter()
        self.errors = []
        self.fault = ""
        self.section = ""
        self.current = None
        self.started = time.monotonic()
        self.is_unreachable = False
        spec = {
            "outdir": str(folder),
            "servers": [{"agent": "gateway", "url": url}],
            "cases": cases,
            "exclude-cases": [],
        }
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(spec)

    def is_expected(self, name):
        if name not in self.outcomes:
            return False
        return self.expected is None or self.expected.get(name) == self.outcomes[name]

    def buildProtocol(self, address):
        self.current = super().buildProtocol(address)
        return self.current

    def logCase(self, result):
        name = result["id"]
        self.attempts[name] += 1
        if self.section != name.split(".")[0]:
            self.section = name.split(".")[0]
            print(f"section {self.section}", flush=True)
        self.outcomes[name] = (result["behavior"], result["behaviorClose"])
        self.details[name] = (
            f"{result['result']}; close: {result['resultClose']}, code {result['remoteCloseCode']}"
            f" {result['wasNotCleanReason'] or ''} {self.fault}"
        )
        self.fault = ""
        super().logCase(result)

    def nextCase(self):
        if self.currSpecCase + 1 >= len(self.specCases):
            self.specCases += [
                name
                for name in dict.fromkeys(self.specCases)
                if not self.is_expected(name) and self.attempts[name] <= self.retries
            ]
        return super().nextCase()

    def clientConnectionFailed(self, connector, reason):
        if time.monotonic() < self.started + PATIENCE:
            reactor.callLater(0.1, connector.connect)
            return
        self.is_unreachable = True
        reactor.stop()

    def createReports(self, produceHtml=True, produceJson=True):
        super().createReports(produceHtml=False, produceJson=True)

    def observe(self, event):
        """Twisted tells of an exception that a case or the protocol has raised. It drops the
        connection, but not always."""
        failure = event.get("log_failure")
        if failure is not None:
            self.note(failure.value)
            reactor.callLater(0, self.abort)

    def note(self, error):
        if isinstance(error, FAULTS_OF_SERVER):
            self.fault = f"{type(error).__name__}: {error}"
        else:
            self.errors.append(f"{type(error).__name__}: {error}")

    def abort(self):
        if self.current and self.current.connected:
            self.current.transport.abortConnection()


def report(run):
    """Prints what came out. Returns the exit code."""
    names = sorted(set(run.specCases), key=by_number)
    seconds = time.monotonic() - run.started
    missing = [name for name in names if name not in run.outcomes]
    wrong = [name for name in names if name in run.outcomes and not run.is_expected(name)]
    for name in wrong:
        wanted = " / ".join(run.expected.get(name, ("nothing",)))
        print(f"{name}: {' / '.join(run.outcomes[name])} instead of {wanted}: {run.details[name]}")
    again = [name for name in names if run.attempts[name] > 1]
    if again:
        print(f"run more than once: {' '.join(again)}")
    for error in run.errors:
        print(f"an error of the test client: {error}")
    if missing:
        print(f"not run: {' '.join(missing)}")
    behaviors = collections.Counter(behavior for behavior, _ in run.outcomes.values())
    counts = ", ".join(f"{count} {behavior}" for behavior, count in behaviors.most_common())
    print(f"{len(run.outcomes)} cases in {seconds:.0f} s: {counts}; {len(wrong)} not as expected.")
    if run.errors:
        return BROKEN
    if missing or run.is_unreachable:
        return NOT_RUN
    return UNEXPECTED if wrong else EXPECTED


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", help="ws://127.0.0.1:PORT")
    parser.add_argument("cases", nargs="*", help="such as 6.4.1, 6.4 or 6; all of them without")
    parser.add_argument("--results", type=Path, required=True, help="the file of results")
    parser.add_argument("--record", action="store_true", help="write it instead of comparing")
    parser.add_argument("--reports", type=Path, required=True, help="a folder for the wire's log")
    parser.add_argument("--retries", type=int, default=2, help="for cases not as expected")
    arguments = parser.parse_intermixed_args()

    results = read_results(arguments.results) if arguments.results.exists() else {}
    cases = list(patterns(arguments.cases)) or ["*"]
    retries = 0 if arguments.record else arguments.retries
    expected = None if arguments.record else results
    run = Run(arguments.url, cases, expected, retries, arguments.reports)
    globalLogBeginner.beginLoggingTo([run.observe], redirectStandardIO=False, discardBuffer=True)
    reactor.run()
    status = report(run)
    if arguments.record and status == EXPECTED:
        write_results(arguments.results, {**results, **run.outcomes})
    return status


if __name__ == "__main__":
    sys.exit(main())
