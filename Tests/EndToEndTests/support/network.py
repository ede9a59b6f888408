"""A network of its own for a server: a name space of the kernel's (network_namespaces(7)), and cables that can be cut."""

import contextlib
import os
import shutil
import subprocess

import pytest

# Two addresses for each cable, of a range that is kept for tests of networks (RFC 2544).
NETWORK = "198.18"


def _run(*words):
    subprocess.run(words, stdin=subprocess.DEVNULL, check=True, capture_output=True, text=True)


class Network:
    """Its cables lead to the network of the tests. It ends with its process, and its cables with it."""

    def __init__(self, cables):
        if shutil.which("ip") is None:
            pytest.skip("ip isn't installed: apt-get install iproute2")
        if subprocess.run(["unshare", "--net", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            pytest.skip("only root may make networks")
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # It answers when it is in its network, and ends when the tests do.
        self._keeper.stdin.write(b"x")
        self._keeper.stdin.flush()
        self._keeper.stdout.read(1)
        pid = self._keeper.pid
        self.entering = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]
        self.addresses = [f"{NETWORK}.{cable}.2" for cable in range(cables)]
        try:
            for cable in range(cables):
                here, there = f"dh{pid}h{cable}", f"dh{pid}t{cable}"
                _run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", str(pid))
                _run("ip", "address", "add", f"{NETWORK}.{cable}.1/30", "dev", here)
                _run("ip", "link", "set", here, "up")
                self._there("address", "add", f"{NETWORK}.{cable}.2/30", "dev", there)
                self._there("link", "set", there, "up")
        except subprocess.CalledProcessError as error:
            self.remove()
            pytest.skip(f"no cables here: {error.stderr.strip()}")

    def _there(self, *words):
        _run(*self.entering, "ip", *words)

    @contextlib.contextmanager
    def cut(self, cable):
        """Neither side is told: what is sent meanwhile is lost, and connections stand as they stood."""
        there = f"dh{self._keeper.pid}t{cable}"
        self._there("link", "set", there, "down")
        try:
            yield
        finally:
            self._there("link", "set", there, "up")

    def remove(self):
        self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper.stdout.close()
