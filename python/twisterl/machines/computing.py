"""What one worker does: it makes the players of a job once and computes ranges of it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Callable
from typing import Any

from twisterl.config.build import build_env
from twisterl.config.validation import check_env
from twisterl.faults import ConfigError, Fault
from twisterl.machines import job as jobs
from twisterl.machines import torch_played, wire
from twisterl.machines.job import Job
from twisterl.machines.kinds import KINDS, Players
from twisterl.rl.threads import torch_threads
from twisterl.twisterl import nn
from twisterl.twisterl.nn import cpu_level

_KIND_OF_FAULT = "fault"


class Computing:
    """Computes ranges of jobs; environment and policy are made anew only when they change.

    `trust`: classes of other packages are imported, as where a user's own config names them.
    """

    def __init__(self, *, trust: bool, num_cores: int = 1) -> None:
        self._trust, self._num_cores = trust, num_cores
        self._env: tuple[Any, Any] = None, None
        self._policy: tuple[Any, Any] = None, None
        self._weights: tuple[str | None, wire.Arrays] = None, {}
        # The last one, by its bytes.
        self._job: tuple[bytes, Job | None, str | None] = b"", None, None

    def part(self, content: bytes, weights: Callable[[], bytes], first: int, count: int) -> bytes:
        """Range `first..first + count` of the job that `content` is.

        `weights` is asked only where their version is not here. What goes wrong is a part too,
        which `part_of` raises.
        """
        begun = time.perf_counter()
        told: dict[str, Any] = {"job": digest(content), "first": first, "count": count}
        told["cpu"] = cpu_level()[0]
        arrays: wire.Arrays = {}
        try:
            job, version = self._made_job(content, weights)
            more, arrays = self._play(job, version, first, count)
            told["part"] = more
        except Exception as error:
            told[_KIND_OF_FAULT] = isinstance(error, (ValueError, TypeError))
            told["error"] = str(error) if told[_KIND_OF_FAULT] else _named(error)
        told["seconds"] = time.perf_counter() - begun
        return wire.pack(told, arrays)

    def _made_job(self, content: bytes, weights: Callable[[], bytes]) -> tuple[Job, str | None]:
        known, job, version = self._job
        if job is None or content != known:
            job, version = jobs.read(content, "job")
            if version is not None:
                if version != self._weights[0]:
                    self._weights = version, jobs.weights_of(weights())
                job = dataclasses.replace(job, weights=self._weights[1])
            self._job = content, job, version
        return job, version

    def _play(self, job: Job, version: str | None, first: int, count: int) -> Any:
        jobs.require_same(job, "job")
        if job.kind not in KINDS:
            raise wire.WireError(f"job: kind: expected one of {', '.join(KINDS)}, got {job.kind}")
        if not (0 <= first < first + count <= job.total):
            expected = f"some of 0..{job.total}"
            raise wire.WireError(f"range: expected {expected}, got {first}..{first + count}")
        env = self._made_env(job)
        players = Players(env, self._made_policy(job, version, env), self._num_cores)
        is_asked = torch_played.is_sent(job.policy)
        with torch_threads(1) if is_asked else contextlib.nullcontext():
            return KINDS[job.kind].play(players, job, first, count)

    def _made_env(self, job: Job) -> Any:
        if self._env[0] != job.env:
            trust = jobs.trusted(job.env, trust=self._trust)
            part = check_env(job.env.get("env_cls", ""), job.env.get("env", {}), "job")
            self._env = job.env, build_env(part, trust=trust)
        env = self._env[1]
        env.difficulty = job.difficulty
        return env

    def _made_policy(self, job: Job, version: str | None, env: Any) -> Any:
        if job.policy is None or job.kind == "fitness":
            return None
        known = job.policy, version, job.env
        if version is None or self._policy[0] != known:
            if torch_played.is_sent(job.policy):
                made = torch_played.made(job.policy, job.weights, env, trust=self._trust)
            else:
                perms = job.policy["obs_perms"], job.policy["act_perms"]
                made = nn.Policy.from_spec(job.policy["spec"], job.weights, *perms)
            self._policy = known, made
        return self._policy[1]


def digest(content: bytes) -> str:
    """What names a job: the SHA-256 of its bytes."""
    return hashlib.sha256(content).hexdigest()


def part_of(content: bytes, source: str, job: str | None = None) -> tuple[Any, wire.Arrays]:
    """`told` and the arrays of a part, of the job `job` if that is given.

    Raises what its worker met: `ConfigError` for a fault of the input, else `WorkerError`.
    """
    told, arrays = wire.unpack(content, source)
    require_success(told, source)
    if job not in (None, told.get("job")):
        raise wire.WireError(f"{source}: not a part of this job")
    return told, arrays


def require_success(told: dict[str, Any], source: str) -> None:
    """As `part_of`, of what a part tells."""
    if "error" in told:
        if told.get(_KIND_OF_FAULT):
            raise ConfigError([Fault("", str(told["error"]))], source)
        raise WorkerError(f"{source}: {told['error']}")
    if not isinstance(told.get("part"), dict):
        raise wire.WireError(f"{source}: not a part of a job")


def read(kind: str, told: Any, arrays: wire.Arrays) -> Any:
    """What `part_of` gives, ready to be put together."""
    return KINDS[kind].read(told["part"], arrays)


def merged(kind: str, parts: list[Any]) -> Any:
    """What the parts, as `read` gives them in their order, are together."""
    return KINDS[kind].merge(parts)


class WorkerError(RuntimeError):
    """What went wrong on a worker, in its own words."""


def _named(error: Exception) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
