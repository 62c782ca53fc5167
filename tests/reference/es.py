"""Evolution Strategies in plain Python and NumPy: Salimans et al. 2017, algorithm 2.

Slow and obvious on purpose. Every rounding to float32 is written out, so that Mojo and Rust can be
compared bit for bit: `fused` rounds once where they use a fused multiplication and addition.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from puzzle import Puzzle
from rng import GOLDEN_GAMMA, WORD, Rng, mix

NOISE_TAG = int.from_bytes(b"noise", "big")
WEIGHTS_TAG = int.from_bytes(b"weights", "big")
ACTIONS = 4
LANES = 16

Floats = npt.NDArray[np.float32]


def fused(a: Any, b: Any, c: Any) -> Any:
    """`a * b + c` of float32, rounded once: the product is exact in float64.

    The sum is rounded to float64 first, which differs from one rounding about once in 2^29.
    """
    return np.float32(np.float64(a) * np.float64(b) + np.float64(c))


@dataclass
class Settings:
    hidden: int
    num_pairs: int
    num_episodes: int
    sigma: float = 0.05
    uniform_difficulty: bool = True
    player: str = "policy"
    rule: str = "adam"
    rate: float = 0.02
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0


@dataclass
class Layout:
    """Where each tensor begins in the flat vector; the embedding comes feature by feature."""

    features: int
    hidden: int

    @property
    def starts(self) -> dict[str, int]:
        sizes = {
            "embedding": self.features * self.hidden,
            "embedding_bias": self.hidden,
            "action_weight": ACTIONS * self.hidden,
            "value_weight": self.hidden,
            "action_bias": ACTIONS,
            "value_bias": 1,
        }
        ends = np.cumsum(list(sizes.values()))
        starts = dict(zip(sizes, [0, *ends[:-1]], strict=True))
        return {name: int(start) for name, start in {**starts, "end": ends[-1]}.items()}

    def trained(self, player: str) -> npt.NDArray[np.bool_]:
        """Which weights `player` reads, and so learns."""
        starts = self.starts
        mask = np.zeros(starts["end"], bool)
        mask[: starts["action_weight"]] = True
        if player == "policy":
            mask[starts["action_weight"] : starts["value_weight"]] = True
            mask[starts["action_bias"] : starts["value_bias"]] = True
        else:
            mask[starts["value_weight"] : starts["action_bias"]] = True
            mask[starts["value_bias"] :] = True
        return mask


def initial_weights(layout: Layout, seed: int) -> Floats:
    """Uniform within 1 / sqrt(inputs), one draw a weight in the order of the layout."""
    rng = Rng.stream(seed ^ WEIGHTS_TAG, 0, 0)
    starts = layout.starts
    weights = np.zeros(starts["end"], np.float32)
    for index in range(len(weights)):
        inputs = layout.features if index < starts["action_weight"] else layout.hidden
        unit = np.float32(rng.unit() / 2**24)
        weights[index] = (np.float32(2) * unit - np.float32(1)) * np.float32(1 / math.sqrt(inputs))
    return weights


def noise(seed: int, generation: int, pair: int, count: int) -> npt.NDArray[np.int64]:
    """Twice the noise: the bits set in 16 random ones, less 8; four of them a SplitMix64 word."""
    origin = Rng.stream(seed ^ NOISE_TAG, generation, pair).word()
    entries = []
    for index in range(count):
        word = mix((origin + GOLDEN_GAMMA * (index // 4 + 1)) % WORD)
        entries.append((word >> 16 * (index % 4) & 0xFFFF).bit_count() - 8)
    return np.array(entries)


def dot(inputs: Floats, weights: Floats) -> np.float32:
    """16 partial sums, folded in halves."""
    sums = np.zeros(LANES, np.float32)
    for chunk in range(0, len(inputs), LANES):
        sums = fused(inputs[chunk : chunk + LANES], weights[chunk : chunk + LANES], sums)
    while len(sums) > 1:
        half = len(sums) // 2
        sums = sums[:half] + sums[half:]
    return np.float32(sums[0])


def forward(weights: Floats, layout: Layout, observation: list[int]) -> tuple[Floats, np.float32]:
    """Logits [A] and value."""
    at, hidden = layout.starts, layout.hidden
    sums = weights[at["embedding_bias"] :][:hidden].copy()
    for feature in observation:
        sums = sums + weights[feature * hidden :][:hidden]
    layer = np.maximum(sums, np.float32(0))
    heads = [
        dot(layer, weights[at["action_weight"] + action * hidden :][:hidden])
        + weights[at["action_bias"] + action]
        for action in range(ACTIONS)
    ]
    value = dot(layer, weights[at["value_weight"] :][:hidden]) + weights[at["value_bias"]]
    return np.array(heads, np.float32), value


def choose(env: Puzzle, weights: Floats, layout: Layout, player: str) -> int:
    """The first of the best legal actions."""
    logits, _ = forward(weights, layout, env.observe())
    best, highest = -1, -math.inf
    for action, legal in enumerate(env.masks()):
        if not legal:
            continue
        score = float(logits[action])
        if player == "value":
            child = copy.deepcopy(env)
            child.step(action)
            value = forward(weights, layout, child.observe())[1]
            score = math.inf if child.success() else float(value)
        if score > highest:
            best, highest = action, score
    return best


def starts(env: Puzzle, settings: Settings, seed: int, generation: int) -> list[Puzzle]:
    """The boards that every member plays; the first draw may decide the difficulty."""
    boards = []
    for episode in range(settings.num_episodes):
        board = copy.deepcopy(env)
        rng = Rng.stream(seed, generation, episode)
        if settings.uniform_difficulty:
            board.difficulty = min(env.difficulty, 1 + rng.below(env.difficulty))
        board.reset(rng)
        boards.append(board)
    return boards


def play(boards: list[Puzzle], weights: Floats, layout: Layout, player: str) -> dict[str, Any]:
    """Fitness, solved episodes and actions of one member."""
    fitness, solved, steps = np.float32(0), 0, 0
    for start in boards:
        env = copy.deepcopy(start)
        while not env.is_final():
            env.step(choose(env, weights, layout, player))
        moves = start.depth - env.depth
        steps += moves
        if env.success():
            share = np.float32(moves) / np.float32(max(start.depth, 1))
            fitness = fitness + (np.float32(1.5) - np.float32(0.5) * share)
            solved += 1
    return {"fitness": float(fitness), "solved": solved, "steps": steps}


def rank_differences(fitness: list[float]) -> list[int]:
    """Doubled ranks, of equals their mean: the first of each pair less the second."""
    doubled = [
        2 * sum(other < own for other in fitness) + sum(other == own for other in fitness) - 1
        for own in fitness
    ]
    return [doubled[i] - doubled[i + 1] for i in range(0, len(doubled), 2)]


@dataclass
class State:
    weights: Floats
    first: Floats
    second: Floats
    generation: int = 0


def update(state: State, gradient: Floats, settings: Settings) -> None:
    """Adam (Kingma and Ba 2015, algorithm 1) or momentum, with decoupled weight decay."""
    rate = settings.rate
    beta1, beta2 = settings.betas
    keep = np.float32(1 - rate * settings.weight_decay)
    if settings.rule == "adam":
        rate /= 1 - power(beta1, state.generation + 1)
        correction = np.float32(math.sqrt(1 - power(beta2, state.generation + 1)))
        state.first = fused(state.first, np.float32(beta1), gradient * np.float32(1 - beta1))
        squares = (gradient * gradient) * np.float32(1 - beta2)
        state.second = fused(state.second, np.float32(beta2), squares)
        scale = np.sqrt(state.second) / correction + np.float32(settings.epsilon)
        moved = (state.first * np.float32(rate)) / scale
        state.weights = fused(state.weights, keep, moved)
    else:
        state.first = fused(state.first, np.float32(beta1), gradient)
        state.weights = fused(state.first, np.float32(rate), state.weights * keep)


def power(base: float, exponent: int) -> float:
    """By repeated squaring: the same bits in every language."""
    result = 1.0
    while exponent:
        if exponent % 2:
            result *= base
        base *= base
        exponent //= 2
    return result


def step(state: State, env: Puzzle, settings: Settings, seed: int) -> list[dict[str, Any]]:
    """One generation: the scores of its members, `state` updated."""
    layout = Layout(len(env.state) ** 2, settings.hidden)
    boards = starts(env, settings, seed, state.generation)
    half_sigma = np.float32(settings.sigma * 0.5)
    doubled, scores = [], []
    for pair in range(settings.num_pairs):
        doubled.append(noise(seed, state.generation, pair, len(state.weights)))
        for sign in (half_sigma, -half_sigma):
            member = fused(doubled[-1], sign, state.weights)
            scores.append(play(boards, member, layout, settings.player))
    differences = rank_differences([score["fitness"] for score in scores])
    members = 2 * settings.num_pairs
    scale = np.float32(0.25 / (float(members - 1) * float(members) * settings.sigma))
    sums = np.sum([d * n for d, n in zip(differences, doubled, strict=True)], axis=0)
    trained = layout.trained(settings.player)
    before = copy.deepcopy(state)
    update(state, sums.astype(np.float32) * scale, settings)
    for name in ("weights", "first", "second"):
        values = getattr(state, name)
        untouched = getattr(before, name) if name == "weights" else np.float32(0)
        setattr(state, name, np.where(trained, values, untouched).astype(np.float32))
    state.generation += 1
    return scores


# What the golden file records.


def golden() -> dict[str, Any]:
    return {
        "about": "Evolution Strategies; written by tests/reference/write_golden.py",
        "tolerance": 0,
        "noise": [
            {
                "seed": seed,
                "generation": generation,
                "pair": pair,
                "doubled": noise(seed, generation, pair, 70).tolist(),
            }
            for seed, generation, pair in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (7, 9, 63)]
        ],
        "ranks": [
            {"fitness": fitness, "differences": rank_differences(fitness)}
            for fitness in ([3.0, 1.0, 2.0, 2.0], [0.0] * 6, [0.5, 0.25, 0.25, 1.0, 0.25, 2.0])
        ],
        "networks": [
            network(side, hidden, seed)
            for seed, (side, hidden) in enumerate([(2, 32), (3, 32), (4, 64)])
        ],
        "updates": [
            one_update(Settings(32, 1, 1, rule=rule, weight_decay=decay, betas=betas), generation)
            for rule, decay, betas, generation in [
                ("adam", 0.0, (0.9, 0.999), 0),
                ("adam", 0.1, (0.8, 0.99), 12),
                ("momentum", 0.0, (0.9, 0.999), 0),
                ("momentum", 0.01, (0.5, 0.9), 3),
            ]
        ],
        "runs": [
            run(Settings(32, 4, 6), 3, 2),
            run(Settings(32, 3, 5, player="value", rule="momentum", weight_decay=0.01), 3, 2),
            run(Settings(64, 2, 4, sigma=0.1, uniform_difficulty=False), 4, 2),
        ],
    }


def numbers(values: Any) -> list[float]:
    return [float(value) for value in values]


def network(side: int, hidden: int, seed: int) -> dict[str, Any]:
    """Outputs of the first weights on uniformly random boards."""
    layout = Layout(side**4, hidden)
    weights = initial_weights(layout, seed)
    env = Puzzle(side, side, 1, 2, 16)
    rng = Rng(seed)
    cases = []
    for _ in range(4):
        env.reset_uniform(rng)
        logits, value = forward(weights, layout, env.observe())
        cases.append({"state": list(env.state), "logits": numbers(logits), "value": float(value)})
    return {"side": side, "hidden": hidden, "seed": seed, "cases": cases}


def one_update(settings: Settings, generation: int) -> dict[str, Any]:
    """An update of eight weights from numbers that are there already."""
    rng = Rng(generation)
    draw = [np.array([rng.unit() / 2**24 - 0.5 for _ in range(8)], np.float32) for _ in range(4)]
    state = State(draw[0], draw[1], np.abs(draw[2]), generation)
    record: dict[str, Any] = {
        "rule": settings.rule,
        "rate": settings.rate,
        "betas": list(settings.betas),
        "epsilon": settings.epsilon,
        "weight_decay": settings.weight_decay,
        "generation": generation,
        "gradient": numbers(draw[3]),
        "before": {name: numbers(getattr(state, name)) for name in ("weights", "first", "second")},
    }
    update(state, draw[3], settings)
    record["after"] = {
        name: numbers(getattr(state, name)) for name in ("weights", "first", "second")
    }
    return record


def run(settings: Settings, side: int, num_generations: int) -> dict[str, Any]:
    """Whole generations from the first weights on."""
    seed, difficulty = 5, 12
    env = Puzzle(side, side, difficulty, 2, 16, forbid_undo=True)
    weights = initial_weights(Layout(side**4, settings.hidden), seed)
    state = State(weights, np.zeros_like(weights), np.zeros_like(weights))
    generations = [step(state, env, settings, seed) for _ in range(num_generations)]
    return {
        "settings": {**vars(settings), "betas": list(settings.betas)},
        "side": side,
        "seed": seed,
        "difficulty": difficulty,
        "depth_slope": 2,
        "generations": generations,
        # One weight in seven, from all tensors.
        "weights": numbers(state.weights[::7]),
    }
