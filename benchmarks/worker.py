"""One side of a comparison: measures workloads with whichever twisterl its interpreter has.

Started by sides.py. Reads one JSON request a line, {"task": name, ...parameters}, and answers with
{"seconds", "cpu_s", "count"} of one timed round, or {"error"}. What a workload needs is made, and
run once to warm up, at its first request. Both twisterl versions run this same file; the workers of
other peers have tasks of their own.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

NETWORK = {"embedding_size": 512, "common_layers": [256], "policy_layers": [], "value_layers": []}
REFERENCE = os.path.join(os.path.dirname(__file__), "configs", "ppo_puzzle{}_reference.json")
EXPLORATION = 1.41
CALLS = 20_000

# A round: the timed part, and what counts its work afterwards, or tells more besides the count.
Round = tuple[Callable[[], Any], Callable[[Any], int | dict[str, Any]]]


def main() -> None:
    import torch

    torch.set_num_threads(int(sys.argv[1]))
    serve(TASKS)


def serve(tasks: dict[str, Callable[..., Round]]) -> None:
    """Answers the requests on standard input by `tasks`, until there are no more."""
    answers, sys.stdout = sys.stdout, sys.stderr  # Whatever is printed must not mix with answers.
    prepared: dict[str, Round] = {}
    for line in sys.stdin:
        try:
            if line not in prepared:
                request = json.loads(line)
                prepared[line] = tasks[request.pop("task")](**request)
                prepared[line][0]()
            answer = measure(*prepared[line])
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


def measure(
    work: Callable[[], Any], count: Callable[[Any], int | dict[str, Any]]
) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    counted = count(result)
    more = counted if isinstance(counted, dict) else {"count": counted}
    return {"seconds": seconds, "cpu_s": cpu_s, **more}


def make_env(side: int, difficulty: int) -> Any:
    from twisterl.envs import Puzzle

    return Puzzle(side, side, difficulty, 2, 256)


def make_policy(env: Any, checkpoint: str | None = None) -> Any:
    """The network of `checkpoint` with its weights, else the reference network of one seed."""
    import torch
    from twisterl.nn import BasicPolicy
    from twisterl.utils import load_checkpoint

    torch.manual_seed(0)
    if not checkpoint:
        return BasicPolicy(env.obs_shape(), env.num_actions(), **NETWORK)
    weights = load_checkpoint(checkpoint)
    widths = [weights[name].shape[0] for name in ("embeddings.weight", "common.0.weight")]
    network = {**NETWORK, "embedding_size": widths[0], "common_layers": widths[1:]}
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), **network)
    policy.load_state_dict(weights)
    return policy


def num_rows(data: Any) -> int:
    """States collected; the peer's container has no length of its own."""
    return len(data) if hasattr(data, "__len__") else len(data.values)


def collect(
    side: int,
    difficulty: int,
    threads: int,
    episodes: int,
    seconds: float,
    checkpoint: str | None = None,
    **ours: Any,
) -> Round:
    """Steps of collections, one after the other until `seconds` are over.

    The steps of the last one are read after the clock has stopped: the peer makes a list of them.
    """
    from twisterl import twisterl

    env = make_env(side, difficulty)
    policy = make_policy(env, checkpoint).to_rust()
    settings = {"num_cores": threads, "gamma": 0.995, "lambda": 0.995, **ours}
    collector = twisterl.collector.PPOCollector(num_episodes=episodes, **settings)

    def work() -> tuple[int, Any]:
        end, steps = time.perf_counter() + seconds, 0
        while True:
            data = collector.collect(env, policy)
            if time.perf_counter() >= end:
                return steps, data
            steps += num_rows(data)

    return work, lambda done: done[0] + num_rows(done[1])


def search(
    side: int, difficulty: int, threads: int, episodes: int, simulations: int, **ours: Any
) -> Round:
    """Simulations of one AlphaZero collection; the peer also searches the last state."""
    from twisterl import twisterl

    env = make_env(side, difficulty)
    policy = make_policy(env).to_rust()
    settings = (episodes, simulations, EXPLORATION, 1, threads)
    collector = twisterl.collector.AZCollector(*settings, **ours)

    def count(data: Any) -> int:
        if ours:
            return collector.report["simulations"]
        return len(data.obs) * simulations

    return lambda: collector.collect(env, policy), count


def evaluate(side: int, difficulty: int, threads: int, episodes: int, deterministic: bool) -> Round:
    from twisterl import twisterl

    env = make_env(side, difficulty)
    policy = make_policy(env).to_rust()
    arguments = (episodes, deterministic, 1, 0, 0, EXPLORATION, 1, threads)
    return lambda: twisterl.collector.evaluate(env, policy, *arguments), lambda _: episodes


def solve(checkpoint: str, boards: list[list[int]], repeats: int) -> Round:
    """Greedy solutions of one board at a time by `Algorithm.solve`."""
    from twisterl.rl import PPO

    env = make_env(3, 1)
    algorithm = PPO(env, make_policy(env, checkpoint), {"device": "cpu"})

    def work() -> None:
        for _ in range(repeats):
            for board in boards:
                if algorithm.solve(board, True) is None:
                    raise RuntimeError(f"{board} is not solved")

    return work, lambda _: repeats * len(boards)


def search_in_vain(side: int, moves: int, boards: int, how: dict[str, Any]) -> Round:
    """Attempts of `moves` moves at one board at a time, by a network that solves none of them."""
    from twisterl.envs import Puzzle
    from twisterl.rl import PPO

    env = Puzzle(side, side, 1, 2, moves)
    algorithm = PPO(env, make_policy(env), {"device": "cpu"})
    drawn = [env.random_state(seed) for seed in range(2 * boards)]
    chosen = [board for board in drawn if algorithm.solve(board, **how) is None][:boards]

    def work() -> None:
        for board in chosen:
            algorithm.solve(board, **how)

    return work, lambda _: len(chosen)


def solvable(checkpoint: str, count: int) -> Round:
    """Uniformly random boards that the network of `checkpoint` solves greedily: `boards`."""
    from twisterl.rl import PPO

    env = make_env(3, 1)
    algorithm = PPO(env, make_policy(env, checkpoint), {"device": "cpu"})

    def work() -> list[list[int]]:
        drawn = (env.random_state(seed) for seed in itertools.count())
        found = (list(board) for board in drawn if algorithm.solve(board, True))
        return list(itertools.islice(found, count))

    return work, lambda boards: {"count": count, "boards": boards}


def env_calls(side: int, difficulty: int, method: str, arguments: list[int]) -> Round:
    """Calls of one method of the environment from Python."""
    call = getattr(make_env(side, difficulty), method)

    def work() -> None:
        for _ in range(CALLS):
            call(*arguments)

    return work, lambda _: CALLS


def steps(side: int, difficulty: int, what: str, plan: dict[str, Any]) -> Round:
    """What workloads.json calls steps, one call of the environment's methods after the other."""
    env = make_env(side, difficulty)
    source = random.Random(0)
    actions = [source.randrange(4) for _ in range(plan["peer_steps"]["calls"])]
    # 0.5.1 has another name for it.
    reward = env.reward if hasattr(env, "reward") else env.value

    def combined(action: int) -> bool:
        env.observe()
        env.masks()
        env.step(action)
        reward()
        return env.is_final()

    def reset() -> None:
        for _ in actions:
            env.reset()

    def step() -> None:
        for action in actions:
            env.step(action)

    def combined_steps() -> None:
        for action in actions:
            combined(action)

    def rollout() -> None:
        env.reset()
        for _ in range(plan["rollout_steps"]):
            if combined(source.randrange(4)):
                env.reset()

    works = {"reset": reset, "step": step, "combined step": combined_steps, "rollout": rollout}
    count = plan["rollout_steps"] if what == "rollout" else len(actions)
    return works[what], lambda _: count


def policy_step(side: int, difficulty: int, plan: dict[str, Any], evolved: bool) -> Round:
    """Episodes whose actions a network with one small hidden layer chooses.

    `evolved`: by the engine of Evolution Strategies, the likeliest action; otherwise by PPO's
    collector, which draws them.
    """
    import torch
    from twisterl import twisterl
    from twisterl.nn import BasicPolicy

    lanes = plan["lanes"]
    env = make_env(side, difficulty)
    torch.manual_seed(0)
    network = {**NETWORK, "embedding_size": plan["hidden"], "common_layers": []}
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), **network)
    if evolved:
        from twisterl.rl import ES

        algorithm = ES(env, policy, {"device": "cpu", "evals": {}, "collecting": {"num_cores": 1}})
        episodes = {"num_episodes": lanes, "deterministic": True}

        def num_steps(timed: Any) -> int:
            found, _ = timed
            success, _ = found
            solved = success * (found.mean_length or 0)
            return round(lanes * (solved + (1 - success) * 2 * difficulty))

        return lambda: algorithm.evaluate(episodes), num_steps
    settings = {"num_cores": 1, "gamma": 0.995, "lambda": 0.995, "num_episodes": lanes}
    collector = twisterl.collector.PPOCollector(**settings)
    return lambda: collector.collect(env, policy.to_rust()), num_rows


def iterate(side: int, difficulty: int, threads: int) -> Round:
    """Whole learning iterations with the settings of the reference config, one tiny evaluation."""
    from twisterl.utils import load_config, prepare_algorithm

    config = load_config(REFERENCE.format(side**2 - 1))
    config["env"]["difficulty"] = difficulty
    metric = config["algorithm"]["learning"]["diff_metric"]
    one = {"num_episodes": 1, "deterministic": False, "num_searches": 1, "num_mcts_searches": 0}
    config["algorithm"].update(evals={metric: {**one, "num_cores": 1}}, device="cpu")
    config["algorithm"]["collecting"]["num_cores"] = threads
    algorithm = prepare_algorithm(config)
    counts: list[int] = []
    collect = algorithm.collect

    def counting() -> Any:
        data, seconds = collect()
        counts.append(num_rows(data))
        return data, seconds

    algorithm.collect = counting
    return algorithm.learn_step, lambda _: counts[-1]


def train_step(side: int, **more: Any) -> Round:
    """Sample-epochs of full-batch PPO updates on given data."""
    from train_step import Updates

    updates = Updates(make_env(side, 1), side, **more)
    return updates.run, lambda _: updates.report


def dense(side: int, difficulty: int, episodes: int, threads: int) -> Round:
    """Iterations of a plain PPO in PyTorch: the clocks of its parts."""
    from dense_ppo import DensePPO

    plain = DensePPO(side, difficulty, episodes, threads)
    return plain.iterate, lambda parts: parts


def es_example(config: dict[str, Any], threads: int) -> Round:
    """Policy steps of one iteration of an Evolution Strategies config."""
    from twisterl.utils import prepare_algorithm

    config["algorithm"]["collecting"]["num_cores"] = threads
    algorithm = prepare_algorithm(config)
    return algorithm.collect, lambda found: len(found[0].actions)


def es_generations(num_pairs: int, episodes: int, steps: int, count: int) -> Round:
    """Generations of Evolution Strategies, one thread, with the network 81 -> 32 -> 4."""
    puzzle = {"difficulty": steps // 2, "depth_slope": 2, "max_depth": steps, "forbid_undo": True}
    network = {"embedding_size": 32, "common_layers": [], "policy_layers": [], "value_layers": []}
    work, _ = es_example(
        {
            "env_cls": "Puzzle",
            "env": puzzle,
            "policy_cls": "BasicPolicy",
            "policy": network,
            "algorithm_cls": "ES",
            "algorithm": {
                "collecting": {"num_pairs": num_pairs, "num_episodes": episodes},
                "training": {"num_generations": count},
            },
        },
        1,
    )
    return work, lambda _: count


TASKS = {
    "es_example": es_example,
    "es_generations": es_generations,
    "collect": collect,
    "search": search,
    "evaluate": evaluate,
    "solve": solve,
    "env_calls": env_calls,
    "steps": steps,
    "policy_step": policy_step,
    "iterate": iterate,
    "dense": dense,
    "search_in_vain": search_in_vain,
    "solvable": solvable,
    "train_step": train_step,
}

if __name__ == "__main__":
    main()
