"""Policies that remember, as descriptions: recurrent blocks between an encoder and two heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisterl.export.policy_file import arrays_of, described
from twisterl.faults import ConfigError, Fault

if TYPE_CHECKING:
    from twisterl.nn.actor_critic import ActorCritic


def described_with_memory(policy: Any) -> tuple[dict[str, Any], dict[str, Any], list[float]]:
    """The network of `policy` as data, its float32 arrays, and its state before an episode.

    Raises `ConfigError` if it cannot be described.
    """
    if not getattr(policy, "state_size", 0):
        return described(policy), arrays_of(policy), []
    from twisterl.nn.actor_critic import ActorCritic
    from twisterl.nn.cores import RecurrentCore

    module = policy.module
    if not (isinstance(module, ActorCritic) and isinstance(module.core, RecurrentCore)):
        problem = f"{type(module).__name__} remembers in a way of its own"
        expected = "expected an ActorCritic whose core is one of twisterl.nn.cores"
        raise ConfigError([Fault("policy_cls", f"{problem}; {expected}")], "run")
    return _of_parts(policy, module)


def _of_parts(
    policy: Any, module: ActorCritic
) -> tuple[dict[str, Any], dict[str, Any], list[float]]:
    import torch

    from twisterl.nn.describing import NotDescribed, describe
    from twisterl.nn.spec import engine_tensors
    from twisterl.nn.utils import array

    class Parts(torch.nn.Module):
        """Encoder and heads as if nothing was between them."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.actor, self.critic = module.encoder, module.actor, module.critic
            widths: Any = module.encoder.out_features, module.core.out_features
            # Marks where the memory belongs.
            self.between = torch.nn.Linear(widths[0], widths[1], bias=False)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.between(self.encoder(x))
            return self.actor(features), self.critic(features)

    parts = Parts()
    try:
        spec = describe(parts, policy.obs_shape, policy.obs_dtype)
    except NotDescribed as error:
        raise ConfigError([Fault("policy_cls", str(error))], "run") from error
    net: Any = module.core.net
    cell = f"rnn_{net.nonlinearity}" if net.kind == "rnn" else net.kind
    core = {"block": "recurrent", "name": "core.net", "cell": cell}
    core |= {"inputs": net.input_size, "size": net.hidden_size, "layers": net.num_layers}
    blocks = spec["encoder"]
    at = [block.get("name") for block in blocks].index("between")
    weights = {
        name: values for name, values in engine_tensors(parts, spec).items() if name != "between"
    }
    head = policy.head.spec()
    described = {**spec, "encoder": [*blocks[:at], core, *blocks[at + 1 :]]}
    for name, parameter in net.named_parameters():
        weights[f"core.net.{name}"] = array(parameter)
    if head is not None:
        described["head"] = head
        if "name" in head:
            weights[head["name"]] = array(policy.head.log_std)
    initial = array(module.initial_state(1))[0].tolist()
    return described, weights, initial
