"""Adam without the compiler of torch.

Some methods of torch's optimizers import `torch._dynamo` when they are first called, to tell it to
keep out. No training here compiles, and the import costs a second and 160 MiB.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_MARK = "__dynamo_disable"


class Adam(torch.optim.Adam):
    """`torch.optim.Adam`, step for step; for float16 with moments and steps of float32.

    Squares of gradients, and `eps`, are 0 in float16.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.no_grad(), self._in_float32():
            return inspect.unwrap(torch.optim.Adam.step)(self, closure)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Moments become numbers of the parameters' kind.
        with self._in_float32():
            super().load_state_dict(state_dict)

    @contextmanager
    def _in_float32(self) -> Iterator[None]:
        groups = (group["params"] for group in self.param_groups)
        halves = [each for group in groups for each in group if each.dtype == torch.float16]
        for parameter in halves:
            _cast(parameter, torch.float32)
        try:
            yield
        finally:
            for parameter in halves:
                _cast(parameter, torch.float16)


def _cast(parameter: torch.nn.Parameter, dtype: torch.dtype) -> None:
    """Makes numbers of `dtype` of a parameter and its gradient."""
    gradient, parameter.grad = parameter.grad, None
    parameter.data = parameter.data.to(dtype)
    if gradient is not None:
        parameter.grad = gradient.to(dtype)


def make_adam(parameters: Iterable[torch.nn.Parameter], arguments: dict[str, Any]) -> Adam:
    """Adam with the arguments of a config's `optimizer` section."""
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        # Marked as done, what torch wraps around these methods calls them directly.
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, _MARK):
            setattr(method, _MARK, method)
    parameters = list(parameters)
    arguments = dict(arguments)
    if "betas" in arguments:
        arguments["betas"] = tuple(arguments["betas"])
    if all(p.device.type == "cpu" and p.dtype == torch.float32 for p in parameters):
        arguments.setdefault("fused", True)
    return Adam(parameters, **arguments)
