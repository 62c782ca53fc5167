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


class Games:
    """Greedy play of `lanes` from where they are, the first of equal logits, to the end."""

    def __init__(self, lanes: Any, forward: network.Forward) -> None:
        count = len(lanes.masks())
        self.total = np.zeros(count, np.float32)
        self.near_tie = np.zeros(count, bool)
        self.actions: list[Any] = []  # [N] a step, -1 where the game is over.
        going = np.ones(count, bool)
        while True:
            reward, final, self.success, _ = lanes.status()
            self.total[going] += reward[going]
            going &= ~final
            if not going.any():
                break
            logits = np.where(lanes.masks(), forward(lanes.observe())[0], -np.inf)
            ordered = np.sort(logits, 1)
            with np.errstate(invalid="ignore"):  # A game that is over may have no legal action.
                margin = ordered[:, -1] - ordered[:, -2]
            self.near_tie |= going & (0 < margin) & (margin < network.TOLERANCE)
            actions = np.where(going, logits.argmax(1), -1)
            self.actions.append(actions)
            lanes.step(np.nonzero(going)[0], actions[going])

    def actions_of(self, game: int) -> list[int]:
        return [int(actions[game]) for actions in self.actions if actions[game] >= 0]

    def ends(self) -> Any:
        """Success and the bits of the summed reward, [N, 2]."""
        return np.stack([self.success, self.total.view(np.uint32)], 1).astype(np.uint64)


def greedy(request: Request, forward: Any = None) -> Request:
    """Greedy play from uniform starts: a digest of each episode, and where it met a near tie."""
    boards = np.arange(request["boards"])
    rng = Rng.stream(request["seed"] ^ EVALUATION, 0, boards)
    games = Games(uniform_lanes(request, rng), forward or network.load(request["weights"]))
    digests = np.zeros(len(boards), np.uint64)
    for actions in games.actions:
        played = play.join(digests, actions.astype(np.uint64))
        digests = np.where(actions >= 0, played, digests)
    for column in games.ends().T:
        digests = play.join(digests, column)
    return {
        "digests": play.hexes(digests),
        "successes": int(games.success.sum()),
        "near_ties": np.nonzero(games.near_tie)[0].tolist(),
        "actions": games.actions_of(request["board"]) if "board" in request else None,
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
