"""Random play in Python, as docs/parity.md says: for the reference and for the bindings.

`lanes` has `num_actions`, `difficulty`, `reset(which, difficulty, seeds)`, `reset_uniform(which,
seeds)`, `step(which, actions)`, `masks()` [N, A], `observe()` [N, K] filled up with -1, and
`status()`: reward, final, success, truncated.
"""

from __future__ import annotations

import port  # noqa: F401  # isort: skip  # It makes the reference importable.

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from lanes.streams import Rng, rotate_left, upper, word

Array = Any
Request = dict[str, Any]
# Names the stream of the weights of a record's numbers.
WEIGHTS_SEED = 0x706172697479
MULTIPLIER = 0x9E3779B97F4A7C15
HEAD = 3
# Lanes that are played at a time: enough for NumPy, few enough for the cache and for memory.
TOGETHER = 8192


def join(digests: Array, words: Array) -> Array:
    """Joins `words` to what `digests` stand for; the order matters."""
    return rotate_left(digests ^ words, 23) * word(MULTIPLIER)


def joined(words: Array) -> np.uint64:
    """All `words` joined to one digest."""
    digest = 0
    for value in np.asarray(words, np.uint64).ravel().tolist():
        digest ^= value
        digest = (digest << 23 | digest >> 41) * MULTIPLIER % 2**64
    return np.uint64(digest)


def hexes(digests: Array) -> list[str]:
    return [f"{digest:016x}" for digest in np.atleast_1d(digests).tolist()]


class View:
    """What all lanes show after their moves."""

    def __init__(self, moves: list[Array], lanes: Any) -> None:
        self.starts, self.uniform, self.numbers = moves
        self.masks, self.observation = lanes.masks(), lanes.observe()
        self.reward, self.final, self.success, self.truncated = lanes.status()


def play(make: Callable[[int], Any], request: Request) -> Iterator[View]:
    """Every move of the request's lanes in lanes that `make(count)` makes."""
    first, count = request["first_lane"], request["lanes"]
    lanes = make(count)
    words = Rng.stream(request["seed"], 0, np.arange(first, first + count))
    going = np.zeros(count, bool)
    masks = np.zeros((count, lanes.num_actions), bool)
    for _ in range(request["steps"]):
        drawn = words.words()
        uniform = ~going & (drawn & word(3) == 3) & request["uniform"]
        difficulty = 1 + upper(drawn, lanes.difficulty)
        numbers = np.where(going, choose(drawn, masks), difficulty)
        for kind, start in ((uniform, True), (~going & ~uniform, False)):
            (which,) = np.nonzero(kind)
            if len(which) and start:
                lanes.reset_uniform(which, drawn[which] >> word(1))
            elif len(which):
                lanes.reset(which, difficulty[which], drawn[which] >> word(1))
        (which,) = np.nonzero(going)
        if len(which):
            lanes.step(which, numbers[which])
        view = View([~going, uniform, numbers], lanes)
        yield view
        going, masks = ~view.final, view.masks


def choose(words: Array, masks: Array) -> Array:
    """One in eight of all actions, the others of the legal ones."""
    legal = masks.sum(1)
    wanted = upper(words, legal)
    chosen = (masks.cumsum(1) <= wanted[:, None]).sum(1)
    free = (words & word(7) == 0) | (legal == 0)
    return np.where(free, upper(words, masks.shape[1]), chosen)


def digests(make: Callable[[int], Any], request: Request) -> Request:
    """One digest for every `block` lanes, of all their records, and how many moves are steps."""
    end, block = request["lanes"], request["block"]
    together = max(1, TOGETHER // block) * block
    found: list[np.uint64] = []
    transitions = 0
    for start in range(0, end, together):
        part = {"first_lane": request["first_lane"] + start, "lanes": min(together, end - start)}
        lanes, steps = lane_digests(make, {**request, **part})
        found += [joined(lanes[i : i + block]) for i in range(0, len(lanes), block)]
        transitions += steps
    return {"digests": hexes(np.array(found)), "transitions": transitions}


def lane_digests(make: Callable[[int], Any], request: Request) -> tuple[Array, int]:
    """One digest for every lane [N], of all its records, and how many moves are steps."""
    found, transitions = np.zeros(request["lanes"], np.uint64), 0
    weights = Rng([WEIGHTS_SEED])
    known = np.empty(0, np.uint64)
    for view in play(make, request):
        num_actions, features = view.masks.shape[1], view.observation.shape[1]
        more = HEAD + num_actions + features - len(known)
        if more > 0:
            known = np.concatenate([known, *(weights.words() for _ in range(more))])
        found = join(found, sums(view, known))
        transitions += int((~view.starts).sum())
    return found, transitions


def sums(view: View, weights: Array) -> Array:
    """The numbers of each record times their weights: move, reward, flags, masks, features."""
    moves = np.where(view.starts, 2 * view.numbers, 2 * view.numbers + 1) * ~view.uniform
    reward = np.asarray(view.reward, np.float32).view(np.uint32)
    flags = view.final + 2 * view.success + 4 * view.truncated
    total = np.zeros(len(moves), np.uint64)
    for column, weight in zip((moves, reward, flags), weights, strict=False):
        total += column.astype(np.uint64) * weight
    first_feature = HEAD + view.masks.shape[1]
    total += (view.masks * weights[HEAD:first_feature]).sum(1, dtype=np.uint64)
    features = (view.observation + 1).astype(np.uint64)
    total += (features * weights[first_feature:][: features.shape[1]]).sum(1, dtype=np.uint64)
    return total


def records(make: Callable[[int], Any], request: Request) -> list[Request]:
    """Every record of the first lane."""
    return [record(view, 0) for view in play(make, {**request, "lanes": 1})]


def record(view: View, lane: int) -> Request:
    move = f"{'reset' if view.starts[lane] else 'step'} {view.numbers[lane]}"
    return {
        "move": "uniform" if view.uniform[lane] else move,
        "reward": float(view.reward[lane]),
        "final": bool(view.final[lane]),
        "success": bool(view.success[lane]),
        "truncated": bool(view.truncated[lane]),
        "masks": "".join(str(int(mask)) for mask in view.masks[lane]),
        "observation": [int(k) for k in view.observation[lane] if k >= 0],
    }
