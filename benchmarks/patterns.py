"""Sliding puzzles without a network, `patterns` and `lessons` of run.py.

Proven optima of the 15-puzzle, and beams of the 24-puzzle that pattern databases lead, beside its
known optima.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from levers import one
from results import ROOT, row

# Uniform boards of the 15-puzzle.
BOARDS = 200
# 24-puzzles with the optima that github clausecker/24puzzle found.
PUZZLE24 = ROOT / "tests" / "fixtures" / "puzzle24_uniform.txt"
WIDTHS = (2**14, 2**16)
LIMIT_S = 1.9
# Boards that are solved to learn from, and the width of the beams after that.
LESSONS = 6000
LESSONS_WIDTH = 2**15


def patterns(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Optima of the 15-puzzle, and the 24-puzzle by pattern databases."""
    return [*fifteen(), *twenty_four()]


@functools.cache
def puzzle(side: int) -> Any:
    from twisterl.envs import Puzzle

    return Puzzle(width=side, height=side, difficulty=1, depth_slope=2, max_depth=1000)


def fifteen() -> list[dict[str, Any]]:
    from twisterl.twisterl.collector import OptimalSolver

    env = puzzle(4)
    boards = [env.random_state(seed) for seed in range(BOARDS)]
    start = time.perf_counter()
    solver = OptimalSolver(env)
    prepared = time.perf_counter() - start
    lengths, seconds = timed(boards, lambda board: solver.solve(board)[0])
    name = "15-puzzle, strategy optimal"
    return [
        row(f"{name}: preparation", "s", one(prepared)),
        row(f"{name}: proven, of {BOARDS} uniform boards", "", one(share(lengths)), at_least=1.0),
        row(f"{name}: mean length", "moves", one(mean(lengths))),
        *times(name, seconds, 0.25),
    ]


def twenty_four() -> list[dict[str, Any]]:
    board = boards()[0][0]
    start = time.perf_counter()
    solve(board, beam_width=1)
    rows = [row("24-puzzle: preparation", "s", one(time.perf_counter() - start), at_most=900)]
    for width in WIDTHS:
        rows += beams(f"patterns, {width:,}", beam_width=width)
    limit = {"beam_width": 2**20, "time_limit_s": LIMIT_S}
    return rows + beams(f"patterns, up to {LIMIT_S} s", **limit)


def lessons(_: argparse.Namespace) -> list[dict[str, Any]]:
    """The 24-puzzle by pattern databases and what pairs of tiles add, which is learned first."""
    board = boards()[0][0]
    start = time.perf_counter()
    solve(board, beam_width=1, pattern_boards=LESSONS)
    name = f"24-puzzle, {LESSONS:,} lessons"
    took = one(time.perf_counter() - start)
    rows = [row(f"{name}: preparation and learning", "s", took, at_most=900)]
    play = {"beam_width": LESSONS_WIDTH, "pattern_boards": LESSONS}
    return rows + beams(f"patterns, {LESSONS:,} lessons, {LESSONS_WIDTH:,}", **play)


@functools.cache
def boards() -> tuple[list[list[int]], list[int]]:
    """24-puzzles with their optima."""
    lines = [[int(word) for word in line.split()] for line in PUZZLE24.read_text().splitlines()]
    return [line[:-1] for line in lines], [line[-1] for line in lines]


def solve(board: list[int], **how: Any) -> list[int] | None:
    from twisterl.twisterl import collector

    env = puzzle(5)
    env.set_state(board)
    (success, _), actions = collector.solve(env, None, strategy="patterns", **how)
    return actions if success else None


def beams(label: str, **how: Any) -> list[dict[str, Any]]:
    """What beams find of all 24-puzzles."""
    starts, optima = boards()
    lengths, seconds = timed(starts, functools.partial(solve, **how))
    name = f"24-puzzle, strategy {label}"
    solved = [pair for pair in zip(lengths, optima, strict=True) if pair[0] is not None]
    ratio = sum(length for length, _ in solved) / sum(optimum for _, optimum in solved)
    best = statistics.mean(length == optimum for length, optimum in solved)
    return [
        row(f"{name}: solved", "", one(share(lengths)), at_least=1.0),
        row(f"{name}: moves / optimum", "", one(ratio), at_most=1.02),
        row(f"{name}: optimal", "", one(best)),
        *times(name, seconds, 2.0),
    ]


def timed(boards: Any, solve: Callable[[Any], list[int] | None]) -> tuple[list[Any], list[float]]:
    """The lengths of solutions, None without one, and the seconds that each took."""
    lengths, seconds = [], []
    for board in boards:
        start = time.perf_counter()
        actions = solve(board)
        seconds.append(time.perf_counter() - start)
        lengths.append(None if actions is None else len(actions))
    return lengths, seconds


def share(lengths: list[Any]) -> float:
    return float(np.mean([length is not None for length in lengths]))


def mean(lengths: list[Any]) -> float:
    return statistics.mean(length for length in lengths if length is not None)


def times(name: str, seconds: list[float], most: float) -> list[dict[str, Any]]:
    return [
        row(f"{name}: a board, mean", "s", one(statistics.mean(seconds))),
        row(f"{name}: a board, longest", "s", one(max(seconds)), at_most=most),
    ]
