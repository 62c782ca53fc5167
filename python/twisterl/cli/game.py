"""A game in the terminal: an environment of any kind, its past, and a run that knows the way."""

from __future__ import annotations

import itertools
from typing import Any

from twisterl.cli.player import (
    TRIES,
    Player,
    action_names,
    draws_uniformly,
    play_name,
    played,
)
from twisterl.pictures.text import text_of
from twisterl.strategy import alone, to_solve

ARROWS = {"\x1b[D": "a", "\x1b[A": "w", "\x1b[C": "d", "\x1b[B": "s"}
DIRECTIONS = {"a": "left", "w": "up", "d": "right", "s": "down"}


class Game:
    """An environment that somebody plays; `seed` names the starts, None draws them.

    It starts in any state where such can be drawn, else scrambled at the environment's difficulty.
    """

    def __init__(self, env: Any, seed: int | None) -> None:
        self.env, self._seed = env, seed
        self._is_uniform = draws_uniformly(env)
        self.names = action_names(env)
        self.new()

    def new(self) -> None:
        if self._is_uniform:
            self.env.set_state(self.env.random_state(self._seed))
        elif self._seed is not None and hasattr(self.env, "__twisterl_env__"):
            self.env.reset(self._seed)
        else:
            # Wheels of twisterl 0.5.1 draw by a generator that no seed reaches.
            self.env.reset()
        self._past: list[Any] = []
        self.num_moves = 0
        if self._seed is not None:
            self._seed += 1

    @property
    def has_directions(self) -> bool:
        return sorted(self.names) == sorted(DIRECTIONS.values())

    @property
    def solved(self) -> bool:
        # Wheels of twisterl 0.5.1 tell only whether an episode is over.
        return hasattr(self.env, "success") and self.env.success()

    @property
    def over(self) -> bool:
        return self.env.is_final()

    def picture(self) -> str:
        return text_of(self.env)

    def action(self, text: str) -> int | None:
        """The action that `text` names, None if it names none."""
        text = ARROWS.get(text, text)
        if self.has_directions:
            text = DIRECTIONS.get(text.lower(), text)
        if text in self.names:
            return self.names.index(text)
        number = int(text) if text.isascii() and text.isdigit() else -1
        return number if 0 <= number < len(self.names) else None

    def move(self, action: int) -> bool:
        """False if the action is impossible, or the episode is over."""
        if self.over or not self.env.masks()[action]:
            return False
        before = self._before()
        if before is not None:
            self._past.append(before)
        self.env.step(action)
        self.num_moves += 1
        return True

    def undo(self) -> bool:
        """False if there is nothing to take back, or the environment cannot go back."""
        if not self._past:
            return False
        before = self._past.pop()
        if isinstance(before, (list, tuple)):
            self.env.set_state(before)
        else:
            self.env = before
        self.num_moves -= 1
        return True

    def _before(self) -> Any:
        """A copy to go back to, since a state may lack the steps that are left or what is drawn.

        The state all the same where a copy does not show it: that of a crate is no object of its
        class. None if there is neither.
        """
        copy = self.env.copy() if hasattr(self.env, "copy") else None
        if copy is not None and text_of(copy) == self.picture():
            return copy
        try:
            return self.env.get_state()
        except (AttributeError, ValueError):
            return copy


def _unsaid(_line: str) -> None:
    pass


class Guide:
    """What a trained run would do, played as `twisterl solve` plays it, or a strategy without one.

    `name` says how, such as "beam 64".
    """

    def __init__(self, loaded: Player | None, strategy: str | None = None) -> None:
        self._policy: Any = None
        self._knows_actions = False
        if loaded is None:
            self._play = played(alone, {"strategy": strategy})
        else:
            self._policy = loaded.policy
            self._play = played(to_solve, loaded.algorithm, {}, TRIES)
            # A value player's policy has learned nothing, one with memory has not seen the game.
            collecting = loaded.algorithm.get("collecting") or {}
            has_learned = collecting.get("player") != "value"
            self._knows_actions = has_learned and not loaded.policy.state_size
        self._seeds = itertools.count()
        self._plan: list[tuple[int, list[int]]] = []
        self.name = play_name(self._play)

    def solution(self, env: Any) -> list[int] | None:
        """Actions that solve the state of `env`, None if none are found.

        None too where the environment gives its own kind of solution, which cannot be played.
        """
        from twisterl import cache
        from twisterl.twisterl import collector

        if hasattr(env, "track_solution") and env.track_solution():
            return None
        # The terminal is drawn on: nothing is said beside it.
        with cache.keeping(_unsaid, _unsaid):
            (success, _), actions = collector.solve(
                env, self._policy, **self._play, seed=next(self._seeds)
            )
        return actions if success else None

    def likely(self, env: Any) -> list[tuple[float, int]]:
        """(probability, action) of the legal actions, the most likely first."""
        if not self._knows_actions:
            return []
        masks = env.masks()
        probabilities, _ = self._policy.full_predict(env.observe(), masks)
        pairs = [(float(p), action) for action, p in enumerate(probabilities) if masks[action]]
        return sorted(pairs, reverse=True)

    def next(self, env: Any) -> int | None:
        """The action to play: the next one of a solution, else the likeliest; None knows neither.

        A solution is kept as long as it leads where it should, for steps may be random.
        """
        if not self._plan or self._plan[0][1] != env.observe():
            self._plan = self._planned(env)
        if self._plan:
            return self._plan.pop(0)[0]
        likely = self.likely(env)
        return likely[0][1] if likely else None

    def _planned(self, env: Any) -> list[tuple[int, list[int]]]:
        """The actions of a solution, each with the observation that it answers."""
        plan: list[tuple[int, list[int]]] = []
        ahead = env.copy() if hasattr(env, "copy") else None
        for action in self.solution(env) or []:
            if ahead is None:
                return [(action, [])]
            plan.append((action, ahead.observe()))
            if ahead.is_final() or not ahead.masks()[action]:
                break
            ahead.step(action)
        return plan
