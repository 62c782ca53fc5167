"""A run config that was checked: what every later step is given."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Part:
    """A class that a config names, and what it is to be made with.

    Attributes:
        path: the class, as the config names it.
        name: its short name where it is of this package, else None.
        arguments: its section: a model of this package, or as given for a class of another one.
    """

    path: str
    name: str | None
    arguments: BaseModel | dict[str, Any]

    def get(self, *keys: str) -> Any:
        """What stands under the `keys`, one inside the other; None if nothing does."""
        found: Any = self.arguments
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else getattr(found, key, None)
        return found

    def updated(self, **values: Any) -> Part:
        if isinstance(self.arguments, dict):
            arguments: Any = {**self.arguments, **values}
        else:
            arguments = self.arguments.model_copy(update=values)
        return dataclasses.replace(self, arguments=arguments)

    def as_dict(self) -> dict[str, Any]:
        """The section as JSON has it, defaults included."""
        if isinstance(self.arguments, dict):
            return dict(self.arguments)
        own = getattr(self.arguments, "as_dict", None)
        return own() if own is not None else self.arguments.model_dump(by_alias=True)


@dataclass(frozen=True)
class RunConfig:
    """A run config whose every fault would have been told; `given` is the JSON that it was."""

    given: dict[str, Any]
    env: Part
    policy: Part
    algorithm: Part

    def parts(self) -> dict[str, Part]:
        """By their sections."""
        return {"env": self.env, "policy": self.policy, "algorithm": self.algorithm}

    def as_dict(self) -> dict[str, Any]:
        """The whole config, classes of this package by their short names."""
        whole: dict[str, Any] = {}
        for section, part in self.parts().items():
            whole[f"{section}_cls"] = part.name or part.path
            whole[section] = part.as_dict()
        return whole
