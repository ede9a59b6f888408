"""Users who send one another direct messages at a steady rate, and acknowledge them: what `run` starts.

    crowd.py --port PORT --rate 2000 --seconds 6 --gateway-pid PID --database-pid PID

One connection a user, five messages a second each. Prints one line of JSON. A run in which a message is refused,
isn't answered or isn't delivered has failures. Some may come again: it is said how many.
"""

import argparse
import collections
import json
import os
import select
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import wire  # noqa: E402

PER_USER = 5  # Messages a second; the gateway's limit is ten.
PROJECT_USERS = 10
ACK_SECONDS = 0.5
SETTLE_SECONDS = 10
PREFIX = b"d12ec700-0000-4000-9000-"
DIRECT = b'{"type":"direct","id":"'
ANSWER = b'{"type":"ok","ref":'


def user(number):
    """As `run` has them in the database: ten to a project."""
    return f"d12ec700-0000-4000-8000-{number:012x}"


class Connection:
    def __init__(self, port, number):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(wire.handshake(f"{wire.PATH}?token={wire.token(user(number))}"))
        self.received = b""
        while b"\r\n\r\n" not in self.received:
            self.received += self.take()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        if b" 101 " not in head:
            raise SystemExit(head.decode())
        self.acks = []
        self.say({"type": "inbox", "ref": -1})
        while not any(text.startswith(b'{"type":"ok","ref":-1') for text in self.texts()):
            self.received += self.take()

    def take(self):
        taken = self.socket.recv(1 << 16)
        if not taken:
            raise SystemExit("the gateway closed a connection")
        return taken

    def say(self, message):
        self.socket.sendall(wire.frame(wire.TEXT, json.dumps(message, separators=(",", ":")).encode()))

    def texts(self):
        """The whole frames that are there."""
        received, position, found = self.received, 0, []
        while len(received) >= position + 2:
            length, start = received[position + 1], position + 2
            if length == 126:
                length, start = int.from_bytes(received[start:start + 2], "big"), start + 2
            if len(received) < start + length:
                break
            found.append(received[start:start + length])
            position = start + length
        self.received = received[position:]
        return found


class Crowd:
    def __init__(self, options):
        self.rate, self.count = options.rate, int(options.rate * options.seconds)
        self.users = options.rate // PER_USER
        self.first = options.first
        self.connections = [Connection(options.port, number) for number in range(self.users)]
        self.poll = select.epoll()
        self.by_descriptor = {}
        for connection in self.connections:
            self.poll.register(connection.socket, select.EPOLLIN)
            self.by_descriptor[connection.socket.fileno()] = connection
        self.sent_at, self.answered, self.delivered = [], {}, {}
        self.codes, self.again = collections.Counter(), 0

    def run(self):
        began = time.monotonic()
        acknowledged, lag = began, 0
        ends = began + self.count / self.rate + SETTLE_SECONDS
        while len(self.answered) < self.count or len(self.delivered) < self.count:
            now = time.monotonic()
            if now > ends:
                break
            due = min(self.count, int((now - began) * self.rate) + 1)
            while len(self.sent_at) < due:
                lag = max(lag, now - began - len(self.sent_at) / self.rate)
                self.send(len(self.sent_at))
            if now - acknowledged > ACK_SECONDS:
                acknowledged = now
                self.acknowledge()
            for descriptor, _ in self.poll.poll(0.001):
                connection = self.by_descriptor[descriptor]
                connection.received += connection.take()
                self.hear(connection)
        self.acknowledge()
        return lag

    def send(self, number):
        """To another user of the sender's project."""
        sender = number % self.users
        step = 1 + number // self.users % (PROJECT_USERS - 1)
        to = sender - sender % PROJECT_USERS + (sender + step) % PROJECT_USERS
        text = (
            f'{{"type":"direct","id":"{PREFIX.decode()}{self.first + number:012x}","to":"{user(to)}",'
            f'"data":{{"text":"a message of an ordinary length, as people send them"}},"ref":{number}}}')
        self.sent_at.append(time.monotonic())
        self.connections[sender].socket.sendall(wire.frame(wire.TEXT, text.encode()))

    def hear(self, connection):
        now = time.monotonic()
        for text in connection.texts():
            if text.startswith(DIRECT):
                identifier = text[len(DIRECT):len(DIRECT) + 36]
                number = int(identifier[24:], 16) - self.first
                self.again += number in self.delivered
                self.delivered.setdefault(number, now - self.sent_at[number])
                connection.acks.append(identifier.decode())
            elif text.startswith(ANSWER):
                number = int(text[len(ANSWER):text.index(b",", len(ANSWER))])
                self.answered[number] = now - self.sent_at[number]
            elif text.startswith(b'{"type":"error"'):
                self.codes[json.loads(text)["code"]] += 1

    def acknowledge(self):
        for connection in self.connections:
            while connection.acks:
                connection.say({"type": "ack", "ids": connection.acks[:100]})
                del connection.acks[:100]


def processor_seconds(pid):
    """Of a process and of its children that still run."""
    total = 0
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            pids = [pid, *map(int, file.read().split())]
    except FileNotFoundError:
        return 0
    for each in pids:
        try:
            with open(f"/proc/{each}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except FileNotFoundError:
            pass
    return total / os.sysconf("SC_CLK_TCK")


def quantiles(seconds):
    if len(seconds) < 2:
        return None, None
    cuts = statistics.quantiles(seconds, n=100)
    return round(cuts[49] * 1e3, 2), round(cuts[98] * 1e3, 2)


def main():
    parser = argparse.ArgumentParser()
    for name in ("port", "rate", "gateway-pid", "database-pid"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--first", type=int, default=0, help="the first message's number: another one for each run")
    options = parser.parse_args()
    crowd = Crowd(options)
    before = [processor_seconds(pid) for pid in (options.gateway_pid, options.database_pid)]
    own = time.process_time()
    began = time.monotonic()
    lag = crowd.run()
    answered_in = max((crowd.sent_at[n] + s for n, s in crowd.answered.items()), default=began) - began
    own = time.process_time() - own
    after = [processor_seconds(pid) for pid in (options.gateway_pid, options.database_pid)]
    failures = [f"{count} {code}" for code, count in crowd.codes.items()]
    for what, count in (("not answered", crowd.count - len(crowd.answered)),
                        ("not delivered", crowd.count - len(crowd.delivered))):
        if count:
            failures.append(f"{count} {what}")
    print(json.dumps({
        "offered": options.rate, "messages": crowd.count, "failures": failures,
        "committed_per_second": round(len(crowd.answered) / max(answered_in, 1e-9)),
        "answer_ms": quantiles(list(crowd.answered.values())),
        "delivery_ms": quantiles(list(crowd.delivered.values())),
        "gateway_us": round((after[0] - before[0]) / crowd.count * 1e6),
        "database_us": round((after[1] - before[1]) / crowd.count * 1e6),
        "crowd_us": round(own / crowd.count * 1e6),
        "again": crowd.again, "send_lag_ms": round(lag * 1e3, 1),
    }))


main()
