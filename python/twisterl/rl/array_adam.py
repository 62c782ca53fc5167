"""What the engine's Adam keeps between two iterations, as arrays; its steps are the learner's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

# What a config may leave out, and what it cannot say: as torch has them.
_DEFAULTS: dict[str, Any] = {
    "lr": 1e-3,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0,
    "amsgrad": False,
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": True,
    "decoupled_weight_decay": False,
}
Weights = dict[str, npt.NDArray[np.float32]]
Moments = dict[str, npt.NDArray[np.float32]]


class ArrayAdam:
    """The moments of Adam, under the names and with the `state_dict` of torch's.

    Args:
        shapes: of the weights, in their order.
        arguments: a config's `optimizer` section.

    Attributes:
        state: `step` [], `exp_avg`, `exp_avg_sq` and with amsgrad `max_exp_avg_sq`, each of the
            weight's shape, by the number of the weight; empty before the first step.
        param_groups: one, with the rate of now.
    """

    def __init__(self, shapes: list[tuple[int, ...]], arguments: dict[str, Any]) -> None:
        self.shapes = shapes
        group = {**_DEFAULTS, **arguments, "params": list(range(len(shapes)))}
        group["betas"] = tuple(group["betas"])
        self.param_groups = [group]
        self.state: dict[int, Moments] = {}

    @property
    def kinds(self) -> list[str]:
        """The moments that there are of every weight."""
        largest = ["max_exp_avg_sq"] if self.param_groups[0]["amsgrad"] else []
        return ["exp_avg", "exp_avg_sq", *largest]

    def new_moments(self, index: int) -> Moments:
        """Those of weight `index` before the first step."""
        moments = {kind: np.zeros(self.shapes[index], np.float32) for kind in self.kinds}
        return {"step": np.zeros((), np.float32), **moments}

    def in_torch(self, policy: Any) -> Any:
        """Torch's Adam of `policy` with copies of the moments."""
        from twisterl.rl.torch_view import adam_of

        return adam_of(self, policy)

    def state_dict(self) -> dict[str, Any]:
        return {"state": self.state, "param_groups": copy.deepcopy(self.param_groups)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes a copy of `state`, whose arrays have the shapes of the weights."""
        self.state = {
            index: {name: np.array(value, np.float32) for name, value in moments.items()}
            for index, moments in state["state"].items()
        }
        self.param_groups = copy.deepcopy(state["param_groups"])


def load(learner: Any, weights: Weights, optimizer: ArrayAdam) -> None:
    """Gives the engine's `learner` the weights, by name, and the moments."""
    for index, (name, values) in enumerate(weights.items()):
        learner.load(name, values, "weight")
        moments = optimizer.state.get(index) or optimizer.new_moments(index)
        for kind in optimizer.kinds:
            learner.load(name, moments[kind], kind)
    first = next(iter(optimizer.state.values()), None)
    learner.step = 0 if first is None else int(first["step"])


def store(learner: Any, weights: Weights, optimizer: ArrayAdam) -> None:
    """Takes weights, and moments after Adam's first step, from the `learner`, in place."""
    for index, (name, values) in enumerate(weights.items()):
        learner.store(name, values, "weight")
        if not learner.step:
            continue
        moments = optimizer.state.setdefault(index, optimizer.new_moments(index))
        moments["step"][...] = learner.step
        for kind in optimizer.kinds:
            learner.store(name, moments[kind], kind)
