"""What of the library `websockets` isn't called the same before its version 14 (Debian 12) and since (Debian 13)."""

import websockets

_VERSION = int(websockets.__version__.split(".", maxsplit=1)[0])


def connect(url, headers=None, **options):
    """As `websockets.connect`: to be awaited, or entered with `async with`."""
    if headers:
        options["additional_headers" if _VERSION >= 14 else "extra_headers"] = headers
    if _VERSION >= 15:
        # Whatever the environment says, nothing here is outside this host.
        options["proxy"] = None
    return websockets.connect(url, **options)


def refused_status(error):
    """The HTTP status of a `websockets.InvalidHandshake`, or None when it isn't about one."""
    return getattr(getattr(error, "response", error), "status_code", None)


def extensions(socket):
    """Those that both sides have agreed upon."""
    return getattr(socket, "protocol", socket).extensions
