"""Does an environment keep its promises? Plays it and lists what is wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np


def check_env(
    env: Any, *, difficulty: int = 1, num_episodes: int = 10, max_steps: int = 1000, seed: int = 0
) -> None:
    """Plays random episodes with a copy of ``env`` and checks what it answers.

    ``env`` is anything that can be trained on: an environment of a compiled package, a
    [PyEnv][twisterl.envs.PyEnv], or a Python class or object with its methods.

    Checked are the sizes; that features are distinct and in range; that rewards are finite; that
    there is a mask for each action and a legal action until the end; that episodes end within
    ``max_steps``; that a copy plays on without touching its original; that the same seed gives
    the same episode (for Python environments only if they have ``reseed``); and that each
    observation permutation is one.

    Raises ValueError that lists all faults, one a line, each with where it was found; what a
    method raises comes out unchanged.

    >>> from twisterl.envs import Puzzle
    >>> check_env(Puzzle(3, 3, 1, 2, 256), difficulty=5)
    """
    checker = _Checker(_playable(env).copy(), max_steps, random.Random(seed))
    checker.env.difficulty = difficulty
    checker.check_twists()
    for episode in range(num_episodes):
        checker.play(seed + episode)
    if _is_seeded(env):
        for episode in range(num_episodes):
            checker.compare(seed + episode)
    if checker.faults:
        listed = "\n".join(f"- {fault}" for fault in checker.faults)
        raise ValueError(f"env: expected an environment, got one with these faults:\n{listed}")


def _playable(env: Any) -> Any:
    from twisterl.envs import PyEnv

    return env if hasattr(env, "__twisterl_env__") else PyEnv(env)


def _is_seeded(env: Any) -> bool:
    python_env = getattr(_playable(env), "python_env", None)
    return python_env is None or hasattr(python_env, "reseed")


class _Checker:
    """Plays ``env`` and collects faults, each once."""

    def __init__(self, env: Any, max_steps: int, draws: random.Random) -> None:
        self.env = env
        self.max_steps = max_steps
        self.draws = draws
        self.num_features = int(np.prod(env.obs_shape()))
        self.faults: dict[str, None] = {}

    def fault(self, kind: str, where: str, found: Any) -> None:
        if not any(known.startswith(f"{kind}: ") for known in self.faults):
            self.faults[f"{kind}: {where} {found}"] = None

    def check_twists(self) -> None:
        for index, perm in enumerate(self.env.twists()[0]):
            if sorted(perm) != list(range(self.num_features)):
                self.fault("twists()", f"obs_perms[{index}]", "is no permutation of the features")

    def play(self, seed: int) -> None:
        """One episode of random legal actions; at one of its states a copy goes on first."""
        env = self.env
        env.reset(seed=seed)
        copied_at = self.draws.randrange(4)
        for step in range(self.max_steps):
            where = f"seed {seed}, step {step}:"
            features = env.observe()
            if len(set(features)) != len(features):
                self.fault("observe()", where, f"a feature twice in {features}")
            masks = env.masks()
            legal = [action for action, mask in enumerate(masks) if mask]
            env.reward()
            if env.success() and not env.is_final():
                self.fault("is_final()", where, "false in a state that is a success")
            if env.is_final():
                return
            if not legal:
                self.fault("masks()", where, "no legal action before the end")
                return
            action = self.draws.choice(legal)
            if step == copied_at:
                self.play_copy(action, where)
            env.step(action)
        self.fault("is_final()", f"seed {seed}:", f"false after {self.max_steps} steps")

    def play_copy(self, action: int, where: str) -> None:
        before = self.summary()
        copy = self.env.copy()
        copy.step(action)
        for _ in range(self.max_steps):
            copy.observe()
            masks = copy.masks()
            if copy.is_final() or not any(masks):
                break
            copy.step(self.draws.choice([i for i, mask in enumerate(masks) if mask]))
        if self.summary() != before:
            self.fault("copy()", where, "playing the copy changed the original")

    def summary(self) -> tuple[Any, ...]:
        """What can be read without side effects."""
        env = self.env
        return env.masks(), env.is_final(), env.success(), env.reward()

    def compare(self, seed: int) -> None:
        """The same seed and the same choices, twice."""
        first, second = self.trace(seed), self.trace(seed)
        if first != second:
            pairs = enumerate(zip(first, second, strict=False))
            at = next(step for step, (one, other) in pairs if one != other)
            self.fault("reset()", f"seed {seed}, step {at}:", "not the same episode twice")

    def trace(self, seed: int) -> list[Any]:
        env, choices = self.env, random.Random(seed)
        env.reset(seed=seed)
        seen: list[Any] = []
        choose: Callable[[list[int]], int] = choices.choice
        for _ in range(self.max_steps):
            features = env.observe()
            seen.append((features, *self.summary()))
            legal = [action for action, mask in enumerate(env.masks()) if mask]
            if env.is_final() or not legal:
                break
            env.step(choose(legal))
        return seen
