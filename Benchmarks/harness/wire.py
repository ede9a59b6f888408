"""What clients of a benchmark send: tokens, handshakes and frames, as bytes."""

import base64
import hashlib
import hmac
import json
import os
import struct
import time

PATH = "/api/v1/messages/ws"
CONTINUATION, TEXT, CLOSE, PING = 0x0, 0x1, 0x8, 0x9


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def token(user, header=None):
    """Good for an hour; `header` is added to the token's header."""
    header = {"alg": "HS256", "typ": "JWT", **(header or {})}
    claims = {"sub": user, "exp": int(time.time()) + 3600}
    parts = (json.dumps(part, separators=(",", ":")).encode("ascii") for part in (header, claims))
    signed = ".".join(map(base64url, parts))
    code = hmac.new(os.environ["JWT_SECRET"].encode("utf-8"), signed.encode("ascii"), hashlib.sha256)
    return f"{signed}.{base64url(code.digest())}"


def request(target, **fields):
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()]
    return f"GET {target} HTTP/1.1\r\nHost: gateway.example\r\n{''.join(lines)}\r\n".encode("ascii")


def handshake(target=PATH, **fields):
    return request(
        target, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", **fields,
    )  # fmt: skip


def frame(opcode, payload=b"", is_final=True, is_compressed=False):
    """Masked, as a client's must be, with a key of zeros: the payload stands in it as it is."""
    first = opcode | (0x80 if is_final else 0) | (0x40 if is_compressed else 0)
    if len(payload) < 126:
        head = bytes([first, 0x80 | len(payload)])
    else:
        head = bytes([first, 0x80 | 126]) + struct.pack(">H", len(payload))
    return head + bytes(4) + payload
