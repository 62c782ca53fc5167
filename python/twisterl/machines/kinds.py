"""What a job may compute: how a range of it is played, and how parts become the whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twisterl.machines import torch_played, wire
from twisterl.machines.job import Job
from twisterl.machines.wire import Arrays
from twisterl.twisterl import collector

Told = dict[str, Any]
# Their way back from a pickle is no part of what users call.
_COLLECTED: Any = collector.CollectedData
_WALKS: Any = collector.Walks


@dataclass(frozen=True)
class Players:
    """What a machine has made of a job; `policy` is the engine's, or None."""

    env: Any
    policy: Any
    num_cores: int


class Kind(Protocol):
    def play(self, players: Players, job: Job, first: int, count: int) -> tuple[Told, Arrays]:
        """The range, as JSON and arrays that travel."""

    def read(self, told: Told, arrays: Arrays) -> Any:
        """A range as it travelled, ready to be put together: done while others are played."""

    def merge(self, parts: list[Any]) -> Any:
        """What all ranges, as `read` gives them, are together, in their order."""


class Episodes:
    """Episodes of PPO or AlphaZero, as a `CollectedData`."""

    _TYPES: Mapping[str, Any] = {
        "logits": np.float32,
        "masks": np.bool_,
        "log_probs": np.float32,
        "values": np.float32,
        "rewards": np.float32,
        "actions": None,
        "perms": np.int64,
        "states": np.float32,
    }
    _STARTS = ("offsets", "episode_starts")
    _COLLECTORS: Mapping[str, Any] = {"PPO": collector.PPOCollector, "AZ": collector.AZCollector}

    def play(self, players: Players, job: Job, first: int, count: int) -> tuple[Told, Arrays]:
        made = _with_cores(job.work["collecting"], players)
        played = self._COLLECTORS[job.work["algorithm"]](**made)
        which = {name: job.work[name] for name in ("iteration", "start")}
        arrays = played.collect_range(players.env, players.policy, first, count, **which).arrays
        columns = {name: getattr(arrays, name) for name in self._TYPES}
        extra = arrays.additional_data
        small = wire.compact({**columns, **{f"extra.{name}": extra[name] for name in extra}})
        small |= wire.compact_rows(arrays.indices, arrays.offsets)
        small["episode_starts"] = arrays.episode_starts
        told = {"obs_space": list(arrays.obs_space), "extra": list(extra)}
        told |= {"actions": arrays.actions.dtype.name, "is_searched": job.work["algorithm"] == "AZ"}
        return told, small

    def read(self, told: Told, arrays: Arrays) -> tuple[Told, Arrays]:
        types = {**self._TYPES, "actions": np.dtype(told["actions"])}
        types |= {f"extra.{name}": np.float32 for name in told["extra"]}
        columns = wire.whole(arrays, types)
        columns["indices"], columns["offsets"] = wire.whole_rows(arrays)
        columns["episode_starts"] = arrays["episode_starts"].astype(np.int64)
        return told, columns

    def merge(self, parts: list[tuple[Told, Arrays]]) -> Any:
        told, wholes = parts[0][0], [columns for _, columns in parts]
        joined = {name: [whole[name] for whole in wholes] for name in wholes[0]}
        columns: Arrays = {
            name: _following(each) if name in self._STARTS else _joined(each)
            for name, each in joined.items()
        }
        extra = {name: columns.pop(f"extra.{name}") for name in told["extra"]}
        space = tuple(told["obs_space"])
        arrays = collector.CollectedArrays(additional_data=extra, obs_space=space, **columns)
        return _COLLECTED._restored(arrays, told["is_searched"])


class Walks:
    """Random walks from the goal, as a `Walks`."""

    _NAMES = ("indices", "offsets", "masks", "undo_counts", "undo_shares", "sum_moves")
    _TYPES = (np.int32, np.int64, np.bool_, np.float32, np.int64, np.int64)

    def play(self, players: Players, job: Job, first: int, count: int) -> tuple[Told, Arrays]:
        made = collector.WalkCollector(**_with_cores(job.work["collecting"], players))
        walks = made.collect_range(players.env, first, count, job.work["iteration"])
        # Their rows are distinct already.
        return {"num_samples": walks.num_samples}, {n: getattr(walks, n) for n in self._NAMES}

    def read(self, told: Told, arrays: Arrays) -> Any:
        typed = zip(self._NAMES, self._TYPES, strict=True)
        columns: list[Any] = [arrays[name].astype(kind, copy=False) for name, kind in typed]
        means = np.zeros(len(columns[-1]), np.float32)
        return _WALKS._restored(*columns[:5], means, columns[-1], means[:0], told["num_samples"])

    def merge(self, parts: list[Any]) -> Any:
        return collector.Walks.joined(parts)


class Boards:
    """Episodes that are judged, or boards that are solved, as `collector.evaluate_episodes`."""

    _NAMES = ("success", "reward", "length", "nodes")

    def play(self, players: Players, job: Job, first: int, count: int) -> tuple[Told, Arrays]:
        arguments = _with_cores(job.work["arguments"], players)
        arguments["states"] = job.arrays.get("states")
        found = collector.evaluate_episodes(
            players.env, players.policy, **arguments, first=first, count=count
        )
        arrays = {name: found[name] for name in self._NAMES}
        if "actions" in found:
            arrays["actions"] = np.concatenate([*found["actions"], np.zeros(0, np.int64)])
            arrays["num_actions"] = np.array([len(moves) for moves in found["actions"]], np.int64)
        return {}, arrays

    def read(self, told: Told, arrays: Arrays) -> Arrays:
        return arrays

    def merge(self, parts: list[Arrays]) -> dict[str, Any]:
        found: dict[str, Any] = {n: _joined([small[n] for small in parts]) for n in self._NAMES}
        if "actions" in parts[0]:
            moves = _joined([small["actions"] for small in parts])
            ends = np.cumsum(_joined([small["num_actions"] for small in parts]))
            found["actions"] = np.split(moves, ends[:-1])
        return found


class Fitness:
    """What members of a generation reach, as `collector.es_scores`: nothing else travels back."""

    def play(self, players: Players, job: Job, first: int, count: int) -> tuple[Told, Arrays]:
        settings = json.dumps(_with_cores(job.work["settings"], players))
        net = job.policy and (job.policy["spec"], job.policy["obs_perms"], job.policy["act_perms"])
        numbers = job.work["seed"], job.work["generation"], first, count
        scores = collector.es_scores(
            players.env, job.weights["weights"], settings, *numbers, net or None
        )
        return {}, dict(zip(("fitness", "solved", "steps"), scores, strict=True))

    def read(self, told: Told, arrays: Arrays) -> Arrays:
        return arrays

    def merge(self, parts: list[Arrays]) -> Any:
        names = "fitness", "solved", "steps"
        return tuple(_joined([arrays[name] for arrays in parts]) for name in names)


class Made:
    """Nothing: the players are made, which shows before any work whether they can be."""

    def play(self, players: Players, job: Job, first: int, count: int) -> tuple[Told, Arrays]:
        if "outputs" in job.work:
            torch_played.require_outputs(players.policy, job.work["outputs"], job.arrays)
        return {}, {}

    def read(self, told: Told, arrays: Arrays) -> None:
        return None

    def merge(self, parts: list[None]) -> None:
        return None


KINDS: dict[str, Kind] = {
    "episodes": Episodes(),
    "walks": Walks(),
    "boards": Boards(),
    "fitness": Fitness(),
    "players": Made(),
}


def _with_cores(arguments: dict[str, Any], players: Players) -> dict[str, Any]:
    return {**arguments, "num_cores": players.num_cores}


def _joined(arrays: list[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _following(starts: list[Any]) -> Any:
    """Where rows begin, each list of them from 0 to its end, one after the other."""
    ends = np.cumsum([0, *(each[-1] for each in starts)])
    moved = [each[1:] + end for each, end in zip(starts, ends, strict=False)]
    return np.concatenate([starts[0][:1], *moved])
