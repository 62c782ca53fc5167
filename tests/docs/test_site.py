"""The documentation site has every page, and what is generated for it says what its sources do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import docs  # noqa: E402

SITE = ROOT / "docs" / "site"
INDEX = SITE / "index.md"


def listed():
    """The pages that the toctrees name, from the root of the repository."""
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", INDEX.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    names = [re.sub(r".*<(.*)>", r"\1", line) for line in lines]
    return {
        name.lstrip("/") if name.startswith("/")
        else (INDEX.parent / name).resolve().relative_to(ROOT).as_posix()
        for name in names
    }  # fmt: skip


def test_every_page_is_in_the_site_and_is_there():
    generated = {f"target/site/generated/{name}" for name in (*docs.NOTEBOOKS, "mojo", "gallery")}
    pages = {path.relative_to(ROOT).with_suffix("").as_posix()
             for path in (ROOT / "docs").rglob("*.md") if path != INDEX}  # fmt: skip
    found = listed()
    assert pages - found == set()
    assert {name for name in found if name.startswith("target/")} == generated
    assert all((ROOT / f"{name}.md").is_file() for name in found - generated)
    notebooks = {path.stem for path in (ROOT / "examples").glob("*.ipynb")}
    assert notebooks == set(docs.NOTEBOOKS)


def pinned(*names):
    """The packages that these files of requirements list."""
    texts = [(ROOT / "requirements" / f"{name}.txt").read_text() for name in names]
    return {
        pin.replace("-", "_") for text in texts for pin in re.findall(r"^([\w-]+)==", text, re.M)
    }


def test_what_is_described_is_imported_with_what_is_installed_for_it():
    described = re.findall(r"automodule:: ([\w.]+)", (SITE / "python.md").read_text())
    absent = pinned("test") - pinned("run", "docs", "mojo")
    assert "twisterl.quantum" in described and "onnx" in absent
    without = [sys.executable, ROOT / "tests" / "python" / "without.py", ",".join(absent), "-"]
    program = f"import {', '.join(described)}"
    subprocess.run(without, input=program, text=True, check=True)


def test_a_notebook_becomes_a_page():
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": ["# Title\n", "text"]},
            {"cell_type": "code", "source": ["a = 1\n", "a"]},
        ]
    }
    text = "\n".join(docs.cells(notebook, "x.ipynb"))
    assert text.startswith("# Title\ntext\n") and "```python\na = 1\na\n```" in text
    assert "`examples/x.ipynb`" in text


def test_mojo_becomes_a_page():
    overload = {
        "signature": "def f(x: Int) -> Int", "summary": "Doubles.", "description": "",
        "args": [{"name": "x", "description": "A number."}], "raisesDoc": "Never.",
        "returns": {"type": "Int", "doc": "Twice x.\n"},
    }  # fmt: skip
    module = {
        "name": "twice", "summary": "Doubling.", "description": "More.", "aliases": [],
        "structs": [], "functions": [{"name": "f", "overloads": [overload]}],
    }  # fmt: skip
    text = "\n".join(docs.mojo_module(module))
    for said in ("## twice\n\nDoubling.\n\nMore.", "### f", "```mojo\ndef f(x: Int) -> Int\n```",
                 "- `x`: A number.", "- returns: Twice x.", "- raises: Never."):  # fmt: skip
        assert said in text
    assert list(docs.mojo_module({**module, "name": "__init__"})) == []


@pytest.mark.parametrize("name", docs.SHOWN)
def test_the_gallery_shows_presets(name):
    from twisterl.presets import ABOUT

    assert name in ABOUT
    page = docs.gallery({name: True})
    assert f'src="../../../pages/{name}.html"' in page and docs.SHOWN[name] in page
    # Without the engine there is the page of the run.
    page = docs.gallery({name: False})
    assert f'src="../../../pages/{name}_run.html"' in page and "make web-module" in page
