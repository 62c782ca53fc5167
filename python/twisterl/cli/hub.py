"""`twisterl hub`."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any

from twisterl.cli.doing import refuse_options_of_others
from twisterl.faults import ConfigError, Fault, shown

DESCRIPTION = "Send a run to a model hub with a card, or fetch one, checked."
USAGE = """twisterl hub push [options] RUN_DIR OWNER/NAME
       twisterl hub pull [options] OWNER/NAME"""
EPILOG = """\
examples:
  twisterl hub push runs/ppo_puzzle8_v1 me/puzzle8
      config, weights, metrics and a card: what the run solves, how well (1000 episodes are played
      for it), how it was made, the SHA-256 of every file; the token is that of hf auth login
  twisterl hub push runs/ppo_puzzle8_v1 me/puzzle8 --dry-run
      prints the card and sends nothing
  twisterl hub pull me/puzzle8 --revision main
      into models/; prints the folder, for eval, solve, play and web
  twisterl hub pull them/maze --trust
      and believe its config from now on, which names classes of other packages: they are code

Files are those of one commit, and are compared with the digests that the hub announces and that
whoever sent them has noted. HF_ENDPOINT names another hub."""

# Of push, and where pull puts what it fetches.
_NUM_EPISODES = 1000
_FOLDER = "models"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("doing", metavar="push|pull", choices=["push", "pull"])
    add("words", metavar="RUN_DIR OWNER/NAME", nargs="+")
    add("--revision", metavar="REV", default="main", help="branch, tag or commit (default: main)")
    add("-o", "--output", metavar="DIR", default=_FOLDER, help="of pull: where it goes")
    add("--trust", action="store_true",
        help="import the classes of other packages that the run names: they are code")  # fmt: skip
    add("--private", action="store_true", help="of push: a repository that others do not see")
    add("--num_episodes", "--num-episodes", type=int, default=_NUM_EPISODES, metavar="N",
        help="of push: episodes for the card; 0: none")  # fmt: skip
    add("--dry-run", "--dry_run", action="store_true", help="of push: print the card only")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli.signals import interruptible

    refuse_options_of_others(
        arguments.doing,
        {
            "--output": (arguments.output != _FOLDER, "pull"),
            "--private": (arguments.private, "push"),
            "--num_episodes": (arguments.num_episodes != _NUM_EPISODES, "push"),
            "--dry-run": (arguments.dry_run, "push"),
        },
    )
    wanted = 2 if arguments.doing == "push" else 1
    if len(arguments.words) != wanted:
        expected = "RUN_DIR OWNER/NAME" if wanted == 2 else "OWNER/NAME"
        got = shown(" ".join(arguments.words))
        raise _refused(arguments.doing, f"got {got}; expected {expected}")
    repo = arguments.words[-1]
    if not _NAME.fullmatch(repo):
        raise _refused("OWNER/NAME", f"got {shown(repo)}; expected two names, as me/puzzle8")
    with interruptible():
        return (_push if wanted == 2 else _pull)(arguments, repo)


def _push(arguments: argparse.Namespace, repo: str) -> int:
    from twisterl import sharing
    from twisterl.cli import player
    from twisterl.model_card import model_card
    from twisterl.runs import history

    saved = player.read(arguments.words[0], trust=arguments.trust)
    files = sharing.contents(saved.folder)
    found = history.read(saved.folder.path)
    report = _judge(saved, arguments.num_episodes) if arguments.num_episodes else None
    card = model_card(repo, found, report, files)
    if arguments.dry_run:
        print(card, end="")
        return 0
    sent = {sharing.CARD: card.encode(), **files}
    commit = sharing.push(sent, repo, private=arguments.private, revision=arguments.revision)
    size = sum(map(len, sent.values()))
    print(f"{repo}: {len(sent)} files, {size:,} bytes, commit {commit}")
    return 0


def _judge(saved: Any, num_episodes: int) -> dict[str, Any]:
    """As `twisterl eval` does it."""
    from twisterl.cli import player
    from twisterl.cli.eval import OPTIMUM_TIME_S, optimum_of, report_of
    from twisterl.config.evaluations import Evaluation
    from twisterl.config.validation import check_section
    from twisterl.strategy import as_judged
    from twisterl.twisterl import collector

    asked = {"num_episodes": num_episodes}
    check_section(Evaluation, asked, "--", "command line")
    loaded = saved.load("best")
    start = "uniform" if player.draws_uniformly(loaded.env) else "reset"
    play = player.played(as_judged, loaded.algorithm, {**asked, "start": start, "seed": 0})
    optimum = optimum_of(loaded.env, play, OPTIMUM_TIME_S)
    return report_of(loaded, play, optimum, collector.evaluate_episodes)


def _pull(arguments: argparse.Namespace, repo: str) -> int:
    from twisterl import sharing
    from twisterl.config.json import read_json
    from twisterl.config.trust import others_of, remember
    from twisterl.config.validation import check_run
    from twisterl.runs.folder import BASE_CONFIG

    folder = sharing.pull(repo, arguments.revision, arguments.output)
    config = read_json(folder / BASE_CONFIG)
    check_run(config, str(folder / BASE_CONFIG))
    others = others_of(config)
    if others:
        if arguments.trust:
            remember(config, os.getcwd())
        else:
            print(f"it names {', '.join(others)}: code of others, which only --trust imports")
    print(folder)
    return 0


def _refused(path: str, problem: str) -> ConfigError:
    return ConfigError([Fault(path, problem)], "command line")
