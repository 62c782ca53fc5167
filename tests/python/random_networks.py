"""Random torch modules of every layer that the engine has, as policies of five actions."""

import numpy as np
import torch
from block_cases import Beside, Heads, Residual, body_of
from test_recurrent import Layered
from torch import nn
from twisterl.nn import RunningNorm

# Every block that a torch module becomes.
BLOCKS = set(
    "bag dense sparse parts linear embedding conv pool layer_norm group_norm running_norm offset "
    "relu activation flatten reshape slice residual parallel recurrent attention".split()
)
CELLS = {"rnn_tanh", "rnn_relu", "gru", "lstm"}
PARTS = {
    "place": {"dtype": "float32", "shape": [5]},
    "camera": {"dtype": "uint8", "shape": [2, 3]},
    "keys": {"dtype": "sparse", "shape": [4]},
}
CODES = 11


class Added(nn.Module):
    def __init__(self, one, other):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x):
        return self.one(x) + self.other(x)


class Cut(nn.Module):
    def __init__(self, first, end):
        super().__init__()
        self.first, self.end = first, end

    def forward(self, x):
        return x[:, self.first : self.end]


class Mean(nn.Module):
    """Of all tokens."""

    def forward(self, x):
        return x.mean(1)


class Mixing(nn.Module):
    """Attention of tokens that know their places."""

    def __init__(self, count, size, heads):
        super().__init__()
        self.place = nn.Parameter(torch.linspace(-1, 1, count * size).reshape(count, size))
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)

    def forward(self, x):
        x = x + self.place
        return self.attention(x, x, x, need_weights=False)[0]


class Coding(nn.Module):
    """A vector of each integer."""

    def __init__(self, width):
        super().__init__()
        self.table = nn.Embedding(CODES, width)

    def forward(self, x):
        return self.table(x.long())


class Joining(nn.Module):
    """Parts as one vector."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x):
        return self.heads(torch.cat([x[name].flatten(1) for name in PARTS], 1))


def activations():
    kinds = nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus
    return [kind() for kind in kinds]


def norms(random, channels, width):
    groups = [n for n in range(1, channels + 1) if channels % n == 0]
    return [
        nn.GroupNorm(int(random.choice(groups)), channels, affine=bool(random.integers(2))),
        nn.LayerNorm(width, bias=bool(random.integers(2))),
    ]


def of_vector(random, size):
    out = [int(n) for n in random.integers(1, 40, 2)]
    running = RunningNorm(size)
    running.update(torch.randn(9, size))
    first = int(random.integers(0, size))
    layers = [
        nn.Linear(size, out[0], bias=bool(random.integers(2))),
        Added(nn.Linear(size, out[0]), nn.Sequential(nn.Linear(size, out[0]), nn.Tanh())),
        Beside(nn.Linear(size, out[0]), nn.Sequential(nn.Linear(size, out[1]), nn.ReLU())),
        Cut(first, int(random.integers(first + 1, size + 1))),
        body_of(size),
        running,
        *norms(random, size, size),
    ]
    return [*layers, nn.Unflatten(1, (2, size // 2))] if size % 2 == 0 else layers


def of_tokens(random, count, width):
    layers = [
        nn.Linear(width, int(random.integers(1, 40))),
        body_of(width),
        Mean(),
        nn.AdaptiveAvgPool1d(1),
        nn.Conv1d(count, int(random.integers(1, 20)), 3, padding=1),
        nn.MaxPool1d(3, 1, 1),
        nn.AvgPool1d(3, 2, 1),
        *norms(random, count, width),
    ]
    if width % 2 == 0:
        options = {"dropout": 0.0, "batch_first": True, "norm_first": bool(random.integers(2))}
        layers.append(nn.TransformerEncoderLayer(width, 2, 20, **options))
        layers.append(Residual(Mixing(count, width, 2)))
    return layers


def of_image(random, channels, height, width):
    out = [int(n) for n in random.integers(1, 20, 2)]
    layers = [
        Residual(nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)),
        Beside(nn.Conv2d(channels, out[0], 1), nn.Conv2d(channels, out[1], 1)),
        nn.AdaptiveAvgPool2d(1),
        *norms(random, channels, [height, width]),
    ]
    if min(height, width) >= 3:
        stride, padding = (int(n) for n in random.integers(1, 3, 2))
        layers += [
            nn.Conv2d(channels, out[0], (3, 2), stride, (padding, padding - 1)),
            nn.Conv2d(channels, out[1], 3, stride, bias=False),
            nn.MaxPool2d(2, 1),
            nn.AvgPool2d(3, 2, 1),
        ]
    return layers


def body(random, shape):
    """Layers for numbers of `shape`, and how many numbers they give."""
    layers = []
    for _ in range(random.integers(1, 5)):
        makers = {1: of_vector, 2: of_tokens, 3: of_image}
        choices = activations() if random.random() < 0.25 else makers[len(shape)](random, *shape)
        layers.append(choices[random.integers(len(choices))])
        shape = list(layers[-1](torch.zeros(2, *shape)).shape[1:])
    return nn.Sequential(*layers, nn.Flatten()).eval(), int(np.prod(shape))


def network(random, case):
    """A module, and the shape and the dtype of its observations; kinds of them take turns."""
    shape = [int(n) for n in random.integers(3, 9, size=1 + case % 3)]
    kind = case // 3 % 7
    if kind == 6:
        options = {"batch_first": True, "bias": bool(random.integers(2))}
        options["num_layers"] = int(random.integers(1, 3))
        cell = [nn.RNN, nn.RNN, nn.GRU, nn.LSTM][random.integers(4)]
        if cell is nn.RNN:
            options["nonlinearity"] = ["tanh", "relu"][random.integers(2)]
        width, size = (int(n) for n in random.integers(1, 30, 2))
        return Layered(shape, 5, cell, width, size, **options), shape, "float32"
    if kind == 5:
        return Joining(Heads(*body(random, [15]))), [15], PARTS
    if kind == 4:
        # Tokens of two axes at most.
        codes = Coding(int(random.integers(1, 9)))
        inner, width = body(random, [*shape[:2], codes.table.embedding_dim])
        return Heads(nn.Sequential(codes, inner), width), shape[:2], "float32"
    dtype = ["float32", "float32", "sparse", "uint8"][kind]
    return Heads(*body(random, shape)), shape, dtype
