"""Several processes behind one address: their parent, their ends, and what operators see of them together."""

import asyncio
import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import tokens
from support.clients import Closed, PythonClient, announce
from support.gateway import BINARY, VISIBLE
from support.raw import RawSocket
from support.waiting import DEADLINE_SECONDS, wait_until
from support.workers import clients_of_both, process_of

# Of the parent (Supervisor.swift).
OPERATORS_MAX = 64


def processes(gateway):
    return {line["process"] for line in gateway.log("worker started")}


def field_of(process, name):
    with open(f"/proc/{process}/status", encoding="utf-8") as status:
        return next(line.split()[1] for line in status if line.startswith(name + ":"))


def is_there(process):
    return os.path.exists(f"/proc/{process}")


def wait_until_gone(found):
    # Orphans become zombies of whoever reaps them here, which may take its time.
    wait_until(
        lambda: all(not is_there(process) or field_of(process, "State") == "Z" for process in found),
        f"the processes {found} end")


@pytest.fixture
def pair(start_gateway):
    return start_gateway("--workers", "2")


@pytest.mark.ordinary_user
async def test_an_event_reaches_the_clients_of_all_workers(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    task = database.add_task(project)
    for client in clients[1] + clients[2]:
        assert (await client.receive_json())["data"]["id"] == task


async def test_a_killed_worker_takes_only_its_clients_along_and_comes_back(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    total = len(clients[1]) + len(clients[2])
    before = pair.metrics()
    assert (before["devhive_connections"], before["devhive_worker_restarts_total"]) == (total, 0)

    first = process_of(pair, 1)
    os.kill(first, signal.SIGKILL)
    for client in clients[1]:
        with pytest.raises(Closed):
            await client.receive()
    ended = pair.wait_for_log("worker ended", worker=1)
    assert ended["signal"] == signal.SIGKILL and ended["process"] == first
    wait_until(lambda: len(pair.log("worker started", worker=1)) == 2, "the worker is started again")
    pair.wait_until_ready()
    assert not is_there(first), "it was waited for"

    await clients[2][0].until_fence(database, project)
    after = pair.metrics()
    assert after["devhive_worker_restarts_total"] == 1
    assert after["devhive_connections"] == len(clients[2])
    falling = {
        name for name, value in before.items() if after[name] < value and name.endswith(("_total", "_count", "_sum"))}
    assert not falling, "what the dead worker had counted still counts"
    # It takes clients again.
    for client in (await clients_of_both(pair, project))[1]:
        await client.until_fence(database, project)


async def test_metrics_are_sums(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    total = len(clients[1]) + len(clients[2])
    everyone = clients[1] + clients[2]
    announce(database, project, "row")
    for client in everyone:
        await client.receive()
    metrics = pair.metrics()
    assert metrics["devhive_connections"] == total
    assert metrics["devhive_connections_opened_total"] == total
    assert metrics["devhive_subscriptions"] == total
    assert metrics["devhive_deliveries_total"] == total
    assert metrics["devhive_notifications_received_total"] == 2, "each worker listens"
    assert metrics["devhive_commit_to_socket_seconds_count"] == 2
    assert metrics['devhive_commit_to_socket_seconds_bucket{le="+Inf"}'] == 2
    assert metrics["devhive_listener_up"] == 1
    assert metrics["devhive_workers"] == metrics["devhive_workers_running"] == 2
    assert [value for name, value in metrics.items() if name.startswith("devhive_build_info")] == [1]
    of_workers = 0
    for worker in (1, 2):
        with open(f"/proc/{process_of(pair, worker)}/statm", encoding="utf-8") as statm:
            of_workers += int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert metrics["process_resident_memory_bytes"] > of_workers, "the parent's are among them"
    assert metrics["process_open_fds"] > total
    text = pair.request("/metrics", admin=True)[2]
    for line in text.splitlines():
        if line.startswith("# "):
            assert text.count(line + "\n") == 1, line


async def test_sigterm_drains_all_and_nothing_is_left(start_gateway, database):
    gateway = start_gateway("--workers", "2", "--drain-seconds", "1")
    clients = await clients_of_both(gateway, database.add_project())
    found = processes(gateway)
    gateway.terminate()
    for client in clients[1] + clients[2]:
        assert (await client.wait_until_closed())[0] == 1012
    assert await asyncio.to_thread(gateway.wait) == 0
    assert len(gateway.log("stopped", connections_left=0)) == 2
    assert not any(is_there(process) for process in found), "all were waited for"
    ends = gateway.log("worker ended")
    assert [end["exit_code"] for end in ends] == [0, 0] and not any("retry_ms" in end for end in ends)


async def test_a_signal_to_every_process_cuts_no_drain_short(start_gateway, database):
    """As systemd does with KillMode=control-group."""
    gateway = start_gateway("--workers", "2", "--drain-seconds", "1")
    clients = await clients_of_both(gateway, database.add_project())
    for process in [*processes(gateway), gateway.process.pid]:
        os.kill(process, signal.SIGTERM)
    for client in clients[1] + clients[2]:
        assert (await client.wait_until_closed())[0] == 1012
    assert await asyncio.to_thread(gateway.wait) == 0


async def test_who_drains_is_live_and_not_ready(start_gateway, database):
    """A supervisor that restarts what isn't live would cut the drain short."""
    gateway = start_gateway("--workers", "2", "--drain-seconds", "3600")
    clients = await clients_of_both(gateway, database.add_project())

    def answers():
        live, ready = (gateway.request(f"/{path}?verbose", admin=True) for path in ("livez", "readyz"))
        assert gateway.request("/livez", admin=True)[0] == live[0]
        return live[0], live[2].splitlines(), ready[0], ready[2].splitlines()

    os.kill(process_of(gateway, 1), signal.SIGTERM)
    gateway.wait_for_log("draining", worker=1)
    live, live_lines, ready, ready_lines = answers()
    assert (live, live_lines) == (200, ["[+] worker 1 is live", "[+] worker 2 is live", "ok"])
    assert ready == 503 and ready_lines[0] == "[-] worker 1 is not ready" and "    [-] draining" in ready_lines
    assert "[+] worker 2 is ready" in ready_lines

    gateway.terminate()
    gateway.wait_for_log("draining", worker=2)
    live, live_lines, ready, ready_lines = answers()
    assert (live, live_lines) == (
        200, ["[+] shutting down", "[+] worker 1 is live", "[+] worker 2 is live", "ok"])
    assert ready == 503 and ready_lines[0] == "[-] shutting down"
    assert ready_lines.count("    [-] draining") == 2

    # One that has done so is no reason either to call the rest dead.
    for client in clients[1]:
        await client.close()
    await asyncio.to_thread(gateway.wait_for_log, "worker ended", worker=1)
    live, live_lines, ready, _ = answers()
    assert (live, ready) == (200, 503)
    assert live_lines == ["[+] shutting down", "[+] worker 1 is not there", "[+] worker 2 is live", "ok"]
    gateway.terminate()
    assert await asyncio.to_thread(gateway.wait) == 0


def test_a_second_sigterm_ends_at_once(start_gateway):
    gateway = start_gateway("--workers", "2", "--drain-seconds", "3600")
    with RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4()))):
        gateway.terminate()
        gateway.wait_for_log("draining", workers=2)
        status, _, body = gateway.request("/readyz?verbose", admin=True)
        assert status == 503 and "[-] shutting down\n" in body
        gateway.terminate()
        assert gateway.wait() == 0
    wait_until_gone(processes(gateway))


def test_a_parent_that_was_started_with_sigchld_ignored_sees_its_workers_end(start_gateway):
    """As by a shell after `trap '' CHLD`."""
    gateway = start_gateway("--workers", "2", ignored=[signal.SIGCHLD])
    os.kill(process_of(gateway, 1), signal.SIGKILL)
    assert gateway.wait_for_log("worker ended", worker=1)["signal"] == signal.SIGKILL
    gateway.wait_until_ready()
    gateway.terminate()
    assert gateway.wait() == 0


def test_sighup_ends_nobody(pair):
    pair.process.send_signal(signal.SIGHUP)
    # Signals are taken in the order of their numbers, and requests after that.
    pair.wait_until_ready()
    assert not pair.log("worker ended")


def blocked_signals(process):
    mask = int(field_of(process, "SigBlk"), 16)
    return {number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM) if mask >> (number - 1) & 1}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_during_the_start_is_taken_after_it(database, tmp_path, workers):
    """The key is read twice. Its file is a FIFO, so the start stands still until the test writes to it."""
    secret = str(tmp_path / "secret")
    os.mkfifo(secret)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DEVHIVE_", "PG", "JWT_"))}
    process = subprocess.Popen(
        [BINARY, "serve", "--workers", workers, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
         "--drain-seconds", "0"],
        env={**clean, "DATABASE_URL": database.url, "JWT_SECRET_FILE": secret},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        with open(secret, "w", encoding="utf-8") as pipe:
            pipe.write(tokens.SECRET)
        wait_until(lambda: signal.SIGHUP in blocked_signals(process.pid), "signals wait for the loop")
        process.send_signal(signal.SIGHUP)
        with open(secret, "w", encoding="utf-8") as pipe:
            # Whoever reads it from here on finds a file.
            (tmp_path / "file").write_text(tokens.SECRET, encoding="utf-8")
            os.replace(tmp_path / "file", secret)
            pipe.write(tokens.SECRET)
        found = ""
        while found.count("listening") < 2:
            line = process.stderr.readline()
            assert line, f"it ended with {process.wait(DEADLINE_SECONDS)}:\n{found}"
            found += line
        process.terminate()
        process.communicate(timeout=DEADLINE_SECONDS)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()

def test_workers_end_with_their_parent(pair):
    found = processes(pair)
    pair.kill()
    wait_until_gone(found)


def test_probes_speak_of_each_worker(pair):
    assert pair.request("/livez", admin=True)[::2] == (200, "ok\n")
    assert pair.request("/readyz", admin=True)[::2] == (200, "ready\n")
    lines = pair.request("/readyz?verbose", admin=True)[2].splitlines()
    for worker in (1, 2):
        start = lines.index(f"[+] worker {worker} is ready")
        assert lines[start + 1] == "    [+] listener is live"
    assert lines[-1] == "ready"
    assert pair.request("/nowhere", admin=True)[0] == 404
    assert pair.request("/metrics", method="DELETE", admin=True)[0] == 405
    assert pair.request("/metrics?%", admin=True)[0] == 400


def test_connections_of_operators_are_kept_and_requests_may_be_pipelined(pair):
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with RawSocket(pair.admin_address) as raw:
        raw.send(one + b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.read_answer()[0] == 200
        status, headers, _ = raw.read_answer(head_only=True)
        assert status == 200 and int(headers["content-length"]) > 10_000
        raw.send(one + one.replace(b"livez", b"nowhere") + one)
        assert [raw.read_answer()[0] for _ in range(3)] == [200, 404, 200]
        raw.send(one[:-2] + b"Connection: close\r\n\r\n")
        assert raw.read_answer()[0] == 200
        assert raw.read_to_end() == b""
    with RawSocket(pair.admin_address) as raw:
        raw.send(b"nonsense\r\n\r\n")
        assert raw.read_answer()[0] == 400
        assert raw.read_to_end() == b""


def begin_requests(gateway, count):
    """Connections of operators that don't end their request."""
    sockets = []
    for _ in range(count):
        one = socket.create_connection(gateway.admin_address)
        one.send(b"G")
        sockets.append(one)
    return sockets


def test_a_parent_with_few_descriptors_keeps_some_for_its_questions(start_gateway):
    gateway = start_gateway("--workers", "2", limits={resource.RLIMIT_NOFILE: (64, 64)})
    crowd = begin_requests(gateway, 100)
    for path in ("/livez", "/readyz", "/metrics"):
        assert gateway.request(path, admin=True)[0] == 200
    for one in crowd:
        one.close()
    assert not gateway.log("failed")


def test_operators_that_say_nothing_give_way_to_those_who_come(start_gateway):
    gateway = start_gateway("--workers", "2")
    crowd = begin_requests(gateway, OPERATORS_MAX + 6)
    wait_until(
        lambda: sum(bool(select.select([one], [], [], 0)[0]) for one in crowd) == 6,
        "what is beyond the table is closed")
    assert all(select.select([one], [], [], 0)[0] for one in crowd[:6]), "those who were there for longest"
    for path in ("/livez", "/readyz", "/metrics"):
        assert gateway.request(path, admin=True)[0] == 200
    served = crowd[-1]
    served.send(b"ET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    served.settimeout(20)
    assert served.recv(4096).startswith(b"HTTP/1.1 200 ")
    for one in crowd:
        one.close()


ASK_AS_NOBODY = '''
import os, socket, sys
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as one:
    one.connect("\\0" + sys.argv[1])
    try:
        one.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        print(len(one.recv(100)))
    except (BrokenPipeError, ConnectionResetError):
        print(0)
'''


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
def test_workers_answer_nobody_but_their_own_user(pair):
    with open(f"/proc/{pair.process.pid}/net/unix", encoding="ascii") as table:
        rows = [line.split() for line in table if " 00010000 0001 01 " in line]
    sockets = set()
    for worker in processes(pair):
        for number in os.listdir(f"/proc/{worker}/fd"):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(f"/proc/{worker}/fd/{number}"))
    names = [row[7][1:] for row in rows if f"socket:[{row[6]}]" in sockets]
    assert len(names) == 2
    for name in names:
        done = subprocess.run(
            [sys.executable, "-c", ASK_AS_NOBODY, name], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == "0"
    assert pair.request("/livez", admin=True)[0] == 200


def test_a_worker_that_hangs_is_seen(start_gateway):
    gateway = start_gateway("--workers", "2", "--close-timeout", "10ms")
    stopped = process_of(gateway, 2)
    before = gateway.metrics()["devhive_connections_opened_total"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        status, _, body = gateway.request("/readyz?verbose", admin=True)
        assert (status, "[-] worker 2 does not answer\n" in body) == (503, True)
        assert gateway.request("/livez", admin=True)[0] == 503
        assert gateway.metrics()["devhive_connections_opened_total"] == before
        # Also when it has no room for another question.
        for _ in range(2):
            with ThreadPoolExecutor(OPERATORS_MAX // 2) as operators:
                asked = [operators.submit(gateway.request, "/livez", admin=True) for _ in range(OPERATORS_MAX // 2)]
            assert {one.result()[0] for one in asked} == {503}
        assert gateway.request("/livez", admin=True)[0] == 503
    finally:
        os.kill(stopped, signal.SIGCONT)
    gateway.wait_until_ready()
    # One that doesn't end in time is not waited for, and the exit code says so.
    os.kill(stopped, signal.SIGSTOP)
    gateway.terminate()
    assert gateway.wait() == 70
    assert gateway.log("worker ended", worker=2)[0]["signal"] == signal.SIGKILL


@pytest.mark.ordinary_user
def test_a_worker_that_ends_before_its_answer_is_no_reason_to_restart_the_others(start_gateway):
    pair = start_gateway("--workers", "2", *VISIBLE)

    def open_files():
        return len(os.listdir(f"/proc/{pair.process.pid}/fd"))

    question = b"GET /livez?verbose HTTP/1.1\r\nHost: a\r\n\r\n"
    stopped = process_of(pair, 2)
    with RawSocket(pair.admin_address) as raw:
        raw.send(question)
        assert raw.read_answer()[0] == 200
        before = open_files()
        os.kill(stopped, signal.SIGSTOP)
        raw.send(question)
        wait_until(lambda: open_files() == before + 1, "the question to the worker is under way")
        os.kill(stopped, signal.SIGKILL)
        status, _, body = raw.read_answer()
    assert (status, "[+] worker 2 is not there\n" in body) == (200, True), body


def test_a_worker_that_is_told_to_end_is_replaced(pair):
    """An operator's way to restart one after the other."""
    os.kill(process_of(pair, 1), signal.SIGTERM)
    assert pair.wait_for_log("worker ended", worker=1)["exit_code"] == 0
    wait_until(lambda: len(pair.log("worker started", worker=1)) == 2, "the worker is started again")
    pair.wait_until_ready()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_address_in_use_is_refused(pair, database, workers):
    address = "{}:{}".format(*pair.address)
    done = subprocess.run(
        [BINARY, "serve", "--workers", workers, "--listen", address, "--admin-listen", "127.0.0.1:0"],
        env={**os.environ, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    assert done.returncode == 69
    assert f"cannot listen on {address}: Address already in use" in done.stderr


def test_secrets_stand_in_no_command_line(pair, database):
    for process in [*processes(pair), pair.process.pid]:
        with open(f"/proc/{process}/cmdline", encoding="utf-8") as command_line:
            text = command_line.read()
        assert tokens.SECRET not in text and database.url not in text
    worker = process_of(pair, 1)
    assert field_of(worker, "Name") == "devhive-worker"
    assert field_of(worker, "PPid") == str(pair.process.pid)


def test_a_worker_is_nothing_for_people_to_start(database):
    done = subprocess.run(
        [BINARY, "worker", "--number", "1", "--parent", str(os.getpid())],
        env={**os.environ, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    assert done.returncode == 64
    assert "only serve --workers starts workers" in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_service_manager_is_told(start_gateway, tmp_path, workers):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_SECONDS)
        gateway = start_gateway(
            "--workers", workers, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}, ready=False)
        assert manager.recv(100) == b"READY=1"
        with RawSocket(gateway.address):
            pass  # It listens.
        gateway.terminate()
        assert manager.recv(100) == b"STOPPING=1"
        assert gateway.wait() == 0
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
