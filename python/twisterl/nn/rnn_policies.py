"""Pyrado's policies of torch's recurrent layers, and a Linear behind them.

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace, EnvSpec
>>> policy = LSTMPolicy(EnvSpec(BoxSpace(-1, 1, 3), BoxSpace(-1, 1, 2)), 8, 1, torch.tanh)
>>> action, hidden = policy(torch.zeros(3))
>>> action.shape, hidden.shape, policy.name
(torch.Size([2]), torch.Size([16]), 'lstm')
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.cells import Cells
from twisterl.nn.recurrent import LayeredPolicy
from twisterl.nn.spaces import EnvSpec

Nonlinearity = Callable[[torch.Tensor], torch.Tensor]
# What torch's layers take besides; another one would change what is remembered.
_OPTIONS = ("bias", "device", "dtype")


class RNNPolicyBase(LayeredPolicy):
    """Recurrent layers `rnn_layers`, a Linear `output_layer`, a nonlinearity: a = f(W h' + b).

    `forward` takes obs [B, D] and hidden [B, S] and returns actions [B, A] and hidden [B, S];
    `twisterl.nn.cells` has the equations of a step.

    Args:
        spec: the spaces of the environment.
        hidden_size: H.
        num_recurrent_layers: L.
        output_nonlin: of the actions; None: none.
        dropout: share of the numbers between two layers that training leaves out.
        init_param_kwargs: for `init_param`.
        use_cuda: whether it is on the GPU.
        recurrent_net_kwargs: `bias`, `device` and `dtype`, as torch has them.

    Raises:
        TypeError, ValueError: naming the argument.
    """

    # The class of torch whose layers these are.
    recurrent_network_type: type[nn.RNNBase] | None = None

    def __init__(
        self,
        spec: EnvSpec,
        hidden_size: int,
        num_recurrent_layers: int,
        output_nonlin: Nonlinearity | None = None,
        dropout: float = 0.0,
        init_param_kwargs: dict[str, Any] | None = None,
        use_cuda: bool = False,
        **recurrent_net_kwargs: Any,
    ) -> None:
        super().__init__(spec, use_cuda)
        self.output_nonlin = checked_nonlin("output_nonlin", output_nonlin)
        self.init_kwargs = dict(init_param_kwargs or {})
        self.rnn_layers = layers_of(
            self.recurrent_network_type,
            {"hidden_size": hidden_size, "num_recurrent_layers": num_recurrent_layers},
            self.obs_dim, dropout, recurrent_net_kwargs,
        )  # fmt: skip
        own = next(self.rnn_layers.parameters())
        self.output_layer = nn.Linear(hidden_size, self.act_dim).to(own)
        self._begin()

    @property
    def hidden_size(self) -> int:
        """S."""
        return self.rnn_layers.state_size

    @property
    def num_recurrent_layers(self) -> int:
        """L."""
        return self.rnn_layers.num_layers

    @property
    def feature_size(self) -> int:
        """H."""
        return self.rnn_layers.hidden_size

    def features(
        self, obs: torch.Tensor, hidden: torch.Tensor, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.rnn_layers(obs, hidden, done)

    def outputs(self, features: torch.Tensor) -> Any:
        y = self.output_layer(features)
        return y if self.output_nonlin is None else self.output_nonlin(y)


class RNNPolicy(RNNPolicyBase):
    """h' [B, H] = f(W x + b + U h + c); see `RNNPolicyBase`. Elman, "Finding structure in time".

    Args:
        hidden_nonlin: f, "tanh" or "relu".
    """

    name = "rnn"
    recurrent_network_type = nn.RNN

    def __init__(
        self,
        spec: EnvSpec,
        hidden_size: int,
        num_recurrent_layers: int,
        hidden_nonlin: str = "tanh",
        output_nonlin: Nonlinearity | None = None,
        dropout: float = 0.0,
        init_param_kwargs: dict[str, Any] | None = None,
        use_cuda: bool = False,
    ) -> None:
        checked.choice("hidden_nonlin", hidden_nonlin, ("tanh", "relu"))
        super().__init__(
            spec, hidden_size, num_recurrent_layers, output_nonlin, dropout, init_param_kwargs,
            use_cuda, nonlinearity=hidden_nonlin,
        )  # fmt: skip


class GRUPolicy(RNNPolicyBase):
    """A gated recurrent unit, S = L H; see `RNNPolicyBase`.

    h' [B, H] = (1 - z) n + z h. Cho et al., "Learning phrase representations using RNN
    encoder-decoder", 2.3.
    """

    name = "gru"
    recurrent_network_type = nn.GRU


class LSTMPolicy(RNNPolicyBase):
    """A long short-term memory; see `RNNPolicyBase`. S is 2 L H: all h, then all c.

    c' [B, H] = f c + i g, h' = o tanh(c'). Hochreiter and Schmidhuber, "Long short-term memory".
    """

    name = "lstm"
    recurrent_network_type = nn.LSTM


def layers_of(
    kind: type[nn.RNNBase] | None,
    sizes: dict[str, int],
    num_inputs: int,
    dropout: float,
    options: dict[str, Any],
) -> Cells:
    """The layers of a class of torch; `sizes` are H and L by the names of their arguments."""
    known = {nn.RNN: "rnn", nn.GRU: "gru", nn.LSTM: "lstm"}
    if kind not in known:
        got = getattr(kind, "__name__", kind)
        raise TypeError(f"recurrent_network_type: expected RNN, GRU or LSTM of torch, got {got}")
    allowed = (*_OPTIONS, "nonlinearity") if kind is nn.RNN else _OPTIONS
    for name in options.keys() - set(allowed):
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got another argument")
    hidden_size, num_layers = (checked.integer(name, size) for name, size in sizes.items())
    checked.number("dropout", dropout, 0.0, 1.0)
    # torch warns of a dropout that has no place.
    options = {"dropout": dropout if num_layers > 1 else 0.0, **options}
    return Cells(known[kind], num_inputs, hidden_size, num_layers, **options)


def checked_nonlin(name: str, value: Any) -> Any:
    """`value`, a function or None."""
    return value if value is None else checked.function(name, value)
