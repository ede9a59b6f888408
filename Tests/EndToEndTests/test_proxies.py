"""Behind proxies and load balancers: X-Forwarded-For and the PROXY protocol."""

import itertools
import socket
import struct
import uuid

import pytest

from support import tokens
from support.certificates import Certificate
from support.gateway import PATH
from support.raw import PING, PONG, RawSocket, handshake
from support.secure import trusting
from support.waiting import wait_until

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def binary_header(source="192.0.2.1", command=1, family=0x11, extensions=b""):
    addresses = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 4711, 443)
    rest = addresses + extensions
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(rest)) + rest


def text_header(source="192.0.2.1"):
    return f"PROXY TCP4 {source} 198.51.100.1 4711 443\r\n".encode()


def upgrade_request(**headers):
    return handshake(f"{PATH}?token={tokens.token(str(uuid.uuid4()))}", **headers)


def status_of(raw, request):
    raw.send(request)
    return raw.read_answer(head_only=True)[0]


def test_the_forwarded_address_counts_and_is_logged(start_gateway):
    gateway = start_gateway("--trusted-proxies", "127.0.0.1", "--connections-per-address", "1")
    sockets = [RawSocket(gateway.address) for _ in range(4)]
    statuses = [
        status_of(raw, upgrade_request(X_Forwarded_For=value))
        for raw, value in zip(sockets, ["192.0.2.1", "6.6.6.6, 192.0.2.1, 127.0.0.1", "192.0.2.2:4711", "[2001:db8::1]:1"])]
    assert statuses == [101, 429, 101, 101]
    gateway.wait_for_log("handshake refused", address="192.0.2.1")
    gateway.wait_for_log("client registered", address="2001:db8:0:0::/64")
    for raw in sockets:
        raw.close()


def test_others_are_not_believed(start_gateway):
    gateway = start_gateway("--trusted-proxies", "10.0.0.0/8")
    with RawSocket(gateway.address) as raw:
        assert status_of(raw, upgrade_request(X_Forwarded_For="192.0.2.1")) == 101
        gateway.wait_for_log("client registered", address="127.0.0.1")


def test_nonsense_is_counted_and_the_proxy_s_own_address_is_used(start_gateway):
    gateway = start_gateway("--trusted-proxies", "127.0.0.1")
    with RawSocket(gateway.address) as raw:
        assert status_of(raw, upgrade_request(X_Forwarded_For="192.0.2.1, unknown")) == 101
        gateway.wait_for_log("client registered", address="127.0.0.1")
    assert gateway.metrics()['devhive_proxy_faults_total{fault="forwarded_for"}'] == 1


@pytest.fixture
def balanced(start_gateway):
    return start_gateway("--trusted-proxies", "127.0.0.1,::1", "--proxy-protocol", "on", "--handshake-timeout", "500ms")


@pytest.mark.parametrize("header", [
    text_header(), binary_header(), binary_header(extensions=b"\x04\x00\x20" + b"x" * 32)], ids=["text", "binary", "extended"])
def test_a_header_in_one_piece_with_the_request_and_byte_by_byte(balanced, header):
    request = upgrade_request()
    for pieces in ([header + request], [header, request], [bytes([byte]) for byte in header + request]):
        with RawSocket(balanced.address) as raw:
            for piece in pieces:
                raw.send(piece)
            assert raw.read_answer(head_only=True)[0] == 101
    wait_until(lambda: len(balanced.log("client registered", address="192.0.2.1")) == 3, "three log lines")


def test_tls_begins_behind_the_header(start_gateway, tmp_path):
    certificate = Certificate(str(tmp_path))
    gateway = start_gateway("--trusted-proxies", "127.0.0.1", "--proxy-protocol", "on", *certificate.options)
    context = trusting(certificate)
    for header, in_one_packet in itertools.product((text_header(), binary_header()), (False, True)):
        raw = RawSocket(gateway.address)
        # Corked, the kernel waits up to 200 ms for more, so the handshake's first bytes are in the same packet.
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK if in_one_packet else socket.TCP_NODELAY, 1)
        for byte in header:
            raw.send(bytes([byte]))
        raw.socket = context.wrap_socket(raw.socket, server_hostname="localhost")
        with raw:
            assert status_of(raw, upgrade_request()) == 101
            raw.send_frame(PING, b"x")
            assert raw.read_frame() == (PONG, b"x")
    wait_until(lambda: len(gateway.log("client registered", address="192.0.2.1")) == 4, "four log lines")


def test_the_balancer_s_own_connection(balanced):
    with RawSocket(balanced.address) as raw:
        assert status_of(raw, binary_header(command=0, family=0) + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == 404


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PROXY nonsense\r\n", binary_header(command=2), binary_header(family=0x12),
    b"\x16\x03\x01\x02\x00"], ids=["http", "text", "command", "family", "tls"])
def test_what_is_no_header_is_closed_and_counted(balanced, data):
    with RawSocket(balanced.address) as raw:
        raw.send(data)
        assert raw.read_to_end() == b""
    balanced.wait_for_metric('devhive_proxy_faults_total{fault="proxy_header"}', 1)


def test_a_header_that_never_comes(balanced):
    with RawSocket(balanced.address) as silent, RawSocket(balanced.address) as begun:
        begun.send(SIGNATURE)
        assert (silent.read_to_end(), begun.read_to_end()) == (b"", b"")
    balanced.wait_for_metric('devhive_proxy_faults_total{fault="proxy_header_late"}', 2)


def test_nobody_but_trusted_proxies_may_connect(start_gateway):
    gateway = start_gateway("--trusted-proxies", "10.0.0.1", "--proxy-protocol", "on")
    with RawSocket(gateway.address) as raw:
        assert raw.read_to_end() == b""
    gateway.wait_for_metric('devhive_proxy_faults_total{fault="untrusted"}', 1)


def test_operators_need_no_header(balanced):
    assert balanced.request("/livez", admin=True)[0] == 200
