"""Writes specs/golden from the reference: python tests/reference/write_golden.py [--check].

Every language replays these files. With --check nothing is written and the exit status is 1
when a file differs. A change of a file is a change of behaviour: the changelog names it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from puzzle import Puzzle, layers
from rng import Rng

GOLDEN = Path(__file__).resolve().parents[2] / "specs" / "golden"
SEEDS = [0, 1, 42, 2**63, 2**64 - 1]


def main() -> int:
    differing = []
    for name, content in {"rng.json": rng(), "puzzle.json": puzzle()}.items():
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


def puzzle() -> dict[str, Any]:
    sizes = [(2, 2), (3, 3), (2, 4), (4, 2), (4, 4), (5, 3), (16, 16)]
    return {
        "about": "boards, masks and rewards; written by tests/reference/write_golden.py",
        "traces": [
            trace(width, height, difficulty, start, seed)
            for seed, (width, height) in enumerate(sizes)
            for start, difficulty in [("reset", 1), ("reset", 6), ("reset", 71), ("uniform", 3)]
        ],
        "layers": [
            {"width": 2, "height": 2, "boards": layers(2, 2, 100)},
            {"width": 3, "height": 2, "boards": layers(3, 2, 100)},
            {"width": 3, "height": 3, "boards": layers(3, 3, 100)},
            {"width": 4, "height": 4, "boards": layers(4, 4, 14)},
        ],
    }


def trace(width: int, height: int, difficulty: int, start: str, seed: int) -> dict[str, Any]:
    """One episode: stream (seed, 0, lane 1) starts it, stream (seed, 0, lane 2) plays it."""
    env = Puzzle(width, height, difficulty, depth_slope=2, max_depth=24)
    begin, play = Rng.stream(seed, 0, 1), Rng.stream(seed, 0, 2)
    env.reset_uniform(begin) if start == "uniform" else env.reset(begin)
    actions: list[int] = []
    views = [view(env)]
    while not env.is_final() and len(actions) < 24:
        actions.append(play.below(4))
        env.step(actions[-1])
        views.append(view(env))
    return {
        "config": {
            "width": width,
            "height": height,
            "difficulty": difficulty,
            "depth_slope": 2,
            "max_depth": 24,
        },
        "start": start,
        "seed": seed,
        "last_observation": env.observe(),
        "actions": actions,
        # A 16 x 16 board is long: only its last state is kept.
        "states": [v.pop("state") for v in views] if width < 16 else None,
        "last_state": list(env.state),
        "masks": ["".join(str(int(m)) for m in v["masks"]) for v in views],
        "rewards": [v["reward"] for v in views],
        "final": [v["final"] for v in views],
        "success": [v["success"] for v in views],
    }


def view(env: Puzzle) -> dict[str, Any]:
    return {
        "state": list(env.state),
        "masks": env.masks(),
        "reward": env.reward(),
        "final": env.is_final(),
        "success": env.success(),
    }


if __name__ == "__main__":
    sys.exit(main())
