"""Lights Out by walks whose order does not matter, `commuting` and `parities` of run.py."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from learner import prepare
from levers import ROOT, one, optimal, trained_on
from results import row

# By the side of the board: what is changed in the example.
LIGHTS: dict[int, dict[str, Any]] = {
    5: {},
    7: {"env.max_depth": 98, "algorithm.collecting.walk_length": 40},
}
GREEDY = {"strategy": "greedy", "deterministic": True}


def commuting(_: argparse.Namespace) -> list[dict[str, Any]]:
    """500 boards of Lights Out with the fewest presses, by greedy play and by beams."""
    rows = []
    for side, changes in LIGHTS.items():
        for commutes in (False, True):
            given = {**changes, "env.width": side, "env.height": side}
            algorithm = trained_on(
                "rw_lights_out_v1", {**given, "algorithm.collecting.commuting": commutes}
            )
            label = f"Lights Out {side}×{side}, {'commuting' if commutes else 'plain'} walks"
            boards = np.array([algorithm.env.random_state(seed) for seed in range(500)], np.int64)
            shortest = fewest_presses(boards, side)
            for width in (1, 256):
                how = {"strategy": "beam", "beam_width": width} if width > 1 else GREEDY
                start = time.process_time()
                share = optimal(algorithm, boards, shortest, how)
                spent = 1000 * (time.process_time() - start) / len(boards)
                play = f"{label}, {'greedy' if width == 1 else f'beam {width}'}"
                is_asked = commutes and side == 7 and width == 1
                goals = ({"at_least": 1.0}, {"at_most": 1.0}) if is_asked else ({}, {})
                rows.append(row(f"{play}: fewest presses", "", one(share), **goals[0]))
                rows.append(row(f"{play}: a board", "CPU-ms", one(spent), **goals[1]))
    return rows


def parities(_: argparse.Namespace) -> list[dict[str, Any]]:
    """500 boards of Lights Out 7x7 with the fewest presses by greedy play of parities."""
    from twisterl.twisterl import collector

    name = "Lights Out 7×7, parities of walks"
    algorithm = prepare(str(ROOT / "examples" / "rw_lights_out_7x7_v1.json"), 0)
    start = time.process_time()
    algorithm.learn(1)
    rows = [row(f"{name}: training, judged", "CPU-s", one(time.process_time() - start))]
    env, policy = algorithm.env, algorithm.rs_pol
    boards = np.array([env.random_state(seed) for seed in range(500)], np.int64)
    shortest = fewest_presses(boards, 7)
    plays = {
        "greedy": GREEDY,
        "greedy, int8": {**GREEDY, "precision": "int8"},
        "by elimination, no network": {"strategy": "optimal"},
    }
    for play, how in plays.items():
        found, spent = [], []
        for board in boards:
            start = time.perf_counter()
            found.append(collector.evaluate_episodes(env, policy, states=board[None], **how))
            spent.append(1000 * (time.perf_counter() - start))
        solved, lengths = (
            np.concatenate([one[key] for one in found]) for key in ("success", "length")
        )
        share = float(np.mean(solved & (lengths == shortest)))
        goals = ({"at_least": 1.0}, {"at_most": 1.0}) if play == "greedy" else ({}, {})
        rows.append(row(f"{name}, {play}: fewest presses", "", one(share), **goals[0]))
        rows.append(row(f"{name}, {play}: a board", "ms", one(float(np.mean(spent))), **goals[1]))
    return rows


def fewest_presses(boards: Any, side: int) -> Any:
    """`[N]`, by elimination over GF(2) and all patterns of presses that change nothing."""
    cells = side * side
    column, line = np.arange(cells) % side, np.arange(cells) // side
    apart = abs(column[:, None] - column) + abs(line[:, None] - line)
    work = np.concatenate([apart < 2, boards.T == 1], axis=1)
    pivots: list[int] = []
    for press in range(cells):
        found = np.flatnonzero(work[len(pivots) :, press])
        if len(found):
            place = len(pivots)
            work[[place, place + found[0]]] = work[[place + found[0], place]]
            others = work[:, press].copy()
            others[place] = False
            work[others] ^= work[place]
            pivots.append(press)
    solutions = np.zeros((cells, len(boards)), bool)
    solutions[pivots] = work[: len(pivots), cells:]
    fewest = solutions.sum(0)
    quiet = np.zeros((1, cells), bool)
    for free in set(range(cells)) - set(pivots):
        pattern = np.zeros(cells, bool)
        pattern[pivots] = work[: len(pivots), free]
        pattern[free] = True
        quiet = np.concatenate([quiet, quiet ^ pattern])
    for pattern in quiet:
        fewest = np.minimum(fewest, (solutions ^ pattern[:, None]).sum(0))
    return fewest
