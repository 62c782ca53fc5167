"""The port of the Python bindings: the compiled module as its users call it."""

from __future__ import annotations

import port  # isort: skip  # It makes the reference importable.

from collections.abc import Callable
from itertools import chain
from typing import Any

import models
import network
import numpy as np
import play
import twisterl.envs
from port import Request
from twisterl import twisterl as engine


def make(request: Request) -> Any:
    return getattr(twisterl.envs, request["class"])(**request["parameters"])


class Lanes:
    """One object a lane, called method by method."""

    def __init__(self, request: Request, count: int) -> None:
        self.envs = [make(request) for _ in range(count)]
        self.kind = type(self.envs[0])
        self.num_actions = self.envs[0].num_actions()
        self.difficulty = request["parameters"]["difficulty"]

    def reset(self, which: Any, difficulty: Any, seeds: Any) -> None:
        for lane, number, seed in zip(
            which.tolist(), difficulty.tolist(), seeds.tolist(), strict=True
        ):
            self.envs[lane].difficulty = number
            self.envs[lane].reset(seed)

    def reset_uniform(self, which: Any, seeds: Any) -> None:
        for lane, seed in zip(which.tolist(), seeds.tolist(), strict=True):
            env = self.envs[lane]
            env.set_state(env.random_state(seed))

    def step(self, which: Any, actions: Any) -> None:
        for lane, action in zip(which.tolist(), actions.tolist(), strict=True):
            self.envs[lane].step(action)

    def masks(self) -> Any:
        # Bytes and `fromiter` take half the time of an array from lists.
        flat = bytes(chain.from_iterable(map(self.kind.masks, self.envs)))
        return np.frombuffer(flat, bool).reshape(len(self.envs), -1)

    def observe(self) -> Any:
        rows = list(map(self.kind.observe, self.envs))
        lengths = self.each(len, rows, np.int64)[:, None]
        found = np.full((len(rows), lengths.max()), -1)
        found[np.arange(found.shape[1]) < lengths] = np.fromiter(chain.from_iterable(rows), int)
        return found

    def status(self) -> tuple[Any, Any, Any, Any]:
        reward = self.each(self.kind.reward, self.envs, np.float32)
        final = self.each(self.kind.is_final, self.envs, bool)
        success = self.each(self.kind.success, self.envs, bool)
        # Python is not told; in every environment of the list it means this.
        return reward, final, success, final & ~success

    @staticmethod
    def each(call: Callable[[Any], Any], of: list[Any], dtype: Any) -> Any:
        return np.fromiter(map(call, of), dtype, len(of))


def digests(request: Request) -> Request:
    return play.digests(lambda count: Lanes(request, count), request)


def records(request: Request) -> Request:
    return {"records": play.records(lambda count: Lanes(request, count), request)}


def policy(request: Request) -> Any:
    """The engine's policy from the weights, built as `to_rust` builds it, without torch."""
    env, nn = make(request), engine.nn
    tensors = network.load_file(request["weights"])
    weight, bias = tensors["embeddings.weight"], tensors["embeddings.bias"]
    shape = [int(np.prod(env.obs_shape()))]

    def sequential(name: str, final_relu: bool) -> Any:
        places = sorted({int(key.split(".")[1]) for key in tensors if key.startswith(f"{name}.")})
        layers = []
        for place in places:
            weights = tensors[f"{name}.{place}.weight"].T.ravel()
            relu = final_relu or place < places[-1]
            layers.append(nn.Linear(weights, tensors[f"{name}.{place}.bias"], relu))
        return nn.Sequential(layers)

    perms = [[perm] for perm in request.get("perms") or ()] or [[], []]
    embeddings = nn.EmbeddingBag(np.ascontiguousarray(weight.T), bias, True, shape, 0)
    nets = [sequential("common", True), sequential("action", False), sequential("value", False)]
    return nn.Policy(embeddings, *nets, *perms)


def outputs(request: Request) -> Request:
    """See the reference; the boards come from it, since Python cannot name their streams."""
    import reference

    boards = reference.Rng.stream(request["seed"], 1, np.arange(request["boards"]))
    rows = reference.uniform_lanes(request, boards).observe()
    features = [row[row >= 0].astype(np.int32) for row in rows]
    offsets = np.cumsum([0, *map(len, features)])
    perms = np.zeros(len(rows), np.int32) if request.get("perms") else None
    logits, values = policy(request).forward_batch(np.concatenate(features), offsets, perms)
    return {"logits": logits.ravel().tolist(), "values": values.tolist()}


def games(env: Any, policy: Any, count: int, seed: int, start: str) -> Request:
    """Greedy play of `count` games."""
    return engine.collector.evaluate_episodes(  # type: ignore[no-any-return]
        env,
        policy,
        num_episodes=count,
        deterministic=True,
        seed=seed,
        num_cores=2,
        start=start,
        actions=True,
    )


def words(found: Request) -> list[Any]:
    """What a digest of each game joins: actions, success, the bits of the summed reward."""
    ends = np.stack([found["success"], found["reward"].view(np.uint32)], 1).astype(np.uint64)
    return [np.append(played, end) for played, end in zip(found["actions"], ends, strict=True)]


def greedy(request: Request) -> Request:
    found = games(
        make(request), policy(request), request["boards"], request["seed"], start="uniform"
    )
    return {
        "digests": play.hexes(np.array([play.joined(each) for each in words(found)])),
        "successes": int(found["success"].sum()),
        "actions": found["actions"][request["board"]].tolist() if "board" in request else None,
    }


FIELDS = ("indices", "offsets", "masks", "logits", "log_probs", "values", "rewards", "actions")


def collect(request: Request) -> Request:
    collector = engine.collector.PPOCollector(
        request["episodes"],
        request["gamma"],
        request["lambda"],
        2,
        seed=request["seed"],
        truncation=request["truncation"],
    )
    data = collector.collect(make(request), policy(request), request["iteration"])
    fields = {name: getattr(data.arrays, name) for name in (*FIELDS, "episode_starts")}
    fields["advantages"] = data.arrays.additional_data["advs"]
    fields["returns"] = data.arrays.additional_data["rets"]
    return {"fields": {name: numbers(value) for name, value in fields.items()}}


def numbers(values: Any) -> list[int]:
    """Floats as their bits."""
    flat = values.ravel()
    return (flat.view(np.uint32) if flat.dtype == np.float32 else flat.astype(int)).tolist()


TASKS = {
    "digests": digests,
    "records": records,
    "network": outputs,
    "greedy": greedy,
    "collect": collect,
    "models": models.verdicts,
}

if __name__ == "__main__":
    port.serve(TASKS)
