"""What a policy remembers between its encoder and its heads.

A core has `step(x [B, F], state, done)` and `forward(x [B, T, F], state, done)`, both of which
return (y, state), `initial_state(B)` [B, S], and the sizes `state_size` S, 0 where it remembers
nothing, and `out_features`. Where `done` is set the state restarts before that input.

>>> import torch
>>> core = LSTMCore(3, 4)
>>> y, state = core(torch.zeros(2, 5, 3))
>>> y.shape, state.shape
(torch.Size([2, 5, 4]), torch.Size([2, 8]))
"""

from __future__ import annotations

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.cells import Cells


class NoCore(nn.Module):
    """Remembers nothing."""

    state_size = 0

    def initial_state(self, batch_size: int) -> torch.Tensor:
        return torch.zeros(batch_size, 0)

    def step(
        self, x: torch.Tensor, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return x, state

    def forward(
        self, x: torch.Tensor, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return x, state


class RecurrentCore(nn.Module):
    """Layers of torch's recurrent modules with one set of weights for steps and sequences.

    Inputs are [B, F] or [B, T, F], outputs [B, H] or [B, T, H]; `twisterl.nn.cells` has the
    equations.

    Args:
        kind: "rnn", "gru" or "lstm".
        input_size: F.
        hidden_size: H, also `out_features`.
        num_layers: L; S is L H, of an LSTM 2 L H, all h before all c.
    """

    def __init__(self, kind: str, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        self.net = Cells(kind, input_size, hidden_size, num_layers)
        for name, parameter in self.net.named_parameters():
            if name.startswith("weight"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
        self.input_size, self.out_features = input_size, hidden_size
        self.state_size = self.net.state_size

    def initial_state(self, batch_size: int) -> torch.Tensor:
        """Zeros [B, S]."""
        return self.net.initial_state(batch_size)

    def step(
        self, x: torch.Tensor, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """y [B, H] and the new state [B, S] after one input `x` [B, F].

        Args:
            state: [B, S]; None: the initial one.
            done: [B], bool or 0 and 1.
        """
        checked.tensor("x", x, ndim=2)
        if done is not None:
            done = checked.shape("done", done, x.shape[:1])[:, None]
        y, state = self(x[:, None], state, done)
        return y[:, 0], state

    def forward(
        self, x: torch.Tensor, state: torch.Tensor | None = None, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """y [B, T, H] and the last state [B, S] of inputs `x` [B, T, F].

        Args:
            state: [B, S]; None: the initial one.
            done: [B, T], bool or 0 and 1.
        """
        checked.last_axis("x", x, self.input_size, ndim=3)
        if state is None:
            state = self.initial_state(x.shape[0])
        checked.shape("state", state, (x.shape[0], self.state_size))
        if done is not None:
            checked.shape("done", done, x.shape[:2])
        return self.net(x, state, done)


class LSTMCore(RecurrentCore):
    """A long short-term memory: `RecurrentCore` of kind "lstm".

    c' [B, H] = f c + i g, h' = o tanh(c'). Hochreiter and Schmidhuber, "Long short-term memory".
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__("lstm", input_size, hidden_size, num_layers)


class GRUCore(RecurrentCore):
    """A gated recurrent unit: `RecurrentCore` of kind "gru".

    h' [B, H] = (1 - z) n + z h. Cho et al., "Learning phrase representations using RNN
    encoder-decoder", 2.3.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__("gru", input_size, hidden_size, num_layers)
