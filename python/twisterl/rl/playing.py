"""What an algorithm plays with: its environment and the engine's copy of its policy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from twisterl import strategy, twisterl
from twisterl.rl import evaluation
from twisterl.rl.curriculum import Curriculum
from twisterl.rl.evaluation import Evaluation
from twisterl.rl.held import Held
from twisterl.rl.synced import EnginePolicy
from twisterl.rl.timing import timed
from twisterl.strategy import CHOSEN, to_solve, weighed

if TYPE_CHECKING:
    from twisterl.machines.crew import Crew


class Playing:
    """An environment and a policy, which play by `config` and change while another thread asks."""

    config: dict[str, Any]
    env: Any
    held: Held
    curriculum: Curriculum
    # Of values in a beam where the config says none; None before one was chosen.
    beam_value_weight: float | None = None
    _num_solves: int
    connect: Callable[[], Crew | None]

    def _start_playing(self) -> None:
        """Makes what no copy shares, nor takes to another process."""
        self._env_lock = threading.Lock()
        self._engine_policy = EnginePolicy(self.held.policy)

    @property
    def rs_pol(self) -> twisterl.nn.Policy:
        """The engine's policy, with the weights that it was given last."""
        return self._engine_policy.engine

    @timed
    def sync_rs_policy(self) -> None:
        """Gives the engine the weights as they are now."""
        self._engine_policy.renew(self.held.policy)

    def _current_policy(self) -> twisterl.nn.Policy:
        """The engine's policy, renewed if someone has changed the weights since."""
        return self._engine_policy.current(self.held.policy)

    @property
    def difficulty(self) -> int | None:
        """That of the episodes now; None if no difficulty bounds their starts any more."""
        return None if self.curriculum.is_unbounded else self.env.difficulty

    @timed
    def evaluate(self, kwargs: dict[str, Any]) -> Evaluation:
        """`(success, reward)` of the evaluation that `kwargs`, an entry of `evals`, describes."""
        kwargs = self._begun(weighed(kwargs, self.beam_value_weight))
        crew = self.connect()
        judge = None if crew is None else crew.judge(self)
        return evaluation.evaluate(self.env, self._current_policy(), kwargs, judge)

    def plays(self) -> dict[str, dict[str, Any]]:
        """How episodes are played, as entries of `evals`, by their path in the config."""
        return {f"evals.{name}": entry for name, entry in self.config["evals"].items()}

    def require_plays(self, entry: dict[str, Any], env: Any) -> None:
        """`ValueError` if `env` cannot be played as `entry` of `evals` says; plays nothing."""
        asked = weighed(strategy.entry(entry), self.beam_value_weight)
        for name in ("freq", "num_episodes", "start"):
            del asked[name]
        none = np.zeros((0, 1), np.int64)
        twisterl.collector.evaluate_episodes(env, self._current_policy(), states=none, **asked)

    def _begun(self, entry: dict[str, Any]) -> dict[str, Any]:
        """`entry` of `evals` with the starts that it has now."""
        if self.curriculum.is_unbounded and entry.get("start", "reset") == "reset":
            return {**entry, "start": "uniform"}
        return entry

    @timed
    def choose_beam_weight(self, entry: dict[str, Any]) -> float:
        """How much values weigh best in the beam of `entry`, on boards that nothing else plays."""
        entry = self._begun({**strategy.entry(entry), "seed": self.config["seed"]})
        del entry["freq"]
        return twisterl.collector.choose_beam_weight(self.env, self._current_policy(), **entry)

    def solve(
        self,
        state: Any,
        deterministic: bool | None = None,
        num_searches: int | None = None,
        num_mcts_searches: int | None = None,
        C: float | None = None,
        max_expand_depth: int | None = None,
        **options: Any,
    ) -> list[int] | None:
        """The actions that solve `state`, `[]` if it is solved, None if no search found any.

        Plays with the current weights; while `learn` runs, with those of its last iteration. May
        be called from many threads. What is None or left out is as the run is judged, see
        `twisterl.strategy.to_solve`: by the search of the entry of `evals` that `diff_metric`
        names, with its numbers, else by actions drawn from the policy.

        Args:
            deterministic: take the likeliest action every time; alone, without a search.
            options: `strategy` ("greedy", "sample", "value", "mcts", "beam", "patterns" or
                "optimal"), `root_selection`, `gamma`, `transpositions`, `beam_width`,
                `beam_value_weight`, `beam_views`, `goal_table_bytes`, `pattern_bytes`,
                `pattern_boards`, `precision`, `time_limit_s`, `node_limit`, `max_episode_steps` and
                `num_cores`, as in an entry of `evals`.

        Raises:
            TypeError: an option of another name, `seed` too: every call draws anew.
            ValueError: `state` is no state of the environment, an option is out of range, or
                the policy is to play where only values have learned.
        """
        if "seed" in options:
            raise TypeError("seed: expected none, since every call draws anew; got one")
        with self._env_lock:
            seed = self.config["seed"] + self._num_solves
            self._num_solves += 1
        policy = self._current_policy()
        asked = {
            "deterministic": deterministic,
            "num_searches": num_searches,
            "num_mcts_searches": num_mcts_searches,
            "C": C,
            "max_expand_depth": max_expand_depth,
            **options,
        }
        searches = to_solve({**self.config, CHOSEN: self.beam_value_weight}, asked)
        with self._env_lock:
            self.env.set_state(state)
            env = self.env.copy() if hasattr(self.env, "copy") else None
        if env is None:
            # The engine copies such an environment; its own state may be another thread's by now.
            states = np.array([state], np.int64)
            found = twisterl.collector.evaluate_episodes(
                self.env, policy, **searches, states=states, seed=seed, actions=True
            )
            return found["actions"][0].tolist() if found["success"][0] else None
        (success, _), actions = twisterl.collector.solve(env, policy, **searches, seed=seed)
        return list(actions) if success else None
