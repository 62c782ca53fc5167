"""The workers of an algorithm, and what it lets them do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from twisterl.machines import job as jobs
from twisterl.machines import torch_played
from twisterl.machines.coordinator import Coordinator
from twisterl.machines.job import Job
from twisterl.machines.transport import Transport
from twisterl.twisterl import collector


def transport_of(workers: Mapping[str, Any]) -> Transport:
    """What carries the ranges, by the section `workers` of a config."""
    # The classes of this run are here already, whoever named them.
    common = {"num_cores": workers["num_cores"], "trust": True}
    if workers["backend"] == "ray":
        from twisterl.machines.on_ray import OnRay

        return OnRay(workers["num_workers"], address=workers["address"], **common)
    from twisterl.machines.processes import Processes

    return Processes(workers["num_workers"], **common)


class Crew:
    """Lets workers collect and evaluate for one algorithm, with the bytes that it has by itself.

    A `twisterl.cli.player.Player` will do, to evaluate.
    """

    def __init__(self, workers: Mapping[str, Any], transport: Transport | None = None) -> None:
        transport = transport_of(workers) if transport is None else transport
        self._num_workers = workers["num_workers"]
        self.coordinator = Coordinator(transport, workers["num_workers"], workers["timeout_s"])

    def start(self, algorithm: Any) -> None:
        """Brings the workers up and lets them make the players.

        Raises `ConfigError` if there are no workers, or they cannot be told or make the players.
        """
        job = _job(algorithm, "players", self._num_workers, {})
        if torch_played.is_sent(job.policy):
            digest, seen = torch_played.trial(algorithm)
            job = dataclasses.replace(job, work={"outputs": digest}, arrays=seen)
        self.coordinator.compute(job)
        self.coordinator.counts()

    def episodes(self, algorithm: Any, start: str) -> Any:
        """The episodes of the iteration, as `collector.collect`."""
        return self.coordinator.compute(episodes(algorithm, start))

    def walks(self, algorithm: Any) -> Any:
        """The walks of the iteration, as `collector.collect`."""
        return self.coordinator.compute(walks(algorithm))

    def boards(self, algorithm: Any, **arguments: Any) -> dict[str, Any]:
        """As `collector.evaluate_episodes`, by the policy of `algorithm`."""
        return self.coordinator.compute(boards(algorithm, **arguments))

    def judge(self, algorithm: Any) -> Any:
        """`collector.evaluate_episodes` by the workers; it is given the players, and has them."""

        def judged(env: Any, policy: Any, **arguments: Any) -> dict[str, Any]:
            return self.boards(algorithm, **arguments)

        return judged

    def generations(self, algorithm: Any, settings: str, net: Any) -> dict[str, Any]:
        """As `collector.es_generations`: workers tell what members reach, this process learns."""
        weights, (first, second) = algorithm._weights(), algorithm.moments()
        found: dict[str, Any] = {
            "weights": weights,
            "first": first,
            "second": second,
        }
        count = algorithm.config["training"]["num_generations"]
        told: dict[str, list[Any]] = {}
        for generation in range(algorithm.iteration * count, (algorithm.iteration + 1) * count):
            of = fitness(algorithm, found["weights"], settings, generation, net)
            scores = self.coordinator.compute(of)
            state = found["weights"], found["first"], found["second"]
            seed = algorithm.config["seed"]
            found = collector.es_update(
                algorithm.env, *state, settings, seed, generation, scores, net
            )
            for name in ("fitness", "best_fitness", "success", "steps"):
                told.setdefault(name, []).append(found[name])
        return {**found, **{name: np.concatenate(values) for name, values in told.items()}}


def episodes(algorithm: Any, start: str) -> Job:
    """The job that the episodes of an iteration of PPO or AlphaZero are."""
    arguments, name = algorithm.collector_arguments(), _name(algorithm)
    work = {"algorithm": name, "collecting": arguments}
    work |= {"iteration": algorithm.iteration, "start": start}
    return _job(algorithm, "episodes", arguments["num_episodes"], work)


def walks(algorithm: Any) -> Job:
    """The job that the walks of an iteration are."""
    arguments = algorithm.collector_arguments()
    work = {"collecting": arguments, "iteration": algorithm.iteration}
    return _job(algorithm, "walks", arguments["num_walks"], work, plays=False)


def boards(algorithm: Any, **arguments: Any) -> Job:
    """The job that `collector.evaluate_episodes` with these `arguments` is."""
    states = arguments.pop("states", None)
    given = {} if states is None else {"states": np.asarray(states, np.int64)}
    total = len(given["states"]) if given else arguments["num_episodes"]
    return _job(algorithm, "boards", total, {"arguments": arguments}, arrays=given)


def fitness(algorithm: Any, weights: Any, settings: str, generation: int, net: Any) -> Job:
    """The job that the pairs of a generation of Evolution Strategies are."""
    given = json.loads(settings)
    work = {"settings": given, "seed": algorithm.config["seed"], "generation": generation}
    policy = net and jobs.described(*net)
    env, difficulty = jobs.environment(algorithm), algorithm.env.difficulty
    total = given["num_pairs"]
    return Job("fitness", total, env, difficulty, policy, work, {"weights": weights})


def _job(
    algorithm: Any,
    kind: str,
    total: int,
    work: dict[str, Any],
    *,
    plays: bool = True,
    arrays: dict[str, Any] | None = None,
) -> Job:
    policy, weights = jobs.policy(algorithm) if plays else (None, {})
    env, difficulty = jobs.environment(algorithm), algorithm.env.difficulty
    return Job(kind, total, env, difficulty, policy, work, weights, arrays or {})


def _name(algorithm: Any) -> str:
    """The algorithm of this package that a class is or extends."""
    names = [base.__name__ for base in type(algorithm).__mro__]
    return next(name for name in ("PPO", "AZ") if name in names)
