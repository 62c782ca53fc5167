"""Plays the same workloads in every port and compares them with the reference, bit by bit.

    python tests/parity/compare.py                      10^6 transitions of every board: make parity
    python tests/parity/compare.py --transitions 1e8    make parity-long
    python tests/parity/compare.py --ports rust         one port

A mismatch is followed to its first difference. Exits with 1 on a mismatch, and where CI=true if a
port is skipped. docs/parity.md has the protocol.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import network
import numpy as np
import rollout
import workloads
from ports import Port, PortError, open_ports
from workloads import BOARDS, SAVED_POLICY, Board

Request = dict[str, Any]
# Long runs sample the slower ports: this many transitions of each board.
SAMPLE = 2**20
PLAIN_SAMPLE = 2**17


@dataclass(frozen=True)
class Difference:
    """Where a port first disagrees with the reference, in words."""

    port: str
    what: str

    def __str__(self) -> str:
        return f"{self.port}: {self.what}"


Check = Callable[[], tuple[str, list[Difference]]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transitions", type=float, default=1e6, help="of each board (1e6)")
    parser.add_argument("--ports", nargs="+", help="those of ports.toml that are compared (all)")
    parser.add_argument("--environments", nargs="+", help="by the names of specs/envs (all)")
    options = parser.parse_args()
    begin = time.monotonic()
    try:
        ports, skipped = open_ports(options.ports)
        differences = run(ports, options.transitions, options.environments)
    except PortError as error:
        print(error, file=sys.stderr)
        return 1
    for reason in skipped:
        print(f"skipped: {reason}")
    for difference in differences:
        print(f"DIFFERENT  {difference}")
    print(f"{len(differences)} differences, {time.monotonic() - begin:.0f} s")
    must_not_skip = skipped and os.environ.get("CI") == "true"
    return 1 if differences or must_not_skip else 0


def run(
    ports: dict[str, Port], transitions: float, environments: list[str] | None
) -> list[Difference]:
    """Runs every check, as many at a time as there are processors, and prints what agrees."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        chosen = [checks(ports, board, transitions, Path(folder)) for board in boards(environments)]
        work = [lambda: words(ports), *(check for group in chosen for check in group)]
        with ThreadPoolExecutor(processors()) as pool:
            for line, differences in pool.map(lambda check: check(), work):
                print(f"{'DIFFERENT' if differences else 'same'}  {line}", flush=True)
                found += differences
    return found


def processors() -> int:
    """Those that this process may use, where the system tells."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def boards(environments: list[str] | None) -> list[Board]:
    return [b for b in workloads.boards() if environments is None or b.environment in environments]


def checks(
    ports: dict[str, Port], board: Board, transitions: float, folder: Path
) -> Iterator[Check]:
    """What is compared of one board."""

    def asks(task: str) -> bool:
        return any(True for _ in answering(ports, task, board))

    if asks("digests"):
        yield lambda: play(ports, board, transitions)
    if board.uniform and board.is_default and asks("network"):
        yield lambda: outputs(ports, board, folder)
    if board.is_default and asks("collect"):
        yield lambda: collection(ports, board, folder)
    if board.plays_saved_policy and asks("greedy"):
        yield lambda: greedy(ports, board)


def answering(ports: dict[str, Port], task: str, board: Board | None = None) -> Iterator[str]:
    """The ports besides the reference that have `task` and `board`."""
    for name, each in ports.items():
        if name != "reference" and each.has(task, board.request if board else None):
            yield name


# Streams.


def words(ports: dict[str, Port]) -> tuple[str, list[Difference]]:
    """Words, bounded draws and floats of 1,000 streams."""
    request = {"task": "words", "seed": 3, "lanes": 1000, "steps": 300}
    wanted = ports["reference"].ask(request)
    differences, same = [], []
    for name in answering(ports, "words"):
        got = ports[name].ask(request)
        same.append(name)
        if got != wanted:
            differences.append(Difference(name, first_stream(ports, name, request)))
    return f"random streams: 300,000 draws: {', '.join(same)}", differences


def first_stream(ports: dict[str, Port], name: str, request: Request) -> str:
    """The first draw that differs, by bisection over lanes and steps."""

    def differs(lanes: int, steps: int) -> bool:
        asked = {**request, "lanes": lanes, "steps": steps}
        return ports["reference"].ask(asked) != ports[name].ask(asked)

    lanes = first(lambda lanes: differs(lanes, request["steps"]), request["lanes"])
    steps = first(lambda steps: differs(lanes, steps), request["steps"])
    kind = ("word", "below", "unit")[(steps - 1) % 3]
    return f"random stream, seed {request['seed']}, lane {lanes - 1}, draw {steps - 1} ({kind})"


def first(differs: Callable[[int], bool], most: int) -> int:
    """The least number in 1..=most for which `differs`, which holds from there on."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(middle) else (middle + 1, high)
    return low


# Transitions.


def play(ports: dict[str, Port], board: Board, transitions: float) -> tuple[str, list[Difference]]:
    """Random play; the reference judges as much of it as is affordable."""
    steps, block = workloads.STEPS, workloads.BLOCK
    lanes = max(1, round(transitions / (steps * block))) * block
    request = {**board.request, "task": "digests", "lanes": lanes, "steps": steps, "block": block}
    judged = min(lanes, (SAMPLE if workloads.is_fast(board.environment) else PLAIN_SAMPLE) // steps)
    wanted = ports["reference"].ask({**request, "lanes": judged})["digests"]
    differences, same = [], []
    fastest = None
    for name in answering(ports, "digests", board):
        asked = lanes if ports[name].is_fast else judged
        got = ports[name].ask({**request, "lanes": asked})["digests"]
        judge = "reference"
        expected, here = wanted, got[: len(wanted)]
        if fastest and asked == lanes and fastest[1][: len(got)] != got and here == expected:
            judge, expected, here = fastest[0], fastest[1], got
        if here != expected:
            what = first_record(ports, judge, name, request, unequal(expected, here)[0] * block)
            differences.append(Difference(name, what))
        if asked == lanes and fastest is None:
            fastest = name, got
        same.append(f"{name} {asked * steps:,}")
    return f"{board.title}: transitions against {judged * steps:,}: {', '.join(same)}", differences


def first_record(ports: dict[str, Port], judge: str, name: str, request: Request, lane: int) -> str:
    """The first record and field in the block from `lane` on that differ."""
    whole = {**request, "first_lane": lane, "lanes": request["block"], "block": 1}
    pair = [ports[each].ask(whole)["digests"] for each in (judge, name)]
    different = unequal(*pair)
    if not different:
        return f"{request['environment']}: lanes from {lane} on differ together, none does alone"
    lane += different[0]
    asked = {**request, "task": "records", "first_lane": lane, "lanes": 1}
    wanted, got = (ports[each].ask(asked)["records"] for each in (judge, name))
    at = f"{request['environment']} {request['parameters']}, seed {request['seed']}, lane {lane}"
    for step, (expected, seen) in enumerate(zip(wanted, got, strict=True)):
        for field in expected:
            if expected[field] != seen[field]:
                return (
                    f"{at}, step {step} ({expected['move']}), {field}: "
                    f"expected {shown(expected[field])}, got {shown(seen[field])}"
                )
    return f"{at}: digests differ, records do not"


def unequal(wanted: list[str], got: list[str]) -> list[int]:
    """Places where the two differ."""
    return [i for i, (a, b) in enumerate(zip(wanted, got, strict=True)) if a != b]


def shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."


# Networks.


def outputs(ports: dict[str, Port], board: Board, folder: Path) -> tuple[str, list[Difference]]:
    """Logits and values of a random policy, with and without a twist, within the tolerance."""
    weights = folder / f"{board.environment}.safetensors"
    network.save_random(weights, board.features, board.num_actions, seed=5)
    source = np.random.default_rng(6)
    perms = [source.permutation(n).tolist() for n in (board.features, board.num_actions)]
    request = {**board.request, "task": "network", "weights": str(weights), "boards": 200}
    request["features"] = board.features
    differences, worst = [], 0.0
    names = list(answering(ports, "network", board))
    both = [request, {**request, "perms": perms}]
    answers = {name: ports[name].ask_all(both) for name in ["reference", *names]}
    for asked, wanted, *others in zip(both, *answers.values(), strict=True):
        for name, got in zip(names, others, strict=True):
            for field, width in (("logits", board.num_actions), ("values", 1)):
                apart = np.abs(np.subtract(got[field], wanted[field]))
                worst = max(worst, apart.max())
                if not (apart <= network.TOLERANCE * np.maximum(1, np.abs(wanted[field]))).all():
                    place = int(apart.argmax())
                    twist = "through a twist" if "perms" in asked else "without a twist"
                    what = (
                        f"{board.title}, seed {request['seed']}, board {place // width} {twist}, "
                        f"{field}[{place % width}]: expected {wanted[field][place]:.7g}, "
                        f"got {got[field][place]:.7g}"
                    )
                    differences.append(Difference(name, what))
    return f"{board.title}: network outputs, worst {worst:.1g}: {', '.join(names)}", differences


def greedy(ports: dict[str, Port], board: Board) -> tuple[str, list[Difference]]:
    """Every game of the saved policy from 10,000 boards, so also its success rate."""
    request = {**board.request, "task": "greedy", "weights": str(SAVED_POLICY), "boards": BOARDS}
    request["features"] = board.features
    wanted = ports["reference"].ask(request)
    near_ties = set(wanted["near_ties"])
    differences, same = [], []
    for name in answering(ports, "greedy", board):
        got = ports[name].ask(request)
        apart = [b for b in unequal(wanted["digests"], got["digests"]) if b not in near_ties]
        if apart:
            asked = {**request, "board": apart[0]}
            expected, played = (ports[each].ask(asked)["actions"] for each in ("reference", name))
            at = f"{board.title}, seed {request['seed']}, board {apart[0]}, greedy actions"
            counts = f"successes: expected {wanted['successes']}, got {got['successes']}"
            what = (
                f"{at}: expected {shown(expected)}, got {shown(played)}; "
                f"{len(apart)} boards differ; {counts}"
            )
            differences.append(Difference(name, what))
        same.append(f"{name} {got['successes']}")
    rate = f"{wanted['successes']} of {BOARDS} solved, {len(near_ties)} near ties"
    return f"{board.title}: greedy play of the saved policy, {rate}: {', '.join(same)}", differences


# Collection.


def collection(ports: dict[str, Port], board: Board, folder: Path) -> tuple[str, list[Difference]]:
    """Collected episodes, advantages and returns, judged one port at a time."""
    weights = folder / f"{board.environment}-collect.safetensors"
    network.save_random(weights, board.features, board.num_actions, seed=7)
    request = {**board.request, "task": "collect", "weights": str(weights), "iteration": 3}
    request |= {"episodes": 300, "gamma": 0.97, "lambda": 0.9}
    differences, names = [], list(answering(ports, "collect", board))
    for truncation in ("terminal", "bootstrap"):
        asked = {**request, "truncation": truncation}
        for name in names:
            what = rollout.judge(asked, ports[name].ask(asked)["fields"])
            if what:
                title = f"{board.title}, seed {request['seed']}, collection ({truncation})"
                differences.append(Difference(name, f"{title}, {what}"))
    return f"{board.title}: 600 collected episodes with GAE: {', '.join(names)}", differences


if __name__ == "__main__":
    sys.exit(main())
