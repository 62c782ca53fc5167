"""Reading JSON as data that nobody vouches for.

Python's own reader takes duplicate keys, NaN and Infinity, and any size; this one refuses them
and says where they are.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

from twisterl.faults import ConfigError, Fault, joined, shown

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
_INTEGERS = range(-(1 << 63), 1 << 64)
_TUPLE_LIST = "__tuple_list__"


class _Unusable:
    """Stands for a token that the reader takes but JSON or we do not."""

    def __init__(self, problem: str) -> None:
        self.problem = problem


class _Pairs:
    """The members of an object in order, duplicates included."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def json_load_tuples(dct: dict[str, Any]) -> Any:
    """Object hook of `json.load`: `{"__tuple_list__": true, "list": [[1, 2]]}` reads `[(1, 2)]`."""
    if _TUPLE_LIST in dct:
        return [tuple(item) for item in dct["list"]]
    return dct


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """The regular file at `path`, for reading; a FIFO or device is never waited for.

    Raises `OSError`.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), path) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, "not a regular file", path)
    return os.fdopen(descriptor, "rb")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a regular file of at most 1 MiB.

    Raises `ConfigError` naming the file.
    """
    source = os.fspath(path)

    def refuse(problem: str, also: Exception | None = None) -> ConfigError:
        return ConfigError([Fault("", problem, also)], source)

    try:
        file = open_regular(source)
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror or error}", error) from None
    with file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise refuse(f"has {size} bytes; at most {MAX_BYTES} are read")
    return content


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value in the JSON file at `path`; `ConfigError` with every fault."""
    return parse_json(read_bytes(path), str(Path(path)))


def parse_json(content: bytes | str, source: str = "JSON") -> Any:
    """The value that `content` (UTF-8) holds; `ConfigError` with every fault.

    >>> parse_json('{"twists": {"__tuple_list__": true, "list": [[0, 1]]}}')
    {'twists': [(0, 1)]}
    """

    def refuse(problem: str, also: Exception | None = None) -> ConfigError:
        return ConfigError([Fault("", problem, also)], source)

    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise refuse(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        raw = json.loads(
            content,
            object_pairs_hook=_Pairs,
            parse_constant=_not_json,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        problem = f"is not JSON: {error.msg[0].lower()}{error.msg[1:]} at {where}"
        raise refuse(problem, error) from None
    except RecursionError:
        raise refuse(f"is nested deeper than {MAX_DEPTH} levels") from None
    faults: list[Fault] = []
    value = _checked(raw, "", 1, faults)
    if faults:
        raise ConfigError(faults, source)
    return value


def to_json(value: Any) -> str:
    """`value` as JSON that `parse_json` reads back equal, lists of tuples included."""
    return json.dumps(_marked(value), indent=4) + "\n"


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return {_TUPLE_LIST: True, "list": [_marked(list(item)) for item in value]}
    if isinstance(value, (list, tuple)):
        return [_marked(item) for item in value]
    return value


def _not_json(token: str) -> Any:
    return _Unusable(f"{token} is not JSON; expected a finite number")


def _finite(token: str) -> Any:
    value = float(token)
    return value if math.isfinite(value) else _Unusable(f"{shown(token)} overflows to infinity")


def _bounded(token: str) -> Any:
    if len(token) > 20 or int(token) not in _INTEGERS:
        return _Unusable(f"got {shown(token)}; expected an integer from -2^63 to 2^64-1")
    return int(token)


def _checked(raw: Any, path: str, depth: int, faults: list[Fault]) -> Any:
    if isinstance(raw, _Unusable):
        faults.append(Fault(path, raw.problem))
        return None
    if not isinstance(raw, (_Pairs, list)):
        return raw
    if depth > MAX_DEPTH:
        faults.append(Fault("", f"is nested deeper than {MAX_DEPTH} levels"))
        return None
    if isinstance(raw, list):
        return [_checked(item, joined(path, i), depth + 1, faults) for i, item in enumerate(raw)]
    members: dict[str, Any] = {}
    for key, value in raw.pairs:
        here = joined(path, key)
        if key in members:
            faults.append(Fault(here, "is given more than once"))
        members[key] = _checked(value, here, depth + 1, faults)
    if _TUPLE_LIST not in members:
        return members
    rows = members.get("list")
    if (
        set(members) != {_TUPLE_LIST, "list"}
        or members[_TUPLE_LIST] is not True
        or not isinstance(rows, list)
        or not all(isinstance(row, list) for row in rows)
    ):
        expected = '{"__tuple_list__": true, "list": [[...], ...]}'
        faults.append(Fault(path, f"got {shown(members)}; expected {expected}"))
        return None
    return json_load_tuples(members)
