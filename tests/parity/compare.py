"""Plays the same workloads in every port and compares them with the reference, bit by bit.

    python tests/parity/compare.py                      10^6 transitions of every board: make parity
    python tests/parity/compare.py --transitions 5e6    more; make parity-long is long.py
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
from functools import partial
from itertools import chain
from pathlib import Path

import models
import moves
import policies
import workloads
from difference import Difference, answering
from ports import Port, PortError, open_ports
from workloads import Board

# Of each board, in `make parity`.
TRANSITIONS = 1e6
TRANSITIONS_PER_MODEL = 50
Finding = tuple[str, list[Difference]]
Check = Callable[[], list[Finding]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transitions", type=float, default=TRANSITIONS, help="of each (1e6)")
    parser.add_argument("--ports", nargs="+", help="those of ports.toml that are compared (all)")
    parser.add_argument("--environments", nargs="+", help="by the names of specs/envs (all)")
    options = parser.parse_args()
    try:
        ports, skipped = open_ports(options.ports)
        begin = time.monotonic()
        differences = run(ports, options.transitions, options.environments)
    except PortError as error:
        print(error, file=sys.stderr)
        return 1
    for reason in skipped:
        print(f"skipped: {reason}")
    for difference in differences:
        print(f"DIFFERENT  {difference}")
    print(f"{len(differences)} differences, {time.monotonic() - begin:.0f} s")
    return 1 if differences or must_not_skip(skipped) else 0


def must_not_skip(skipped: list[str]) -> bool:
    """Whether something was skipped where nothing may be: in CI."""
    return bool(skipped) and os.environ.get("CI") == "true"


def run(
    ports: dict[str, Port], transitions: float, environments: list[str] | None
) -> list[Difference]:
    """Runs every check, as many at a time as there are processors, and prints what agrees."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        work = checks(ports, boards(environments), transitions, Path(folder))
        with ThreadPoolExecutor(processors()) as pool:
            for line, differences in chain.from_iterable(pool.map(lambda check: check(), work)):
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
    ports: dict[str, Port], boards: list[Board], transitions: float, folder: Path
) -> Iterator[Check]:
    """What is compared. One process of a port answers for many boards: most start slowly."""

    def asked(task: str, boards: list[Board]) -> list[Board]:
        return [b for b in boards if any(answering(ports, task, b))]

    def one(check: Callable[[], Finding]) -> Check:
        return lambda: [check()]

    default = [board for board in boards if board.is_default]
    yield one(partial(moves.words, ports))
    for part in parts(asked("digests", boards)):
        yield partial(moves.play_all, ports, part, transitions)
    if random := asked("network", [board for board in default if board.uniform]):
        yield one(partial(policies.outputs, ports, random, folder))
    if saved := asked("greedy", [board for board in boards if board.plays_saved_policy]):
        yield one(partial(policies.greedy, ports, saved))
    for part in parts(asked("collect", default)):
        yield partial(policies.collections, ports, part, folder)
    yield one(partial(models.judged, ports, int(transitions / TRANSITIONS_PER_MODEL), 0))
    yield one(partial(moves.signature, ports))


def parts(boards: list[Board]) -> list[list[Board]]:
    """The boards for each of twice as many checks as run at a time."""
    count = min(2 * processors(), len(boards))
    return [boards[first::count] for first in range(count)]


if __name__ == "__main__":
    sys.exit(main())
