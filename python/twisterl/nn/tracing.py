"""What a torch module does, as a graph of operations, and what each gives for some observations."""

from __future__ import annotations

import copy
import itertools
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx
from torch.nn.utils import parametrize

from twisterl.nn.layers import leaf_type
from twisterl.nn.modes import modes_kept
from twisterl.nn.spec import NotDescribed, plain_name


class Traced(fx.Interpreter):
    """The operations of a module, and what each gave for the observations that it ran with.

    Args:
        module: without wrappers of `torch.compile`.
        num_axes: of an observation.
        method: what returns logits, values and, of a module that remembers, a state.

    Attributes:
        root: the module.
        values: by node.
        start: the node of the observations.

    Raises:
        NotDescribed: it cannot be followed.
    """

    def __init__(self, module: torch.nn.Module, num_axes: int, method: str) -> None:
        graph = _graph(module, num_axes, method)
        super().__init__(fx.GraphModule(module, graph), garbage_collect_values=False)
        self.root, self.values = module, dict[fx.Node, Any]()
        nodes = list(graph.nodes)
        inputs = [node for node in nodes if node.op == "placeholder"]
        self.start, self._end = inputs[0], nodes[-1]
        # What is made of the state alone.
        self._recalled = set(inputs[1:2]) if remembers(module) else set()
        for node in nodes:
            above = node.all_input_nodes
            if above and all(each in self._recalled for each in above):
                self._recalled.add(node)

    def run_node(self, n: fx.Node) -> Any:
        try:
            value = super().run_node(n)
        except Exception as error:
            raise NotDescribed(f"{n.target}: {_first_line(error)}") from error
        # What the module changes in place later does not change here.
        self.values[n] = value.clone() if isinstance(value, torch.Tensor) else value
        return value

    def heads(self) -> tuple[fx.Node, fx.Node]:
        """The nodes of the logits and of the values."""
        told = self._end.args[0]
        count = 3 if remembers(self.root) else 2
        if not (
            isinstance(told, tuple)
            and len(told) == count
            and all(isinstance(part, fx.Node) for part in told)
        ):
            expected = "pair of logits and values"
            if count == 3:
                expected = "logits, values and state"
            raise NotDescribed(f"{who('', self.root)} returns no {expected}")
        shapes = [self.shape(part) for part in told[:2]]
        if len(shapes[0]) != 1 or shapes[1] != [1]:
            raise NotDescribed(f"{who('', self.root)} returns numbers of {shapes}")
        return told[0], told[1]

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """The nodes whose numbers a node is made of."""
        sources = [
            source
            for source in node.all_input_nodes
            if isinstance(self.values[source], torch.Tensor | tuple)
            and source.op != "get_attr"
            and source not in self._recalled
            and not isinstance(self.values[source], torch.Size)
        ]
        if not sources and node is not self.start:
            raise NotDescribed(f"{self.who(node)} does not come from the observations")
        return sources

    def shape(self, node: fx.Node) -> list[int]:
        """The shape of an observation's numbers."""
        value = self.values[node]
        value = value[0] if isinstance(value, tuple) else value
        rows = self.values[self.start].shape[0]
        if not isinstance(value, torch.Tensor) or value.dim() == 0 or value.shape[0] != rows:
            raise NotDescribed(f"{self.who(node)} does not keep the batch as its first axis")
        if value.dim() == 1:
            return [1]
        return list(value.shape[1:])

    def who(self, node: fx.Node) -> str:
        """What errors call a node."""
        if node.op == "call_module":
            name = str(node.target)
            return who(name, self.root.get_submodule(name))
        return f"{node.name} ({name_of(node.target)})"


def _graph(module: torch.nn.Module, num_axes: int, method: str) -> fx.Graph:
    for name, part in module.named_modules():
        hooks = (part._forward_hooks, part._forward_pre_hooks)
        if any(hooks) or parametrize.is_parametrized(part) or "forward" in vars(part):
            raise NotDescribed(
                f"{who(name, part)} has hooks, computed parameters or a forward of its own"
            )
    graphs = []
    with modes_kept(module), torch.enable_grad():
        for is_training in (True, False):
            module.train(is_training)
            graphs.append(_followed(module, num_axes, method))
    # Names of nodes and all arguments are in the text.
    if str(graphs[0]) != str(graphs[1]):
        raise NotDescribed(f"{who('', module)}: forward depends on the mode, training or not")
    _require_unchanged(module, graphs[1])
    return graphs[1]


def _followed(module: torch.nn.Module, num_axes: int, method: str) -> fx.Graph:
    """The operations of the mode that `module` is in."""
    # One that remembers sees one observation at a time here, not a sequence.
    tracer = _Tracer([1 + num_axes, 2] if remembers(module) else [])
    tracer.traced_func_name = method
    try:
        return tracer.trace(module)
    except NotDescribed as error:
        raise NotDescribed(f"{who('', module)}: {error}") from error
    except Exception as error:  # a forward of any kind fails with errors of any kind
        raise NotDescribed(
            f"{who('', module)}: forward depends on more than tensors: {_first_line(error)}"
        ) from error


def _require_unchanged(module: torch.nn.Module, graph: fx.Graph) -> None:
    """Refuses what is changed in place and used later as if it were what it was before."""
    places = {node: place for place, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if node.args and isinstance(node.args[0], fx.Node) and _is_in_place(module, node):
            if any(places[user] > places[node] for user in node.args[0].users):
                raise NotDescribed(f"{node.name} changes in place what is used later")


def _is_in_place(module: torch.nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(module.get_submodule(str(node.target)), "inplace", False))
    is_called_so = name_of(node.target).endswith("_") or node.target in _IN_PLACE.values()
    return is_called_so or bool(node.kwargs.get("inplace"))


_IN_PLACE = {
    f"__{name}__": getattr(operator, name)
    for name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul")
}


class _Numbers(fx.Proxy):
    """What the operations make; fx would take `x += y` for `x = x + y`, a new tensor."""


def _in_place(function: Any) -> Any:
    def made(self: fx.Proxy, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return made


for _name, _function in _IN_PLACE.items():
    setattr(_Numbers, _name, _in_place(_function))


class _Input(_Numbers):
    """Observations or states, of which a module may ask how many axes they have."""

    ndim = 0

    def dim(self) -> int:
        return self.ndim


class _Tracer(fx.Tracer):
    def __init__(self, num_axes: Sequence[int] = ()) -> None:
        super().__init__()
        self._num_axes = list(num_axes)

    def is_leaf_module(self, module: torch.nn.Module, name: str) -> bool:
        return leaf_type(module) is not None or super().is_leaf_module(module, name)

    def create_arg(self, a: Any) -> Any:
        # fx would keep it, a draw too, as an attribute of the module that is followed.
        is_tensor = isinstance(a, torch.Tensor) and a not in self.tensor_attrs
        known = itertools.chain(self.root.parameters(), self.root.buffers())
        if is_tensor and all(a is not one for one in known):
            raise NotDescribed("forward makes a tensor of its own")
        return super().create_arg(a)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        # No operation of the graph would say so, and the engine would train what it is to leave.
        if not torch.is_grad_enabled():
            raise NotDescribed("forward switches gradients off")
        return super().create_node(*args, **kwargs)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        if node.op != "placeholder" or not self._num_axes:
            return _Numbers(node, self)
        known = _Input(node, self)
        known.ndim = self._num_axes.pop(0)
        return known


def uncompiled(module: torch.nn.Module, parts: bool = True) -> torch.nn.Module:
    """The module without the wrapper of `torch.compile`; the same one if there is none.

    Args:
        parts: whether wrappers of its parts go too, which takes a copy if there are some.
    """
    # A module that is no wrapper may have this name all the same, but not as its only part.
    while list(module._modules) == ["_orig_mod"]:
        module = module._modules["_orig_mod"]  # type: ignore[assignment]
    wrapped = [
        name for name, part in module.named_modules() if list(part._modules) == ["_orig_mod"]
    ]
    if parts and wrapped:
        module = copy.deepcopy(module)
        for name in wrapped:
            part = module.get_submodule(name)
            module.set_submodule(plain_name(name), part.get_submodule("_orig_mod"))
    return module


def remembers(module: torch.nn.Module) -> bool:
    """Whether it has a state, as docs/memory.md says."""
    return bool(getattr(module, "state_size", 0))


def name_of(function: Any) -> str:
    """What a function or a method is called."""
    return function if isinstance(function, str) else getattr(function, "__name__", str(function))


def who(name: str, part: Any) -> str:
    """What errors call a module, or something else that is at `name`."""
    kind = type(part).__name__ if isinstance(part, torch.nn.Module) else str(part)
    return f"{plain_name(name)} ({kind})" if name else kind


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
