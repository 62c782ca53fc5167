from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from typing_extensions import Self

__all__ = ["ENVIRONMENTS", "TASKS", "Puzzle", "PyBaseEnv", "PyEnv", "parameters"]

# The classes of this package, those with goals and those without, each with the name of its spec.
ENVIRONMENTS: dict[str, str]
TASKS: dict[str, str]

def parameters(name: str) -> list[dict[str, Any]]: ...

class PyBaseEnv:
    difficulty: int
    def num_actions(self) -> int: ...
    def obs_shape(self) -> list[int]: ...
    def obs_space(self) -> dict[str, Any]: ...
    def obs_dtype(self) -> str: ...
    def act_space(self) -> dict[str, Any]: ...
    def set_state(self, state: Sequence[int]) -> None: ...
    def reset(self, seed: int | None = None) -> None: ...
    def step(self, action: int | Sequence[int] | Sequence[float] | npt.NDArray[Any]) -> None: ...
    def masks(self) -> list[bool]: ...
    def is_final(self) -> bool: ...
    def success(self) -> bool: ...
    def truncated(self) -> bool: ...
    def reward(self) -> float: ...
    def is_task(self) -> bool: ...
    def obs_bounds(self) -> tuple[list[float], list[float]] | None: ...
    def observe(self) -> Any: ...
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
    def _repr_svg_(self) -> str: ...
    def __twisterl_env__(self) -> Any: ...

class Puzzle(PyBaseEnv):
    def __new__(
        cls,
        width: int = 3,
        height: int = 3,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
        forbid_undo: bool = False,
        reflection: bool = False,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...
    def solved(self) -> bool: ...
    def get_position(self, x: int, y: int) -> int: ...
    def set_position(self, x: int, y: int, val: int) -> None: ...

class PyEnv(PyBaseEnv):
    METHODS: list[str]
    def __new__(cls, py_env: Any) -> Self: ...
    @property
    def python_env(self) -> Any: ...

# Below: written by scripts/generate.py.

__all__ += [
    "CartPole",
    "Catch",
    "CliffWalking",
    "Clifford",
    "Cube2",
    "GridWorld",
    "LightsOut",
    "LinearFunction",
    "MountainCarContinuous",
    "Pancake",
    "PauliNetwork",
    "Pendulum",
    "Permutation",
    "TMaze",
    "TopSpin",
    "TwoWalkers",
]

class CartPole(PyBaseEnv):
    def __new__(
        cls,
        *,
        sutton_barto_reward: bool = False,
        max_episode_steps: int = 500,
        solved_at: float = 475.0,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Catch(PyBaseEnv):
    def __new__(
        cls,
        *,
        width: int = 10,
        height: int = 10,
        pixels: int = 1,
        max_episode_steps: int = 64,
        solved_at: float = 1.0,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class CliffWalking(PyBaseEnv):
    def __new__(
        cls,
        *,
        width: int = 12,
        height: int = 4,
        max_episode_steps: int = 200,
        solved_at: float = -15.0,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Clifford(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_qubits: int = 5,
        topology: str = "line",
        edges: Sequence[Sequence[int]] | None = None,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Cube2(PyBaseEnv):
    def __new__(
        cls,
        *,
        metric: str = "quarter",
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class GridWorld(PyBaseEnv):
    def __new__(
        cls,
        *,
        width: int = 5,
        height: int = 5,
        wall_density: float = 0.2,
        walls: Sequence[int] | None = None,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class LightsOut(PyBaseEnv):
    def __new__(
        cls,
        *,
        width: int = 5,
        height: int = 5,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class LinearFunction(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_qubits: int = 5,
        topology: str = "line",
        edges: Sequence[Sequence[int]] | None = None,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class MountainCarContinuous(PyBaseEnv):
    def __new__(
        cls,
        *,
        goal_velocity: float = 0.0,
        max_episode_steps: int = 999,
        solved_at: float = 90.0,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Pancake(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_pancakes: int = 10,
        burnt: bool = False,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class PauliNetwork(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_qubits: int = 5,
        topology: str = "line",
        edges: Sequence[Sequence[int]] | None = None,
        num_rotations: int = 4,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Pendulum(PyBaseEnv):
    def __new__(
        cls,
        *,
        g: float = 10.0,
        max_episode_steps: int = 200,
        solved_at: float = -200.0,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class Permutation(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_qubits: int = 5,
        topology: str = "line",
        edges: Sequence[Sequence[int]] | None = None,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class TMaze(PyBaseEnv):
    def __new__(
        cls,
        *,
        length: int = 10,
        max_episode_steps: int = 100,
        solved_at: float = 0.5,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class TopSpin(PyBaseEnv):
    def __new__(
        cls,
        *,
        num_tokens: int = 20,
        turnstile: int = 4,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 256,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...

class TwoWalkers(PyBaseEnv):
    def __new__(
        cls,
        *,
        width: int = 4,
        height: int = 4,
        max_episode_steps: int = 50,
        solved_at: float = 0.5,
    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...
