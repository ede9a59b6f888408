"""Fixtures: one private PostgreSQL for the run, one database for each test."""

import itertools

import pytest

from support.cluster import TEMPLATE, Cluster
from support.database import Database, Listener

_database_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    try:
        cluster.create_database(TEMPLATE)
        cluster.apply_migrations(TEMPLATE)
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def database(cluster):
    name = f"devhive_{next(_database_numbers)}"
    cluster.create_database(name, TEMPLATE)
    database = Database(cluster, name)
    yield database
    database.close()
    cluster.drop_database(name)


@pytest.fixture
def listener(database):
    listener = Listener(database)
    yield listener
    listener.close()
