"""Tree search in plain Python, written from the papers, not from the Rust code that it judges.

PUCT: Silver et al. 2017, "Mastering the game of Go without human knowledge". Gumbel roots:
Danihelka et al. 2022, "Policy improvement by planning with Gumbel". Transpositions: Czech, Korus,
Kersting 2021, "Improving AlphaZero Using Monte-Carlo Graph Search". Slow and obvious on purpose: a
tree or graph of objects, every state a copy of its parent that stepped, all arithmetic in 64 bits.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from rng import Rng

Floats = npt.NDArray[np.float64]


@dataclass
class Config:
    num_simulations: int = 50
    exploration: float = 1.41
    max_expand_depth: int = 1
    root_selection: str = "puct"
    max_considered_actions: int = 16
    value_weight: float = 1.0
    gamma: float = 1.0
    truncation: str = "terminal"
    transpositions: bool = False


class Network:
    """`features -> embedding -> common -> (actions, 1)` with rectified hidden layers.

    The weights are those of the Rust crate's `testing::untwisted_policy`: uniform numbers of one
    stream, rounded to 32 bits.
    """

    def __init__(self, features: int, actions: int, embedding: int, common: int, seed: int) -> None:
        rng = Rng(seed)

        def draw(count: int, scale: np.float32) -> Floats:
            units = [np.float32(rng.unit() / 2**24) for _ in range(count)]
            numbers = [(unit * np.float32(2) - np.float32(1)) * scale for unit in units]
            return np.array(numbers, dtype=np.float64)

        def linear(inputs: int, outputs: int) -> tuple[Floats, Floats]:
            scale = np.sqrt(np.float32(6) / np.float32(inputs))
            weights = draw(inputs * outputs, scale)
            return weights.reshape(inputs, outputs), draw(outputs, np.float32(0.1))

        self.vectors = draw(features * embedding, np.float32(0.5)).reshape(features, embedding)
        self.bias = draw(embedding, np.float32(0.1))
        self.common = linear(embedding, common)
        self.action = linear(common, actions)
        self.value = linear(common, 1)

    def evaluate(self, observation: Sequence[int]) -> tuple[Floats, float]:
        """Logits and value."""
        hidden = np.maximum(self.vectors[list(observation)].sum(axis=0) + self.bias, 0)
        weights, bias = self.common
        hidden = np.maximum(hidden @ weights + bias, 0)
        logits = hidden @ self.action[0] + self.action[1]
        return logits, float((hidden @ self.value[0] + self.value[1])[0])


@dataclass(eq=False)
class Node:
    env: Any
    raw: float = 0.0
    """What the network says, or what a final state is worth."""
    priors: dict[int, float] = field(default_factory=dict)
    """Of the legal actions."""
    children: dict[int, Node] = field(default_factory=dict)
    ended: int = 0
    """Simulations that ended here, each with `raw`."""
    taken: dict[int, tuple[int, float]] = field(default_factory=dict)
    """How often each action was taken, and what the state behind it was worth the last time."""

    def visits(self) -> int:
        return self.ended + sum(count for count, _ in self.taken.values())

    def visits_of(self, action: int) -> int:
        return self.taken[action][0] if action in self.taken else 0

    def value(self, gamma: float) -> float:
        below = sum(count * (self.env.reward() + gamma * q) for count, q in self.taken.values())
        return (self.ended * self.raw + below) / self.visits()


class Search:
    def __init__(
        self, env: Any, network: Network, config: Config, rng: Rng, chance: bool = True
    ) -> None:
        self.network, self.config, self.rng = network, config, rng
        root = self.plant(Node(copy.deepcopy(env)))
        root.ended = 1
        self.moves = 0
        self.known: dict[Any, Node] = {}
        """With transpositions: states by what is seen of them and the step of the episode."""
        self.gumbel = [0.0] * len(env.masks())
        if chance and config.root_selection == "gumbel" and root.priors:
            # A unit is in [0, 1) and a multiple of 2^-24.
            units = [1 - rng.unit() / 2**24 for _ in self.gumbel]
            self.gumbel = [-math.log(max(-math.log(unit), 2**-25)) for unit in units]
        self.run(root, config.num_simulations)

    def run(self, root: Node, num_simulations: int) -> None:
        self.root, self.num_simulations = root, num_simulations
        self.kept = {action: root.visits_of(action) for action in root.priors}
        """Visits from the last move's search."""
        self.seen: list[float] = []
        """All returns that an action has led to: their range scales the values."""
        if root.priors:
            for simulation in range(num_simulations):
                self.simulate(simulation)

    def play(self) -> list[int]:
        """Makes the best moves to the end, keeping the tree below each: all returns below a state
        count among its simulations, but half of a Gumbel root's are new ones."""
        moves = []
        while self.root.priors:
            moves.append(self.action())
            self.moves += 1
            root = self.root.children[moves[-1]]
            wanted, depth = self.config.num_simulations, self.config.max_expand_depth
            new, most = max(0, wanted + 1 - root.visits()), wanted + 1
            if self.config.root_selection == "gumbel":
                new, most = max(new, math.ceil(wanted / 2)), 4 * wanted + 1
            below = reached(root)[1:]
            self.known = {key: node for key, node in self.known.items() if node in below}
            # Other ways than the one played may have found more states than memory has room for.
            is_full = len(below) + new * depth > most * depth - 1
            if root.visits() + new > most or is_full:
                root.children, root.taken, root.ended, new = {}, {}, 1, wanted
                self.known = {}
            self.run(root, new)
        return moves

    def plant(self, node: Node) -> Node:
        logits, value = self.network.evaluate(node.env.observe())
        if node.env.is_final():
            cut_off = not node.env.success()
            bootstrap = cut_off and self.config.truncation == "bootstrap"
            node.raw = value if bootstrap else node.env.reward()
            return node
        legal = [action for action, mask in enumerate(node.env.masks()) if mask]
        weights = {action: math.exp(logits[action] - max(logits[legal])) for action in legal}
        node.priors = {action: weight / sum(weights.values()) for action, weight in weights.items()}
        node.raw = value
        return node

    def child(self, node: Node, action: int, step: int) -> tuple[Node, bool]:
        """The state that `action` leads to, at `step` of the episode; whether it is a new one."""
        env = copy.deepcopy(node.env)
        env.step(action)
        seen = (*env.observe(),), (*env.masks(),), env.reward(), env.is_final(), env.success(), step
        is_new = seen not in self.known
        child = self.plant(Node(env)) if is_new else self.known[seen]
        if self.config.transpositions:
            self.known[seen] = child
        node.children[action] = child
        return child, is_new

    def simulate(self, simulation: int) -> None:
        node, left = self.root, self.config.max_expand_depth
        path: list[tuple[Node, int]] = []
        is_behind = False
        while node.priors and left > 0 and not is_behind:
            is_leaf = left < self.config.max_expand_depth
            action = self.sample(node) if is_leaf else self.select(node, simulation)
            path.append((node, action))
            if action in node.children:
                count, node = node.visits_of(action), node.children[action]
                # Other ways have found more behind this edge than it has been told.
                is_behind = count < node.visits()
            else:
                node, is_new = self.child(node, action, self.moves + len(path))
                left, is_behind = left - 1, not is_new
        is_behind = is_behind and bool(node.priors)
        value = node.value(self.config.gamma) if is_behind else node.raw
        node.ended += not is_behind
        for parent, action in reversed(path):
            self.seen.append(value)
            child = parent.children[action]
            parent.taken[action] = parent.visits_of(action) + 1, child.value(self.config.gamma)
            value = parent.env.reward() + self.config.gamma * value

    def sample(self, node: Node) -> int:
        left = self.rng.unit() / 2**24
        for action, prior in node.priors.items():
            if left < prior:
                return action
            left -= prior
        return action

    def scale(self) -> float:
        """Differences of values within [-1, 1] are left alone, wider ones brought there."""
        spread = max(self.seen) - min(self.seen) if self.seen else 0.0
        return 2 / max(2.0, spread)

    def select(self, node: Node, simulation: int) -> int:
        if self.config.root_selection == "puct":
            return self.puct(node)
        if node is self.root:
            return self.halving(simulation)
        improved = self.improved(node)
        total = sum(node.visits_of(action) for action in node.priors)
        shares = {action: node.visits_of(action) / (1 + total) for action in node.priors}
        return first_best({action: improved[action] - shares[action] for action in shares})

    def below(self, node: Node, value: float) -> float:
        """What a state worth `value` expects of the states below."""
        return (value - node.env.reward()) / self.config.gamma if self.config.gamma else 0.0

    def puct(self, node: Node) -> int:
        scores = {}
        for action, prior in node.priors.items():
            visits = node.visits_of(action)
            value = self.below(node, node.value(self.config.gamma))
            if visits:
                value = node.taken[action][1]
            bonus = self.config.exploration * prior * math.sqrt(node.visits()) / (1 + visits)
            scores[action] = self.scale() * value + bonus
        return first_best(scores)

    def weighted(self, node: Node) -> dict[int, float]:
        """`logits + sigma(completed q)` of the legal actions."""
        visited = [action for action in node.priors if node.visits_of(action)]
        total = sum(node.visits_of(action) for action in visited)
        mixed = self.below(node, node.raw)
        if visited:
            prior = sum(node.priors[action] for action in visited)
            expected = sum(node.priors[a] * node.taken[a][1] for a in visited) / prior
            mixed = (mixed + total * expected) / (1 + total)
        most = max(node.visits_of(action) for action in node.priors)
        # Values within [-1, 1] are halved to a range of length 1.
        weight = (50 + most) * self.config.value_weight * self.scale() / 2
        return {
            action: math.log(prior)
            + weight * (node.taken[action][1] if action in visited else mixed)
            for action, prior in node.priors.items()
        }

    def improved(self, node: Node) -> dict[int, float]:
        weighted = self.weighted(node)
        top = max(weighted.values())
        weights = {action: math.exp(logit - top) for action, logit in weighted.items()}
        return {action: weight / sum(weights.values()) for action, weight in weights.items()}

    def halving(self, simulation: int) -> int:
        """Algorithm 2: phases of equal visits to the best of those that are left."""
        considered = min(self.config.max_considered_actions, len(self.root.priors))
        phases = max(1, math.ceil(math.log2(considered)))
        left, simulations = considered, 0
        base = 0
        while True:
            rounds = max(1, self.num_simulations // (phases * left))
            if considered == 1:
                rounds = self.num_simulations
            for visits in range(base, base + rounds):
                simulations += left
                if simulation < simulations:
                    return self.best(visits)
            base += rounds
            left = max(2, left // 2)

    def best(self, visits: int) -> int:
        weighted = self.weighted(self.root)
        return first_best(
            {
                action: self.gumbel[action] + logit
                for action, logit in weighted.items()
                if self.root.visits_of(action) - self.kept[action] == visits
            }
        )

    def policy(self) -> list[float]:
        """Shares of visits, or the improved policy; all 0 at a final root."""
        actions = range(len(self.root.env.masks()))
        if not self.root.priors:
            return [0.0 for _ in actions]
        if self.config.root_selection == "gumbel":
            improved = self.improved(self.root)
            return [improved.get(action, 0.0) for action in actions]
        total = sum(self.root.visits_of(action) for action in self.root.priors)
        return [self.root.visits_of(action) / total for action in actions]

    def action(self) -> int:
        """The action that sequential halving leaves over, or the one with the most visits."""
        visits = {action: self.root.visits_of(action) for action in self.root.priors}
        if self.config.root_selection == "puct":
            return first_best(visits)
        return self.best(max(visits[action] - self.kept[action] for action in visits))

    def tree(self) -> list[list[float]]:
        """`[parent, action, prior, visits, value]` of every state, breadth first."""
        ways: dict[Node, list[float]] = {self.root: [0, 0, 1.0]}
        nodes = reached(self.root)
        for index, node in enumerate(nodes):
            for action in sorted(node.children):
                ways.setdefault(node.children[action], [index, action, digits(node.priors[action])])
        gamma = self.config.gamma
        return [[*ways[node], node.visits(), digits(node.value(gamma))] for node in nodes]


def reached(root: Node) -> list[Node]:
    """All states of a graph, breadth first."""
    order, seen = [root], {root}
    for node in order:
        children = [node.children[action] for action in sorted(node.children)]
        new = [child for child in dict.fromkeys(children) if child not in seen]
        order.extend(new)
        seen.update(new)
    return order


def digits(value: float) -> float:
    """Six digits: more than the 32-bit arithmetic that is compared keeps."""
    return float(f"{value:.6g}")


def first_best(scores: Mapping[int, float]) -> int:
    return max(sorted(scores), key=lambda action: scores[action])
