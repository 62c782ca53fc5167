"""Environments of Gymnasium, ready for the engine: `gymnasium:CartPole-v1` in a config."""

from __future__ import annotations

import copy
import importlib
import math
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from twisterl.config.registry import GYMNASIUM as PREFIX
from twisterl.config.resolve import described
from twisterl.envs.gymnasium_spaces import Actions, Observations, first_of, misfit
from twisterl.envs.protocol import ActSpace
from twisterl.envs.python_env import PyEnv
from twisterl.faults import ConfigError, Fault

# Steps that are tried before any work.
_TRIED = 20
_RESET, _STEP = 0, 1
# Seeds that every environment takes.
_SEEDS = 2**31


class GymnasiumEnv(PyEnv):
    """The environment `gymnasium.make(id, **arguments)`, ready for collecting and evaluating.

    Rewards, ends and truncations are Gymnasium's; an episode is a success if the last `info` says
    so by `is_success`, or else if its rewards add up to the `reward_threshold` of the id. Masks are
    `info["action_mask"]`, or the environment's `action_masks()`. `set_state([seed])` resets by
    that seed.

    Raises ConfigError, before anything is played, without the package, for an unknown id, and for
    spaces that cannot be played or that its first steps do not keep to.
    """

    def __new__(cls, id: str, **arguments: Any) -> GymnasiumEnv:
        env = super().__new__(cls, _episode(id, arguments))
        assert isinstance(env, GymnasiumEnv)
        return env

    def arguments(self) -> dict[str, Any]:
        """The id, and the arguments that `gymnasium.make` was given."""
        maker = self.python_env.maker
        return {"id": maker.id, **maker.arguments}


def environment_class(path: str) -> type[GymnasiumEnv]:
    """The class of `path`, the `env_cls` "gymnasium:ID" of a config.

    Raises ConfigError if there is no such id.
    """
    id = path.removeprefix(PREFIX)
    found(id)
    make = {"__new__": lambda cls, **arguments: GymnasiumEnv(id, **arguments)}
    return type("GymnasiumEnv", (GymnasiumEnv,), make)


def found(id: str) -> Any:
    """What Gymnasium knows of `id`; ConfigError if it does not, or is not there itself.

    The module of "module:ID" is imported first, to register its own.
    """
    try:
        import gymnasium
    except ImportError as error:
        needed = "needs the package gymnasium; pip install 'twisterl[gymnasium]'"
        problem = f"got {PREFIX + id!r}, which {needed}"
        raise ConfigError([Fault("env_cls", problem, error)]) from error
    module, _, registered = id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gymnasium.spec(registered)
    except (gymnasium.error.Error, ImportError) as error:
        problem = f"got {PREFIX + id!r}: {_line(error)}"
        raise ConfigError([Fault("env_cls", problem, error)]) from error
    except (Exception, SystemExit) as error:
        # What the module itself raises, while Python runs it.
        problem = f"importing {module!r} failed: {described(error)}"
        raise ConfigError([Fault("env_cls", problem)]) from error


class Maker:
    """Makes environments of one id, and lends them out: making one takes longer than an episode.

    Its first environment is tried: a space that is not kept to is a ConfigError.
    """

    def __init__(self, id: str, arguments: dict[str, Any]) -> None:
        self.id, self.arguments = id, arguments
        self.threshold = found(id).reward_threshold
        self.idle: list[Any] = []
        env = self.take()
        self.env_class = type(env.unwrapped)
        try:
            self.observations = Observations.of(env.observation_space)
            self.actions = Actions.of(env.action_space)
            self.num_choices = self.actions.num_choices
            self.has_masks = hasattr(env.unwrapped, "action_masks")
            self._try(env)
        except ValueError as error:
            raise ConfigError([Fault("env_cls", f"{PREFIX}{id}: {error}")]) from error
        self.idle.append(env)

    def take(self) -> Any:
        import gymnasium

        try:
            return self.idle.pop()
        except IndexError:
            pass
        try:
            # What it checks at every step is checked here once.
            return gymnasium.make(self.id, disable_env_checker=True, **self.arguments)
        except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
            problem = f"{PREFIX}{self.id}: {_line(error)}"
            raise ConfigError([Fault("env_cls", problem)]) from error
        except (gymnasium.error.Error, TypeError, ValueError, AssertionError) as error:
            problem = f"{PREFIX}{self.id} does not take it: {_line(error)}"
            raise ConfigError([Fault("env", problem)]) from error

    def _try(self, env: Any) -> None:
        """Raises ValueError for the first answer that is none."""
        space = env.observation_space
        env.action_space.seed(0)
        observation, info = self._answer("reset()", env.reset(seed=0), 2)
        for step in range(_TRIED):
            where = "reset()" if step == 0 else f"step {step}"
            problem = misfit(space, observation)
            if problem is not None:
                raise ValueError(f"observation of {where}: {problem}")
            masks = self.masks(env, info)
            action = env.action_space.sample(_as_sampled(env.action_space, masks))
            answer = self._answer(f"step {step + 1}", env.step(action), 5)
            observation, reward, terminated, truncated, info = answer
            is_number = isinstance(reward, SupportsFloat) and not getattr(reward, "shape", ())
            if not (is_number and math.isfinite(reward)):
                raise ValueError(f"reward of step {step + 1}: expected a number, got {reward}")
            if terminated or truncated:
                break

    @staticmethod
    def _answer(where: str, answer: Any, size: int) -> Any:
        if isinstance(answer, tuple) and len(answer) == size:
            return answer
        expected = "(observation, info)" if size == 2 else "five values"
        raise ValueError(f"{where}: expected a tuple of {expected}, got {type(answer).__name__}")

    def rows(self, observations: list[Any]) -> Any:
        """As `Observations.rows`, its errors with the id."""
        try:
            return self.observations.rows(observations)
        except ValueError as error:
            raise ValueError(f"{PREFIX}{self.id}: {error}") from error

    def masks(self, env: Any, info: dict[str, Any]) -> npt.NDArray[np.bool_] | None:
        """Which choices `[A]` may be made; None where nobody says."""
        told = info.get("action_mask")
        if told is None and self.has_masks:
            told = env.unwrapped.action_masks()
        if told is None or not self.num_choices:
            return None
        parts = told if isinstance(told, tuple) else (told,)
        masks = np.concatenate([np.ravel(part) for part in parts]).astype(bool)
        if masks.shape != (self.num_choices,):
            expected = f"expected {self.num_choices} entries, got {masks.size}"
            raise ValueError(f"{PREFIX}{self.id}: action_mask: {expected}")
        return masks


def _as_sampled(space: Any, masks: npt.NDArray[np.bool_] | None) -> Any:
    """The masks as `sample` of the space takes them."""
    if masks is None or type(space).__name__ == "MultiBinary":
        return None
    masks = masks.astype(np.int8)
    if type(space).__name__ == "Discrete":
        return masks
    ends = np.cumsum(space.nvec.ravel())[:-1]
    return tuple(np.split(masks, ends))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Lane:
    """One environment, and what its last step told."""

    def __init__(self, maker: Maker) -> None:
        self.maker, self.env = maker, maker.take()
        self.observation: Any = None
        self.masks: npt.NDArray[np.bool_] | None = None
        self.reward = self.total = 0.0
        self.terminated = self.truncated = self.success = False

    def reset(self, seed: int) -> None:
        self.observation, info = self.env.reset(seed=seed % _SEEDS)
        self.masks = self.maker.masks(self.env, info)
        self.reward = self.total = 0.0
        self.terminated = self.truncated = self.success = False

    def step(self, action: Any) -> None:
        """By an action of Gymnasium's."""
        self.observation, reward, terminated, truncated, info = self.env.step(action)
        maker = self.maker
        self.masks = maker.masks(self.env, info) if info or maker.has_masks else None
        self.reward = float(reward)
        self.total += self.reward
        self.terminated = bool(terminated)
        self.truncated = bool(truncated) and not self.terminated
        if self.terminated or self.truncated:
            threshold = maker.threshold
            reached = threshold is not None and self.total >= threshold
            self.success = bool(info.get("is_success", reached))


class Episode:
    """An environment of Gymnasium with the methods that `twisterl.envs` lists."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.lane: Lane | None = None
        self.seed = 0

    @property
    def begun(self) -> Lane:
        if self.lane is None:
            self.lane = Lane(self.maker)
            self.lane.reset(self.seed)
        return self.lane

    def act_space(self) -> ActSpace:
        return self.maker.actions.described

    def num_actions(self) -> int:
        return self.maker.num_choices

    def obs_space(self) -> dict[str, Any]:
        return self.maker.observations.described()

    def is_task(self) -> bool:
        return True

    def reseed(self, seed: int) -> None:
        self.seed = seed

    def reset(self, difficulty: int) -> None:
        self.begun.reset(self.seed)

    def set_state(self, state: list[int]) -> None:
        if len(state) != 1 or state[0] < 0:
            raise ValueError(f"state: expected the seed of a reset, [seed], got {state}")
        self.begun.reset(state[0])

    def next(self, action: Any) -> None:
        self.begun.step(self.maker.actions.actions([action])[0])

    def masks(self) -> npt.NDArray[np.bool_]:
        masks = self.begun.masks
        return np.ones(self.maker.num_choices, bool) if masks is None else masks

    def is_final(self) -> bool:
        return self.begun.terminated or self.begun.truncated

    def truncated(self) -> bool:
        return self.begun.truncated

    def success(self) -> bool:
        return self.begun.success

    def value(self) -> float:
        return self.begun.reward

    def observe(self) -> Any:
        return first_of(self.maker.rows([self.begun.observation]))

    def copy(self) -> Episode:
        twin = type(self)(self.maker)
        twin.seed = self.seed
        if self.lane is not None:
            lane = twin.lane = copy.copy(self.lane)
            try:
                # An environment may write all its observations into one array.
                lane.env, lane.observation = copy.deepcopy((lane.env, lane.observation))
            except Exception as error:
                problem = f"its state cannot be copied ({_line(error)})"
                raise TypeError(f"{PREFIX}{self.maker.id}: {problem}") from error
        return twin

    def __reduce__(self) -> Any:
        lane = None if self.lane is None else {**vars(self.lane), "maker": None}
        return _episode, (self.maker.id, self.maker.arguments), {"seed": self.seed, "lane": lane}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.seed = state["seed"]
        if state["lane"] is not None:
            self.lane = Lane.__new__(Lane)
            vars(self.lane).update(state["lane"], maker=self.maker)

    def vectorize(self, num_lanes: int) -> Lanes:
        return Lanes(self.maker, num_lanes)


def _episode(id: str, arguments: dict[str, Any]) -> Any:
    """An `Episode` that has not begun, of a class whose name is what messages of the engine say."""
    named: Any = type(f"{PREFIX}{id}", (Episode,), {})
    return named(Maker(id, arguments))


class Lanes:
    """Many episodes, advanced by one call of the engine."""

    def __init__(self, maker: Maker, num_lanes: int) -> None:
        self.maker = maker
        self.lanes: list[Lane | None] = [None] * num_lanes

    def __del__(self) -> None:
        self.maker.idle += [lane.env for lane in self.lanes if lane is not None]

    def load(self, lane: int, env: Episode) -> None:
        self.lanes[lane] = env.begun

    def advance(
        self,
        lanes: npt.NDArray[np.int64],
        kinds: npt.NDArray[np.int8],
        values: npt.NDArray[np.int64],
        seeds: npt.NDArray[np.int64],
        actions: npt.NDArray[Any] | None = None,
    ) -> tuple[Any, ...]:
        made = self.maker.actions.actions(values if actions is None else actions)
        moved = []
        for lane, kind, action, seed in zip(
            lanes.tolist(), kinds.tolist(), made, seeds.tolist(), strict=True
        ):
            at = self.lanes[lane]
            if at is None:
                at = self.lanes[lane] = Lane(self.maker)
            if kind == _STEP:
                at.step(action)
            elif kind == _RESET:
                at.reset(seed)
            moved.append(at)
        masks = np.ones((len(moved), self.maker.num_choices), bool)
        for row, told in enumerate([at.masks for at in moved]):
            if told is not None:
                masks[row] = told
        rows = self.maker.rows([at.observation for at in moved])
        truncated = np.array([at.truncated for at in moved])
        return (
            *(rows if isinstance(rows, tuple) else (rows, None)),
            masks.ravel(),
            np.array([at.reward for at in moved]),
            truncated | [at.terminated for at in moved],
            np.array([at.success for at in moved]),
            truncated,
        )
