"""What the conversion to Python 3 changes beyond syntax and names, and why.

Each rule says how often it applies in each of its files (None: somewhere, at least once); any other
number ends the installation, so that a release with other code can't be converted by halves.
"""

import re
from typing import NamedTuple, Union


class Rule(NamedTuple):
    """`old` becomes `new` in the files that the glob `files`, below site-packages, names."""

    files: str
    old: Union[str, re.Pattern]
    new: str
    count: Union[int, None]


def lines(pattern):
    return re.compile(pattern, re.MULTILINE)


CASES = "autobahntestsuite/case/*.py"
FUZZING = "autobahntestsuite/fuzzing.py"
WORDS = "wstest|echo|broadcast|testee|case|caseset|report|spectemplate|fuzzing|massconnect"

RULES = [
    # The package: what isn't used here (WAMP, the other modes) isn't imported.
    Rule("autobahntestsuite/__init__.py", lines(rf"^from \. import (?:{WORDS})\n"), "", 10),
    # txaio, below autobahn, wants to be told which event loop there is.
    Rule(
        "autobahntestsuite/__init__.py",
        "from . import choosereactor  #",
        "from . import choosereactor\nimport txaio\ntxaio.use_twisted()  #",
        1,
    ),
    Rule("autobahntestsuite/report.py", lines(r"^import jinja2\n"), "", 1),
    Rule(
        "autobahntestsuite/report.py",
        re.compile(r"^REPORT_DIR_PERMISSIONS = .*", re.MULTILINE | re.DOTALL),
        "",
        1,
    ),
    Rule("autobahntestsuite/report.py", ',\n           "HtmlReport")', ")", 1),
    # 9.9.1 isn't in the suite's own list of cases.
    Rule("autobahntestsuite/case/__init__.py", "from .case9_9_1 import *\n", "", 1),
    # A base class before its own subclass has no order of methods in Python 3.
    Rule(CASES, "(object, Case, )", "(Case, )", None),
    # Hex dumps, in descriptions: text for text.
    Rule(CASES, re.compile(r"\bbinascii\.(?:b2a_hex|hexlify)\("), "octets.hex_dump(", None),
    Rule(CASES, lines(r"^import binascii\n"), "from autobahntestsuite import octets\n", None),
    Rule(
        "autobahntestsuite/case/case12_x_x.py",
        "pkg_resources, hashlib, binascii\n",
        "pkg_resources, hashlib\nfrom autobahntestsuite import octets\n",
        1,
    ),
    # A pickle tells in Python 3 also which equal parts are one object.
    Rule(
        "autobahntestsuite/case/case.py",
        "pickle.dumps(obj1) == pickle.dumps(obj2)",
        "octets.alike(obj1, obj2)",
        1,
    ),
    Rule(
        "autobahntestsuite/case/case.py",
        "import pickle\n",
        "from autobahntestsuite import octets\n",
        1,
    ),
    # The validator takes bytes.
    Rule(
        "autobahntestsuite/case/case6_x_x.py",
        "res = v.validate(vss[:i])",
        "res = v.validate(octets.wire(vss[:i]))",
        1,
    ),
    # Division of whole numbers.
    Rule(
        "autobahntestsuite/case/case10_1_1.py",
        "len(self.payload) / self.p.autoFragmentSize",
        "len(self.payload) // self.p.autoFragmentSize",
        1,
    ),
    Rule(
        "autobahn/websocket/protocol.py",
        "range(payload_len / len(payload))",
        "range(payload_len // len(payload))",
        1,
    ),
    # Sections 12 and 13 take their payloads from files, as bytes.
    Rule(
        "autobahntestsuite/case/case12_x_x.py",
        '{"LEN": s[0],',
        '{"TAKES_BYTES": True, "LEN": s[0],',
        2,
    ),
    # The border between the cases and the wire, see octets.py.
    Rule(
        FUZZING,
        "import os, json, binascii, time, textwrap, pkg_resources\n",
        "import os, json, time, textwrap, pkg_resources\n",
        1,
    ),
    Rule(
        FUZZING,
        "import autobahn\nimport autobahntestsuite\n",
        "import autobahn\nimport autobahntestsuite\nfrom autobahntestsuite import octets\n",
        1,
    ),
    Rule(FUZZING, "class FuzzingProtocol:\n", "class FuzzingProtocol(octets.Border):\n", 1),
    Rule(
        FUZZING,
        "self.runCase.onMessage(msg, binary)",
        "self.runCase.onMessage(octets.told(self.runCase, msg), binary)",
        1,
    ),
    Rule(
        FUZZING,
        "self.runCase.onPong(payload)",
        "self.runCase.onPong(octets.told(self.runCase, payload))",
        1,
    ),
    # The factory's own attribute has this class, unless a subclass names another.
    Rule(FUZZING, "proto = FuzzingClientProtocol()", "proto = self.protocol()", 1),
    # The log of what was on the wire, and the reports.
    Rule(FUZZING, "binascii.b2a_hex(", "octets.hex_dump(", 5),
    Rule(FUZZING, "p = ''.join(payload)", "p = b''.join(payload)", 1),
    Rule(
        FUZZING,
        "dd = data[:maxlen] + ellipses\n      else:\n         dd = data\n      return dd.decode(",
        "dd = octets.wire(data)[:maxlen] + octets.wire(ellipses)\n      else:\n"
        "         dd = octets.wire(data)\n      return dd.decode(",
        1,
    ),
    Rule(
        FUZZING,
        "self.http_request_data if hasattr",
        "octets.readable(self.http_request_data) if hasattr",
        1,
    ),
    Rule(
        FUZZING,
        "self.http_response_data if hasattr",
        "octets.readable(self.http_response_data) if hasattr",
        1,
    ),
    Rule(
        FUZZING,
        '"localCloseReason": self.localCloseReason',
        '"localCloseReason": octets.readable(self.localCloseReason)',
        1,
    ),
    Rule(FUZZING, ', c[1])).encode("utf-8"))', ", c[1])))", 1),
    Rule(FUZZING, "ll.encode('utf8')", "ll", 1),
    Rule(
        FUZZING,
        "f = open(os.path.join(outdir, report_filename), 'w')",
        "f = open(os.path.join(outdir, report_filename), 'w', encoding='utf-8')",
        4,
    ),
]

# Literals that the rules add to a module of cases.
ADDED_LITERALS = {"case12_x_x.py": [b"TAKES_BYTES", b"TAKES_BYTES"]}

# How many cases each section of the suite has.
SECTIONS = {
    "1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1,
    "12": 90, "13": 126,
}  # fmt: skip
