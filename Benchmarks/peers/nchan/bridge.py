"""Runs nginx, and hands it each notification of PostgreSQL, as the message that clients get.

The notifications of one read are posted in a pipeline over one lasting connection. The argument is
the folder of nginx.conf.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

import psycopg2

# What is on its way in both directions must fit the sockets' buffers.
PIPELINE_MAX = 32
START_SECONDS = 10


def message(payload):
    fields = json.loads(payload)
    result = {
        "type": "cache_invalidate",
        "resource": fields["resource"],
        "action": fields["action"],
        "project_id": fields["project_id"],
        "data": {"id": fields["id"], "timestamp": fields["timestamp"]},
    }
    result.update((key, fields[key]) for key in ("cursor", "origin") if key in fields)
    return fields["project_id"], json.dumps(result, separators=(",", ":"), ensure_ascii=False).encode()


def post(payload):
    project, body = message(payload)
    head = f"POST /publish?projectId={project} HTTP/1.1\r\nHost: bridge\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Publisher:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.answers = self.socket.makefile("rb")

    def publish(self, payloads):
        for first in range(0, len(payloads), PIPELINE_MAX):
            posts = [post(payload) for payload in payloads[first : first + PIPELINE_MAX]]
            self.socket.sendall(b"".join(posts))
            for _ in posts:
                self.read_answer()

    def read_answer(self):
        status = self.answers.readline()
        # 201: to somebody; 202: nobody is there.
        if not status.startswith((b"HTTP/1.1 201 ", b"HTTP/1.1 202 ")):
            sys.exit(f"bridge: nginx answered {status!r}")
        length = 0
        while (line := self.answers.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.answers.read(length)


def start_nginx(folder):
    # It ends when the bridge is killed, too.
    command = ["setpriv", "--pdeathsig", "TERM", "nginx", "-e", "stderr", "-c", f"{folder}/nginx.conf"]
    nginx = subprocess.Popen(command, env={"PATH": f"{os.environ['PATH']}:/usr/sbin"})
    deadline = time.monotonic() + START_SECONDS
    while not os.path.exists(f"{folder}/publish.socket"):
        if nginx.poll() is not None or time.monotonic() > deadline:
            sys.exit("bridge: nginx doesn't start")
        time.sleep(0.01)
    return nginx


def main():
    folder = sys.argv[1]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    database = psycopg2.connect(os.environ["DATABASE_URL"])
    database.autocommit = True
    database.cursor().execute("LISTEN cache_invalidate")
    nginx = start_nginx(folder)
    try:
        publisher = Publisher(f"{folder}/publish.socket")
        while True:
            # nginx's answers all have been read: when it can be read, it has gone.
            ready, _, _ = select.select([database, publisher.socket], [], [])
            if publisher.socket in ready:
                sys.exit("bridge: nginx has stopped")
            database.poll()
            notifications, database.notifies = database.notifies, []
            publisher.publish([notification.payload for notification in notifications])
    finally:
        nginx.terminate()
        nginx.wait()


main()
