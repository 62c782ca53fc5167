"""Recurrent layers over sequences whose episodes may end inside them.

One step of a layer with input x and state h:

    rnn     h' = f(W x + b + U h + c), f = tanh or ReLU
    gru     r, z = sigmoid(...), n = tanh(W_n x + b_n + r (U_n h + c_n)), h' = (1 - z) n + z h
    lstm    i, f, o = sigmoid(...), g = tanh(...), c' = f c + i g, h' = o tanh(c')

>>> import torch
>>> cells = Cells("gru", 3, 4, num_layers=2)
>>> y, state = cells(torch.zeros(5, 7, 3), torch.zeros(5, cells.state_size))
>>> y.shape, state.shape
(torch.Size([5, 7, 4]), torch.Size([5, 8]))
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from twisterl.nn import checked

_MODES = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
_FUSED = {"RNN_TANH": "rnn_tanh", "RNN_RELU": "rnn_relu", "GRU": "gru", "LSTM": "lstm"}


class Cells(nn.RNNBase):
    """torch's RNN, GRU or LSTM with a flat state that may restart; names and meaning are torch's.

    Where nothing restarts torch's own function computes it. Compilers and exports see the loop,
    for they refuse torch's classes.

    Args:
        kind: "rnn", "gru" or "lstm".
        nonlinearity: of "rnn", "tanh" or "relu".
        options: `bias` and `dropout`, as torch has them.
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        **options: Any,
    ) -> None:
        mode = _MODES[checked.choice("kind", kind, _MODES)]
        if kind == "rnn":
            mode += f"_{checked.choice('nonlinearity', nonlinearity, ('tanh', 'relu')).upper()}"
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        for name, size in sizes.items():
            checked.integer(name, size)
        super().__init__(mode, **sizes, batch_first=True, **options)  # type: ignore[arg-type]
        self.kind, self.nonlinearity = kind, nonlinearity
        # An LSTM remembers h and c of a layer.
        self.num_parts = 2 if kind == "lstm" else 1
        self.state_size = self.num_parts * num_layers * hidden_size

    def initial_state(self, batch_size: int) -> torch.Tensor:
        """Zeros [B, S]."""
        return next(self.parameters()).new_zeros(batch_size, self.state_size)

    def forward(
        self, x: torch.Tensor, state: torch.Tensor, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs [B, T, H] and the last state [B, S].

        Args:
            x: [B, T, F].
            state: [B, S], layer after layer; of an LSTM all h, then all c.
            done: [B, T], true where the state restarts at 0 before that input.
        """
        parts = state.unflatten(1, (self.num_parts, self.num_layers, self.hidden_size))
        parts = parts.permute(1, 2, 0, 3).contiguous()
        if done is None and not checked.is_traced():
            y, new = self._fused(x, parts)
        else:
            y, new = self._looped(x, parts, done)
        return y, new.permute(2, 0, 1, 3).flatten(1)

    def _fused(self, x: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        known: Any = tuple(parts) if len(parts) == 2 else parts[0]
        options = (self.bias, self.num_layers, self.dropout, self.training, False, True)
        y, *last = getattr(torch, _FUSED[self.mode])(x, known, self._flat_weights, *options)
        return y, torch.stack(last)

    def _looped(
        self, x: torch.Tensor, parts: torch.Tensor, done: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """By one loop over time a layer; `parts` are [parts, L, B, H]."""
        going = None if done is None else (done == 0).to(x.dtype)[..., None]
        lasts = []
        for layer in range(self.num_layers):
            if layer:
                x = nn.functional.dropout(x, self.dropout, self.training)
            entered, h = self._linear("ih", layer, x), parts[:, layer]
            outputs = []
            for t in range(x.shape[1]):
                if going is not None:
                    h = h * going[:, t]
                h = self._step(entered[:, t], self._linear("hh", layer, h[0]), h)
                outputs.append(h[0])
            x = torch.stack(outputs, 1)
            lasts.append(h)
        return x, torch.stack(lasts, 1)

    def _linear(self, which: str, layer: int, x: torch.Tensor) -> torch.Tensor:
        bias = getattr(self, f"bias_{which}_l{layer}") if self.bias else None
        return nn.functional.linear(x, getattr(self, f"weight_{which}_l{layer}"), bias)

    def _step(
        self, entered: torch.Tensor, recalled: torch.Tensor, state: torch.Tensor
    ) -> torch.Tensor:
        """The next state [parts, B, H] from W x + b, U h + c and the state."""
        if self.kind == "lstm":
            i, f, g, o = (entered + recalled).chunk(4, -1)
            c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
            return torch.stack((o.sigmoid() * c.tanh(), c))
        if self.kind == "gru":
            (r, z, n), (hr, hz, hn) = entered.chunk(3, -1), recalled.chunk(3, -1)
            z = (z + hz).sigmoid()
            n = (n + (r + hr).sigmoid() * hn).tanh()
            return ((1 - z) * n + z * state[0])[None]
        h = entered + recalled
        return (h.tanh() if self.nonlinearity == "tanh" else h.relu())[None]
