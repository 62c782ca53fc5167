"""Policies in PyTorch, their export to the Rust engine, and parts of policies.

torch is imported with the first.

>>> from twisterl.nn import BasicPolicy
>>> policy = BasicPolicy([9, 9], 4, embedding_size=16, common_layers=(8,))
>>> sorted(policy.state_dict())[:2]
['action.0.bias', 'action.0.weight']
"""

import importlib
from typing import TYPE_CHECKING, Any

from twisterl.on_demand import MissingPackage, is_installed, lacks_torch

if TYPE_CHECKING:
    from twisterl.nn.describing import describe  # noqa: F401
    from twisterl.nn.policy import BasicPolicy, Conv1dPolicy  # noqa: F401
    from twisterl.nn.torch_policy import TorchPolicy  # noqa: F401

# What each module has for everyone.
_NAMES = {
    "policy": ("BasicPolicy", "Conv1dPolicy"),
    "torch_policy": ("TorchPolicy",),
    "actor_critic": ("ActorCritic",),
    "describing": ("describe",),
    "cores": ("GRUCore", "LSTMCore", "RecurrentCore"),
    "encoders": ("AttentionEncoder", "ImpalaCNN", "ResidualBlock"),
    "image_policies": ("CNNPolicy", "ImpalaPolicy", "MultiInputPolicy"),
    "init": ("init_param", "layer_init"),
    "lstm_wrapper": ("LSTMWrapper",),
    "multi_agent": ("IndependentMultiAgentPolicy", "SharedMultiAgentPolicy"),
    "nonlin": ("IndiNonlinLayer", "MirrConv1d"),
    "observations": ("flatten_observations", "unflatten_observations"),
    "policy_checks": ("check_gradients", "check_policy_shapes"),
    "running_norm": ("RunningNorm",),
    "spaces": ("BoxSpace", "DiscreteSpace", "EnvSpec", "MultiDiscreteSpace"),
    "vector_policies": (
        "AttentionPolicy",
        "ContinuousPolicy",
        "MLPPolicy",
        "NormalizedPolicy",
        "RecurrentActorCritic",
        "ResidualPolicy",
    ),
}
# Where each class is.
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
# The modules that are there without an import of their own.
_LOADED = {
    "policy",
    "torch_policy",
    "describing",
    "dense",
    "heads",
    "placed",
    "sparse",
    "spec",
    "utils",
}
_LOADED |= {"functional", "distributions"}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name in (_MODULES.keys() | _LOADED) and not is_installed():
        raise MissingPackage(lacks_torch(f"{__name__}.{name}"))
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    if name in _LOADED:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
