"""What `doctor` says."""

import os
import subprocess

from .gateway import BINARY
from .seccomp import forbid


def examine(url, *options, forbidden=()):
    """The exit code, and the lines: verdict and text by subject. `forbidden`: numbers of system calls."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DEVHIVE_", "PG", "JWT_"))}
    done = subprocess.run(
        [BINARY, "doctor", *options], env={**clean, "DATABASE_URL": url}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: [forbid(number) for number in forbidden])
    assert done.stderr == ""
    findings = {}
    for line in done.stdout.splitlines():
        verdict, rest = line.split(None, 1)
        assert verdict in ("ok", "warn", "FAIL"), line
        subject, text = rest.split(": ", 1)
        findings[subject] = (verdict, text)
    assert (done.returncode == 69) == any(verdict == "FAIL" for verdict, _ in findings.values())
    assert done.returncode in (0, 69)
    return done.returncode, findings
