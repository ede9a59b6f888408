"""TLS clients by Python's ssl: sockets that speak WebSocket by hand, and sessions whose every byte a test sends."""

import ssl

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

    def pull(self):
        data = self.plain.socket.recv(65536)
        if not data:
            raise EOFError
        self.incoming.write(data)

    def close(self):
        self.plain.close()
