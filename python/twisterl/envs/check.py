"""Does an environment keep its promises? Plays it and lists what is wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

# Starts of two copies, and looks at others: so many that chance does not make them all alike.
_NUM_STARTS = 32
_NUM_LOOKS = 8


def check_env(
    env: Any, *, difficulty: int = 1, num_episodes: int = 10, max_steps: int = 1000, seed: int = 0
) -> None:
    """Plays random episodes with a copy of ``env`` and checks what it answers.

    ``env`` is anything that can be trained on: an environment of a compiled package, a
    [PyEnv][twisterl.envs.PyEnv], or a Python class or object with its methods.

    Checked are the sizes; that features are distinct and in range; that rewards are finite; that
    there is a mask for each action and a legal action until the end; that episodes end within
    ``max_steps``; that a copy plays on without touching its original; that the same seed gives
    the same episode, or for Python environments without ``reseed`` that copies do not all start
    the same episodes; and that each observation permutation is one.

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
    else:
        checker.compare_copies()
    if checker.faults:
        listed = "\n".join(f"- {fault}" for fault in checker.faults)
        raise ValueError(f"env: expected an environment, got one with these faults:\n{listed}")


def _playable(env: Any) -> Any:
    from twisterl.envs import PyEnv

    return env if hasattr(env, "__twisterl_env__") else PyEnv(env)


def _is_seeded(env: Any) -> bool:
    python_env = getattr(_playable(env), "python_env", None)
    return python_env is None or callable(getattr(python_env, "reseed", None))


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
            if step == copied_at:
                self.look_at_copies(where)
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
        self.play_on(copy)
        if self.summary() != before:
            self.fault("copy()", where, "playing the copy changed the original")

    def play_on(self, env: Any) -> None:
        for _ in range(self.max_steps):
            env.observe()
            masks = env.masks()
            if env.is_final() or not any(masks):
                return
            env.step(self.draws.choice([i for i, mask in enumerate(masks) if mask]))

    def look_at_copies(self, where: str) -> None:
        """What all of them see, none of them sees otherwise because another has played."""
        first, *others = [self.env.copy().observe() for _ in range(_NUM_LOOKS)]
        self.play_on(self.env.copy())
        later = [self.env.copy().observe() for _ in range(_NUM_LOOKS)]
        if all(seen == first for seen in others) and first not in later:
            self.fault("copy()", where, "playing the copy changed the original")

    def compare_copies(self) -> None:
        """Where no seed decides, copies that share one stream of draws play the same episodes."""
        copies = self.env.copy(), self.env.copy()
        starts: tuple[list[Any], list[Any]] = ([], [])
        for _ in range(_NUM_STARTS):
            for copy, seen in zip(copies, starts, strict=True):
                copy.reset()
                seen.append(copy.observe())
        if starts[0] == starts[1] and any(start != starts[0][0] for start in starts[0]):
            found = "two of them start the same episodes; draw anew in copy(), or have reseed(seed)"
            self.fault("copy()", "without reseed()", found)

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
