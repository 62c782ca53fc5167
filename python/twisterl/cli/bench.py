"""`twisterl bench`."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

DESCRIPTION = "Measure this machine: environment, collection, evaluation, solving, training."
EPILOG = """\
examples:
  twisterl bench                    the reference network on the 3 x 3 board, some ten seconds
  twisterl bench --width 4 --height 4 --json
  twisterl bench --no-train         without the training step

Each figure is the best of several rounds. cargo run --release --bin benchmark measures the
engine without Python."""

_ROUNDS = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--width", type=int, default=3, metavar="W")
    add("--height", type=int, default=3, metavar="H")
    add("--difficulty", type=int, default=32, metavar="D", help="random moves of a scramble")
    add("--num_episodes", "--num-episodes", type=int, default=1024, metavar="N")
    add("--no-train", action="store_true", help="leave the training step out")
    add("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli.signals import interruptible

    with interruptible():
        figures = measure(arguments)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:<44} {_readable(name, value)}" for name, value in figures.items()))
    return 0


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Figures by name; the unit ends the name."""
    from twisterl.config.environments import PuzzleArguments
    from twisterl.config.ppo import PPOCollecting
    from twisterl.config.validation import check_section
    from twisterl.utils import prepare_algorithm

    puzzle = {
        "width": arguments.width,
        "height": arguments.height,
        "difficulty": arguments.difficulty,
    }
    check_section(PuzzleArguments, puzzle, "--", "command line")
    check_section(PPOCollecting, {"num_episodes": arguments.num_episodes}, "--", "command line")
    config: dict[str, Any] = {
        "env_cls": "Puzzle",
        "env": {**puzzle, "depth_slope": 2, "max_depth": 256},
        "policy_cls": "BasicPolicy",
        "algorithm_cls": "PPO",
        "algorithm": {"collecting": {"num_episodes": arguments.num_episodes}, "device": "cpu"},
    }
    algorithm = prepare_algorithm(config)
    env, policy = algorithm.env, algorithm.rs_pol
    figures: dict[str, float] = {}
    figures["reset_us"] = 1e6 / _rate(lambda: _repeat(env.reset, 2000))
    figures["step_us"] = 1e6 / _rate(lambda: _repeat(lambda: env.step(0), 2000))

    from twisterl.twisterl import collector

    for cache in (False, True):
        cores = [1] if (os.cpu_count() or 1) == 1 else [1, os.cpu_count() or 1]
        for num_cores in cores:
            settings = {
                **algorithm.collector_arguments(),
                "num_cores": num_cores,
                "cache": cache,
            }
            engine = collector.PPOCollector(**settings)
            name = f"collect_{num_cores}_threads{'_cached' if cache else ''}_steps_per_second"
            figures[name] = _rate(partial(_collect, engine, env, policy))
    figures["evaluate_episodes_per_second"] = _rate(
        lambda: len(collector.evaluate_episodes(env, policy, num_episodes=1000)["success"])
    )
    state = list(range(arguments.width * arguments.height))
    state[0], state[1] = state[1], state[0]
    figures["solve_greedy_us"] = 1e6 / _rate(
        lambda: _repeat(lambda: algorithm.solve(state, True), 200)
    )
    if not arguments.no_train:
        batch, _ = algorithm.data_to_train(algorithm.collect()[0])
        samples = len(algorithm.collect()[0].actions)
        algorithm.config["training"]["num_epochs"] = 1

        def train() -> int:
            algorithm.train(batch)
            return samples

        figures["train_sample_epochs_per_second"] = _rate(train)
    return figures


def _collect(engine: Any, env: Any, policy: Any) -> int:
    return len(engine.collect(env, policy).actions)


def _repeat(call: Callable[[], object], times: int) -> int:
    for _ in range(times):
        call()
    return times


def _rate(work: Callable[[], int]) -> float:
    """Units of work a second, the best of several rounds; the first only warms up."""
    work()
    best = 0.0
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        amount = work()
        best = max(best, amount / (time.perf_counter() - start))
    return best


def _readable(name: str, value: float) -> str:
    return f"{value:.2f}" if name.endswith("_us") else f"{value:,.0f}"
