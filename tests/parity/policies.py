"""Compares what policies say, how the saved one plays, and what is collected with one."""

from __future__ import annotations

import port  # noqa: F401  # isort: skip  # It makes the reference importable.

from pathlib import Path

import network
import numpy as np
import rollout
from difference import Difference, answering, answers, shown, unequal
from port import Request
from ports import Port
from workloads import BOARDS, SAVED_POLICY, Board


def outputs(
    ports: dict[str, Port], boards: list[Board], folder: Path
) -> tuple[str, list[Difference]]:
    """Logits and values of random policies, with and without a twist, within the tolerance."""
    asked = [request for board in boards for request in network_requests(board, folder)]
    differences, worst, names = [], 0.0, []
    for name, answered in answers(ports, "network", asked):
        names.append(name)
        for each in answered:
            apart, what = first_output(*each)
            worst = max(worst, apart)
            if what:
                differences.append(Difference(name, what))
    title = f"network outputs in {len(boards)} environments, worst {worst:.1g}"
    return f"{title}: {', '.join(names)}", differences


def network_requests(board: Board, folder: Path) -> list[Request]:
    """Without and with a twist."""
    weights = folder / f"{board.environment}.safetensors"
    network.save_random(weights, board.features, board.num_actions, seed=5)
    source = np.random.default_rng(6)
    perms = [source.permutation(n).tolist() for n in (board.features, board.num_actions)]
    request = {**board.request, "task": "network", "weights": str(weights), "boards": 200}
    request["features"] = board.features
    return [request, {**request, "perms": perms}]


def first_output(request: Request, wanted: Request, got: Request) -> tuple[float, str | None]:
    """How far outputs are apart at the most, and the first field that is too far."""
    worst, what = 0.0, None
    for field in ("logits", "values"):
        apart = np.abs(np.subtract(got[field], wanted[field]))
        worst = max(worst, float(apart.max()))
        within = apart <= network.TOLERANCE * np.maximum(1, np.abs(wanted[field]))
        if not within.all() and what is None:
            place = int(np.argmin(within))
            board, entry = divmod(place, len(apart) // request["boards"])
            twist = "through a twist" if "perms" in request else "without a twist"
            what = (
                f"{request['environment']} {request['parameters']}, seed {request['seed']}, "
                f"board {board} {twist}, {field}[{entry}]: "
                f"expected {wanted[field][place]:.7g}, got {got[field][place]:.7g}"
            )
    return worst, what


def greedy(ports: dict[str, Port], boards: list[Board]) -> tuple[str, list[Difference]]:
    """Every game of the saved policy from 10,000 starts of each board, so also success rates."""
    asked = [
        {
            **board.request,
            "task": "greedy",
            "weights": str(SAVED_POLICY),
            "boards": BOARDS,
            "features": board.features,
        }
        for board in boards
    ]
    differences, same = [], []
    ties = 0
    for name, answered in answers(ports, "greedy", asked):
        for each in answered:
            what = first_game(ports, name, *each)
            if what:
                differences.append(Difference(name, what))
        ties = max(ties, sum(len(wanted["near_ties"]) for _, wanted, _ in answered))
        same.append(f"{name} {' and '.join(str(got['successes']) for *_, got in answered)}")
    title = f"solved in {BOARDS} games of the saved policy on {len(boards)} boards"
    return f"{title}, {ties} near ties: {', '.join(same)}", differences


def first_game(
    ports: dict[str, Port], name: str, request: Request, wanted: Request, got: Request
) -> str | None:
    """The first game that differs though no two actions were nearly as good."""
    near_ties = set(wanted["near_ties"])
    apart = [b for b in unequal(wanted["digests"], got["digests"]) if b not in near_ties]
    if not apart:
        return None
    asked = {**request, "board": apart[0]}
    expected, played = (ports[each].ask(asked)["actions"] for each in ("reference", name))
    at = f"{request['environment']} {request['parameters']}, seed {request['seed']}"
    return (
        f"{at}, board {apart[0]}, greedy actions: expected {shown(expected)}, got {shown(played)}; "
        f"{len(apart)} boards differ; successes: "
        f"expected {wanted['successes']}, got {got['successes']}"
    )


def collections(
    ports: dict[str, Port], boards: list[Board], folder: Path
) -> list[tuple[str, list[Difference]]]:
    """Collected episodes of every board; one process of each port collects them all."""
    asked = {board.title: collect_requests(board, folder) for board in boards}

    def known(name: str) -> list[Request]:
        having = [board for board in boards if name in answering(ports, "collect", board)]
        return [request for board in having for request in asked[board.title]]

    knowing = {name: each.knowing(known(name)) for name, each in ports.items()}
    return [collection(knowing, board, asked[board.title]) for board in boards]


def collect_requests(board: Board, folder: Path) -> list[Request]:
    """With both ways to end what is cut off."""
    weights = folder / f"{board.environment}-collect.safetensors"
    network.save_random(weights, board.features, board.num_actions, seed=7)
    request = {**board.request, "task": "collect", "weights": str(weights), "iteration": 3}
    request |= {"episodes": 300, "gamma": 0.97, "lambda": 0.9}
    return [{**request, "truncation": truncation} for truncation in ("terminal", "bootstrap")]


def collection(
    ports: dict[str, Port], board: Board, asked: list[Request]
) -> tuple[str, list[Difference]]:
    """Collected episodes, advantages and returns, each answer judged once."""
    differences, names = [], list(answering(ports, "collect", board))
    judged: list[tuple[Request, str | None]] = []
    for name in names:
        for place, request in enumerate(asked):
            got = ports[name].ask(request)
            if len(judged) <= place:
                judged.append((got, rollout.judge(request, got["fields"])))
            # The same bits get the same judgement.
            same = got == judged[place][0]
            what = judged[place][1] if same else rollout.judge(request, got["fields"])
            if what:
                title = f"{board.title}, seed {request['seed']}, collection"
                differences.append(Difference(name, f"{title} ({request['truncation']}), {what}"))
    return f"{board.title}: 600 collected episodes with GAE: {', '.join(names)}", differences
