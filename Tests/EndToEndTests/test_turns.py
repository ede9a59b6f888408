"""What many say at once takes a share of a turn: whoever is connected is answered meanwhile."""

import select
import ssl
import threading
import time
import uuid
import zlib

import pytest

from support import tokens
from support.certificates import Certificate
from support.gateway import PATH, UNLIMITED
from support.raw import TEXT, RawSocket, frame, handshake
from support.secure import trusting

CROWD = 300
EXTENSION = "permessage-deflate"
ZEROS = "[" + ",".join(["0"] * 4_000) + "]"


def turns_longer_than(gateway, seconds):
    metrics = gateway.metrics()
    within = metrics[f'devhive_loop_turn_seconds_bucket{{le="{seconds}"}}']
    return metrics["devhive_loop_turn_seconds_count"] - within


class Bystander(threading.Thread):
    """Asks again and again, and notes how long each answer took."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.client = RawSocket.upgrade(gateway, token=tokens.token(str(uuid.uuid4())))
        self.seconds = []
        self.ends = False

    def ask(self):
        began = time.monotonic()
        self.client.send_frame(TEXT, b'{"type":"ping"}')
        while b"pong" not in self.client.read_frame()[1]:
            pass
        self.seconds.append(time.monotonic() - began)

    def run(self):
        while not self.ends:
            self.ask()
            select.select([], [], [], 0.025)  # Forty in a second is within what anybody may ask.

    def finish(self):
        self.ends = True
        self.join()
        self.client.close()
        return sorted(self.seconds)


def strangers(gateway, count, **fields):
    crowd = [RawSocket(gateway.address, source=f"127.0.3.{1 + number % 200}") for number in range(count)]
    for client in crowd:
        client.send(handshake(PATH, **fields))
    for client in crowd:
        assert client.read_answer(head_only=True)[0] == 101
    return crowd


def finish(crowd):
    """Everybody is answered, or closed with a code that says why."""
    codes = set()
    for client in crowd:
        codes.add(client.read_close()[0])
        client.close()
    return codes


def like_init(size):
    """What costs most of all that an `init` can be."""
    text = '{"type":"init","x":[' + ",".join(["0"] * 200) + "]"
    return (text + " " * (size - len(text) - 1) + "}").encode()


@pytest.mark.parametrize("text", [ZEROS.encode(), like_init(8_000)], ids=["array", "init"])
def test_a_crowd_without_tokens_holds_nobody_up(start_gateway, text):
    gateway = start_gateway(*UNLIMITED)
    crowd = strangers(gateway, CROWD)
    bystander = Bystander(gateway)
    for _ in range(5):
        bystander.ask()
    bystander.start()
    flood = frame(TEXT, text) * 28
    # All at once: what they send is there when the gateway looks.
    with gateway.standing_still():
        for client in crowd:
            client.socket.setblocking(False)
            try:
                client.socket.send(flood)
            except BlockingIOError:
                pass
            client.socket.setblocking(True)
    assert finish(crowd) <= {4001, 4002}
    seconds = bystander.finish()
    # Standing still was one of its answers; the others weren't held up by seconds of reading.
    assert seconds[-2] < 0.5, seconds[-5:]
    assert turns_longer_than(gateway, "0.25") == 0


def test_what_unpacks_to_a_thousand_times_as_much_is_read_bit_by_bit(start_gateway):
    gateway = start_gateway(*UNLIMITED, "--compression", "on")
    crowd = strangers(gateway, CROWD, Sec_WebSocket_Extensions=f"{EXTENSION}; client_no_context_takeover")
    bystander = Bystander(gateway)
    bystander.start()
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (compressor.compress(like_init(8_000)) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(packed) < 200
    with gateway.standing_still():
        for client in crowd:
            client.send(frame(TEXT, packed, first_byte=0xC1) * 100)
    assert finish(crowd) <= {4001, 4002}
    assert bystander.finish()[-2] < 0.5
    assert turns_longer_than(gateway, "0.25") == 0


def test_a_token_with_a_long_header_is_refused(gateway):
    header = '{"alg":"HS256","x":[' + ",".join(["0"] * 2_000) + "]}"
    parts = [tokens.base64url(header.encode()), tokens.base64url(b"{}"), "a" * 43]
    status, _, body = gateway.request(
        f"/api/v1/projects/{uuid.uuid4()}/ws/status", headers={"Authorization": "Bearer " + ".".join(parts)})
    assert status == 401 and "header is too long" in str(body)


# TLS

def client_hello(context):
    """The first bytes of a handshake, which anybody can record and send again and again."""
    outgoing = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def test_handshakes_of_one_address_are_refused_before_anything_is_computed(start_gateway, tmp_path):
    certificate = Certificate(str(tmp_path))
    gateway = start_gateway(*certificate.options, "--handshakes-per-second", "5", "--connections-per-address", "off")
    context = trusting(certificate)
    hello = client_hello(context)
    for _ in range(20):
        crowd = [RawSocket(gateway.address, source="127.0.4.1") for _ in range(100)]
        for client in crowd:
            client.send(hello)
        # Of another address newcomers get in meanwhile: TLS, and the upgrade.
        with RawSocket(gateway.address, source="127.0.4.2") as plain:
            plain.socket = context.wrap_socket(plain.socket, server_hostname="localhost")
            plain.send(handshake(f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"))
            assert plain.read_answer(head_only=True)[0] == 101
        for client in crowd:
            client.close()
    metrics = gateway.metrics()
    # 50 at once, and 5 in each second that the test took.
    dropped = metrics['devhive_connections_dropped_total{reason="handshakes"}']
    assert dropped > 1_000, dropped
    assert metrics["devhive_tls_handshakes_total"] == 20
    with RawSocket(gateway.address, source="127.0.4.1") as client:
        client.send(hello)
        assert client.read_to_end() == b""


def test_those_who_wait_for_a_handshake_cost_no_time_while_they_do(start_gateway, tmp_path):
    certificate = Certificate(str(tmp_path))
    gateway = start_gateway(*certificate.options, *UNLIMITED)
    context = trusting(certificate)
    hello = client_hello(context)
    bystander = RawSocket(gateway.address)
    bystander.socket = context.wrap_socket(bystander.socket, server_hostname="localhost")
    bystander.send(handshake(f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"))
    assert bystander.read_answer(head_only=True)[0] == 101
    crowd = [RawSocket(gateway.address) for _ in range(CROWD)]
    with gateway.standing_still():
        for client in crowd:
            client.send(hello)
        bystander.send_frame(TEXT, b'{"type":"ping"}')
    while b"pong" not in bystander.read_frame()[1]:
        pass
    for client in crowd:
        assert client.read(5)[0] == 0x16, "each gets its answer in the end"
        client.close()
    bystander.close()
    metrics = gateway.metrics()
    # Each waited at its accept and with its hello, or was heard at once: nobody is reported again and again.
    assert 0 < metrics["devhive_tls_handshakes_deferred_total"] <= 3 * CROWD
    assert turns_longer_than(gateway, "0.25") == 0
