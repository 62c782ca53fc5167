"""The port of the policies in PyTorch: what Python trains. Boards move in the reference."""

from __future__ import annotations

import port  # isort: skip  # It makes the reference importable.

from typing import Any

import network
import numpy as np
import reference
import torch
from port import Request
from twisterl.nn import BasicPolicy
from twisterl.utils import load_checkpoint


def load(request: Request, features: int, num_actions: int) -> BasicPolicy:
    weights = load_checkpoint(request["weights"])

    def widths(name: str) -> list[int]:
        return [
            len(weights[key]) for key in sorted(weights) if key.startswith(name) and "bias" in key
        ]

    perms = [[perm] for perm in request.get("perms") or ()] or [(), ()]
    layers = [widths("common"), widths("action")[:-1], widths("value")[:-1]]
    policy = BasicPolicy([features], num_actions, *widths("embeddings"), *layers, *perms)
    policy.load_state_dict(weights)
    return policy


def forward(policy: BasicPolicy, twist: int | None) -> network.Forward:
    def outputs(observation: Any) -> tuple[Any, Any]:
        dense = torch.zeros(len(observation), policy.obs_size)
        rows, columns = np.nonzero(observation >= 0)
        dense[rows, observation[rows, columns]] = 1.0
        perms = None if twist is None else torch.full((len(observation),), twist)
        with torch.no_grad():
            logits, values = policy(dense, perms)
        return logits.numpy(), values[:, 0].numpy()

    return outputs


def outputs(request: Request) -> Request:
    boards = np.arange(request["boards"])
    streams = reference.Rng.stream(request["seed"], 1, boards)
    lanes = reference.uniform_lanes(request, streams)
    policy = load(request, request["features"], lanes.num_actions)
    run = forward(policy, 0 if request.get("perms") else None)
    logits, values = run(lanes.observe())
    return {"logits": logits.ravel().tolist(), "values": values.tolist()}


def greedy(request: Request) -> Request:
    lanes = reference.Lanes(request, 1)
    policy = load(request, request["features"], lanes.num_actions)
    return reference.greedy(request, forward(policy, None))


TASKS = {"network": outputs, "greedy": greedy}

if __name__ == "__main__":
    torch.set_num_threads(1)
    port.serve(TASKS)
