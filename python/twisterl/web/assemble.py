"""The page from its parts: modules joined into one script, binary parts as compressed text."""

from __future__ import annotations

import functools
import gzip
import html
import json
import posixpath
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from twisterl.web.weights import Rows, packed

_IMPORT = re.compile(r'^import [^;]*? from "(\.[\w/.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
# What only readers of the sources need: lines of comment, indentation, empty lines.
_MARGIN = re.compile(r"^\s*//.*\n|^\s+", re.MULTILINE)


def assemble(
    title: str,
    run: Mapping[str, Any],
    engine: bytes,
    policy: bytes,
    rows: Mapping[str, Rows] | None = None,
) -> str:
    """The page as text.

    Args:
        title: what it is called.
        run: what the page's scripts read of the run, as JSON.
        engine: the WebAssembly module.
        policy: a file of `twisterl.export.policy_file`.
        rows: those of its matrices that are written as bytes, whose names `run` has as "rows".
    """
    parts = {
        "TITLE": html.escape(title),
        "STYLE": _part("page.css"),
        "RUN": json.dumps(run).replace("<", "\\u003c"),
        "ENGINE": _packed(engine),
        "POLICY": _packed(planes(policy) if rows is None else packed(policy, rows)),
        "WORKER": _part("worker.js"),
        "SCRIPT": joined("main.js"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _part("page.html"))


def joined(name: str) -> str:
    """The module `name` behind all that it imports, each once, as one script."""
    seen: dict[str, str] = {}

    def visit(name: str) -> None:
        if name not in seen:
            text = _part(name)
            seen[name] = ""
            for imported in _IMPORT.findall(text):
                visit(posixpath.normpath(posixpath.join(posixpath.dirname(name), imported)))
            del seen[name]
            seen[name] = _EXPORT.sub("", _IMPORT.sub("", text))

    visit(name)
    return "\n".join(seen.values())


def planes(content: bytes) -> bytes:
    """The first bytes of all words of 4, then their second ones, ..: numbers pack better so."""
    padded = content + bytes(-len(content) % 4)
    return b"".join(padded[place::4] for place in range(4))


def as_text(content: bytes) -> str:
    """7 bits a character, of one byte but for those that a page cannot hold: base64 has 6."""
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    rows = np.append(bits, np.zeros(-len(bits) % 7, np.uint8)).reshape(-1, 7)
    codes = (np.packbits(rows, axis=1)[:, 0] >> 1).astype("<u4")
    # "</" might end the script that it is in, "<!" begin a comment there.
    is_tag = (codes[:-1] == ord("<")) & np.isin(codes[1:], list(b"/!"))
    # Two bytes each, of which the lower 7 bits count.
    codes[np.append(is_tag, False) | np.isin(codes, list(b"\0\r"))] += 0x100
    return codes.tobytes().decode("utf-32-le")


# An engine is packed for many pages.
@functools.lru_cache(maxsize=4)
def _packed(content: bytes) -> str:
    return as_text(gzip.compress(content, 9, mtime=0))


def _part(name: str) -> str:
    text = (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")
    return text if name.endswith(".html") else _MARGIN.sub("", text)
