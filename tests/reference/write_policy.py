"""Trains the saved policy that every language plays: specs/golden/puzzle8.safetensors.

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
    "embeddings": (81, 192, 1 / 32),
    "common.0": (192, 64, 1 / 32),
    "action.0": (64, 4, 1 / 8),
    "value.0": (64, 1, 1 / 8),
}
BATCH = 4096
UPDATES = 10_000


def main() -> None:
    torch.manual_seed(0)
    observation, masks, best, lengths = (torch.tensor(part) for part in teacher())
    parameters = {}
    for name, (inputs, outputs, _) in LAYERS.items():
        active = 9 if name == "embeddings" else inputs
        weights = torch.randn(outputs, inputs) * (2 / active) ** 0.5
        parameters[f"{name}.weight"] = weights.requires_grad_()
        parameters[f"{name}.bias"] = torch.zeros(outputs, requires_grad=True)
    optimizer = torch.optim.Adam(parameters.values(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
    for update in range(UPDATES):
        rows = torch.randint(len(observation), (BATCH,))
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
    lanes = Lanes(2**20, 3, 3, difficulty=1, depth_slope=2, max_depth=64)
    lanes.state = boards = np.unique(lanes.uniform(Rng.stream(1, 0, np.arange(2**22))), axis=0)[1:]
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
    shared = linear("common.0", hidden).relu()
    return linear("action.0", shared), linear("value.0", shared)[:, 0]


if __name__ == "__main__":
    main()
