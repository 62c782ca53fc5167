"""The engine beside its peers: what workloads.json has under "compared", row by row."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import example_run
from growth import WORKLOADS
from results import row
from sides import OURS, PEER, Bench, compare_rounds, per_call, spread

PLAN = WORKLOADS["compared"]
Rows = list[dict[str, Any]]


def benchmark(name: str) -> Callable[[argparse.Namespace], Rows]:
    """The benchmark that workloads.json calls `name`, for the list in run.py."""

    def measure(options: argparse.Namespace) -> Rows:
        rows = []
        for group in PLAN[name]["groups"]:
            with Bench(options, group.get("peer", "peer")) as bench:
                rows += [
                    found for each in group["rows"] for found in of(each, group, bench, options)
                ]
        return rows

    measure.__doc__ = PLAN[name]["about"]
    return measure


def of(each: dict[str, Any], group: dict[str, Any], bench: Bench, options: Any) -> Rows:
    """The rows of one entry, one for each number of threads."""
    entry = {"threads": [], "goal": {}, **group, **each}
    shared = {
        key: {**group.get(key, {}), **each.get(key, {})} for key in ("request", "ours", "theirs")
    }
    request = shared["request"]
    if entry.get("trained"):
        request["checkpoint"] = str(example_run.trained_weights(options))
    beside = entry.get("beside", "") if bench.with_peer else ""
    if entry.get("scaling"):
        figures = scaling(bench, {**request, **shared["ours"]})
        return [row(entry["name"], "times", figures, **entry["goal"])]
    rows = []
    for threads in entry["threads"] or [1]:
        if entry["threads"]:
            request = {**request, "threads": threads}
        requests = {OURS: {**request, **shared["ours"]}, PEER: {**request, **shared["theirs"]}}
        rounds = bench.rounds(threads, requests)
        figures = compare_rounds(rounds)
        if entry["unit"] == "µs":
            figures = per_call(figures)
        name = entry["name"].format(plural(threads), beside=beside)
        found = row(name, entry["unit"], figures, **entry["goal"])
        told = bench.peer_is() if "peer" in group else {}
        rows.append({**found, **told, **of_updates(rounds[0])})
    return rows


def plural(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def scaling(bench: Bench, request: dict[str, Any]) -> dict[str, Any]:
    """How much faster two threads are than one, without the cache; rounds alternate."""
    rates: list[dict[int, float]] = []
    for _ in range(bench.repeats):
        found = {}
        for threads in (1, 2):
            measured = bench.measure(OURS, threads, {**request, "threads": threads, "cache": False})
            found[threads] = measured["count"] / measured["seconds"]
        rates.append(found)
    return {OURS: spread(rate[2] / rate[1] for rate in rates)}


def of_updates(answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What updates tell besides: their samples, and how far the losses of the sides differ."""
    ours = answers[OURS]
    found = {key: ours[key] for key in ("samples", "distinct") if key in ours}
    if "losses" in ours and PEER in answers:
        pairs = zip(ours["losses"], answers[PEER]["losses"], strict=True)
        found["largest_loss_difference"] = max(abs(a - b) for a, b in pairs)
    return found
