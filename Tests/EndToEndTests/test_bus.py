"""Several processes that count together: the status of a project is the whole host's."""

import json
import os
import signal
import threading
import time
import uuid

import pytest

from support import tokens
from support.clients import PythonClient, Refused
from support.waiting import wait_until
from support.workers import clients_of_both, process_of

# Of the gateway: a batch goes out 75 ms after the last one, and is heard. Ten times as long is for a busy machine.
TOLD_SECONDS = 0.1


def status_of(gateway, project):
    status, _, body = gateway.request(
        f"/api/v1/projects/{project}/ws/status", headers={"Authorization": f"Bearer {tokens.token(str(uuid.uuid4()))}"})
    assert status == 200, body
    return json.loads(body)


def answers_of_both(gateway, project, count=12):
    """Each request is a connection of its own, so both workers answer some."""
    return [status_of(gateway, project) for _ in range(count)]


@pytest.fixture
def pair(start_gateway):
    gateway = start_gateway("--workers", "2")
    wait_until(lambda: gateway.metrics()["devhive_bus_nodes"] == 1, "each hears the other")
    wait_until(lambda: not any(one["partial"] for one in answers_of_both(gateway, uuid.uuid4())), "both have settled")
    return gateway


async def test_the_status_is_that_of_all_workers(pair, database):
    project, other = database.add_project(), database.add_project()
    clients = await clients_of_both(pair, project)
    await PythonClient.connect(pair, other)
    everyone = clients[1] + clients[2]
    expected = {
        "total_clients": len(everyone) + 1, "project_clients": len(everyone),
        "user_ids": sorted(client.user for client in everyone), "nodes": 2, "partial": False}
    began = time.monotonic()
    wait_until(
        lambda: all(answer == expected for answer in answers_of_both(pair, project)), "the status of both has all")
    took = time.monotonic() - began
    assert took < 10 * TOLD_SECONDS, took
    # Who goes is counted no more.
    gone = clients[2].pop()
    await gone.close()
    left = sorted(client.user for client in clients[1] + clients[2])
    wait_until(
        lambda: all(
            (one["user_ids"], one["total_clients"]) == (left, len(everyone)) for one in answers_of_both(pair, project)),
        "the one that went is gone")
    metrics = pair.metrics()
    assert metrics["devhive_bus_frames_relayed_total"] > 0
    for name in ("frames_dropped", "frames_invalid", "frames_refused", "relay_drops", "relay_oversized"):
        assert metrics[f"devhive_bus_{name}_total"] == 0, name


async def test_a_killed_worker_takes_its_clients_out_of_the_count(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    total = len(clients[1]) + len(clients[2])
    wait_until(
        lambda: all(one["project_clients"] == total for one in answers_of_both(pair, project)), "both count all")
    os.kill(process_of(pair, 1), signal.SIGKILL)
    pair.wait_for_log("worker ended", worker=1)
    left = sorted(client.user for client in clients[2])

    def is_left():
        answer = status_of(pair, project)
        return answer["user_ids"] == left and answer["project_clients"] == answer["total_clients"] == len(left)
    # At once: long before anybody is silent for too long.
    wait_until(is_left, "its clients are gone", seconds=3)
    # The next one in its place hears the rest.
    wait_until(lambda: len(pair.log("worker started", worker=1)) == 2, "it is started again")
    pair.wait_until_ready()
    wait_until(
        lambda: all(
            (one["user_ids"], one["nodes"], one["partial"]) == (left, 2, False)
            for one in answers_of_both(pair, project)), "both count those that are left")


async def test_a_stopped_worker_makes_the_status_partial(pair, database):
    project = database.add_project()
    clients = await clients_of_both(pair, project)
    total = len(clients[1]) + len(clients[2])
    wait_until(
        lambda: all(one["project_clients"] == total for one in answers_of_both(pair, project)), "both count all")
    stopped = process_of(pair, 2)
    os.kill(stopped, signal.SIGSTOP)
    try:
        # The kernel gives the stopped one its share of new connections, which nobody answers.
        found = []

        def ask():
            try:
                found.append(status_of(pair, project))
            except OSError:
                pass
        for _ in range(8):
            threading.Thread(target=ask, daemon=True).start()
        wait_until(lambda: found, "the other worker answers")
        answer = found[0]
        assert answer["partial"] and answer["nodes"] == 2
        assert (answer["total_clients"], answer["project_clients"]) == (total, total)
        assert answer["user_ids"] == sorted(client.user for client in clients[1])
    finally:
        os.kill(stopped, signal.SIGCONT)
    wait_until(
        lambda: all(
            not one["partial"] and one["project_clients"] == total for one in answers_of_both(pair, project)),
        "it is whole again")


async def test_without_a_bus_each_worker_counts_for_itself(start_gateway, database):
    gateway = start_gateway("--workers", "2", "--bus", "off")
    project = database.add_project()
    clients = await clients_of_both(gateway, project)
    users = [sorted(client.user for client in clients[worker]) for worker in (1, 2)]
    for answer in answers_of_both(gateway, project):
        assert answer["user_ids"] in users and (answer["nodes"], answer["partial"]) == (1, False)
    assert not any(name.startswith("devhive_bus") for name in gateway.metrics())


def test_the_readiness_of_each_worker_names_those_it_hears(pair):
    lines = pair.request("/readyz?verbose", admin=True)[2].splitlines()
    assert "    [i] bus hears worker 1" in lines and "    [i] bus hears worker 2" in lines


@pytest.mark.parametrize("workers", [2, 17])
async def test_whichever_worker_answers_counts_a_client_of_any_soon(start_gateway, database, workers):
    gateway = start_gateway("--workers", str(workers))
    project = database.add_project()
    wait_until(
        lambda: all(
            one["nodes"] == workers and not one["partial"] for one in answers_of_both(gateway, project, 3 * workers)),
        "all have settled")
    last_wrong = []
    for count in range(1, 11):
        await PythonClient.connect(gateway, project)
        began = now = time.monotonic()
        wrong = 0
        while now < began + 0.3 or wrong > now - began - 0.2:
            if status_of(gateway, project)["project_clients"] != count:
                wrong = now - began
            now = time.monotonic()
        last_wrong.append(wrong)
    print(f"{workers} workers: the last wrong status was asked for after at most {max(last_wrong) * 1000:.0f} ms")
    assert max(last_wrong) < 10 * TOLD_SECONDS, last_wrong


async def test_a_user_has_the_connections_of_all_workers_together(start_gateway, database):
    gateway = start_gateway("--workers", "2", "--connections-per-user", "8")
    wait_until(lambda: gateway.metrics()["devhive_bus_nodes"] == 1, "each hears the other")
    user = str(uuid.uuid4())
    clients = []

    async def is_refused():
        """Two workers would take 16, if neither knew of the other."""
        try:
            clients.append(await PythonClient.connect(gateway, user=user))
        except Refused as refusal:
            assert refusal.status == 429
            return True
        return False

    for _ in range(8):
        assert not await is_refused()
    workers = {line["worker"] for line in gateway.log("client registered", user=user)}
    wait_until(
        lambda: gateway.metrics()["devhive_bus_users_elsewhere"] == len(workers), "each hears of the other's")
    while not await is_refused():
        await clients.pop().close()  # what is heard may be a second old
    refusals = [await is_refused() for _ in range(8)]
    assert all(refusals), refusals
