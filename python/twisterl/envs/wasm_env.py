"""Environments from a WebAssembly file, ready for the engine: `"env_cls": "lights_out.wasm"`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.envs import wasm_module as wasm
from twisterl.envs.python_env import PyEnv


class WasmEnv(PyEnv):
    """The environment that the WebAssembly module of the file `path` is.

    `arguments` are integers, which the module's own parameters take. A module runs in a sandbox: it
    computes and reaches nothing else, each call within a number of instructions, all of it within
    an amount of memory. What it does wrong is a `ModuleError` with its name.

    Raises ConfigError, before anything is played, without the package wasmtime and for a file that
    is no such module.
    """

    def __new__(cls, path: str, **arguments: Any) -> WasmEnv:
        return cls.of(path, arguments)

    @classmethod
    def of(cls, path: str, arguments: dict[str, Any]) -> WasmEnv:
        """As the class itself, of parameters of any name."""
        module = wasm.Module(path, arguments)
        env = super().__new__(cls, episode_class(module)(module))
        assert isinstance(env, WasmEnv)
        return env

    @property
    def module(self) -> wasm.Module:
        module: wasm.Module = self.python_env.module
        return module

    def arguments(self) -> dict[str, Any]:
        """The path, and the parameters of the module that were given."""
        return {"path": self.module.path, **self.module.arguments}


def environment_class(path: str) -> type[WasmEnv]:
    """The class of `path`, the `env_cls` "FILE.wasm" of a config."""
    make = {"__new__": lambda cls, **arguments: WasmEnv.of(path, arguments)}
    return type("WasmEnv", (WasmEnv,), make)


class Episode:
    """An episode with the methods that `twisterl.envs` lists: its state, and what is seen of it."""

    def __init__(self, module: wasm.Module) -> None:
        self.module, self.state = module, module.first
        self.seed = 0
        self.seen: Seen | None = None

    @property
    def now(self) -> Seen:
        if self.seen is None:
            self.move(wasm.OBSERVE, 0)
        assert self.seen is not None
        return self.seen

    def move(self, kind: int, value: int) -> None:
        # One that failed is not lent out again: what its memory holds is not known.
        instance = self.module.take()
        instance.states[0, : len(self.state)] = self.state
        self.seen = instance.advanced(
            np.zeros(1, np.int64), np.array([kind]), np.array([value]), np.array([self.seed])
        )
        self.state = instance.states[0].copy()
        self.module.give_back(instance)

    def __reduce__(self) -> tuple[Any, ...]:
        given = self.module.path, self.module.arguments
        return _again, (*given, self.state.tobytes(), self.seed)

    def num_actions(self) -> int:
        return self.module.num_actions

    def obs_shape(self) -> list[int]:
        return [self.module.num_features]

    def reseed(self, seed: int) -> None:
        self.seed = seed

    def reset(self, difficulty: int) -> None:
        self.move(wasm.RESET, difficulty)

    def next(self, action: int) -> None:
        self.move(wasm.STEP, action)

    def set_state(self, state: list[int]) -> None:
        instance = self.module.take()
        refused = instance.set_state(state)
        if refused is None:
            self.state, self.seen = instance.states[0].copy(), None
        self.module.give_back(instance)
        if refused is not None:
            raise ValueError(f"state: {self.module.name} refuses {state}{refused}")

    def masks(self) -> npt.NDArray[np.bool_]:
        return self.now[2]

    def value(self) -> float:
        return float(self.now[3][0])

    def is_final(self) -> bool:
        return bool(self.now[4][0])

    def success(self) -> bool:
        return bool(self.now[5][0])

    def observe(self) -> npt.NDArray[np.int32]:
        return self.now[0]

    def copy(self) -> Episode:
        twin = type(self)(self.module)
        # Nobody writes into what is shared: a move puts another array in its place.
        twin.state, twin.seed, twin.seen = self.state, self.seed, self.seen
        return twin

    def vectorize(self, num_lanes: int) -> Lanes:
        return Lanes(self.module, num_lanes)


class _Truncated(Episode):
    def truncated(self) -> bool:
        return bool(self.now[6][0])


class _Goal(Episode):
    def reset_goal(self) -> None:
        self.move(wasm.RESET_GOAL, 0)


class _Uniform(Episode):
    def reset_uniform(self) -> None:
        self.move(wasm.RESET_UNIFORM, 0)


class _Inverses(Episode):
    def inverse_actions(self) -> list[int] | None:
        return self.module.inverse_actions


def episode_class(module: wasm.Module) -> type[Episode]:
    """With the methods that `module` offers, and its name, which messages of the engine have."""
    offered = {
        _Truncated: module.flags & wasm.TELLS_TRUNCATION,
        _Goal: module.flags & wasm.HAS_GOAL,
        _Uniform: module.flags & wasm.HAS_UNIFORM,
        _Inverses: module.inverse_actions is not None,
    }
    bases = tuple(base for base, is_offered in offered.items() if is_offered)
    return type(module.name, (*bases, Episode), {})


def _again(path: str, arguments: dict[str, Any], state: bytes, seed: int) -> Episode:
    module = wasm.Module(path, arguments)
    episode = episode_class(module)(module)
    episode.state, episode.seed = np.frombuffer(state, np.uint8), seed
    return episode


# Features, offsets, masks, rewards, ends, successes and truncations of the rows that moved.
Seen = tuple[npt.NDArray[Any], ...]


class Lanes:
    """Many episodes in one instance, advanced by one call of the engine."""

    def __init__(self, module: wasm.Module, num_lanes: int) -> None:
        self.instance = wasm.Instance(module, num_lanes)
        self.instance.states[:] = module.first

    def load(self, lane: int, env: Episode) -> None:
        self.instance.states[lane] = env.state

    def advance(
        self,
        lanes: npt.NDArray[np.int64],
        kinds: npt.NDArray[np.int8],
        values: npt.NDArray[np.int64],
        seeds: npt.NDArray[np.int64],
    ) -> Seen:
        return self.instance.advanced(lanes, kinds, values, seeds)
