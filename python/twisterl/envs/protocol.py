"""What type checkers know of an environment written in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


def obs_dtype(env: Any) -> Any:
    """What the observations of `env` are made of, as policies take it: their dtype, or their parts.

    Those of older libraries are sparse.
    """
    dtype = env.obs_dtype() if hasattr(env, "obs_dtype") else "sparse"
    return env.obs_space() if dtype == "dict" else dtype


def is_task(env: Any) -> bool:
    """Whether the sum of the rewards of `env` is what counts; older libraries have none such."""
    return hasattr(env, "is_task") and bool(env.is_task())


ActSpace = dict[str, Any]
# What an environment in Python need not have where it has these methods.
_SPARED = {"act_space": ("num_actions", "masks"), "obs_space": ("obs_shape",)}


def needed_methods(has: Callable[[str], bool]) -> list[str]:
    """The methods that the engine needs of a Python environment; `has` tells which it has."""
    from twisterl.twisterl.env import PyEnv

    spared = [name for method, names in _SPARED.items() if has(method) for name in names]
    return [name for name in PyEnv.METHODS if name not in spared]


def act_space(env: Any) -> ActSpace:
    """What actions of `env` are made of; those of older libraries are discrete."""
    if hasattr(env, "act_space"):
        return env.act_space()
    return {"type": "discrete", "n": env.num_actions()}


def num_outputs(space: ActSpace) -> int:
    """What a policy says for each observation: a logit a choice, or a mean a dimension.

    Raises:
        ValueError: `space` is none.
    """
    counts = {
        "discrete": lambda: int(space["n"]),
        "multi_discrete": lambda: sum(space["nvec"]),
        "box": lambda: len(space["low"]),
    }
    if not isinstance(space, dict) or space.get("type") not in counts:
        kinds = ", ".join(f'"{kind}"' for kind in counts)
        raise ValueError(f"act_space: expected a dictionary of type {kinds}, got {space!r}")
    return counts[space["type"]]()


class PythonEnvironment(Protocol):
    """The methods that `PyEnv` asks for; `twisterl.envs` says what they promise.

    A class need not inherit from it.
    """

    def num_actions(self) -> int: ...
    def obs_shape(self) -> Sequence[int]: ...
    def reset(self, difficulty: int, /) -> None: ...
    def next(self, action: int, /) -> None: ...
    def masks(self) -> Sequence[bool] | npt.NDArray[np.bool_]: ...
    def is_final(self) -> bool | np.bool_: ...
    def value(self) -> float | np.floating[Any]: ...
    def success(self) -> bool | np.bool_: ...
    def observe(self) -> Sequence[int] | npt.NDArray[np.number[Any]]: ...
    def set_state(self, state: list[int], /) -> None: ...
    def copy(self) -> PythonEnvironment: ...
