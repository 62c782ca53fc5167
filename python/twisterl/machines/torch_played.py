"""Policies that torch plays, on workers: made of a class and its arguments, and given a state dict.

torch promises no bits. So before any work the outputs for observations of a few episodes are
compared: of all at once, as one process plays, with those of fewer at a time, as workers do, and
with those of each worker. What differs is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from twisterl.config.resolve import import_class
from twisterl.config.trust import may_import
from twisterl.config.validation import check_policy
from twisterl.faults import ConfigError, Fault
from twisterl.machines.wire import Array, Arrays
from twisterl.on_demand import torch
from twisterl.rl.threads import torch_threads
from twisterl.runs.tensors import require_match
from twisterl.twisterl import collector, nn

# The lanes of a policy that torch plays, at most; a batch has one row of each that still plays.
NUM_ROWS = 256
# The rows of a batch are a multiple of these.
_BLOCK = 32
# Steps of the episodes that the observations are of.
_STEPS = 16


def sent(algorithm: Any, why: Exception) -> tuple[dict[str, Any], Arrays]:
    """What workers make the policy of `algorithm` of, which the engine does not play, and weights.

    Raises `ConfigError` for one that no other process can make.
    """
    from twisterl.nn.torch_policy import TorchPolicy
    from twisterl.runs.run_config import describe

    policy = algorithm.held.policy
    if not isinstance(policy, TorchPolicy):
        raise refused(f"the engine does not play it: {why}")
    described = describe(algorithm)
    if "policy_cls" not in described.given:
        known = [p.removeprefix("policy: ") for p in described.problems if p.startswith("policy: ")]
        raise refused(f"torch plays it ({why}), and {'; '.join(known)}")
    own = {"policy_cls": described.given["policy_cls"], "policy": described.given.get("policy", {})}
    return {**own, "torch": _torch()}, _arrays(policy)


def is_sent(policy: Mapping[str, Any] | None) -> bool:
    """Whether the `policy` of a job is what `sent` gave."""
    return policy is not None and "policy_cls" in policy


def made(told: Mapping[str, Any], weights: Arrays, env: Any, *, trust: bool) -> nn.Policy:
    """The engine's policy of what `sent` gave, for `env`; `trust` as in `import_class`."""
    from twisterl.nn.torch_policy import TorchPolicy

    if told["torch"] != _torch():
        raise refused(f"torch is {told['torch']} in the training process, and {_torch()} here")
    part = check_policy(told["policy_cls"], told["policy"], "job")
    trusted = may_import(told, trust=trust) is not None
    module_cls = import_class("policy_cls", part.path, trust=trusted)
    policy = TorchPolicy.of(module_cls, env, part.as_dict())
    state = {name: torch.from_numpy(np.array(values)) for name, values in weights.items()}
    require_match(state, policy.state_dict(), "job")
    policy.load_state_dict(state)
    return policy.asking_torch()


def trial(algorithm: Any) -> tuple[str, Arrays]:
    """A digest of the outputs of the policy for observations, and these, as workers get them.

    Raises `ConfigError` if outputs depend on how many observations share a batch.
    """
    policy = algorithm.held.policy.asking_torch()
    seen = _observations(algorithm.env, policy)
    whole = _outputs(policy, seen, slice(None))
    with torch_threads(1):
        for size in range(_BLOCK, NUM_ROWS, _BLOCK):
            # From places that are no multiples of anything.
            for first in (0, 7, NUM_ROWS - size - 1):
                part = slice(first, first + size)
                fewer = _outputs(policy, seen, part)
                if any(map(np.any, map(_differ, fewer, [each[part] for each in whole]))):
                    raise refused(
                        f"torch plays it, and gives an observation other bits among {size} than "
                        f"among {NUM_ROWS}, or by one thread; workers would play another game"
                    )
    names = ("observations", "remembered")
    return _digest(whole), dict(zip(names, seen, strict=False))


def require_outputs(policy: nn.Policy, digest: str, arrays: Arrays) -> None:
    """Refuses a `policy` whose outputs are not those of which `trial` gave a digest."""
    if _digest(_outputs(policy, list(arrays.values()), slice(None))) != digest:
        raise refused(
            "torch plays it, and what a worker makes of its class and arguments computes "
            "something else: another processor, or what its state dict does not hold"
        )


def refused(problem: str) -> ConfigError:
    problem = f"cannot be sent to workers: {problem}"
    return ConfigError([Fault("policy", problem)], "algorithm.collecting.workers")


class _Enough(Exception):
    """Observations have been seen."""


def _observations(env: Any, policy: nn.Policy) -> list[Array]:
    """Observations `[NUM_ROWS, *obs_shape]` of episodes, and what was remembered before them."""
    make, (evaluate, *rest) = _made_of(policy)
    seen: list[tuple[Array, ...]] = []

    def noting(*given: Array) -> Any:
        if len(seen) == _STEPS:
            raise _Enough
        seen.append(given)
        return evaluate(*given)

    settings = {"gamma": 1.0, "lambda": 1.0, "num_cores": 1, "cache": False}
    played = collector.PPOCollector(num_episodes=NUM_ROWS, **settings)
    with contextlib.suppress(_Enough):
        played.collect(env, make(noting, *rest))
    columns = [np.concatenate(parts) for parts in zip(*seen, strict=True)]
    rows = np.linspace(0, len(columns[0]) - 1, NUM_ROWS).astype(np.int64)
    return [np.ascontiguousarray(column[rows]) for column in columns]


def _outputs(policy: nn.Policy, given: list[Array], part: slice) -> list[Array]:
    evaluate = _made_of(policy)[1][0]
    return [np.ascontiguousarray(told) for told in evaluate(*(each[part].copy() for each in given))]


def _made_of(policy: nn.Policy) -> Any:
    """`Policy.from_torch`, and its arguments, the first of which is what asks torch."""
    return policy.__reduce__()


def _differ(one: Array, other: Array) -> Any:
    return one.view(np.int32) != np.ascontiguousarray(other).view(np.int32)


def _digest(outputs: list[Array]) -> str:
    return hashlib.sha256(b"".join(each.tobytes() for each in outputs)).hexdigest()


def _torch() -> str:
    """What decides the bits of torch."""
    return f"{torch.__version__} ({torch.backends.cpu.get_cpu_capability()})"


def _arrays(policy: Any) -> Arrays:
    arrays = {}
    for name, value in policy.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise refused(f"torch plays it, and {name} of its state dict is no tensor")
        if value.device.type != "cpu":
            raise refused(f"torch plays it on {value.device}; workers have the processor")
        whole = value.float() if value.dtype is torch.bfloat16 else value
        arrays[name] = whole.numpy(force=True)
    return arrays
