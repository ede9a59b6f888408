"""Waiting for a condition, with a deadline: no test waits for time to pass."""

import threading
import time

DEADLINE_SECONDS = 20
_POLL_SECONDS = 0.01


def wait_until(condition, what, seconds=DEADLINE_SECONDS):
    """Calls `condition` until it returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        pause.wait(_POLL_SECONDS)
