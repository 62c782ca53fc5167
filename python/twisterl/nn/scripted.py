"""A recurrent policy that holds its own state, as TorchScript for programs without Python."""

# TorchScript does not read annotations that wait.
import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class _Step(nn.Module):
    """((out_1, out_2), hidden) or (out, hidden) of one observation."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: torch.Tensor, hidden: torch.Tensor) -> Any:
        *outputs, hidden = self.policy(obs, hidden)
        return (outputs[0] if len(outputs) == 1 else tuple(outputs)), hidden


class StatefulRecurrentNetwork(nn.Module):
    """`out = net(obs)` of one environment, obs [D]; what is remembered is the buffer `hidden` [S].

    Two outputs where the policy has two heads. The policy is traced as it is in evaluation and
    keeps its mode.

    Args:
        net: a `RecurrentPolicy`, which is copied.

    Attributes:
        input_size, output_size: D, and the width of the (first) output.
    """

    hidden: torch.Tensor
    initial: torch.Tensor
    input_size: int
    output_size: int

    def __init__(self, net: Any) -> None:
        super().__init__()
        policy = copy.deepcopy(net).eval()
        obs = next(policy.parameters()).new_zeros(policy.obs_dim)
        with torch.no_grad():
            first = policy.init_hidden()
            output = policy(obs, first)[0]
        self.input_size, self.output_size = policy.obs_dim, len(output)
        self.register_buffer("initial", first.detach())
        self.register_buffer("hidden", first.detach().clone())
        with _without_warnings():
            self.net = torch.jit.trace(_Step(policy), (obs, first.detach().clone()))

    def forward(self, inp):  # type: ignore[no-untyped-def]
        output, hidden = self.net(inp, self.hidden)
        self.hidden = hidden.detach()
        return output

    @torch.jit.export
    def reset(self) -> None:
        """Remembers what it did at first."""
        self.hidden = self.initial.clone()


def scripted(policy: Any) -> Any:
    """The `torch.jit.ScriptModule` of `StatefulRecurrentNetwork(policy)`."""
    with _without_warnings():
        return torch.jit.script(StatefulRecurrentNetwork(policy))


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        for category in (DeprecationWarning, torch.jit.TracerWarning):
            warnings.simplefilter("ignore", category)
        yield
