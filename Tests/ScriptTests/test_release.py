"""scripts/release, in a small repository that has the files it reads."""

import os
import re
import shutil
import subprocess

import pytest

REPOSITORY = os.path.join(os.path.dirname(__file__), "..", "..")
VERSION_FILE = "Sources/Gateway/Records/Version.swift"
PACKAGE_FILE = "Clients/javascript/package.json"
CHANGES = "# Changes\n\n## Unreleased\n\nThe first one.\n\n### Added\n\n- A thing.\n"


class Checkout:
    def __init__(self, folder):
        self.folder = folder
        # A repository of nobody: what the caller's git is told doesn't count here.
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}
        for name in ("scripts/release", "scripts/lib/common.sh", VERSION_FILE, PACKAGE_FILE):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.join(REPOSITORY, name), path)
        self.write("CHANGELOG.md", CHANGES)
        self.git("init", "-q")
        self.commit()

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def read(self, name):
        return (self.folder / name).read_text(encoding="utf-8")

    def change(self, name, old, new):
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *command):
        return subprocess.run(
            command, cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False)

    def git(self, *arguments):
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "As it is")

    def release(self, *arguments):
        return self.run("scripts/release", *arguments)

    def refuses(self, *arguments):
        """What it says. Nothing may be another than before."""
        before = self.state()
        done = self.release(*arguments)
        assert done.returncode == 1, done.stdout
        assert self.state() == before
        return done.stderr

    def state(self):
        return self.git("rev-parse", "HEAD"), self.git("tag"), self.git("status", "--porcelain"), self.read("CHANGELOG.md")


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def version(checkout):
    """The one that the sources name."""
    return re.search(r'current = "(.*)"', checkout.read(VERSION_FILE))[1]


def test_the_versions_of_this_repository_agree(checkout, version):
    assert f'"version": "{version}"' in checkout.read(PACKAGE_FILE)


def test_it_cuts_the_changelog_commits_and_tags(checkout, version):
    done = checkout.release(version)
    assert done.returncode == 0, done.stderr
    heading = re.search(r"(?m)^## .* - \d{4}-\d\d-\d\d$", checkout.read("CHANGELOG.md"))[0]
    assert heading.startswith(f"## {version} - ")
    assert checkout.read("CHANGELOG.md") == CHANGES.replace("## Unreleased\n", f"## Unreleased\n\n{heading}\n")
    assert checkout.git("status", "--porcelain") == ""
    assert checkout.git("log", "-1", "--format=%s") == f"Release {version}"
    assert checkout.git("rev-parse", f"v{version}^{{commit}}") == checkout.git("rev-parse", "HEAD")
    message = checkout.git("tag", "-l", "--format=%(contents)", f"v{version}")
    assert message == f"Release {version}\n\nThe first one.\n\n### Added\n\n- A thing."


def test_a_dry_run_says_what_it_would_do_and_does_nothing(checkout, version):
    before = checkout.state()
    done = checkout.release(version, "--dry-run")
    assert (done.returncode, done.stdout) == (0, "The first one.\n\n### Added\n\n- A thing.\n")
    assert f"v{version}" in done.stderr
    assert checkout.state() == before


def test_a_version_that_the_sources_dont_name_is_refused(checkout, version):
    said = checkout.refuses("99.0.0")
    assert f"{VERSION_FILE} says {version}, not 99.0.0" in said
    assert f"{PACKAGE_FILE} says {version}, not 99.0.0" in said
    checkout.change(PACKAGE_FILE, version, "99.0.0")
    checkout.commit()
    assert f"{PACKAGE_FILE} says 99.0.0, not {version}" in checkout.refuses(version)


def test_changes_that_arent_committed_are_refused_new_files_too(checkout, version):
    checkout.write("new.txt", "")
    assert "aren't committed" in checkout.refuses(version)
    assert "aren't committed" in checkout.refuses(version, "--dry-run")


def test_a_second_release_of_the_same_is_refused(checkout, version):
    assert checkout.release(version).returncode == 0
    said = checkout.refuses(version)
    assert f"the tag v{version} is there already" in said
    assert f"has a section {version} already" in said
    assert 'has nothing under "## Unreleased"' in said


@pytest.mark.parametrize("arguments", [
    [], ["--dry-run"], ["1.2"], ["v1.2.3"], ["01.2.3"], ["1.2.3", "4.5.6"], ["1.2.3-beta"], ["--fast", "1.2.3"]])
def test_other_arguments_are_a_usage_error(checkout, arguments):
    assert "usage: scripts/release X.Y.Z [--dry-run]" in checkout.refuses(*arguments)
