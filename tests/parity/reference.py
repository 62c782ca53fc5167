"""The judge: the NumPy reference answers the requests of docs/parity.md."""

from __future__ import annotations

import port  # isort: skip  # It makes the reference importable.

import importlib
import importlib.util
from typing import Any

import network
import numpy as np
import play
from lanes import stacked
from lanes.streams import Rng
from port import Request

# Keeps the streams of evaluation apart from those of collection with the same seed.
EVALUATION = 0x6576616C75617465


def has_lanes(environment: str) -> bool:
    """Whether the reference has it in NumPy, not only in plain Python, which is slower."""
    return importlib.util.find_spec(f"lanes.{environment}") is not None


class Lanes:
    """The reference's lanes, its starts named by seeds."""

    def __init__(self, request: Request, count: int) -> None:
        name, parameters = request["environment"], request["parameters"]
        if has_lanes(name):
            self.lanes = importlib.import_module(f"lanes.{name}").Lanes(count, **parameters)
        else:
            self.lanes = stacked.Lanes(count, name, **parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lanes, name)

    def reset(self, which: Any, difficulty: Any, seeds: Any) -> None:
        self.lanes.reset(which, difficulty, Rng(seeds))

    def reset_uniform(self, which: Any, seeds: Any) -> None:
        self.lanes.reset_uniform(which, Rng(seeds))


def digests(request: Request) -> Request:
    return play.digests(lambda count: Lanes(request, count), request)


def records(request: Request) -> Request:
    return {"records": play.records(lambda count: Lanes(request, count), request)}


def words(request: Request) -> Request:
    """Words, bounded draws and floats of the streams of `lanes` lanes."""
    lanes = np.arange(request["lanes"])
    rng = Rng.stream(request["seed"], lanes % 7, lanes)
    drawn = []
    for step in range(request["steps"]):
        if step % 3 == 0:
            drawn.append(rng.words())
        elif step % 3 == 1:
            drawn.append(rng.below(1 + (lanes & 1023)).astype(np.uint64))
        else:
            drawn.append(rng.unit().view(np.uint32).astype(np.uint64))
    return {"digests": play.hexes(play.joined(np.stack(drawn, 1)))}


def uniform_lanes(request: Request, rng: Rng) -> Any:
    """Lanes that start where the streams of `rng` say."""
    count = rng.state.shape[1]
    lanes = Lanes(request, count).lanes
    lanes.reset_uniform(np.arange(count), rng)
    return lanes


def outputs(request: Request) -> Request:
    """Logits `[N, A]` and values `[N]` of uniformly random boards, seen through a twist."""
    boards = np.arange(request["boards"])
    lanes = uniform_lanes(request, Rng.stream(request["seed"], 1, boards))
    forward = network.load(request["weights"])
    logits, values = network.through_twist(forward, lanes.observe(), request.get("perms"))
    return {"logits": logits.ravel().tolist(), "values": values.tolist()}


def greedy(request: Request, forward: Any = None) -> Request:
    """Greedy play from uniform starts: a digest of each episode, and where it met a near tie."""
    boards = np.arange(request["boards"])
    forward = forward or network.load(request["weights"])
    rng = Rng.stream(request["seed"] ^ EVALUATION, 0, boards)
    lanes = uniform_lanes(request, rng)
    digests, total = np.zeros(len(boards), np.uint64), np.zeros(len(boards), np.float32)
    going, near_tie = np.ones(len(boards), bool), np.zeros(len(boards), bool)
    played = []
    while True:
        reward, final, success, _ = lanes.status()
        total[going] += reward[going]
        going &= ~final
        if not going.any():
            break
        logits = np.where(lanes.masks(), forward(lanes.observe())[0], -np.inf)
        ordered = np.sort(logits, 1)
        margin = ordered[:, -1] - ordered[:, -2]
        near_tie |= going & (0 < margin) & (margin < network.TOLERANCE)
        (which,) = np.nonzero(going)
        actions = logits.argmax(1)[which]
        lanes.step(which, actions)
        digests[which] = play.join(digests[which], actions.astype(np.uint64))
        if "board" in request and going[request["board"]]:
            played.append(int(logits[request["board"]].argmax()))
    digests = play.join(digests, success.astype(np.uint64))
    digests = play.join(digests, total.view(np.uint32).astype(np.uint64))
    return {
        "digests": play.hexes(digests),
        "successes": int(success.sum()),
        "near_ties": np.nonzero(near_tie)[0].tolist(),
        "actions": played,
    }


TASKS = {
    "digests": digests,
    "records": records,
    "words": words,
    "network": outputs,
    "greedy": greedy,
}

if __name__ == "__main__":
    port.serve(TASKS)
