"""A run as one commit, and back: what continues it besides the config."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Collection
from typing import Any

from twisterl import on_demand, twisterl
from twisterl.on_demand import torch
from twisterl.runs import checkpoints, module_digest, plan, run_config, snapshot
from twisterl.runs.commits import Commit
from twisterl.runs.errors import CheckpointError, RunFolderError
from twisterl.runs.folder import RunFolder
from twisterl.runs.saved_state import require_state
from twisterl.runs.tensors import require_match

_logger = logging.getLogger("twisterl")
# The tensors of `Algorithm.memory` are named so, beside those of the optimizer.
_MEMORY = "memory."

# What a run hands on although the config says it too.
_HANDED_ON = (_DIFFICULTY, _DIFF_MAX, _NUM_STEPS) = (
    "env.difficulty", "algorithm.learning.diff_max", "algorithm.learning.num_steps",
)  # fmt: skip

_DIFF_METRIC = "algorithm.learning.diff_metric"

# What decides which tensors a run has.
_SHAPING = ("env", "policy", "algorithm.optimizer")

Changes = dict[str, tuple[Any, Any]]


def commit_of(algorithm: Any) -> Commit:
    """Everything that `restore` needs to go on as if the run had never stopped."""
    tensors, notes = snapshot.flatten(algorithm.held, algorithm.config["device"])
    state = {
        **{name: getattr(algorithm, name) for name in snapshot.COUNTERS},
        "started_from": algorithm.started_from,
        "num_iterations": algorithm.num_iterations,
        "schedule_iterations": algorithm.schedule_iterations,
        "difficulty": algorithm.env.difficulty,
        "curriculum": algorithm.curriculum.state(),
        "best_metrics": algorithm.best_metrics,
        "torch_threads": _torch_threads(algorithm),
        "versions": {
            "twisterl": twisterl.__version__,
            "torch": on_demand.version(),
            "python": platform.python_version(),
        },
        "config": run_config.whole(algorithm),
        "optimizer": notes,
    }
    tensors.update({f"{_MEMORY}{name}": value for name, value in algorithm.memory().items()})
    notes = checkpoints.notes(algorithm.beam_value_weight)
    return Commit(algorithm.held.policy.state_dict(), tensors, state, notes)


def restore(algorithm: Any, folder: RunFolder, commit: Commit, given: Collection[str] = ()) -> None:
    """Puts `commit` of `folder` into `algorithm`.

    What belongs to the run goes on as it was. What belongs to the config is as the config says now;
    every key that differs from the run's is told. So a difficulty, its bound or a length takes
    effect if it differs from that of the run's config, or is one of the paths `given` again.

    Raises `RunFolderError` for a run of another algorithm or module, and `CheckpointError` for
    another policy, changing nothing.
    """
    state, where = commit.state, os.fspath(folder.path)
    require_state(state, where)
    module_digest.require_same(algorithm.env, folder)
    before, now = run_config.before(folder, state), run_config.whole(algorithm)
    changes = run_config.differences(before, now)
    _require_same_kind(algorithm, commit, changes, where)
    weight = checkpoints.weight_in(commit.notes, where)
    device = algorithm.config["device"]
    memory = {
        name.removeprefix(_MEMORY): value
        for name, value in commit.optimizer.items()
        if name.startswith(_MEMORY)
    }
    algorithm.remember(memory)
    algorithm.held.policy.load_state_dict(commit.weights)
    snapshot.unflatten(commit.optimizer, state["optimizer"], algorithm.held, device)
    best = state["best_metrics"]
    algorithm.best_metrics = None if best is None else tuple(best)
    algorithm.beam_value_weight = weight
    for name in snapshot.COUNTERS:
        # Commits of earlier versions do not have them all.
        setattr(algorithm, name, state.get(name, 0))
    algorithm.started_from = state.get("started_from")
    algorithm.sync_rs_policy()
    notes = _threads(algorithm, state, changes)
    said = {path for path in _HANDED_ON if path in changes or _is_given(path, given)}
    notes += _length(algorithm, state, said)
    notes += _difficulty(algorithm, state, said)
    notes += _best(algorithm, changes)
    if changes:
        told = run_config.told(changes)
        _logger.warning("%s goes on with another config than it had:%s", where, told)
    for note in notes:
        _logger.warning("%s: %s", where, note)


def _is_given(path: str, given: Collection[str]) -> bool:
    """Whether `path` or a section that holds it is among those `given`."""
    return any(path == one or path.startswith(f"{one}.") for one in given)


def _require_same_kind(algorithm: Any, commit: Commit, changes: Changes, where: str) -> None:
    if "algorithm_cls" in changes:
        was, is_now = changes["algorithm_cls"]
        raise RunFolderError(f"{where}: algorithm_cls: the run is one of {was}; got {is_now}")
    device, notes = algorithm.config["device"], commit.state["optimizer"]
    try:
        require_match(commit.weights, algorithm.held.policy.state_dict(), where)
        snapshot.require_fit(commit.optimizer, notes, algorithm.held, device, where)
    except CheckpointError as error:
        shaping = {key: pair for key, pair in changes.items() if key.startswith(_SHAPING)}
        said = f"\nchanged since it was saved:{run_config.told(shaping)}" if shaping else ""
        raise CheckpointError(f"{error}{said}") from None


def _threads(algorithm: Any, state: dict[str, Any], changes: Changes) -> list[str]:
    """Torch's sums depend on how many threads share them, so the number goes on too."""
    threads, before = _torch_threads(algorithm), state["torch_threads"]
    if threads == before:
        return []
    if hasattr(algorithm, "num_threads") and "algorithm.collecting.num_cores" not in changes:
        algorithm.num_threads = before
        return []
    return [f"goes on with {threads} torch threads; it had {before}, so not bit for bit"]


def _length(algorithm: Any, state: dict[str, Any], said: Collection[str]) -> list[str]:
    """The planned length, which the config may replace, and that of the schedules."""
    if "num_iterations" not in state:
        config = algorithm.config
        lacks = config["training"].get("lr_schedule", {}).get("num_iterations") is None
        if lacks and plan.last_values(config):
            return ["was saved without its planned length; its schedules take that of now"]
        return []
    if _NUM_STEPS not in said:
        algorithm.num_iterations = state["num_iterations"]
    if algorithm.iteration:
        algorithm.schedule_iterations = state["schedule_iterations"]
    return []


def _difficulty(algorithm: Any, state: dict[str, Any], said: Collection[str]) -> list[str]:
    """The difficulty that was reached, unless the config says one or a lower bound anew."""
    reached, learning = state["difficulty"], algorithm.config["learning"]
    if _DIFFICULTY not in said:
        algorithm.env.difficulty = reached
        algorithm.curriculum.restore(state.get("curriculum", algorithm.curriculum.state()))
        algorithm.curriculum.is_unbounded &= learning["final_diff_is_none"]
        if _DIFF_MAX in said and reached > learning["diff_max"]:
            algorithm.env.difficulty = learning["diff_max"]
    now = algorithm.env.difficulty
    return [] if now == reached else [f"goes on at difficulty {now}; it had reached {reached}"]


def _best(algorithm: Any, changes: Changes) -> list[str]:
    """The best so far, unless it would be compared with what is measured in another way."""
    metric = algorithm.config["learning"]["diff_metric"]
    entry = f"algorithm.evals.{metric}."
    is_other = any(
        path == _DIFF_METRIC or (path.startswith(entry) and path != f"{entry}freq")
        for path in changes
    )
    if metric is None or algorithm.best_metrics is None or not is_other:
        return []
    algorithm.best_metrics = None
    algorithm.num_without_improvement = 0
    return [f"its best is found anew, as {metric} judges now"]


def _torch_threads(algorithm: Any) -> int:
    if hasattr(algorithm, "num_threads"):
        return int(algorithm.num_threads)
    return torch.get_num_threads()
