"""The environments of this package as environments of Gymnasium.

Importing it registers them; `gymnasium.make("twisterl.gymnasium:twisterl/Puzzle8-v0")` imports it.

>>> import gymnasium, twisterl.gymnasium
>>> env = gymnasium.make("twisterl/Puzzle8-v0", difficulty=3)
>>> observation, info = env.reset(seed=1)
>>> observation.shape, info["action_mask"].tolist()
((9, 9), [1, 0, 0, 1])
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from twisterl.faults import ConfigError
from twisterl.twisterl import env as compiled

# Starts that are final already are drawn again so many times.
_MOST_DRAWS = 1000
# Pixels of a cell of an image.
_CELL = 16
# Boards with a name of their own.
_NAMED: dict[str, tuple[str, dict[str, Any]]] = {
    "Puzzle8": ("Puzzle", {"width": 3, "height": 3}),
    "Puzzle15": ("Puzzle", {"width": 4, "height": 4}),
}


class TwisterlEnv(gymnasium.Env[Any, Any]):
    """An environment of this package, by the name of its class and its arguments.

    Puzzles start in any solvable state, or scrambled by `difficulty` actions where that is given.
    An episode is terminated where the goal is reached or the task over, truncated where the steps
    are used up. Features are a MultiBinary observation of `obs_shape()`, numbers and bytes a Box,
    several parts a Dict of these.
    `info` has `action_mask`, as `sample` of the action space takes it, and `is_success`.

    `reset` takes the options `difficulty` and `state`, the list of integers that `set_state` takes,
    for the episode that it begins.

    Raises ValueError for arguments that the class does not take.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, env_cls: str, render_mode: str | None = None, **arguments: Any) -> None:
        from twisterl.config.build import build_env
        from twisterl.config.validation import check_env

        try:
            self.twisterl_env = build_env(check_env(env_cls, arguments), trust=True)
        except ConfigError as error:
            # Gymnasium makes an error of the same class again, from its text alone.
            raise ValueError(str(error)) from error
        env = self.twisterl_env
        self._is_uniform = not env.is_task() and "difficulty" not in arguments
        self._difficulty = env.difficulty
        self._seen_as = env.obs_space()
        dtype = env.obs_dtype()
        bounds = env.obs_bounds()
        self.observation_space = _observations(self._seen_as, bounds)
        self.action_space, self._parts = _actions(env.act_space())
        modes = ["ansi", "rgb_array"] if dtype == "uint8" else ["ansi"]
        self.metadata = {**self.metadata, "render_modes": modes}
        if render_mode not in (None, *modes):
            raise ValueError(f"render_mode: expected one of {modes}, got {render_mode!r}")
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        options = dict(options or {})
        state, difficulty = options.pop("state", None), options.pop("difficulty", None)
        if options:
            names = ", ".join(options)
            raise ValueError(f"options: expected state or difficulty, got {names}")
        # That of an earlier reset was of its episode alone.
        self.twisterl_env.difficulty = self._difficulty if difficulty is None else difficulty
        if state is not None:
            self.twisterl_env.set_state(state)
        else:
            self._start(difficulty)
        return self._seen(), self._info()

    def _start(self, difficulty: int | None) -> None:
        """An episode that has not ended yet."""
        env = self.twisterl_env
        for _ in range(_MOST_DRAWS):
            seed = int(self.np_random.integers(2**63 - 1))
            if self._is_uniform and difficulty is None:
                env.set_state(env.random_state(seed))
            else:
                env.reset(seed=seed)
            if not env.is_final():
                return
        got = f"got {env.difficulty}"
        raise ValueError(f"difficulty: expected one that leaves anything to do, {got}")

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        env = self.twisterl_env
        env.step(action)
        truncated = env.truncated()
        terminated = env.is_final() and not truncated
        return self._seen(), env.reward(), terminated, truncated, self._info()

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which choices `[A]` may be made, part after part: what sb3-contrib asks for."""
        return np.array(self.twisterl_env.masks(), bool)

    def render(self) -> Any:
        if self.render_mode == "ansi":
            return str(self.twisterl_env)
        if self.render_mode == "rgb_array":
            image = np.kron(self._seen()[0], np.ones((_CELL, _CELL), np.uint8))
            return np.repeat(image[:, :, None], 3, axis=2)
        return None

    def _seen(self) -> Any:
        return _told(self._seen_as, self.twisterl_env.observe())

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {"is_success": self.twisterl_env.success()}
        if self._parts is not None:
            masks = self.action_masks().astype(np.int8)
            parts = np.split(masks, self._parts)
            info["action_mask"] = tuple(parts) if len(self._parts) else masks
        return info


def _observations(seen: dict[str, Any], bounds: Any) -> spaces.Space[Any]:
    """The space of what `obs_space()` tells, and of the bounds of its numbers, if any are known."""
    if not _is_leaf(seen):
        return spaces.Dict({name: _observations(part, None) for name, part in seen.items()})
    shape = tuple(seen["shape"])
    if seen["dtype"] == "sparse":
        return spaces.MultiBinary(shape)
    if seen["dtype"] == "uint8":
        return spaces.Box(0, 255, shape, np.uint8)
    if bounds is None:
        return spaces.Box(-np.inf, np.inf, shape, np.float32)
    low, high = (np.array(bound, np.float32).reshape(shape) for bound in bounds)
    return spaces.Box(low, high, shape, np.float32)


def _told(space: dict[str, Any], seen: Any) -> Any:
    """An observation of the engine as one of `_observations`."""
    if not _is_leaf(space):
        return {name: _told(part, seen[name]) for name, part in space.items()}
    if space["dtype"] != "sparse":
        return np.asarray(seen)
    observation = np.zeros(space["shape"], np.int8)
    observation.flat[seen] = 1
    return observation


def _is_leaf(space: dict[str, Any]) -> bool:
    return isinstance(space.get("dtype"), str)


def _actions(space: dict[str, Any]) -> tuple[spaces.Space[Any], list[int] | None]:
    """The space, and where the masks of its parts are split; None where there are none."""
    if space["type"] == "box":
        low, high = (np.array(space[name], np.float32) for name in ("low", "high"))
        return spaces.Box(low, high, low.shape, np.float32), None
    if space["type"] == "multi_discrete":
        ends = np.cumsum(space["nvec"])[:-1].tolist()
        return spaces.MultiDiscrete(space["nvec"]), ends
    return spaces.Discrete(space["n"]), []


def _ids() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, (env_cls, arguments) in _NAMED.items():
        yield name, env_cls, arguments
    for name in (*compiled.ENVIRONMENTS, *compiled.TASKS):
        yield name, name, {}


def register() -> None:
    """Tells Gymnasium of all environments; what is registered already stays."""
    for name, env_cls, arguments in _ids():
        id = f"twisterl/{name}-v0"
        if id in gymnasium.registry:
            continue
        declared = {each["name"]: each["default"] for each in compiled.parameters(env_cls)}
        gymnasium.register(
            id,
            entry_point="twisterl.gymnasium:TwisterlEnv",
            reward_threshold=declared.get("solved_at"),
            kwargs={"env_cls": env_cls, **arguments},
        )


register()
