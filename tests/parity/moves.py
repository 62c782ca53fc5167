"""Compares random streams and random play, and follows a mismatch to its first difference."""

from __future__ import annotations

import port  # isort: skip  # It makes the reference importable.

import math
from collections.abc import Callable

import workloads
from difference import Difference, answering, shown, unequal
from port import Request
from ports import Port
from workloads import Board

SIGNATURE = port.ROOT / "specs" / "signature.txt"
# Moves besides transitions: the starts of episodes, at most one in twelve (2x2 puzzle).
MOVES_PER_TRANSITION = 1.1
# A long run asks slower ports for this many transitions of each board: the bindings, which call
# what the Rust port calls, and a reference without lanes in NumPy.
SAMPLE = 2**20


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


def signature(ports: dict[str, Port]) -> tuple[str, list[Difference]]:
    """The lines of specs/signature.txt that a port has: all, or those of its environments."""
    committed = [line.split() for line in SIGNATURE.read_text().splitlines()]
    wanted = {" ".join(name): digest for digest, *name in committed}
    differences, same = [], []
    for name in answering(ports, "signature"):
        lines = [line.split() for line in ports[name].ask({"task": "signature"})["lines"]]
        for digest, *part in lines:
            expected = wanted.get(" ".join(part))
            if digest != expected:
                what = f"signature {' '.join(part)}: expected {expected}, got {digest}"
                differences.append(Difference(name, what))
        same.append(f"{name} {len(lines)} of {len(wanted)}")
    return f"numbers of specs/signature.txt: {', '.join(same)}", differences


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


def play_all(
    ports: dict[str, Port], boards: list[Board], transitions: float
) -> list[tuple[str, list[Difference]]]:
    """Random play on every board; one process of each port plays them all."""

    def asked(name: str) -> list[Request]:
        known = [b for b in boards if name == "reference" or name in answering(ports, "digests", b)]
        return [digests(ports, name, board, transitions) for board in known]

    knowing = {name: each.knowing(asked(name)) for name, each in ports.items()}
    return [play(knowing, board, transitions) for board in boards]


def play(ports: dict[str, Port], board: Board, transitions: float) -> tuple[str, list[Difference]]:
    """Random play, all of it judged by the reference."""
    whole = request(board, transitions)
    lanes, block = whole["lanes"], whole["block"]
    asked = digests(ports, "reference", board, transitions)
    judged, answer = asked["lanes"], ports["reference"].ask(asked)
    wanted, played = answer["digests"], answer["transitions"]
    differences, same = [], []
    if played < transitions * judged / lanes:
        what = f"{board.title}: expected {transitions:,.0f} transitions, got {played:,}"
        differences.append(Difference("reference", what))
    for name in answering(ports, "digests", board):
        asked = digests(ports, name, board, transitions)
        expected = wanted[: asked["lanes"] // block]
        got = ports[name].ask(asked)["digests"]
        if got != expected:
            lane = unequal(expected, got)[0] * block
            differences.append(Difference(name, first_record(ports, name, whole, lane)))
        part = asked["lanes"] / judged
        same.append(name if part == 1 else f"{name} (a sample of {part:.1%})")
    covered = f"{played:,} transitions"
    if judged < lanes:
        covered += f" of {transitions:,.0f}, since the reference has no lanes in NumPy"
    return f"{board.title}: {covered}: {', '.join(same)}", differences


def digests(ports: dict[str, Port], name: str, board: Board, transitions: float) -> Request:
    """What a port is asked to play: no more than the reference judges."""
    whole = request(board, transitions)
    of = [ports["reference"], ports[name]]
    return {**whole, "lanes": min(lanes_for(port, board, whole["lanes"]) for port in of)}


def request(board: Board, transitions: float) -> Request:
    """The digests of at least `transitions` of the board."""
    steps, block = workloads.STEPS, workloads.BLOCK
    lanes = needed(transitions)
    return {**board.request, "task": "digests", "lanes": lanes, "steps": steps, "block": block}


def needed(transitions: float) -> int:
    """Lanes, whole blocks."""
    moves = transitions * MOVES_PER_TRANSITION
    return math.ceil(moves / (workloads.STEPS * workloads.BLOCK)) * workloads.BLOCK


def lanes_for(port: Port, board: Board, lanes: int) -> int:
    """How many of these lanes the port plays: a slow one has a sample of a long run."""
    is_reference = port.name == "reference"
    is_fast = workloads.is_fast(board.environment) if is_reference else port.is_fast
    return lanes if is_fast else min(lanes, needed(SAMPLE))


def first_record(ports: dict[str, Port], name: str, request: Request, lane: int) -> str:
    """The first record and field in the block from `lane` on that differ."""
    whole = {**request, "first_lane": lane, "lanes": request["block"], "block": 1}
    pair = [ports[each].ask(whole)["digests"] for each in ("reference", name)]
    different = unequal(*pair)
    if not different:
        return f"{request['environment']}: lanes from {lane} on differ together, none does alone"
    lane += different[0]
    asked = {**request, "task": "records", "first_lane": lane, "lanes": 1}
    wanted, got = (ports[each].ask(asked)["records"] for each in ("reference", name))
    at = f"{request['environment']} {request['parameters']}, seed {request['seed']}, lane {lane}"
    for step, (expected, seen) in enumerate(zip(wanted, got, strict=True)):
        for field in expected:
            if expected[field] != seen[field]:
                return (
                    f"{at}, step {step} ({expected['move']}), {field}: "
                    f"expected {shown(expected[field])}, got {shown(seen[field])}"
                )
    return f"{at}: digests differ, records do not"
