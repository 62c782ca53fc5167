"""Every fault of mutations.toml can be planted; `make mutations` plants them."""

from collections import Counter
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = tomllib.loads((ROOT / "tests/parity/mutations.toml").read_text())["mutation"]


def test_every_text_is_in_its_file_once():
    for mutation in MUTATIONS:
        assert (ROOT / mutation["file"]).read_text().count(mutation["find"]) == 1, mutation


def test_there_are_thirty_in_all_ports():
    ports = Counter(mutation["port"] for mutation in MUTATIONS)
    assert set(ports) == {"rust", "bindings", "torch", "reference", "mojo"}
    assert ports.total() >= 30
