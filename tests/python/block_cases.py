"""Torch modules of all blocks, as policies of five actions."""

import torch
from torch import nn

ACTIONS = 5


class Heads(nn.Module):
    """A body, and a linear layer each for the logits and the value."""

    def __init__(self, body, width, num_actions=ACTIONS):
        super().__init__()
        self.body = body
        self.actor, self.critic = nn.Linear(width, num_actions), nn.Linear(width, 1)

    def forward(self, x):
        x = self.body(x)
        return self.actor(x), self.critic(x)


class Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.module = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.module(x)


class Beside(nn.Module):
    """Modules side by side, what they give one after another."""

    def __init__(self, *modules):
        super().__init__()
        self.parts = nn.ModuleList(modules)

    def forward(self, x):
        return torch.cat([part(x) for part in self.parts], dim=1)


class Joined(nn.Module):
    """One layer for both heads."""

    def __init__(self, body, width):
        super().__init__()
        self.body, self.heads = body, nn.Linear(width, ACTIONS + 1)

    def forward(self, x):
        outputs = self.heads(torch.relu(self.body(x)))
        return outputs[:, :ACTIONS], outputs[:, ACTIONS]


def body_of(width):
    return Residual(
        nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Tanh(), nn.Linear(2 * width, width)
    )


def _vector(*layers, width=24, dtype="float32"):
    body = nn.Sequential(nn.Flatten(), nn.Linear(12, width), *layers)
    return Heads(body, width), [3, 4], dtype


def _image(*layers, dtype="float32"):
    body = nn.Sequential(*layers, nn.Flatten())
    width = body(torch.zeros(1, 3, 9, 10)).shape[1]
    return Heads(body, width), [3, 9, 10], dtype


networks = {
    "residual": lambda: _vector(body_of(24), body_of(24)),
    "sparse": lambda: _vector(body_of(24), dtype="sparse"),
    "bytes": lambda: _vector(nn.ReLU(), nn.LayerNorm(24, bias=False), dtype="uint8"),
    "tokens": lambda: (
        Heads(nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.LayerNorm(20), nn.Flatten()), 60),
        [3, 4],
        "sparse",
    ),
    "norm of all": lambda: (
        Heads(nn.Sequential(nn.LayerNorm([3, 4]), nn.Flatten()), 12),
        [3, 4],
        "float32",
    ),
    "beside": lambda: _vector(
        Beside(
            nn.Linear(24, 8),
            nn.Sequential(nn.Linear(24, 10, bias=False), nn.ReLU()),
            nn.Linear(24, 6),
        )
    ),
    "joined": lambda: (Joined(nn.Linear(7, 17), 17), [7], "float32"),
    "conv2d": lambda: _image(
        nn.Conv2d(3, 9, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(9, 5, (2, 3), stride=(1, 2), bias=False),
        nn.Tanh(),
    ),
    "pooled bytes": lambda: _image(
        nn.Conv2d(3, 4, 4, stride=2), nn.AvgPool2d(2, 1, 1), nn.MaxPool2d(3, 2, 1), dtype="uint8"
    ),
    "whole image": lambda: _image(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), nn.SiLU(), nn.AdaptiveAvgPool2d(1)
    ),
    "impala": lambda: _image(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.MaxPool2d(3, 2, 1),
        Residual(
            nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1)
        ),
    ),
    "channels beside": lambda: _image(
        Beside(nn.Conv2d(3, 4, 3), nn.Conv2d(3, 5, 3), nn.Conv2d(3, 1, 3))
    ),
    "conv1d": lambda: (
        Heads(
            nn.Sequential(
                nn.Conv1d(3, 7, 3, padding=1),
                nn.GELU(),
                nn.AvgPool1d(2),
                nn.MaxPool1d(3, 1, 1),
                nn.Flatten(),
            ),
            28,
        ),
        [3, 8],
        "sparse",
    ),
    "codes": lambda: (Coded(), [3, 4], "float32"),
    "attention": lambda: (Attending(12), [5, 12], "float32"),
    "transformer": lambda: (Transforming(norm_first=False), [6, 4], "sparse"),
    "transformer of norms first": lambda: (
        Transforming(norm_first=True, activation="gelu"),
        [6, 4],
        "float32",
    ),
    "separate": lambda: (Separate(), [12], "sparse"),
    "deep heads": lambda: (DeepHeads(), [12], "sparse"),
}
for activation in [
    nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(),
    nn.LeakyReLU(0.1), nn.ELU(0.7), nn.Softplus(),
]:  # fmt: skip
    networks[str(activation)] = lambda activation=activation: _vector(nn.Identity(), activation)


class Separate(nn.Module):
    """No layer is both heads'."""

    def __init__(self):
        super().__init__()
        make = lambda out: nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, out))  # noqa: E731
        self.actor, self.critic = make(ACTIONS), make(1)

    def forward(self, x):
        return self.actor(x), self.critic(x).squeeze(-1)


class DeepHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(12, 16)
        self.actor = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, ACTIONS))
        self.critic = nn.Sequential(nn.Linear(16, 9), nn.GELU(), nn.Linear(9, 1))

    def forward(self, x):
        x = nn.functional.silu(self.first(x.view(x.shape[0], -1)))
        return self.actor(x), self.critic(x)[:, 0]


class Coded(nn.Module):
    """Integers, each by a row of a table."""

    def __init__(self):
        super().__init__()
        self.table, self.heads = nn.Embedding(11, 6), Heads(nn.Flatten(), 72)

    def forward(self, x):
        return self.heads(self.table(x.long()))


class Attending(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.place = nn.Parameter(torch.randn(5, size))
        self.attention = nn.MultiheadAttention(size, 3, batch_first=True)
        self.heads = Heads(nn.Flatten(), 5 * size)

    def forward(self, x):
        x = x + self.place
        mixed, _ = self.attention(x, x, x, need_weights=False)
        return self.heads(x + mixed)


class Transforming(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.read = nn.Linear(4, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 24, dropout=0.0, batch_first=True, **options)
        self.mix = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.heads = Heads(nn.Flatten(), 96)

    def forward(self, x):
        return self.heads(self.mix(self.read(x)))
