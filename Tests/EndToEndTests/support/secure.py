"""TLS clients by Python's ssl: sockets that speak WebSocket by hand, and sessions whose every byte a test sends."""

import ssl
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from .raw import RawSocket


def trusting(certificate, version=None, alpn=("http/1.1",)):
    """Trusts this certificate and no other; speaks one version when given."""
    context = ssl.create_default_context(cafile=certificate.certificate)
    context.check_hostname = False
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class SecureSocket(RawSocket):
    """A RawSocket whose bytes go through TLS; `context` is set by `using`."""

    context = None

    def __init__(self, address, receive_buffer=None):
        super().__init__(address, receive_buffer)
        self.plain = self.socket
        self.socket = self.context.wrap_socket(self.plain, server_hostname="localhost")

    @classmethod
    def using(cls, context):
        return type("SecureSocketInContext", (cls,), {"context": context})

    def hang_up(self):
        """Closes the connection without a close_notify."""
        self.socket.detach()


class MemoryClient:
    """A client's session in memory over a plain socket, so that records can be cut, held back and repeated."""

    def __init__(self, address, context):
        self.plain = RawSocket(address)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def shake_hands(self, chunk=65536):
        while True:
            try:
                self.session.do_handshake()
                self.flush(chunk)
                return
            except ssl.SSLWantReadError:
                self.flush(chunk)
                self.pull()

    def flush(self, chunk=65536):
        data = self.outgoing.read()
        for start in range(0, len(data), chunk):
            self.plain.send(data[start:start + chunk])

    def receive(self):
        """What the session decrypts next."""
        while True:
            try:
                return self.session.read(65536)
            except ssl.SSLWantReadError:
                self.pull()

    def pull(self):
        data = self.plain.socket.recv(65536)
        if not data:
            raise EOFError
        self.incoming.write(data)

    def close(self):
        self.plain.close()


class AlertSender:
    """Records of TLS 1.3 that no library sends, such as alerts in any number: encrypted by hand (RFC 8446 §5.2) with
    the keys of a session that `context` was told to log. Nothing may be sent by the session itself."""

    USER_CANCELED = b"\x01\x5a"

    def __init__(self, address, context, key_log):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = str(key_log)
        self.client = MemoryClient(address, context)
        self.client.shake_hands()
        assert self.client.session.cipher()[0] == "TLS_AES_128_GCM_SHA256"
        self._use(self._logged(key_log, "CLIENT_TRAFFIC_SECRET_0"))

    def _use(self, secret):
        self.secret = secret
        self.cipher = AESGCM(self._expand(secret, b"key", 16))
        self.nonce = int.from_bytes(self._expand(secret, b"iv", 12), "big")
        self.sequence = 0

    @staticmethod
    def _logged(path, label):
        with open(path, encoding="ascii") as file:
            return bytes.fromhex(next(line.split()[2] for line in file if line.startswith(label)))

    @staticmethod
    def _expand(secret, label, count):
        """HKDF-Expand-Label with an empty context (RFC 8446 §7.1)."""
        label = b"tls13 " + label
        info = struct.pack("!HB", count, len(label)) + label + b"\0"
        return HKDFExpand(hashes.SHA256(), count, info).derive(secret)

    def _record(self, content, content_type):
        header = struct.pack("!BHH", 23, 0x0303, len(content) + 1 + 16)
        nonce = (self.nonce ^ self.sequence).to_bytes(12, "big")
        self.sequence += 1
        return header + self.cipher.encrypt(nonce, content + bytes([content_type]), header)

    def send_alert(self, alert=USER_CANCELED):
        self.client.plain.send(self._record(alert, 21))

    def send_data(self, content):
        self.client.plain.send(self._record(content, 23))

    def send_data_and_half_a_key_update(self, content):
        """In one segment; of the KeyUpdate all but its last byte (RFC 8446 §4.6.3)."""
        self.client.plain.send(self._record(content, 23) + self._record(b"\x18\x00\x00\x01", 22))

    def send_key_updates(self, count):
        """In one segment, each asking for the peer's; of that nothing is read in between (RFC 8446 §4.6.3, §7.2)."""
        records = b""
        for _ in range(count):
            records += self._record(b"\x18\x00\x00\x01\x01", 22)
            self._use(self._expand(self.secret, b"traffic upd", 32))
        self.client.plain.send(records)

    def receive(self):
        return self.client.receive()

    def close(self):
        self.client.close()
