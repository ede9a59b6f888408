"""Memory runs out in OpenSSL: new work is refused, what is there goes on (FAULTS 22).

Other libraries don't allocate for clients: JSON is parsed in an arena. Swift's own allocations end the
process when they fail; Linux grants them until it ends a process itself.
"""

import ssl
import uuid

import pytest

from support import tokens
from support.certificates import Certificate
from support.gateway import PATH, UNLIMITED
from support.preloaded import Preloaded
from support.raw import TEXT, RawSocket, handshake
from support.secure import SecureSocket, trusting

ATTEMPTS = 200


class Shortage(Preloaded):
    """How many of 256 allocations of OpenSSL fail in the gateways that are started with `environment`."""

    def __init__(self, folder):
        super().__init__(folder, "failing_malloc.c", bytes([0]))

    def set(self, share):
        self.write(bytes([share]))


@pytest.fixture
def shortage(tmp_path):
    return Shortage(tmp_path)


def upgrade(connect, project):
    """The status of a handshake; `None` when the connection broke before it."""
    try:
        with connect() as raw:
            raw.send(handshake(f"{PATH}?token={tokens.token(str(uuid.uuid4()))}&projectId={project}"))
            return raw.read_answer(head_only=True)[0]
    except (OSError, EOFError, ssl.SSLError):
        return None


def test_without_memory_for_tokens_nobody_new_comes_in_and_those_inside_hear_everything(
        start_gateway, database, shortage):
    gateway = start_gateway(*UNLIMITED, environment=shortage.environment)
    project = database.add_project()
    inside = [RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())), project=project) for _ in range(5)]
    shortage.set(128)
    statuses = []
    for attempt in range(ATTEMPTS):
        statuses.append(upgrade(lambda: RawSocket(gateway.address), project))
        if attempt % 20 == 0:
            task = database.add_task(project)
            for one in inside:
                opcode, payload = one.read_frame()
                assert opcode == TEXT and task in payload.decode()
    # A good token isn't called a bad one because it can't be checked.
    assert set(statuses) <= {101, 503} and 503 in statuses, statuses
    shortage.set(0)
    assert upgrade(lambda: RawSocket(gateway.address), project) == 101
    for one in inside:
        one.close()


def test_without_memory_for_tls_sessions_break_alone(start_gateway, shortage, tmp_path):
    certificate = Certificate(str(tmp_path))
    gateway = start_gateway(*certificate.options, *UNLIMITED, environment=shortage.environment)
    context = trusting(certificate)
    project = str(uuid.uuid4())

    def connect():
        return SecureSocket.using(context)(gateway.address)

    shortage.set(4)
    statuses = [upgrade(connect, project) for _ in range(ATTEMPTS)]
    assert set(statuses) <= {101, 503, None} and None in statuses, statuses
    shortage.set(0)
    # Nothing of their failures is left in OpenSSL's queue of errors.
    assert [upgrade(connect, project) for _ in range(5)] == [101] * 5
    assert gateway.metrics()["process_open_fds"] < 40
