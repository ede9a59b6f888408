"""What a gateway does for TLS when no client asks for it: it rehearses, and gives tickets new keys."""

import socket
import ssl

from support.certificates import Certificate
from support.preloaded import Preloaded
from support.secure import trusting
from support.waiting import DEADLINE_SECONDS, wait_until
from test_host import DAY, Host


def visit(gateway, context, session=None):
    """Shakes hands, and returns the session; and whether the given one was resumed."""
    plain = socket.create_connection(gateway.address, timeout=DEADLINE_SECONDS)
    with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
        return connection.session, connection.session_reused


def test_a_gateway_shakes_hands_with_itself_before_anybody_comes(start_gateway, tmp_path):
    """What OpenSSL 3.5 fetches for a first handshake and doesn't get, for want of memory, it never gets again."""
    count = Preloaded(tmp_path, "counted_handshakes.c", bytes(8))
    start_gateway(*Certificate(str(tmp_path)).options, environment=count.environment, ready=False)
    assert int.from_bytes(count.read(), "little") > 0


def test_tickets_get_a_new_key_every_day(start_gateway, tmp_path):
    """One key for the life of a certificate would open all that was recorded meanwhile."""
    host = Host(tmp_path)
    certificate = Certificate(str(tmp_path))
    gateway = start_gateway(*certificate.options, environment=host.environment)
    context = trusting(certificate, ssl.TLSVersion.TLSv1_2)
    first, _ = visit(gateway, context)
    assert visit(gateway, context, first)[1]
    host.set(more_seconds=DAY + 1)
    gateway.wait_until_ready()  # Its database was silent for a day.
    second, is_resumed = visit(gateway, context, first)
    assert is_resumed, "yesterday's key opens what it closed"
    host.set(more_seconds=2 * DAY + 2)
    wait_until(lambda: not visit(gateway, context, first)[1], "the key before yesterday's opens nothing")
    assert visit(gateway, context, second)[1]
