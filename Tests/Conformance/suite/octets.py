"""Where the suite's text meets the wire. Copied into the installed package by install.py.

The cases are Python 2 code, in which a `str` is a string of bytes: payloads are written as
'\\xf4\\x90', put together with chr() and join(), and taken apart by index. All of that also works on
Python 3's `str` as long as each character from U+0000 to U+00FF stands for one byte, which is what
the encoding latin-1 does. So the cases stay as they are, and bytes become text, and text bytes, at
two borders only: where the protocol sends (`Border`), and where it tells a case what came (`told`).
"""

import binascii


def wire(text):
    """The bytes that a Python 2 string is. A character over U+00FF raises: it can't be one byte."""
    return text.encode("latin-1") if isinstance(text, str) else text


def told(case, data):
    """Received bytes in the form in which the case expects them: sections 12 and 13 read bytes from
    files and compare with those."""
    return bytes(data) if getattr(case, "TAKES_BYTES", False) else bytes(data).decode("latin-1")


def hex_dump(data):
    """binascii.b2a_hex as Python 2 had it: text for text."""
    return binascii.b2a_hex(wire(data)).decode("ascii")


def readable(value):
    """A value that JSON can carry."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def alike(left, right):
    """Whether both are equal, in type too, through and through."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(alike, left, right))
    return left == right


class Border:
    """Stands before autobahn's protocol class, and turns what cases send into bytes."""

    def sendFrame(self, opcode, payload=b"", *rest, **named):
        return super().sendFrame(opcode, wire(payload), *rest, **named)

    def sendMessage(self, payload, *rest, **named):
        return super().sendMessage(wire(payload), *rest, **named)

    def sendMessageFrame(self, payload, *rest, **named):
        return super().sendMessageFrame(wire(payload), *rest, **named)

    def sendMessageFrameData(self, payload, *rest, **named):
        return super().sendMessageFrameData(wire(payload), *rest, **named)

    def sendCloseFrame(self, code=None, reasonUtf8=None, *rest, **named):
        return super().sendCloseFrame(code, wire(reasonUtf8), *rest, **named)
