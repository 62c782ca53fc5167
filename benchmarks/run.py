"""Measures TwisteRL, side by side with peers where they have the same function.

    python benchmarks/run.py quick            all but learning runs: `make bench`, ten minutes
    python benchmarks/run.py learning         those: `make bench-learning`, hours
    python benchmarks/run.py collect          one benchmark
    python benchmarks/run.py --no-peer env    without the peer

Each writes benchmarks/results/<name>.json with the machine, the commit, the command and the time it
took; `python benchmarks/render.py` puts them into the tables, `plots.py` into the plots. Both sides
get the same torch, threads, processors and weights; rounds alternate between them, and a ratio is
the median over rounds. A benchmark for which a peer or Mojo is missing says so; where CI=true that
is a failure.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import alphazero
import es
import evolution
import example_run
import growth
import languages
import learning
import optimum
import peer
import results
import sides
import speed
import walks
from sides import OURS, PEER

BENCHMARKS = {
    "languages": languages.languages,
    "engine": speed.engine,
    "search": speed.search,
    "mojo": evolution.mojo,
    "es": es.es,
    # The first that needs the example's network trains it, for all.
    "memory": example_run.memory,
    "collect": speed.collect,
    "evaluate": speed.evaluate,
    "solve": example_run.solve,
    "env": speed.env,
    "growth": growth.growth,
    "instructions": growth.instructions,
    "optimum": optimum.optimum,
    "imports": example_run.imports,
    "strategies": example_run.strategies,
    "train_step": speed.train_step,
    "iterate": speed.iterate,
    "dense": speed.dense,
    "reach": learning.reach,
    "quality": learning.quality,
    "walk8": walks.walk8,
    "walk15": walks.walk15,
    "walk15_long": walks.walk15_long,
    "walk_cube": walks.walk_cube,
    "walk_lights": walks.walk_lights,
    "environments": learning.environments,
    "az8": alphazero.az8,
    "az15": alphazero.az15,
    "az_search": alphazero.az_search,
    "es8": evolution.es8,
    "es15": evolution.es15,
}
GROUPS = {
    "quick": [name for name in BENCHMARKS if name not in results.LEARNING],
    "learning": list(results.LEARNING),
    "all": list(BENCHMARKS),
}


def main() -> int:
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
        if name in results.LEARNING:
            learning.add_options(name, command)
    options = parser.parse_args()
    skipped: list[str] = []
    options.skipped = skipped
    options.peer = options.peer and peer.is_there("peer", "the peer", skipped)
    begin = time.monotonic()
    for name in GROUPS.get(options.benchmark, [options.benchmark]):
        own = vars(commands.choices[name].parse_args([]))
        if options.benchmark in GROUPS:
            vars(options).update(own)
        start = time.monotonic()
        flags = "" if options.peer else " --no-peer"
        command = f"python benchmarks/run.py --repeats {options.repeats}{flags} {name}"
        for option in own:
            command += f" --{option} {getattr(options, option):g}"
        try:
            rows = BENCHMARKS[name](options)
        except sides.UnavailableError as error:
            skipped.append(f"{name}: {error}")
            continue
        taken = time.monotonic() - start
        path = results.write(name, command, rows, took_s=taken)
        print(f"{path.relative_to(results.ROOT)}, {taken:.0f} s")
        for each in rows:
            print(f"  {describe(each)}", flush=True)
    print(f"{time.monotonic() - begin:.0f} s in all")
    for reason in skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    # Whoever reads the results of CI must not miss a part of them.
    return 1 if skipped and os.environ.get("CI") == "true" else 0


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
        parts.append(f"(goal {kind} {value}: {'met' if each['goal']['met'] else 'MISSED'})")
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
