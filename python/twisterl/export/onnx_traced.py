"""Policies that only torch plays, as ONNX graphs: torch follows one step of them."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from typing import Any

import numpy as np
import torch

from twisterl.faults import ConfigError, Fault
from twisterl.nn.compared import TOLERANCE
from twisterl.nn.dense import as_floats

_logger = logging.getLogger("twisterl")
# Rows that a graph is compared on; torch writes it of two.
_COUNTS = (1, 3)


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
        ConfigError: observations of several parts, what torch cannot write, or a graph that
            computes something else: torch writes the operations of one pass, and no conditions.
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
    model = onnx.load_model_from_string(file.getvalue())
    difference = _difference(model, policy, step, inputs, outputs)
    if difference is not None:
        problem = f"{name} as torch writes it as ONNX: {difference}"
        raise ConfigError([Fault("policy_cls", problem)], "run")
    return model


def _difference(
    model: Any, policy: Any, step: _Step, inputs: list[str], outputs: list[str]
) -> str | None:
    """Where the graph computes something else than `step` for random observations, if it does."""
    from onnx.reference import ReferenceEvaluator

    for count in _COUNTS:
        given = [_observations(policy, count)]
        if policy.state_size:
            given.append(policy.module.initial_state(count).detach().to(torch.float32))
        with torch.no_grad():
            expected = step(*(each.clone() for each in given))
        arrays = (each.numpy() for each in given)
        try:
            told = ReferenceEvaluator(model).run(outputs, dict(zip(inputs, arrays, strict=True)))
        except NotImplementedError as error:
            _logger.warning("the ONNX graph is not compared with torch: %s", error)
            return None
        except Exception as error:  # the graph of another batch may fail anywhere
            return f"expected a graph of any batch, got for one of {count}: {error}"
        for name, got, wanted in zip(outputs, told, expected, strict=True):
            off = float(np.abs(got - wanted.numpy()).max())
            if not off <= TOLERANCE * max(1.0, float(wanted.abs().max())):
                return f"expected what torch computes, got a difference of {off:.3g} at {name}"
    return None


def _observations(policy: Any, count: int) -> torch.Tensor:
    """[count, F], random ones; numbers from 0 to 1, which codes may be too."""
    random, shape = np.random.default_rng(count), (count, policy.obs_size)
    if policy.obs_dtype == "uint8":
        return torch.from_numpy(random.integers(0, 256, shape, np.uint8))
    if policy.obs_dtype == "float32":
        return torch.from_numpy(random.random(shape, np.float32))
    return torch.from_numpy((random.random(shape) < 0.3).astype(np.float32))
