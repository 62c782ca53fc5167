"""Measures TwisteRL, side by side with peers where they have the same function.

    python benchmarks/run.py quick            `make bench`: a quarter of an hour
    python benchmarks/run.py learning         `make bench-learning`: what learns longer, three hours
    python benchmarks/run.py collect          one benchmark
    python benchmarks/run.py --no-peer env    without the peer

Each writes benchmarks/results/<name>.json with the machine, the commit, the command and the time it
took; `python benchmarks/render.py` puts them into the tables, `plots.py` into the plots. Both sides
get the same torch, threads, processors and weights; rounds alternate between them, and a ratio is
the median over rounds. A benchmark for which a peer or Mojo is missing says so; where CI=true that
is a failure. One that fails does not keep the others from running; the exit status says so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

try:
    import alphazero
    import blocks
    import circuits
    import clients
    import compared
    import evolution
    import example_run
    import graphs
    import growth
    import languages
    import learning
    import levers
    import lights
    import machines
    import maps
    import patterns
    import proven
    import results
    import sides
    import synthesis
    import task_peers
    import task_runs
    import updates
    import walks
    import web
    from sides import OURS, PEER
    from twisterl.cli import streams
except ModuleNotFoundError as missing:
    if __name__ != "__main__":
        raise
    sys.exit(f"error: no module named {missing.name}: make bench installs what benchmarks need")

BENCHMARKS = {
    "languages": languages.languages,
    "engine": growth.engine,
    "search": compared.benchmark("search"),
    "mojo": evolution.mojo,
    "es": evolution.es,
    # The first that needs the example's network trains it, for all.
    "memory": example_run.memory,
    "collect": compared.benchmark("collect"),
    "evaluate": compared.benchmark("evaluate"),
    "solve": example_run.solve,
    "env": compared.benchmark("env"),
    "growth": growth.growth,
    "instructions": growth.instructions,
    "optimum": proven.optimum,
    "imports": example_run.imports,
    "strategies": example_run.strategies,
    "train_step": compared.benchmark("train_step"),
    "updates": updates.updates,
    "blocks": blocks.blocks,
    "iterate": compared.benchmark("iterate"),
    "dense": learning.dense,
    "reach": learning.reach,
    "quality": learning.quality,
    "curves": learning.curves,
    "walk8": walks.walk8,
    "walk15": walks.walk15,
    "walk15_long": walks.walk15_long,
    "walk_cube": walks.walk_cube,
    "walk_lights": walks.walk_lights,
    "environments": learning.environments,
    "tasks": task_runs.tasks,
    "recall": task_runs.recall,
    "task_networks": task_runs.task_networks,
    "beside_cartpole": task_peers.beside("cartpole"),
    "beside_pendulum": task_peers.beside("pendulum"),
    "beside_t_maze": task_peers.beside("t_maze"),
    "cart_pole_steps": task_peers.cart_pole_steps,
    "played": task_peers.played,
    "az8": alphazero.az8,
    "az15": alphazero.az15,
    "az_search": alphazero.az_search,
    "es8": evolution.es8,
    "es15": evolution.es15,
    "clients": clients.clients,
    "machines": machines.machines,
    "web": web.web,
    "synthesis": synthesis.synthesis,
    "levers": levers.levers,
    "one_board": levers.one_board,
    "beam_weights": levers.beam_weights,
    "goal_table": levers.goal_table,
    "reflection": levers.reflection,
    "commuting": lights.commuting,
    "parities": lights.parities,
    "shared_nodes": graphs.shared_nodes,
    "patterns": patterns.patterns,
    "lessons": patterns.lessons,
    "linear": circuits.linear,
    "cliffords": circuits.cliffords,
    "routing": circuits.routing,
    "couplings": circuits.couplings,
    "maps": maps.maps,
}
GROUPS = {
    "quick": [name for name in BENCHMARKS if name not in results.LEARNING],
    "learning": list(results.LEARNING),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each figure (3)")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="ours alone")
    parser.add_argument(
        "--checkpoint", type=Path, help="trained weights of the example config; else trained anew"
    )
    commands = parser.add_subparsers(dest="benchmark", required=True, metavar="benchmark")
    for name, members in GROUPS.items():
        commands.add_parser(name, help=", ".join(members))
    for name, function in BENCHMARKS.items():
        command = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        learning.add_options(name, command)
    options = parser.parse_args(arguments)
    options.skipped = []
    failed: list[str] = []
    begin = time.monotonic()
    run = f"{options.benchmark}, {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}"
    for name in GROUPS.get(options.benchmark, [options.benchmark]):
        own = vars(commands.choices[name].parse_args([]))
        if options.benchmark in GROUPS:
            vars(options).update(own)
        options.running = name
        flags = "" if options.peer else " --no-peer"
        command = f"python benchmarks/run.py --repeats {options.repeats}{flags} {name}"
        for option in own:
            command += f" --{option} {getattr(options, option):g}"
        start = time.monotonic()
        try:
            rows = BENCHMARKS[name](options)
        except sides.UnavailableError as error:
            options.skipped.append(f"{name}: {error}")
            continue
        except Exception:  # What is left of hours is measured still.
            traceback.print_exc()
            failed.append(name)
            continue
        taken = time.monotonic() - start
        path = results.write(name, command, rows, run=run, took_s=taken)
        say("\n  ".join([f"{path.name}, {taken:.0f} s", *map(describe, rows)]))
    say(f"{time.monotonic() - begin:.0f} s in all")
    for reason in options.skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}; their errors are above", file=sys.stderr)
    # Whoever reads the results of CI must not miss a part of them.
    return 1 if failed or (options.skipped and os.environ.get("CI") == "true") else 0


def say(text: str) -> None:
    """Progress, which may be lost: the results are in files."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def describe(each: dict[str, Any]) -> str:
    """A row as a line of text."""
    parts = [f"{each['name']}:"]
    for key, value in {**each, **each.get("columns", {})}.items():
        if key in (OURS, PEER) or key in each.get("columns", {}):
            parts.append(f"{key} {value['median']:,.4g} {each['unit']}")
    for key, label in (("ratio", "ratio"), ("ratio_cpu", "by CPU time")):
        if key in each:
            parts.append(f"{label} {each[key]['median']:.2f}")
    if "goal" in each:
        kind, value = next(iter(each["goal"].items()))
        parts.append(f"(goal {kind} {value:.3g}: {'met' if each['goal']['met'] else 'MISSED'})")
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(streams.run(main))
