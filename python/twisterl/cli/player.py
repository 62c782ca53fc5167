"""A trained policy from a run folder, for the commands that play with it."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisterl.config.build import build_env, build_player
from twisterl.config.evaluations import Evaluation
from twisterl.config.json import read_json
from twisterl.config.run import Part, RunConfig
from twisterl.config.trust import may_import
from twisterl.config.validation import check_env, check_run, check_section
from twisterl.config.values import Workers
from twisterl.faults import ConfigError, Fault
from twisterl.rl.held import Held
from twisterl.runs import module_digest
from twisterl.runs.checkpoints import beam_value_weight
from twisterl.runs.folder import BASE_CONFIG, RunFolder
from twisterl.runs.run_config import Described
from twisterl.strategy import CHOSEN, entry
from twisterl.twisterl import collector

Judge = Callable[..., dict[str, Any]]

# Of a board that is to be solved by a policy that plays by chance.
TRIES = 100


@dataclass(frozen=True)
class Player:
    """`policy` is the engine's; `algorithm` that section of the run config.

    `held` and `described` are as in an algorithm, for the workers that may play instead.
    """

    env: Any
    policy: Any
    algorithm: dict[str, Any]
    checkpoint: Path
    held: Held
    described: Described


@dataclass(frozen=True)
class Alone:
    """An environment that is played without a policy."""

    env: Any
    policy: None = None
    checkpoint: None = None


@dataclass(frozen=True)
class SavedRun:
    """What a run folder holds; `trust` says whether classes of other packages are imported."""

    folder: RunFolder
    config: RunConfig
    trust: bool

    def load(self, checkpoint: str) -> Player:
        """Its policy with the weights `checkpoint`, "best", "last" or a file.

        Raises `RunFolderError`, `ConfigError` or `CheckpointError`.
        """
        if checkpoint in ("best", "last"):
            path = self.folder.weights_path(checkpoint)
        else:
            path = Path(checkpoint)
        env, policy = build_player(self.config, path, trust=self.trust)
        module_digest.require_same(env, self.folder)
        section = self.config.algorithm.as_dict()
        section[CHOSEN] = beam_value_weight(path)
        described = Described(self.config.given, self.config)
        return Player(env, policy.to_rust(), section, path, Held(policy), described)


def read(run: str, *, trust: bool) -> SavedRun:
    """The run in the folder `run`; `trust` is the user's word for its classes.

    Raises `RunFolderError` or `ConfigError`.
    """
    folder = RunFolder(run)
    document = read_json(folder.path / BASE_CONFIG)
    config = check_run(document)
    return SavedRun(folder, config, may_import(document, trust=trust) is not None)


def load(arguments: argparse.Namespace) -> Player:
    """The player of the run that a command line names."""
    return read(arguments.run, trust=arguments.trust).load(arguments.checkpoint)


def named_env(name: str, words: list[str]) -> Any:
    """The environment of --env and its KEY=VALUE arguments, which may be a class of yours."""
    from twisterl.config.overrides import apply_overrides, parse_overrides

    pairs = parse_overrides([f"env.{word}" for word in words])
    config = apply_overrides({"env_cls": name}, pairs)
    part = check_env(name, config.get("env", {}), "command line")
    return build_env(part, trust=may_import(config, trust=True) is not None)


def puzzle_size(env: Part) -> tuple[int, int] | None:
    """(width, height) of a sliding puzzle, None for another environment."""
    return (env.get("width"), env.get("height")) if env.name == "Puzzle" else None


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


def add_search_options(parser: argparse.ArgumentParser, judged: str) -> None:
    """How to play, as in an entry of a config's `evals`; `judged` says what the default is."""
    add = parser.add_argument
    add("--strategy", metavar="NAME", help="greedy, sample, value (towards the largest), mcts or "
        "beam; patterns (a beam by pattern databases) and optimal (proven shortest solutions) "
        f"need no policy (default: {judged})")  # fmt: skip
    add("--num_mcts_searches", "--num-mcts-searches", type=int, metavar="N",
        help="simulations before each move of mcts")  # fmt: skip
    add("--beam_width", "--beam-width", type=int, metavar="N", help="states that beam and patterns "
        "keep")  # fmt: skip
    add("--beam_value_weight", "--beam-value-weight", type=float, metavar="W",
        help="what a value adds to a path's log-probability in beam")  # fmt: skip
    add("--beam_views", "--beam-views", type=int, metavar="N",
        help="symmetries through which beam sees a state")  # fmt: skip
    add("--goal_table_bytes", "--goal-table-bytes", type=int, metavar="N",
        help="for a table of the states around the goal, where beam and mcts end")  # fmt: skip
    add("--pattern_bytes", "--pattern-bytes", type=int, metavar="N",
        help="for the tables of patterns and optimal (docs/optimum.md)")  # fmt: skip
    add("--pattern_boards", "--pattern-boards", type=int, metavar="N",
        help="that patterns learns from first (docs/optimum.md)")  # fmt: skip
    add("--precision", metavar="NAME", help="f32, or int8: faster, a little coarser")
    add("--time_limit_s", "--time-limit-s", type=float, metavar="S", help="for each board")
    add("--node_limit", "--node-limit", type=int, metavar="N", help="states tried for each board")
    add("--max_episode_steps", "--max-episode-steps", type=int, metavar="N",
        help="an episode of more steps is an error (default: as the run was judged)")  # fmt: skip
    add("--num_cores", "--num-cores", type=int, metavar="N", help="threads")


def add_workers(parser: argparse.ArgumentParser, what: str) -> None:
    """Who plays: see docs/machines.md."""
    add = parser.add_argument
    add("--workers", type=int, metavar="N", help=f"N workers play, with the same bytes{what}")
    add("--backend", choices=["local", "ray"], help="who they are: processes of this machine, or "
        "actors of a Ray cluster")  # fmt: skip
    add("--address", metavar="HOST:PORT", help="of the Ray cluster, or auto; without it Ray is "
        "started on this machine alone")  # fmt: skip


def workers(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of workers, by the keys of a config's section of them."""
    given = {
        "num_workers": arguments.workers,
        "backend": arguments.backend,
        "address": arguments.address,
    }
    return {key: value for key, value in given.items() if value is not None}


@contextlib.contextmanager
def judge(arguments: argparse.Namespace, player: Player | Alone) -> Iterator[Judge]:
    """What plays as `collector.evaluate_episodes`: the workers of the command line, if there are.

    Raises `ConfigError` before anything is played.
    """
    given = workers(arguments)
    if not given:
        yield collector.evaluate_episodes
        return
    if isinstance(player, Alone):
        raise ConfigError([Fault("--workers", "play a run; expected RUN_DIR")], "command line")
    from twisterl.machines.crew import Crew

    given |= {} if arguments.num_cores is None else {"num_cores": arguments.num_cores}
    section = check_section(Workers, given, "workers.", "command line")
    if faults := list(section.faults("workers")):
        raise ConfigError(faults, "command line")
    crew = Crew(section.model_dump())
    try:
        crew.start(player)
        yield crew.judge(player)
    finally:
        crew.coordinator.end()


def asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that were given of those that an entry of `evals` has.

    Raises `ConfigError` for a value that no entry may have.
    """
    options = {key: getattr(arguments, key, None) for key in entry({})}
    given = {key: v for key, v in options.items() if v is not None and v is not False}
    check_section(Evaluation, given, "--", "command line")
    return given


def played(play: Callable[..., dict[str, Any]], *arguments: Any, **more: Any) -> dict[str, Any]:
    """What `play`, a function of `twisterl.strategy`, says; `ConfigError` for what it refuses."""
    try:
        return play(*arguments, **more)
    except ValueError as error:
        raise ConfigError([Fault("--strategy", str(error))], "command line") from error


def require_delay(seconds: float) -> None:
    """Raises `ConfigError` for a --delay that nobody would wait for."""
    if not 0 <= seconds <= 60:
        problem = f"got {seconds}; expected 0 to 60 seconds"
        raise ConfigError([Fault("--delay", problem)], "command line")


def play_name(play: dict[str, Any]) -> str:
    """How the arguments of a solution or evaluation are called in a line."""
    name = play["strategy"]
    if name in ("beam", "patterns"):
        return f"{name} {play['beam_width']}"
    if name == "mcts":
        name = f"mcts {play['num_mcts_searches']}"
    return name + (f", best of {play['num_searches']}" if play["num_searches"] > 1 else "")


def draws_uniformly(env: Any) -> bool:
    """Whether `env` can draw any state that can be solved, and tell it."""
    try:
        env.random_state(0)
    except (AttributeError, ValueError):
        return False
    return True


def action_names(env: Any) -> list[str]:
    """What the actions are called; numbers for an environment that does not say."""
    names = getattr(env, "action_names", None)
    return names() if names else [str(action) for action in range(env.num_actions())]
