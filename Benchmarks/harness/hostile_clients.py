#!/usr/bin/python3
"""A crowd of hostile clients: hostile_clients.py KIND HOST PORT CONNECTIONS SECONDS

Started by hostile.py. Says "ready" when all are connected, begins when its input ends, and at the end prints
what it did, as JSON. A connection that ends is followed by another.
"""

import errno
import json
import select
import socket
import ssl
import struct
import sys
import time
import zlib

from wire import CONTINUATION, PATH, PING, TEXT, frame, handshake, request, token

# Loopback addresses that they come from: with the limits of one address, 1,000 is what one may have.
SOURCES = 8
USERS = 100
PROJECTS = 20
MEMBERS_PROJECT = "be7c4000-0000-4000-8000-{:012x}"
MEMBER = "be7c4000-0000-4000-9000-{:012x}"
CONNECT_SECONDS = 5
RECONNECTS_PER_SECOND = 20_000
# What one takes from another's turn: enough for the largest block, so that a gateway finds it whole.
SEND_BYTES = 262_144


class Kind:
    """What one connection of a kind does; those below say what differs."""

    # Whether a WebSocket is opened first.
    upgrades = True
    # Seconds between two pieces; without it: as fast as the gateway takes them.
    period = None
    # Whether the first answer ends the connection, for another to follow.
    ends_on_answer = False

    def opening(self, _number):
        """What is sent first; for those that upgrade, until the 101."""
        return handshake()

    def piece(self, _number, _round):
        """What is sent from then on, again and again. Long ones are the same object each time."""
        return b""


def document(length):
    return b"[" + b"0," * ((length - 3) // 2) + b"0]"


def compressed(data):
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def member_handshake(number):
    return handshake(PATH, Authorization=f"Bearer {token(MEMBER.format(number % USERS))}")


class Documents(Kind):
    """Before `init`."""

    block = frame(TEXT, document(8_190)) * 28

    def piece(self, _number, _round):
        return self.block


class Compressed(Kind):
    block = frame(TEXT, compressed(document(8_190)), is_compressed=True) * 28

    def opening(self, _number):
        return handshake(Sec_WebSocket_Extensions="permessage-deflate")

    def piece(self, _number, _round):
        return self.block


class Headers(Kind):
    """6 KB of JSON in the header of a token, every other one in an upgrade."""

    upgrades = False

    def __init__(self):
        bearer = token(MEMBER.format(0), header={"x": json.loads(document(5_800))})
        status = f"/api/v1/projects/{MEMBERS_PROJECT.format(0)}/ws/status"
        self.blocks = (
            request(status, Authorization=f"Bearer {bearer}") * 4,
            handshake(PATH, Authorization=f"Bearer {bearer}"),
        )

    def opening(self, _number):
        return b""

    def piece(self, number, _round):
        return self.blocks[number % 2]


class Halves(Kind):
    """A request whose header grows by one byte a second."""

    upgrades = False
    period = 1.0

    def opening(self, _number):
        return handshake()[:-2] + b"X-Patience: "

    def piece(self, _number, _round):
        return b"x"


class Hellos(Kind):
    """One recorded ClientHello, to which nobody listens for the answer."""

    upgrades = False
    ends_on_answer = True

    def __init__(self):
        context = ssl.create_default_context()
        outgoing = ssl.MemoryBIO()
        session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            pass
        self.hello = outgoing.read()

    def opening(self, _number):
        return self.hello


class Pings(Kind):
    block = frame(PING, b"x") * 1_000

    def opening(self, number):
        return member_handshake(number)

    def piece(self, _number, _round):
        return self.block


class Joins(Kind):
    """Below the limit of messages: 45 a second of each, of several projects at a time."""

    period = 0.2

    def opening(self, number):
        return member_handshake(number)

    def piece(self, number, round):
        messages = []
        for step in range(9):
            at = number + round + step
            project = MEMBERS_PROJECT.format(at % PROJECTS)
            if step % 3 == 2:
                messages.append({"type": "leave_project", "project_id": project})
            else:
                messages.append({"type": "join_project", "project_id": project, "keep": True, "since": "1"})
        return b"".join(frame(TEXT, json.dumps(each).encode("ascii")) for each in messages)


class Bytes(Kind):
    """A message of 8,000 fragments of a byte each, before `init`."""

    block = (
        frame(TEXT, b" ", is_final=False) + frame(CONTINUATION, b" ", is_final=False) * 7_998 + frame(CONTINUATION, b" ")
    )

    def piece(self, _number, _round):
        return self.block


KINDS = {
    "documents": Documents, "compressed": Compressed, "headers": Headers, "halves": Halves, "hellos": Hellos,
    "pings": Pings, "joins": Joins, "bytes": Bytes,
}  # fmt: skip


class Connection:
    def __init__(self, number, address):
        self.number = number
        self.socket = socket.socket()
        self.socket.setblocking(False)
        # A reset at the end: no port has to wait for it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        self.socket.bind((f"127.0.2.{1 + number % SOURCES}", 0))
        self.result = self.socket.connect_ex(address)
        self.waiting = b""
        self.offset = 0
        self.round = 0
        self.has_opened = False
        self.is_talking = False


class Crowd:
    def __init__(self, kind, address, count):
        self.kind = kind
        self.address = address
        self.count = count
        self.epoll = select.epoll()
        self.connections = {}
        self.free = list(range(count))
        self.may_talk = False
        self.figures = {"opened": 0, "upgraded": 0, "ended": 0, "refused": 0, "bytes": 0}

    def run(self, until, is_enough=lambda: False):
        reconnects, filled, tick = 0.0, time.monotonic(), time.monotonic()
        while (now := time.monotonic()) < until and not is_enough():
            reconnects = min(reconnects + (now - filled) * RECONNECTS_PER_SECOND, 1_000)
            filled = now
            while self.free and reconnects >= 1 and self.open(self.free[-1]):
                self.free.pop()
                reconnects -= 1
            if self.kind.period and self.may_talk and now >= tick:
                tick = now + self.kind.period
                for one in list(self.connections.values()):
                    self.talk(one)
            for number, events in self.epoll.poll(0.01):
                one = self.connections.get(number)
                if one is None:
                    continue
                if events & ~(select.EPOLLIN | select.EPOLLOUT):
                    self.end(one)
                elif events & select.EPOLLIN and not self.receive(one):
                    self.end(one)
                elif events & select.EPOLLOUT:
                    self.writable(one)

    def open(self, number):
        try:
            one = Connection(number, self.address)
        except OSError:
            return False
        if one.result not in (0, errno.EINPROGRESS):
            one.socket.close()
            return False
        one.waiting = self.kind.opening(number)
        self.connections[one.socket.fileno()] = one
        self.epoll.register(one.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
        return True

    def end(self, one):
        self.figures["ended"] += 1
        del self.connections[one.socket.fileno()]
        self.epoll.unregister(one.socket.fileno())
        one.socket.close()
        self.free.append(one.number)

    def receive(self, one):
        """False when it is over."""
        try:
            data = one.socket.recv(65_536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data or self.kind.ends_on_answer:
            return False
        if self.kind.upgrades and not one.is_talking:
            if not data.startswith(b"HTTP/1.1 101"):
                self.figures["refused"] += 1
                return False
            self.figures["upgraded"] += 1
            one.is_talking = True
            if self.may_talk:
                self.watch(one)
        return True

    def writable(self, one):
        if not one.has_opened:
            one.has_opened = True
            self.figures["opened"] += 1
            if not self.kind.upgrades:
                one.is_talking = True
        if one.waiting:
            self.send(one)
        elif self.kind.period is None and one.is_talking and self.may_talk:
            self.talk(one)
        else:
            self.watch(one, is_writing=False)

    def watch(self, one, is_writing=True):
        self.epoll.modify(one.socket.fileno(), select.EPOLLIN | (select.EPOLLOUT if is_writing else 0))

    def talk(self, one):
        if not one.is_talking or one.waiting:
            return
        one.waiting = self.kind.piece(one.number, one.round)
        one.round += 1
        if one.waiting:
            self.send(one)
        else:
            self.watch(one, is_writing=False)

    def send(self, one):
        try:
            sent = one.socket.send(memoryview(one.waiting)[one.offset : one.offset + SEND_BYTES])
        except BlockingIOError:
            sent = 0
        except OSError:
            self.end(one)
            return
        self.figures["bytes"] += sent
        one.offset += sent
        if one.offset == len(one.waiting):
            one.waiting, one.offset = b"", 0
        elif self.kind.period:
            self.watch(one)

    def begin(self):
        self.may_talk = True
        for one in self.connections.values():
            self.watch(one)

    @property
    def is_complete(self):
        talking = sum(one.is_talking or one.has_opened and not self.kind.upgrades for one in self.connections.values())
        return talking >= self.count


def main(name, host, port, connections, seconds):
    crowd = Crowd(KINDS[name](), (host, int(port)), int(connections))
    if not crowd.kind.ends_on_answer:
        # They begin together, so that all of it is there at once.
        crowd.run(time.monotonic() + CONNECT_SECONDS, lambda: crowd.is_complete)
    print("ready", flush=True)
    sys.stdin.read()
    crowd.begin()
    crowd.run(time.monotonic() + float(seconds))
    print(json.dumps(crowd.figures), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
