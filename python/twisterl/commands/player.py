"""A trained policy from a run folder, for the commands that play with it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisterl.build import load_player
from twisterl.checkpoint import BASE_CONFIG, RunFolder
from twisterl.strict_json import read_json


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
    parser.add_argument(
        "--checkpoint",
        default="best",
        metavar="best|last|FILE",
        help="which weights of the run (default: best)",
    )


def load(arguments: argparse.Namespace) -> Player:
    """Raises `RunFolderError`, `ConfigError` or `CheckpointError`."""
    folder = RunFolder(arguments.run)
    config = read_json(folder.path / BASE_CONFIG)
    if arguments.checkpoint in ("best", "last"):
        checkpoint = folder.weights_path(arguments.checkpoint)
    else:
        checkpoint = Path(arguments.checkpoint)
    env, policy, resolved = load_player(config, checkpoint)
    return Player(env, policy.to_rust(), resolved, checkpoint)
