"""The command line: what is made of the table of settings, and what the library makes of mistakes."""

import os
import re
import subprocess

import pytest

from support import tokens
from support.gateway import BINARY

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "configuration.md")
SECRETS = {"DATABASE_URL": "postgresql://localhost/x", "JWT_SECRET": tokens.SECRET}


def run(*arguments, **environment):
    return subprocess.run(
        [BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env={**SECRETS, **environment})


def checked(*options, **environment):
    """What `check` would use, by name."""
    done = run("check", *options, **environment)
    assert done.returncode == 0, done.stderr
    return dict(re.split(r" += ", line, maxsplit=1) for line in done.stdout.splitlines())


def page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def rows():
    """Option, variable and default of each row."""
    return re.findall(r"^\| `--([a-z-]+)`<br>`(DEVHIVE_[A-Z_]+)` \| (?:`([^`]+)`[^|]*)?", page(), re.MULTILINE)


def test_the_page_is_what_the_program_prints():
    assert run("describe-options").stdout == page()


@pytest.mark.parametrize("command", ["serve", "check", "doctor"])
def test_help_has_every_option_with_its_variable_and_default(command):
    words = " ".join(run(command, "--help").stdout.split())
    assert len(rows()) > 30
    for name, variable, default in rows():
        assert re.search(rf" --{name} <[^>]+> [^[]*(\[[^\]]*\][^[]*)*\[{variable}\]", words), name
        assert not default or f"[{variable}] ({default})" in words, name


def test_check_prints_every_option():
    found = checked()
    for name, _, default in rows():
        assert found[name].startswith(default or "(none)"), name


def test_an_option_goes_before_its_variable_and_the_last_of_an_option_counts():
    assert checked(DEVHIVE_PING_INTERVAL="7s")["ping-interval"] == "7s"
    assert checked("--ping-interval", "8s", DEVHIVE_PING_INTERVAL="7s")["ping-interval"] == "8s"
    assert checked("--ping-interval=8s", "--ping-interval", "9s")["ping-interval"] == "9s"


def test_origins_and_proxies_may_be_given_several_times():
    found = checked("--allow-origin", "https://a.example", "--allow-origin=https://b.example",
                    "--trusted-proxies", "10.0.0.0/8", "--trusted-proxies", "::1")
    assert found["allow-origin"] == "https://a.example,https://b.example"
    assert found["trusted-proxies"] == "10.0.0.0/8,::1"


@pytest.mark.parametrize("arguments, says", [
    (["--lisen", "x"], "Unknown option '--lisen'. Did you mean '--listen'?"),
    (["check", "--no-such=1"], "Unknown option '--no-such'"),
    (["check", "--listen"], "Missing value for '--listen <address>'"),
    (["check", "extra"], "Unexpected argument 'extra'"),
    (["check", "--log-level", "loud"], "--log-level: 'loud' is refused: trace, debug, info"),
    (["migrate", "--listen", "127.0.0.1:1"], "Unknown option '--listen'"),
    (["migrate", "--migrations", ""], "--migrations: '' is refused: a path"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_a_mistake_is_named_and_ends_with_64(arguments, says):
    done = run(*arguments)
    assert done.returncode == 64 and says in done.stderr and done.stdout == ""


def test_a_wrong_variable_is_named():
    done = run("check", DEVHIVE_WORKERS="many")
    assert done.returncode == 64
    assert done.stderr == "devhive-gateway: DEVHIVE_WORKERS: 'many' is refused: a number from 1 to 256\n"
