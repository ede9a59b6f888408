"""A socket that speaks HTTP and WebSocket by hand: for what no library would send, or would answer by itself."""

import base64
import json
import os
import socket
import struct
from urllib.parse import urlencode

from .gateway import PATH
from .waiting import DEADLINE_SECONDS

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class RawSocket:
    def __init__(self, address, receive_buffer=None, source=None):
        self.socket = socket.socket()
        self.socket.settimeout(DEADLINE_SECONDS)
        if receive_buffer is not None:
            # Before connect: afterwards the window may be larger already.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            self.socket.bind((source, 0))
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._buffer = b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"the peer closed; not yet used: {self._buffer!r}")
        self._buffer += data

    def read(self, count):
        while len(self._buffer) < count:
            self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read_through(self, end):
        while end not in self._buffer:
            self._more()
        position = self._buffer.index(end) + len(end)
        return self.read(position)

    def read_to_end(self):
        """Everything until the peer closes."""
        try:
            while True:
                self._more()
        except (EOFError, ConnectionResetError):
            data, self._buffer = self._buffer, b""
            return data

    def read_answer(self, head_only=False):
        """One HTTP answer: status, headers by their lower-case name, body."""
        lines = self.read_through(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        body = b"" if head_only else self.read(int(headers.get("content-length", 0)))
        return int(lines[0].split(" ")[1]), headers, body.decode("utf-8")

    # WebSocket

    @classmethod
    def upgrade(cls, gateway, token=None, project=None, receive_buffer=None):
        raw = cls(gateway.address, receive_buffer)
        query = {name: value for name, value in (("token", token), ("projectId", project)) if value is not None}
        raw.send(handshake(PATH + ("?" + urlencode(query) if query else "")))
        status, _, body = raw.read_answer(head_only=True)
        assert status == 101, (status, body)
        return raw

    def send_frame(self, opcode, payload=b"", **options):
        self.send(frame(opcode, payload, **options))

    def read_frame(self):
        """Opcode and payload. The gateway sends neither fragments nor reserved bits nor masks."""
        first, second = self.read(2)
        assert first & 0xF0 == 0x80, f"not one final frame: {first:#x}"
        assert second & 0x80 == 0, "a masked frame from a server"
        length = second
        if second == 126:
            (length,) = struct.unpack(">H", self.read(2))
            assert length >= 126, "a length longer than need be"
        elif second == 127:
            (length,) = struct.unpack(">Q", self.read(8))
            assert length >= 65536, "a length longer than need be"
        return first & 0xF, self.read(length)

    def read_message(self):
        """The next message, for tests that may last longer than the keepalive's pings are apart."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == TEXT and (message := json.loads(payload))["type"] != "ping":
                return message
            assert opcode in (TEXT, PING), f"a frame that is no message: {opcode}, {payload}"

    def read_close(self):
        """The code and reason of the close frame; frames before it are skipped."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                return close_of(payload)


def frame(opcode, payload=b"", first_byte=None, masked=True):
    """One final frame with a random masking key; `first_byte` replaces opcode and flags."""
    head = bytes([0x80 | opcode if first_byte is None else first_byte])
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
    if masked:
        key = os.urandom(4)
        payload = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
        head += key
    return head + payload


def close_of(payload):
    if not payload:
        return None, ""
    return struct.unpack(">H", payload[:2])[0], payload[2:].decode("utf-8")


def handshake(target, **replaced):
    """A client's opening handshake; a header given as None is left out."""
    headers = {
        "Host": "gateway.example", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode("ascii"), "Sec-WebSocket-Version": "13"}
    headers.update({name.replace("_", "-"): value for name, value in replaced.items()})
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    return f"GET {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1")
