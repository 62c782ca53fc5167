"""How a run's network is played where nothing else is asked for: as it was judged and taught.

Every door plays by what is here: `twisterl eval`, `solve` and `play`, and `Algorithm.solve`. Only
an entry of `evals` says it itself, with the defaults of `twisterl.config`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from twisterl.config.evaluations import PRESETS, Evaluation
from twisterl.config.searches import TREE_RULES

# Of each move of mcts where neither judge nor teacher was a tree search.
DEFAULT_SIMULATIONS = 100
# Of a beam by pattern databases: what is asked of each state is a few look-ups.
PATTERN_WIDTH = 2**16
# What is played without the policy.
ALONE = ("patterns", "optimal")
# What an evaluation says of its episodes rather than of how they are played.
_EPISODES = ("num_episodes", "seed", "start", "freq")
# What holds for the environment and the machine, whatever the strategy.
_KEPT = ("num_cores", "max_episode_steps")
# Of these None is an answer: no limit.
_LIMITS = ("time_limit_s", "node_limit")
# In the section of an algorithm: the weight of values in a beam that its training has chosen.
CHOSEN = "beam_value_weight"
# A beam by values alone; the untrained policy decides between equal ones.
_BY_VALUES = {"beam_width": 64, "beam_value_weight": 1e6}


def entry(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` as a whole entry of `evals`: what it leaves out has the defaults of one."""
    return {**_defaults(), **given}


def name_of(play: Mapping[str, Any]) -> str:
    """The name of the strategy that an entry of `evals` means."""
    if play.get("strategy"):
        return play["strategy"]
    if play.get("num_mcts_searches"):
        return "mcts"
    return "greedy" if play.get("deterministic") else "sample"


def as_judged(algorithm: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """How to play: `asked`, and what it leaves open as the run's progress was judged.

    Several tries that are asked for are played by chance, since they would all be the same. Where
    the strategy is another than the judge's, a tree follows the rules of the search that taught.

    Args:
        algorithm: that section of the run config, defaults included; `CHOSEN` may stand there too.
        asked: keys of an entry of `evals`. One whose value is None is left open, but for
            `time_limit_s` and `node_limit`, of which None means no limit.

    Returns:
        The arguments of `collector.solve` but the seed, the strategy by its name.

    Raises:
        ValueError: only values have learned, and play by the policy is asked for.
    """
    return _completed(algorithm, asked, _judge(algorithm), tries=1)


def to_solve(
    algorithm: Mapping[str, Any], asked: Mapping[str, Any], tries: int = 1
) -> dict[str, Any]:
    """As `as_judged`, but a run that was not judged by a search is played by chance.

    A policy that fails by its likeliest actions fails always, and another try may find less moves:
    there are at least `tries` where no number is asked for. Evolution's policies play greedily, for
    they have never been played by chance; its values lead a beam.
    """
    judge = _judge(algorithm)
    if name_of(judge) == "greedy" and _player(algorithm) is None:
        judge["deterministic"], judge["strategy"] = False, "sample"
    if _player(algorithm) == "value":
        judge["strategy"] = "beam"
    return _completed(algorithm, asked, judge, tries)


def alone(asked: Mapping[str, Any]) -> dict[str, Any]:
    """As `as_judged`, by one of `ALONE` and without a run.

    Raises:
        ValueError: `asked` is for play by a policy.
    """
    if name_of(asked) not in ALONE:
        names = " or ".join(ALONE)
        raise ValueError(f"expected {names} without a run, whose policy would play")
    return as_judged({}, asked)


def _completed(
    algorithm: Mapping[str, Any], asked: Mapping[str, Any], judge: dict[str, Any], tries: int
) -> dict[str, Any]:
    given = {key: asked[key] for key in asked if asked[key] is not None or key in _LIMITS}
    if given.get("num_searches", 1) > 1:
        given.setdefault("deterministic", False)
    strategy = _asked_for(given)
    judged = name_of(judge)
    if strategy is None:
        by_policy = judged == "mcts" and given.get("num_mcts_searches") == 0
        by_chance = judged == "greedy" and given.get("deterministic") is False
        strategy = "sample" if by_policy or by_chance else judged
    if _player(algorithm) == "value" and strategy not in ("value", "beam", *ALONE):
        problem = "this run has learned values, not its policy"
        raise ValueError(f"expected beam or value as the strategy: {problem}")
    if strategy == judged or _player(algorithm) == "value":
        rest = judge
    else:
        taught = algorithm.get("collecting") or {}
        rest = {key: (judge if key in _KEPT else _defaults())[key] for key in judge}
        if strategy == "mcts":
            rest["num_mcts_searches"] = DEFAULT_SIMULATIONS
            if "num_mcts_searches" in taught:
                rest.update({key: taught[key] for key in ("num_mcts_searches", *TREE_RULES)})
    if strategy == "patterns" != judged:
        rest["beam_width"] = PATTERN_WIDTH
    if strategy == "sample":
        rest["num_searches"] = max(rest["num_searches"], tries)
    if strategy != "mcts":
        rest["deterministic"] = strategy != "sample"
    return weighed({**rest, **given, "strategy": strategy}, algorithm.get(CHOSEN))


def open_judge(algorithm: Mapping[str, Any]) -> dict[str, Any] | None:
    """The entry of `evals` that judges the run, if its training is to choose how much values weigh.

    That is a beam which does not say it, but for Evolution: what it plays by it does not search.
    """
    metric = (algorithm.get("learning") or {}).get("diff_metric") or ""
    judge = (algorithm.get("evals") or {}).get(metric)
    if judge is None or name_of(judge) != "beam" or _player(algorithm) is not None:
        return None
    return judge if judge.get("beam_value_weight") is None else None


def weighed(play: Mapping[str, Any], chosen: float | None) -> dict[str, Any]:
    """`play` with the weight `chosen` by a training, or the engine's 0, where it says none."""
    weight = play.get("beam_value_weight")
    return {**play, "beam_value_weight": (chosen or 0.0) if weight is None else weight}


def _asked_for(given: Mapping[str, Any]) -> str | None:
    """The strategy that `given` names or means, None if it may be any."""
    if given.get("strategy") or given.get("num_mcts_searches"):
        return name_of(given)
    if "beam_width" in given or "beam_value_weight" in given:
        return "beam"
    return "greedy" if given.get("deterministic") else None


def _judge(algorithm: Mapping[str, Any]) -> dict[str, Any]:
    """How the entry of `evals` plays that the run's progress is judged by.

    An algorithm of another package may have none, or leave its defaults out.
    """
    metric = (algorithm.get("learning") or {}).get("diff_metric") or ""
    named = (algorithm.get("evals") or {}).get(metric) or {}
    judge = entry({**PRESETS.get(metric, {}), **named})
    if _player(algorithm) == "value":
        # What Evolution calls greedy is by its player.
        judge.update(_BY_VALUES, strategy="value")
    return {key: value for key, value in judge.items() if key not in _EPISODES}


def _player(algorithm: Mapping[str, Any]) -> str | None:
    """What Evolution Strategies have played to learn, "policy" or "value"; None for others."""
    return (algorithm.get("collecting") or {}).get("player")


@functools.cache
def _defaults() -> dict[str, Any]:
    return Evaluation().model_dump(by_alias=True)
