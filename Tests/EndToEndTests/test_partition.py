"""Hosts of which one can't reach Redis any more, while the others can."""

import os
import time

import pytest

from support.network import Network
from support.redis import Redis
from support.waiting import wait_until
from test_several_hosts import SECRET, are_whole, counts, until, while_changes_arrive
from test_bus import status_of

FULL = os.environ.get("DEVHIVE_STORM") == "full"


@pytest.fixture
def network():
    network = Network(cables=2)
    yield network
    network.remove()


@pytest.fixture
def redis(network):
    redis = Redis(
        "--protected-mode", "no", addresses=network.addresses, entering=network.entering)
    yield redis
    redis.remove()


@pytest.fixture
def pair(start_gateway, network, redis, database):
    """Each by a cable of its own."""
    gateways = [
        start_gateway(environment={"REDIS_URL": f"redis://{address}:{redis.port}", "BUS_SECRET": SECRET})
        for address in network.addresses]
    wait_until(lambda: are_whole(gateways, database.add_project()), "each hears the other")
    return gateways


async def test_a_short_partition_makes_statuses_partial_and_nobody_leave(pair, network, database):
    async with while_changes_arrive(pair, database) as (project, changes):
        before = counts(pair[0], project)[:2]
        with network.cut(1):
            began = time.monotonic()
            while time.monotonic() - began < 20:
                await changes.go_on(1)
                assert [counts(gateway, project)[:2] for gateway in pair] == [before, before]
            assert all(status_of(gateway, project)["partial"] for gateway in pair)
            assert pair[1].log("bus lost") and not pair[0].log("bus lost")


async def test_a_long_partition_splits_the_system_and_its_end_joins_it(pair, network, database):
    async with while_changes_arrive(pair, database) as (project, changes):
        with network.cut(1):
            await changes.go_on(60 if FULL else 33)
            # Whoever is silent for 30 s is gone, on either side; that it hears nobody the one side knows.
            assert [counts(gateway, project)[:2] for gateway in pair] == [(1, 1), (1, 1)]
            assert [status_of(gateway, project)["partial"] for gateway in pair] == [False, True]


async def test_hosts_that_can_not_reach_each_other_at_first_meet_when_they_can(
        start_gateway, network, redis, database):
    gateways = []
    project = database.add_project()
    with network.cut(1):
        for address in network.addresses:
            gateways.append(start_gateway(
                environment={"REDIS_URL": f"redis://{address}:{redis.port}", "BUS_SECRET": SECRET}))
        assert [gateway.is_ready() for gateway in gateways] == [True, True]
        assert status_of(gateways[1], project)["partial"]
    await until(lambda: are_whole(gateways, project), "each hears the other")
