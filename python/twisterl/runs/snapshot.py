"""Everything of an algorithm that an iteration changes: to undo it, or to continue another day."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twisterl import on_demand
from twisterl.on_demand import torch
from twisterl.rl.array_adam import ArrayAdam
from twisterl.rl.held import Held
from twisterl.runs.errors import CheckpointError

_MOMENTS = "optimizer"
_RANDOM = "random"


# Plain numbers of an algorithm that an iteration moves.
COUNTERS = ("iteration", "total_steps", "elapsed_s", "num_without_improvement")


@dataclass
class Snapshot:
    """Copies of the weights, the optimizer's state and torch's generators, and all numbers."""

    weights: dict[str, Any]
    optimizer: dict[str, Any]
    random: dict[str, Any]
    memory: dict[str, Any]
    counters: dict[str, Any]
    difficulty: int
    curriculum: dict[str, Any]


def take(algorithm: Any) -> Snapshot:
    held = algorithm.held
    return Snapshot(
        {name: _copied(value) for name, value in held.policy.state_dict().items()},
        copy.deepcopy(held.optimizer.state_dict()),
        held.generators(algorithm.config["device"]),
        algorithm.memory(),
        {
            name: getattr(algorithm, name)
            for name in (*COUNTERS, "best_metrics", "beam_value_weight")
        },
        algorithm.env.difficulty,
        algorithm.curriculum.state(),
    )


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value.detach().clone()


def restore(snapshot: Snapshot, algorithm: Any) -> None:
    held = algorithm.held
    held.policy.load_state_dict(held.own(snapshot.weights))
    held.optimizer.load_state_dict(held.own_state(snapshot.optimizer))
    held.set_generators(held.own(snapshot.random), algorithm.config["device"])
    algorithm.remember(held.own(snapshot.memory))
    for name, value in snapshot.counters.items():
        setattr(algorithm, name, value)
    algorithm.env.difficulty = snapshot.difficulty
    algorithm.curriculum.restore(snapshot.curriculum)
    algorithm.sync_rs_policy()


@contextlib.contextmanager
def all_or_nothing(algorithm: Any) -> Iterator[None]:
    """Leaves `algorithm` as it was before the block where that does not end well."""
    before = take(algorithm)
    try:
        yield
    except BaseException:
        restore(before, algorithm)
        raise


def flatten(held: Held, device: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The optimizer and the generators as named tensors and JSON, without pickle."""
    state = held.optimizer.state_dict()
    tensors = {f"{_RANDOM}.{name}": value for name, value in held.generators(device).items()}
    scalars: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if hasattr(value, "shape"):
                tensors[f"{_MOMENTS}.{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    return tensors, {"scalars": scalars, "param_groups": state["param_groups"]}


def require_fit(tensors: dict[str, Any], notes: Any, held: Held, device: str, where: str) -> None:
    """Raises `CheckpointError` unless the optimizer could have given `tensors` and `notes`.

    Torch does not look: moments of another shape than their weights are written beyond their end.
    """
    problems = []
    for name, now in held.generators(device).items():
        saved = tensors.get(f"{_RANDOM}.{name}", now)
        if (saved.shape, saved.dtype) != (now.shape, now.dtype):
            problems.append(f"{_RANDOM}.{name} is no state of this torch's generator")
    scalars = notes.get("scalars") if isinstance(notes, dict) else None
    if not isinstance(scalars, dict) or not all(map(_are_numbers, scalars, scalars.values())):
        problems.append("its scalars are no numbers by weight and name")
        scalars = {}
    given = {key: value for key, value in tensors.items() if key.startswith(f"{_MOMENTS}.")}
    numbers = {f"{_MOMENTS}.{index}.{name}" for index, s in scalars.items() for name in s}
    expected = _expected(held.optimizer, {key.split(".")[1] for key in [*given, *numbers]})
    if expected is not None:
        for key in sorted(expected.keys() - given.keys() - numbers):
            problems.append(f"{key} is missing")
        for key in sorted((given.keys() | numbers) - expected.keys()):
            problems.append(f"{key} is not part of the optimizer")
        for key in sorted(given.keys() & expected.keys()):
            got, wanted = given[key], expected[key]
            if got.shape != wanted.shape or got.dtype != wanted.dtype:
                shapes = f"{list(got.shape)}; expected {wanted.dtype} {list(wanted.shape)}"
                problems.append(f"{key} is {got.dtype} {shapes}")
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise CheckpointError(f"{where}: does not fit the optimizer:{lines}")


def _are_numbers(index: str, scalars: Any) -> bool:
    is_named = index.isdecimal() and isinstance(scalars, dict)
    return is_named and all(isinstance(number, (int, float)) for number in scalars.values())


def _expected(optimizer: Any, indices: set[str]) -> dict[str, Any] | None:
    """What the optimizer remembers of the weights of these `indices`; None where nobody knows."""
    if isinstance(optimizer, ArrayAdam):
        return {
            f"{_MOMENTS}.{index}.{name}": value
            for index in indices & {str(number) for number in range(len(optimizer.shapes))}
            for name, value in optimizer.new_moments(int(index)).items()
        }
    if on_demand.is_imported() and isinstance(optimizer, torch.optim.Adam):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        names = ["exp_avg", "exp_avg_sq"]
        names += ["max_exp_avg_sq"] if optimizer.defaults["amsgrad"] else []
        found = {}
        for index in indices & {str(number) for number in range(len(weights))}:
            found.update({f"{_MOMENTS}.{index}.{name}": weights[int(index)] for name in names})
            found[f"{_MOMENTS}.{index}.step"] = torch.zeros(())
        return found
    return {
        f"{_MOMENTS}.{index}.{name}": value
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
    } or None


def unflatten(tensors: dict[str, Any], notes: dict[str, Any], held: Held, device: str) -> None:
    """Puts what `flatten` gave back into the optimizer and the generators.

    The learning rate and its siblings stay those of the optimizer: they belong to the config.
    """
    moments: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == _MOMENTS:
            index, _, name = rest.partition(".")
            moments.setdefault(int(index), {})[name] = value
    for index_text, entries in notes["scalars"].items():
        moments.setdefault(int(index_text), {}).update(entries)
    groups = held.optimizer.state_dict()["param_groups"]
    held.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    random = {k.partition(".")[2]: v for k, v in tensors.items() if k.startswith(f"{_RANDOM}.")}
    held.set_generators(random, device)
