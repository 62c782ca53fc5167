"""Small runs of every algorithm, and what a run leaves that two equal runs have in common."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from twisterl.runs import tensors
from twisterl.runs.folder import BASE_CONFIG, BEST, FULL_CONFIG, LAST, METRICS, RunFolder

# What a clock says is not the same twice.
CLOCK = ("times", "elapsed_s")

_BOARD = {"width": 2, "height": 2, "difficulty": 2, "depth_slope": 2, "max_depth": 32}
_OPTIMIZER = {"lr": 0.003}
_ALGORITHMS: dict[str, dict[str, Any]] = {
    "PPO": {
        "collecting": {"num_cores": 2, "num_episodes": 32},
        "training": {"num_epochs": 2, "minibatch_size": 64},
        "learning": {"diff_metric": "ppo_1", "diff_max": 8, "diff_threshold": 0.3},
        "evals": {"ppo_1": {"num_episodes": 20, "num_cores": 1}},
    },
    "AZ": {
        "collecting": {"num_cores": 2, "num_episodes": 12, "num_mcts_searches": 6},
        "training": {"num_epochs": 1, "minibatch_size": 32},
        "learning": {"diff_metric": "search", "diff_max": 8, "diff_threshold": 0.3},
        "evals": {"search": {"num_episodes": 10, "num_cores": 1, "num_mcts_searches": 4}},
    },
    "RandomWalk": {
        "collecting": {"num_cores": 2, "num_walks": 20, "walk_length": 12},
        "training": {"minibatch_size": 32},
        "learning": {"diff_metric": "beam", "diff_max": 4, "diff_threshold": 0.3},
        "evals": {"beam": {"strategy": "beam", "beam_width": 4, "num_episodes": 10}},
    },
    "ES": {
        "collecting": {"num_cores": 2, "num_pairs": 4, "num_episodes": 8},
        "training": {"num_generations": 2, "sigma": 0.05},
        "learning": {"diff_metric": "greedy", "diff_max": 8, "diff_threshold": 0.3},
        "evals": {"greedy": {"num_episodes": 20, "deterministic": True, "num_cores": 1}},
    },
}
ALGORITHMS = list(_ALGORITHMS)


def config(algorithm: str, num_steps: int, seed: int = 0) -> dict[str, Any]:
    """A run config whose iterations take milliseconds and are all committed, or every other."""
    found = json.loads(json.dumps(_ALGORITHMS[algorithm]))
    found["learning"]["num_steps"] = num_steps
    common = [] if algorithm == "ES" else [8]
    return {
        "env_cls": "twisterl.envs.Puzzle",
        "env": dict(_BOARD),
        "policy_cls": "twisterl.nn.BasicPolicy",
        "policy": {"embedding_size": 32, "common_layers": common},
        "algorithm_cls": f"twisterl.rl.{algorithm}",
        "algorithm": {
            **found,
            "seed": seed,
            "device": "cpu",
            "optimizer": dict(_OPTIMIZER),
            "logging": {"log_freq": 0, "checkpoint_freq": 1 + seed % 2},
        },
    }


def fingerprint(folder: Path) -> dict[str, str]:
    """The SHA-256 of what a finished run leaves, clocks left out."""
    commit = RunFolder(folder).load_commit()
    state = {name: value for name, value in commit.state.items() if name not in CLOCK}
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    metrics = [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]
    parts = {
        LAST: (folder / LAST).read_bytes(),
        BEST: (folder / BEST).read_bytes() if (folder / BEST).exists() else b"",
        METRICS: json.dumps(metrics).encode(),
        "state": json.dumps(state, sort_keys=True).encode(),
        "weights": _bytes(commit.weights),
        "optimizer": _bytes(commit.optimizer),
    }
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def _bytes(values: dict[str, Any]) -> bytes:
    return b"".join(name.encode() + values[name].numpy().tobytes() for name in sorted(values))


def require_whole(folder: Path) -> int:
    """Raises unless every file of the run is whole; the iterations that are committed."""
    for name in (BASE_CONFIG, FULL_CONFIG):
        if (folder / name).exists():
            json.loads((folder / name).read_bytes())
    for name in (LAST, BEST):
        if (folder / name).exists():
            tensors.read(folder / name)
    resume = folder / "resume"
    if not resume.is_dir() or not any(entry.name.isdigit() for entry in resume.iterdir()):
        return 0
    committed = int(RunFolder(folder).load_commit().state["iteration"])
    lines = (folder / METRICS).read_text().splitlines()[:committed]
    written = [json.loads(line)["iteration"] for line in lines]
    if written != list(range(committed)):
        raise AssertionError(f"{METRICS} has {written} of {committed} committed iterations")
    return committed
