"""Measures TwisteRL, side by side with the peer twisterl 0.5.1 where it has the same function.

    python benchmarks/run.py collect          one benchmark
    python benchmarks/run.py quick            all that take less than a few minutes each
    python benchmarks/run.py all              the long ones too
    python benchmarks/run.py --no-peer env    without the peer

Each writes benchmarks/results/<name>.json with the machine, the commit and the command; `python
benchmarks/render.py` puts them into the tables, `plots.py` into the plots. Both sides get the same
torch, threads, processors and weights; rounds alternate between them, and a ratio is the median
over rounds. `reach`, `quality` and `environments` take many minutes, see learning.py; `walk8`,
`walk15`, `walk15_long` and `walk_cube` take minutes, see walks.py, and so do `az8` and
`az_search`, see alphazero.py, and `es8` and `es15`, see evolution.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import alphazero
import dense_ppo
import es
import evolution
import growth
import languages
import learning
import optimum
import peer
import results
import sides
import walks
from results import row
from sides import OURS, PEER, ROOT, Bench, compare_rounds, spread

EXAMPLE = ROOT / "examples" / "ppo_puzzle8_v1.json"
DIFFICULTY = growth.WORKLOADS["collection"]["difficulty"]
EPISODES = growth.WORKLOADS["collection"]["episodes"]
DEFAULT_EPISODES = 512 * 32


def collect(options: argparse.Namespace) -> list[dict[str, Any]]:
    """PPO collection with the reference network, without and with the evaluation cache."""
    rows = []
    with Bench(options.repeats, options.peer) as bench:
        for side in (3, 4):
            request = {
                "task": "collect",
                "side": side,
                "difficulty": DIFFICULTY,
                "episodes": EPISODES,
            }
            kinds: list[tuple[str, dict[str, Any], bool]] = [
                ("exact f32, no cache", request, False),
                ("cache", request, True),
            ]
            if side == 3:
                # The cache begins empty in every collection, so it depends on what is collected.
                many = {**request, "episodes": DEFAULT_EPISODES}
                kinds.append(("cache, 16,384 episodes (the default)", many, True))
                trained = {**request, "checkpoint": str(trained_weights(options))}
                kinds.append(("cache, trained example", trained, True))
            for kind, asked, cache in kinds:
                for threads in (1, 2) if asked["episodes"] == EPISODES else (1,):
                    figures = bench.compare(
                        {**asked, "threads": threads}, threads, {"cache": cache}
                    )
                    name = f"collection {side}×{side}, {kind}, {plural(threads)}"
                    goal = {"ratio": 30 if cache else 4.5} if side == 3 or not cache else {}
                    rows.append(row(name, "steps/s", figures, **goal))
            # A round of a few milliseconds would show what starting threads takes.
            many = {**request, "episodes": DEFAULT_EPISODES}
            rows.append(scaling(bench, f"collection {side}×{side}, 1 → 2 threads", many))
    return rows


def plural(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def scaling(bench: Bench, name: str, request: dict[str, Any]) -> dict[str, Any]:
    """How much faster two threads are than one, without the cache; rounds alternate."""
    rates: list[dict[int, float]] = []
    for _ in range(bench.repeats):
        found = {}
        for threads in (1, 2):
            measured = bench.measure(OURS, threads, {**request, "threads": threads, "cache": False})
            found[threads] = measured["count"] / measured["seconds"]
        rates.append(found)
    figures = {OURS: spread(rate[2] / rate[1] for rate in rates)}
    return row(name, "times", figures, at_least=1.9)


def search(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Simulations of AlphaZero's collection; trees are not kept, so that all are run."""
    rows = []
    simulations = growth.WORKLOADS["search"]["simulations"]
    with Bench(options.repeats, options.peer) as bench:
        for work in growth.WORKLOADS["search"]["rounds"]:
            difficulty, cache = work["difficulty"], work["cache"]
            request = {"task": "search", "side": 3, "difficulty": difficulty}
            request["simulations"] = simulations
            ours = {"episodes": work["episodes"], "cache": cache, "reuse": False}
            # The peer takes as long for fewer episodes.
            theirs = {"episodes": work["peer_episodes"]}
            kind = "cache" if cache else "every leaf evaluated"
            name = f"search, {simulations} simulations a move, difficulty {difficulty}, {kind}"
            for threads in (1, 2):
                asked = {**request, "threads": threads}
                figures = bench.compare(asked, threads, ours, theirs)
                goal = {"ratio": work["ratio"]}
                rows.append(row(f"{name}, {plural(threads)}", "simulations/s", figures, **goal))
            if not cache:
                rows.append(scaling(bench, f"{name}, 1 → 2 threads", {**request, **ours}))
    return rows + against_mctx(options)


def against_mctx(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Gumbel search of uniformly random boards, every leaf evaluated, one thread."""
    work = growth.WORKLOADS["search"]["gumbel"]
    simulations, batch = work["simulations"], work["batch"]
    ours = {
        "side": 3,
        "difficulty": 256,
        "threads": 1,
        "episodes": work["episodes"],
        "max_moves": work["moves"],
        "root_selection": "gumbel",
        "cache": False,
    }
    with_peer = options.peer and peer.is_there("mctx", "search against mctx", options.skipped)
    with Bench(options.repeats, with_peer, "mctx") as bench:
        request = {"task": "search", "simulations": simulations}
        theirs = {"batch": batch, "moves": work["moves"]}
        figures = bench.compare(request, 1, ours, theirs)
    name = f"search, Gumbel, {simulations} simulations a move (peer: mctx, batch {batch}), 1 thread"
    found = row(name, "simulations/s", figures, ratio_cpu=1.5)
    return [{**found, "peer_is": peer.PEERS["mctx"].title} if with_peer else found]


def evaluate(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluation of 1,000 episodes, sampled and greedy."""
    rows = []
    with Bench(options.repeats, options.peer) as bench:
        for threads in (1, 2):
            for deterministic in (False, True):
                request = {
                    "task": "evaluate",
                    "side": 3,
                    "difficulty": DIFFICULTY,
                    "threads": threads,
                    "episodes": 1000,
                    "deterministic": deterministic,
                }
                how = "greedy" if deterministic else "sampled"
                name = f"evaluate 1,000 episodes {how}, {plural(threads)}"
                rows.append(row(name, "episodes/s", bench.compare(request, threads), ratio=10))
    return rows


def solve(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Greedy solution of one board by `Algorithm.solve`, with a trained network."""
    checkpoint = trained_weights(options)
    boards = solvable_boards(checkpoint, 100)
    request = {"task": "solve", "checkpoint": str(checkpoint), "boards": boards, "repeats": 5}
    with Bench(options.repeats, options.peer) as bench:
        figures = per_call(bench.compare(request))
    return [row("solve one board, greedy, from Python", "µs", figures, at_most=100)]


def trained_weights(options: argparse.Namespace) -> Path:
    """The weights given by --checkpoint, or those of the example config, trained once."""
    if options.checkpoint is None:
        options.checkpoint = trained_run(options) / "checkpoint_last.safetensors"
    return options.checkpoint


def trained_run(options: argparse.Namespace) -> Path:
    """The run folder of the example config, trained once; `options.peak_mib` is what it took."""
    if not hasattr(options, "folder"):
        options.folder = tempfile.TemporaryDirectory()
        run = Path(options.folder.name) / "run"
        command = [sys.executable, "-m", "twisterl.train", "--config", str(EXAMPLE)]
        child = subprocess.Popen(
            [*command, "--run_path", str(run)],
            env=without_thread_choice(),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        usage = sides.ended(child, "training")
        # Kilobytes on Linux, bytes on macOS.
        options.peak_mib = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Path(options.folder.name) / "run"


def solvable_boards(checkpoint: Path, count: int) -> list[list[int]]:
    """Uniformly random boards that the network of `checkpoint` solves greedily."""
    sys.path.insert(0, str(ROOT / "python"))
    from twisterl.rl import PPO
    from worker import make_env, make_policy

    env = make_env(3, 1)
    algorithm = PPO(env, make_policy(env, str(checkpoint)), {"device": "cpu"})
    source = random.Random(0)
    boards: list[list[int]] = []
    while len(boards) < count:
        board = list(range(9))
        source.shuffle(board)
        try:
            if algorithm.solve(board, True):
                boards.append(board)
        except ValueError:
            continue  # Half of all boards cannot be solved.
    return boards


def per_call(figures: dict[str, Any]) -> dict[str, Any]:
    """Microseconds a call instead of calls a second; ratios stay rates."""

    def invert(spread: dict[str, float]) -> dict[str, float]:
        low, high = 1e6 / spread["high"], 1e6 / spread["low"]
        return {**spread, "median": 1e6 / spread["median"], "low": low, "high": high}

    return {
        key: value if key.startswith("ratio") else invert(value) for key, value in figures.items()
    }


def env(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The environment called from Python."""
    calls: dict[str, list[int]] = {"reset": [], "step": [1], "observe": [], "masks": []}
    rows = []
    with Bench(options.repeats, options.peer) as bench:
        for method, arguments in calls.items():
            request = {
                "task": "env_calls",
                "side": 3,
                "difficulty": DIFFICULTY,
                "method": method,
                "arguments": arguments,
            }
            name = f"{method} from Python" + (" (32 moves)" if method == "reset" else "")
            rows.append(row(name, "µs", per_call(bench.compare(request))))
    return rows


IMPORT = """
import sys, time
start = time.perf_counter()
import twisterl
print(time.perf_counter() - start, int("torch" in sys.modules))
"""


def imports(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds that `import twisterl` takes, and whether it imports torch."""
    figures: dict[str, Any] = {}
    torch = {}
    seconds: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        for side in [OURS, PEER] if options.peer else [OURS]:
            done = subprocess.run(
                [sides.interpreter(side), "-c", IMPORT],
                env=sides.environment(side, 2),
                capture_output=True,
                text=True,
                check=True,
            )
            taken, with_torch = done.stdout.split()
            seconds.setdefault(side, []).append(float(taken))
            torch[side] = bool(int(with_torch))
    figures = {side: spread(values) for side, values in seconds.items()}
    return [
        {**row("import twisterl", "s", figures, at_most=0.3), "imports_torch": torch},
    ]


def memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Peak resident memory of the training run of the example config."""
    trained_run(options)
    figures = {OURS: spread([options.peak_mib])}
    return [row("peak memory of `make train`", "MiB", figures, at_most=500)]


def strategies(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One PPO network on uniformly random boards: sampling, tree search, beams."""
    command = [sys.executable, "benchmarks/strategies.py", str(trained_run(options))]
    subprocess.run(
        command,
        env=sides.environment(OURS, 2),
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found: list[dict[str, Any]] = results.read("strategies")["rows"]
    return found


def without_thread_choice() -> dict[str, str]:
    """The environment of a user who has chosen no number of threads."""
    found = sides.environment(OURS, 1)
    del found["OMP_NUM_THREADS"]
    return found


def train_step(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Full-batch PPO updates on the same data (benchmarks/train_step.py)."""
    rows = []
    for side in (3, 4):
        command = [sys.executable, "benchmarks/train_step.py", "--json", "--width", str(side)]
        command += ["--repeats", str(options.repeats)]
        if options.peer:
            command += ["--peer-python", str(peer.ensure())]
        done = subprocess.run(
            command,
            env=sides.environment(OURS, 2),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        report = json.loads(done.stdout)
        figures: dict[str, Any] = {}
        for clock, suffix in (("seconds", ""), ("cpu_s", "_cpu")):
            for who in [OURS, PEER] if options.peer else [OURS]:
                rate = report[f"{who}_sample_epochs_per_{clock}"]
                figures[who + suffix] = {"median": rate, "rounds": options.repeats}
            if options.peer:
                figures["ratio" + suffix] = {"median": report[f"ratio_{clock}"]}
        name = f"training step {side}×{side}, {report['threads']} threads"
        rows.append(
            {
                **row(name, "sample-epochs/s", figures, ratio=1.5),
                "samples": report["samples"],
                "distinct": report["distinct"],
                "largest_loss_difference": report.get("largest_loss_difference"),
            }
        )
    return rows


def engine(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The Rust engine alone: cargo run --release --bin benchmark -- --json."""
    goals = {
        "reset (32 moves)": 70,
        "step": 5,
        "combined step": 12,
        "search, PUCT 100, the tree alone": 100,
    }
    rows = []
    for side in (3, 4):
        command = "cargo run --quiet --release --bin benchmark -- --json"
        done = subprocess.run(
            [*command.split(), "--width", str(side), "--height", str(side)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for figure in json.loads(done.stdout)["figures"]:
            value = {key: figure[key] for key in ("median", "low", "high")}
            name = figure["name"]
            goal = {"at_most": goals[name]} if side == 3 and name in goals else {}
            unit = figure["unit"]
            rows.append(row(f"{name}, {side}×{side}", unit, {OURS: value}, **goal))
    return rows


def dense(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A plain PPO in dense PyTorch on a batched numpy environment, its parts against ours."""
    rows = []
    for threads in (1, 2):
        rounds: dict[str, list[dict[str, Any]]] = {"collection": [], "whole iteration": []}
        plain = dense_ppo.DensePPO(3, DIFFICULTY, EPISODES, threads)
        plain.iterate()
        request = {"side": 3, "difficulty": DIFFICULTY, "threads": threads}
        with Bench(options.repeats, with_peer=False) as bench:
            for _ in range(min(options.repeats, 3)):
                measured = plain.iterate()
                collecting = {"task": "collect", "episodes": EPISODES, **request}
                collected = bench.measure(OURS, threads, collecting)
                iterated = bench.measure(OURS, threads, {"task": "iterate", **request})
                rounds["collection"].append({OURS: collected, PEER: measured["collect"]})
                rounds["whole iteration"].append({OURS: iterated, PEER: measured["total"]})
        for name, found in rounds.items():
            title = f"{name} against dense PyTorch, {plural(threads)}"
            rows.append(
                {**row(title, "steps/s", compare_rounds(found)), "peer_is": "dense PyTorch"}
            )
    return rows


def iterate(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Whole learning iterations with the settings of the reference config, no evaluation."""
    rows = []
    with Bench(min(options.repeats, 3), options.peer) as bench:
        for threads in (1, 2):
            request = {"task": "iterate", "side": 3, "difficulty": DIFFICULTY, "threads": threads}
            figures = bench.compare(request, threads)
            rows.append(row(f"learning iteration 3×3, {plural(threads)}", "steps/s", figures))
    return rows


BENCHMARKS = {
    "languages": languages.languages,
    "engine": engine,
    "search": search,
    "mojo": evolution.mojo,
    "es": es.es,
    "collect": collect,
    "evaluate": evaluate,
    "solve": solve,
    "env": env,
    "growth": growth.growth,
    "instructions": growth.instructions,
    "optimum": optimum.optimum,
    "imports": imports,
    "memory": memory,
    "strategies": strategies,
    "train_step": train_step,
    "iterate": iterate,
    "dense": dense,
    "reach": learning.reach,
    "quality": learning.quality,
    "walk8": walks.walk8,
    "walk15": walks.walk15,
    "walk15_long": walks.walk15_long,
    "walk_cube": walks.walk_cube,
    "environments": learning.environments,
    "az8": alphazero.az8,
    "az_search": alphazero.az_search,
    "es8": evolution.es8,
    "es15": evolution.es15,
}
LONG = (
    *("reach", "quality", "environments", "az8", "az_search", "es8", "es15"),
    *("walk8", "walk15", "walk15_long", "walk_cube"),
)
# The others together take less than ten minutes.
NOT_QUICK = (*LONG, "iterate", "dense")


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
    commands.add_parser("quick", help="all but " + " and ".join(NOT_QUICK))
    commands.add_parser("all", help="all, with the options that each has by default: hours")
    for name, function in BENCHMARKS.items():
        command = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        if name in LONG:
            learning.add_options(name, command)
    options = parser.parse_args()
    skipped: list[str] = []
    options.skipped = skipped
    options.peer = options.peer and peer.is_there("peer", "the peer", skipped)
    chosen = [options.benchmark]
    if options.benchmark in ("quick", "all"):
        is_all = options.benchmark == "all"
        chosen = [name for name in BENCHMARKS if is_all or name not in NOT_QUICK]
    begin = time.monotonic()
    for name in chosen:
        own = vars(commands.choices[name].parse_args([]))
        if options.benchmark == "all":
            vars(options).update(own)
        start = time.monotonic()
        flags = "".join([" --no-peer"] if not options.peer else [])
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
        print(f"{path.relative_to(ROOT)}, {taken:.0f} s")
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
