"""What the documents name is there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TESTS = REPOSITORY / "Tests"


def python_tests():
    text = "".join(path.read_text() for path in (TESTS / "EndToEndTests").glob("test_*.py"))
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE))


def swift_file(suite):
    return next(TESTS.glob(f"*Tests/**/{suite}.swift"), None)


def missing(text):
    """Names of tests, in backquotes, that no test has: `test_name`, or `Suite: name` of one in Swift."""
    names = set(re.findall(r"`(test_\w+)`", text))
    found = names - python_tests()
    for suite, name in re.findall(r"`(\w+Tests): ([^`]+)`", text):
        file = swift_file(suite)
        if file is None or f"`{name}`" not in file.read_text():
            found.add(f"{suite}: {name}")
    return found


def rows_of_security():
    section = (REPOSITORY / "SECURITY.md").read_text().split("\n## Who can do what\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return rows[2:]


def test_every_cell_of_who_can_do_what_names_a_test():
    assert len(rows_of_security()) > 5
    for who, *cells in rows_of_security():
        assert len(cells) == 2, who
        for cell in cells:
            assert re.search(r"`test_\w+`|`\w+Tests: ", cell), f"{who}: {cell}"


@pytest.mark.parametrize("document", ["SECURITY.md", "docs/reliability.md"])
def test_the_tests_that_a_document_names_exist(document):
    assert missing((REPOSITORY / document).read_text()) == set()


def test_a_name_that_no_test_has_is_noticed():
    text = "`test_that_nobody_wrote`, `LogLineTests: a thing that is not`, `NoSuchTests: x`"
    assert missing(text) == {"test_that_nobody_wrote", "LogLineTests: a thing that is not", "NoSuchTests: x"}


def test_the_files_and_suites_of_the_table_of_faults_exist():
    text = (REPOSITORY / "docs" / "reliability.md").read_text()
    table = text.split("\n## Faults\n")[1]
    for name in set(re.findall(r"`(test_\w+\.py)`", table)):
        assert (TESTS / "EndToEndTests" / name).exists(), name
    for suite in set(re.findall(r"`(\w+Tests)`", table)):
        assert swift_file(suite), suite
    for folder in set(re.findall(r"`Tests/([\w/]+)`", table)):
        assert (TESTS / folder).is_dir(), folder


def test_the_documented_units_let_no_crash_report_print_memory():
    """Swift's shows what registers point to, where a token or a key may be."""
    text = (REPOSITORY / "docs" / "deployment.md").read_text()
    units = [block for block in re.findall(r"```ini\n(.*?)```", text, re.DOTALL) if "devhive-gateway serve" in block]
    assert units
    for unit in units:
        settings = [line.strip() for line in unit.splitlines()]
        assert "Environment=SWIFT_BACKTRACE=enable=no" in settings
