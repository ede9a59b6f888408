"""Fixtures: one private PostgreSQL for the run, one database for each test, gateways as a test wants them."""

import asyncio
import inspect
import itertools
import os
import resource
import subprocess

import pytest

from support import tokens
from support.clients import LIBRARIES, abandon_all
from support.cluster import TEMPLATE, Cluster
from support.database import Database, Listener
from support.gateway import BINARY, Gateway, forget_settings
from support.overloads import overloads as made_overloads

TEST_SECONDS = float(os.environ.get("DEVHIVE_TEST_SECONDS", "120"))

_database_numbers = itertools.count(1)


def pytest_configure(config):
    forget_settings()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests may be coroutines."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def run():
        try:
            await asyncio.wait_for(function(**arguments), TEST_SECONDS)
        finally:
            await abandon_all()

    asyncio.run(run())
    return True


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
def without_event_log(database):
    """To stand before `gateway` among a test's arguments."""
    database.drop_event_log()


@pytest.fixture
def role(cluster, database):
    """The connection string of a role with no more rights than it needs, and its name."""
    name = f"role_{database.name}"
    database.execute(f"CREATE ROLE {name} LOGIN")
    database.execute(f"GRANT SELECT ON project_members TO {name}")
    database.execute(f"GRANT SELECT, DELETE ON cache_events TO {name}")
    database.execute(f"GRANT SELECT, UPDATE ON cache_events_horizon TO {name}")
    database.execute(f"GRANT SELECT, UPDATE, DELETE ON devhive_direct_messages TO {name}")
    database.execute(f"GRANT EXECUTE ON FUNCTION devhive_send_direct TO {name}")
    yield database.url.replace("postgres@", f"{name}@"), name
    database.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def overloads(database):
    """Operators of a role that may make some in the tables' schema."""
    with made_overloads(database) as overloads:
        yield overloads


@pytest.fixture
def listener(database):
    listener = Listener(database)
    yield listener
    listener.close()


@pytest.fixture
def start_gateway(database):
    """Starts a gateway with the given options: `start_gateway("--ping-interval", "1s")`."""
    started = []

    def start(*options, ready=True, url=None, environment=None, **confinement):
        gateway = Gateway(url or database.url, *options, environment=environment, **confinement)
        started.append(gateway)
        if ready:
            gateway.wait_until_ready()
        return gateway

    yield start
    try:
        for gateway in started:
            gateway.stop()
    finally:
        for gateway in started:
            gateway.kill()


@pytest.fixture
def gateway(start_gateway):
    return start_gateway()


@pytest.fixture(params=sorted(LIBRARIES))
def library(request):
    """Both client libraries, one after the other."""
    return LIBRARIES[request.param]


@pytest.fixture
def run_command(database):
    """Runs one command of the gateway to its end, and returns its output."""
    def run(*arguments):
        done = subprocess.run(
            [BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "DATABASE_URL": database.url, "JWT_SECRET": tokens.SECRET})
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run
