"""Workers that are actors of a Ray cluster: it places them, moves bytes, and tells who is lost.

Bytes alone travel by it; Ray's own pickles hold no object of a user. No port is opened beyond
Ray's, which have no authentication: docs/machines.md says how to run a cluster.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections import Counter
from typing import Any

from twisterl.faults import ConfigError, Fault
from twisterl.machines.computing import Computing
from twisterl.machines.job import Packed
from twisterl.machines.transport import Answer, Range
from twisterl.on_demand import MissingPackage
from twisterl.twisterl import __version__

# Within which the first worker has to be there.
_START_S = 60.0
_CONNECT_S = 5.0
_SECTION = "algorithm.collecting.workers"


class Actor:
    """What runs on the node of a worker."""

    def __init__(self, path: list[str], num_cores: int, trust: bool) -> None:
        # Modules of the user's own, where the nodes have them at the same place.
        sys.path += [place for place in path if place not in sys.path]
        self._computing = Computing(trust=trust, num_cores=num_cores)

    def hello(self) -> str:
        return __version__

    def part(self, job: bytes, version: str, weights: list[Any], first: int, count: int) -> bytes:
        """`weights` is a reference in a list, which Ray does not fetch before it is asked to."""
        import ray

        return self._computing.part(job, lambda: ray.get(weights[0]), first, count)


class OnRay:
    """`num_workers` actors of `num_cores` processors each, placed as nodes have room.

    Those that no node has room for join when one does; nodes may come and go.
    """

    def __init__(
        self,
        num_workers: int,
        *,
        address: str | None = None,
        num_cores: int = 1,
        trust: bool = True,
    ) -> None:
        self._wanted, self._num_cores, self._trust = num_workers, num_cores, trust
        self._address = address
        self._ray: Any = None
        self._is_ours = False
        # By number: the actor, and whether it is there; by reference, who was asked what.
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, tuple[int, Range | None]] = {}
        self._ready: set[int] = set()
        self._weights: tuple[str | None, Any] = None, None
        self._next = 0

    def start(self) -> None:
        self._ray, self._is_ours = connected(self._address)
        while len(self._actors) < self._wanted:
            self._add()
        self._require_one()

    def loads(self) -> dict[int, int]:
        asked = Counter(number for number, _ in self._asked.values())
        return {number: asked[number] for number in sorted(self._ready)}

    def num_workers(self) -> int:
        return len(self._ready)

    def ask(self, worker: int, packed: Packed, part: Range) -> None:
        if self._weights[0] != packed.weights_version:
            self._weights = packed.weights_version, self._ray.put(packed.weights)
        weights = [self._weights[1]]
        version = packed.weights_version
        actor = self._actors[worker]
        asked = actor.part.remote(packed.job, version, weights, part.first, part.count)
        self._asked[asked] = worker, part

    def wait(self, seconds: float) -> list[Answer]:
        if not self._asked:
            return []
        ready, _ = self._ray.wait(list(self._asked), timeout=seconds, num_returns=1)
        # Whatever else is there already.
        more, _ = self._ray.wait(list(self._asked), timeout=0, num_returns=len(self._asked))
        answers = []
        for reference in {*ready, *more}:
            if reference not in self._asked:
                # Of a worker that was lost with another one.
                continue
            worker, part = self._asked.pop(reference)
            try:
                content = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._forget(worker)
                self._add()
                answers.append(Answer(worker, None, why=_first_line(error)))
                continue
            if worker in self._ready:
                answers.append(Answer(worker, content, part))
            else:
                self._join(worker, content)
        return answers

    def drop(self, worker: int, why: str) -> None:
        self._forget(worker)
        self._add()

    def end(self) -> None:
        for worker in list(self._actors):
            self._forget(worker)
        if self._is_ours:
            self._ray.shutdown()
            self._is_ours = False

    def _require_one(self) -> None:
        """Waits for the first worker and asks whether it is the same program."""
        ready, _ = self._ray.wait(list(self._asked), timeout=_START_S, num_returns=1)
        if not ready:
            free = self._ray.available_resources().get("CPU", 0)
            self.end()
            raise _refused(
                f"no worker within {_START_S:.0f} s: each takes {self._num_cores} processors, "
                f"and the cluster has {free:g} free"
            )
        worker, _ = self._asked.pop(ready[0])
        try:
            version = self._ray.get(ready[0])
        except self._ray.exceptions.RayError as error:
            self.end()
            raise _refused(f"a worker does not start: {_first_line(error)}") from error
        self._join(worker, version)

    def _join(self, worker: int, version: str) -> None:
        if version != __version__:
            self.end()
            raise _refused(f"a worker has twisterl {version}; expected {__version__}, as here")
        self._ready.add(worker)

    def _add(self) -> None:
        actor_class = self._ray.remote(num_cpus=self._num_cores, max_restarts=0)(Actor)
        # Packages are installed on the nodes; what is not lies in the folders that come last.
        path = [place for place in sys.path if place and "site-packages" not in place]
        actor = actor_class.remote(path, self._num_cores, self._trust)
        self._actors[self._next] = actor
        self._asked[actor.hello.remote()] = self._next, None
        self._next += 1

    def _forget(self, worker: int) -> None:
        actor = self._actors.pop(worker, None)
        self._ready.discard(worker)
        self._asked = {asked: of for asked, of in self._asked.items() if of[0] != worker}
        if actor is not None:
            self._ray.kill(actor)


def connected(address: str | None) -> tuple[Any, bool]:
    """The module ray, connected to the cluster at `address`, and whether it was not before.

    Raises `ConfigError` or `MissingPackage` saying in one line why it cannot be.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingPackage(
            f'{_SECTION}.backend: "ray" needs the package ray: pip install "twisterl[ray]"'
        ) from error
    if ray.is_initialized():
        return ray, False
    _require_reachable(address)
    # Nothing is told to anybody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options["include_dashboard"] = False
    is_main = threading.current_thread() is threading.main_thread()
    ending = signal.getsignal(signal.SIGTERM) if is_main else None
    try:
        ray.init(address, **options)
    except Exception as error:
        where = "on this machine" if address is None else f"at {address!r}"
        hint = ""
        if isinstance(error, ConnectionError) and "RAY_AUTH_MODE" not in os.environ:
            hint = "; if the cluster asks for a token, set RAY_AUTH_MODE=token"
        raise _refused(f"Ray cannot be reached {where}: {_first_line(error)}{hint}") from error
    finally:
        if ending is not None:
            # Ray puts its own in place, which ends a run without saving it.
            signal.signal(signal.SIGTERM, ending)
    return ray, True


def _require_reachable(address: str | None) -> None:
    """Raises `ConfigError` soon where no Ray listens, which it would try for minutes."""
    if address is None or address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise _refused(f"address: expected host:port, ray://host:port or auto, got {address!r}")
    try:
        with socket.create_connection((host, int(port)), _CONNECT_S) as there:
            is_other = not (os.environ.get("RAY_USE_TLS") == "1" or _speaks_http2(there))
    except (OSError, OverflowError) as error:
        raise _refused(f"nothing answers at {address}: {_first_line(error)}") from error
    if is_other:
        raise _refused(f"what listens at {address} is no Ray cluster")


def _speaks_http2(there: socket.socket) -> bool:
    """Whether the other side begins as Ray's does (RFC 9113, 3.4: its first frame is SETTINGS)."""
    there.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
    header = b""
    while len(header) < 9 and (more := there.recv(9 - len(header))):
        header += more
    return len(header) == 9 and header[3] == 4


def _refused(problem: str) -> ConfigError:
    return ConfigError([Fault(_SECTION, problem)])


def _first_line(error: Exception) -> str:
    """What an error says that matters; Ray's run over many lines, the cause in the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if "Traceback" in str(error):
        return lines[-1]
    # A list follows, as of the versions that differ.
    return " ".join(lines) if lines[0].endswith(":") else lines[0]
