"""Policies that only torch plays, as ONNX graphs: torch follows one step of them."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import torch

from twisterl.faults import ConfigError, Fault
from twisterl.nn.dense import as_floats


class _Step(torch.nn.Module):
    """A copy of a policy's module, of observations [N, F] and, if it remembers, states [N, S]."""

    # [A], where actions are numbers.
    log_std: torch.Tensor | None

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.module = copy.deepcopy(policy.module)
        self.method, self.obs_shape = policy.method, policy.obs_shape
        self.obs_dtype = policy.obs_dtype
        log_std = getattr(policy.head, "log_std", None)
        self.register_buffer("log_std", None if log_std is None else log_std.detach().clone())

    def forward(self, observation: torch.Tensor, *state: torch.Tensor) -> tuple[Any, ...]:
        x = as_floats(observation.reshape(-1, *self.obs_shape), self.obs_dtype)
        outputs, value, *after = getattr(self.module, self.method)(x, *state)
        # A buffer alone is no output of a graph.
        numbers = () if self.log_std is None else (self.log_std + 0.0,)
        return (outputs, value.reshape(-1, 1), *numbers, *after)


def traced(onnx: Any, policy: Any) -> Any:
    """The model of a `TorchPolicy`, with the inputs and outputs of `twisterl.export.onnx`.

    Raises:
        ConfigError: observations of several parts, or what torch cannot write.
    """
    name = type(policy.module).__name__
    if isinstance(policy.obs_dtype, dict):
        problem = f"{name} is played by torch, and sees several parts"
        raise ConfigError([Fault("policy_cls", problem)], "run")
    kind = torch.uint8 if policy.obs_dtype == "uint8" else torch.float32
    given = [torch.zeros(2, policy.obs_size, dtype=kind)]
    inputs, outputs = ["observation"], ["logits", "value"]
    if hasattr(policy.head, "log_std"):
        outputs = ["mean", "value", "log_std"]
    if policy.state_size:
        given.append(policy.module.initial_state(2).detach().to(torch.float32))
        inputs, outputs = [*inputs, "state"], [*outputs, "next_state"]
    rows = {each: {0: "N"} for each in (*inputs, *outputs) if each != "log_std"}
    file: Any = io.BytesIO()
    step = _Step(policy).to("cpu", torch.float32).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # torch's newer way needs a package more and takes seconds; and sizes are looked at.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                step, tuple(given), file, input_names=inputs, output_names=outputs,
                dynamic_axes=rows, dynamo=False, opset_version=17,
                do_constant_folding=False,
            )  # fmt: skip
    except Exception as error:  # a module of any kind fails with errors of any kind
        problem = f"torch cannot write {name} as ONNX: {error}"
        raise ConfigError([Fault("policy_cls", problem)], "run") from error
    return onnx.load_model_from_string(file.getvalue())
