"""Evolution Strategies (Salimans et al. 2017, algorithm 2), played and updated in Rust.

No gradient flows: a generation of perturbed policies plays the same episodes, and the weights move
towards the perturbations that did better. An iteration is `training.num_generations` of them.

Any policy that `net_spec()` describes evolves on any environment: its members play as evaluations
do, and their fitness is the sum of all rewards. A `BasicPolicy` of one layer of 32, 64 or 128
units, on a sliding puzzle of 2x2 to 5x5, is played by code compiled for it: there Mojo trains from
the same config and gives the same numbers, from the first weights on. See `rust/src/es`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl import strategy, twisterl
from twisterl.config.es import ESOptimizer
from twisterl.faults import ConfigError, Fault
from twisterl.nn.arrays import ArrayPolicy
from twisterl.on_demand import torch
from twisterl.rl.algorithm import Algorithm, as_policy, timed
from twisterl.rl.evaluation import Evaluation
from twisterl.runs import plan

Floats = npt.NDArray[np.float32]
# The parameters of a policy that code is compiled for, in the order of that code.
_COMPILED = (
    *("embeddings.weight", "embeddings.bias", "action.0.weight", "value.0.weight"),
    *("action.0.bias", "value.0.bias"),
)


@dataclass(frozen=True)
class Evolved:
    """What the generations of an iteration left: see `collector.es_generations`."""

    found: dict[str, npt.NDArray[Any]]

    @property
    def actions(self) -> range:
        """As long as the actions that were played."""
        return range(int(self.found["steps"].sum()))


class Moments:
    """First and second moments `[P]` of all weights, saved and restored as torch's optimizers.

    They are tensors, or arrays where the weights are.
    """

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second

    def in_torch(self, policy: Any) -> Moments:
        """The same as tensors."""
        return Moments(torch.from_numpy(self.first), torch.from_numpy(self.second))

    def state_dict(self) -> dict[str, Any]:
        return {"state": {0: {"first": self.first, "second": self.second}}, "param_groups": []}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first, self.second = state["state"][0]["first"], state["state"][0]["second"]


class ES(Algorithm):
    """Evolves a policy, see the module.

    Raises:
        ConfigError: the engine does not play the policy.
    """

    optimizer: Moments
    # Rust's sums are the same on any number of threads.
    num_threads = 1

    def __init__(self, env: Any, policy: Any, config: dict[str, Any], run_path: Any = None) -> None:
        policy = as_policy(env, policy)
        self._is_compiled = _is_compiled(env, policy)
        self._names = _COMPILED if self._is_compiled else _parameters(policy)
        super().__init__(env, policy, config, run_path)

    def _make_optimizer(self) -> Moments:
        count = len(self._weights())
        return Moments(torch.zeros(count), torch.zeros(count))

    def _make_array_optimizer(self, policy: ArrayPolicy) -> Any:
        count = sum(values.size for values in policy.weights.values())
        return Moments(np.zeros(count, np.float32), np.zeros(count, np.float32))

    def plays(self) -> dict[str, dict[str, Any]]:
        """What the members play by too."""
        by_value = self.config["collecting"]["player"] == "value"
        return {"collecting": {"strategy": "value"} if by_value else {}, **super().plays()}

    def draw_weights(self) -> None:
        """The first weights of the run's seed, as in every language; those of torch elsewhere."""
        if not self._is_compiled:
            return
        self._set_weights(_first_weights(self.env, self.held.policy, self.config["seed"]))
        self.sync_rs_policy()

    @timed
    def collect(self) -> Evolved:
        """Plays the generations of one iteration; equal for equal seed and iteration."""
        num_generations = self.config["training"]["num_generations"]
        crew = self.connect()
        if crew is not None:
            net = None if self._is_compiled else _described(self.held.policy)
            return Evolved(crew.generations(self, self._settings(), net))
        return Evolved(
            twisterl.collector.es_generations(
                self.env,
                self._weights(),
                *self.moments(),
                self._settings(),
                self.config["seed"],
                self.iteration * num_generations,
                num_generations,
                None if self._is_compiled else _described(self.held.policy),
            )
        )

    def moments(self) -> tuple[Floats, Floats]:
        """The first and the second ones as arrays."""
        moments = self.held.optimizer
        return np.asarray(moments.first), np.asarray(moments.second)

    @timed
    def data_to_torch(self, data: Evolved) -> Evolved:
        """The data as they are."""
        return data

    @timed
    def train(self, torch_data: Evolved) -> dict[str, float]:
        """Takes over the evolved weights; what the last generation reached."""
        found = torch_data.found
        self._set_weights(found["weights"])
        moments = self.held.own({name: found[name] for name in ("first", "second")})
        self.held.optimizer.first, self.held.optimizer.second = moments.values()
        return {name: float(found[name][-1]) for name in ("fitness", "best_fitness", "success")}

    @timed
    def evaluate(self, kwargs: dict[str, Any]) -> Evaluation:
        """As `Algorithm.evaluate`; greedy play is by the config's player, as in Mojo.

        Raises:
            ValueError: the value player is asked for more than greedy play.
        """
        kwargs = strategy.entry(kwargs)
        is_by_value = self.config["collecting"]["player"] == "value"
        if strategy.name_of(kwargs) not in ("greedy", "value" if is_by_value else "greedy"):
            if is_by_value:
                raise ValueError("strategy: expected greedy play, which is all that values play")
            return super().evaluate(kwargs)[0]
        if not self._is_compiled:
            play = "value" if is_by_value else "greedy"
            return super().evaluate({**kwargs, "strategy": play})[0]
        moves, rewards = twisterl.collector.es_evaluate(
            self.env,
            self._weights(),
            self._settings(),
            kwargs["num_episodes"],
            kwargs["start"],
            kwargs["seed"],
        )
        solved = moves >= 0
        lengths = moves[solved]
        mean_length = float(lengths.mean()) if len(lengths) else None
        reward = float(rewards.mean(dtype=float))
        return Evaluation(float(solved.mean()), reward, len(moves), mean_length)

    def collector_arguments(self) -> dict[str, Any]:
        arguments = super().collector_arguments()
        del arguments["seed"]
        return arguments

    def _settings(self) -> str:
        """The settings as `collector.es_generations` reads them."""
        training = self.config["training"]
        schedule = training["lr_schedule"]
        iterations = plan.schedule_length(self.config, self._schedule_plan()) or 1
        optimizer = ESOptimizer().model_dump() | self.config["optimizer"]
        return json.dumps(
            {
                **self.collector_arguments(),
                **optimizer,
                "sigma": training["sigma"],
                "decline": schedule["kind"],
                "decline_generations": iterations * training["num_generations"],
                "final_ratio": schedule["final_ratio"],
            }
        )

    def _named(self) -> list[Any]:
        """Arrays or tensors in the order of the engine."""
        named = dict(self.held.policy.named_parameters())
        return [named[name] for name in self._names]

    def _weights(self) -> Floats:
        arrays = list(map(_array, self._named()))
        if self._is_compiled:
            # By features.
            arrays[0] = arrays[0].T
        return np.concatenate([array.reshape(-1) for array in arrays])

    def _set_weights(self, weights: Floats) -> None:
        begin = 0
        for place, weight in enumerate(self._named()):
            by_features = self._is_compiled and place == 0
            shape = tuple(weight.shape)
            part = weights[begin : begin + math.prod(shape)]
            part = part.reshape(shape[::-1]).T if by_features else part.reshape(shape)
            begin += part.size
            if isinstance(weight, np.ndarray):
                weight[...] = part
            else:
                with torch.no_grad():
                    weight.copy_(torch.from_numpy(part))


def _array(weight: Any) -> Floats:
    return weight if isinstance(weight, np.ndarray) else weight.detach().cpu().numpy()


def _is_compiled(env: Any, policy: Any) -> bool:
    """Whether code is compiled for the board and the network."""
    if not isinstance(env, twisterl.env.Puzzle):
        return False
    if isinstance(policy, ArrayPolicy):
        is_basic = policy.name == "BasicPolicy"
    else:
        from twisterl.nn.policy import BasicPolicy

        is_basic = type(policy) is BasicPolicy
    if not is_basic or policy.num_twists:
        return False
    if {name for name, _ in policy.named_parameters()} != {*_COMPILED}:
        return False
    try:
        _first_weights(env, policy, seed=0)
    except ValueError:
        return False
    return True


def _described(policy: Any) -> tuple[str, Any, Any]:
    """The policy as the engine takes it."""
    return json.dumps(policy.net_spec()), policy.obs_perms, policy.act_perms


def _parameters(policy: Any) -> tuple[str, ...]:
    """The names of the policy's parameters, in the order of the engine."""
    try:
        if not hasattr(policy, "net_spec"):
            raise TypeError(f"{type(policy).__name__} has no net_spec()")
        names = twisterl.collector.es_parameters(_described(policy)[0])
        known = {name for name, _ in policy.named_parameters()}
        if known != set(names):
            raise TypeError(f"net_spec() does not name {', '.join(sorted(known ^ set(names)))}")
    except (TypeError, ValueError) as error:
        problem = f"expected a policy that the engine plays, which evolves: {error}"
        raise ConfigError([Fault("policy_cls", problem)]) from error
    return tuple(names)


def _first_weights(env: Any, policy: Any, seed: int) -> Floats:
    hidden = len(dict(policy.named_parameters())["embeddings.bias"])
    return twisterl.collector.es_first_weights(env, hidden, seed)
