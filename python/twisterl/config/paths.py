"""The dotted paths of the keys that a config may hold, to guess at what a mistaken one means."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from twisterl.config.registry import REGISTRY, Run
from twisterl.faults import joined, nearest


def known_paths() -> list[str]:
    """The dotted path of every key that a config of this package's classes may hold."""
    paths = list(Run.model_fields)
    for kind, classes in REGISTRY.items():
        for _, model in classes.values():
            paths += _paths(model, kind.removesuffix("_cls"))
    return list(dict.fromkeys(paths))


def nearest_path(path: str) -> str | None:
    """The known path that a mistaken `path` most likely means, by its last name first."""
    paths = known_paths()
    last = path.rsplit(".", 1)[-1]
    same = [known for known in paths if known.rsplit(".", 1)[-1] == last]
    return nearest(path, same, cutoff=0.0) or nearest(path, paths)


def owners(path: str) -> list[str]:
    """The classes of this package, by name, whose section has the key `path`.

    >>> owners("algorithm.collecting.walk_length")
    ['RandomWalk']
    """
    return [
        name
        for kind, classes in REGISTRY.items()
        for name, (_, model) in classes.items()
        if path in _paths(model, kind.removesuffix("_cls"))
    ]


def _paths(model: Any, prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = joined(prefix, field.alias or name)
        yield path
        inner = section_of(field.annotation)
        if inner is not None:
            yield from _paths(inner, path)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a key's annotation is, which may be null; None for a key with a value."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = get_args(annotation)[0]
    # To Python 3.10 `list[int]` is a class, too.
    is_class = isinstance(annotation, type) and get_origin(annotation) is None
    return annotation if is_class and issubclass(annotation, BaseModel) else None
