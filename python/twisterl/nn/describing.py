"""From a torch module to the description that the engine plays, by the types of its layers.

>>> import torch
>>> class Net(torch.nn.Module):
...     def __init__(self):
...         super().__init__()
...         layers = torch.nn.Flatten(), torch.nn.Linear(9, 8), torch.nn.Tanh()
...         self.body = torch.nn.Sequential(*layers)
...         self.actor, self.critic = torch.nn.Linear(8, 4), torch.nn.Linear(8, 1)
...     def forward(self, x):
...         x = self.body(x)
...         return self.actor(x), self.critic(x)
>>> spec = describe(Net(), [3, 3])
>>> [block["block"] for block in spec["encoder"]]
['bag', 'activation']
>>> spec["value"]
[{'block': 'linear', 'name': 'critic', 'inputs': 8, 'out': 1}]
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.nn import functional
from torch.nn.utils import parametrize

from twisterl.nn.layers import LEAVES, MULTIPLE, RECURRENT, leaf_type
from twisterl.nn.parts import reading
from twisterl.nn.remembering import Moves
from twisterl.nn.spec import Block, NetSpec, NotDescribed, plain_name

# Observations that a module is asked about: more than one, and a number that shapes seldom have.
NUM_ROWS = 7
# A description that grows beyond it would say the same layers many times over.
_MOST_BLOCKS = 10_000


def describe(
    module: torch.nn.Module,
    obs_shape: Sequence[int],
    obs_dtype: Any = "sparse",
    prefix: str = "",
    method: str = "forward",
) -> NetSpec:
    """The description of what `module` computes, as `Policy.from_spec` takes it.

    Args:
        module: takes observations float32 `[B, *obs_shape]` and returns logits `[B, A]` and values
            `[B]` or `[B, 1]`.
        obs_shape, obs_dtype: of the environment, see `TorchPolicy`; observations of several parts
            come as vectors, see `twisterl.nn.parts`.
        prefix: put in front of the names of all parameters.
        method: the one that computes.

    Raises:
        NotDescribed: a layer that the engine does not play, or a `forward` that cannot be followed.
    """
    return described(module, obs_shape, obs_dtype, prefix, method=method).spec


@dataclass
class Description:
    """A description, and the outputs of torch's layers for some observations.

    Attributes:
        spec: what the engine plays.
        made: by the place of a block, `encoder.2`: the layer in torch, and its outputs.
        logits, values: `[N, A]` and `[N]`.
    """

    spec: NetSpec
    made: dict[str, tuple[str, torch.Tensor]]
    logits: torch.Tensor
    values: torch.Tensor


def described(
    module: torch.nn.Module,
    obs_shape: Sequence[int],
    obs_dtype: Any = "sparse",
    prefix: str = "",
    observations: torch.Tensor | None = None,
    method: str = "forward",
) -> Description:
    """As `describe`, together with what the layers give for `observations [N, *obs_shape]`.

    Those of a module with memory are the first of their episodes.
    """
    module = uncompiled(module)
    graph = _traced(module, len(obs_shape), method)
    if observations is None:
        observations = torch.zeros(NUM_ROWS, *obs_shape)
    graph_module = fx.GraphModule(module, graph)
    recorder, moves = _Recorder(graph_module), Moves(graph_module)
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            states = _initial_states(module, observations)
            recorder.run(observations, *states)
            translator = _Translator(graph, module, recorder.values, prefix)
            spec = translator.spec(list(obs_shape), obs_dtype)
            if states:
                tags = moves.numbers(*states[0].shape)
                after = moves.run(observations, tags)[2]
                translator.require_moved(spec, moves, tags, after)
                if states[0].any():
                    spec["initial_state"] = states[0][0].tolist()
    finally:
        module.train(training)
    logits, value = translator.heads()
    made = {}
    for place, (node, name) in translator.places(spec).items():
        told = recorder.values[node]
        # The outputs come before what is remembered.
        told = told[0] if isinstance(told, tuple) else told
        if isinstance(told, torch.Tensor):
            made[place] = name, told
    rows = observations.shape[0]
    # Without what each block was made of.
    spec = json.loads(json.dumps(spec))
    return Description(spec, made, recorder.values[logits], recorder.values[value].reshape(rows))


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


def _initial_states(module: Any, observations: torch.Tensor) -> list[torch.Tensor]:
    """`[N, S]` of a module with memory, in a list; none of another."""
    if not remembers(module):
        return []
    return [module.initial_state(observations.shape[0]).to(torch.float32)]


def remembers(module: torch.nn.Module) -> bool:
    """Whether it has a state, as docs/memory.md says."""
    return bool(getattr(module, "state_size", 0))


class _Input(fx.Proxy):
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

    def proxy(self, node: fx.Node) -> fx.Proxy:
        if node.op != "placeholder" or not self._num_axes:
            return super().proxy(node)
        known = _Input(node, self)
        known.ndim = self._num_axes.pop(0)
        return known


def _traced(module: torch.nn.Module, num_axes: int, method: str) -> fx.Graph:
    for name, part in module.named_modules():
        hooks = (part._forward_hooks, part._forward_pre_hooks)
        if any(hooks) or parametrize.is_parametrized(part) or "forward" in vars(part):
            who = _who(name, part)
            raise NotDescribed(f"{who} has hooks, computed parameters or a forward of its own")
    # One that remembers sees one observation at a time here, not a sequence.
    tracer = _Tracer([1 + num_axes, 2] if remembers(module) else [])
    tracer.traced_func_name = method
    try:
        return tracer.trace(module)
    except NotDescribed:
        raise
    except Exception as error:  # a forward of any kind fails with errors of any kind
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise NotDescribed(
            f"{_who('', module)}: forward depends on more than tensors: {reason[0]}"
        ) from error


def _who(name: str, part: Any) -> str:
    kind = type(part).__name__ if isinstance(part, torch.nn.Module) else str(part)
    return f"{plain_name(name)} ({kind})" if name else kind


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps what each node gives."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        try:
            value = super().run_node(n)
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise NotDescribed(f"{n.target}: {reason[0]}") from error
        # What a module changes in place later must not change here.
        self.values[n] = value.clone() if isinstance(value, torch.Tensor) else value
        return self.values[n]


class _At(dict[str, Any]):
    """A block, and the node that it was made of."""

    node: fx.Node | None = None


def _name_of(function: Any) -> str:
    return function if isinstance(function, str) else getattr(function, "__name__", str(function))


# Functions and methods by name, as layers of torch.nn whose arguments they take.
_FUNCTIONS: dict[str, Callable[..., torch.nn.Module]] = {
    "relu": lambda inplace=False: torch.nn.ReLU(),
    "relu_": torch.nn.ReLU,
    "tanh": torch.nn.Tanh,
    "tanh_": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
    "sigmoid_": torch.nn.Sigmoid,
    "gelu": torch.nn.GELU,
    "silu": lambda inplace=False: torch.nn.SiLU(),
    "leaky_relu": torch.nn.LeakyReLU,
    "elu": torch.nn.ELU,
    "softplus": torch.nn.Softplus,
    "max_pool1d": torch.nn.MaxPool1d,
    "max_pool2d": torch.nn.MaxPool2d,
    "avg_pool1d": torch.nn.AvgPool1d,
    "avg_pool2d": torch.nn.AvgPool2d,
    "adaptive_avg_pool1d": torch.nn.AdaptiveAvgPool1d,
    "adaptive_avg_pool2d": torch.nn.AdaptiveAvgPool2d,
    "contiguous": torch.nn.Identity,
    "float": torch.nn.Identity,
    "clone": torch.nn.Identity,
    "long": torch.nn.Identity,
    "int": torch.nn.Identity,
    "to": lambda *_, **__: torch.nn.Identity(),
}
# torch's functions of these names are wrapped by fx under others.
_FUNCTIONS |= {"boolean_dispatch": torch.nn.MaxPool2d}
_RESHAPING = {"flatten", "reshape", "view", "squeeze", "unsqueeze", "unflatten"}
_SUMS = {"add", "iadd", "add_"}
_CONCATS = {"cat", "concat", "concatenate"}


class _Translator:
    def __init__(
        self,
        graph: fx.Graph,
        module: torch.nn.Module,
        values: dict[fx.Node, Any],
        prefix: str,
    ) -> None:
        self._module, self._values, self._prefix = module, values, prefix
        nodes = list(graph.nodes)
        inputs = [node for node in nodes if node.op == "placeholder"]
        self._start, self._end = inputs[0], nodes[-1]
        # What is made of the state alone.
        self._recalled = set(inputs[1:2]) if remembers(module) else set()
        for node in nodes:
            above = node.all_input_nodes
            if above and all(each in self._recalled for each in above):
                self._recalled.add(node)
        self._above: dict[fx.Node, fx.Node] = {}
        self._depth = {self._start: 0}
        self._count = 0

    def heads(self) -> tuple[fx.Node, fx.Node]:
        told = self._end.args[0]
        count = 3 if remembers(self._module) else 2
        if not (
            isinstance(told, tuple)
            and len(told) == count
            and all(isinstance(part, fx.Node) for part in told)
        ):
            expected = "pair of logits and values"
            if count == 3:
                expected = "logits, values and state"
            raise NotDescribed(f"{_who('', self._module)} returns no {expected}")
        shapes = [self._shape(part) for part in told[:2]]
        if len(shapes[0]) != 1 or shapes[1] != [1]:
            raise NotDescribed(f"{_who('', self._module)} returns numbers of {shapes}")
        return told[0], told[1]

    def spec(self, obs_shape: list[int], obs_dtype: Any) -> NetSpec:
        logits, value = self.heads()
        shared = self._meeting([logits, value])
        first = self._input(obs_shape, obs_dtype, self._chain(shared, self._start))
        return {
            "encoder": first,
            "action": self._chain(logits, shared),
            "value": self._chain(value, shared),
        }

    def require_moved(
        self, spec: NetSpec, moves: Moves, state: torch.Tensor, told: torch.Tensor
    ) -> None:
        """Refuses a module whose state is not that of its layers, one after another.

        Args:
            moves: what ran with the `state` `[B, S]`, and returned `told` `[B, S]`.
        """
        first, after = 0, []
        for node, who in self.places(spec).values():
            if node not in moves.given:
                continue
            given = moves.given[node]
            if not torch.equal(given, state[:, first : first + given.shape[1]]):
                raise NotDescribed(
                    f"{who} is not given numbers {first} to {first + given.shape[1]} of the state, "
                    "h of all its layers, then c"
                )
            first += given.shape[1]
            after.append(moves.made[node])
        if first != state.shape[1] or not torch.equal(told, torch.cat(after, 1)):
            who = _who("", self._module)
            raise NotDescribed(
                f"{who} does not return what its layers remember, in their order, as its state"
            )

    def places(self, spec: NetSpec) -> dict[str, tuple[fx.Node, str]]:
        """The nodes of the blocks, by their places in the description."""
        found: dict[str, tuple[fx.Node, str]] = {}

        def walk(place: str, blocks: list[Block]) -> None:
            for i, block in enumerate(blocks):
                if isinstance(block, _At) and block.node is not None:
                    found[f"{place}.{i}"] = (block.node, self._who(block.node))
                walk(f"{place}.{i}.blocks", block.get("blocks", []))
                for j, branch in enumerate(block.get("branches", [])):
                    walk(f"{place}.{i}.branches.{j}", branch)

        for part in ("encoder", "action", "value"):
            walk(part, spec[part])
        return found

    def _input(self, obs_shape: list[int], obs_dtype: Any, blocks: list[Block]) -> list[Block]:
        features = math.prod(obs_shape)
        behind, shape = blocks, obs_shape
        while behind and behind[0]["block"] in ("flatten", "reshape"):
            shape = behind[0].get("shape", [features])
            behind = behind[1:]
        first = behind[0] if behind else {}
        if remembers(self._module) and math.prod(shape[:-1]) == 1:
            # A sequence of one observation.
            shape = shape[-1:]
        is_whole = first.get("block") == "linear" and shape == [first["inputs"]]
        if obs_dtype == "sparse" and is_whole and first.get("bias", True):
            bag = _At(block="bag", name=first["name"], features=features, out=first["out"])
            bag.node = getattr(first, "node", None)
            return [bag, *behind[1:]]
        read = reading(features, obs_dtype)
        if is_whole:
            return [read, *behind]
        shaped = [{"block": "reshape", "shape": obs_shape}] if len(obs_shape) > 1 else []
        return [read, *shaped, *blocks]

    # The layers in their order.

    def _sources(self, node: fx.Node) -> list[fx.Node]:
        """The nodes whose numbers a node is made of."""
        sources = [
            source
            for source in node.all_input_nodes
            if isinstance(self._values[source], torch.Tensor | tuple)
            and source.op != "get_attr"
            and source not in self._recalled
            and not isinstance(self._values[source], torch.Size)
        ]
        if not sources and node is not self._start:
            raise NotDescribed(f"{self._who(node)} does not come from the observations")
        return sources

    def _dominator(self, node: fx.Node) -> fx.Node:
        """The last node through which all that `node` is made of has gone."""
        if node not in self._above:
            waiting = [node]
            while waiting:
                top = waiting[-1]
                todo = [s for s in self._sources(top) if s not in self._depth]
                if todo:
                    waiting += todo
                    continue
                waiting.pop()
                if top not in self._depth:
                    self._above[top] = self._meeting(self._sources(top))
                    self._depth[top] = self._depth[self._above[top]] + 1
        return self._above[node]

    def _meeting(self, nodes: list[fx.Node]) -> fx.Node:
        """The last node through which all that `nodes` are made of has gone, or one of them."""
        for node in nodes:
            if node is not self._start:
                self._dominator(node)
        met = nodes[0]
        for node in nodes[1:]:
            while met is not node:
                if self._depth[met] >= self._depth[node]:
                    met = self._above[met]
                else:
                    node = self._above[node]
        return met

    def _chain(self, node: fx.Node, start: fx.Node) -> list[Block]:
        """The blocks that make `node` of `start`."""
        blocks: list[Block] = []
        while node is not start:
            above = self._dominator(node)
            made = self._blocks(node, above)
            self._count += len(made)
            if self._count > _MOST_BLOCKS:
                raise NotDescribed(
                    f"{self._who(node)}: layers depend on each other in too many ways"
                )
            blocks = made + blocks
            node = above
        return blocks

    def _blocks(self, node: fx.Node, above: fx.Node) -> list[Block]:
        """The blocks that make `node` of the one above it."""
        sources = self._sources(node)
        kind = _name_of(node.target)
        listed = node.args[0] if node.args and isinstance(node.args[0], list | tuple) else node.args
        if node.op in ("call_function", "call_method") and kind in _SUMS | _CONCATS:
            parts = [part for part in listed if isinstance(part, fx.Node)]
            added = [part for part in parts if part.op == "get_attr"]
            if kind in _SUMS and len(parts) == 2 and len(added) == 1:
                return [self._offset(node, added[0])]
            if len(parts) != len(sources) and len(set(parts)) != len(sources):
                raise NotDescribed(f"{self._who(node)} of a constant")
            shapes = [self._shape(part) for part in parts]
            branches = [self._chain(part, above) for part in parts]
            if kind in _SUMS:
                if node.kwargs or len(set(map(tuple, shapes))) != 1 or len(parts) != 2:
                    raise NotDescribed(f"{self._who(node)} of shapes {shapes}")
                if [] in branches:
                    inner = branches[0] or branches[1]
                    return [self._made(node, block="residual", blocks=inner)]
                return [self._made(node, block="parallel", branches=branches, join="sum")]
            dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            if dim not in (1, -len(shapes[0])):
                raise NotDescribed(
                    f"{self._who(node)} along dim {dim}, not the first behind the batch"
                )
            return [self._made(node, block="parallel", branches=branches, join="concat")]
        if len(sources) != 1:
            raise NotDescribed(f"{self._who(node)} of several tensors")
        return self._of_one(node, kind, sources[0])

    def _offset(self, node: fx.Node, added: fx.Node) -> Block:
        """A parameter that is added."""
        value, shape = self._values[added], self._shape(node)
        if list(value.shape) not in (shape, [1, *shape]):
            raise NotDescribed(f"{self._who(node)} of {added.target}, of another shape")
        name = self._prefix + str(added.target)
        return self._made(node, block="offset", name=name, shape=list(value.shape))

    def _mean(self, node: fx.Node, source: fx.Node) -> list[Block]:
        """The mean along the first axis behind the batch, as pooling of one channel."""
        dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
        shape = self._shape(source)
        if dim not in (1, [1], (1,)) or len(shape) != 2 or self._shape(node) != shape[1:]:
            raise NotDescribed(f"{self._who(node)} along dim {dim} of a shape {shape}")
        window = [shape[0], 1]
        return [
            {"block": "reshape", "shape": [1, *shape]},
            {"block": "pool", "of": "mean", "kernel": window, "stride": window, "padding": [0, 0]},
            self._made(node, block="flatten"),
        ]

    def _of_one(self, node: fx.Node, kind: str, source: fx.Node) -> list[Block]:
        if node.op == "call_module":
            return self._layer(node, self._module.get_submodule(str(node.target)), source)
        if node.op not in ("call_function", "call_method"):
            raise NotDescribed(f"{self._who(node)} is no layer")
        if kind == "getitem":
            return self._item(node, source)
        if kind in _RESHAPING:
            return self._reshaped(node, source)
        if kind == "mean":
            return self._mean(node, source)
        if kind in ("linear", "layer_norm", "conv1d", "conv2d"):
            raise NotDescribed(f"{self._who(node)} with parameters of its own: use the layer")
        if kind == "boolean_dispatch" or node.target in (
            functional.max_pool2d,
            functional.max_pool1d,
        ):
            is_flat = len(self._shape(source)) == 2
            layer: Callable[..., Any] | None = torch.nn.MaxPool1d if is_flat else torch.nn.MaxPool2d
        else:
            layer = _FUNCTIONS.get(kind)
        if layer is None:
            raise NotDescribed(f"{self._who(node)} is no layer that the engine has")
        kwargs = {key: value for key, value in node.kwargs.items() if key != "inplace"}
        try:
            module = layer(*node.args[1:], **kwargs)
        except TypeError as error:
            raise NotDescribed(f"{self._who(node)}: {error}") from error
        return self._layer(node, module, source)

    def _layer(self, node: fx.Node, module: torch.nn.Module, source: fx.Node) -> list[Block]:
        kind = leaf_type(module)
        if kind is None:
            raise NotDescribed(f"{self._who(node)} is no layer that the engine has")
        name = str(node.target) if node.op == "call_module" else ""
        inputs = self._shape(source)
        # A third argument, where sequences restart, is none here.
        told = [part for part in node.args if part is not None]
        if kind in RECURRENT and (len(told) != 2 or node.kwargs or told[0] is not source):
            raise NotDescribed(f"{self._who(node)} of other arguments than an input and a state")
        options = {key: value for key, value in node.kwargs.items() if key != "need_weights"}
        if kind in MULTIPLE and (options or any(part is not source for part in node.args)):
            raise NotDescribed(f"{self._who(node)} of other arguments than one tensor")
        made = LEAVES[kind](module, self._prefix + name, inputs, self._shape(node))
        if isinstance(made, str):
            raise NotDescribed(f"{self._who(node)}: {made}")
        blocks: list[Block] = [_At(block) for block in made]
        if blocks:
            blocks[-1].node = node  # type: ignore[attr-defined]
        return blocks

    def _item(self, node: fx.Node, source: fx.Node) -> list[Block]:
        index: Any = node.args[1]
        if isinstance(self._values[source], tuple):
            # Of what an attention or a recurrent layer returns, the outputs.
            if index == 0:
                return []
            raise NotDescribed(f"{self._who(node)} of {self._who(source)}")
        shape = self._shape(source)
        whole = slice(None, None, None)
        parts = index if isinstance(index, tuple) else (index,)
        if (
            parts[0] in (whole, Ellipsis)
            and all(part in (whole, Ellipsis, None) or isinstance(part, int) for part in parts)
            and self._values[node].numel() == self._values[source].numel()
        ):
            # Axes of one number come or go.
            return self._reshaped(node, source)
        is_last = isinstance(index, tuple) and index[0] in (whole, Ellipsis) and len(index) == 2
        if len(shape) != 1 or not is_last:
            raise NotDescribed(f"{self._who(node)} of a shape {shape}")
        last = index[1] % shape[0] if isinstance(index[1], int) else index[1]
        numbers = range(shape[0])[slice(last, last + 1) if isinstance(last, int) else last]
        if numbers.step != 1 or not numbers:
            raise NotDescribed(f"{self._who(node)} of every {numbers.step}. number")
        if len(numbers) == shape[0]:
            return []
        return [self._made(node, block="slice", start=numbers.start, end=numbers.stop)]

    def _reshaped(self, node: fx.Node, source: fx.Node) -> list[Block]:
        shape, was = self._shape(node), self._shape(source)
        if shape == was:
            return []
        if len(shape) == 1:
            return [self._made(node, block="flatten")]
        return [self._made(node, block="reshape", shape=shape)]

    def _made(self, node: fx.Node, **block: Any) -> Block:
        made = _At(block)
        made.node = node
        return made

    def _shape(self, node: fx.Node) -> list[int]:
        """The shape of an observation's numbers."""
        value = self._values[node]
        value = value[0] if isinstance(value, tuple) else value
        rows = self._values[self._start].shape[0]
        if not isinstance(value, torch.Tensor) or value.dim() == 0 or value.shape[0] != rows:
            raise NotDescribed(f"{self._who(node)} does not keep the batch as its first axis")
        if value.dim() == 1:
            return [1]
        return list(value.shape[1:])

    def _who(self, node: fx.Node) -> str:
        if node.op == "call_module":
            name = str(node.target)
            return _who(name, self._module.get_submodule(name))
        return f"{node.name} ({_name_of(node.target)})"


__all__ = ["Description", "NotDescribed", "describe", "described", "uncompiled"]
