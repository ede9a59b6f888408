"""A server that speaks as PostgreSQL does, and then says what no PostgreSQL would."""

import fcntl
import itertools
import os
import select
import socket
import struct
import tempfile
import termios
import threading
import time

_PIECE_BYTES = 1 << 16


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def _text(*words):
    return b"".join(word.encode() + b"\0" for word in words)


_READY = message(b"Z", b"I")
_COLUMN = message(b"T", struct.pack("!H", 1) + _text("n") + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0))
# LISTEN twice and three settings, as the listener asks.
_LISTENING = b"".join(message(b"C", _text(tag)) for tag in ["LISTEN", "LISTEN", "SET", "SET", "SET"]) + _READY


def rows():
    """A row after the other, without an end."""
    row = message(b"D", struct.pack("!HI", 1, 100) + b"x" * 100)
    return itertools.chain([_COLUMN], itertools.repeat(row * (_PIECE_BYTES // len(row))))


def long_row():
    """One row of a GiB, of which there is always more to come."""
    head = b"D" + struct.pack("!IHI", (1 << 30) + 10, 1, 1 << 30)
    return itertools.chain([_COLUMN, head], itertools.repeat(b"x" * _PIECE_BYTES))


def parameters():
    """Settings that nobody has heard of, each of another name."""
    return (b"".join(message(b"S", _text(f"setting_{n}_{i}", "x" * 4_000)) for i in range(16)) for n in itertools.count())


class FalsePostgres:
    """Answers the sessions that LISTEN; `to_question` and `to_listener` are what it sends then."""

    def __init__(self, to_question=None, to_listener=None):
        self._to_question, self._to_listener = to_question, to_listener
        self._directory = tempfile.TemporaryDirectory()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(os.path.join(self._directory.name, ".s.PGSQL.5432"))
        self._socket.listen()
        self._over = threading.Event()
        self.url = f"host={self._directory.name} port=5432 user=somebody dbname=something"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()
        self._directory.cleanup()

    def _accept(self):
        while not self._over.is_set():
            if select.select([self._socket], [], [], 0.1)[0]:
                self._threads.append(threading.Thread(target=self._serve, args=[self._socket.accept()[0]]))
                self._threads[-1].start()

    def _serve(self, peer):
        with peer:
            try:
                self._converse(peer)
            except OSError:
                pass  # The peer has had enough.

    def _converse(self, peer):
        peer.recv(_PIECE_BYTES)  # What it begins with.
        self._send(peer, message(b"R", struct.pack("!I", 0)) + message(b"S", _text("server_encoding", "UTF8")) + _READY)
        question = self._receive(peer)
        if question.startswith(b"Q"):
            self._send(peer, _LISTENING)
            pieces = self._to_listener
        else:
            self._send(peer, message(b"1") + message(b"2"))
            pieces = self._to_question
        for piece in pieces() if pieces else ():
            if self._over.is_set():
                return
            self._wait_until_read(peer)
            self._send(peer, piece)
        while self._receive(peer):
            pass

    def _wait_until_read(self, peer):
        """libpq reads in one call for as long as there is more: no program that calls it could set a bound then."""
        unread = bytearray(4)
        while not self._over.is_set():
            fcntl.ioctl(peer, termios.TIOCOUTQ, unread)
            if not struct.unpack("i", unread)[0]:
                return
            time.sleep(0.0001)

    def _receive(self, peer):
        while not select.select([peer], [], [], 0.1)[0]:
            if self._over.is_set():
                return b""
        return peer.recv(_PIECE_BYTES)

    def _send(self, peer, data):
        view = memoryview(data)
        while view and not self._over.is_set():
            if select.select([], [peer], [], 0.1)[1]:
                view = view[peer.send(view, socket.MSG_DONTWAIT):]
