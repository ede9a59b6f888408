#!/usr/bin/env -S python3 -B
"""What a direct message costs: its latency beside a bare INSERT with NOTIFY and a bare listener on the same PostgreSQL,
by turns, and how many a second arrive.

    Benchmarks/direct/latency.py --gateway .build/release/devhive-gateway [--rounds 250] [--rate 2000] [--seconds 5]

Latency is from before the sending call to the receiver's having it: `bare`, by two sessions of the database; `application`,
devhive_send_direct() in a session of its own; `client`, from WebSocket to WebSocket through one gateway, by a library for
asyncio; `socket`, the same by plain sockets that block, as those of the bare way do; and `echo`, a ping from such a socket
and the gateway's answer, which is what of it has nothing to do with messages. Each round has one of each. Commits are
durable (fsync), as in production, unless --no-fsync is there.
"""
import argparse
import asyncio
import json
import os
import select
import statistics
import sys
import time
import uuid
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--gateway", required=True)
parser.add_argument("--rounds", type=int, default=250)
parser.add_argument("--rate", type=int, default=2_000)
parser.add_argument("--seconds", type=int, default=5)
parser.add_argument("--no-fsync", action="store_true")
options = parser.parse_args()

os.environ["DEVHIVE_GATEWAY_BIN"] = str(Path(options.gateway).resolve())
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "Tests/EndToEndTests"))
from support.clients import PythonClient  # noqa: E402
from support.cluster import TEMPLATE, Cluster  # noqa: E402
from support.database import Database  # noqa: E402
from support.gateway import UNLIMITED, Gateway  # noqa: E402
from support.raw import TEXT, RawSocket, frame  # noqa: E402
from support.tokens import token  # noqa: E402

# Nobody sends more than ten a second.
PER_SENDER = 8
BARE = """
    WITH inserted AS (
        INSERT INTO bare (sender, recipient, id, data) VALUES (%s, %s, %s, '{"t":1}') RETURNING seq
    ) SELECT pg_notify('bare', (SELECT seq FROM inserted)::text)"""


def new_id():
    return str(uuid.uuid4())


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def latency(gateway, database, users):
    receiver_id, socket_receiver_id, *sender_ids = users
    listener = database.connect()
    listener.cursor().execute("LISTEN bare")
    writer = database.connect().cursor()
    receiver = await PythonClient.connect(gateway, None, receiver_id)
    await receiver.ask({"type": "inbox", "ref": 1})
    senders = [await PythonClient.connect(gateway, None, user) for user in sender_ids[:5]]
    socket_receiver = RawSocket.upgrade(gateway, token(socket_receiver_id))
    socket_receiver.send_frame(TEXT, b'{"type":"inbox","ref":1}')
    socket_receiver.read_message()
    socket_senders = [RawSocket.upgrade(gateway, token(user)) for user in sender_ids[5:]]

    async def bare(_):
        writer.execute(BARE, (sender_ids[0], receiver_id, new_id()))
        while not listener.notifies:
            select.select([listener], [], [], 5)
            listener.poll()
        listener.notifies.clear()

    async def application(_):
        writer.execute("SELECT devhive_send_direct(%s, %s, %s, '{\"t\":1}')", (sender_ids[0], receiver_id, new_id()))
        await receiver.receive_json()

    async def client(number):
        sender = senders[number % len(senders)]
        await sender.send_json({"type": "direct", "id": new_id(), "to": receiver_id, "data": {"t": 1}})
        await receiver.receive_json()

    # Not named as Python's module.
    async def plain(number):
        socket_senders[number % len(socket_senders)].send(made)
        socket_receiver.read_message()

    async def echo(number):
        socket_senders[number % len(socket_senders)].send(made)
        socket_senders[number % len(socket_senders)].read_message()

    ways = {"bare": bare, "application": application, "client": client, "socket": plain, "echo": echo}
    found = {name: [] for name in ways}
    for number in range(options.rounds):
        for name, function in ways.items():
            message = {"type": "ping"} if name == "echo" else {
                "type": "direct", "id": new_id(), "to": socket_receiver_id, "data": {"t": 1}}
            made = frame(TEXT, json.dumps(message).encode())
            began = time.perf_counter()
            await function(number)
            found[name].append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(0.008)
            if name == "socket":
                socket_senders[number % len(socket_senders)].read_message()
        await senders[number % len(senders)].receive_json()
        if number % 50 == 49:
            database.execute("DELETE FROM devhive_direct_messages")
    for client in (receiver, *senders):
        await client.close()
    for raw in (socket_receiver, *socket_senders):
        raw.close()
    print("| | p50, ms | p95, ms | of bare, p50 |\n| --- | --- | --- | --- |")
    for name, values in found.items():
        ratio = statistics.median(values) / statistics.median(found["bare"])
        print(f"| {name} | {percentile(values, 0.5):.2f} | {percentile(values, 0.95):.2f} | {ratio:.2f} |", flush=True)


async def throughput(gateway, sender_ids):
    """Everybody sends to the next one, and acknowledges nothing."""
    clients = [await PythonClient.connect(gateway, None, user) for user in sender_ids]
    for client in clients:
        await client.ask({"type": "inbox", "ref": 1})
    sent, latencies = {}, []

    async def receive(client):
        while True:
            message = await client.receive_json()
            if message["type"] == "direct":
                latencies.append((time.perf_counter() - sent[message["id"]]) * 1e3)

    receivers = [asyncio.create_task(receive(client)) for client in clients]
    count = options.rate * options.seconds
    began = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0, began + number / options.rate - time.perf_counter()))
        message_id = new_id()
        sent[message_id] = time.perf_counter()
        await clients[number % len(clients)].send_json({
            "type": "direct", "id": message_id, "to": sender_ids[(number + 1) % len(clients)], "data": {"t": 1}})
    sending = time.perf_counter() - began
    while len(latencies) < count and time.perf_counter() - began < options.seconds + 30:
        await asyncio.sleep(0.01)
    elapsed = time.perf_counter() - began
    for task in receivers:
        task.cancel()
    print(f"\n{len(latencies)} of {count} arrived; sent in {sending:.2f} s, all there after {elapsed:.2f} s: "
          f"{len(latencies) / elapsed:.0f} a second, p50 {percentile(latencies, 0.5):.1f} ms, "
          f"p95 {percentile(latencies, 0.95):.1f} ms", flush=True)


def main():
    cluster = Cluster()
    try:
        cluster.create_database(TEMPLATE)
        cluster.apply_migrations(TEMPLATE)
        cluster.create_database("direct", TEMPLATE)
        database = Database(cluster, "direct")
        database.execute(f"ALTER SYSTEM SET fsync = {'off' if options.no_fsync else 'on'}")
        database.execute("SELECT pg_reload_conf()")
        users = [new_id() for _ in range(max(12, -(-options.rate // PER_SENDER)))]
        project = database.add_project(users[0])
        with database.silence():
            for user in users[1:]:
                database.add_member(project, user)
        database.execute("CREATE TABLE bare (seq bigserial PRIMARY KEY, sender uuid, recipient uuid, id uuid, data json,"
                         " UNIQUE (sender, id))")
        gateway = Gateway(database.url, *UNLIMITED)
        gateway.wait_until_ready()
        try:
            if options.rounds:
                asyncio.run(latency(gateway, database, users[:12]))
                database.execute("DELETE FROM devhive_direct_messages")
            if options.rate:
                asyncio.run(throughput(gateway, users))
        finally:
            gateway.kill()
    finally:
        cluster.remove()


main()
