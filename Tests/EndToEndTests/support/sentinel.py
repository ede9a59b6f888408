"""Private Sentinels, and what stands where one should and answers otherwise."""

import contextlib
import os
import subprocess

from .false_redis import FalseRedis
from .redis import Redis, RedisError, server_program
from .waiting import wait_until

NAME = "devhive"


class Sentinel(Redis):
    """One that watches a primary; `lines` are added to its file."""

    def __init__(self, primary, *lines, host="127.0.0.1", port=None, quorum=2):
        # Short, so that a failover takes seconds.
        self._lines = [
            *(line for line in lines if "-hostnames" in line),
            f"sentinel monitor {NAME} {host} {port or primary.port} {quorum}",
            f"sentinel down-after-milliseconds {NAME} 1000",
            f"sentinel failover-timeout {NAME} 3000",
            *(line for line in lines if "-hostnames" not in line)]
        super().__init__()

    def start(self):
        path = os.path.join(self._folder, "sentinel.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join([
                f"port {self.port}", "bind 127.0.0.1", f"unixsocket {self.path}", f'dir "{self._folder}"', *self._lines, ""]))
        with open(os.path.join(self._folder, "server.log"), "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [server_program(), path, "--sentinel"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        wait_until(self._answers, "Sentinel answers")

    def _answers(self):
        return super()._answers() or self._wants_a_password()

    def _wants_a_password(self):
        with contextlib.suppress(OSError, EOFError):
            try:
                self.ask("PING")
            except RedisError as error:
                return "NOAUTH" in str(error)
        return False

    def knows(self, what):
        """How many others it has found, `replicas` or `sentinels`, that it believes to be there."""
        found = [dict(zip(one[::2], one[1::2])) for one in self.ask("SENTINEL", what, NAME)]
        return sum(b"down" not in one[b"flags"] and b"disconnected" not in one[b"flags"] for one in found)

    def primary_port(self):
        return int(self.ask("SENTINEL", "get-master-addr-by-name", NAME)[1])


class WatchedRedis:
    """A primary, a replica, and three Sentinels that know each other."""

    def __init__(self):
        self.servers, self.sentinels = [], []
        try:
            self.servers.append(Redis())
            self.servers.append(Redis("--replicaof", f"127.0.0.1 {self.servers[0].port}"))
            self._wait_for_a_replica(self.servers[0])
            for _ in range(3):
                self.sentinels.append(Sentinel(self.servers[0]))
            self.wait_until_ready()
        except BaseException:
            self.remove()
            raise

    @staticmethod
    def _wait_for_a_replica(primary):
        wait_until(lambda: b"state=online" in primary.ask("INFO", "replication"), "there is a replica")

    def wait_until_ready(self):
        """For a failover."""
        self._wait_for_a_replica(self.primary())
        wait_until(
            lambda: all(one.knows("sentinels") == 2 and one.knows("replicas") == 1 for one in self.sentinels),
            "each Sentinel knows all others", seconds=40)

    def primary(self):
        """By the word of the first Sentinel."""
        port = self.sentinels[0].primary_port()
        return next(one for one in self.servers if one.port == port)

    def replica(self):
        port = self.sentinels[0].primary_port()
        return next(one for one in self.servers if one.port != port)

    @property
    def url(self):
        return url_of(*self.sentinels)

    def remove(self):
        for one in (*self.sentinels, *self.servers):
            one.remove()


def url_of(*sentinels, name=NAME, scheme="redis+sentinel", words=""):
    hosts = ",".join(f"127.0.0.1:{getattr(one, 'port', one)}" for one in sentinels)
    return f"{scheme}://{words}{hosts}/{name}"


class OddSentinel(FalseRedis):
    """Answers whatever it is asked with these bytes; with `None` not at all."""

    def __init__(self, answer):
        self.answer = answer
        super().__init__()

    def _serve(self, connection):
        while connection.recv(65_536):
            if self.answer is not None:
                connection.sendall(self.answer)


def address(host, port):
    """The answer of one that knows the name."""
    words = (str(host).encode(), str(port).encode())
    return b"*2\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
