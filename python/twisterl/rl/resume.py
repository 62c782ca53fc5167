"""A run as one commit, and back: what continues it besides the config."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import platform
from typing import TYPE_CHECKING

import torch

from twisterl import twisterl
from twisterl.checkpoint import Commit
from twisterl.rl import snapshot
from twisterl.tensors import require_match

if TYPE_CHECKING:
    from twisterl.rl.algorithm import Algorithm

_logger = logging.getLogger("twisterl")
# The tensors of `Algorithm.memory` are named so, beside those of the optimizer.
_MEMORY = "memory."


def commit_of(algorithm: Algorithm) -> Commit:
    """Everything that `restore` needs to go on as if the run had never stopped."""
    tensors, notes = snapshot.flatten(algorithm.optimizer, algorithm.config["device"])
    state = {
        "iteration": algorithm.iteration,
        "difficulty": algorithm.env.difficulty,
        "best_metrics": algorithm.best_metrics,
        "total_steps": algorithm.total_steps,
        "elapsed_s": algorithm.elapsed_s,
        "num_without_improvement": algorithm.num_without_improvement,
        "seed": algorithm.config["seed"],
        "config_sha256": _config_hash(algorithm),
        "torch_threads": _torch_threads(algorithm),
        "versions": {
            "twisterl": twisterl.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "optimizer": notes,
    }
    tensors.update({f"{_MEMORY}{name}": value for name, value in algorithm.memory().items()})
    return Commit(algorithm.policy.state_dict(), tensors, state)


def restore(algorithm: Algorithm, commit: Commit) -> None:
    """Puts `commit` into `algorithm`; `CheckpointError` if the policy is another, changing nothing.

    A config or a thread count that differs is said, not refused: the run goes on, but not bit for
    bit as it would have.
    """
    state, where = commit.state, os.fspath(algorithm.run_path)
    require_match(commit.weights, algorithm.policy.state_dict(), where)
    if state["config_sha256"] != _config_hash(algorithm):
        _logger.warning("%s goes on with another config than it had", where)
    threads = _torch_threads(algorithm)
    if state["torch_threads"] != threads:
        before = state["torch_threads"]
        _logger.warning("%s goes on with %s torch threads; it had %s", where, threads, before)
    algorithm.policy.load_state_dict(commit.weights)
    device = algorithm.config["device"]
    snapshot.unflatten(commit.optimizer, state["optimizer"], algorithm.optimizer, device)
    memory = {
        name.removeprefix(_MEMORY): value
        for name, value in commit.optimizer.items()
        if name.startswith(_MEMORY)
    }
    algorithm.remember(memory)
    best = state["best_metrics"]
    algorithm.best_metrics = None if best is None else tuple(best)
    algorithm.iteration = state["iteration"]
    algorithm.total_steps = state["total_steps"]
    algorithm.elapsed_s = state["elapsed_s"]
    # Commits of earlier versions do not have it.
    algorithm.num_without_improvement = state.get("num_without_improvement", 0)
    algorithm.env.difficulty = state["difficulty"]


def _config_hash(algorithm: Algorithm) -> str:
    config = copy.deepcopy(algorithm.config)
    # A run may be made longer.
    config["learning"].pop("num_steps", None)
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def _torch_threads(algorithm: Algorithm) -> int:
    return getattr(algorithm, "num_threads", torch.get_num_threads())
