"""Programs built on TwisteRL, unmodified: `clients` of run.py, and of make."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import sides
from peers import peer
from results import row
from sides import OURS, PEER, MeasurementError, Worker, compare_rounds, spread

# qiskit-gym with this package and with twisterl 0.5.1, in `peer.PEERS`.
GYM, GYM_PEER = "qiskit-gym", "qiskit-gym-peer"
KINDS = (
    ("permutation", "5 qubits"),
    ("permutation by AlphaZero", "5 qubits"),
    ("linear function", "4 qubits"),
    ("clifford", "3 qubits"),
    ("pauli network", "3 qubits"),
)
# What the sides are asked to do, as tasks of circuits.py.
TASKS = (
    ("training", "iterations/s", {"task": "iterate"}),
    ("circuits, best of 100", "circuits/s", {"task": "synthesize", "count": 50}),
)
LEAST_FOUND = 0.9
THREADS = 2


def clients(options: argparse.Namespace) -> list[dict[str, Any]]:
    """qiskit-gym 0.4.2 as it is: trains and synthesizes its four kinds of circuits, all verified.

    Raises:
        MeasurementError: a circuit is wrong, or too few are found.
    """
    try:
        workers = {OURS: Worker(GYM, THREADS)}
    except peer.PeerUnavailable as error:
        raise sides.UnavailableError(str(error)) from error
    if peer.is_there(options, GYM_PEER):
        workers[PEER] = Worker(GYM_PEER, THREADS)
    try:
        return [
            each
            for kind, size in KINDS
            for each in of_kind(kind, f"qiskit-gym, {kind}, {size}", workers, options.repeats)
        ]
    finally:
        for worker in workers.values():
            worker.close()


def of_kind(kind: str, name: str, workers: dict[str, Worker], repeats: int) -> list[dict[str, Any]]:
    rows, rounds = [], []
    for title, unit, request in TASKS:
        rounds = [
            {side: worker.measure({**request, "kind": kind}) for side, worker in workers.items()}
            for _ in range(repeats)
        ]
        rows.append(row(f"{name}: {title}", unit, compare_rounds(rounds), ratio_cpu=1))
    judged = [each[OURS] for each in rounds]
    wrong, found, asked = (sum(each[key] for each in judged) for key in ("wrong", "found", "asked"))
    told = f"{name}: {found} of {asked} circuits found, {wrong} of them wrong"
    print(f"  {told}", file=sys.stderr, flush=True)
    if wrong or found < LEAST_FOUND * asked:
        raise MeasurementError(told)
    share = {OURS: spread(100 * each["found"] / each["asked"] for each in judged)}
    rows.append(row(f"{name}: found, every circuit right", "%", share, at_least=100 * LEAST_FOUND))
    return rows
