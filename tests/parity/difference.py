"""What the comparisons share: who answers, and where two answers differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from port import Request
from ports import Port
from workloads import Board


@dataclass(frozen=True)
class Difference:
    """Where a port first disagrees with the reference, in words."""

    port: str
    what: str

    def __str__(self) -> str:
        return f"{self.port}: {self.what}"


def answering(ports: dict[str, Port], task: str, board: Board | None = None) -> Iterator[str]:
    """The ports besides the reference that have `task` and `board`."""
    for name, each in ports.items():
        if name != "reference" and each.has(task, board.request if board else None):
            yield name


def answers(
    ports: dict[str, Port], task: str, asked: list[Request]
) -> Iterator[tuple[str, list[tuple[Request, Request, Request]]]]:
    """A port after the other: the requests that it has, the reference's answers and its own.

    One process of each port answers all, because some start slowly.
    """
    wanted = ports["reference"].ask_all(asked)
    for name, each in ports.items():
        if name == "reference":
            continue
        known = [pair for pair in zip(asked, wanted, strict=True) if each.has(task, pair[0])]
        if known:
            got = each.ask_all([request for request, _ in known])
            yield name, [(*pair, answer) for pair, answer in zip(known, got, strict=True)]


def unequal(wanted: list[str], got: list[str]) -> list[int]:
    """Places where the two differ."""
    return [i for i, (a, b) in enumerate(zip(wanted, got, strict=True)) if a != b]


def shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
