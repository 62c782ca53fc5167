"""Each promise of SECURITY.md and docs/failures.md names a test that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = re.compile(r"`((?:tests|rust|mojo)/[\w/.]+)::(\w+)`")


def promises(name):
    """Items of lists and rows of tables."""
    text = (ROOT / name).read_text()
    items = re.findall(r"^- (?:.|\n(?!\n|- |#))*", text, re.MULTILINE)
    rows = re.findall(r"^\| (?!event |---).*\|$", text, re.MULTILINE)
    return [(name, promise) for promise in items + rows]


PROMISES = promises("SECURITY.md") + promises("docs/failures.md")


@pytest.mark.parametrize(("name", "promise"), PROMISES, ids=lambda text: text[:60])
def test_a_promise_names_its_tests(name, promise):
    found = REFERENCE.findall(promise)
    assert found, f"{name}: no test is named for: {promise}"
    for path, test in found:
        text = (ROOT / path).read_text()
        assert re.search(rf"^\s*(def|fn) {test}\(", text, re.MULTILINE), f"{path} has no {test}"


def test_there_are_promises():
    assert len(PROMISES) > 30
    # Nothing is said of a test outside of the promises.
    for name in ("SECURITY.md", "docs/failures.md"):
        text = (ROOT / name).read_text()
        inside = "".join(promise for of, promise in PROMISES if of == name)
        assert REFERENCE.findall(text) == REFERENCE.findall(inside)
