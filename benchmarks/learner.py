"""One learning run of whichever twisterl the interpreter has, watched from outside.

    learner.py reach CONFIG SEED DIFFICULTY LIMIT_S REPORT     until the curriculum gets there
    learner.py quality CONFIG SEED ENGINE REPORT               the whole run, with its curve
    learner.py walk CONFIG SEED RUN SEARCHES STEPS REPORT      the same, kept in the folder RUN,
        then beam searches: `16:1000,128:200` for 1,000 boards at width 16 and 200 at width 128;
        STEPS instead of the config's learning.num_steps, 0 for the config's
    learner.py outcome CONFIG SEED DIFFICULTY,... REPORT       what the whole run reaches
    learner.py search CONFIG SEED LIMIT_S OVERRIDES REPORT     the same, judged by tree search

`reach` runs with both versions. The clock runs in `learn` alone: set-up and the judging of a curve
are not part of it. OVERRIDES is JSON, {"path.in.config": value}; the search that judges is the
entry "search" of the config's evals.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BOARDS = 1000
SAMPLED_GOAL = 0.95
# Of the beam that shows what a policy of AlphaZero is worth without its search.
BEAM_WIDTH = 256
# Points of a curve of AlphaZero's.
POINTS = 18
ALWAYS = 10**9


class Done(Exception):
    """The run has got where it should."""


class Watch:
    """Seconds and processor seconds since it was made, without its pauses."""

    def __init__(self) -> None:
        self._start = (time.perf_counter(), time.process_time())

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._start[0], time.process_time() - self._start[1]

    def pause(self, work: Callable[[], Any]) -> Any:
        before = self.read()
        result = work()
        after = self.read()
        self._start = tuple(  # type: ignore[assignment]
            start + b - a for start, a, b in zip(self._start, before, after, strict=True)
        )
        return result


def prepare(config_path: str, seed: int, overrides: dict[str, Any] | None = None) -> Any:
    import torch
    from twisterl.utils import load_config, prepare_algorithm

    config = load_config(config_path)
    for path, value in (overrides or {}).items():
        *sections, last = path.split(".")
        section = config
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    if hasattr(__import__("twisterl"), "__version__"):
        config["algorithm"]["seed"] = seed
    config["algorithm"]["device"] = "cpu"
    torch.manual_seed(seed)  # The peer's episodes have no seed; its weights get one.
    return prepare_algorithm(config)


def after_each_step(algorithm: Any, watcher: Callable[[int], None]) -> None:
    """Calls `watcher(num_steps)` before the next iteration of `learn`."""
    learn_step, collect = algorithm.learn_step, algorithm.collect
    counts: list[int] = []

    def counting() -> Any:
        data, seconds = collect()
        counts.append(len(data.actions))
        return data, seconds

    def watched() -> Any:
        if counts:
            watcher(sum(counts))
        return learn_step()

    algorithm.collect, algorithm.learn_step = counting, watched


def reach(config_path: str, seed: int, difficulty: int, limit_s: float) -> dict[str, Any]:
    algorithm = prepare(config_path, seed)
    curve: list[tuple[float, int]] = []
    report: dict[str, Any] = {}
    watch = Watch()

    def watcher(num_steps: int) -> None:
        seconds, cpu_s = watch.read()
        now = algorithm.env.difficulty
        if not curve or now > curve[-1][1]:
            curve.append((round(seconds, 2), now))
        report.update(seconds=seconds, cpu_s=cpu_s, steps=num_steps, difficulty=now)
        if now >= difficulty or seconds > limit_s:
            raise Done

    after_each_step(algorithm, watcher)
    try:
        algorithm.learn(ALWAYS)
    except Done:
        pass
    return {**report, "reached": report["difficulty"] >= difficulty, "curve": curve}


def quality(config_path: str, seed: int, engine: str) -> dict[str, Any]:
    import numpy as np

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "reference"))
    import optimum
    from twisterl.twisterl.collector import evaluate_episodes

    algorithm = prepare(config_path, seed, {"algorithm.engine": engine})
    boards = uniform_boards(np.random.default_rng(12345))
    shortest = optimum.optimal_lengths(boards)
    cores = algorithm.config["collecting"]["num_cores"]

    def judge(deterministic: bool = False, tries: int = 1) -> dict[str, Any]:
        # Through to_rust, so that the run's own state is not touched.
        return evaluate_episodes(
            algorithm.env,
            algorithm.policy.to_rust(),
            states=boards,
            deterministic=deterministic,
            num_searches=tries,
            seed=987,
            num_cores=cores,
        )

    curve: list[dict[str, float]] = []
    watch = Watch()

    def record(num_steps: int) -> None:
        seconds, cpu_s = watch.read()
        success = float(watch.pause(judge)["success"].mean())
        curve.append({"seconds": seconds, "cpu_s": cpu_s, "steps": num_steps, "sampled": success})

    after_each_step(algorithm, record)
    algorithm.learn(algorithm.config["learning"]["num_steps"])
    total = algorithm.total_steps
    record(total)
    reached = [point["seconds"] for point in curve if point["sampled"] >= SAMPLED_GOAL]
    best = judge(tries=10)
    solved = best["success"]
    return {
        "seconds": curve[-1]["seconds"],
        "cpu_s": curve[-1]["cpu_s"],
        "steps": total,
        "reached_s": reached[0] if reached else None,
        "sampled": curve[-1]["sampled"],
        "greedy": float(judge(deterministic=True)["success"].mean()),
        "best_of_10": float(solved.mean()),
        "mean_length": float(best["length"][solved].mean()),
        "mean_optimum": float(shortest[solved].mean()),
        "length_ratio": float(best["length"][solved].mean() / shortest[solved].mean()),
        "curve": curve,
    }


def search(
    config_path: str, seed: int, limit_s: float, overrides: dict[str, Any]
) -> dict[str, Any]:
    """A run of AlphaZero, until it ends or `limit_s` of its clock have passed."""
    from twisterl.twisterl.collector import evaluate_episodes

    algorithm = prepare(config_path, seed, overrides)
    boards, shortest = judged_boards(algorithm.env)

    def judge(**how: Any) -> dict[str, Any]:
        policy = algorithm.policy.to_rust()
        found = evaluate_episodes(algorithm.env, policy, states=boards, **how)
        solved, length = found["success"], found["length"]
        ratio = float(length[solved].mean() / shortest[solved].mean()) if solved.any() else None
        return {"solved": float(solved.mean()), "length_ratio": ratio}

    searching = dict(algorithm.config["evals"]["search"])
    for key in ("freq", "num_episodes", "start"):
        del searching[key]
    curve: list[dict[str, Any]] = []
    watch = Watch()
    due = limit_s / POINTS

    def record(num_steps: int) -> None:
        nonlocal due
        seconds, cpu_s = watch.read()
        if seconds < due:
            return
        due = seconds + limit_s / POINTS
        found = watch.pause(lambda: judge(**searching))
        curve.append({"seconds": seconds, "cpu_s": cpu_s, "steps": num_steps, **found})

    def watcher(num_steps: int) -> None:
        record(num_steps)
        if watch.read()[0] > limit_s:
            raise Done

    after_each_step(algorithm, watcher)
    try:
        algorithm.learn(algorithm.config["learning"]["num_steps"] or ALWAYS)
    except Done:
        pass
    seconds, cpu_s = watch.read()
    due = 0.0
    record(algorithm.total_steps)
    cores = {"num_cores": searching["num_cores"], "seed": 987}
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "steps": algorithm.total_steps,
        "search": judge(**searching),
        "policy": judge(deterministic=True, **cores),
        "sampled": judge(deterministic=False, **cores),
        "beam": judge(strategy="beam", beam_width=BEAM_WIDTH, **cores),
        "curve": curve,
    }


def walk(config_path: str, seed: int, run: str, searches: str, steps: int) -> dict[str, Any]:
    from twisterl.twisterl.collector import OptimalSolver, evaluate_episodes

    length = {"algorithm.learning.num_steps": steps} if steps else {}
    algorithm = prepare(config_path, seed, length)
    metric = algorithm.config["evals"][algorithm.config["learning"]["diff_metric"]]
    algorithm.config["evals"] = {}
    counts = [tuple(map(int, search.split(":"))) for search in searches.split(",")]
    boards = uniform_states(algorithm.env, max(count for _, count in counts))
    spent = Path(run) / "cpu_s.json"
    algorithm.run_path = run
    before = 0.0
    if spent.exists():
        algorithm.resume()
        before = json.loads(spent.read_text())
    algorithm.beam_value_weight = metric["beam_value_weight"]
    solved_all: list[float] = []

    def judge(width: int, count: int) -> dict[str, Any]:
        return evaluate_episodes(
            algorithm.env,
            algorithm.policy.to_rust(),
            states=boards[:count],
            strategy="beam",
            beam_width=width,
            beam_value_weight=algorithm.beam_value_weight,
            num_cores=2,
        )

    def watcher(_: Any) -> None:
        # At once: an interrupted benchmark kills its workers.
        spent.write_text(json.dumps(before + watch.read()[1]))
        if is_short and not solved_all and watch.pause(lambda: judge(*counts[0]))["success"].all():
            solved_all.append(algorithm.elapsed_s)

    # A short run is judged after every iteration; its clock stands still meanwhile.
    is_short = algorithm.config["learning"]["num_steps"] <= 40
    algorithm.subscribe(watcher)
    watch = Watch()
    steps = algorithm.config["learning"]["num_steps"]
    algorithm.learn(steps - algorithm.iteration)
    cpu_s = json.loads(spent.read_text())
    clock = Watch()
    if metric["beam_value_weight"] is None:
        # As the training itself does where its evaluations are due.
        algorithm.beam_value_weight, _ = algorithm.choose_beam_weight(metric)
    weighing_s, weighing_cpu_s = clock.read()
    shortest, proven = OptimalSolver(algorithm.env).lengths(states=boards, num_cores=2)
    assert proven.all()
    report: dict[str, Any] = {
        "seconds": algorithm.elapsed_s + weighing_s,
        "cpu_s": cpu_s + weighing_cpu_s,
        "beam_value_weight": algorithm.beam_value_weight,
        "steps": algorithm.total_steps,
        "solved_all_s": solved_all[0] if solved_all else None,
        "mean_optimum": float(shortest.mean()),
        "searches": [],
    }
    for width, count in counts:
        clock = Watch()
        found = judge(width, count)
        seconds, cpu_s = clock.read()
        solved, length, best = found["success"], found["length"], shortest[:count]
        report["searches"].append(
            {
                "width": width,
                "boards": count,
                "solved": float(solved.mean()),
                "length_ratio": float(length[solved].mean() / best[solved].mean()),
                "optimal": float((solved & (length == best)).mean()),
                "ms_a_board": seconds * 1e3 / count,
                "cpu_ms_a_board": cpu_s * 1e3 / count,
            }
        )
    return report


def uniform_states(env: Any, count: int) -> Any:
    """`[count, S]` uniformly random solvable states, named by seeds from 0 on."""
    import numpy as np

    return np.array([env.random_state(seed) for seed in range(count)], np.int64)


def outcome(config_path: str, seed: int, difficulties: list[int]) -> dict[str, Any]:
    """One sampled try from each of 1,000 starts: scrambled by each of `difficulties`, 0: any."""
    from twisterl.twisterl.collector import evaluate_episodes

    algorithm = prepare(config_path, seed)
    watch = Watch()
    algorithm.learn(algorithm.config["learning"]["num_steps"])
    seconds, cpu_s = watch.read()
    report: dict[str, Any] = {"seconds": seconds, "cpu_s": cpu_s, "steps": algorithm.total_steps}
    env, policy = algorithm.env.copy(), algorithm.policy.to_rust()
    for difficulty in difficulties:
        env.difficulty = difficulty or env.difficulty
        played = evaluate_episodes(
            env,
            policy,
            num_episodes=BOARDS,
            seed=987,
            num_cores=algorithm.config["collecting"]["num_cores"],
            start="reset" if difficulty else "uniform",
        )
        solved = played["success"]
        report[f"success_{difficulty}"] = float(solved.mean())
        report[f"mean_length_{difficulty}"] = float(played["length"][solved].mean())
    return report


def judged_boards(env: Any) -> tuple[Any, Any]:
    """Uniformly random solvable boards `[N, S]` and their optima `[N]`: 1,000 of the 8-puzzle by
    the table of the tests, 200 of a larger one by our exact solver."""
    import numpy as np
    from twisterl.twisterl.collector import OptimalSolver

    if len(env.get_state()) == 9:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "reference"))
        import optimum

        boards = uniform_boards(np.random.default_rng(12345))
        return boards, optimum.optimal_lengths(boards)
    boards = uniform_states(env, 200)
    shortest, proven = OptimalSolver(env).lengths(states=boards, num_cores=2)
    assert proven.all()
    return boards, shortest


def uniform_boards(rng: Any) -> Any:
    """`[1000, 9]` uniformly random solvable boards, independent of the code under test."""
    import numpy as np

    boards = []
    while len(boards) < BOARDS:
        board = rng.permutation(9)
        tiles = board[board != 0]
        inversions = sum(int(a > b) for i, a in enumerate(tiles) for b in tiles[i + 1 :])
        if inversions % 2 == 0:
            boards.append(board)
    return np.array(boards, np.int64)


def main() -> None:
    mode, config_path, seed, *rest = sys.argv[1:]
    if mode == "reach":
        report = reach(config_path, int(seed), int(rest[0]), float(rest[1]))
    elif mode == "walk":
        report = walk(config_path, int(seed), rest[0], rest[1], int(rest[2]))
    elif mode == "search":
        report = search(config_path, int(seed), float(rest[0]), json.loads(rest[1]))
    elif mode == "outcome":
        report = outcome(config_path, int(seed), [int(text) for text in rest[0].split(",")])
    else:
        report = quality(config_path, int(seed), rest[0])
    Path(rest[-1]).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
