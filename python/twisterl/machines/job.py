"""A job: what all ranges of a collection, an evaluation or a generation have in common, as data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisterl.config.trust import may_import
from twisterl.faults import ConfigError, Fault
from twisterl.machines import wire
from twisterl.machines.wire import Arrays
from twisterl.twisterl import __version__
from twisterl.twisterl.nn import cpu_level

# What JSON a job is, by key.
_TYPES: dict[str, Any] = {
    "kind": str,
    "total": int,
    "env": dict,
    "difficulty": int,
    "policy": (dict, type(None)),
    "work": dict,
    "version": str,
    "rounding": str,
}


@dataclass(frozen=True)
class Job:
    """Ranges `first..first + count` of `0..total` may be computed by anyone, anywhere.

    Attributes:
        kind: a key of `twisterl.machines.kinds.KINDS`.
        env: `env_cls` and `env` of a run config.
        difficulty: what the environment's is now.
        policy: `spec` (JSON text), `obs_perms` and `act_perms` of the engine's policy, or what
            `torch_played.sent` tells, or None.
        work: the arguments of the kind.
        weights: float32 arrays by name.
        arrays: what else the kind reads.
        version: of this package; another one may compute other bits.
        rounding: that of the processor (`twisterl.nn.cpu_level`), likewise.
    """

    kind: str
    total: int
    env: dict[str, Any]
    difficulty: int
    policy: dict[str, Any] | None
    work: dict[str, Any]
    weights: Arrays = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    version: str = __version__
    rounding: str = field(default_factory=lambda: cpu_level()[1])

    def packed(self) -> Packed:
        """As it travels: weights apart, which many jobs share."""
        weights = wire.pack({}, self.weights)
        told = {name: getattr(self, name) for name in _TYPES}
        told["weights"] = hashlib.sha256(weights).hexdigest()
        return Packed(wire.pack(told, self.arrays), weights, told["weights"])

    def to_bytes(self) -> bytes:
        """In one piece, as `python -m twisterl.worker` reads it."""
        told = {name: getattr(self, name) for name in _TYPES}
        arrays = {f"weights.{name}": values for name, values in self.weights.items()}
        arrays |= {f"arrays.{name}": values for name, values in self.arrays.items()}
        return wire.pack(told, arrays)


@dataclass(frozen=True)
class Packed:
    """A job and its weights as bytes; `weights_version` is the SHA-256 of the weights."""

    job: bytes
    weights: bytes
    weights_version: str


def read(content: bytes, source: str) -> tuple[Job, str | None]:
    """The job that `Packed.job` or `Job.to_bytes` is, and the version of weights that it lacks.

    Raises `WireError` for anything else.
    """
    told, arrays = wire.unpack(content, source)
    version = told.pop("weights", None)
    for name, kind in _TYPES.items():
        if not isinstance(told.get(name), kind) or isinstance(told[name], bool):
            raise wire.WireError(f"{source}: {name}: not that of a job")
    if told.keys() != _TYPES.keys() or told["total"] < 1:
        raise wire.WireError(f"{source}: not the keys of a job")
    if version is not None:
        return Job(**told, arrays=arrays), str(version)
    named: dict[str, Any] = {"weights": {}, "arrays": {}}
    for name, values in arrays.items():
        group, _, rest = name.partition(".")
        if group not in named:
            raise wire.WireError(f"{source}: {name}: not an array of a job")
        named[group][rest] = values
    return Job(**told, **named), None


def weights_of(content: bytes) -> Arrays:
    """What `Packed.weights` holds."""
    return wire.unpack(content, "weights")[1]


def require_same(job: Mapping[str, Any] | Job, source: str) -> None:
    """Raises `ConfigError` where this machine would compute other bits than the job's."""
    told = vars(job) if isinstance(job, Job) else job
    name, rounding = cpu_level()
    if told["version"] != __version__:
        problem = f"made by twisterl {told['version']}, and this is {__version__}; expected equal"
    elif told["rounding"] != rounding:
        problem = (
            f"made where products are rounded {told['rounding']!r}; this processor ({name}) "
            f"rounds {rounding!r}, and its bits would differ"
        )
    else:
        return
    raise ConfigError([Fault("", problem)], source)


def environment(algorithm: Any) -> dict[str, Any]:
    """`env_cls` and `env` of what makes the environment of `algorithm` again.

    Raises `ConfigError` for one that no other process can make.
    """
    from twisterl.runs.run_config import describe

    described = describe(algorithm)
    if "env_cls" in described.given:
        return {"env_cls": described.given["env_cls"], "env": described.given.get("env", {})}
    why = "; ".join(p.removeprefix("env: ") for p in described.problems if p.startswith("env: "))
    problem = f"cannot be sent to workers: {why}"
    raise ConfigError([Fault("env", problem)], "algorithm.collecting.workers")


def policy(algorithm: Any) -> tuple[dict[str, Any], Arrays]:
    """The description and the weights of the policy of `algorithm`, as they are now.

    Of one that torch plays, its class and arguments; `ConfigError` if it cannot be sent so.
    """
    from twisterl.machines import torch_played
    from twisterl.nn.spec import engine_parts

    held = algorithm.held.policy
    try:
        own = getattr(held, "engine_parts", None)
        spec, weights, obs_perms, act_perms = own() if own else engine_parts(held)
    except TypeError as error:
        return torch_played.sent(algorithm, error)
    return described(spec, obs_perms, act_perms), weights


def described(spec: str, obs_perms: Any, act_perms: Any) -> dict[str, Any]:
    """A network as JSON."""
    return {"spec": spec, "obs_perms": _lists(obs_perms), "act_perms": _lists(act_perms)}


def _lists(perms: Any) -> list[list[int]]:
    return [list(map(int, perm)) for perm in perms]


def trusted(env: Mapping[str, Any], *, trust: bool) -> bool:
    """Whether the classes that the environment of a job names may be imported."""
    return may_import(env, trust=trust) is not None
