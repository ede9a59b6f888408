"""What stands where Redis should, and shakes hands in ways that no server does."""

import contextlib
import socket
import ssl
import threading
import time


class FalseRedis:
    """A server, each of whose connections `_serve` gets, in a thread of its own."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(connection)

    def _serve(self, connection):
        raise NotImplementedError

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class DribblingRedis(FalseRedis):
    """Passes on what a real one says a byte at a time, and waits `seconds` after each."""

    def __init__(self, port, seconds):
        self._port, self._seconds = port, seconds
        self.passed = 0
        super().__init__()

    def _serve(self, connection):
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=self._pass_on, args=(connection, server), daemon=True).start()
            while said := server.recv(65_536):
                for byte in said:
                    connection.sendall(bytes([byte]))
                    self.passed += 1
                    time.sleep(self._seconds)

    @staticmethod
    def _pass_on(source, target):
        with contextlib.suppress(OSError):
            while heard := source.recv(65_536):
                target.sendall(heard)


class ManyCertificates(FalseRedis):
    """Shows its certificate, and then itself again and again as the issuer."""

    def __init__(self, certificate, folder, count):
        path = folder / "many.pem"
        with open(certificate.certificate, encoding="ascii") as file:
            path.write_text(file.read() * count, encoding="ascii")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(path, certificate.key)
        super().__init__()

    def _serve(self, connection):
        with contextlib.suppress(ssl.SSLError), self._context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)
