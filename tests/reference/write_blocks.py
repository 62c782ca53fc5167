"""Writes specs/golden/blocks.json by torch: python tests/reference/write_blocks.py [--check].

Of each block: a small network around it, what torch makes of some observations in float64, and the
gradient of a sum of the outputs by each parameter. Of blocks that remember, the observations are
those of sequences of the given lengths, one after another, each from a given state. Weights and
observations are numbers that a formula gives, `numbers` below; parameter k has seed k + 1,
observations have seed 0.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

GOLDEN = Path(__file__).resolve().parents[2] / "specs" / "golden" / "blocks.json"
NUM_ROWS, NUM_ACTIONS = 3, 2
FACTORS_SEED, STATES_SEED = 1000, 2000
# Steps of the sequences of a block that remembers, and what it reads and makes.
LENGTHS, INPUTS, SIZE = [3, 1, 2], 5, 3
# Of a gradient, so many are in the file.
MOST_NUMBERS = 40

Block = dict[str, Any]


def numbers(count: int, seed: int) -> list[float]:
    """In [-1, 1), each a float32."""
    raw = [((i + 1) * 2654435761 + seed * 40503) % 2**32 / 2**31 - 1 for i in range(count)]
    return [float(number) for number in torch.tensor(raw, dtype=torch.float32)]


class Residual(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.inner = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


class Parallel(nn.Module):
    def __init__(self, join: str, *modules: nn.Module) -> None:
        super().__init__()
        self.join, self.inner = join, nn.ModuleList(modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [module(x) for module in self.inner]
        return torch.cat(parts, 1) if self.join == "concat" else torch.stack(parts).sum(0)


class Slice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 1:4]


class Attention(nn.MultiheadAttention):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


class Known(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean, self.var = nn.Parameter(torch.zeros(size)), nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / (self.var.sqrt() + 0.01)


class Moved(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.place


class Codes(nn.Embedding):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.long())


def activation(function: str, **options: float) -> list[Block]:
    return [{"block": "activation", "function": function, **options}]


def linear(name: str, inputs: int, out: int, **options: Any) -> Block:
    return {"block": "linear", "name": name, "inputs": inputs, "out": out, **options}


def conv(channels: int, out: int, **axes: list[int]) -> Block:
    return {"block": "conv", "name": "body", "channels": channels, "out": out, **axes}


def pool(of: str, *axes: list[int]) -> list[Block]:
    named = dict(zip(("kernel", "stride", "padding"), axes, strict=True))
    return [{"block": "pool", "of": of, **named}]


def cases() -> dict[str, tuple[list[int], nn.Module, list[Block]]]:
    """By name: the shape of an observation, a module `body`, and its blocks."""
    norm = {"block": "layer_norm", "name": "body", "eps": 1e-3}
    image = [2, 4, 5]
    square = {"stride": [1, 1], "padding": [1, 0]}
    return {
        "relu": ([6], nn.ReLU(), [{"block": "relu"}]),
        "tanh": ([6], nn.Tanh(), activation("tanh")),
        "sigmoid": ([6], nn.Sigmoid(), activation("sigmoid")),
        "gelu": ([6], nn.GELU(), activation("gelu")),
        "gelu_tanh": ([6], nn.GELU("tanh"), activation("gelu_tanh")),
        "silu": ([6], nn.SiLU(), activation("silu")),
        "leaky_relu": ([6], nn.LeakyReLU(0.1), activation("leaky_relu", slope=0.1)),
        "elu": ([6], nn.ELU(0.7), activation("elu", alpha=0.7)),
        "softplus": ([6], nn.Softplus(), activation("softplus")),
        "linear": ([6], nn.Linear(6, 5), [linear("body", 6, 5)]),
        "linear of tokens": (
            [3, 4],
            nn.Linear(4, 5, bias=False),
            [linear("body", 4, 5, bias=False)],
        ),
        "layer_norm": ([3, 6], nn.LayerNorm(6, 1e-3), [{**norm, "shape": [6]}]),
        "layer_norm of all": ([3, 7], nn.LayerNorm([3, 7], 1e-3), [{**norm, "shape": [3, 7]}]),
        "group_norm": (
            [4, 3, 2],
            nn.GroupNorm(2, 4, 1e-3),
            [{"block": "group_norm", "name": "body", "groups": 2, "channels": 4, "eps": 1e-3}],
        ),
        "running_norm": (
            [6],
            Known(6),
            [{"block": "running_norm", "name": "body", "size": 6, "eps": 0.01}],
        ),
        "offset": (
            [3, 4],
            Moved(1, 3, 4),
            [{"block": "offset", "name": "body.place", "shape": [1, 3, 4]}],
        ),
        "embedding": (
            [4],
            Codes(5, 3),
            [{"block": "embedding", "name": "body", "num": 5, "out": 3}],
        ),
        "conv1d": (
            [3, 7],
            nn.Conv1d(3, 2, 3, 2, 1),
            [conv(3, 2, kernel=[3], stride=[2], padding=[1])],
        ),
        "conv2d": (
            image,
            nn.Conv2d(2, 3, (3, 2), padding=(1, 0)),
            [conv(2, 3, kernel=[3, 2], **square)],
        ),
        "max_pool": (image, nn.MaxPool2d(3, 2, 1), pool("max", [3, 3], [2, 2], [1, 1])),
        "avg_pool": (image, nn.AvgPool2d((2, 3), 1, (1, 0)), pool("mean", [2, 3], [1, 1], [1, 0])),
        "avg_pool1d": ([2, 6], nn.AvgPool1d(2), pool("mean", [2], [2], [0])),
        "reshape": (
            [12],
            nn.Sequential(nn.Unflatten(1, (3, 4)), nn.Flatten()),
            [{"block": "reshape", "shape": [3, 4]}, {"block": "flatten"}],
        ),
        "slice": ([6], Slice(), [{"block": "slice", "start": 1, "end": 4}]),
        "residual": (
            [6],
            Residual(nn.Sequential(nn.Linear(6, 6), nn.Tanh())),
            [{"block": "residual", "blocks": [linear("body.inner.0", 6, 6), *activation("tanh")]}],
        ),
        "parallel concat": (
            [6],
            Parallel("concat", nn.Linear(6, 2), nn.Identity()),
            [
                {
                    "block": "parallel",
                    "join": "concat",
                    "branches": [[linear("body.inner.0", 6, 2)], []],
                }
            ],
        ),
        "parallel sum": (
            [6],
            Parallel("sum", nn.Linear(6, 6), nn.Tanh()),
            [
                {
                    "block": "parallel",
                    "join": "sum",
                    "branches": [[linear("body.inner.0", 6, 6)], activation("tanh")],
                }
            ],
        ),
        "attention": (
            [3, 4],
            Attention(4, 2, batch_first=True),
            [{"block": "attention", "name": "body", "size": 4, "heads": 2}],
        ),
    }


def memories() -> dict[str, nn.Module]:
    """By name: a module that remembers, of `INPUTS` numbers."""
    return {
        "rnn_tanh": nn.RNN(INPUTS, SIZE, batch_first=True),
        "rnn_relu": nn.RNN(INPUTS, SIZE, nonlinearity="relu", batch_first=True),
        "gru": nn.GRU(INPUTS, SIZE, batch_first=True),
        "lstm": nn.LSTM(INPUTS, SIZE, batch_first=True),
        "gru of 2 layers": nn.GRU(INPUTS, SIZE, 2, bias=False, batch_first=True),
        "lstm of 2 layers": nn.LSTM(INPUTS, SIZE, 2, batch_first=True),
    }


class Network(nn.Module):
    """A linear layer, so that a gradient must come through, the body, and the heads."""

    def __init__(self, shape: list[int], body: nn.Module, learns: bool) -> None:
        super().__init__()
        self.shape, size = shape, math.prod(shape)
        self.first = nn.Linear(size, size) if learns else nn.Identity()
        self.body = body
        width = body(torch.zeros(1, *shape)).numel()
        self.action, self.value = nn.Linear(width, NUM_ACTIONS), nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.body(self.first(x).reshape(-1, *self.shape)).flatten(1)
        return self.action(x), self.value(x)


def case(name: str, shape: list[int], body: nn.Module, blocks: list[Block]) -> dict[str, Any]:
    size, learns = math.prod(shape), name != "embedding"
    network = Network(shape, body, learns)
    first = [linear("first", size, size)] if learns else []
    width = network.value.in_features
    spec = {
        "encoder": [
            {"block": "dense", "features": size, "dtype": "float32"},
            *first,
            {"block": "reshape", "shape": shape},
            *blocks,
            {"block": "flatten"},
        ],
        "action": [linear("action", width, NUM_ACTIONS)],
        "value": [linear("value", width, 1)],
    }
    parameters = dict(network.named_parameters())
    for seed, (key, parameter) in enumerate(parameters.items()):
        drawn = torch.tensor(numbers(parameter.numel(), seed + 1)).reshape(parameter.shape)
        parameter.data = drawn.abs() + 0.5 if key == "body.var" else drawn
    observations = torch.tensor(numbers(NUM_ROWS * size, 0)).reshape(NUM_ROWS, size)
    if not learns:
        observations = ((observations + 1) * 2.5).floor()
    network = network.double()
    logits, values = network(observations.double())
    factors = torch.tensor(numbers(NUM_ROWS * (NUM_ACTIONS + 1), FACTORS_SEED)).double()
    factors = factors.reshape(NUM_ROWS, NUM_ACTIONS + 1)
    (torch.cat([logits, values], 1) * factors).sum().backward()
    told = {key: gradient_of(parameter) for key, parameter in parameters.items()}
    return {
        "name": name,
        "spec": spec,
        "parameters": [[key, list(value.shape)] for key, value in parameters.items()],
        "observations": [number for row in observations.tolist() for number in row],
        "logits": rounded(logits),
        "values": rounded(values),
        "gradients": told,
    }


def memory_case(name: str, body: Any) -> dict[str, Any]:
    first, action, value = (
        nn.Linear(INPUTS, INPUTS),
        nn.Linear(SIZE, NUM_ACTIONS),
        nn.Linear(SIZE, 1),
    )
    network = nn.ModuleDict({"first": first, "body": body, "action": action, "value": value})
    block: Block = {"block": "recurrent", "name": "body", "cell": body.mode.lower()}
    block |= {"inputs": INPUTS, "size": SIZE, "layers": body.num_layers, "bias": body.bias}
    spec = {
        "encoder": [
            {"block": "dense", "features": INPUTS, "dtype": "float32"},
            linear("first", INPUTS, INPUTS),
            block,
        ],
        "action": [linear("action", SIZE, NUM_ACTIONS)],
        "value": [linear("value", SIZE, 1)],
    }
    parameters = dict(network.named_parameters())
    for seed, parameter in enumerate(parameters.values()):
        drawn = torch.tensor(numbers(parameter.numel(), seed + 1))
        parameter.data = drawn.reshape(parameter.shape)
    network.double()
    count, num_parts = sum(LENGTHS), 2 if body.mode == "LSTM" else 1
    observations = torch.tensor(numbers(count * INPUTS, 0)).reshape(count, INPUTS).double()
    shape = (len(LENGTHS), num_parts, body.num_layers, SIZE)
    states = torch.tensor(numbers(math.prod(shape), STATES_SEED)).reshape(shape).double()
    told, after = [], []
    for x, state in zip(observations.split(LENGTHS), states, strict=True):
        before = tuple(state[:, :, None]) if num_parts == 2 else state[0][:, None]
        outputs, end = body(first(x)[None], before)
        told.append(torch.cat([action(outputs[0]), value(outputs[0])], 1))
        ends = torch.stack(end if num_parts == 2 else (end,))
        after.append(ends.flatten())
    outputs = torch.cat(told)
    factors = torch.tensor(numbers(outputs.numel(), FACTORS_SEED)).double()
    (outputs.flatten() * factors).sum().backward()
    return {
        "name": name,
        "spec": spec,
        "parameters": [[key, list(value.shape)] for key, value in parameters.items()],
        "observations": observations.flatten().tolist(),
        "lengths": LENGTHS,
        "states": states.flatten().tolist(),
        "outputs": rounded(outputs),
        "after": rounded(torch.stack(after)),
        "gradients": {key: gradient_of(parameter) for key, parameter in parameters.items()},
    }


def gradient_of(parameter: nn.Parameter) -> list[float]:
    """The first numbers of it."""
    gradient = torch.zeros(1) if parameter.grad is None else parameter.grad
    return rounded(gradient.flatten()[:MOST_NUMBERS])


def rounded(tensor: torch.Tensor) -> list[float]:
    """Nine digits: more than float32 has."""
    return [float(f"{number:.9g}") for number in tensor.detach().flatten().tolist()]


def text() -> str:
    about = "blocks of networks and their gradients; written by tests/reference/write_blocks.py"
    lists = {
        "cases": [case(name, *parts) for name, parts in cases().items()],
        "memories": [memory_case(*parts) for parts in memories().items()],
    }
    written = ",\n".join(
        f'"{name}": [\n{joined}\n]'
        for name, found in lists.items()
        for joined in [",\n".join(map(json.dumps, found))]
    )
    return f'{{"about": "{about}",\n{written}}}\n'


def same(one: Any, other: Any) -> bool:
    """Whether two documents say the same, numbers but for what a processor may make of them."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-7, abs_tol=1e-9)
    return bool(one == other)


def main() -> int:
    if "--check" not in sys.argv[1:]:
        GOLDEN.write_text(text())
        return 0
    if same(json.loads(GOLDEN.read_text()), json.loads(text())):
        return 0
    print(f"{GOLDEN} is not what torch says; write it anew", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
