"""Pyrado's recurrent policies with two outputs.

>>> import torch
>>> from twisterl.nn.spaces import BoxSpace, EnvSpec
>>> spec = EnvSpec(BoxSpace(-1, 1, 3), BoxSpace(-1, 1, 2))
>>> policy = TwoHeadedGRUPolicy(spec, 8, 1, head_2_size=1)
>>> first, second, hidden = policy(torch.zeros(5, 3))
>>> first.shape, second.shape, hidden.shape
(torch.Size([5, 2]), torch.Size([5, 1]), torch.Size([5, 8]))
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.recurrent import LayeredPolicy
from twisterl.nn.rnn_policies import Nonlinearity, checked_nonlin, layers_of
from twisterl.nn.spaces import EnvSpec


class TwoHeadedRNNPolicyBase(LayeredPolicy):
    """Recurrent layers `shared`, and two Linear, `head_1` and `head_2`, each with a nonlinearity.

    `forward` returns (out_1 [B, A1], out_2 [B, A2], hidden [B, S]), `evaluate` (out_1, out_2):
    out_i = f_i(W_i h' + b_i), with the same h' of the step that `twisterl.nn.cells` has.

    Args:
        spec: the spaces of the environment.
        shared_hidden_size: H.
        shared_num_recurrent_layers: L.
        head_1_size, head_2_size: widths; None: that of an action.
        head_1_output_nonlin, head_2_output_nonlin: functions, or None.
        shared_dropout, init_param_kwargs, use_cuda, recurrent_net_kwargs: as `RNNPolicyBase`.
    """

    recurrent_network_type: type[nn.RNNBase] | None = None

    def __init__(
        self,
        spec: EnvSpec,
        shared_hidden_size: int,
        shared_num_recurrent_layers: int,
        head_1_size: int | None = None,
        head_2_size: int | None = None,
        head_1_output_nonlin: Nonlinearity | None = None,
        head_2_output_nonlin: Nonlinearity | None = None,
        shared_dropout: float = 0.0,
        init_param_kwargs: dict[str, Any] | None = None,
        use_cuda: bool = False,
        **recurrent_net_kwargs: Any,
    ) -> None:
        super().__init__(spec, use_cuda)
        self.head_1_output_nonlin = checked_nonlin("head_1_output_nonlin", head_1_output_nonlin)
        self.head_2_output_nonlin = checked_nonlin("head_2_output_nonlin", head_2_output_nonlin)
        self.init_kwargs = dict(init_param_kwargs or {})
        sizes = {
            "shared_hidden_size": shared_hidden_size,
            "shared_num_recurrent_layers": shared_num_recurrent_layers,
        }
        self.shared = layers_of(
            self.recurrent_network_type, sizes, self.obs_dim, shared_dropout, recurrent_net_kwargs
        )
        own = next(self.shared.parameters())
        widths = [self.act_dim if size is None else size for size in (head_1_size, head_2_size)]
        for name, width in zip(("head_1_size", "head_2_size"), widths, strict=True):
            checked.integer(name, width)
        self.head_1, self.head_2 = (nn.Linear(shared_hidden_size, w).to(own) for w in widths)
        self._begin()

    @property
    def hidden_size(self) -> int:
        """S."""
        return self.shared.state_size

    @property
    def feature_size(self) -> int:
        """H."""
        return self.shared.hidden_size

    def features(
        self, obs: torch.Tensor, hidden: torch.Tensor, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.shared(obs, hidden, done)

    def outputs(self, features: torch.Tensor) -> Any:
        first, second = self.head_1(features), self.head_2(features)
        if self.head_1_output_nonlin is not None:
            first = self.head_1_output_nonlin(first)
        if self.head_2_output_nonlin is not None:
            second = self.head_2_output_nonlin(second)
        return first, second


class TwoHeadedRNNPolicy(TwoHeadedRNNPolicyBase):
    """h' [B, H] = f(W x + b + U h + c); see `TwoHeadedRNNPolicyBase`.

    Args:
        shared_hidden_nonlin: "tanh" or "relu".
    """

    name = "thrnn"
    recurrent_network_type = nn.RNN

    def __init__(
        self,
        spec: EnvSpec,
        shared_hidden_size: int,
        shared_num_recurrent_layers: int,
        shared_hidden_nonlin: str = "tanh",
        head_1_size: int | None = None,
        head_2_size: int | None = None,
        head_1_output_nonlin: Nonlinearity | None = None,
        head_2_output_nonlin: Nonlinearity | None = None,
        shared_dropout: float = 0.0,
        init_param_kwargs: dict[str, Any] | None = None,
        use_cuda: bool = False,
    ) -> None:
        checked.choice("shared_hidden_nonlin", shared_hidden_nonlin, ("tanh", "relu"))
        super().__init__(
            spec, shared_hidden_size, shared_num_recurrent_layers, head_1_size, head_2_size,
            head_1_output_nonlin, head_2_output_nonlin, shared_dropout, init_param_kwargs,
            use_cuda, nonlinearity=shared_hidden_nonlin,
        )  # fmt: skip


class TwoHeadedGRUPolicy(TwoHeadedRNNPolicyBase):
    """h' [B, H] = (1 - z) n + z h; see `TwoHeadedRNNPolicyBase`."""

    name = "thgru"
    recurrent_network_type = nn.GRU


class TwoHeadedLSTMPolicy(TwoHeadedRNNPolicyBase):
    """c' [B, H] = f c + i g, h' = o tanh(c'); see `TwoHeadedRNNPolicyBase`. S is 2 L H."""

    name = "thlstm"
    recurrent_network_type = nn.LSTM
