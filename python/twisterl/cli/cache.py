"""`twisterl cache`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisterl.cli.doing import refuse_options_of_others
from twisterl.faults import ConfigError, Fault, shown, unknown

DESCRIPTION = "Show what was prepared and kept for the next process, or delete it."
USAGE = """twisterl cache list [--json]
       twisterl cache clear [KIND|NAME ...]"""
EPILOG = """\
examples:
  twisterl cache list
      what each file is for, its size, when it was used last; the total, and the folder
  twisterl cache clear
      deletes all of it, and says what
  twisterl cache clear patterns lessons
      all of these kinds; the others are classes, models, ranks and states
  twisterl cache clear states/permutation-6
      of this name; with the digest that the list shows, this file alone

Pattern databases, lessons, tables and networks, which eval, solve, play and synthesize make again
where they need them. TWISTERL_CACHE names the folder; "off" keeps nothing. Files of others in it
are neither shown nor deleted."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("doing", metavar="list|clear", choices=["list", "clear"])
    add("words", metavar="KIND|NAME", nargs="*", help="of clear: what to delete; without it all")
    add("--json", action="store_true", help="of list: print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl import cache

    if arguments.doing == "list" and arguments.words:
        raise _refused("list", f"takes nothing; got {shown(arguments.words[0])}")
    refuse_options_of_others(arguments.doing, {"--json": (arguments.json, "list")})
    root = cache.folder()
    if root is None:
        print("null" if arguments.json else "nothing is kept: TWISTERL_CACHE is off")
        return 0
    if root.exists() and not root.is_dir():
        raise _refused("TWISTERL_CACHE", f"{root} is a file; expected a folder")
    return _list(root, arguments.json) if arguments.doing == "list" else _clear(root, arguments)


def _list(root: Path, as_json: bool) -> int:
    from twisterl.cached import kept_in

    found = kept_in(root)
    if as_json:
        listed = [{"kind": one.kind, "name": one.name, "about": one.about,
                   "bytes": one.num_bytes, "used_at": one.used_at} for one in found]  # fmt: skip
        print(json.dumps({"folder": str(root), "kept": listed}, indent=2))
        return 0
    if not found:
        print(f"nothing is kept in {root}")
        return 0
    rows = [("name", "size", "last used", "what for")]
    for one in found:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used_at))
        rows.append((one.label, _size([one]), used, one.about))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, size, used, about in rows:
        print(f"{name:<{widths[0]}}  {size:>{widths[1]}}  {used:<{widths[2]}}  {about}")
    print(f"{len(found)} in {root}, {_size(found)}")
    return 0


def _clear(root: Path, arguments: argparse.Namespace) -> int:
    from twisterl.cached import kept_in
    from twisterl.cli.streams import complain

    chosen = _chosen(kept_in(root), arguments.words)
    deleted = []
    for one in chosen:
        if one.is_being_written():
            complain(f"{one.label}: is being written; left")
            continue
        try:
            one.delete()
        except OSError as error:
            complain(f"error: {error.filename or one.path}: {error.strerror}; {one.label} is left")
            continue
        deleted.append(one)
        print(f"deleted {one.label}, {_size([one])}: {one.about}")
    print(f"{len(deleted)} deleted from {root}, {_size(deleted)}")
    return 0 if len(deleted) == len(chosen) else 1


def _chosen(found: Sequence[Any], words: Sequence[str]) -> list[Any]:
    """Those that one of the `words` calls, all without words; refuses a word that calls nothing."""
    from twisterl.cached import KINDS

    for word in words:
        if word not in KINDS and not any(one.is_called(word) for one in found):
            known = sorted({*KINDS, *(one.label for one in found)})
            raise _refused("clear", unknown(word, known, "kind or name"))
    return [one for one in found if not words or any(map(one.is_called, words))]


def _size(kept: Sequence[Any]) -> str:
    from twisterl.cli.numbers import count

    return f"{count(sum(one.num_bytes for one in kept))}B"


def _refused(path: str, problem: str) -> ConfigError:
    return ConfigError([Fault(path, problem)], "command line")
