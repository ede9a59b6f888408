"""Streams to many clients, byte for byte, by io_uring and by send(2): small windows, random reads, resets."""

import json
import random
import selectors
import socket
import struct
import threading
import uuid

import pytest

from support import tokens
from support.clients import announce
from support.raw import TEXT, RawSocket

CLIENTS = 24
NOTIFICATIONS = 3000


@pytest.fixture(params=["on", "off"])
def method(request):
    return request.param


def connect(gateway, project, receive_buffer=None):
    return RawSocket.upgrade(
        gateway, token=tokens.token(str(uuid.uuid4())), project=project, receive_buffer=receive_buffer)


def publish(database, project, sizes):
    """One notification for each size, its number and so many bytes in the row's id; a hundred a commit."""
    for first in range(0, len(sizes), 100):
        with database.transaction() as cursor:
            for number, size in enumerate(sizes[first:first + 100], first):
                cursor.execute("SELECT pg_notify('cache_invalidate', %s)", (json.dumps({
                    "resource": "tasks", "id": f"{number}:" + "x" * size, "action": "UPDATE",
                    "project_id": project, "timestamp": "t"}),))


class Reader:
    """Takes a stream in random pieces and checks every frame of it."""

    def __init__(self, raw, sizes):
        self.raw, self.sizes = raw, sizes
        self.data = bytearray(raw._buffer)
        self.next = 0
        self.resyncs = set()

    def take(self, chance):
        data = self.raw.socket.recv(chance.randint(1, 9000))
        assert data, "the gateway closed"
        self.data += data
        while self._take_frame():
            pass

    def _take_frame(self):
        if len(self.data) < 4:
            return False
        assert self.data[0] == 0x80 | TEXT, f"not at a frame's begin: {bytes(self.data[:20])}"
        length, head = self.data[1], 2
        if length == 126:
            (length,), head = struct.unpack(">H", self.data[2:4]), 4
        assert length != 127
        if len(self.data) < head + length:
            return False
        message = json.loads(bytes(self.data[head:head + length]))
        del self.data[:head + length]
        self._check(message)
        return True

    def _check(self, message):
        if message["action"] == "RESYNC":
            self.resyncs.add(message["resource"])
            return
        number, filling = message["data"]["id"].split(":")
        number = int(number)
        # After a resync it may go on anywhere further on; without one nothing may be missing.
        assert number == self.next or (len(self.resyncs) == 4 and number > self.next), (number, self.next)
        assert len(filling) == self.sizes[number]
        self.resyncs.clear()
        self.next = number + 1

    @property
    def is_done(self):
        return self.next == len(self.sizes)


def test_every_stream_is_what_was_announced_or_a_resync_at_a_frame_boundary(start_gateway, database, method):
    gateway = start_gateway("--io-uring", method)
    assert gateway.metrics()["devhive_io_uring"] == (1 if method == "on" else 0)
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    project = database.add_project()
    sizes = [chance.choice([0, 1, 60, 125, 200, 1000, 7000]) for _ in range(NOTIFICATIONS)]
    readers = []
    for index in range(CLIENTS):
        raw = connect(gateway, project, receive_buffer=2048 if index % 2 else 65536)
        raw.socket.setblocking(False)
        readers.append(Reader(raw, sizes))
    publisher = threading.Thread(target=publish, args=(database, project, list(sizes)))
    publisher.start()
    # What collapsed needs one more event to end with: everybody must get that one.
    sizes.append(3)
    announce_last = json.dumps({
        "resource": "tasks", "id": f"{NOTIFICATIONS}:xxx", "action": "UPDATE", "project_id": project, "timestamp": "t"})
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader.raw.socket, selectors.EVENT_READ, reader)
    announced = False
    while selector.get_map():
        events = selector.select(timeout=0.2 if not announced else 30)
        if not events and not publisher.is_alive():
            assert not announced, "a client doesn't get the last event"
            database.notify(announce_last)
            announced = True
        for key, _ in chance.sample(events, len(events)):
            if chance.random() < 0.7:
                key.data.take(chance)
                if key.data.is_done:
                    selector.unregister(key.fileobj)
    publisher.join()
    for reader in readers:
        reader.raw.close()


def test_resets_in_the_middle_of_broadcasts_hurt_nobody_else(start_gateway, database, method):
    """A third of the clients reset, and others take their descriptors at once; every stream stays its own."""
    gateway = start_gateway("--io-uring", method)
    mine, other = database.add_project(), database.add_project()
    steady = [connect(gateway, mine) for _ in range(60)]
    fleeting = [connect(gateway, mine) for _ in range(30)]
    late = []
    for number in range(60):
        announce(database, mine, str(number))
        announce(database, other, f"other {number}")
        if number % 2 == 0:
            leaver = fleeting[number // 2].socket
            leaver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaver.close()
            late.append(connect(gateway, other))
    announce(database, mine, "end")
    announce(database, other, "end")
    for raw in steady:
        ids = [raw.read_message()["data"]["id"] for _ in range(61)]
        assert ids == [str(number) for number in range(60)] + ["end"]
    for raw in late:
        ids = []
        while not ids or ids[-1] != "end":
            ids.append(raw.read_message()["data"]["id"])
        numbers = [int(row.removeprefix("other ")) for row in ids[:-1]]
        assert numbers == list(range(60 - len(numbers), 60)), "all of its own project since it came"
    gateway.wait_for_metric('devhive_connections_closed_total{code="1006"}', 30)
    for raw in steady + late:
        raw.close()
