"""A trained policy from a run folder, for the commands that play with it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisterl.build import load_player
from twisterl.checkpoint import BASE_CONFIG, RunFolder
from twisterl.config import by_what_learned
from twisterl.faults import ConfigError, Fault
from twisterl.strict_json import read_json
from twisterl.trust import may_import

# Of each move of mcts where no number is given.
DEFAULT_SIMULATIONS = 100
# The strategies that search, with what an evaluation says of them alone.
SEARCHES = {"mcts": ("num_mcts_searches",), "beam": ("beam_width", "beam_value_weight")}
TREE_RULES = ("C", "max_expand_depth", "root_selection", "gamma")


@dataclass(frozen=True)
class Player:
    """`policy` is the engine's; `config` the whole run config."""

    env: Any
    policy: Any
    config: dict[str, Any]
    checkpoint: Path

    @property
    def puzzle_size(self) -> tuple[int, int] | None:
        """(width, height) of a sliding puzzle, None for another environment."""
        arguments = self.config["env"]
        return puzzle_size(self.config["env_cls"], arguments)


def puzzle_size(env_cls: str, arguments: dict[str, Any]) -> tuple[int, int] | None:
    from twisterl.config import registered

    if registered("env_cls", env_cls) != "Puzzle":
        return None
    return arguments["width"], arguments["height"]


def add_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument(
        "run",
        metavar="RUN_DIR",
        nargs=None if required else "?",
        help="folder of a training run",
    )
    add_checkpoint(parser)


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint",
        default="best",
        metavar="best|last|FILE",
        help="which weights of the run (default: best)",
    )
    add_trust(parser)


def add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the classes of other packages that a run from elsewhere names: they are code",
    )


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """The strategies and their bounds, as in an entry of a config's `evals`."""
    add = parser.add_argument
    add("--strategy", metavar="NAME", help="greedy, sample, mcts or beam (default: as the run "
        "was judged if that is a search, greedy for ES, else sample)")  # fmt: skip
    add("--num_mcts_searches", "--num-mcts-searches", type=int, metavar="N",
        help="simulations before each move of mcts")  # fmt: skip
    add("--beam_width", "--beam-width", type=int, metavar="N", help="states that beam keeps")
    add("--beam_value_weight", "--beam-value-weight", type=float, metavar="W",
        help="what a value adds to a path's log-probability in beam")  # fmt: skip
    add("--time_limit_s", "--time-limit-s", type=float, metavar="S", help="for each board")
    add("--node_limit", "--node-limit", type=int, metavar="N", help="states tried for each board")


def search_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those that were given; the strategy and the limits, null where none was."""
    always = ("strategy", "time_limit_s", "node_limit")
    given = {name: getattr(arguments, name) for name in always}
    for name in ("num_mcts_searches", "beam_width", "beam_value_weight"):
        if getattr(arguments, name) is not None:
            given[name] = getattr(arguments, name)
    return given


def searched_as_trained(config: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """What was not asked for, as the run was judged and taught.

    If the evaluation that the run's progress was judged by is a search, that strategy is the one
    where none is asked for, with its numbers. Trees follow the rules of the search that taught the
    run, if one did. Evolution's policies play greedily; its values as `by_what_learned` says.

    Raises:
        ConfigError: only values have learned, and the policy is asked for.
    """
    algorithm = config["algorithm"]
    # An algorithm of another package may have neither section.
    collecting = algorithm.get("collecting", {})
    try:
        asked = by_what_learned(collecting, asked)
    except ValueError as error:
        raise ConfigError([Fault("--strategy", str(error))], "command line") from error
    metric = algorithm.get("learning", {}).get("diff_metric")
    judged = algorithm.get("evals", {}).get(metric, {})
    taught = "mcts" if judged.get("num_mcts_searches") else judged.get("strategy")
    strategy = asked["strategy"]
    if strategy is None and asked.get("num_mcts_searches"):
        strategy = "mcts"
    elif strategy is None and taught in SEARCHES and not asked["deterministic"]:
        strategy = taught
    elif strategy is None and collecting.get("player") == "policy":
        # Evolution has only ever seen what the largest logit does.
        strategy = "greedy"
    known: dict[str, Any] = {}
    if strategy == "mcts":
        if "num_mcts_searches" in collecting:
            known = {name: collecting[name] for name in TREE_RULES}
        known["num_mcts_searches"] = DEFAULT_SIMULATIONS
    if strategy == taught and taught in SEARCHES:
        known.update({name: judged[name] for name in SEARCHES[taught]})
    return {**known, **asked, "strategy": strategy}


def action_names(env: Any) -> list[str]:
    """What the actions are called; numbers for an environment that does not say."""
    names = getattr(env, "action_names", None)
    return names() if names else [str(action) for action in range(env.num_actions())]


def load(arguments: argparse.Namespace) -> Player:
    """Raises `RunFolderError`, `ConfigError` or `CheckpointError`."""
    folder = RunFolder(arguments.run)
    config = read_json(folder.path / BASE_CONFIG)
    if arguments.checkpoint in ("best", "last"):
        checkpoint = folder.weights_path(arguments.checkpoint)
    else:
        checkpoint = Path(arguments.checkpoint)
    trust = may_import(config, trust=arguments.trust) is not None
    env, policy, resolved = load_player(config, checkpoint, trust=trust)
    return Player(env, policy.to_rust(), resolved, checkpoint)
