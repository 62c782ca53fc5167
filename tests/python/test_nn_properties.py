"""What every class of `twisterl.nn` promises, over random arguments: `nn_registry` has them."""

import ast
import copy
import inspect
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from nn_cases import rows, tensors
from nn_registry import CASES
from twisterl import nn
from twisterl.config.constructed import constructed
from twisterl.envs.protocol import num_outputs
from twisterl.nn import TorchPolicy, compared
from twisterl.nn.describing import NotDescribed
from twisterl.nn.spaces import action_space_of


def each(is_taken=lambda case: True):
    pairs = [(name, seed) for name, case in CASES.items() for seed in range(case.seeds)]
    return pytest.mark.parametrize(
        ("name", "seed"), [(name, seed) for name, seed in pairs if is_taken(CASES[name])]
    )


def made(name, seed):
    torch.manual_seed(seed)
    return CASES[name].make(np.random.default_rng(seed)).eval()


def told_by(module, inputs):
    """All numbers that it returns, the inputs aside that it writes a state into."""
    inputs = [dict(part) if isinstance(part, dict) else part for part in inputs]
    return [part for part in tensors(module(*inputs)) if part.is_floating_point()]


def leaves(inputs):
    """All tensors of dicts and tuples."""
    if isinstance(inputs, torch.Tensor):
        return [inputs]
    parts = inputs.values() if isinstance(inputs, dict) else inputs
    return [leaf for part in parts for leaf in leaves(part)]


def mapped(inputs, change):
    """The same with `change(tensor)` in place of each."""
    if isinstance(inputs, torch.Tensor):
        return change(inputs)
    if isinstance(inputs, dict):
        return {key: mapped(part, change) for key, part in inputs.items()}
    return tuple(mapped(part, change) for part in inputs)


def wide(inputs):
    return mapped(inputs, lambda part: part.double() if part.is_floating_point() else part)


def close(got, wanted, atol):
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=atol, rtol=1e-4 if atol else 0)


def test_every_class_is_here():
    found = {name: getattr(nn, name) for name in nn.__all__}
    classes = {name for name, cls in found.items() if inspect.isclass(cls)}
    modules = {
        name
        for name in classes
        if issubclass(found[name], torch.nn.Module)
        and not inspect.isabstract(found[name])
        # One holds a state of its own, the others are for others to be made of.
        and not name.endswith(("PolicyBase", "StatefulRecurrentNetwork"))
    }
    assert not modules - CASES.keys(), "add a line to nn_registry.CASES"


@each()
def test_rows_are_alone_and_dtypes_follow(name, seed):
    module, count = made(name, seed), 2 + seed % 3
    inputs = CASES[name].inputs(module, count)
    before = copy.deepcopy(inputs)
    told = told_by(module, inputs)
    assert told and all(part.isfinite().all() for part in told)
    assert {part.dtype for part in told} == {torch.float32}
    close(told_by(module, inputs), told, 0)
    for one, other in zip(leaves(before), leaves(inputs), strict=True):
        assert torch.equal(one, other), "an input was changed"
    alone = told_by(module, tuple(rows(part, slice(0, 1)) for part in inputs))
    close(alone, [part[: len(one)] for one, part in zip(alone, told, strict=True)], 1e-5)
    doubled = told_by(copy.deepcopy(module).double(), wide(inputs))
    assert {part.dtype for part in doubled} == {torch.float64}
    close([part.float() for part in doubled], told, 1e-4)


@each()
def test_gradients_are_differences(name, seed):
    module = made(name, seed).double()
    inputs = wide(CASES[name].inputs(module, 3))
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    parameters += [leaf.requires_grad_() for leaf in leaves(inputs) if leaf.is_floating_point()]
    with torch.no_grad():
        for parameter in parameters:
            # Where a bias is 0, ReLUs of silent units stand at their kink.
            parameter += 0.1 * torch.randn_like(parameter)
    weights = [torch.randn_like(part) for part in told_by(module, inputs)]

    def total():
        told = told_by(module, inputs)
        return sum((weight * part).sum() for weight, part in zip(weights, told, strict=True))

    gradients = torch.autograd.grad(total(), parameters, allow_unused=True)
    way = [torch.randn_like(parameter) for parameter in parameters]
    slope = sum((g * w).sum() for g, w in zip(gradients, way, strict=True) if g is not None)
    step, found = 1e-6, []
    with torch.no_grad():
        for times in (1, -2):
            for parameter, along in zip(parameters, way, strict=True):
                parameter += times * step * along
            found.append(total())
    torch.testing.assert_close((found[0] - found[1]) / (2 * step), slope, rtol=1e-4, atol=1e-4)


@each()
def test_weights_and_arguments_go_through_files(name, seed):
    module, case = made(name, seed), CASES[name]
    state = module.state_dict()
    places = [tensor.data_ptr() for tensor in state.values() if tensor.numel()]
    assert len(set(places)) == len(places), "entries share their storage"
    saved = safetensors.torch.load(safetensors.torch.save(state))
    inputs = case.inputs(module, 2)
    told = told_by(module, inputs)
    if case.is_policy and name != "ActorCritic":
        given = json.loads(json.dumps(constructed(module, positional=2)))
        again = type(module)(module.observation_space, module.action_space, **given).eval()
    else:
        again = made(name, seed)
    for kept in again.state_dict().values():
        kept.fill_(1)
    again.load_state_dict(saved)
    close(told_by(again, inputs), told, 0)
    close(told_by(pickle.loads(pickle.dumps(again)), inputs), told, 0)
    copied = copy.deepcopy(module)
    for parameter in copied.parameters():
        torch.nn.init.zeros_(parameter)
    close(told_by(module, inputs), told, 0)


@each(lambda case: not case.looks_at_numbers)
def test_nothing_is_on_a_device_of_its_own(name, seed):
    module = made(name, seed)
    inputs = mapped(CASES[name].inputs(module, 2), lambda part: part.to("meta"))
    assert {part.device.type for part in told_by(module.to("meta"), inputs)} == {"meta"}


@each(lambda case: case.is_policy or case.remembers)
def test_the_engine_computes_it_or_says_why_not(name, seed):
    module = made(name, seed)
    outputs = num_outputs(action_space_of("action_space", module.action_space))
    dtype = ("float32", "sparse")[seed % 2]
    policy = TorchPolicy(module, module.observation_space.shape, outputs, dtype)
    kept_in_torch = getattr(getattr(module.core, "policy", None), "name", "") in ("adn", "nf")
    if kept_in_torch:
        who = type(module.core.policy).__name__
        with pytest.raises(NotDescribed, match=f"{who} has potentials, which the engine does not"):
            policy.net_spec()
        return
    engine = policy.to_rust()
    assert engine.__reduce__()[0].__name__ != "from_torch"
    if CASES[name].remembers:
        compared.require_equal(policy, engine)
        return
    given, features = compared._observations(policy)
    logits, values = engine.forward_batch(*((given,) if features is None else features))
    with torch.no_grad():
        told = policy(torch.from_numpy(given))
    np.testing.assert_allclose(logits, told[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(values, told[1][:, 0], rtol=1e-4, atol=1e-5)


def test_everything_public_tells_shapes_and_where_it_comes_from():
    """A shape, and an equation or a source: of its own or of the module that it is in."""
    named = {name: getattr(nn, name) for name in nn.__all__ if name != "describe"}
    for module in (nn.functional, nn.distributions):
        listed = getattr(module, "__all__", None) or vars(module)
        named |= {name: vars(module)[name] for name in listed if not name.startswith("_")}
    sources = (
        r" = |\bby\b|Pyrado|PufferLib|rl8|torch|TwisteRL|et al\.|inverse|\+ |\* |softmax|max\("
    )
    faults = []
    for name, value in named.items():
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if not value.__module__.startswith("twisterl.nn."):
            continue
        own = vars(value).get("__doc__") or "" if inspect.isclass(value) else value.__doc__ or ""
        around = inspect.getmodule(value).__doc__ or ""
        forward = getattr(
            vars(value).get("forward") if inspect.isclass(value) else None, "__doc__", None
        )
        if "[" not in own + (forward or ""):
            faults.append(f"{name}: no shape")
        if not re.search(sources, own + around):
            faults.append(f"{name}: neither an equation nor a source")
        methods = vars(value).items() if inspect.isclass(value) else ()
        faults += [
            f"{name}.{key}: no shape" for key, each in methods if lacks_shape(value, key, each)
        ]
    assert not faults


def lacks_shape(cls, name, method):
    """Whether a public method takes or returns tensors and does not tell their shapes."""
    function = method.fget if isinstance(method, property) else method
    if name.startswith("_") or not inspect.isfunction(function):
        return False
    told = inspect.getdoc(getattr(cls, name)) or ""
    return not told or ("Tensor" in str(function.__annotations__) and "[" not in told)


def test_no_class_is_longer_than_a_screen():
    """Lines of code: statements and headers, each on one line, without docstrings."""
    told = {}
    for path in Path(nn.__file__).parent.glob("*.py"):
        for found in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(found, ast.ClassDef):
                code = ast.unparse(without_docstrings(found)).splitlines()
                told[found.name] = sum(map(bool, code))
    assert len(told) > 60
    # Those of so many methods by contract are near it.
    assert {name: lines for name, lines in told.items() if lines > 100} == {}


def without_docstrings(tree):
    for part in ast.walk(tree):
        if isinstance(part, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(part):
            part.body = part.body[1:] or [ast.Pass()]
    return tree
