"""wss: the same service through TLS, and what must not be got out of it."""

import contextlib
import fcntl
import os
import random
import re
import selectors
import signal
import socket
import ssl
import stat
import struct
import subprocess
import termios
import threading
import uuid
from urllib.parse import urlencode

import pytest

from support import tokens
from support.certificates import Certificate
from support.clients import announce
from support.gateway import PATH, VISIBLE
from support.raw import CLOSE, TEXT, RawSocket, handshake
from support.secure import AlertSender, MemoryClient, SecureSocket, trusting
from support.sockets import connect as connect_websocket
from support.waiting import DEADLINE_SECONDS, wait_until
from test_streams import Reader, publish

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture
def certificate(tmp_path):
    return Certificate(str(tmp_path))


@pytest.fixture
def gateway(start_gateway, certificate):
    return start_gateway(*certificate.options)


@pytest.fixture(params=sorted(VERSIONS))
def version(request):
    return VERSIONS[request.param]


def connect(gateway, context, project=None, receive_buffer=None):
    return SecureSocket.using(context).upgrade(
        gateway, token=tokens.token(str(uuid.uuid4())), project=project, receive_buffer=receive_buffer)


def failures(gateway, cause):
    return gateway.metrics()[f'devhive_tls_failures_total{{cause="{cause}"}}']


def fails(gateway, cause, count=1):
    gateway.wait_for_metric(f'devhive_tls_failures_total{{cause="{cause}"}}', count)


def resident_bytes(gateway):
    with open(f"/proc/{gateway.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(gateway):
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


# The service

async def test_a_websocket_library_hears_events_by_wss(gateway, database, certificate, version):
    project = database.add_project()
    query = urlencode({"token": tokens.token(str(uuid.uuid4())), "projectId": project})
    url = f"wss://{gateway.address[0]}:{gateway.address[1]}{PATH}?{query}"
    async with connect_websocket(url, ssl=trusting(certificate, version)) as client:
        negotiated = client.transport.get_extra_info("ssl_object")
        assert negotiated.version() == version.name.replace("v1_", "v1.")
        assert negotiated.selected_alpn_protocol() == "http/1.1"
        for number in range(50):
            announce(database, project, str(number))
        for number in range(50):
            assert f'"{number}"' in await client.recv()
        await client.send('{"type":"join_project","project_id":"%s","ref":7}' % project)
        assert (await client.recv()).startswith('{"type":"ok","ref":7')
    gateway.wait_for_metric('devhive_connections_closed_total{code="1000"}', 1)


@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_s_client_gets_an_answer_and_a_close_notify(gateway, certificate, flag):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{gateway.address[0]}:{gateway.address[1]}", "-CAfile",
         certificate.certificate, "-verify_return_error", "-alpn", "http/1.1", "-ign_eof", flag],
        input="GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", capture_output=True, text=True,
        timeout=DEADLINE_SECONDS, check=False)
    assert "HTTP/1.1 404" in done.stdout, done.stdout + done.stderr
    assert "ALPN protocol: http/1.1" in done.stdout
    assert "closed" in done.stdout.splitlines()[-1]
    assert "unexpected eof" not in done.stderr


def test_the_admin_listener_stays_plain(gateway):
    assert gateway.request("/livez", admin=True)[0] == 200


def test_a_large_audience_hears_everything_in_order(gateway, database, certificate, version):
    project = database.add_project()
    context = trusting(certificate, version)
    clients = [connect(gateway, context, project) for _ in range(300)]
    for number in range(40):
        announce(database, project, str(number))
    for client in clients:
        for number in range(40):
            opcode, payload = client.read_frame()
            assert opcode == TEXT and f'"id":"{number}"'.encode() in payload, (number, payload)
        client.close()
    assert gateway.metrics()["devhive_tls_handshakes_total"] == 300


@pytest.mark.parametrize("method", ["on", "off"])
def test_slow_readers_decrypt_everything_or_a_resync(start_gateway, database, certificate, method, version):
    """FAULTS 21: small windows, random frames, random reads."""
    gateway = start_gateway("--io-uring", method, *certificate.options)
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    project = database.add_project()
    sizes = [chance.choice([0, 1, 60, 125, 200, 1000, 7000]) for _ in range(1500)]
    context = trusting(certificate, version)
    readers = []
    for index in range(16):
        client = connect(gateway, context, project, receive_buffer=2048 if index % 2 else 65536)
        client.socket.setblocking(False)
        readers.append(SecureReader(client, sizes))
    publisher = threading.Thread(target=publish, args=(database, project, list(sizes)))
    publisher.start()
    sizes.append(3)
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader.raw.socket, selectors.EVENT_READ, reader)
    announced = False
    while selector.get_map():
        events = selector.select(timeout=0.2 if not announced else 30)
        if not events and not publisher.is_alive():
            assert not announced, "a client doesn't get the last event"
            announce(database, project, f"{len(sizes) - 1}:xxx")
            announced = True
        for key, _ in chance.sample(events, len(events)):
            if chance.random() < 0.7:
                key.data.take_all(chance)
                if key.data.is_done:
                    selector.unregister(key.fileobj)
    publisher.join()
    for reader in readers:
        reader.raw.close()
    assert sum(value for name, value in gateway.metrics().items()
               if name.startswith("devhive_tls_failures_total")) == 0


class SecureReader(Reader):
    def take_all(self, chance):
        """What is decrypted already makes no descriptor readable, so it is taken too."""
        try:
            self.take(chance)
            while self.raw.socket.pending():
                self.take(chance)
        except ssl.SSLWantReadError:
            pass


def test_a_client_that_never_reads_collapses_and_costs_one_record(gateway, database, certificate):
    project = database.add_project()
    context = trusting(certificate)
    slow = connect(gateway, context, project, receive_buffer=2048)
    fast = connect(gateway, context, project)
    count = 600
    taken = threading.Thread(target=lambda: [fast.read_frame() for _ in range(count)])
    taken.start()
    publish(database, project, [4000] * count)
    taken.join()
    gateway.wait_for_metric("devhive_collapsed_clients_total", 1)
    numbers, resynced = [], False
    while not resynced:
        _, payload = slow.read_frame()
        resynced = b'"RESYNC"' in payload
        if not resynced:
            numbers.append(int(re.search(rb'"id":"(\d+):', payload)[1]))
    assert numbers == list(range(len(numbers))) and len(numbers) < count
    for client in (slow, fast):
        client.close()


# Negotiation

def test_http2_alone_is_refused_with_the_alert_of_rfc_7301(gateway, certificate):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        SecureSocket.using(trusting(certificate, alpn=("h2",)))(gateway.address)
    fails(gateway, "unsupported")


def test_http11_is_chosen_of_several_and_nothing_need_be_offered(gateway, certificate):
    both = SecureSocket.using(trusting(certificate, alpn=("h2", "http/1.1")))(gateway.address)
    assert both.socket.selected_alpn_protocol() == "http/1.1"
    none = SecureSocket.using(trusting(certificate, alpn=()))(gateway.address)
    assert none.socket.selected_alpn_protocol() is None
    for client in (both, none):
        client.close()


def test_old_versions_and_weak_ciphers_are_refused(gateway):
    for options in (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-SHA"]):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"{gateway.address[0]}:{gateway.address[1]}", *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
        assert done.returncode != 0, options
    fails(gateway, "unsupported", 2)


def test_aes_128_is_chosen_of_all_and_chacha_for_who_wants_it_first(gateway, certificate, version):
    everything = SecureSocket.using(trusting(certificate, version))(gateway.address)
    assert "AES" in everything.socket.cipher()[0] and "128" in everything.socket.cipher()[0]
    everything.close()
    if version == ssl.TLSVersion.TLSv1_2:  # Python has no say in the ciphers of TLS 1.3.
        context = trusting(certificate, version)
        context.set_ciphers("ECDHE+CHACHA20:ECDHE+AESGCM")
        without_instructions = SecureSocket.using(context)(gateway.address)
        assert "CHACHA20" in without_instructions.socket.cipher()[0]
        without_instructions.close()


def test_a_session_is_resumed_by_its_ticket(gateway, certificate, version):
    context = trusting(certificate, version)
    first = SecureSocket.using(context)(gateway.address)
    first.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
    first.read_answer()
    session = first.socket.session
    plain = socket.create_connection(gateway.address)
    with context.wrap_socket(plain, server_hostname="localhost", session=session) as second:
        assert second.session_reused
    first.close()
    gateway.wait_for_metric("devhive_tls_resumptions_total", 1)


# The certificate

def test_sighup_brings_a_new_certificate_and_drops_nobody(gateway, database, certificate):
    project = database.add_project()
    client = connect(gateway, trusting(certificate), project)
    old = ssl.get_server_certificate(gateway.address)
    certificate.renew()
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for_metric('devhive_reloads_total{result="ok"}', 1)
    assert ssl.get_server_certificate(gateway.address) != old
    newcomer = connect(gateway, trusting(certificate), project)
    announce(database, project, "after")
    for each in (client, newcomer):
        assert b'"after"' in each.read_frame()[1]
        each.close()


def test_a_broken_file_keeps_the_old_certificate_and_says_so(gateway, certificate):
    old = ssl.get_server_certificate(gateway.address)
    with open(certificate.certificate, "w", encoding="ascii") as file:
        file.write("-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n")
    gateway.process.send_signal(signal.SIGHUP)
    line = gateway.wait_for_log("reload failed, the old ones stay in use", what="certificate")
    assert certificate.certificate in line["error"]
    assert ssl.get_server_certificate(gateway.address) == old
    assert gateway.metrics()['devhive_reloads_total{result="failed"}'] == 1


def test_every_worker_speaks_tls_and_reloads(start_gateway, certificate):
    gateway = start_gateway("--workers", "2", *certificate.options)
    old = ssl.get_server_certificate(gateway.address)
    expiry = gateway.metrics()["devhive_tls_certificate_not_after_seconds"]
    assert expiry < 2**32, "not a sum"
    certificate.renew()
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for_metric('devhive_reloads_total{result="ok"}', 2)
    assert all(ssl.get_server_certificate(gateway.address) != old for _ in range(8))


def test_a_key_of_another_certificate_is_refused_at_start(start_gateway, certificate, tmp_path):
    other = Certificate(str(tmp_path), "other")
    for options in (("--workers", "1"), ("--workers", "2")):
        with pytest.raises(AssertionError, match="cannot speak TLS.*key values mismatch"):
            start_gateway("--tls-cert", certificate.certificate, "--tls-key", other.key, *options)


def test_a_key_that_others_can_read_is_warned_about(start_gateway, certificate):
    os.chmod(certificate.key, stat.S_IRUSR | stat.S_IRGRP)
    start_gateway(*certificate.options).wait_for_log(
        "the TLS key can be read by other users; take their permissions away", key=certificate.key)


# What goes wrong (FAULTS 20)

def test_a_request_with_a_close_notify_behind_it_is_not_opened(start_gateway, database, certificate):
    """Both in one segment, so that the end is known before the database has answered."""
    gateway = start_gateway("--membership", "on", *certificate.options)
    user = database.add_user()
    project = database.add_project(user)
    client = MemoryClient(gateway.address, trusting(certificate))
    client.shake_hands()
    query = urlencode({"token": tokens.token(user), "projectId": project})
    client.session.write(handshake(f"{PATH}?{query}"))
    with pytest.raises(ssl.SSLWantReadError):
        client.session.unwrap()
    client.flush()
    client.plain.read_to_end()
    client.close()
    assert gateway.metrics()["devhive_connections"] == 0
    assert gateway.request("/livez", admin=True)[0] == 200


def test_http_on_the_tls_port_is_told_so(gateway):
    with RawSocket(gateway.address) as raw:
        raw.send(handshake(PATH))
        status, _, body = raw.read_answer()
        assert status == 400 and "TLS" in body
        assert raw.read_to_end() == b""
    assert failures(gateway, "plaintext") == 1


def test_garbage_gets_an_alert_and_an_end(gateway):
    with RawSocket(gateway.address) as raw:
        raw.send(os.urandom(1) + b"this is no TLS and no HTTP either\r\n\r\n")
        answer = raw.read_to_end()
        assert answer == b"" or answer[0] == 0x15
    fails(gateway, "malformed")


def test_a_handshake_cut_anywhere_is_closed_at_the_deadline(start_gateway, certificate):
    gateway = start_gateway("--handshake-timeout", "1s", *certificate.options)
    clients = []
    for cut in (1, 4, 5, 6, 50, 200):
        client = MemoryClient(gateway.address, trusting(certificate))
        with pytest.raises(ssl.SSLWantReadError):
            client.session.do_handshake()
        client.plain.send(client.outgoing.read()[:cut])
        clients.append(client)
    for client in clients:
        assert client.plain.read_to_end() == b"", "something in the clear"
        client.close()
    fails(gateway, "abandoned", 6)
    slow = MemoryClient(gateway.address, trusting(certificate))
    slow.shake_hands(chunk=1)
    slow.close()


@pytest.mark.ordinary_user
def test_thousands_of_abandoned_handshakes_give_their_memory_back(start_gateway, database, certificate):
    gateway = start_gateway("--handshake-timeout", "2s", *VISIBLE, *certificate.options)
    project = database.add_project()
    steady = connect(gateway, trusting(certificate), project)
    template = MemoryClient(gateway.address, trusting(certificate))
    with pytest.raises(ssl.SSLWantReadError):
        template.session.do_handshake()
    hello = template.outgoing.read()
    template.close()
    base_descriptors = descriptors(gateway)
    sockets = []
    growth = []
    for _ in range(2):
        for _ in range(2500):
            raw = socket.create_connection(gateway.address)
            raw.send(hello)
            sockets.append(raw)
        announce(database, project, "meanwhile")
        assert b'"meanwhile"' in steady.read_frame()[1]
        for raw in sockets:
            raw.close()
        sockets.clear()
        wait_until(lambda: descriptors(gateway) <= base_descriptors + 2, "all are closed")
        growth.append(resident_bytes(gateway))
    # What the first crowd left with the allocator serves the second.
    assert growth[1] - growth[0] < 16 << 20, growth
    steady.close()


def test_a_close_without_close_notify_is_an_end_like_any_other(gateway, database, certificate):
    project = database.add_project()
    context = trusting(certificate)
    # A FIN without a word.
    silent = connect(gateway, context, project)
    silent.plain = socket.socket(fileno=silent.socket.detach())
    silent.plain.close()
    # A reset.
    reset = connect(gateway, context, project)
    reset.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket(fileno=reset.socket.detach()).close()
    # A close_notify without a Close frame: it is answered.
    notified = connect(gateway, context, project)
    notified.socket.unwrap().close()
    # Half a record, then the end.
    cut = connect(gateway, context, project)
    plain = socket.socket(fileno=cut.socket.detach())
    plain.send(b"\x17\x03\x03\x00\x40half")
    plain.close()
    gateway.wait_for_metric('devhive_connections_closed_total{code="1006"}', 4)
    # And in order: Close frames, close_notify both ways.
    polite = connect(gateway, context, project)
    polite.send_frame(CLOSE, struct.pack(">H", 1000))
    assert polite.read_close() == (1000, "")
    polite.socket.unwrap().close()
    gateway.wait_for_metric('devhive_connections_closed_total{code="1000"}', 1)


class Operated:
    """openssl s_client, told by its command letters what to do."""

    def __init__(self, gateway, *options):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"{gateway.address[0]}:{gateway.address[1]}", *options],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def say(self, text):
        """One read of its standard input: a letter counts as a command only at the begin of one."""
        self.process.stdin.write(text)
        self.process.stdin.flush()
        wait_until(lambda: self.has_ended or self._waiting() == 0, "s_client reads")

    def _waiting(self):
        return struct.unpack("i", fcntl.ioctl(self.process.stdin, termios.FIONREAD, b"\0" * 4))[0]

    @property
    def has_ended(self):
        return self.process.poll() is not None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        try:
            self.process.communicate()
        except BrokenPipeError:
            pass


def test_a_renegotiation_is_refused(gateway):
    with Operated(gateway, "-tls1_2") as client:
        gateway.wait_for_metric("devhive_tls_handshakes_total", 1)
        client.say(b"R\n")
        wait_until(lambda: client.has_ended, "s_client gives up")
    assert gateway.metrics()["devhive_tls_handshakes_total"] == 1


def test_a_flood_of_key_updates_ends_the_session_and_hurts_nobody(gateway, database, certificate):
    project = database.add_project()
    steady = connect(gateway, trusting(certificate), project)
    with Operated(gateway, "-tls1_3", "-crlf") as client:
        gateway.wait_for_metric("devhive_tls_handshakes_total", 2)
        updates = 0
        while not client.has_ended and failures(gateway, "flood") == 0:
            assert updates < 300, "nobody stops it"
            updates += 1
            try:
                client.say(b"K\n")
                # It leaves with the next data.
                client.say(b"GET /nothing HTTP/1.1\nHost: a\n\n")
            except BrokenPipeError:
                break
        fails(gateway, "flood")
        assert updates > 100, "a few are nobody's fault"
    announce(database, project, "still here")
    assert b'"still here"' in steady.read_frame()[1]
    steady.close()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_key_updates_in_a_row_break_nothing(gateway, certificate, tmp_path, count):
    request = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
    sender = AlertSender(gateway.address, trusting(certificate), tmp_path / "keys")
    sender.send_data(request)
    assert sender.receive().startswith(b"HTTP/1.1 404 ")
    for _ in range(2):
        sender.send_key_updates(count)
        sender.send_data(request)
        assert sender.receive().startswith(b"HTTP/1.1 404 ")
    sender.close()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_key_updates_that_come_last_break_nothing(gateway, database, certificate, tmp_path, count):
    """Nothing comes behind them that would let the session finish: what it is sent must be readable all the same."""
    project = database.add_project()
    sender = AlertSender(gateway.address, trusting(certificate), tmp_path / "keys")
    path = f"/api/v1/messages/ws?token={tokens.token(str(uuid.uuid4()))}&projectId={project}"
    sender.send_data(handshake(path))
    assert sender.receive().startswith(b"HTTP/1.1 101 ")
    records = gateway.metrics()["devhive_tls_control_records_total"]
    sender.send_key_updates(count)
    gateway.wait_for_metric("devhive_tls_control_records_total", records + count)
    announce(database, project, "behind them")
    received = b""
    while b'"behind them"' not in received:
        received += sender.receive()
    sender.close()


def test_a_flood_of_alerts_ends_the_session_and_hurts_nobody(gateway, database, certificate, tmp_path):
    """Warnings, which say nothing that one must act on."""
    project = database.add_project()
    steady = connect(gateway, trusting(certificate), project)
    sender = AlertSender(gateway.address, trusting(certificate), tmp_path / "keys")
    # One is nobody's fault: the request behind it is answered.
    sender.send_alert()
    sender.send_data(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sender.receive().startswith(b"HTTP/1.1 404 ")
    with contextlib.suppress(ConnectionError):
        for _ in range(1000):
            sender.send_alert()
    sender.client.plain.read_to_end()
    sender.close()
    assert failures(gateway, "flood") + failures(gateway, "malformed") == 1
    announce(database, project, "still here")
    assert b'"still here"' in steady.read_frame()[1]
    steady.close()


def test_what_a_failed_session_leaves_reaches_no_other(gateway, database, certificate, tmp_path):
    """One session is in the middle of a key update when it has to write, another one fails with bytes unread, both in
    one turn: neither's bytes may get into a third one's stream."""
    request = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
    bystander, broken = (MemoryClient(gateway.address, trusting(certificate)) for _ in range(2))
    halfway = AlertSender(gateway.address, trusting(certificate), tmp_path / "keys")
    for client in (bystander, broken):
        client.shake_hands()
        client.session.write(request)
        client.flush()
        assert client.receive().startswith(b"HTTP/1.1 404 ")
    halfway.send_data(request)
    assert halfway.receive().startswith(b"HTTP/1.1 404 ")
    with gateway.standing_still():
        halfway.send_data_and_half_a_key_update(request)
        broken.plain.send((b"\x17\x03\x03\x00\x20" + os.urandom(32)) * 2)
    fails(gateway, "malformed")
    bystander.session.write(request)
    bystander.flush()
    assert bystander.receive().startswith(b"HTTP/1.1 404 ")
    for client in (bystander, halfway, broken):
        client.close()


def test_very_small_records_of_many_hold_nobody_up(gateway, database, certificate):
    project = database.add_project()
    steady = connect(gateway, trusting(certificate), project)
    crowd = [MemoryClient(gateway.address, trusting(certificate)) for _ in range(20)]
    for client in crowd:
        client.shake_hands()
        client.session.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 10000)
        for _ in range(2000):
            client.session.write(b"a")
    with gateway.standing_still():
        for client in crowd:
            client.flush()
    gateway.wait_for_metric('devhive_client_waits_total{who="strangers"}', 1)
    announce(database, project, "still here")
    assert b'"still here"' in steady.read_frame()[1]
    for client in crowd:
        client.session.write(b"\r\n\r\n")
        client.flush()
        assert client.receive().startswith(b"HTTP/1.1 404 ")
        client.close()
    steady.close()


def test_a_flood_of_alerts_instead_of_a_handshake(gateway, database, certificate):
    project = database.add_project()
    steady = connect(gateway, trusting(certificate), project)
    with RawSocket(gateway.address) as flood:
        flood.send(b"\x15\x03\x01\x00\x02\x01\x5a" * 1000)
        flood.read_to_end()
    assert failures(gateway, "flood") + failures(gateway, "malformed") == 1
    announce(database, project, "still here")
    assert b'"still here"' in steady.read_frame()[1]
    steady.close()
