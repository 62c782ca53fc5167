"""Tasks beside Stable-Baselines3: how soon they are learned, how fast CartPole is collected.

And what the engine adds to a network that torch plays.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sides
import task_runs
import torch
from growth import WORKLOADS
from learning import worst
from peers import peer
from results import row
from sides import OURS, PEER, spread
from twisterl import twisterl
from twisterl.envs import CartPole
from twisterl.nn import TorchPolicy

SCRIPT = Path(__file__).resolve().parent / "peers" / "sb3_tasks.py"
# By the peer's name of the task: our config, the return in the mean of 100 episodes that ends the
# peer's learning, and the seconds after which it is ended.
BESIDE = {
    "cartpole": ("ppo_cartpole_v1", 475.0, 60.0),
    "pendulum": ("ppo_pendulum_v1", -200.0, 60.0),
    "t_maze": ("ppo_t_maze_v1", 0.9, 60.0),
}


def beside(task: str) -> Callable[[argparse.Namespace], list[dict[str, Any]]]:
    """The benchmark of one task."""
    config, target, limit_s = BESIDE[task]

    def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
        with_peer = peer.is_there(options, "sb3")
        runs: dict[str, list[dict[str, Any]]] = {}
        for seed in range(options.seeds):
            runs.setdefault(OURS, []).append(task_runs.run(config, seed))
            if with_peer:
                runs.setdefault(PEER, []).append(by_peer(task, seed, target, limit_s))
            for side, found in runs.items():
                told = {key: value for key, value in found[-1].items() if key != "curve"}
                print(f"  {task}, {side}, seed {seed}: {told}", file=sys.stderr, flush=True)
        return rows(config, target, runs)

    measure.__doc__ = f"{config} beside Stable-Baselines3: time until a return is reached."
    return measure


def rows(config: str, target: float, runs: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    least, longest_s = task_runs.TASKS[config]
    title = f"{config}: until the mean return of 100 episodes is {target:g}"
    told = {"peer_is": "Stable-Baselines3 2.9.2"} if PEER in runs else {}
    found = []
    for clock, unit in (("seconds", "s"), ("cpu_s", "CPU-s")):
        figures = {side: spread(run[clock] for run in of) for side, of in runs.items()}
        # What a run spent that did not get there, as if it had: the ratio is the least.
        if PEER in runs:
            pairs = zip(runs[OURS], runs[PEER], strict=True)
            figures["ratio"] = spread(theirs[clock] / ours[clock] for ours, theirs in pairs)
        found.append({**row(title, unit, figures), **told})
    slowest = [run["seconds"] for run in runs[OURS]]
    found[0]["goal"] = worst(title, "s", slowest, at_most=longest_s)["goal"]
    got_there = {OURS: [run["reward"] >= least for run in runs[OURS]]}
    if PEER in runs:
        got_there[PEER] = [run["reached"] for run in runs[PEER]]
    shares = {side: spread([100 * sum(of) / len(of)]) for side, of in got_there.items()}
    found.append({**row(f"{config}: seeds that reach it", "%", shares, at_least=100), **told})
    for what, unit in (("reward", ""), ("steps", "steps")):
        name = f"{config}: {'mean return after it' if what == 'reward' else 'steps'}"
        figures = {side: spread(run[what] for run in of) for side, of in runs.items()}
        found.append({**row(name, unit, figures), **told})
    found[0]["runs"] = runs
    return found


def by_peer(task: str, seed: int, target: float, limit_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [str(peer.ensure("sb3")), str(SCRIPT), task, str(seed), str(target)]
        done = subprocess.run(
            [*command, str(limit_s), str(report)],
            env=sides.environment("sb3", 1),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise sides.MeasurementError(done.stderr[-1000:])
        return json.loads(report.read_text())


class Timed(torch.nn.Module):
    """A network that the engine does not have, and the time that it takes of its thread."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = (4, width, width)
        self.body = torch.nn.Sequential(
            *(
                layer
                for inputs, outputs in itertools.pairwise(sizes)
                for layer in (torch.nn.Linear(inputs, outputs), torch.nn.Mish())
            )
        )
        self.heads = torch.nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        begin = time.thread_time()
        outputs = self.heads(self.body(x))
        CLOCK["seconds"] += time.thread_time() - begin
        CLOCK["lanes"] = max(CLOCK["lanes"], x.shape[0])
        return outputs[:, :2], outputs[:, 2]


CLOCK = {"seconds": 0.0, "lanes": 0}


def played(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the engine adds to the forward passes of a network that torch plays."""
    torch.set_num_threads(1)
    plan, found = WORKLOADS["played"], []
    env = CartPole(max_episode_steps=plan["steps"])
    for each in plan["networks"]:
        torch.manual_seed(0)
        policy = TorchPolicy(Timed(each["width"]), env.obs_shape(), 2, env.obs_dtype()).to_rust()
        settings = {"num_cores": 1, "gamma": 0.99, "lambda": 0.95, "cache": False}
        # So many that lanes are full but for the end.
        collector = twisterl.collector.PPOCollector(num_episodes=plan["episodes"], **settings)
        collector.collect(env, policy)
        adds, games = [], []
        for _ in range(options.repeats):
            CLOCK.update(seconds=0.0, lanes=0)
            spent, steps = collected(collector, env, policy)
            lanes, forward = CLOCK["lanes"], CLOCK["seconds"]
            own, own_steps = collected(collector, env, without_torch())
            adds.append(100 * (spent / forward - 1))
            games.append(100 * own / own_steps * steps / forward)
        title = f"torch plays {each['width']}-{each['width']}, {lanes} lanes"
        goal = {"at_most": each["at_most"]} if "at_most" in each else {}
        found += [
            row(f"{title}: the engine adds", "%", {OURS: spread(adds)}, **goal),
            row(f"{title}: of that, playing without torch", "%", {OURS: spread(games)}),
        ]
    return found


def collected(collector: Any, env: Any, policy: Any) -> tuple[float, int]:
    """The seconds of its thread that a collection takes, and its steps."""
    begin = time.thread_time()
    count = len(collector.collect(env, policy))
    return time.thread_time() - begin, count


def without_torch() -> Any:
    """A policy that says the same of everything, and takes next to no time for it."""
    logits, values = np.zeros((CLOCK["lanes"], 2), np.float32), np.zeros(CLOCK["lanes"], np.float32)
    return twisterl.nn.Policy.from_torch(
        lambda seen: (logits[: len(seen)], values[: len(seen)]), [4], 2, "float32"
    )


def forward_of(widths: list[int]) -> torch.nn.Module:
    """The network of Stable-Baselines3's MlpPolicy: hidden layers of their own for both heads."""

    class Apart(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.actor, self.critic = self.stack(2), self.stack(1)

        def stack(self, outputs: int) -> torch.nn.Sequential:
            sizes = [4, *widths]
            layers: list[torch.nn.Module] = []
            for before, after in zip(sizes, widths, strict=False):
                layers += [torch.nn.Linear(before, after), torch.nn.Tanh()]
            return torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], outputs))

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.actor(x), self.critic(x)

    torch.manual_seed(0)
    return Apart()


def cart_pole_steps(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Collection of CartPole with a 64-64 network, in Rust and by Gymnasium."""
    from twisterl.envs.gymnasium_env import GymnasiumEnv

    torch.set_num_threads(1)
    plan, found = WORKLOADS["cart_pole_steps"], []
    makes: dict[str, Callable[[], Any]] = {
        "native": CartPole,
        "Gymnasium's": lambda: GymnasiumEnv("CartPole-v1"),
    }
    with sides.Bench(options, "sb3") as bench:
        for each in plan["rows"]:
            env = makes[each["env"]]()
            module = forward_of(plan["widths"])
            policy = TorchPolicy(module, env.obs_shape(), 2, env.obs_dtype()).to_rust()
            settings = {"num_cores": 1, "gamma": 0.99, "lambda": 0.95, "cache": False}
            collector = twisterl.collector.PPOCollector(num_episodes=each["episodes"], **settings)
            collector.collect(env, policy)
            rounds = []
            for _ in range(options.repeats):
                begin, cpu = time.perf_counter(), time.process_time()
                count = len(collector.collect(env, policy))
                seconds, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
                rounds.append({OURS: {"seconds": seconds, "cpu_s": cpu_s, "count": count}})
                if bench.with_peer:
                    request = {"task": "cart_pole", **plan["peer"], "widths": plan["widths"]}
                    rounds[-1][PEER] = bench.measure(PEER, 1, request)
            title = f"CartPole, {each['env']}, collection by a 64-64 network, 1 thread"
            figures = sides.compare_rounds(rounds)
            goal = {"ratio_cpu": each["ratio"]}
            found.append({**row(title, "steps/s", figures, **goal), **bench.peer_is()})
    return found
