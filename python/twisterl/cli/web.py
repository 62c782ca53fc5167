"""`twisterl web`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisterl.cli.player import SavedRun

DESCRIPTION = "Make one page of a run that plays in any browser, without a network."
EPILOG = """\
examples:
  twisterl web runs/ppo_puzzle8_v1 -o puzzle.html
      a board to play, the agent's advice, and solving step by step; open it from the disk

The engine (WebAssembly) and the weights are inside. A page that would have more than 1 MB has its
weights rounded to a byte each, which is told; --exact keeps them as they are."""

# A page is sent by mail and read on telephones.
MOST_BYTES = 1_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.cli import player

    player.add_options(parser)
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", help="the page; NAME.html of RUN_DIR if it is not given")
    add(
        "--title",
        metavar="TEXT",
        help="what the page is called",
    )
    add("--exact", action="store_true", help="weights as they are, however large the page")
    add("--engine", metavar="FILE", help="another WebAssembly module than the package's")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli import player
    from twisterl.cli.outputs import writable
    from twisterl.cli.signals import interruptible
    from twisterl.runs.files import write_atomic
    from twisterl.web import engine

    with interruptible():
        saved = player.read(arguments.run, trust=arguments.trust)
        path = writable("--output", arguments.output or f"{saved.folder.path.name}.html")
        page, is_rounded = make(saved, arguments, engine(arguments.engine))
        content = page.encode()
        write_atomic(path, content)
    print(f"{path}: {len(content):,} bytes; open it in a browser")
    if is_rounded:
        print("weights are rounded to a byte each to fit into 1 MB; --exact keeps them as they are")
    return 0


def make(saved: SavedRun, arguments: argparse.Namespace, engine: bytes) -> tuple[str, bool]:
    """The page, and whether its weights are rounded."""
    from twisterl.cli.player import played
    from twisterl.config.build import build_player
    from twisterl.envs.protocol import act_space
    from twisterl.export import policy_file
    from twisterl.faults import ConfigError, Fault
    from twisterl.runs.checkpoints import beam_value_weight
    from twisterl.strategy import CHOSEN, to_solve
    from twisterl.web import assemble, weights

    part, checkpoint = saved.config.env, arguments.checkpoint
    policy_file.require_native(part)
    if checkpoint in ("best", "last"):
        checkpoint = saved.folder.weights_path(checkpoint)
    env, policy = build_player(saved.config, checkpoint, trust=saved.trust)
    if act_space(env)["type"] != "discrete":
        problem = f"{part.name} has actions of more than one choice; a page plays one of many"
        raise ConfigError([Fault("env_cls", problem)], "run")
    algorithm = saved.config.algorithm.as_dict()
    algorithm[CHOSEN] = beam_value_weight(checkpoint)
    settings = part.as_dict()
    facts: dict[str, Any] = {
        "run": saved.folder.path.name,
        "algorithm": saved.config.algorithm.name,
        "environment": {"env_cls": part.name, "env": settings},
        "play": played(to_solve, algorithm, {}, 1),
        "judged_by_value": (algorithm.get("collecting") or {}).get("player") == "value",
    }
    title = arguments.title or _title(part.name, settings)
    arrays = policy_file.arrays_of(policy)
    content = policy_file.encode(part, env, policy, arrays)
    page = assemble(title, {**facts, "title": title}, engine, content)
    if arguments.exact or len(page.encode()) <= MOST_BYTES:
        return page, False
    rows = weights.rounded(arrays)
    arrays |= {name: own.matrix() for name, own in rows.items()}
    content = policy_file.encode(part, env, policy, arrays)
    facts["rows"] = list(rows)
    return assemble(title, {**facts, "title": title}, engine, content, rows), True


def _title(name: str | None, arguments: dict[str, Any]) -> str:
    if name == "Puzzle":
        return f"{arguments['width'] * arguments['height'] - 1}-puzzle"
    titles = {"LightsOut": "Lights Out", "Cube2": "2×2×2 cube", "LinearFunction": "CNOT synthesis",
              "Permutation": "Permutation routing", "GridWorld": "Grid world"}  # fmt: skip
    return titles.get(name or "", name or "")
