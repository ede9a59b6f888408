"""scripts/run, with programs in the place of Swift, PostgreSQL's and the gateway, which note how they were called."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

REPOSITORY = os.path.join(os.path.dirname(__file__), "..", "..")
SECONDS_MAX = 30

GATEWAY = '''#!/usr/bin/python3
import http.server, json, os, signal, sys
folder = os.environ["NOTES"]
command, options = sys.argv[1], sys.argv[2:]
if command == "token":
    print("a-token")
if command != "serve":
    sys.exit()
given = dict(zip(options[::2], options[1::2]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
def server(name):
    host, port = given[name].rsplit(":", 1)
    return http.server.HTTPServer((host, int(port)), Answer)
# Both are taken, and nobody else gets them.
public, admin = server("--listen"), server("--admin-listen")
variables = {name: value for name, value in os.environ.items() if name.startswith(("BUS_", "REDIS_", "DATABASE_"))}
with open(os.path.join(folder, f"{os.getpid()}.new"), "w") as note:
    json.dump({"options": options, "variables": variables, "process": os.getpid()}, note)
os.rename(note.name, note.name.replace(".new", ".json"))
try:
    admin.serve_forever()
finally:
    open(os.path.join(folder, f"{os.getpid()}.ended"), "w").close()
'''
SWIFT = '''#!/bin/sh
case "$*" in
    --version) echo "Swift version 100.0 (swift-100.0-RELEASE)" ;;
    *--show-bin-path) echo "$NOTES/bin" ;;
esac
'''
CURL = '''#!/bin/sh
for url; do :; done
exec /usr/bin/python3 -c "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=2)" "$url" 2>/dev/null
'''


class Run:
    """A run in a checkout that has the scripts alone."""

    def __init__(self, folder, *arguments, **variables):
        self.folder = folder
        self._notes = folder / "notes"
        programs = folder / "programs"
        for path, text in {
                programs / "swift": SWIFT, programs / "curl": CURL, programs / "psql": "#!/bin/sh\n",
                programs / "dpkg-query": "#!/bin/sh\necho installed\n", programs / "apt-get": "#!/bin/sh\nexit 1\n",
                self._notes / "bin" / "devhive-gateway": GATEWAY}.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")
            path.chmod(0o755)
        checkout = folder / "checkout"
        shutil.copytree(os.path.join(REPOSITORY, "scripts"), checkout / "scripts")
        shutil.copy(os.path.join(REPOSITORY, "Package.swift"), checkout)
        self._output = open(folder / "output", "w+", encoding="utf-8")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [checkout / "scripts" / "run", *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=self._output,
            stderr=subprocess.STDOUT,
            env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "NOTES": str(self._notes),
                 "DATABASE_URL": "postgresql://elsewhere", "JWT_SECRET": "x" * 32, **variables})

    @property
    def output(self):
        return (self.folder / "output").read_text(encoding="utf-8")

    def gateways(self):
        return [json.loads(path.read_text(encoding="utf-8")) for path in self._notes.glob("*.json")]

    def has_ended(self, gateway):
        return (self._notes / f"{gateway['process']}.ended").exists()

    def wait(self):
        return self.process.wait(SECONDS_MAX)

    def until(self, condition):
        deadline = time.monotonic() + SECONDS_MAX
        while not condition():
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def is_up(self):
        self.until(lambda: "Ctrl-C stops everything." in self.output or self.process.poll() is not None)
        assert self.process.poll() is None, self.output
        return self

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.wait()
        for gateway in self.gateways():
            with contextlib.suppress(ProcessLookupError):
                os.kill(gateway["process"], signal.SIGKILL)
        self._output.close()


@pytest.fixture
def run(tmp_path):
    runs = []

    def start(*arguments, **variables):
        runs.append(Run(tmp_path, *arguments, **variables))
        return runs[-1]
    yield start
    for one in runs:
        one.close()


def option(gateway, name):
    return gateway["options"][gateway["options"].index(name) + 1]


def test_one_gateway_gets_the_other_options_and_no_secret_of_the_bus(run):
    one = run("--presence", "count").is_up()
    gateway, = one.gateways()
    assert option(gateway, "--presence") == "count" and "--nodes" not in gateway["options"]
    assert not any(name.startswith("BUS_") for name in gateway["variables"])
    assert f"The gateway listens at   ws://{option(gateway, '--listen')}/api/v1/messages/ws" in one.output
    one.process.send_signal(signal.SIGTERM)
    assert one.wait() == 143 and one.has_ended(gateway)


def test_several_have_ports_of_their_own_and_one_secret_and_all_end(run):
    one = run("--nodes", "3", "--presence", "count", REDIS_URL="redis://127.0.0.1:1").is_up()
    gateways = one.gateways()
    assert len(gateways) == 3
    addresses = [option(gateway, name) for gateway in gateways for name in ("--listen", "--admin-listen")]
    assert len(set(addresses)) == 6
    assert {option(gateway, "--presence") for gateway in gateways} == {"count"}
    assert {gateway["variables"]["REDIS_URL"] for gateway in gateways} == {"redis://127.0.0.1:1"}
    secret, = {gateway["variables"]["BUS_SECRET_FILE"] for gateway in gateways}
    with open(secret, encoding="ascii") as file:
        assert len(file.read()) == 64
    assert os.stat(secret).st_mode & 0o077 == 0
    urls = re.findall(r"listens at +ws://(\S+)/api/v1/messages/ws", one.output)
    assert sorted(urls) == sorted(option(gateway, "--listen") for gateway in gateways)
    for gateway in gateways:
        assert f"http://{option(gateway, '--admin-listen')}/readyz" in one.output
        urllib.request.urlopen(f"http://{option(gateway, '--admin-listen')}/readyz", timeout=5).close()
    # Where one ends the others stay, until the script is to end.
    os.kill(gateways[0]["process"], signal.SIGKILL)
    one.until(lambda: "has ended with 137, the others go on" in one.output)
    assert one.process.poll() is None
    one.process.send_signal(signal.SIGTERM)
    assert one.wait() == 143
    assert all(one.has_ended(gateway) for gateway in gateways[1:])


def test_the_addresses_that_are_given_are_the_first_ones(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    one = run("--nodes=2", f"--listen=127.0.0.1:{port}", BUS_SECRET="y" * 32).is_up()
    gateways = one.gateways()
    assert f"The gateway listens at   ws://127.0.0.1:{port}/" in one.output
    assert [option(gateway, "--listen") for gateway in gateways].count(f"127.0.0.1:{port}") == 1
    assert {gateway["variables"]["BUS_SECRET"] for gateway in gateways} == {"y" * 32}
    assert not any("BUS_SECRET_FILE" in gateway["variables"] for gateway in gateways)


@pytest.mark.parametrize("arguments", [
    ["--nodes"], ["--nodes", "0"], ["--nodes=17"], ["--nodes", "two"], ["--nodes", "1.5"], ["--nodes="], ["--nodes", "100"]])
def test_another_number_is_refused_before_anything_is_built(run, arguments):
    one = run(*arguments)
    assert one.wait() == 1
    assert one.output == "error: --nodes needs a number from 1 to 16\n"
