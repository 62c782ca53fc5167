from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
from twisterl.twisterl.nn import Policy
from typing_extensions import Self

__all__ = [
    "AZCollector",
    "CollectedArrays",
    "CollectedData",
    "GuidedSolver",
    "OptimalSolver",
    "PPOCollector",
    "RankSolver",
    "WalkCollector",
    "Walks",
    "choose_beam_weight",
    "defaults",
    "distinct_rows",
    "es_evaluate",
    "es_first_weights",
    "es_generations",
    "es_parameters",
    "es_scores",
    "es_update",
    "evaluate",
    "evaluate_episodes",
    "keep_in",
    "most_simulations",
    "num_threads_left_behind",
    "preparing",
    "route",
    "solve",
    "solve_optimal",
    "try_out",
]

_Floats = npt.NDArray[np.float32]
_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

class PPOCollector:
    iteration: int
    # num_episodes, gamma, lambda (no name that a stub could write), num_cores, seed=0,
    # truncation="terminal", difficulty_distribution="fixed", cache=True, max_episode_steps=None
    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def collect(
        self,
        py_env: Any,
        policy: Policy,
        iteration: int | None = None,
        start: str = "reset",
    ) -> CollectedData: ...
    def collect_range(
        self,
        py_env: Any,
        policy: Policy,
        first: int,
        count: int,
        iteration: int | None = None,
        start: str = "reset",
    ) -> CollectedData: ...

class AZCollector:
    iteration: int
    def __new__(
        cls,
        num_episodes: int,
        num_mcts_searches: int,
        C: float,
        max_expand_depth: int,
        num_cores: int,
        seed: int = 0,
        *,
        gamma: float = 1.0,
        root_selection: str = "puct",
        max_considered_actions: int = 16,
        value_weight: float = 1.0,
        dirichlet_alpha: float = 0.3,
        exploration_fraction: float = 0.0,
        temperature_moves: int | None = None,
        max_moves: int | None = None,
        truncation: str = "terminal",
        difficulty_distribution: str = "fixed",
        resign_threshold: float | None = None,
        resign_exempt: float = 0.1,
        reuse: bool = True,
        transpositions: bool = False,
        cache: bool = True,
        precision: str = "f32",
        max_episode_steps: int | None = None,
    ) -> Self: ...
    @property
    def report(self) -> dict[str, int]: ...
    def collect(
        self,
        py_env: Any,
        policy: Policy,
        iteration: int | None = None,
        start: str = "reset",
    ) -> CollectedData: ...
    def collect_range(
        self,
        py_env: Any,
        policy: Policy,
        first: int,
        count: int,
        iteration: int | None = None,
        start: str = "reset",
    ) -> CollectedData: ...
    def explore(self, env: Any, policy: Policy) -> dict[str, Any]: ...

@final
class CollectedArrays:
    def __new__(
        cls,
        indices: npt.NDArray[np.int32],
        offsets: _Ints,
        logits: _Floats,
        masks: _Bools,
        log_probs: _Floats,
        values: _Floats,
        rewards: _Floats,
        actions: npt.NDArray[Any],
        perms: _Ints,
        episode_starts: _Ints,
        additional_data: dict[str, _Floats],
        obs_space: tuple[Any, ...],
        states: npt.NDArray[np.float32],
    ) -> Self: ...
    @property
    def states(self) -> npt.NDArray[np.float32]: ...
    @property
    def obs_space(self) -> tuple[Any, ...]: ...
    @property
    def indices(self) -> npt.NDArray[np.int32]: ...
    @property
    def offsets(self) -> _Ints: ...
    @property
    def logits(self) -> _Floats: ...
    @property
    def masks(self) -> _Bools: ...
    @property
    def log_probs(self) -> _Floats: ...
    @property
    def values(self) -> _Floats: ...
    @property
    def rewards(self) -> _Floats: ...
    @property
    def actions(self) -> npt.NDArray[Any]: ...
    @property
    def perms(self) -> _Ints: ...
    @property
    def episode_starts(self) -> _Ints: ...
    @property
    def additional_data(self) -> dict[str, _Floats]: ...

@final
class CollectedData:
    @property
    def arrays(self) -> CollectedArrays: ...
    @property
    def indices(self) -> npt.NDArray[np.int32]: ...
    @property
    def offsets(self) -> _Ints: ...
    @property
    def episode_starts(self) -> _Ints: ...
    @property
    def distinct_rows(self) -> _Ints: ...
    @property
    def distinct_index(self) -> _Ints: ...
    # Read as lists; what is assigned may be a list or an array.
    @property
    def obs(self) -> Any: ...
    @obs.setter
    def obs(self, value: Sequence[Sequence[int]], /) -> None: ...
    @property
    def logits(self) -> list[list[float]]: ...
    @logits.setter
    def logits(self, value: npt.ArrayLike, /) -> None: ...
    @property
    def masks(self) -> _Bools: ...
    @masks.setter
    def masks(self, value: npt.ArrayLike, /) -> None: ...
    @property
    def log_probs(self) -> _Floats: ...
    @log_probs.setter
    def log_probs(self, value: npt.ArrayLike, /) -> None: ...
    @property
    def values(self) -> list[float]: ...
    @values.setter
    def values(self, value: npt.ArrayLike, /) -> None: ...
    @property
    def rewards(self) -> list[float]: ...
    @rewards.setter
    def rewards(self, value: npt.ArrayLike, /) -> None: ...
    @property
    def actions(self) -> list[Any]: ...
    @actions.setter
    def actions(self, value: npt.ArrayLike, /) -> None: ...
    @property
    def perms(self) -> list[int]: ...
    @perms.setter
    def perms(self, value: npt.ArrayLike, /) -> None: ...
    @property
    def additional_data(self) -> dict[str, list[float]]: ...
    @additional_data.setter
    def additional_data(self, entries: dict[str, Any], /) -> None: ...
    def __new__(
        cls,
        obs: Sequence[Sequence[int]],
        logits: npt.ArrayLike,
        values: npt.ArrayLike,
        rewards: npt.ArrayLike,
        actions: npt.ArrayLike,
        perms: Sequence[int | None] | None = None,
    ) -> Self: ...
    def __len__(self) -> int: ...
    def get_additional_data_item(self, key: str) -> list[float] | None: ...
    def set_additional_data_item(self, key: str, value: npt.ArrayLike) -> None: ...
    def merge(self, other: CollectedData) -> None: ...

def distinct_rows(
    indices: npt.NDArray[np.int32], offsets: _Ints, perms: npt.NDArray[np.int32]
) -> tuple[_Ints, _Ints]: ...

@final
class WalkCollector:
    def __new__(
        cls,
        num_walks: int,
        walk_length: int,
        num_cores: int = 32,
        seed: int = 0,
        commuting: bool = False,
    ) -> Self: ...
    def check(self, env: Any) -> None: ...
    def collect(self, env: Any, iteration: int = 0, policy: Policy | None = None) -> Walks: ...
    def collect_range(self, env: Any, first: int, count: int, iteration: int = 0) -> Walks: ...

@final
class Walks:
    @property
    def indices(self) -> npt.NDArray[np.int32]: ...
    @property
    def offsets(self) -> _Ints: ...
    @property
    def masks(self) -> npt.NDArray[np.bool_]: ...
    @property
    def undo_counts(self) -> _Floats: ...
    @property
    def undo_shares(self) -> _Ints: ...
    @property
    def mean_moves(self) -> _Floats: ...
    @property
    def sum_moves(self) -> _Ints: ...
    @property
    def next_values(self) -> _Floats: ...
    @property
    def num_samples(self) -> int: ...
    @staticmethod
    def joined(parts: Sequence[Walks]) -> Walks: ...

def es_first_weights(env: Any, hidden: int, seed: int) -> _Floats: ...
def es_generations(
    env: Any,
    weights: _Floats,
    first: _Floats,
    second: _Floats,
    settings: str,
    seed: int,
    generation: int,
    num_generations: int,
    net: tuple[str, Any, Any] | None = None,
) -> dict[str, npt.NDArray[Any]]: ...
def es_parameters(net: str) -> list[str]: ...
def es_evaluate(
    env: Any, weights: _Floats, settings: str, num_episodes: int, start: str, seed: int
) -> tuple[npt.NDArray[np.int32], _Floats]: ...
def es_scores(
    env: Any,
    weights: _Floats,
    settings: str,
    seed: int,
    generation: int,
    first: int,
    count: int,
    net: tuple[str, Any, Any] | None = None,
) -> tuple[_Floats, _Ints, _Ints]: ...
def es_update(
    env: Any,
    weights: _Floats,
    first: _Floats,
    second: _Floats,
    settings: str,
    seed: int,
    generation: int,
    scores: tuple[_Floats, _Ints, _Ints],
    net: tuple[str, Any, Any] | None = None,
) -> dict[str, npt.NDArray[Any]]: ...
def evaluate(
    py_env: Any,
    policy: Policy,
    num_episodes: int,
    deterministic: bool,
    num_searches: int,
    num_mcts_searches: int = 0,
    seed: int = 0,
    C: float = 1.41,
    max_expand_depth: int = 1,
    num_cores: int = 32,
    **options: Any,
) -> tuple[float, float]: ...
def evaluate_episodes(
    env: Any,
    policy: Policy | None,
    num_episodes: int = 100,
    deterministic: bool = False,
    num_searches: int = 1,
    seed: int = 0,
    num_cores: int = 32,
    start: str = "reset",
    states: _Ints | None = None,
    actions: bool = False,
    first: int = 0,
    count: int | None = None,
    num_mcts_searches: int = 0,
    C: float = 1.41,
    max_expand_depth: int = 1,
    **options: Any,
) -> dict[str, Any]: ...
def choose_beam_weight(
    env: Any,
    policy: Policy,
    num_episodes: int = 64,
    seed: int = 0,
    num_cores: int = 32,
    start: str = "reset",
    **options: Any,
) -> float: ...
def solve(
    py_env: Any,
    policy: Policy | None,
    deterministic: bool = False,
    num_searches: int = 1,
    num_mcts_searches: int = 0,
    C: float = 1.41,
    max_expand_depth: int = 1,
    seed: int = 0,
    num_cores: int = 32,
    **options: Any,
) -> tuple[tuple[float, float], list[int]]: ...

@final
class OptimalSolver:
    def __new__(
        cls,
        env: Any,
        most_states: int | None = None,
        time_limit_s: float | None = None,
        pattern_bytes: int | None = None,
    ) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    def layer_sizes(self) -> list[int] | None: ...
    def solve(
        self, state: Sequence[int], time_limit_s: float | None = None, node_limit: int | None = None
    ) -> tuple[list[int] | None, int]: ...
    def lengths(
        self,
        num_episodes: int = 100,
        seed: int = 0,
        num_cores: int = 32,
        start: str = "reset",
        states: _Ints | None = None,
        time_limit_s: float | None = None,
        node_limit: int | None = None,
    ) -> tuple[_Ints, npt.NDArray[np.bool_]]: ...

@final
class GuidedSolver:
    def __new__(
        cls,
        env: Any,
        most_classes: int = 100000,
        num_walks: int = 20000,
        walk_length: int = 16,
        seed: int = 0,
    ) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    def layer_sizes(self) -> list[int]: ...
    def solve(
        self,
        state: Sequence[int],
        beam_width: int = 256,
        most_steps: int = 256,
        num_cores: int = 32,
    ) -> list[int] | None: ...

@final
class RankSolver:
    def __new__(
        cls,
        env: Any,
        num_rounds: int = 100,
        seed: int = 0,
        num_cores: int = 32,
        weights: Sequence[float] | None = None,
        progress: Callable[..., object] | None = None,
    ) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    def solve(
        self,
        state: Sequence[int],
        beam_width: int = 256,
        most_steps: int = 256,
        num_cores: int = 32,
    ) -> list[int] | None: ...
    def weights(self) -> list[float]: ...

def defaults() -> dict[str, dict[str, Any]]: ...
def most_simulations(max_expand_depth: int, root_selection: str, reuse: bool) -> int: ...
def num_threads_left_behind() -> int: ...
def route(
    env: Any,
    states: Sequence[Sequence[int]] | _Ints,
    beam_width: int = 1024,
    num_cores: int = 32,
) -> list[list[int] | None]: ...
def solve_optimal(
    env: Any,
    state: Sequence[int],
    time_limit_s: float | None = None,
    node_limit: int | None = None,
) -> tuple[list[int] | None, int]: ...
def preparing() -> tuple[str, float] | None: ...
def try_out(env: Any) -> None: ...
def keep_in(store: Any) -> None: ...
