"""A long run that was stopped goes on where it was, and only there."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import long
import workloads

BOARDS = workloads.boards()


@pytest.fixture
def report(tmp_path, monkeypatch):
    path = tmp_path / "report.md"
    monkeypatch.setattr(long, "REPORT", path)
    lines = [f"{board.title}: 1,050,000 transitions: rust" for board in BOARDS[:-1]]
    rows = [long.row(long.Played(line, [], 1.0), "abc1234") for line in lines]
    path.write_text(long.ABOUT + "\n".join([*rows, "| gone (side 9): 7 | 1 | abc1234 | now |"]))
    return path


def test_rows_are_found_by_their_board(report):
    rows = long.read(BOARDS)
    assert list(rows) == [board.title for board in BOARDS[:-1]]
    assert all(row.startswith(f"| {title}: ") for title, row in rows.items())


@pytest.mark.parametrize(
    ("commit", "transitions", "expected"),
    [
        ("abc1234", 1e6, True),
        ("abc1234", 1e8, False),
        ("abc1235", 1e6, False),
        ("abc1234+", 1e6, False),
    ],
)
def test_what_is_played_is_of_the_commit_and_as_long(report, commit, transitions, expected):
    rows = long.read(BOARDS)
    assert {long.is_played(row, commit, transitions) for row in rows.values()} == {expected}
    assert not long.is_played("", commit, transitions)


def test_the_committed_report_has_boards_that_exist():
    lines = long.REPORT.read_text().splitlines()
    assert len(long.read(BOARDS)) == sum(" transitions: " in line for line in lines)
