"""A memory around a policy without one, as PufferLib adds it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from twisterl.nn import checked
from twisterl.nn.cores import LSTMCore
from twisterl.nn.spaces import shape_of


class LSTMWrapper(nn.Module):
    """An LSTM between what `policy` encodes and what it decodes.

    One set of weights serves steps and sequences. The parameters of `policy` stay as they are.
    Algorithms train it as it is.

    Args:
        env: its `single_observation_space` tells the shape of an observation.
        policy: a module with `encode_observations(obs, state=None) -> [N, input_size]` and
            `decode_actions(hidden) -> (logits, value)`.
        input_size, hidden_size: of the LSTM.
    """

    def __init__(
        self, env: Any, policy: nn.Module, input_size: int = 128, hidden_size: int = 128
    ) -> None:
        super().__init__()
        for name in ("encode_observations", "decode_actions"):
            if not callable(getattr(policy, name, None)):
                raise TypeError(f"policy: expected a method {name}, got {type(policy).__name__}")
        space = env.single_observation_space
        self.obs_shape = shape_of("env.single_observation_space", space)
        self.policy, self.lstm = policy, LSTMCore(input_size, hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size

    def forward_eval(self, observations: torch.Tensor, state: dict[str, Any]) -> tuple[Any, Any]:
        """Logits [B, A] and values [B, 1] of one step.

        Args:
            observations: `[B, *shape]`.
            state: its "lstm_h" and "lstm_c" [B, H], or None, are replaced by the new ones.
        """
        if self._leading_axes(observations) != 1:
            raise ValueError(f"observations: expected [B, ...], got {list(observations.shape)}")
        x = self._encoded(observations, state)
        y, new = self.lstm.step(x, self._flat(state, len(x)))
        state["lstm_h"], state["lstm_c"] = new.split(self.hidden_size, 1)
        return self.policy.decode_actions(y)  # type: ignore[operator]

    def forward(self, observations: torch.Tensor, state: dict[str, Any]) -> tuple[Any, Any]:
        """Logits [B T, A] and values [B, T] of a sequence; the stored state is cut from its graph.

        Args:
            observations: `[B, T, *shape]`, or `[B, *shape]` for one step.
            state: as `forward_eval`.
        """
        if self._leading_axes(observations) == 1:
            observations = observations[:, None]
        rows, steps = observations.shape[:2]
        x = self._encoded(observations.flatten(0, 1), state).unflatten(0, (rows, steps))
        y, new = self.lstm(x, self._flat(state, rows))
        state["lstm_h"], state["lstm_c"] = new.detach().split(self.hidden_size, 1)
        logits, values = self.policy.decode_actions(y.flatten(0, 1))  # type: ignore[operator]
        return logits, values.reshape(rows, steps)

    @property
    def state_size(self) -> int:
        """S = 2 H."""
        return self.lstm.state_size

    def initial_state(self, batch_size: int) -> torch.Tensor:
        """Zeros [B, S]: h, then c."""
        return self.lstm.initial_state(batch_size)

    def outputs(
        self, observations: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits `[*, A]`, values `[*, 1]` and the new state: what training and the engine take.

        Args:
            observations: `[B, *shape]`, or `[B, T, *shape]` for sequences.
            state: [B, S].
        """
        decode: Any = self.policy.decode_actions
        if checked.is_recorded(observations) or self._leading_axes(observations) == 1:
            y, state = self.lstm.step(self._encoded(observations, {}), state)
            return (*decode(y), state)
        sizes = observations.shape[:2]
        x = self._encoded(observations.flatten(0, 1), {}).unflatten(0, sizes)
        y, state = self.lstm(x, state)
        logits, values = decode(y.flatten(0, 1))
        return logits.unflatten(0, sizes), values.unflatten(0, sizes), state

    def _leading_axes(self, observations: torch.Tensor) -> int:
        leading = checked.tensor("observations", observations).ndim - len(self.obs_shape)
        if leading not in (1, 2) or tuple(observations.shape[leading:]) != self.obs_shape:
            expected = f"[B, {self.obs_shape}] or [B, T, {self.obs_shape}]"
            raise ValueError(f"observations: expected {expected}, got {list(observations.shape)}")
        return leading

    def _encoded(self, rows: torch.Tensor, state: dict[str, Any]) -> torch.Tensor:
        x = self.policy.encode_observations(rows, state=state)  # type: ignore[operator]
        if checked.is_recorded(rows):
            return x
        return checked.shape("encode_observations()", x, (len(rows), self.input_size))

    def _flat(self, state: dict[str, Any], rows: int) -> torch.Tensor | None:
        parts: list[Any] = [state.get("lstm_h"), state.get("lstm_c")]
        if all(part is None for part in parts):
            return None
        flat = []
        for name, part in zip(("lstm_h", "lstm_c"), parts, strict=True):
            checked.tensor(name, part)
            part = part[0] if part.ndim == 3 and len(part) == 1 else part
            flat.append(checked.shape(name, part, (rows, self.hidden_size)))
        return torch.cat(flat, 1)
