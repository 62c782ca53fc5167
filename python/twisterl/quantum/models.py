"""What a synthesis may cost, and networks for its beams: trained on first use, kept in a cache."""

from __future__ import annotations

import functools
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import twisterl.envs
from twisterl import cache
from twisterl.config.json import read_json
from twisterl.config.validation import check_run
from twisterl.faults import ConfigError, InputError, unknown
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.progress import bar
from twisterl.quantum.targets import ENVIRONMENTS, LINEAR, NETWORK, PERMUTATION, Target
from twisterl.runs import checkpoints
from twisterl.runs.errors import CheckpointError, RunFolderError
from twisterl.runs.folder import BASE_CONFIG, BEST, RunFolder
from twisterl.utils import prepare_algorithm

GUIDES = ["pairs", "network"]
_SAMPLES_AN_ITERATION = 30_000
_EPISODE = ("difficulty", "depth_slope", "max_depth")


@dataclass(frozen=True)
class Budget:
    """What a synthesis may cost.

    Attributes:
        node_limit: states of the exact search, about 25 bytes each; 0 for none.
        table_classes: classes of states around the identity that searches of small linear functions
            and Cliffords share, one for all that symmetries make of a state; about 25 bytes each.
        beam_width: of the beam searches where the exact one found nothing; 0 for none.
        num_iterations: of training where the cache has no model, about half a second each; 0 for
            none, so that nothing that is learned leads a beam.
        model: folder of a run that leads the beams in place of what the cache has: of another's
            cache, `twisterl train` or `twisterl hub pull`.
        guide: "network" takes a model for every target, as `model` does, also for those that need
            none by default ("pairs"): permutations, led by what stands in the way of every two
            qubits, and small Cliffords and linear functions, led by classes or ranks.

    Raises:
        ValueError, TypeError: a number is negative or no integer, or there is no such guide.
    """

    node_limit: int = 1_500_000
    table_classes: int = 3_000_000
    beam_width: int = 1024
    num_iterations: int = 200
    model: str | None = None
    guide: str = "pairs"

    def __post_init__(self) -> None:
        if self.guide not in GUIDES:
            raise InputError(f"budget.guide: {unknown(str(self.guide), GUIDES, 'guide')}")
        if self.model is not None and not isinstance(self.model, (str, os.PathLike)):
            raise TypeError(f"budget.model: got {self.model!r}; expected a path")
        for name, number in vars(self).items():
            if name in ("model", "guide"):
                continue
            if isinstance(number, bool) or not isinstance(number, int):
                raise TypeError(f"budget.{name}: got {number!r}; expected an integer")
            if number < 0:
                raise InputError(f"budget.{name}: got {number}; expected at least 0")

    def is_by_pairs(self, target: Target) -> bool:
        """Whether no network leads the beams of `target`."""
        return target.kind == PERMUTATION and self.guide == "pairs" and self.model is None


def run_config(target: Target, coupling: Coupling, num_iterations: int) -> dict[str, Any]:
    """Of the training; walks are about as long as the circuits of random targets."""
    kind = target.kind
    n, distance = coupling.num_qubits, coupling.mean_distance()
    if kind == PERMUTATION:
        walk_length = n * distance
    else:
        walk_length = n * n * (0.5 if kind == LINEAR else 0.4) * distance
    if kind == NETWORK:
        walk_length += target.num_places()
    length = max(8, round(walk_length))
    return {
        "env_cls": ENVIRONMENTS[kind],
        "env": {**target.arguments(coupling), "max_depth": max(256, 4 * length)},
        "policy_cls": "BasicPolicy",
        "policy": {
            "embedding_size": 512,
            "common_layers": [256],
            "policy_layers": [],
            "value_layers": [],
        },
        "algorithm_cls": "RandomWalk",
        "algorithm": {
            "seed": 0,
            "collecting": {
                "num_walks": max(100, _SAMPLES_AN_ITERATION // length),
                "walk_length": length,
            },
            "training": {
                "minibatch_size": 512,
                "sample_power": 0.5,
                "lr_schedule": {"kind": "cosine", "final_ratio": 0.0},
            },
            "learning": {"num_steps": num_iterations},
            "optimizer": {"lr": 0.003},
            "evals": {},
        },
    }


def trained(target: Target, coupling: Coupling, budget: Budget) -> Any:
    """The algorithm of `run_config` after its training: from memory, the cache, or made now.

    A file of the cache that cannot be used is named in a warning and written again. `budget.model`
    is taken as it is; `InputError` if it is no run, or one of another environment.
    """
    config = run_config(target, coupling, budget.num_iterations)
    if budget.model is not None:
        return _given(str(budget.model), config["env_cls"], json.dumps(config["env"]))
    text = json.dumps(config, sort_keys=True)
    name = cache.named(f"{target.kind}-{target.num_qubits}", text)
    return _trained(text, name, cache.folder())


def _board(env_cls: str, env: dict[str, Any]) -> dict[str, Any]:
    """What tells boards of an environment of ours apart, how long episodes are aside."""
    arguments = getattr(twisterl.envs, env_cls)(**env).arguments()
    return {name: value for name, value in arguments.items() if name not in _EPISODE}


@functools.lru_cache(8)
def _given(model: str, env_cls: str, env: str) -> Any:
    folder = RunFolder(model)
    try:
        config = read_json(folder.path / BASE_CONFIG)
        check_run(config)
        if config["env_cls"] not in (env_cls, f"twisterl.envs.{env_cls}"):
            raise InputError(f"budget.model: got one of {config['env_cls']}; expected {env_cls}")
        own, wanted = _board(env_cls, config["env"]), _board(env_cls, json.loads(env))
        if own != wanted:
            raise InputError(f"budget.model: got a model of {own}; expected one of {wanted}")
        weights = folder.weights_path()
        # It may come from anywhere: no class of another package is imported.
        return prepare_algorithm(config, load_checkpoint_path=weights, trust=False)
    except (ConfigError, CheckpointError, RunFolderError) as error:
        raise InputError(f"budget.model: {error}") from None


@functools.lru_cache(8)
def _trained(config: str, name: str, root: Path | None) -> Any:
    path = None if root is None else root / cache.MODELS / name
    if path is not None and (path / BEST).exists():
        try:
            algorithm = prepare_algorithm(json.loads(config), load_checkpoint_path=path / BEST)
        except CheckpointError as error:
            warnings.warn(f"{error}; trained again", stacklevel=5)
        else:
            cache.mark_used(path / BEST)
            return algorithm
    algorithm = prepare_algorithm(json.loads(config))
    total = algorithm.num_iterations
    show = bar(f"training {name}", "iterations")
    algorithm.subscribe(lambda progress: show(progress.iteration + 1, total))
    algorithm.learn(total)
    algorithm.sync_rs_policy()
    if path is None:
        return algorithm
    folder = RunFolder(path)
    try:
        folder.prepare()
        folder.write_json(BASE_CONFIG, json.loads(config))
        notes = checkpoints.notes(algorithm.beam_value_weight)
        folder.save_best(algorithm.held.policy.state_dict(), notes)
    except OSError as error:
        warnings.warn(f"{path}: the model is not kept: {error.strerror}", stacklevel=5)
    return algorithm
