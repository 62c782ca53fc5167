from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from typing_extensions import Self

__all__ = [
    "ENVIRONMENTS",
    "Cube2",
    "GridWorld",
    "LightsOut",
    "LinearFunction",
    "Permutation",
    "Puzzle",
    "PyBaseEnv",
    "PyEnv",
    "TopSpin",
]

# The classes of this package, each with the name of its spec.
ENVIRONMENTS: dict[str, str]

class PyBaseEnv:
    difficulty: int
    def num_actions(self) -> int: ...
    def obs_shape(self) -> list[int]: ...
    def obs_dtype(self) -> str: ...
    def set_state(self, state: Sequence[int]) -> None: ...
    def reset(self, seed: int | None = None) -> None: ...
    def step(self, action: int) -> None: ...
    def masks(self) -> list[bool]: ...
    def is_final(self) -> bool: ...
    def success(self) -> bool: ...
    def reward(self) -> float: ...
    def observe(self) -> list[int] | npt.NDArray[Any]: ...
    def twists(self) -> tuple[list[list[int]], list[list[int]]]: ...
    def track_solution(self) -> bool: ...
    def solution(self) -> list[int]: ...
    def copy(self) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...
    def action_names(self) -> list[str]: ...
    def get_state(self) -> list[int]: ...
    def random_state(self, seed: int | None = None) -> list[int]: ...
    def display(self) -> None: ...
    def __twisterl_env__(self) -> Any: ...

class Puzzle(PyBaseEnv):
    def __new__(
        cls,
        width: int,
        height: int,
        difficulty: int,
        depth_slope: int,
        max_depth: int,
        forbid_undo: bool = False,
    ) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...
    def solved(self) -> bool: ...
    def get_position(self, x: int, y: int) -> int: ...
    def set_position(self, x: int, y: int, val: int) -> None: ...

class LightsOut(PyBaseEnv):
    def __new__(
        cls,
        *,
        width: int = ...,
        height: int = ...,
        difficulty: int = ...,
        depth_slope: int = ...,
        max_depth: int = ...,
    ) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Cube2(PyBaseEnv):
    def __new__(
        cls,
        *,
        metric: str = ...,
        difficulty: int = ...,
        depth_slope: int = ...,
        max_depth: int = ...,
    ) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Permutation(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_qubits: int = ...,
        topology: str = ...,
        edges: Sequence[Sequence[int]] | None = ...,
        difficulty: int = ...,
        depth_slope: int = ...,
        max_depth: int = ...,
    ) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class LinearFunction(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_qubits: int = ...,
        topology: str = ...,
        edges: Sequence[Sequence[int]] | None = ...,
        difficulty: int = ...,
        depth_slope: int = ...,
        max_depth: int = ...,
    ) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class GridWorld(PyBaseEnv):
    def __new__(
        cls,
        *,
        width: int = ...,
        height: int = ...,
        wall_density: float = ...,
        walls: Sequence[int] | None = ...,
        difficulty: int = ...,
        depth_slope: int = ...,
        max_depth: int = ...,
    ) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class TopSpin(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_tokens: int = ...,
        turnstile: int = ...,
        difficulty: int = ...,
        depth_slope: int = ...,
        max_depth: int = ...,
    ) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class PyEnv(PyBaseEnv):
    METHODS: list[str]
    def __new__(cls, py_env: Any) -> Self: ...
    @property
    def python_env(self) -> Any: ...
