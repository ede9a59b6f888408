"""What scripts say about the Swift that they find."""

import os
import re
import subprocess

import pytest

REPOSITORY = os.path.join(os.path.dirname(__file__), "..", "..")


@pytest.fixture
def find_swift(tmp_path):
    """What `find_swift` says when the first `swift` on PATH is this shell script."""
    def run(script):
        program = tmp_path / "swift"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        program.chmod(0o755)
        return subprocess.run(
            ["bash", "-c", "source scripts/lib/common.sh; find_swift"], cwd=REPOSITORY, stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False)
    return run


def needed():
    with open(os.path.join(REPOSITORY, "Package.swift"), encoding="utf-8") as file:
        return re.fullmatch(r"// swift-tools-version: *([\d.]+)\n", file.readline())[1]


@pytest.mark.parametrize("version", [needed(), needed() + ".1", "100.0"])
def test_one_that_is_new_enough_is_taken(find_swift, version):
    done = find_swift(f"echo 'Swift version {version} (swift-{version}-RELEASE)'")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("version", ["5.10.1", "6.1"])
def test_an_old_one_is_named(find_swift, version):
    done = find_swift(f"echo 'swift-driver version: 1.1 Apple Swift version {version} (swiftlang)'")
    assert done.returncode == 1
    assert f"is Swift {version}, and {needed()} or newer is needed" in done.stderr


def test_one_that_doesnt_start_is_heard(find_swift):
    done = find_swift("echo 'libncurses.so.6: cannot open shared object file' >&2; exit 127")
    assert done.returncode == 1
    assert "doesn't run here (tried: Debian 12 and 13" in done.stderr
    assert "libncurses.so.6: cannot open shared object file" in done.stderr


def test_another_program_of_the_name_is_no_swift(find_swift):
    done = find_swift("echo 'python-swiftclient 4.1.0'")
    assert done.returncode == 1
    assert "is Swift of no known version" in done.stderr
