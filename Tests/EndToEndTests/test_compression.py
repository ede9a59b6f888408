"""permessage-deflate with real clients: who agrees gets fewer bytes and the same messages, over ws and wss."""

import contextlib
import json
import uuid
import zlib

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from support import tokens
from support.certificates import Certificate
from support.clients import PythonClient, announce
from support.gateway import PATH
from support.raw import TEXT, RawSocket, handshake
from support.secure import trusting
from support.sockets import connect, extensions
from support.waiting import DEADLINE_SECONDS


class CompressingClient(PythonClient):
    """Offers what `factory` says, and trusts `context` when the URL is of wss."""

    factory = None
    context = None

    async def open(self, url, headers):
        self._socket = await connect(
            url, headers, ping_interval=None, max_queue=None, ssl=self.context, compression=None,
            extensions=[self.factory or ClientPerMessageDeflateFactory()],
            open_timeout=DEADLINE_SECONDS, close_timeout=DEADLINE_SECONDS)

    @property
    def agreed(self):
        return [extension.name for extension in extensions(self._socket)]


@pytest.fixture
def gateway(start_gateway):
    return start_gateway("--compression", "on")


@pytest.mark.parametrize("parameters", [
    {},
    {"client_max_window_bits": True},
    {"client_max_window_bits": 9, "client_no_context_takeover": True},
    {"server_no_context_takeover": True, "server_max_window_bits": 15},
    {"server_max_window_bits": 9},
])
async def test_whoever_agrees_gets_the_same_messages(gateway, database, parameters):
    project = database.add_project()
    CompressingClient.factory = ClientPerMessageDeflateFactory(**parameters)
    packed = await CompressingClient.connect(gateway, project)
    plain = await PythonClient.connect(gateway, project)
    assert packed.agreed == ["permessage-deflate"]
    for number in range(20):
        announce(database, project, f"row-{number}")
    messages = await plain.until_fence(database, project)
    assert len(messages) == 20
    # The same fence ends both.
    announce(database, project, "last")
    got = await packed.until("last")
    assert [text for text in got if '"fence"' not in text] == messages
    # What this side compresses is understood.
    assert await packed.ask({"type": "ping", "padding": "a" * 200}) == {"type": "pong"}
    metrics = gateway.metrics()
    assert metrics["devhive_messages_compressed_total"] >= 20
    assert metrics["devhive_compression_saved_bytes_total"] > 20 * 20
    assert metrics["devhive_connections_compressing"] == 1
    await packed.close()
    await plain.close()


async def test_a_window_that_the_gateway_cannot_have_is_declined(gateway, database):
    CompressingClient.factory = ClientPerMessageDeflateFactory(server_max_window_bits=8)
    client = await CompressingClient.connect(gateway)
    assert client.agreed == []
    await client.close()


async def test_it_is_off_unless_asked_for(start_gateway):
    CompressingClient.factory = None
    client = await CompressingClient.connect(start_gateway())
    assert client.agreed == []
    await client.close()


async def test_it_works_through_tls(start_gateway, database, tmp_path):
    certificate = Certificate(str(tmp_path))
    gateway = start_gateway("--compression", "on", *certificate.options)
    project = database.add_project()

    class SecureClient(CompressingClient):
        context = trusting(certificate)

        async def open(self, url, headers):
            await super().open(url.replace("ws://", "wss://"), headers)

    clients = [await SecureClient.connect(gateway, project) for _ in range(3)]
    for number in range(50):
        announce(database, project, f"row-{number}")
    announce(database, project, "last")
    for client in clients:
        assert client.agreed == ["permessage-deflate"]
        rows = [json.loads(text)["data"]["id"] for text in await client.until("last")]
        assert rows == [f"row-{number}" for number in range(50)]
        await client.close()


def test_a_bomb_is_closed_with_1009(gateway):
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (compressor.compress(b" " * (4 << 20)) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(bomb) < 8000
    with RawSocket(gateway.address) as client:
        target = f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"
        client.send(handshake(target, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"))
        status, headers, _ = client.read_answer(head_only=True)
        assert (status, headers["sec-websocket-extensions"]) == (
            101, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10")
        client.send_frame(TEXT, bomb, first_byte=0xC1)
        assert client.read_close()[0] == 1009


class Heedless:
    """Compresses as a client that was told to begin each message anew, and pays no heed: the window is what it agreed to."""

    def __init__(self, gateway, offer, window_bits):
        self.client = RawSocket(gateway.address)
        target = f"{PATH}?token={tokens.token(str(uuid.uuid4()))}"
        self.client.send(handshake(target, Sec_WebSocket_Extensions=offer))
        status, headers, _ = self.client.read_answer(head_only=True)
        assert status == 101 and "client_no_context_takeover" in headers["sec-websocket-extensions"]
        self.compressor = zlib.compressobj(9, zlib.DEFLATED, -window_bits)

    def send(self, message):
        packed = self.compressor.compress(json.dumps(message).encode()) + self.compressor.flush(zlib.Z_SYNC_FLUSH)
        self.client.send_frame(TEXT, packed[:-4], first_byte=0xC1)
        return packed


def answer_of(client):
    first, second = client.read(2)
    length = second if second < 126 else int.from_bytes(client.read(2), "big")
    return first & 0xF, client.read(length)


@pytest.mark.parametrize(("offer", "window_bits"), [
    ("permessage-deflate; client_max_window_bits", 10),  # Tornado, and browsers.
    ("permessage-deflate", 15),  # Safari.
])
def test_a_client_that_keeps_its_context_is_understood(gateway, database, offer, window_bits):
    one = Heedless(gateway, offer, window_bits)
    for number in range(25):  # Each answer is an error, of which 30 are allowed.
        message = {"type": "leave_project", "project_id": database.add_project(), "ref": number}
        packed = one.send(message)
        with pytest.raises(zlib.error) if number else contextlib.nullcontext():
            zlib.decompressobj(-15).decompress(packed)
        opcode, answer = answer_of(one.client)
        assert opcode == TEXT and f'"ref":{number}'.encode() in answer, answer
    one.client.close()
