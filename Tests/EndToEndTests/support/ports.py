"""Ports for programs that can't take port 0, such as a proxy or PostgreSQL."""

import random
import socket

_given = set()


def free_port():
    """A port of no address, given once, below those that the kernel gives to connections.

    A port of the kernel's range can become a connection's between this look and the program's bind.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first_of_the_kernel = int(file.read().split()[0])
    # From a place of its own in each process: several may look at the same time.
    candidates = list(range(10_000, max(first_of_the_kernel, 11_000)))
    random.shuffle(candidates)
    for port in candidates:
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port")
