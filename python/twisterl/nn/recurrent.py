"""Pyrado's recurrent policies: what they remember is an argument and a result, as one vector.

RNN and GRU remember [L, H], layer after layer, S = L H; an LSTM all h, then all c, S = 2 L H.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.base_policy import Policy
from twisterl.nn.modes import modes_kept
from twisterl.nn.step_sequence import StepSequence


def default_pack_hidden(
    hidden: torch.Tensor,
    num_recurrent_layers: int,
    hidden_size: int,
    batch_size: int | None = None,
) -> torch.Tensor:
    """[B, L H], or [L H] where `batch_size` is None, of what torch's RNN and GRU remember.

    >>> default_pack_hidden(torch.arange(6).reshape(2, 1, 3), 2, 3).tolist()
    [0, 1, 2, 3, 4, 5]

    Args:
        hidden: [L, B, H].
        num_recurrent_layers, hidden_size, batch_size: L, H and B.

    Raises:
        ValueError: `hidden` of another shape.
    """
    rows = 1 if batch_size is None else batch_size
    checked.shape("hidden", hidden, (num_recurrent_layers, rows, hidden_size))
    packed = hidden.transpose(0, 1).reshape(rows, num_recurrent_layers * hidden_size)
    return packed[0] if batch_size is None else packed


def default_unpack_hidden(
    hidden: torch.Tensor,
    num_recurrent_layers: int,
    hidden_size: int,
    batch_size: int | None = None,
) -> torch.Tensor:
    """[L, B, H], the inverse of `default_pack_hidden`; B is 1 where `batch_size` is None.

    Args:
        hidden: [B, L H], or [L H] where `batch_size` is None.

    Raises:
        ValueError: `hidden` of another shape.
    """
    width = num_recurrent_layers * hidden_size
    checked.shape("hidden", hidden, (width,) if batch_size is None else (batch_size, width))
    return hidden.reshape(-1, num_recurrent_layers, hidden_size).transpose(0, 1)


class RecurrentPolicy(Policy):
    """A policy that remembers S numbers, `hidden_size`; see `Policy`."""

    @property
    def is_recurrent(self) -> bool:
        """True."""
        return True

    @property
    @abstractmethod
    def hidden_size(self) -> int:
        """S."""

    def init_hidden(self, batch_size: int | None = None) -> torch.Tensor:
        """What it remembers at first, [S] or [B, S], a new tensor each time; zeros here."""
        lead = () if batch_size is None else (checked.integer("batch_size", batch_size, 0),)
        return next(self.parameters()).new_zeros(*lead, self.hidden_size)

    @abstractmethod
    def forward(self, obs: torch.Tensor, hidden: torch.Tensor | None = None) -> tuple[Any, ...]:
        """(action, hidden) after one observation.

        Args:
            obs: [D] or [B, D].
            hidden: [S] or [B, S]; None: `init_hidden()`.

        Returns:
            The action [A] or [B, A], and what it remembers then, of the shape of `hidden`.

        Raises:
            ValueError: other shapes.
        """

    def sequence(
        self, obs: torch.Tensor, hidden: torch.Tensor, done: torch.Tensor | None = None
    ) -> tuple[Any, torch.Tensor]:
        """Actions [B, T, A] and what it remembers at last, [B, S].

        Args:
            obs: [B, T, D].
            hidden: [B, S].
            done: [B, T], set where it begins anew before that observation.
        """
        steps = []
        for t in range(obs.shape[1]):
            hidden = self._begun(hidden, None if done is None else done[:, t])
            action, hidden = self(obs[:, t], hidden)
            steps.append(action)
        return torch.stack(steps, 1), hidden

    def _begun(self, hidden: torch.Tensor, done: torch.Tensor | None) -> torch.Tensor:
        """`hidden` [B, S], the first one where `done` [B] is set."""
        if done is None:
            return hidden
        return torch.where((done != 0)[:, None], self.init_hidden(len(hidden)), hidden)

    def evaluate(self, rollout: StepSequence, hidden_states_name: str = "hidden_states") -> Any:
        """The actions [n, A] of every recorded step, with gradients through what is remembered.

        A rollout starts from its first entry `hidden_states_name`, as a constant, or where there
        is none from `init_hidden()`. Nothing is dropped out.

        Raises:
            TypeError: no rollout, or one of arrays.
            ValueError: one that is not continuous.
        """
        if not isinstance(rollout, StepSequence):
            raise TypeError(f"rollout: expected a StepSequence, got {type(rollout).__name__}")
        if rollout.data_format != "torch":
            raise TypeError("rollout: expected tensors, got arrays; its method torch() makes them")
        if not rollout.continuous:
            raise ValueError("rollout: expected a continuous one, got picked steps")
        own = next(self.parameters())
        parts = []
        with evaluating(self):
            for part in rollout.iterate_rollouts():
                obs = part.get_data_values("observations", truncate_last=True).to(own)
                if hidden_states_name in part.data_names:
                    hidden = part[hidden_states_name][0].detach().to(own)
                    checked.shape(hidden_states_name, hidden, (self.hidden_size,))
                else:
                    hidden = self.init_hidden()
                outputs, _ = self.sequence(obs.reshape(1, len(part), -1), hidden[None])
                parts.append(outputs)
        if isinstance(parts[0], tuple):
            return tuple(torch.cat(each, 1)[0] for each in zip(*parts, strict=True))
        return torch.cat(parts, 1)[0]

    def script(self) -> Any:
        """A `torch.jit.ScriptModule` that holds its state: see `StatefulRecurrentNetwork`.

        torch has deprecated TorchScript; nothing else here needs it.
        """
        from twisterl.nn.scripted import scripted

        return scripted(self)


class LayeredPolicy(RecurrentPolicy):
    """A recurrent policy of features [..., F], from which its outputs [..., A] are.

    features, hidden = g(obs, hidden), action = f(features).
    """

    @property
    @abstractmethod
    def feature_size(self) -> int:
        """F."""

    @abstractmethod
    def features(
        self, obs: torch.Tensor, hidden: torch.Tensor, done: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [B, T, F] and what it remembers at last; arguments as of `sequence`."""

    @abstractmethod
    def outputs(self, features: torch.Tensor) -> Any:
        """The action [..., A] of features [..., F], or two outputs."""

    def sequence(
        self, obs: torch.Tensor, hidden: torch.Tensor, done: torch.Tensor | None = None
    ) -> tuple[Any, torch.Tensor]:
        """As `RecurrentPolicy.sequence`, or two outputs [B, T, A] in place of the actions."""
        features, hidden = self.features(obs, hidden, done)
        return self.outputs(features), hidden

    def forward(self, obs: torch.Tensor, hidden: torch.Tensor | None = None) -> tuple[Any, ...]:
        """As `RecurrentPolicy.forward`; two outputs where there are two heads."""
        if checked.tensor("obs", obs, at_least=1).ndim > 2:
            raise ValueError(f"obs: expected [D] or [B, D], got shape {list(obs.shape)}")
        lead = obs.shape[:-1]
        checked.shape("obs", obs, (*lead, self.obs_dim))
        if hidden is None:
            hidden = self.init_hidden(lead[0] if lead else None)
        checked.shape("hidden", hidden, (*lead, self.hidden_size))
        own = next(self.parameters())
        rows, known = obs.to(own).reshape(-1, 1, self.obs_dim), hidden.to(own)
        features, new = self.features(rows, known.reshape(-1, self.hidden_size))
        outputs = self.outputs(features.reshape(*lead, self.feature_size))
        new = new.reshape(*lead, self.hidden_size)
        return (*outputs, new) if isinstance(outputs, tuple) else (outputs, new)


@contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Without dropout, and with gradients on a GPU, whose cuDNN has none of an RNN then."""
    with modes_kept(module), torch.backends.cudnn.flags(enabled=False):
        module.eval()
        yield
