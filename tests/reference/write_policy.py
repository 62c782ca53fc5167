"""Trains the saved policy that every language plays: specs/golden/puzzle8.safetensors.

It has one hidden layer of 32, which is what the Mojo port has.

    OMP_NUM_THREADS=1 python tests/reference/write_policy.py

Its weights are multiples of 1/32 or 1/8 and so small that every sum of the forward pass is exact
in single precision, in any order and with or without fused multiply-add: all languages must agree
on every bit, and so on every greedy action. It imitates optimal moves of random 8-puzzle boards.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from lanes.puzzle import Lanes
from lanes.streams import Rng
from optimum import load, rank
from safetensors.numpy import save_file

PATH = Path(__file__).resolve().parents[2] / "specs" / "golden" / "puzzle8.safetensors"
# Of each layer: inputs, outputs, and what its weights are multiples of.
LAYERS = {
    "embeddings": (81, 32, 1 / 32),
    "action.0": (32, 4, 1 / 8),
    "value.0": (32, 1, 1 / 8),
}
BATCH = 2048
UPDATES = 6_000


def main() -> None:
    torch.manual_seed(0)
    observation, masks, best, lengths = (torch.tensor(part) for part in teacher())
    parameters = {}
    for name, (inputs, outputs, _) in LAYERS.items():
        active = 9 if name == "embeddings" else inputs
        weights = torch.randn(outputs, inputs) * (2 / active) ** 0.5
        parameters[f"{name}.weight"] = weights.requires_grad_()
        parameters[f"{name}.bias"] = torch.zeros(outputs, requires_grad=True)
    optimizer = torch.optim.Adam(parameters.values(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
    # Every game passes through the few boards near the goal, so all lengths come equally often.
    weights = 1 / torch.bincount(lengths.int())[lengths.int()]
    rows_of = torch.multinomial(weights, BATCH * UPDATES, replacement=True).view(UPDATES, BATCH)
    for update, rows in enumerate(rows_of):
        logits, values = forward(parameters, observation[rows])
        log_probs = logits.masked_fill(~masks[rows], -1e9).log_softmax(1)
        # Any of the optimal moves is right.
        loss = -log_probs.masked_fill(~best[rows], -1e9).logsumexp(1).mean()
        loss = loss + 0.1 * (values - lengths[rows] / 16).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if update % 1000 == 0:
            print(update, loss.item(), flush=True)
    saved = {name: rounded(name, value).detach().numpy() for name, value in parameters.items()}
    check_exact(saved, observation.numpy())
    save_file(saved, PATH)


def teacher() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All boards but the solved: observations, masks, optimal moves and optimal lengths."""
    episode = {"difficulty": 1, "depth_slope": 2, "max_depth": 64}
    drawn = Lanes(1, 3, 3, **episode).uniform(Rng.stream(1, 0, np.arange(2**22)))
    boards = np.unique(drawn, axis=0)[1:]
    lanes = Lanes(len(boards), 3, 3, **episode)
    lanes.state = boards
    lengths = load()
    here = lengths[rank(boards)]
    moves = [lanes.moved(boards.copy(), np.full(len(boards), action)) for action in range(4)]
    best = np.stack([lengths[rank(moved)] < here for moved in moves], 1)
    return lanes.observe(), lanes.masks(), best, here.astype(np.float32)


def check_exact(saved: dict[str, np.ndarray], observation: np.ndarray) -> None:
    """Raises if a sum of any layer may need more than the 24 bits of single precision."""
    hidden = np.zeros((len(observation), 81))
    np.put_along_axis(hidden, observation, 1.0, 1)
    step = 1.0
    for name, (_, _, resolution) in LAYERS.items():
        if name != "value.0":
            inputs, before = hidden, step
        step = before * resolution
        weight, bias = saved[f"{name}.weight"], saved[f"{name}.bias"]
        most = (inputs @ np.abs(weight).T + np.abs(bias)).max()
        if most / step >= 2**24:
            raise ValueError(f"{name}: expected sums below {2**24 * step}, got {most}")
        hidden = np.maximum(inputs @ weight.T + bias, 0)


def rounded(name: str, weights: torch.Tensor) -> torch.Tensor:
    """Multiples of the layer's step; the gradient passes straight through."""
    step = LAYERS[name.rsplit(".", 1)[0]][2]
    exact = (weights / step).round() * step
    return weights + (exact - weights).detach()


def forward(parameters: dict, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    weight = {name: rounded(name, value) for name, value in parameters.items()}

    def linear(name: str, inputs: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(inputs, weight[f"{name}.weight"], weight[f"{name}.bias"])

    vectors = weight["embeddings.weight"].T
    hidden = torch.nn.functional.embedding_bag(observation, vectors, mode="sum")
    hidden = (hidden + weight["embeddings.bias"]).relu()
    return linear("action.0", hidden), linear("value.0", hidden)[:, 0]


if __name__ == "__main__":
    main()
