"""One entry of `evals`: how a policy is played, and the entries that have a name of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from twisterl.config.values import (
    Cores,
    Count,
    EpisodeSteps,
    Fraction,
    SearchWeight,
    Seconds,
    Section,
    Seed,
    Steps,
    max_episode_steps,
)
from twisterl.faults import Fault, joined, shown

# The evaluations that a config may name without describing them.
PRESETS: dict[str, dict[str, Any]] = {
    "ppo_deterministic": {"deterministic": True, "num_searches": 1},
    "ppo_1": {"deterministic": False, "num_searches": 1},
    "ppo_10": {"deterministic": False, "num_searches": 10},
    "beam_64": {"strategy": "beam", "beam_width": 64},
    "mcts_100": {"deterministic": True, "num_searches": 1, "num_mcts_searches": 100},
}


class Evaluation(Section):
    """`num_episodes` episodes; each is solved if one of `num_searches` tries solves it.

    With AZ, `C`, `max_expand_depth`, `root_selection`, `gamma` and `transpositions` are those of
    `collecting` where they are not given.
    """

    num_episodes: Count = Field(100, description="starts")
    deterministic: bool = Field(True, description="the likeliest action, or one drawn")
    num_searches: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="tries of each start"
    )
    num_mcts_searches: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0, description="simulations for each move; 0: no tree search"
    )
    seed: Seed = Field(0, description="of the starts and of what is drawn")
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    exploration: SearchWeight = Field(1.41, alias="C", description="weight of the prior in PUCT")
    max_expand_depth: Steps = Field(1, description="states that a simulation adds to the tree")
    start: Literal["reset", "uniform"] = Field(
        "reset", description="scrambled by the difficulty, or any solvable state"
    )
    freq: Steps = Field(
        1, description="every that many iterations, and after the last of the planned ones"
    )
    strategy: Literal["greedy", "sample", "value", "mcts", "beam", "patterns", "optimal"] | None = (
        Field(
            None,
            description="value: towards the largest value; patterns: a beam by pattern databases, "
            "optimal: a proven shortest solution, both without the policy; "
            "null: mcts with num_mcts_searches, else as deterministic says",
        )
    )
    root_selection: Literal["puct", "gumbel"] = Field(
        "puct", description="how mcts chooses at its root"
    )
    gamma: Fraction = Field(1.0, description="discount in mcts, that of the training best")
    transpositions: bool = Field(
        False, description="one node in mcts for a state that several ways of as many moves lead to"
    )
    beam_width: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        64, description="states that beam and patterns keep at every depth"
    )
    beam_value_weight: SearchWeight | None = Field(
        None,
        description="what a value adds to a path's log-probability in beam; null: what the "
        "training has found best on boards of its own, where this beam is `diff_metric`, else 0",
    )
    beam_views: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="symmetries through which beam sees a state; it goes by their mean"
    )
    goal_table_bytes: Annotated[int, Field(ge=0, le=2**40)] = Field(
        0, description="memory for a table of the states around the goal, where beam and mcts end"
    )
    pattern_bytes: Annotated[int, Field(ge=0, le=2**40)] | None = Field(
        None,
        description="memory for the pattern databases of patterns, by default 64 MiB, and of "
        "optimal, by default a million placements a table; some times as much while they are made",
    )
    pattern_boards: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0,
        description="boards that patterns solves first, to learn what its tables do not say; "
        "some hundredths of a second each for 5x5",
    )
    precision: Literal["f32", "int8"] = Field(
        "f32", description="of the network's numbers; int8 is faster and a little coarser"
    )
    time_limit_s: Seconds | None = Field(None, description="for each start")
    node_limit: Annotated[int, Field(ge=1, le=10**12)] | None = Field(
        None, description="states given to the policy for each start"
    )
    max_episode_steps: EpisodeSteps | None = max_episode_steps()


def completed(given: dict[str, Any], by_default: Sequence[str]) -> dict[str, Any]:
    """`given`, an `algorithm` section, with its evaluations and what their names say.

    `{}` is none. A preset that `diff_metric` names needs no entry.
    """
    evals = given.get("evals", {preset: {} for preset in by_default})
    learning = given.get("learning", {})
    if not isinstance(evals, dict) or not isinstance(learning, dict):
        return given
    asked = learning.get("diff_metric")
    if evals and isinstance(asked, str) and asked in PRESETS:
        evals = {**evals, asked: evals.get(asked, {})}
    described = {
        name: {**PRESETS.get(name, {}), **entry} if isinstance(entry, dict) else entry
        for name, entry in evals.items()
    }
    return {**given, "evals": described}


def missing_metric(completed: dict[str, Any], metric: str, path: str) -> Iterator[Fault]:
    """A `diff_metric` that is none of the evaluations; `metric` is its default."""
    evals, learning = completed.get("evals"), completed.get("learning", {})
    if not evals or not isinstance(evals, dict) or not isinstance(learning, dict):
        return
    asked = learning.get("diff_metric", metric)
    if isinstance(asked, str) and asked not in evals:
        got = shown(asked) + ("" if "diff_metric" in learning else " by default")
        problem = f"got {got}; expected a key of evals ({', '.join(evals)}), or null"
        yield Fault(joined(path, "learning.diff_metric"), problem)
