"""What the example configs of tasks reach in 1,000 episodes, and what their training takes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sides
from learning import worst
from results import row
from sides import OURS, ROOT, printed, spread

# The mean return and the seconds of training, start to end, that the worst seed is to reach.
TASKS: dict[str, tuple[float, float]] = {
    "ppo_cartpole_v1": (475, 10),
    "ppo_pendulum_v1": (-200, 60),
    "ppo_catch_v1": (0.99, 10),
    "ppo_two_walkers_v1": (0.9, 60),
    "ppo_t_maze_v1": (0.9, 60),
}
# The same by policies of other kinds.
NETWORKS: dict[str, tuple[float, float]] = {
    "ppo_pendulum_continuous_v1": (-200, 120),
    "ppo_catch_cnn_v1": (0.99, 60),
    "ppo_catch_impala_v1": (0.99, 60),
    "ppo_two_walkers_shared_v1": (0.9, 60),
    "ppo_two_walkers_independent_v1": (0.9, 60),
    "ppo_two_walkers_puffer_v1": (0.9, 60),
}
# Memories that learn which way to turn from what is seen once.
MEMORIES = ("ppo_t_maze_gru_v1", "ppo_t_maze_v1", "ppo_t_maze_adn_v1", "ppo_t_maze_nf_v1")
# Percent of the mazes and the seconds of training of the worst seed.
RECALLED, RECALLED_S = 99, 120
# Of the evaluation: others than those that a training was judged by.
EVAL = ["--num_episodes", "1000", "--seed", "1000", "--json"]


def tasks(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the example configs of tasks reach in 1,000 episodes, and what training takes."""
    return learned(TASKS, options)


def task_networks(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the example configs of tasks reach by policies of other kinds."""
    return learned(NETWORKS, options)


def learned(
    configs: dict[str, tuple[float, float]], options: argparse.Namespace
) -> list[dict[str, Any]]:
    rows = []
    for name, (least, longest_s) in configs.items():
        runs = of_seeds(name, options.seeds)
        rows += [
            worst(f"{name}: mean return", "", [run["reward"] for run in runs], at_least=least),
            row(f"{name}: solved", "%", {OURS: spread(100 * run["success"] for run in runs)}),
            worst(f"{name}: training", "s", [run["seconds"] for run in runs], at_most=longest_s),
            row(f"{name}: training", "CPU-s", {OURS: spread(run["cpu_s"] for run in runs)}),
            row(f"{name}: training", "steps", {OURS: spread(run["steps"] for run in runs)}),
        ]
        rows[-1]["runs"] = runs
    return rows


def recall(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the memory task's configs solve: by GRU, LSTM, ADN and NF."""
    rows = []
    for name in MEMORIES:
        runs = of_seeds(name, options.seeds)
        solved = [100 * run["success"] for run in runs]
        seconds = [run["seconds"] for run in runs]
        rows += [
            worst(f"{name}: solved", "%", solved, at_least=RECALLED),
            worst(f"{name}: training", "s", seconds, at_most=RECALLED_S),
            row(f"{name}: training", "CPU-s", {OURS: spread(run["cpu_s"] for run in runs)}),
            row(f"{name}: training", "steps", {OURS: spread(run["steps"] for run in runs)}),
        ]
        rows[-1]["runs"] = runs
    return rows


def of_seeds(name: str, seeds: int) -> list[dict[str, Any]]:
    runs = []
    for seed in range(seeds):
        runs.append(run(name, seed))
        said = {key: value for key, value in runs[-1].items() if key != "curve"}
        print(f"  {name} seed {seed}: {said}", file=sys.stderr, flush=True)
    return runs


def run(name: str, seed: int) -> dict[str, Any]:
    """One training of a config by the command, its evaluation, and the returns on its way."""
    environment = sides.without_thread_choice(OURS)
    twisterl = [sys.executable, "-m", "twisterl.cli"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        config = ["--config", str(ROOT / "examples" / f"{name}.json"), "--seed", str(seed)]
        begin = time.monotonic()
        child = subprocess.Popen(
            [*twisterl, "train", *config, "--run_path", str(path)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        usage = sides.ended(child, f"training of {name}")
        seconds = time.monotonic() - begin
        lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        found = json.loads(printed([*twisterl, "eval", str(path), *EVAL], environment))
    return {
        "seconds": seconds,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "steps": lines[-1]["total_steps"],
        "reward": found["mean_reward"],
        "success": found["success"],
        "curve": [
            {"steps": line["total_steps"], "return": line["reward"]}
            for line in lines
            if line["reward"] is not None
        ],
    }
