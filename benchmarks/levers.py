"""The levers of the solver by run.py, from `levers` to `reflection`.

- int8 inference: states a second of the reference network (512, 256) on the 15-puzzle by processor
  time, and what it costs the beams of a trained 8-puzzle.
- Bellman refinement: the 8-puzzle's walks with values learned from the next states in the last half
  of the iterations, beside the walks alone, of the same seeds.
- Two threads for one board, `one_board`: seconds of a beam of the reference network over equally
  many states; a machine without other work alone shows them.
- How much values weigh in a beam, `beam_weights`: what the training chooses beside fixed weights,
  on boards that neither training nor choice has seen.
- Tables of the states around the goal, `goal_table`: beams that end there, by their memory.
- The sliding puzzle's reflection, `reflection`: in training, and averaged by the beam.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from learner import prepare, uniform_boards
from results import row
from sides import OURS, ROOT, spread

# What most of the other benchmarks take for the reference network, but of four by four.
REFERENCE = {"embedding_size": 512, "common_layers": [256]}
CONFIG = ROOT / "examples" / "rw_puzzle8_v1.json"
ROWS = 2048
# Depths of a beam that finds nothing; width, least speed-up by two threads.
DEPTHS = 40
BEAMS = ((256, 1.5), (2048, 1.85))
SEEDS = (0, 1, 2)
PRECISIONS = ("f32", "int8")
# The share of optimal answers that short numbers may cost.
LOSS = 0.005
# What trains and is searched: example, widths of its beams, boards.
WEIGHED = {
    "8-puzzle": ("rw_puzzle8_v1", (4, 16), 1000),
    "2×2×2 cube": ("rw_cube2_v1", (64,), 300),
    "15-puzzle": ("rw_puzzle15_v1", (64, 2048), 500),
}
FIXED = (0.0, 24.0, 60.0)
# The share of optimal answers by which a fixed weight may be better.
WORSE = 0.01
# What ends at a table: example, boards, widths of its beams, MiB of the tables.
TABLED = {
    "8-puzzle": ("rw_puzzle8_v1", 1000, (16, 128), (0, 1, 2, 4, 8)),
    "15-puzzle": ("rw_puzzle15_v1", 200, (64,), (0, 16, 256)),
}
# What a beam of 128 without a table found of the 8-puzzle when the goal was set.
AS_BY_128 = {("8-puzzle", 16, 8): {"at_least": 0.999}}


def levers(options: argparse.Namespace) -> list[dict[str, Any]]:
    """int8 inference and Bellman refinement, by processor time."""
    return [*inference(options.repeats), *trained()]


def one(value: float) -> dict[str, Any]:
    return {OURS: spread([value])}


def reference() -> tuple[Any, Any]:
    """The 15-puzzle, and its network as it begins."""
    import torch
    from twisterl.envs import Puzzle
    from twisterl.nn import BasicPolicy

    torch.manual_seed(0)
    env = Puzzle(width=4, height=4, difficulty=1, depth_slope=2, max_depth=DEPTHS)
    return env, BasicPolicy(env.obs_shape(), env.num_actions(), **REFERENCE).to_rust()


def in_turns(works: list[Callable[[], Any]], repeats: int, clock: Callable[[], float]) -> Any:
    """The seconds of each, `[repeats][works]`, the first round left out."""
    rounds = []
    for _ in range(repeats + 1):
        taken = []
        for work in works:
            start = clock()
            work()
            taken.append(clock() - start)
        rounds.append(taken)
    return rounds[1:]


def inference(repeats: int) -> list[dict[str, Any]]:
    _, policy = reference()
    tiles = np.random.default_rng(0).permuted(np.tile(np.arange(16), (ROWS, 1)), axis=1)
    indices = (tiles + 16 * np.arange(16)).astype(np.int32).ravel()
    offsets = np.arange(ROWS + 1, dtype=np.int64) * 16

    def play(precision: str) -> Callable[[], Any]:
        return lambda: [
            policy.forward_batch(indices, offsets, precision=precision) for _ in range(20)
        ]

    taken = in_turns([play(p) for p in PRECISIONS], max(repeats, 5), time.process_time)
    rows = []
    for number, precision in enumerate(PRECISIONS):
        speeds = [20 * ROWS / round_[number] for round_ in taken]
        name = f"reference network, 4×4, {precision}, 1 thread"
        rows.append(row(name, "states/CPU-s", {OURS: spread(speeds)}))
    ratios = [exact / short for exact, short in taken]
    name = "reference network, 4×4: states/s of int8 / f32"
    return [*rows, row(name, "times", {OURS: spread(ratios)}, at_least=2.5)]


def one_board(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Two threads for one board."""
    from twisterl.twisterl import collector

    env, policy = reference()
    rows = []
    for width, goal in BEAMS:
        for precision in PRECISIONS:

            def play(cores: int, how: dict[str, Any]) -> Callable[[], Any]:
                return lambda: collector.evaluate_episodes(
                    env, policy, num_episodes=1, start="uniform", seed=3, num_cores=cores, **how
                )

            how = {"strategy": "beam", "beam_width": width, "precision": precision}
            taken = in_turns([play(1, how), play(2, how)], options.repeats, time.perf_counter)
            name = f"15-puzzle, one board, beam {width:,}, {precision}, 1 → 2 threads"
            figures = {OURS: spread([alone / both for alone, both in taken])}
            rows.append(row(name, "times", figures, **at_least(goal, precision)))
    return rows


def at_least(goal: float, precision: str) -> dict[str, float]:
    """The goals are those of f32."""
    return {"at_least": goal} if precision == "f32" else {}


def trained() -> list[dict[str, Any]]:
    boards = uniform_boards(np.random.default_rng(12345))
    shortest = optimal_lengths(boards)
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        for refined in (False, True):
            algorithm = prepare(str(CONFIG), seed, bellman(refined))
            start = time.process_time()
            algorithm.learn(algorithm.num_iterations)
            kind = "walks, then Bellman" if refined else "walks"
            name = f"8-puzzle, {kind}"
            found.setdefault(f"{name}: training|CPU-s", []).append(time.process_time() - start)
            for precision in PRECISIONS:
                for label, how in searches(precision):
                    share = optimal(algorithm, boards, shortest, how)
                    found.setdefault(f"{name}, {label}, {precision}: optimal|", []).append(share)
    rows = [row(*name.split("|"), {OURS: spread(values)}) for name, values in found.items()]
    for label, _ in searches(""):
        exact, short = (found[f"8-puzzle, walks, {label}, {p}: optimal|"] for p in PRECISIONS)
        lost = statistics.mean(exact) - statistics.mean(short)
        name = f"8-puzzle, walks, {label}: optimal answers that int8 costs"
        rows.append(row(name, "", one(lost), at_most=LOSS))
    return rows


def searches(precision: str) -> list[tuple[str, dict[str, Any]]]:
    value = {"strategy": "value", "precision": precision}
    beam = {"strategy": "beam", "beam_value_weight": 30.0, "precision": precision}
    widths = [(f"beam {width}", {**beam, "beam_width": width}) for width in (4, 16)]
    return [("by values", value), *widths]


def bellman(refined: bool) -> dict[str, Any]:
    # Judged at the end, so that no time of the training goes into it.
    judged = {"algorithm.evals.beam_16.freq": 1000, "algorithm.evals.beam_16.num_episodes": 1}
    return {**judged, "algorithm.training.bellman_from": 20} if refined else judged


def optimal_lengths(boards: Any) -> Any:
    import sys

    sys.path.insert(0, str(ROOT / "tests" / "reference"))
    import optimum

    return optimum.optimal_lengths(boards)


def optimal(algorithm: Any, boards: Any, shortest: Any, how: dict[str, Any]) -> float:
    """The share of boards that are solved by as few moves as there can be."""
    from twisterl.twisterl import collector

    found = collector.evaluate_episodes(
        copy.copy(algorithm.env), algorithm.policy.to_rust(), states=boards, num_cores=2, **how
    )
    return float(np.mean(found["success"] & (found["length"] == shortest)))


def beam_weights(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Optimal answers by the weight that the training chooses, and by fixed ones."""
    rows = []
    for name, (example, widths, count) in WEIGHED.items():
        algorithm = trained_on(example, {})
        chosen = algorithm.beam_value_weight
        rows.append(row(f"{name}, walks: values weigh, as chosen", "", one(chosen)))
        boards = uniform_states(algorithm.env, count)
        for width in widths:
            label = f"{name}, walks, beam {width:,}, values weigh"
            shares = {}
            for weight in (*FIXED, chosen):
                how = {"strategy": "beam", "beam_width": width, "beam_value_weight": weight}
                shares[weight] = optimal(algorithm, *boards, how)
            rows += [row(f"{label} {w:g}: optimal", "", one(shares[w])) for w in FIXED]
            rows.append(row(f"{label} as chosen: optimal", "", one(shares[chosen])))
            lost = max(shares.values()) - shares[chosen]
            title = f"{label}: optimal answers that the choice costs"
            rows.append(row(title, "", one(lost), at_most=WORSE))
    return rows


def goal_table(_: argparse.Namespace) -> list[dict[str, Any]]:
    """What beams find, prove and take by the size of a table of the states around the goal."""
    from twisterl.twisterl import collector

    rows = []
    for name, (example, count, widths, tables) in TABLED.items():
        algorithm = trained_on(example, {})
        env, policy = copy.copy(algorithm.env), algorithm.policy.to_rust()
        boards, shortest = uniform_states(env, count)
        for width in widths:
            how = {"strategy": "beam", "beam_width": width, "num_cores": 2}
            how["beam_value_weight"] = algorithm.beam_value_weight
            for mib in tables:
                how["goal_table_bytes"] = mib << 20
                # The table is built once for all calls.
                collector.evaluate_episodes(env, policy, states=boards[:1], **how)
                start = time.process_time()
                found = collector.evaluate_episodes(env, policy, states=boards, **how)
                spent = 1000 * (time.process_time() - start) / count
                is_shortest = found["success"] & (found["length"] == shortest)
                share = float(np.mean(is_shortest))
                table = f"table of {mib} MiB" if mib else "no table"
                label = f"{name}, walks, beam {width}, {table}"
                goal = AS_BY_128.get((name, width, mib), {})
                rows.append(row(f"{label}: optimal", "", one(share), **goal))
                if mib:
                    proven = float(np.mean(is_shortest & (found["at_least"] == found["length"])))
                    rows.append(row(f"{label}: proven", "", one(proven)))
                rows.append(row(f"{label}: a board", "CPU-ms", one(spent)))
    return rows


def reflection(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Beams of the 15-puzzle with and without the reflection, over as many states each."""
    rows = []
    for seen in (False, True):
        start = time.process_time()
        algorithm = trained_on("rw_puzzle15_v1", {"env.reflection": seen})
        label = f"15-puzzle, walks, {'with' if seen else 'without'} the reflection"
        spent = one(time.process_time() - start)
        rows.append(row(f"{label}: training", "CPU-s", spent))
        boards = uniform_states(algorithm.env, 200)
        for width, views in ((256, 1), (128, 2)) if seen else ((256, 1),):
            how = {"strategy": "beam", "beam_width": width, "beam_views": views}
            how["beam_value_weight"] = algorithm.beam_value_weight
            share = optimal(algorithm, *boards, how)
            title = f"{label}, beam {width}, {views} view{'s' * (views > 1)}: optimal"
            rows.append(row(title, "", one(share)))
    return rows


def trained_on(example: str, overrides: dict[str, Any]) -> Any:
    """The algorithm after the training of an example, judged at its end alone."""
    path = ROOT / "examples" / f"{example}.json"
    metric = json.loads(path.read_text())["algorithm"]["learning"]["diff_metric"]
    judge = f"algorithm.evals.{metric}"
    judged = {f"{judge}.freq": 1000, f"{judge}.beam_value_weight": None}
    algorithm = prepare(str(path), 0, {**judged, **overrides})
    algorithm.learn(algorithm.num_iterations)
    return algorithm


def uniform_states(env: Any, count: int) -> tuple[Any, Any]:
    """Uniformly random boards `[N, S]`, and their optima `[N]` by the exact solver."""
    from learner import uniform_states as drawn
    from twisterl.twisterl.collector import OptimalSolver

    boards = drawn(env, count)
    shortest, proven = OptimalSolver(env).lengths(states=boards, num_cores=2)
    assert proven.all()
    return boards, shortest
