"""Tree search in plain Python, written from the papers, not from the Rust code that it judges.

PUCT: Silver et al. 2017, "Mastering the game of Go without human knowledge". Gumbel roots:
Danihelka et al. 2022, "Policy improvement by planning with Gumbel". Slow and obvious on purpose:
a tree of objects, every state a copy of its parent that stepped, all arithmetic in 64 bits.
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


@dataclass
class Node:
    env: Any
    prior: float = 1.0
    parent: Node | None = None
    action: int = 0
    raw: float = 0.0
    """What the network says, or what a final state is worth."""
    priors: dict[int, float] = field(default_factory=dict)
    """Of the legal actions."""
    children: dict[int, Node] = field(default_factory=dict)
    returns: list[float] = field(default_factory=list)
    """One for every visit."""

    def value(self) -> float:
        return sum(self.returns) / len(self.returns)

    def visits(self, action: int) -> int:
        return len(self.children[action].returns) if action in self.children else 0


class Search:
    def __init__(
        self, env: Any, network: Network, config: Config, rng: Rng, chance: bool = True
    ) -> None:
        self.network, self.config, self.rng = network, config, rng
        root = self.plant(Node(copy.deepcopy(env)))
        root.returns.append(root.raw)
        self.gumbel = [0.0] * len(env.masks())
        if chance and config.root_selection == "gumbel" and root.priors:
            # A unit is in [0, 1) and a multiple of 2^-24.
            units = [1 - rng.unit() / 2**24 for _ in self.gumbel]
            self.gumbel = [-math.log(max(-math.log(unit), 2**-25)) for unit in units]
        self.run(root, config.num_simulations)

    def run(self, root: Node, num_simulations: int) -> None:
        self.root, self.num_simulations = root, num_simulations
        self.kept = {action: root.visits(action) for action in root.priors}
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
            root = self.root.children[moves[-1]]
            root.parent = None
            wanted = self.config.num_simulations
            new = max(0, wanted + 1 - len(root.returns))
            if self.config.root_selection == "gumbel":
                new = max(new, math.ceil(wanted / 2))
                if len(root.returns) + new > 4 * wanted + 1:
                    root.children, root.returns, new = {}, [root.raw], wanted
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

    def child(self, node: Node, action: int) -> Node:
        env = copy.deepcopy(node.env)
        env.step(action)
        node.children[action] = self.plant(Node(env, node.priors[action], node, action))
        return node.children[action]

    def simulate(self, simulation: int) -> None:
        node, left = self.root, self.config.max_expand_depth
        while node.priors:
            action = self.select(node, simulation)
            if action in node.children:
                node = node.children[action]
                continue
            node, left = self.child(node, action), left - 1
            while left > 0 and node.priors:
                node, left = self.child(node, self.sample(node)), left - 1
            break
        value = node.raw
        node.returns.append(value)
        while node.parent is not None:
            self.seen.append(value)
            node = node.parent
            value = node.env.reward() + self.config.gamma * value
            node.returns.append(value)

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
        total = sum(node.visits(action) for action in node.priors)
        return first_best(
            {action: improved[action] - node.visits(action) / (1 + total) for action in node.priors}
        )

    def below(self, node: Node, value: float) -> float:
        """What a state worth `value` expects of the states below."""
        return (value - node.env.reward()) / self.config.gamma if self.config.gamma else 0.0

    def puct(self, node: Node) -> int:
        scores = {}
        for action, prior in node.priors.items():
            visits = node.visits(action)
            value = node.children[action].value() if visits else self.below(node, node.value())
            bonus = self.config.exploration * prior * math.sqrt(len(node.returns)) / (1 + visits)
            scores[action] = self.scale() * value + bonus
        return first_best(scores)

    def weighted(self, node: Node) -> dict[int, float]:
        """`logits + sigma(completed q)` of the legal actions."""
        visited = [action for action in node.priors if node.visits(action)]
        total = sum(node.visits(action) for action in visited)
        mixed = self.below(node, node.raw)
        if visited:
            prior = sum(node.priors[action] for action in visited)
            expected = sum(node.priors[a] * node.children[a].value() for a in visited) / prior
            mixed = (mixed + total * expected) / (1 + total)
        most = max(node.visits(action) for action in node.priors)
        # Values within [-1, 1] are halved to a range of length 1.
        weight = (50 + most) * self.config.value_weight * self.scale() / 2
        return {
            action: math.log(prior)
            + weight * (node.children[action].value() if action in visited else mixed)
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
                if self.root.visits(action) - self.kept[action] == visits
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
        total = sum(self.root.visits(action) for action in self.root.priors)
        return [self.root.visits(action) / total for action in actions]

    def action(self) -> int:
        """The action that sequential halving leaves over, or the one with the most visits."""
        visits = {action: self.root.visits(action) for action in self.root.priors}
        if self.config.root_selection == "puct":
            return first_best(visits)
        return self.best(max(visits[action] - self.kept[action] for action in visits))

    def tree(self) -> list[list[float]]:
        """`[parent, action, prior, visits, value]` of every state, breadth first."""
        order, rows = [(0, self.root)], []
        for index, (parent, node) in enumerate(order):
            visits = len(node.returns)
            rows.append([parent, node.action, digits(node.prior), visits, digits(node.value())])
            order.extend((index, node.children[action]) for action in sorted(node.children))
        return rows


def digits(value: float) -> float:
    """Six digits: more than the 32-bit arithmetic that is compared keeps."""
    return float(f"{value:.6g}")


def first_best(scores: Mapping[int, float]) -> int:
    return max(sorted(scores), key=lambda action: scores[action])
