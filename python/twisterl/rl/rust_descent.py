"""Updates computed by the engine instead of torch.

The weights are torch's, or arrays until somebody asks for torch: the engine reads them and Adam's
moments before an iteration's updates and writes them back in place after them, so that checkpoints,
copies and programs see what they always saw. A failed or interrupted call writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl import twisterl
from twisterl.config.torch_only import torch_only
from twisterl.nn.arrays import ArrayPolicy
from twisterl.on_demand import torch
from twisterl.rl import array_adam
from twisterl.rl.batch import Batch

_MOMENTS = ("exp_avg", "exp_avg_sq")
_LARGEST = "max_exp_avg_sq"

# What torch calls the lists of those who are called when a network computes or an optimizer steps.
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_step_pre_hooks",
    "_step_post_hooks",
)

# The parts of an update; one that is replaced is asked.
_UPDATING = {"losses", "train", "train_step", "_descend", "_epoch", "_update", "_varied"}
_UPDATING |= {"_outputs", "_log_probs", "_goes_too_far", "_minibatches", "_parts"}

Values = dict[str, Any]


def obstacle(algorithm: Any) -> str | None:
    """What keeps the engine from computing the updates of a `MinibatchDescent`; None: nothing."""
    policy, optimizer = algorithm.held.policy, algorithm.held.optimizer
    changed = _foreign(algorithm, _UPDATING)
    if changed:
        return f"{type(algorithm).__name__} has its own {', '.join(changed)}"
    asked = torch_only(lambda section, key: algorithm.config[section].get(key))
    if asked is not None:
        return f"{asked[0]} is {asked[1]}"
    if isinstance(policy, ArrayPolicy):
        return None
    if not hasattr(policy, "net_spec"):
        return f"{type(getattr(policy, 'module', policy)).__name__} has no net_spec()"
    from twisterl.nn.describing import NotDescribed
    from twisterl.nn.policy import COMPUTING
    from twisterl.nn.spec import all_blocks, owner, plain_name
    from twisterl.rl.adam import Adam

    changed = _foreign(policy, {*COMPUTING, "net_spec", "_first_blocks"})
    if changed:
        return f"{type(policy).__name__} has its own {', '.join(changed)}"
    try:
        spec = policy.net_spec()
    except NotDescribed as error:
        return f"{type(policy.module).__name__} has no net_spec(): {error}"
    except TypeError as error:
        return str(error)
    head = spec.get("head", {}).get("name")
    norms = [block["name"] for block in all_blocks(spec) if block["block"] == "running_norm"]
    if norms:
        return f"the statistics of {norms[0]} are torch's"
    described = {block["name"] for block in all_blocks(spec) if "name" in block}
    names = {plain_name(name) for name, _ in policy.named_parameters()} - {head}
    owners = {owner(name, described) for name in names}
    if owners != described:
        return f"net_spec() does not name {', '.join(sorted(owners ^ described))}"
    shared = {name for name, _ in policy.named_parameters(remove_duplicate=False)}
    shared -= {name for name, _ in policy.named_parameters()}
    if any(owner(plain_name(name), described) in described for name in shared):
        return f"{min(shared)} is a parameter of another name too"
    dropping = [part for part in policy.modules() if isinstance(part, torch.nn.Dropout)]
    if any(part.p > 0 for part in dropping):
        return "Dropout is torch's"
    for name, parameter in policy.named_parameters():
        if parameter.device.type != "cpu" or parameter.dtype != torch.float32:
            return f"{name} is {parameter.dtype} on {parameter.device}"
        if not parameter.requires_grad:
            return f"{name} is frozen"
    if _is_hooked(policy) or _is_hooked(optimizer) or "step" in vars(optimizer):
        return "the policy or the optimizer has hooks"
    groups = optimizer.param_groups
    known = type(optimizer) is Adam and len(groups) == 1
    if not known or {*map(id, groups[0]["params"])} != {*map(id, policy.parameters())}:
        return f"the optimizer, {type(optimizer).__name__}, is not that of the config"
    if groups[0]["maximize"] or groups[0].get("decoupled_weight_decay"):
        return "the optimizer has options that no config has"
    return None


def _foreign(owner: Any, names: set[str]) -> list[str]:
    """Those of `names` that a class or a program from elsewhere has put in place of ours."""
    own = takewhile(lambda base: not base.__module__.startswith("twisterl."), type(owner).__mro__)
    members = [vars(owner), *map(vars, own)]
    return sorted(names & {name for each in members for name in each})


def _is_hooked(owner: Any) -> bool:
    """Whether a program has asked to be called within an update."""
    parts = owner.modules() if isinstance(owner, torch.nn.Module) else [owner]
    hooks = [value for part in parts for name, value in vars(part).items() if name.endswith(_HOOKS)]
    if isinstance(owner, torch.nn.Module):
        hooks += [parameter._backward_hooks for parameter in owner.parameters()]
    return any(hooks)


@dataclass(frozen=True)
class Passes:
    """How to go through a batch: `num_epochs` times `epoch_size` samples.

    Each is used at most once an epoch; an update takes `minibatch_size` of them, or all. With
    `draw_twists` each is shown through a twist that is drawn anew in every epoch.
    """

    num_epochs: int
    epoch_size: int
    minibatch_size: int | None
    draw_twists: bool


class RustDescent:
    """The engine's learner for the policy of one `MinibatchDescent`."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self._described: tuple[Any, ...] | None = None
        self._learner: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_algorithm": self._algorithm, "_described": None, "_learner": None}

    def descend(self, batch: Batch, passes: Passes) -> list[float]:
        """Means of the last epoch's losses, in the order of LOSSES."""
        algorithm = self._algorithm
        group = algorithm.held.optimizer.param_groups[0]
        training = algorithm.config["training"]
        learner = self._loaded(group["amsgrad"])
        objective, targets = algorithm.targets(batch)
        samples: Values = {
            "indices": _array(batch.indices),
            "offsets": _array(batch.offsets),
            "perms": _array(batch.perms),
            "rows": _array(batch.rows),
            "illegal": None if batch.illegal is None else _array(batch.illegal),
            "sequences": None,
        }
        if batch.sequences is not None:
            steps = vars(batch.sequences).items()
            samples["sequences"] = {name: _array(value) for name, value in steps}
        samples |= {
            name: _array(value) if hasattr(value, "shape") else value
            for name, value in targets.items()
        }
        descent: Values = {
            name: group[name] for name in ("lr", "betas", "eps", "weight_decay", "amsgrad")
        }
        descent |= {
            **vars(passes),
            "max_grad_norm": training["max_grad_norm"],
            "precision": training.get("precision", "f32"),
            "seed": algorithm.config["seed"],
            "iteration": algorithm.iteration,
            "num_cores": algorithm.num_threads,
        }
        losses: list[float] = getattr(learner, objective)(samples, descent)
        if algorithm.held.is_array:
            array_adam.store(learner, algorithm.held.policy.weights, algorithm.held.optimizer)
        else:
            self._store(learner, group["amsgrad"])
        return losses

    def learner(self) -> Any:
        """The learner of the policy as it is described now, with any weights."""
        policy = self._algorithm.held.policy
        described = (json.dumps(policy.net_spec()), policy.obs_perms, policy.act_perms)
        if self._described != described:
            self._learner = twisterl.nn.Learner(*described)
            self._described = described
        return self._learner

    def _loaded(self, amsgrad: bool) -> Any:
        """The learner with the weights and moments as they are now."""
        policy, optimizer = self._algorithm.held.policy, self._algorithm.held.optimizer
        learner, state = self.learner(), optimizer.state
        if isinstance(policy, ArrayPolicy):
            array_adam.load(learner, policy.weights, optimizer)
            return learner
        for name, parameter in self._parameters():
            learner.load(name, _array(parameter), "weight")
            moments = state.get(parameter) or {}
            for kind in _kinds(amsgrad):
                value = moments.get(kind)
                values = np.zeros(parameter.shape, np.float32) if value is None else _array(value)
                learner.load(name, values, kind)
        first: Values = next(iter(state.values()), {})
        learner.step = int(first.get("step", 0))
        return learner

    def _store(self, learner: Any, amsgrad: bool) -> None:
        """As `array_adam.store`."""
        state = self._algorithm.optimizer.state
        for name, parameter in self._parameters():
            if learner.step and not state.get(parameter):
                state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32),
                    **{kind: torch.zeros_like(parameter.detach()) for kind in _kinds(amsgrad)},
                }
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter.detach())
            learner.gradient(name, _array(parameter.grad))
            moments = state.get(parameter) or {}
            for kind, tensor in {"weight": parameter, **moments}.items():
                if kind == "step":
                    tensor.fill_(learner.step)
                    continue
                values = _array(tensor)
                learner.store(name, values, kind)
                if not tensor.is_contiguous():
                    tensor.detach().copy_(torch.from_numpy(values))

    def _parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        from twisterl.nn.spec import plain_name

        parameters = self._algorithm.policy.named_parameters()
        named = {plain_name(name): parameter for name, parameter in parameters}
        return [(name, named[name]) for name in self._learner.names]


def _kinds(amsgrad: bool) -> tuple[str, ...]:
    return (*_MOMENTS, _LARGEST) if amsgrad else _MOMENTS


def _array(tensor: Any) -> npt.NDArray[Any]:
    """The memory of a tensor of the CPU, or an array; a copy where it is not contiguous."""
    if isinstance(tensor, np.ndarray):
        return np.asarray(tensor, order="C")
    return tensor.detach().contiguous().numpy()
