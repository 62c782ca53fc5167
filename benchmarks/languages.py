"""The same steps in every language and beside the peers: `languages` of run.py.

Every figure is nanoseconds of one processor for one reset or step of one board,
whatever the language; workloads.json says which boards and how many. Rounds go from one column to
the next.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable
from typing import Any

import growth
from evolution import compiled_or_skipped
from peers import peer
from sides import OURS, Worker, pinned, printed, spread

PLAN = growth.WORKLOADS["steps"]
MOVES = PLAN["difficulty"]
POLICY, COLLECTION = "policy step", "PPO collection, 512 → 256, no cache"
QUANTITIES = ("reset", "step", "combined step", "rollout", POLICY, COLLECTION)
# The same kinds of steps as callgrind counts in `instructions`, in Rust, by their names there.
COUNTED = {
    "reset": f"reset ({MOVES} moves)",
    "step": "step",
    "combined step": "combined step",
    "rollout": "rollout, a step",
}
# Nanoseconds by quantity, on boards of a side.
Column = Callable[[int], dict[str, float]]


def languages(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Reset, step, rollout and policy step in Rust, Python and Mojo beside the peers, in ns."""
    growth.build()
    columns: dict[str, Column] = {"Rust": rust}
    with contextlib.ExitStack() as workers:

        def add(title: str, column: Callable[[Worker], Column], side: str) -> None:
            worker = Worker(side, 1)
            workers.callback(worker.close)
            columns[title] = column(worker)

        add("Python", python, OURS)
        program = compiled_or_skipped(options, "benchmark")
        if program is not None:
            columns["Mojo"] = mojo(program)
        for name, column in (
            ("peer", python_peer),
            ("jumanji", jax),
            ("pgx", pgx),
            ("sb3", stable_baselines),
        ):
            if peer.is_there(options, name):
                add(peer.PEERS[name].title, column, name)
        rounds = [
            {
                (title, side): column(side)
                for side in PLAN["sides"]
                for title, column in columns.items()
            }
            for _ in range(options.repeats)
        ]
    return [
        {"name": named(quantity, side), "unit": "ns", "columns": found}
        for side in PLAN["sides"]
        for quantity in QUANTITIES
        if (found := figures(rounds, columns, quantity, side))
    ]


def named(quantity: str, side: int) -> str:
    title = COUNTED.get(quantity, quantity)
    if quantity == POLICY:
        title = f"{POLICY} {side**4}-{PLAN['hidden']}-4"
    return f"{title}, {side}×{side}"


def figures(
    rounds: list[dict[tuple[str, int], dict[str, float]]],
    columns: dict[str, Column],
    quantity: str,
    side: int,
) -> dict[str, Any]:
    return {
        title: spread(found[title, side][quantity] for found in rounds)
        for title in columns
        if quantity in rounds[0][title, side]
    }


def rust(side: int) -> dict[str, float]:
    base = {**growth.WORKLOADS["growth"]["base"], "side": side, "hidden": PLAN["hidden"]}
    collecting = "collection, 1 threads, exact"
    wanted = {**COUNTED, POLICY: f"{POLICY} {side**4}-{PLAN['hidden']}-4", COLLECTION: collecting}
    found = {}
    with pinned(1):
        for quantity, name in wanted.items():
            command = growth.command(name, **base, difficulty=MOVES, seconds=PLAN["seconds"])
            (figure,) = json.loads(printed(command))["figures"]
            value = figure["median"]
            found[quantity] = 1e9 / value if figure["unit"] == "steps/s" else value
    return found


def mojo(program: str) -> Column:
    """Boards of 64 bits, as training uses them."""
    asked = ["--json", "--steps", "--difficulty", str(MOVES), "--rounds", "3"]

    def measure(side: int) -> dict[str, float]:
        with pinned(1):
            report = json.loads(printed([program, *asked]))
        found = {figure["name"]: figure["median"] for figure in report["figures"]}
        kind = "64 bits" if side == 3 else f"{side}×{side}, 64 bits"
        policy = f"{POLICY} {side**4}-{PLAN['hidden']}-4, 8 interleaved"
        return {
            "reset": found[f"reset, {MOVES} moves, {kind}"],
            "step": found[f"step, {kind}"],
            "combined step": found[f"combined step, {kind}"],
            "rollout": 1000 * found[f"10,000 random steps, {kind}"] / PLAN["rollout_steps"],
            POLICY: found[policy],
        }

    return measure


def each(worker: Worker, requests: dict[str, dict[str, Any]]) -> Column:
    """Nanoseconds by what `worker` answers to each request."""

    def measure(side: int) -> dict[str, float]:
        found = {}
        for quantity, request in requests.items():
            answer = worker.measure({"side": side, "difficulty": MOVES, **request})
            found[quantity] = 1e9 * answer["cpu_s"] / answer["count"]
        return found

    return measure


def steps(*quantities: str) -> dict[str, dict[str, Any]]:
    return {what: {"task": "steps", "what": what, "plan": PLAN} for what in quantities}


(GROUP,) = growth.WORKLOADS["compared"]["collect"]["groups"]
COLLECTING = {**GROUP["request"], "threads": 1}


def python(worker: Worker) -> Column:
    policy = {"task": "policy_step", "plan": PLAN, "evolved": True}
    requests = {POLICY: policy, COLLECTION: {**COLLECTING, "cache": False}}
    return each(worker, {**steps(*COUNTED), **requests})


def python_peer(worker: Worker) -> Column:
    policy = {"task": "policy_step", "plan": PLAN, "evolved": False}
    return each(worker, {**steps(*COUNTED), POLICY: policy, COLLECTION: COLLECTING})


def jax(worker: Worker) -> Column:
    return each(worker, steps("reset", "combined step", "rollout", POLICY))


def pgx(worker: Worker) -> Column:
    """2048, whose side is 4."""
    column = jax(worker)
    return lambda side: column(side) if side == 4 else {}


def stable_baselines(worker: Worker) -> Column:
    policy = {"task": "policy_step", "plan": PLAN}
    return each(worker, {POLICY: policy, COLLECTION: {"task": "collect", "plan": PLAN}})
