"""Adam without the compiler of torch.

The first call of some optimizer methods imports `torch._dynamo`, which no training here uses and
which costs a second and 160 MiB. `make_adam` marks these methods as having nothing to disable.
"""

from collections.abc import Iterable
from typing import Any

import torch

_MARK = "__dynamo_disable"


def make_adam(parameters: Iterable[torch.nn.Parameter], arguments: dict[str, Any]) -> Any:
    """`torch.optim.Adam(parameters, **arguments)`; JSON's list of betas is taken as a tuple."""
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, _MARK):
            setattr(method, _MARK, method)
    parameters = list(parameters)
    arguments = dict(arguments)
    if "betas" in arguments:
        arguments["betas"] = tuple(arguments["betas"])
    if all(p.device.type == "cpu" and p.dtype == torch.float32 for p in parameters):
        arguments.setdefault("fused", True)
    return torch.optim.Adam(parameters, **arguments)
