"""The base of Pyrado's policies: parameters as one vector, and where they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch

from twisterl.nn import checked
from twisterl.nn.init import init_param
from twisterl.nn.placed import Placed
from twisterl.nn.spaces import EnvSpec, flat_dim


class Policy(Placed, ABC):
    """From observations to actions, for environments of `spec`.

    Args:
        spec: the spaces of the environment.
        use_cuda: whether it is on the GPU.

    Raises:
        TypeError: `spec` is no `EnvSpec`.
        ValueError: `use_cuda` without a GPU.
    """

    name: str = ""
    # What `init_param` gets besides its own arguments.
    init_kwargs: dict[str, Any]

    def __init__(self, spec: EnvSpec, use_cuda: bool = False) -> None:
        super().__init__()
        if not hasattr(spec, "obs_space") or not hasattr(spec, "act_space"):
            raise TypeError(f"spec: expected an EnvSpec, got {type(spec).__name__}")
        if use_cuda and not torch.cuda.is_available():
            raise ValueError("use_cuda: expected False without a GPU of CUDA, got True")
        self.env_spec, self._use_cuda, self.init_kwargs = spec, bool(use_cuda), {}
        self.obs_dim = flat_dim("spec.obs_space", spec.obs_space)
        self.act_dim = flat_dim("spec.act_space", spec.act_space)

    @abstractmethod
    def forward(self, obs: torch.Tensor, hidden: torch.Tensor | None = None) -> Any:
        """The action of observations [D] or [B, D]."""

    @property
    def is_recurrent(self) -> bool:
        """Whether it remembers."""
        return False

    def reset(self) -> None:
        """Called before an episode; the policy itself holds no state of one."""

    def _draw(self, **kwargs: Any) -> None:
        """Draws the parameters as at construction."""
        draw_parameters(self, **kwargs)

    def init_param(self, init_values: torch.Tensor | None = None, **kwargs: Any) -> None:
        """Draws the parameters anew, as at construction, or sets them.

        Args:
            init_values: [P], all parameters one after the other.
            kwargs: of `twisterl.nn.init_param`, besides those of the construction.
        """
        if init_values is None:
            with torch.no_grad():
                self._draw(**{**self.init_kwargs, **kwargs})
        else:
            self.param_values = init_values

    def _begin(self) -> None:
        """The end of a construction."""
        self.init_param()
        if self._use_cuda:
            self.to("cuda")

    @property
    def num_param(self) -> int:
        """P."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def param_values(self) -> torch.Tensor:
        """[P], a copy of all parameters; assigning sets them."""
        return torch.cat([parameter.detach().flatten() for parameter in self.parameters()])

    @param_values.setter
    def param_values(self, values: torch.Tensor) -> None:
        checked.shape("init_values", values, (self.num_param,))
        with torch.no_grad():
            for parameter, part in self._parts(values):
                parameter.copy_(part)

    @property
    def param_grad(self) -> torch.Tensor:
        """[P], a copy of all gradients, 0 where there is none; assigning sets them."""
        grads = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            for parameter in self.parameters()
        ]
        return torch.cat([grad.detach().flatten() for grad in grads])

    @param_grad.setter
    def param_grad(self, values: torch.Tensor) -> None:
        checked.shape("param_grad", values, (self.num_param,))
        for parameter, part in self._parts(values):
            parameter.grad = part.detach().to(parameter, copy=True)

    def _parts(self, values: torch.Tensor) -> Any:
        parameters = list(self.parameters())
        pieces = values.split([parameter.numel() for parameter in parameters])
        pairs = zip(parameters, pieces, strict=True)
        return [(parameter, piece.reshape(parameter.shape)) for parameter, piece in pairs]


def draw_parameters(module: torch.nn.Module, **kwargs: Any) -> None:
    """`twisterl.nn.init_param` of `module` and everything inside of it."""
    for part in module.modules():
        init_param(part, **kwargs)
