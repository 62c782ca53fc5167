"""Transpositions in tree search, `shared_nodes` of run.py: graphs beside trees, by one network.

A graph is the search with `transpositions`: a state that several ways of as many moves lead to is
one node. It gets as many simulations as the tree, then as many as take about as much processor
time, then as many as give the network about as many states.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from learner import prepare, uniform_states
from results import row
from sides import OURS, PEER, ROOT, spread

# Of a tree, for each move.
SIMULATIONS = 100
BOARDS = 200


@dataclass(frozen=True)
class Problem:
    """Which example is trained with which changes, and the rules of the search that plays."""

    name: str
    example: str
    changes: dict[str, Any]
    search: dict[str, Any]

    def trained(self) -> Any:
        path = str(ROOT / "examples" / f"{self.example}.json")
        algorithm = prepare(path, 0, self.changes)
        algorithm.learn(algorithm.config["learning"]["num_steps"])
        algorithm.sync_rs_policy()
        return algorithm


STEPS = "algorithm.learning.num_steps"
# Of walks, which need no judge.
UNJUDGED: dict[str, Any] = {"algorithm.evals": {}, "algorithm.learning.diff_metric": None}
LINE = {"num_qubits": 6, "topology": "line", "difficulty": 30, "depth_slope": 2, "max_depth": 60}
CNOTS = {"env_cls": "twisterl.envs.LinearFunction", "env": LINE}
PROBLEMS = (
    Problem("8-puzzle", "az_puzzle8_v1", {STEPS: 100}, {"root_selection": "gumbel", "gamma": 0.95}),
    Problem(
        "15-puzzle", "az_puzzle15_v1", {STEPS: 150}, {"root_selection": "gumbel", "gamma": 0.97}
    ),
    Problem("2×2×2 cube", "rw_cube2_v1", {**UNJUDGED, STEPS: 30}, {}),
    Problem("CNOTs of 6 qubits on a line", "rw_cube2_v1", {**UNJUDGED, STEPS: 30, **CNOTS}, {}),
    Problem("Lights Out 5×5", "rw_lights_out_v1", {**UNJUDGED, STEPS: 20}, {}),
)


@dataclass(frozen=True)
class Played:
    """What a search made of all boards."""

    success: Any
    length: Any
    states: float
    cpu_ms: float


def shared_nodes(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Boards solved and lengths of solutions by graphs and by trees."""
    rows = []
    for problem in PROBLEMS:
        algorithm = problem.trained()
        boards = uniform_states(algorithm.env, BOARDS)
        # What is made ready once is no part of a board's time.
        played(algorithm, boards[:8], problem.search, SIMULATIONS, False)
        tree, graph = (
            played(algorithm, boards, problem.search, SIMULATIONS, is_graph)
            for is_graph in (False, True)
        )
        rows += compared(problem.name, "as many simulations", graph, tree)
        for what, scale in (
            ("about as much time", tree.cpu_ms / graph.cpu_ms),
            ("about as many states", tree.states / graph.states),
        ):
            count = round(SIMULATIONS * scale)
            other = played(algorithm, boards, problem.search, count, True)
            rows += compared(problem.name, f"{what} ({count} simulations)", other, tree)
    return rows


def played(
    algorithm: Any, boards: Any, search: dict[str, Any], count: int, is_graph: bool
) -> Played:
    """By `count` simulations a move."""
    from twisterl.twisterl import collector

    how = {**search, "num_mcts_searches": count, "transpositions": is_graph}
    start = time.process_time()
    found = collector.evaluate_episodes(
        algorithm.env, algorithm.rs_pol, states=boards, deterministic=True, num_cores=2, **how
    )
    spent = 1000 * (time.process_time() - start) / len(boards)
    return Played(found["success"], found["length"], float(found["nodes"].mean()), spent)


def compared(problem: str, budget: str, graph: Played, tree: Played) -> list[dict[str, Any]]:
    name = f"{problem}, graph for {budget} (peer: tree of {SIMULATIONS})"
    both = graph.success & tree.success

    def of(what: str, unit: str, ours: float, peer: float) -> dict[str, Any]:
        return row(f"{name}: {what}", unit, {OURS: spread([ours]), PEER: spread([peer])})

    rows = [
        of("solved", "", float(graph.success.mean()), float(tree.success.mean())),
        of("states a board", "", graph.states, tree.states),
        of("a board", "CPU-ms", graph.cpu_ms, tree.cpu_ms),
    ]
    if both.any():
        moves = (float(np.mean(x.length[both])) for x in (graph, tree))
        rows.append(of("moves, solved by both", "", *moves))
    return rows
