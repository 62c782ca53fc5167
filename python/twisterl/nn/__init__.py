"""Policies in PyTorch, and their export to the Rust engine; torch is imported with the first.

>>> from twisterl.nn import BasicPolicy
>>> policy = BasicPolicy([9, 9], 4, embedding_size=16, common_layers=(8,))
>>> sorted(policy.state_dict())[:2]
['action.0.bias', 'action.0.weight']
"""

import importlib
from typing import TYPE_CHECKING, Any

from twisterl.on_demand import MissingPackage, is_installed, lacks_torch

if TYPE_CHECKING:
    from twisterl.nn.describing import describe
    from twisterl.nn.policy import BasicPolicy, Conv1dPolicy
    from twisterl.nn.torch_policy import TorchPolicy

# What each module of parts has for everyone.
_PARTS = {
    "activations": ("SquaredReLU", "get_activation"),
    "adn": ("ADNPolicy",),
    "attention": ("CrossAttention", "SelfAttention", "SelfAttentionStack"),
    "base_policy": ("Policy",),
    "actor_critic": ("ActorCritic",),
    "cores": ("GRUCore", "LSTMCore", "RecurrentCore"),
    "encoders": ("AttentionEncoder", "ImpalaCNN", "ResidualBlock"),
    "image_policies": ("CNNPolicy", "ImpalaPolicy", "MultiInputPolicy"),
    "init": ("init_param", "layer_init"),
    "lstm_wrapper": ("LSTMWrapper",),
    "mlp": ("MLP",),
    "multi_agent": ("IndependentMultiAgentPolicy", "SharedMultiAgentPolicy"),
    "neural_fields": ("NFPolicy",),
    "nonlin": ("IndiNonlinLayer", "MirrConv1d"),
    "observations": ("flatten_observations", "unflatten_observations"),
    "perceiver": ("PerceiverIOLayer", "PerceiverLayer"),
    "pointer": ("PointerNetwork",),
    "policy_checks": ("check_gradients", "check_policy_shapes"),
    "policy_core": ("PolicyActorCritic",),
    "positions": ("PositionalEmbedding",),
    "potential_based": ("PotentialBasedPolicy",),
    "recurrent": ("RecurrentPolicy", "default_pack_hidden", "default_unpack_hidden"),
    "rnn_policies": ("GRUPolicy", "LSTMPolicy", "RNNPolicy", "RNNPolicyBase"),
    "running_norm": ("RunningNorm",),
    "scripted": ("StatefulRecurrentNetwork",),
    "skips": ("SequentialSkipConnection",),
    "spaces": ("BoxSpace", "DiscreteSpace", "EnvSpec", "MultiDiscreteSpace"),
    "step_sequence": ("StepSequence",),
    "two_headed": (
        "TwoHeadedGRUPolicy",
        "TwoHeadedLSTMPolicy",
        "TwoHeadedRNNPolicy",
        "TwoHeadedRNNPolicyBase",
    ),
    "vector_policies": (
        "AttentionPolicy",
        "ContinuousPolicy",
        "MLPPolicy",
        "NormalizedPolicy",
        "RecurrentActorCritic",
        "ResidualPolicy",
    ),
}

__all__ = [  # noqa: PLE0604
    "BasicPolicy",
    "Conv1dPolicy",
    "TorchPolicy",
    "describe",
    *(name for names in _PARTS.values() for name in names),
]

# Where each name is.
_MODULES = {"BasicPolicy": "policy", "Conv1dPolicy": "policy", "TorchPolicy": "torch_policy"}
_MODULES["describe"] = "describing"
_MODULES |= {name: module for module, names in _PARTS.items() for name in names}
# The modules that came with them when they were imported at once.
_LOADED = {"policy", "torch_policy", "describing"}
_LOADED |= {"dense", "heads", "placed", "sparse", "spec", "utils"}
# Modules that are used by their own names.
_LOADED |= {"functional", "distributions"}


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
