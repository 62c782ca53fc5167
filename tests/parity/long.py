"""Plays 10^8 transitions of every board: make parity-long. Writes docs/parity-long.md after each.

    python tests/parity/long.py                              every board
    python tests/parity/long.py --environments cube2         some, the rest of the report stays

A board that the report has from the same commit is not played again: a run that was stopped goes
on where it was.
"""

from __future__ import annotations

import port  # isort: skip  # It makes the reference importable.

import argparse
import datetime
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

import compare
import moves
from difference import Difference
from ports import Port, PortError, open_ports
from workloads import Board

REPORT = port.ROOT / "docs" / "parity-long.md"
ABOUT = """# The long parity run

Written by `make parity-long`, board by board: random play in every port against the NumPy reference
([the protocol](parity.md)). Boards run side by side, one on each processor; the seconds are those
of the clock. A commit with + had changed files.

| same in every port | seconds | commit | date (UTC) |
| --- | ---: | --- | --- |
"""


class Played(NamedTuple):
    """What became of a board."""

    line: str
    differences: list[Difference]
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transitions", type=float, default=1e8, help="of each board (1e8)")
    parser.add_argument("--environments", nargs="+", help="by the names of specs/envs (all)")
    options = parser.parse_args()
    boards, current = compare.boards(None), commit()
    rows = read(boards)
    wanted = [
        board
        for board in compare.boards(options.environments)
        if not is_played(rows.get(board.title, ""), current, options.transitions)
    ]
    print(f"{len(wanted)} boards to play, {len(rows)} in the report", flush=True)
    different = 0
    try:
        ports, skipped = open_ports(None)
        with ThreadPoolExecutor(compare.processors()) as pool:
            running = {pool.submit(play, ports, b, options.transitions): b for b in wanted}
            for done in as_completed(running):
                played = done.result()
                for difference in played.differences:
                    print(f"DIFFERENT  {difference}", flush=True)
                if played.differences:
                    different += 1
                    rows.pop(running[done].title, None)
                else:
                    rows[running[done].title] = row(played, current)
                    print(f"same  {played.line}, {played.seconds:.0f} s", flush=True)
                REPORT.write_text(report(boards, rows))
    except PortError as error:
        print(error, file=sys.stderr)
        return 1
    for reason in skipped:
        print(f"skipped: {reason}")
    print(f"{different} boards differ, {len(rows)} of {len(boards)} are in the report")
    return 1 if different or compare.must_not_skip(skipped) else 0


def report(boards: list[Board], rows: dict[str, str]) -> str:
    lines = [rows[board.title] for board in boards if board.title in rows]
    missing = [board.title for board in boards if board.title not in rows]
    rest = f"\nNot played yet: {', '.join(missing)}.\n" if missing else ""
    return ABOUT + "".join(f"{line}\n" for line in lines) + rest


def play(ports: dict[str, Port], board: Board, transitions: float) -> Played:
    begin = time.monotonic()
    line, differences = moves.play(ports, board, transitions)
    return Played(line, differences, time.monotonic() - begin)


def row(played: Played, commit: str) -> str:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
    return f"| {played.line} | {played.seconds:.0f} | {commit} | {now} |"


def is_played(row: str, commit: str, transitions: float) -> bool:
    """Whether the row is of this very commit and at least as long."""
    found = re.search(r": ([\d,]+) transitions", row)
    same = not commit.endswith("+") and f"| {commit} |" in row
    return same and found is not None and int(found[1].replace(",", "")) >= transitions


def read(boards: list[Board]) -> dict[str, str]:
    """The rows of the report by the boards' titles, without those of boards that are gone."""
    lines = REPORT.read_text().splitlines() if REPORT.exists() else []
    known = {board.title: f"| {board.title}: " for board in boards}
    return {
        title: line
        for title, beginning in known.items()
        for line in lines
        if line.startswith(beginning)
    }


def commit() -> str:
    """The commit that is played, with + when files differ from it, the report aside."""
    report = f":!{REPORT.relative_to(port.ROOT)}"
    return output("rev-parse", "--short", "HEAD") + (
        "+" if output("status", "--porcelain", "--", ".", report) else ""
    )


def output(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=port.ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
