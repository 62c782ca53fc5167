"""Adam without the compiler of torch.

Some methods of torch's optimizers import `torch._dynamo` when they are first called, to tell it to
keep out. No training here compiles, and the import costs a second and 160 MiB.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch

_MARK = "__dynamo_disable"


class Adam(torch.optim.Adam):
    """`torch.optim.Adam`, step for step."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        with torch.no_grad():
            return inspect.unwrap(torch.optim.Adam.step)(self, closure)


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
