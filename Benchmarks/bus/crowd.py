"""The clients of one gateway, or of one worker: what `measure.py` starts, and tells line by line what to do.

    crowd.py --port PORT --source 127.5.1.1 --first 0 --step 8 --count 12500 --team 50 --share 0.1

User `n` is of project `n / team`, so that with one user of `step` here each project has its users everywhere. In `share` of
the projects all take part in the presence. Reads lines of JSON and answers each with one:

    {"do":"connect"}                                               all connect
    {"do":"load","seconds":8,"churn":50,"typing":50,"away":2}      so many a second go, and come back after `away` seconds;
                                                                   so many say that they type

One process holds as many as its descriptors are enough for.
"""

import argparse
import collections
import json
import os
import random
import select
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import wire  # noqa: E402

# A client that stays says a pong in so many seconds, all of them evenly: else the kernel's own probes, after 60 s of
# silence, come all at once after all have connected, and more than the loopback interface has room for is lost.
PONG_SECONDS = 40
WINDOW = 64  # Handshakes that aren't answered yet.
IP_BIND_ADDRESS_NO_PORT = 24  # So that a port is chosen for the pair of addresses, not for the source alone.
GOODBYE = wire.frame(wire.CLOSE, (1000).to_bytes(2, "big"))
PONG = wire.frame(0xA)


def user_id(number):
    return f"b05c0000-0000-4000-8000-{number:012x}"


def project_id(number):
    return f"b05c0000-0000-4000-a000-{number:012x}"


class Crowd:
    def __init__(self, options):
        self.options = options
        self.users = range(options.first, options.first + options.step * options.count, options.step)
        self.watchers = [place for place, user in enumerate(self.users) if self.is_watcher(user)]
        self.sockets = [None] * options.count
        self.poll = select.epoll()
        self.by_descriptor, self.partial = {}, {}
        self.waiting = set()  # Descriptors whose handshake isn't answered.
        self.leaving = set()
        self.ends = {}  # What a connection's end says.
        self.absent = collections.deque()  # When, and who comes back then.
        self.heard, self.failures = collections.Counter(), collections.Counter()
        self.random = random.Random(options.first)
        self.away = 2.0
        self.pongs, self.ponged_at = 0, time.monotonic()

    def is_watcher(self, user):
        project = user // self.options.team
        return int((project + 1) * self.options.share) > int(project * self.options.share)

    # Coming and going

    def open(self, place):
        user = self.users[place]
        one = socket.socket()
        one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        one.bind((self.options.source, 0))
        one.connect(("127.0.0.1", self.options.port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        project = project_id(user // self.options.team)
        one.sendall(wire.handshake(f"{wire.PATH}?token={wire.token(user_id(user))}&projectId={project}"))
        one.setblocking(False)
        self.sockets[place] = one
        self.by_descriptor[one.fileno()] = place
        self.waiting.add(one.fileno())
        self.poll.register(one, select.EPOLLIN)

    def close(self, descriptor):
        place = self.by_descriptor.pop(descriptor)
        self.partial.pop(descriptor, None)
        if descriptor in self.waiting:
            self.waiting.discard(descriptor)
            self.failures["refused"] += 1
        elif descriptor not in self.leaving:
            self.failures[f"cut off: {self.ends.get(descriptor, 'without a word')}"] += 1
        self.ends.pop(descriptor, None)
        self.leaving.discard(descriptor)
        self.sockets[place].close()
        self.sockets[place] = None
        self.absent.append((time.monotonic() + self.away, place))

    def is_there(self, place):
        one = self.sockets[place]
        return one is not None and one.fileno() not in self.waiting and one.fileno() not in self.leaving

    def send(self, place, frame):
        try:
            self.sockets[place].send(frame)
        except OSError:
            self.failures["not sent"] += 1

    def say(self, place, text):
        self.send(place, wire.frame(wire.TEXT, text.encode()))

    # Hearing

    def serve(self, seconds):
        self.show_life()
        for descriptor, _ in self.poll.poll(seconds):
            if descriptor == sys.stdin.fileno():
                return True
            place = self.by_descriptor.get(descriptor)
            if place is None:
                continue
            try:
                received = self.sockets[place].recv(1 << 16)
            except BlockingIOError:
                continue
            except OSError as error:
                self.ends[descriptor] = error.strerror
                received = b""
            if received:
                self.hear(descriptor, place, self.partial.pop(descriptor, b"") + received)
            else:
                self.close(descriptor)
        return False

    def show_life(self):
        now = time.monotonic()
        due = (now - self.ponged_at) * self.options.count / PONG_SECONDS
        if due < 1:
            return
        self.ponged_at = now
        for _ in range(min(round(due), self.options.count)):
            self.pongs = (self.pongs + 1) % self.options.count
            if self.is_there(self.pongs):
                self.send(self.pongs, PONG)

    def hear(self, descriptor, place, received):
        if descriptor in self.waiting:
            head, end, rest = received.partition(b"\r\n\r\n")
            if not end:
                self.partial[descriptor] = received
                return
            if b" 101 " not in head:
                self.close(descriptor)
                return
            self.waiting.discard(descriptor)
            received = rest
            user = self.users[place]
            if self.is_watcher(user):
                self.say(place, f'{{"type":"presence","project_id":"{project_id(user // self.options.team)}"}}')
        position = 0
        while len(received) >= position + 2:
            length, start = received[position + 1], position + 2
            if length == 126:
                length, start = int.from_bytes(received[start:start + 2], "big"), start + 2
            if len(received) < start + length:
                break
            opcode = received[position] & 0xF
            if opcode == wire.TEXT:
                kind = received[start + 9:received.find(b'"', start + 9)].decode()
                self.heard[kind] += 1
                if kind == "error":
                    self.failures[received[start:start + length].decode()] += 1
            elif opcode == wire.CLOSE:
                self.ends[descriptor] = f"{int.from_bytes(received[start:start + 2], 'big')} {received[start + 2:start + length]}"
            elif opcode == wire.PING:
                self.send(place, PONG)
            position = start + length
        if position < len(received):
            self.partial[descriptor] = received[position:]

    # What is asked for

    def connect(self, _):
        began = time.monotonic()
        place = 0
        while place < self.options.count or self.waiting:
            while place < self.options.count and len(self.waiting) < WINDOW:
                self.open(place)
                place += 1
            self.serve(1)
        # What the last ones are told of who is present is read, too.
        settled = time.monotonic() + 0.5
        while time.monotonic() < settled:
            self.serve(0.05)
        return {"seconds": round(time.monotonic() - began, 2), "watchers": len(self.watchers)}

    def load(self, asked):
        self.away = asked["away"]
        began = time.monotonic()
        ends = began + asked["seconds"]
        went = came = typed = 0
        lag = 0.0
        while True:
            now = time.monotonic()
            while self.absent and self.absent[0][0] <= now:
                self.open(self.absent.popleft()[1])
                came += 1
            if now < ends:
                due = int((now - began) * asked["churn"])
                if went < due:
                    lag = max(lag, now - began - (went + 1) / asked["churn"])
                while went < due:
                    went += 1
                    self.go(self.random.randrange(self.options.count))
                due = int((now - began) * asked["typing"]) if self.watchers else 0
                while typed < due:
                    typed += 1
                    self.type(self.random.choice(self.watchers))
            elif not self.absent and not self.waiting and not self.leaving or now > ends + 10:
                break
            self.serve(0.01)
        return {"went": went, "came": came, "typed": typed, "lag_ms": round(lag * 1e3)}

    def go(self, place):
        if self.is_there(place):
            self.leaving.add(self.sockets[place].fileno())
            self.send(place, GOODBYE)

    def type(self, place):
        if self.is_there(place):
            project = project_id(self.users[place] // self.options.team)
            self.say(place, f'{{"type":"typing","project_id":"{project}","topic":"task:1"}}')

    def run(self):
        self.poll.register(sys.stdin, select.EPOLLIN)
        while True:
            if not self.serve(0.1):
                continue
            line = sys.stdin.readline()
            if not line:
                return
            self.poll.unregister(sys.stdin)
            asked = json.loads(line)
            answer = {"connect": self.connect, "load": self.load}[asked["do"]](asked)
            self.poll.register(sys.stdin, select.EPOLLIN)
            there = sum(map(self.is_there, range(self.options.count)))
            print(json.dumps({**answer, "there": there, "heard": self.heard, "failures": self.failures}), flush=True)
            self.heard, self.failures = collections.Counter(), collections.Counter()


def main():
    parser = argparse.ArgumentParser()
    for name in ("port", "first", "step", "count", "team"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--share", type=float, required=True)
    parser.add_argument("--source", required=True)
    Crowd(parser.parse_args()).run()


main()
