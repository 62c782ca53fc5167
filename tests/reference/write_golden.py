"""Writes specs/golden from the reference: python tests/reference/write_golden.py [--check].

Every language replays these files. With --check nothing is written and the exit status is 1
when a file differs. A change of a file is a change of behaviour: the changelog names it.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import es
from mcts import Config, Network, Search, digits
from rng import Rng
from task import Cases, layers

GOLDEN = Path(__file__).resolve().parents[2] / "specs" / "golden"
SEEDS = [0, 1, 42, 2**63, 2**64 - 1]


def main() -> int:
    differing = []
    environments = {f"{name}.json": environment(cases) for name, cases in ENVIRONMENTS.items()}
    others = {"rng.json": rng(), "mcts.json": mcts(), "es.json": es.golden()}
    for name, content in {**others, **environments}.items():
        path = GOLDEN / name
        text = "{\n" + ",\n".join(f" {json.dumps(k)}: {lines(v)}" for k, v in content.items())
        text += "\n}\n"
        if not path.exists() or path.read_text() != text:
            differing.append(name)
            if "--check" not in sys.argv:
                path.write_text(text)
    for name in differing:
        print(f"{name}: {'differs from the reference' if '--check' in sys.argv else 'written'}")
    return 1 if differing and "--check" in sys.argv else 0


def lines(value: Any) -> str:
    """JSON with one line for each item of a list, so that a diff shows what changed."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join("  " + json.dumps(item) for item in value) + "\n ]"


def words(rng: Rng, count: int) -> list[str]:
    """As strings, because many readers of JSON hold numbers as 64-bit floats."""
    return [f"{rng.word():016x}" for _ in range(count)]


def rng() -> dict[str, Any]:
    names = [(seed, t, lane) for seed in SEEDS for t in (0, 1, 2**32) for lane in (0, 1, 2**40)]
    bounds = [1, 2, 3, 4, 9, 16, 256, 1000, 2**31, 2**32 - 1] * 3
    below, unit = Rng(7), Rng(8)
    return {
        "about": "xoshiro256++ seeded by SplitMix64; written by tests/reference/write_golden.py",
        "seeds": [{"seed": f"{seed:016x}", "words": words(Rng(seed), 8)} for seed in SEEDS],
        "streams": [
            {
                "seed": f"{seed:016x}",
                "iteration": iteration,
                "lane": lane,
                "words": words(Rng.stream(seed, iteration, lane), 2),
            }
            for seed, iteration, lane in names
        ],
        "below": {"seed": 7, "bounds": bounds, "draws": [below.below(b) for b in bounds]},
        "unit": {"seed": 8, "times_2_to_24": [unit.unit() for _ in range(32)]},
        "shuffles": [
            {"seed": 9, "length": length, "order": Rng(9).shuffle(length)}
            for length in (1, 2, 9, 16, 100)
        ],
    }


def listed() -> list[str]:
    """The names of the environments with goals, in the order of the list in Rust."""
    text = (GOLDEN.parents[1] / "rust" / "src" / "envs" / "mod.rs").read_text()
    with_goals, _, _ = text.partition("macro_rules! tasks")
    return re.findall(r"^ +(\w+)::\w+,$", with_goals, re.MULTILINE)


# Each has a module of its name, with what is recorded of it.
ENVIRONMENTS: dict[str, Cases] = {name: import_module(name).CASES for name in listed()}


def environment(cases: Cases) -> dict[str, Any]:
    starts = [("reset", 1), ("reset", 6), ("reset", 71), ("uniform", 3)]
    return {
        "about": "states, masks and rewards; written by tests/reference/write_golden.py",
        "descriptions": [describe(cases.make, parameters) for parameters in cases.traced],
        "traces": [
            trace(cases.make, parameters, difficulty, start, seed)
            for seed, parameters in enumerate(cases.traced)
            for start, difficulty in starts
        ],
        "layers": [
            {
                "config": parameters,
                "states": layers(cases.make(**parameters, **episode(1)), depth),
            }
            for parameters, depth in cases.layered
        ],
    }


def episode(difficulty: int) -> dict[str, int]:
    return {"difficulty": difficulty, "depth_slope": 2, "max_depth": 24}


def describe(make: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    env = make(**parameters, **episode(1))
    return {
        "config": parameters,
        "obs_shape": env.obs_shape(),
        "action_names": env.action_names(),
    }


def trace(
    make: Callable[..., Any], parameters: dict[str, Any], difficulty: int, start: str, seed: int
) -> dict[str, Any]:
    """One episode: stream (seed, 0, lane 1) starts it, stream (seed, 0, lane 2) plays it."""
    config = {**parameters, **episode(difficulty)}
    env = make(**config)
    begin, play = Rng.stream(seed, 0, 1), Rng.stream(seed, 0, 2)
    env.reset_uniform(begin) if start == "uniform" else env.reset(begin)
    actions: list[int] = []
    views = [view(env)]
    while not env.is_final() and len(actions) < 24:
        actions.append(play.below(len(env.action_names())))
        env.step(actions[-1])
        views.append(view(env))
    return {
        "config": config,
        "start": start,
        "seed": seed,
        "last_observation": env.observe(),
        "actions": actions,
        # A 16 x 16 board is long: only its last state is kept.
        "states": [v.pop("state") for v in views] if len(env.state) < 200 else None,
        "last_state": list(env.state),
        "masks": ["".join(str(int(m)) for m in v["masks"]) for v in views],
        "rewards": [v["reward"] for v in views],
        "final": [v["final"] for v in views],
        "success": [v["success"] for v in views],
    }


def view(env: Any) -> dict[str, Any]:
    return {
        "state": list(env.state),
        "masks": env.masks(),
        "reward": env.reward(),
        "final": env.is_final(),
        "success": env.success(),
    }


# Environment, its parameters and steps, start, and what of the search is not the default.
SEARCHES: list[tuple[str, dict[str, int], int, list[int], dict[str, Any]]] = [
    ("puzzle", {"width": 3, "height": 3}, 24, [1, 4, 2, 3, 7, 5, 6, 0, 8], {}),
    ("puzzle", {"width": 3, "height": 3}, 24, [8, 7, 6, 5, 4, 3, 2, 1, 0], {"gamma": 0.9}),
    ("puzzle", {"width": 3, "height": 3}, 24, [1, 4, 2, 3, 0, 5, 6, 7, 8], {"exploration": 4.0}),
    ("puzzle", {"width": 3, "height": 3}, 24, [1, 0, 2, 3, 4, 5, 6, 7, 8], {"gamma": 0.0}),
    ("puzzle", {"width": 3, "height": 3}, 3, [1, 4, 2, 3, 7, 5, 6, 0, 8], {}),
    (
        "puzzle",
        {"width": 3, "height": 3},
        3,
        [8, 7, 6, 5, 4, 3, 2, 1, 0],
        {"truncation": "bootstrap"},
    ),
    ("puzzle", {"width": 3, "height": 3}, 24, [1, 4, 2, 3, 7, 5, 6, 0, 8], {"max_expand_depth": 3}),
    ("puzzle", {"width": 3, "height": 3}, 24, [0, 1, 2, 3, 4, 5, 6, 7, 8], {}),
    ("puzzle", {"width": 16, "height": 16}, 24, [1, 0, *range(2, 256)], {"num_simulations": 30}),
    ("lights_out", {"width": 3, "height": 3}, 6, [1, 0, 1, 0, 1, 1, 0, 0, 1], {}),
    *(
        (name, parameters, steps, state, {"root_selection": "gumbel", **config})
        for name, parameters, steps, state, config in [
            (
                "puzzle",
                {"width": 3, "height": 3},
                24,
                [1, 4, 2, 3, 7, 5, 6, 0, 8],
                {"num_simulations": 8},
            ),
            ("puzzle", {"width": 3, "height": 3}, 24, [8, 7, 6, 5, 0, 3, 1, 2, 4], {"gamma": 0.9}),
            (
                "puzzle",
                {"width": 3, "height": 3},
                24,
                [1, 4, 2, 3, 0, 5, 6, 7, 8],
                {"value_weight": 0.1},
            ),
            (
                "puzzle",
                {"width": 3, "height": 3},
                3,
                [8, 7, 6, 5, 0, 3, 1, 2, 4],
                {"truncation": "bootstrap"},
            ),
            (
                "puzzle",
                {"width": 16, "height": 16},
                24,
                [1, 0, *range(2, 256)],
                {"num_simulations": 30},
            ),
            (
                "lights_out",
                {"width": 3, "height": 3},
                6,
                [1, 0, 1, 0, 1, 1, 0, 0, 1],
                {"num_simulations": 16},
            ),
            (
                "lights_out",
                {"width": 3, "height": 3},
                6,
                [1, 0, 1, 0, 1, 1, 0, 0, 1],
                {"max_considered_actions": 4, "max_expand_depth": 2},
            ),
        ]
    ),
    *(
        (
            "lights_out",
            {"width": 3, "height": 3},
            steps,
            [1, 0, 1, 0, 1, 1, 0, 0, 1],
            {"transpositions": True, **config},
        )
        for steps, config in [
            (6, {"num_simulations": 200, "gamma": 0.9}),
            (3, {"exploration": 4.0, "max_expand_depth": 2}),
            (6, {"root_selection": "gumbel", "num_simulations": 100}),
        ]
    ),
]


GAMES: list[tuple[str, dict[str, int], int, list[int], dict[str, Any]]] = [
    (
        "puzzle",
        {"width": 4, "height": 4},
        14,
        [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
        {"num_simulations": simulations, "gamma": 0.9, **changes},
    )
    for simulations, changes in [
        (20, {}),
        (20, {"exploration": 0.2}),
        *(
            (simulations, {"root_selection": "gumbel", **more})
            for simulations in (3, 16, 25)
            for more in (
                {},
                {"max_considered_actions": 1},
                {"max_considered_actions": 2},
                {"value_weight": 20.0},
            )
        ),
        (20, {"transpositions": True}),
        (25, {"transpositions": True, "root_selection": "gumbel"}),
    ]
]


def mcts() -> dict[str, Any]:
    searches = [search(seed, *case) for seed, case in enumerate(SEARCHES)]
    if not any(case.pop("scaled") for case in searches):
        raise ValueError("no case has returns that need scaling")
    return {
        "about": "trees as [parent, action, prior, visits, value], breadth first; each of the "
        "policy testing::untwisted_policy(env, 8, 8, seed) and the stream (seed, 0, 0)",
        "searches": searches,
        "about games": "the moves made by deterministic searches that keep their trees, to the "
        "last step; no state of a tree is solved",
        "games": [game(seed, *case) for seed, case in enumerate(GAMES)],
    }


def reference_search(
    seed: int,
    name: str,
    parameters: dict[str, int],
    steps: int,
    state: list[int],
    changes: Any,
    chance: bool,
) -> tuple[dict[str, Any], Search]:
    env = ENVIRONMENTS[name].make(**parameters, difficulty=1, depth_slope=1, max_depth=steps)
    env.state, env.depth = list(state), steps
    network = Network(math.prod(env.obs_shape()), len(env.action_names()), 8, 8, seed)
    config = Config(**changes)
    case = {
        "env": name,
        "config": {**parameters, "difficulty": 1, "depth_slope": 1, "max_depth": steps},
        "state": state,
        "seed": seed,
        "search": {k: v for k, v in vars(config).items() if k != "transpositions" or v},
    }
    return case, Search(env, network, config, Rng.stream(seed, 0, 0), chance)


def search(seed: int, *case: Any) -> dict[str, Any]:
    written, found = reference_search(seed, *case, chance=True)
    gumbel = written["search"]["root_selection"] == "gumbel"
    return {
        **written,
        "policy": [digits(share) for share in found.policy()],
        "action": found.action() if gumbel and found.root.priors else None,
        "tree": found.tree(),
        "scaled": found.scale() < 1,
    }


def game(seed: int, *case: Any) -> dict[str, Any]:
    written, found = reference_search(seed, *case, chance=False)
    actions = found.play()
    if len(actions) != written["config"]["max_depth"] or max(found.seen, default=0) == 1:
        raise ValueError(f"game {seed} meets a solved state")
    return {**written, "actions": actions}


if __name__ == "__main__":
    sys.exit(main())
