"""Makes an environment with Autobahn|Testsuite in it, converted to Python 3.

    install.py FOLDER

The release that PyPI has is Python 2 code. It is fetched from there and converted where it lies, by
fissix (lib2to3, which Python has no more) and by the rules of rules.py; nothing of it is kept in this repository. That the cases still
say what they said is checked: every string literal must be the same bytes as before. The whole
change is left in FOLDER/conversion.diff.

Needs a Python from 3.9 to 3.13 with venv. Exit code 75: PyPI can't be reached.
"""

import ast
import collections
import difflib
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
import warnings
from pathlib import Path

from rules import ADDED_LITERALS, RULES, SECTIONS

HERE = Path(__file__).resolve().parent
NOT_FETCHED = 75
STAMP = "conversion.json"

TOOLS = ["setuptools", "wheel", "fissix"]
LIBRARIES = ["Twisted", "txaio", "wsaccel", "six", "pyOpenSSL", "service-identity"]
# Old source packages: their own lists of what they need name what isn't there any more.
SUITE = ["autobahn==0.10.9", "autobahntestsuite==25.10.1"]

# What is kept of the suite's package.
MODULES = [
    "__init__.py", "_version.py", "choosereactor.py", "caseset.py", "report.py", "fuzzing.py",
]  # fmt: skip
FOLDERS = ["case", "testdata", "web"]

# Run in the environment: the cases' idea of UTF-8 must be Python's, and all of them be there.
SELF_TEST = """
import collections, json
from autobahntestsuite import choosereactor
from autobahntestsuite import fuzzing, octets
from autobahntestsuite.case import Cases
from autobahntestsuite.case.case6_x_x import createUtf8TestSequences

for title, sequences in createUtf8TestSequences():
    for is_valid, text in sequences:
        try:
            octets.wire(text).decode("utf-8")
        except UnicodeDecodeError:
            assert not is_valid, (title, text)
        else:
            assert is_valid, (title, text)
names = [case.__name__[4:].split("_") for case in Cases]
assert len(names) == len(set(map(tuple, names)))
print(json.dumps(collections.Counter(name[0] for name in names)))
"""


def literals(source):
    """The string literals with their places, in their order."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING:
            yield token.start, token.end, token.string


def is_unicode(literal):
    return "u" in re.match(r"[a-zA-Z]*", literal).group().lower()


def escaped(text):
    """Characters beyond ASCII as the escaped bytes that they are in a Python 2 source."""
    return "".join(
        char if ord(char) < 0x80 else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8"))
        for char in text
    )


def with_escaped_literals(source):
    rows = source.splitlines(keepends=True)
    for (row, start), (last_row, end), text in reversed(list(literals(source))):
        if text.isascii() or is_unicode(text):
            continue
        assert row == last_row, f"a literal over several lines: {text}"
        rows[row - 1] = rows[row - 1][:start] + escaped(text) + rows[row - 1][end:]
    return "".join(rows)


def check_literals(name, before, after):
    """Compares, as bytes, what Python 2 read in `before` with what Python 3 reads in `after`."""
    wanted = []
    for _, _, text in literals(before):
        if is_unicode(text):
            assert text.isascii(), (name, text)
            wanted.append(ast.literal_eval(text).encode("ascii"))
        else:
            wanted.append(ast.literal_eval("b" + escaped(text)))
    found = [ast.literal_eval(text) for _, _, text in literals(after)]
    found = [value if isinstance(value, bytes) else value.encode("latin-1") for value in found]
    for value in ADDED_LITERALS.get(name, []):
        found.remove(value)
    if wanted != found:
        sys.exit(f"{name}: the conversion has changed string literals:\n{wanted}\n{found}")
    return len(wanted)


def apply_rules(site, sources):
    for rule in RULES:
        total = 0
        for path in sources:
            if not path.relative_to(site).match(rule.files):
                continue
            if isinstance(rule.old, str):
                count = sources[path].count(rule.old)
                sources[path] = sources[path].replace(rule.old, rule.new)
            else:
                sources[path], count = rule.old.subn(lambda _: rule.new, sources[path])
            if rule.count is not None and count != rule.count:
                sys.exit(f"{path.name}: {rule.old!r} is there {count} times, not {rule.count}")
            total += count
        if total == 0:
            sys.exit(f"{rule.files}: {rule.old!r} is nowhere")


def convert(site):
    """Converts the package in the folder `site`. Returns the number of literals compared, and the
    change."""
    # Where the converter is too. The environment is of the Python that runs this.
    sys.path.append(str(site))
    warnings.simplefilter("ignore")
    from fissix.refactor import RefactoringTool, get_fixers_from_package

    tool = RefactoringTool(get_fixers_from_package("fissix.fixes"))
    package = site / "autobahntestsuite"
    cases = sorted((package / "case").glob("*.py"))
    protocol = site / "autobahn/websocket/protocol.py"
    before, after = {}, {}
    for path in [package / name for name in MODULES] + cases + [protocol]:
        source = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        before[path] = after[path] = source
        if path is not protocol:  # That one is for both.
            source = with_escaped_literals(source).rstrip("\n") + "\n"
            after[path] = str(tool.refactor_string(source, str(path)))
    apply_rules(site, after)

    count = sum(check_literals(path.name, before[path], after[path]) for path in cases)
    change = []
    for path, source in after.items():
        name = str(path.relative_to(site))
        change += difflib.unified_diff(
            before[path].splitlines(), source.splitlines(), f"a/{name}", f"b/{name}", "", "", 1, ""
        )
        path.write_text(source, encoding="utf-8")

    (package / "case/case9_9_1.py").unlink()
    for path in package.iterdir():
        if path.is_dir() and path.name not in FOLDERS:
            shutil.rmtree(path)
        elif path.suffix == ".py" and path.name not in MODULES:
            path.unlink()
    shutil.copy(HERE / "octets.py", package)
    return count, change


def fetch(folder):
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    install = [folder / "bin/python", "-m", "pip", "install", "-q", "-c", HERE / "constraints.txt"]
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1")
    for packages in (TOOLS, LIBRARIES, ["--no-build-isolation", "--no-deps", *SUITE]):
        if subprocess.run([*install, *packages], env=environment).returncode != 0:
            print("Autobahn|Testsuite can't be fetched from PyPI.", file=sys.stderr)
            sys.exit(NOT_FETCHED)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    state = hashlib.sha256()
    for name in ("install.py", "rules.py", "octets.py", "constraints.txt"):
        state.update((HERE / name).read_bytes())
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Scripts that need it may run side by side: the second waits for what the first one makes.
    lock = open(folder.with_name(folder.name + ".lock"), "w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    stamp = folder / STAMP
    if stamp.exists() and json.loads(stamp.read_text())["installer"] == state.hexdigest():
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        sys.exit(f"{folder} is no environment of Python: it is left alone")

    fetch(folder)
    python = folder / "bin/python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    count, change = convert(site)
    (folder / "conversion.diff").write_text("\n".join(change) + "\n", encoding="utf-8")
    for cache in (site / "autobahntestsuite").rglob("__pycache__"):
        shutil.rmtree(cache)

    output = subprocess.check_output([python, "-W", "ignore", "-c", SELF_TEST], text=True)
    sections = json.loads(output)
    if sections != SECTIONS:
        sys.exit(f"the sections have {sections} cases, not {SECTIONS}")
    stamp.write_text(json.dumps({"installer": state.hexdigest()}) + "\n")
    total = sum(collections.Counter(sections).values())
    print(f"{folder}: {total} cases, {count} string literals unchanged")


if __name__ == "__main__":
    main()
