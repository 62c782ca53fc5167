"""What an object was made from, so that another program can make it again."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from twisterl.config.json import parse_json, to_json

# Methods that tell the arguments of the constructor, ours first.
_METHODS = ("arguments", "to_json")


def dotted_path(cls: type) -> str:
    """Where another program finds `cls`; ValueError if it cannot."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    if cls.__module__ == "__main__":
        raise ValueError(f"{cls.__qualname__} is defined in a script, which cannot be imported")
    if "." in cls.__qualname__:
        raise ValueError(f"{name} is defined inside another scope, which cannot be imported")
    if getattr(importlib.import_module(cls.__module__), cls.__qualname__, None) is not cls:
        raise ValueError(f"{name} is not what can be imported under that name")
    return name


def constructed(target: Any, positional: int = 0) -> dict[str, Any]:
    """The named arguments of the constructor that make an object equal to `target`, as JSON.

    They are what its method `arguments()` or `to_json()` returns, if it is as new as the
    constructor, or none where the constructor takes none. `positional` arguments come from
    elsewhere.

    Raises ValueError if they are not known.
    """
    cls = type(target)
    maker = _first(cls, ("__init__", "__new__"))
    for name in _METHODS:
        teller = _first(cls, (name,))
        # A constructor that overrides the teller's own may take other arguments.
        if teller is not None and (maker is None or issubclass(teller, maker)):
            return _plain(getattr(target, name)(), f"{cls.__name__}.{name}()")
    if maker is None or len(inspect.signature(cls).parameters) <= positional:
        return {}
    raise ValueError(
        f"the arguments that made the {cls.__name__} are not known; "
        f"a method arguments() of it may return them"
    )


def _first(cls: type, names: tuple[str, ...]) -> type | None:
    """The class, from `cls` up, that defines one of `names`."""
    for base in cls.__mro__[:-1]:
        if any(name in vars(base) for name in names):
            return base
    return None


def _plain(given: Any, what: str) -> dict[str, Any]:
    try:
        read = parse_json(to_json(given))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is no JSON: {error}") from None
    if not isinstance(read, dict):
        raise ValueError(f"{what}: expected a dictionary, got {type(given).__name__}")
    return read
