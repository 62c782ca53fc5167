"""The policy network in NumPy, in double precision, and the two saved ones that are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

# Of logits and values, in single precision against double.
TOLERANCE = 1e-5

Forward = Callable[[Any], tuple[Any, Any]]


def load(path: str | Path) -> Forward:
    """observation [N, K], filled up with -1 -> logits [N, A] and values [N]."""
    tensors = {name: tensor.astype(np.float64) for name, tensor in load_file(path).items()}
    table = np.vstack([tensors["embeddings.weight"].T, np.zeros(len(tensors["embeddings.bias"]))])

    def forward(observation: Any) -> tuple[Any, Any]:
        # How often each row has a feature; the last one, of zeros, is what fills rows up.
        places = observation % len(table) + len(table) * np.arange(len(observation))[:, None]
        seen = np.bincount(places.ravel(), minlength=len(observation) * len(table))
        seen = seen.reshape(len(observation), len(table)).astype(np.float64)
        hidden = np.maximum(seen @ table + tensors["embeddings.bias"], 0)
        hidden = dense(tensors, "common", hidden, final_relu=True)
        logits = dense(tensors, "action", hidden, final_relu=False)
        return logits, dense(tensors, "value", hidden, final_relu=False)[:, 0]

    return forward


def dense(tensors: dict[str, Any], name: str, hidden: Any, final_relu: bool) -> Any:
    """The layers `name.0`, `name.2`, ...: the odd places are their ReLUs."""
    places = sorted(int(key.split(".")[1]) for key in tensors if key.startswith(f"{name}."))
    for place in sorted(set(places)):
        hidden = hidden @ tensors[f"{name}.{place}.weight"].T + tensors[f"{name}.{place}.bias"]
        if final_relu or place < places[-1]:
            hidden = np.maximum(hidden, 0)
    return hidden


def through_twist(forward: Forward, observation: Any, perms: Any) -> tuple[Any, Any]:
    """`obs'[k] = obs_perm[obs[k]]`, `logits'[a] = logits[act_perm[a]]`; None for no twist."""
    if perms is None:
        return forward(observation)
    obs_perm, act_perm = map(np.asarray, perms)
    logits, values = forward(np.where(observation < 0, -1, obs_perm[observation]))
    return logits[:, act_perm], values


def save_random(path: Path, features: int, num_actions: int, seed: int) -> None:
    """Writes a policy of 512 -> 256 with two more layers in each head, as its config has them."""
    source = np.random.default_rng(seed)
    widths = {"embeddings": (features, 512), "common.0": (512, 256)}
    widths |= {"action.0": (256, 64), "action.2": (64, num_actions)}
    widths |= {"value.0": (256, 32), "value.2": (32, 1)}
    tensors = {}
    for name, (inputs, outputs) in widths.items():
        scale = (3 / min(inputs, 64)) ** 0.5
        tensors[f"{name}.weight"] = source.uniform(-scale, scale, (outputs, inputs))
        tensors[f"{name}.bias"] = source.uniform(-0.1, 0.1, outputs)
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, path)
