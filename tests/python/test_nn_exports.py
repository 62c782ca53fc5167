"""Every class of `twisterl.nn` in onnxruntime, and policies as whole graphs of torch.export."""

import io
import os
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if os.environ.get("CI") != "true":
    pytest.importorskip("onnxruntime")

import onnxruntime  # noqa: E402
from nn_cases import tensors  # noqa: E402
from nn_registry import CASES  # noqa: E402
from test_nn_properties import leaves, made, mapped  # noqa: E402


class OfTensors(torch.nn.Module):
    """A module of tensors alone, which also returns what it writes into a dictionary of states."""

    def __init__(self, module, given):
        super().__init__()
        self.module, self.given = module, given

    def forward(self, *flat):
        waiting = list(flat)
        inputs = mapped(self.given, lambda _: waiting.pop(0))
        told = [part for part in tensors(self.module(*inputs)) if part.is_floating_point()]
        states = [part for part in inputs if isinstance(part, dict) and "lstm_h" in part]
        return (*told, *leaves(tuple(states)))


def with_state(name, module, count):
    """Arguments, the state among them where there is one."""
    inputs = CASES[name].inputs(module, count)
    if name == "LSTMWrapper":
        return (
            *inputs[:1],
            {key: torch.randn(count, module.hidden_size) for key in ("lstm_h", "lstm_c")},
        )
    width = (
        module.hidden_size if hasattr(module, "init_hidden") else getattr(module, "state_size", 0)
    )
    return (*inputs, torch.randn(count, width)) if width else inputs


def close(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other.detach(), rtol=1e-5, atol=1e-5)


# Of those that differ by a cell alone, one.
ALIKE = {"RNNPolicy", "GRUPolicy", "TwoHeadedRNNPolicy", "TwoHeadedLSTMPolicy", "CNNPolicy"}
WHOLE = [name for name in CASES if name.endswith(("Policy", "Critic", "Wrapper"))]


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in ALIKE])
def test_graphs_are_whole(name):
    """As torch.compile(fullgraph=True) takes them: strict means that."""
    module = made(name, 1)
    given = with_state(name, module, 2)
    flat, whole = leaves(given), OfTensors(module, given)
    program = torch.export.export(whole, tuple(flat), strict=True).module()
    close([part.detach() for part in program(*flat)], whole(*flat))


@pytest.mark.parametrize("name", CASES)
def test_onnxruntime_computes_them(name):
    """Also of other rows than the traced ones."""
    module = made(name, 1)
    given, shown = with_state(name, module, 2), with_state(name, module, 3)
    whole, file, flat = OfTensors(module, given), io.BytesIO(), leaves(shown)
    names = [f"x{place}" for place in range(len(flat))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = {key: {0: "N"} for key in names}
        options = {"input_names": names, "dynamic_axes": rows, "dynamo": False}
        torch.onnx.export(whole, tuple(leaves(given)), file, opset_version=17, **options)
    session = onnxruntime.InferenceSession(file.getvalue())
    shown = dict(zip(names, [part.detach().numpy() for part in flat], strict=True))
    wanted = {one.name for one in session.get_inputs()}
    close(session.run(None, {key: shown[key] for key in wanted}), whole(*flat))
