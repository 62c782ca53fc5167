"""Every fault of the lists can be planted; `make mutations` plants them."""

import ast
import functools
import re
import shlex
from collections import Counter

import pytest
from faults import ROOT, read_lists, source_of

FAULTS = read_lists()
RUST = ROOT / "rust"


def test_every_text_is_in_one_place():
    for fault in FAULTS:
        source_of(fault)
        assert fault.find != fault.replace


def test_parity_has_thirty_in_all_ports():
    ports = Counter(fault.port for fault in FAULTS if fault.port)
    assert set(ports) == {"rust", "bindings", "torch", "reference", "mojo"}
    assert ports.total() >= 30


def test_beyond_parity_there_are_sixty():
    beyond = [fault for fault in FAULTS if not fault.port]
    assert len(beyond) >= 60 and all(fault.subject for fault in beyond)
    assert {fault.is_rust for fault in beyond} == {True, False}


@functools.cache
def _defined(path):
    """The names of all that a file of Python defines."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if hasattr(node, "name")}


def _tests_of(cargo):
    """The tests whose names have the last word of `cargo`."""
    target, *words = shlex.split(cargo)
    folder = RUST / "tests" / words[0] if target == "--test" else RUST / "src"
    found = []
    for path in folder.rglob("*.rs"):
        module = "::".join(path.relative_to(folder).with_suffix("").parts).removesuffix("::mod")
        tests = re.findall(r"#\[test\]\s+(?:#\[.*\]\s+)*fn (\w+)", path.read_text())
        between = "" if target == "--test" else "tests::"
        found += [name for test in tests if words[-1] in (name := f"{module}::{between}{test}")]
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.find[:40])
def test_its_judge_is_there(fault):
    for test in shlex.split(fault.pytest):
        path, _, names = test.partition("::")
        assert not names or names.split("[")[0].split("::")[-1] in _defined(path), test
    if fault.cargo:
        assert _tests_of(fault.cargo), fault.cargo
    assert bool(fault.pytest) + bool(fault.cargo) + bool(fault.port) == 1
