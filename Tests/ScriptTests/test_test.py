"""What scripts/test says about its options, before it installs or builds anything, and in its summary."""

import os
import subprocess

import pytest

TEST = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "test")
SUMMARY = os.path.join(os.path.dirname(TEST), "lib", "summary.sh")


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


def summary(tmp_path, *steps):
    """Exit code and lines of a summary of steps, each of which has a status and an output."""
    commands = []
    for number, (status, output) in enumerate(steps):
        log = tmp_path / f"{number}.log"
        log.write_text(output)
        commands.append(f"summarize_step {status} step-{number} 7 {log}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"source {SUMMARY}; {'; '.join(commands)}; print_summary"],
        capture_output=True, text=True, timeout=10, check=False)
    return done.returncode, done.stdout.split("Summary\n")[1].splitlines()


def test_what_did_not_run_is_not_among_what_passed(tmp_path):
    """A step that was left out ended as `passed`, and all checks passed."""
    code, lines = summary(tmp_path, (0, "\x1b[1m5 passed\x1b[0m\n\n"), (0, "so\nSKIPPED: nobody is there\n"))
    assert code == 0
    assert lines == ["step-0       passed      7 s   5 passed", "step-1       SKIPPED     7 s   nobody is there",
                     "All 1 checks passed, 1 SKIPPED."]


def test_a_step_that_failed_fails_whatever_it_says(tmp_path):
    code, lines = summary(tmp_path, (0, "fine\n"), (1, "SKIPPED: so it says\n"))
    assert code == 1
    assert lines[1] == "step-1       FAILED      7 s   SKIPPED: so it says"
    assert lines[2] == "FAILED: 1 of 2 checks."


def test_all_that_passed_is_all(tmp_path):
    assert summary(tmp_path, (0, "fine\n"), (0, "SKIPPED\n"))[1][-1] == "All 2 checks passed."
