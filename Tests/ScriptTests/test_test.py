"""What scripts/test says about its options, before it installs or builds anything."""

import os
import subprocess

import pytest

TEST = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "test")


def run(*arguments):
    return subprocess.run(
        [TEST, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False)


def test_the_list_names_the_steps_in_their_order():
    names = run("--list").stdout.split()
    assert names.index("build") < names.index("swift") < names.index("end-to-end")
    assert {"format", "shell", "scripts", "javascript", "conformance", "micro"} < set(names)


def test_with_a_sanitizer_there_are_fewer():
    assert run("--sanitize", "thread", "--list").stdout.split() == ["build", "swift", "end-to-end"]
    assert run("--list", "--sanitize", "thread").stdout.split() == ["build", "swift", "end-to-end"]


@pytest.mark.parametrize("arguments, answer", [
    (["--only", "unit"], "no such step: unit; there are: format"),
    (["--only"], "--only takes the name of a step"),
    (["--sanitize", "address", "--only", "format"], "no such step with a sanitizer: format; there are: build"),
    (["--sanitize", "memory"], "--sanitize takes address or thread"),
    (["--io-uring", "maybe"], "--io-uring takes on or off"),
    (["--in-debian"], "--in-debian takes bookworm or trixie"),
    (["--in-debian", "sid"], "--in-debian takes bookworm or trixie"),
    (["--in-debian", "trixie", "--only", "unit"], "no such step: unit"),
    (["--filter", "x"], "--filter is for one step"),
    (["--only", "format", "--filter", "x"], "the step format takes no --filter"),
    (["--only", "conformance", "--filter", "6"], "scripts/conformance"),
    (["--only", "simulation", "--filter", "6"], "scripts/simulate"),
    (["--quick"], "no such option: --quick"),
    (["swift"], "no such option: swift"),
])
def test_a_wrong_option_is_named(arguments, answer):
    done = run(*arguments)
    assert done.returncode == 1
    assert answer in done.stderr
