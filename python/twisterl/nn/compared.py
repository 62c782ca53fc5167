"""Whether the engine computes what torch computes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from twisterl import twisterl
from twisterl.nn.dense import as_floats
from twisterl.nn.describing import NUM_ROWS, described, uncompiled
from twisterl.nn.parts import size, split
from twisterl.nn.spec import all_blocks
from twisterl.nn.utils import array

# Largest difference of a number, as a share of the largest one that its layer gives, or of 1.
TOLERANCE = 1e-4
# Of the episodes that a policy with memory is compared on.
NUM_STEPS = 5


def require_equal(policy: Any, engine: twisterl.nn.Policy) -> None:
    """Compares a `TorchPolicy` and its copy in the engine on random observations.

    Raises:
        RuntimeError: they differ; the first layer that does is named.
    """
    given, features = _observations(policy)
    x = as_floats(torch.from_numpy(given), policy.obs_dtype).to(torch.float32)
    module, _, method = policy.of_arrays(copy.deepcopy(policy.module).to("cpu", torch.float32))
    torch_says = described(
        module, policy.obs_shape, policy.obs_dtype, observations=x, method=method
    )
    batch: tuple[Any, ...] = (given,) if features is None else features
    if isinstance(policy.obs_dtype, dict):
        batch = (_as_told(given, policy.obs_dtype),)
    for place, numbers in engine.activations(*batch):
        name, expected = torch_says.made.get(place, (None, None))
        if name is not None and expected is not None:
            _require_close(name, torch.from_numpy(numbers), expected)
    logits, values = engine.forward_batch(*batch)
    if policy.state_size:
        told = torch_says.logits, torch_says.values
    else:
        # The module itself: what was followed of it may be less than what it does.
        module = uncompiled(module).eval()
        with torch.no_grad():
            told = getattr(module, method)(x)
    _require_close("the logits", torch.from_numpy(logits), told[0])
    _require_close("the values", torch.from_numpy(values), told[1])
    if policy.state_size:
        _require_equal_episodes(module, method, x, engine, given, features)


def _require_equal_episodes(
    module: Any,
    method: str,
    x: torch.Tensor,
    engine: twisterl.nn.Policy,
    given: Any,
    features: Any,
) -> None:
    """Compares them along episodes: torch is told sequences, the engine one step after another."""
    orders: list[Any] = [np.roll(np.arange(NUM_ROWS), step) for step in range(NUM_STEPS)]
    module = uncompiled(module).eval()
    with torch.no_grad():
        state = module.initial_state(NUM_ROWS)
        play = getattr(module, method)
        *told, after = play(torch.stack([x[order] for order in orders], 1), state)
    states = array(state)
    for step, order in enumerate(orders):
        rows, offsets = (given[order], None) if features is None else _rows(features, order)
        *outputs, states = engine.step_batch(rows, offsets, states)
        for name, got, expected in zip(("logits", "values"), outputs, told, strict=True):
            name = f"the {name} of step {step} of an episode"
            _require_close(name, torch.from_numpy(got), expected[:, step])
    _require_close("the state after an episode", torch.from_numpy(states), after)


def _rows(sparse: tuple[Any, Any], order: Any) -> tuple[Any, Any]:
    """The sparse rows in another order."""
    features, offsets = sparse
    parts = [features[offsets[row] : offsets[row + 1]] for row in order]
    lengths = np.array([len(part) for part in parts], np.int64)
    return np.concatenate(parts), np.concatenate([[0], lengths.cumsum()])


def _require_close(name: str, got: torch.Tensor, expected: torch.Tensor) -> None:
    expected = expected.reshape(got.shape)
    off = float((got - expected).abs().max())
    if not off <= TOLERANCE * max(1.0, float(expected.abs().max())):
        raise RuntimeError(
            f"policy: expected the engine to compute what torch does, got a difference of "
            f"{off:.3g} at {name}"
        )


def _observations(policy: Any) -> tuple[Any, tuple[Any, Any] | None]:
    """Random observations as the environment has them, and the active features of sparse ones."""
    random = np.random.default_rng(0)
    shape = (NUM_ROWS, *policy.obs_shape)
    if policy.obs_dtype == "uint8":
        return random.integers(0, 256, shape, np.uint8), None
    if policy.obs_dtype == "float32":
        codes = [block["num"] for block in all_blocks(policy.net_spec()) if "num" in block]
        if codes:
            return random.integers(0, min(codes), shape).astype(np.float32), None
        return random.standard_normal(shape, np.float32), None
    if isinstance(policy.obs_dtype, dict):
        drawn = {
            "float32": lambda size: random.standard_normal(size, np.float32),
            "uint8": lambda size: random.integers(0, 256, size, np.uint8).astype(np.float32) / 255,
            "sparse": lambda size: np.asarray(random.random(size) < 0.3, np.float32),
        }
        sizes = [(part["dtype"], size(part)) for part in policy.obs_dtype.values()]
        columns = [drawn[dtype]((NUM_ROWS, count)) for dtype, count in sizes]
        return np.concatenate(columns, 1, dtype=np.float32), None
    ones = random.random(shape) < 0.3
    return ones.astype(np.float32), _active(ones)


def _active(ones: Any) -> tuple[Any, Any]:
    """Which features are active, and where those of each row begin."""
    rows, features = np.nonzero(ones.reshape(NUM_ROWS, -1))
    offsets = np.searchsorted(rows, np.arange(NUM_ROWS + 1)).astype(np.int64)
    return features.astype(np.int32), offsets


def _as_told(given: Any, parts: Any) -> dict[str, Any]:
    """Vectors as the engine takes each part of them."""
    told = split(torch.from_numpy(given), parts)
    ways: dict[str, Any] = {
        "float32": np.asarray,
        "uint8": lambda shares: np.rint(np.asarray(shares) * 255).astype(np.uint8),
        "sparse": lambda ones: _active(np.asarray(ones)),
    }
    return {name: ways[part["dtype"]](told[name]) for name, part in parts.items()}
