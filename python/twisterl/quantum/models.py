"""Networks for beams: trained on first use by random walks, and kept in a cache."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisterl import __version__
from twisterl.faults import InputError
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.targets import ENVIRONMENTS, LINEAR, PERMUTATION
from twisterl.runs import tensors
from twisterl.runs.errors import CheckpointError
from twisterl.runs.files import write_atomic
from twisterl.utils import prepare_algorithm

_SAMPLES_AN_ITERATION = 30_000


@dataclass(frozen=True)
class Budget:
    """What a synthesis may cost.

    Attributes:
        node_limit: states of the exact search, about 25 bytes each; 0 for none.
        beam_width: of the beam searches where the exact one found nothing; 0 for none.
        num_iterations: of training where the cache has no model, about half a second each; 0 for
            none, so that only the exact search is used.

    Raises:
        ValueError, TypeError: a number is negative or no integer.
    """

    node_limit: int = 1_500_000
    beam_width: int = 1024
    num_iterations: int = 200

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if isinstance(number, bool) or not isinstance(number, int):
                raise TypeError(f"budget.{name}: got {number!r}; expected an integer")
            if number < 0:
                raise InputError(f"budget.{name}: got {number}; expected at least 0")


def cache_folder() -> Path:
    """`TWISTERL_CACHE`, else the folder for caches of the platform."""
    own = os.environ.get("TWISTERL_CACHE")
    if own:
        return Path(own)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "twisterl" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "twisterl"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twisterl"


def run_config(kind: str, coupling: Coupling, num_iterations: int) -> dict[str, Any]:
    """Of the training; walks are about as long as the circuits of random targets."""
    n, distance = coupling.num_qubits, coupling.mean_distance()
    if kind == PERMUTATION:
        walk_length = n * distance
    else:
        walk_length = n * n * (0.5 if kind == LINEAR else 0.4) * distance
    length = max(8, round(walk_length))
    return {
        "env_cls": ENVIRONMENTS[kind],
        "env": {**coupling.arguments(kind == LINEAR), "max_depth": max(256, 4 * length)},
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


def trained(kind: str, coupling: Coupling, num_iterations: int) -> Any:
    """The algorithm of `run_config` after its training: from memory, the cache, or made now.

    A file of the cache that cannot be used is named in a warning and written again.
    """
    config = json.dumps(run_config(kind, coupling, num_iterations), sort_keys=True)
    digest = hashlib.sha256(f"{__version__} {config}".encode()).hexdigest()[:16]
    path = cache_folder() / "models" / f"{kind}-{coupling.num_qubits}-{digest}.safetensors"
    return _trained(config, path)


@functools.lru_cache(8)
def _trained(config: str, path: Path) -> Any:
    if path.exists():
        try:
            return prepare_algorithm(json.loads(config), load_checkpoint_path=path)
        except CheckpointError as error:
            warnings.warn(f"{error}; trained again", stacklevel=5)
    algorithm = prepare_algorithm(json.loads(config))
    total = algorithm.num_iterations

    def show(progress: Any) -> None:
        done = progress.iteration + 1
        end = "\r" if sys.stderr.isatty() and done < total else "\n"
        if end == "\r" or done in (1, total):
            text = f"twisterl: training {path.stem}: {done} of {total} iterations"
            print(text, end=end, file=sys.stderr, flush=True)

    algorithm.subscribe(show)
    algorithm.learn(total)
    algorithm.sync_rs_policy()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        weights = algorithm.held.policy.state_dict()
        write_atomic(path, tensors.encode(weights, {"twisterl.config": config}))
    except OSError as error:
        warnings.warn(f"{path}: the model is not kept: {error.strerror}", stacklevel=5)
    return algorithm
